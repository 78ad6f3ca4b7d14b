//! Group-by in id space: one segment's groups, values looked up once at the end.
//!
//! Each key of a row is a small number (a dictionary id, or the id of an expression's value for that entry), so that a
//! group is one number. Few possible groups are a plain array, many are a table from number to group.

use crate::error::Result;
use crate::exec::bind::BoundSegment;
use crate::exec::decode::Scratch;
use crate::exec::fast_aggregates::FastAggregate;
use crate::exec::filter::Input;
use crate::exec::groups::GroupMerge;
use crate::exec::output::BoundGroups;
use crate::exec::selection::{Mask, Selection, Vector};
use crate::kernels::gather;
use crate::memory::Budget;
use arrow_array::{ArrayRef, UInt32Array};
use segfmt::IdPage;
use shard_plan::group::hash_u64;
use shard_plan::merge::BoundAggregate;
use shard_plan::sort::take;
use shard_plan::{Error as PlanError, Scalar};
use std::sync::Arc;

/// How a group key is taken from a segment.
#[derive(Debug)]
pub(crate) enum KeyPlan {
    /// The column's ids; the id after the last is NULL when the column is nullable.
    Ids { column: usize, cardinality: u32, nullable: bool },
    /// A deterministic expression of a dictionary column: ids map to ids of its distinct values.
    Remapped { column: usize, map: Arc<[u32]>, values: ArrayRef },
    Constant(Scalar),
}

impl KeyPlan {
    /// Distinct numbers of the key.
    fn radix(&self) -> u64 {
        match self {
            KeyPlan::Ids { cardinality, nullable, .. } => u64::from(*cardinality) + u64::from(*nullable),
            KeyPlan::Remapped { values, .. } => values.len() as u64,
            KeyPlan::Constant(_) => 1,
        }
        .max(1)
    }
}

/// Up to this many possible groups are their own group number.
const DIRECT: u64 = 4096;
/// Up to this many possible groups have a table of group numbers.
const INDEXED: u64 = 1 << 21;
/// Groups of one segment that are kept before they are merged by value.
const FULL: usize = 1 << 16;
const NONE: u32 = u32::MAX;

/// From a row's number to its group.
#[derive(Debug)]
enum Codes {
    /// Number and group are the same; `seen` marks groups that rows fell into.
    Direct { seen: Vec<u8> },
    Indexed { group_of: Vec<u32>, code_of: Vec<u64> },
    Hashed { slots: Vec<u32>, code_of: Vec<u64> },
}

/// The groups of one segment on one shard.
#[derive(Debug)]
pub(crate) struct FastGroups {
    segment: Arc<BoundSegment>,
    radixes: Vec<u64>,
    codes: Codes,
    aggregates: Vec<FastAggregate>,
    bound: Vec<BoundAggregate>,
    groups: Vec<u32>,
    ids: Vec<u32>,
    wide: Vec<u64>,
}

impl FastGroups {
    /// `None` when the segment's keys cannot be taken as ids.
    pub fn new(segment: Arc<BoundSegment>, bound: &BoundGroups, budget: &Budget) -> Result<Option<FastGroups>> {
        let Some(keys) = &segment.keys else { return Ok(None) };
        let radixes: Vec<u64> = keys.iter().map(KeyPlan::radix).collect();
        let Some(product) = radixes.iter().try_fold(1u64, |p, r| p.checked_mul(*r)) else { return Ok(None) };
        let rows: u64 = segment.blocks.len() as u64 * u64::from(segment.source.rows_per_block());
        let codes = if product <= DIRECT {
            Codes::Direct { seen: vec![0; product as usize] }
        } else if product <= INDEXED && product <= rows.max(1) * 4 {
            budget.reserve(product * 4, "group by")?;
            Codes::Indexed { group_of: vec![NONE; product as usize], code_of: Vec::new() }
        } else {
            Codes::Hashed { slots: vec![NONE; 4096], code_of: Vec::new() }
        };
        let direct = if let Codes::Direct { seen } = &codes { seen.len() } else { 0 };
        let mut aggregates = Vec::with_capacity(bound.aggregates.len());
        for i in 0..bound.aggregates.len() {
            let mut aggregate = FastAggregate::new(&segment, bound, i)?;
            aggregate.resize(direct);
            aggregates.push(aggregate);
        }
        let bound = bound.aggregates.clone();
        Ok(Some(FastGroups { segment, radixes, codes, aggregates, bound, groups: Vec::new(), ids: Vec::new(), wide: Vec::new() }))
    }

    pub fn serves(&self, segment: &Arc<BoundSegment>) -> bool {
        Arc::ptr_eq(&self.segment, segment)
    }

    /// Groups that rows fell into.
    pub fn len(&self) -> usize {
        match &self.codes {
            Codes::Direct { seen } => seen.iter().filter(|s| **s != 0).count(),
            Codes::Indexed { code_of, .. } | Codes::Hashed { code_of, .. } => code_of.len(),
        }
    }

    /// Whether the groups should be merged by value before more are made, so that no step is long.
    pub fn is_full(&self) -> bool {
        match &self.codes {
            Codes::Direct { .. } => false,
            Codes::Indexed { code_of, .. } | Codes::Hashed { code_of, .. } => code_of.len() > FULL,
        }
    }

    /// Adds the passing rows of a vector.
    #[allow(clippy::too_many_arguments)]
    pub fn add(
        &mut self,
        bound: &BoundGroups,
        input: &Input<'_>,
        vector: Vector,
        mask: &Mask,
        passed: usize,
        selection: &mut Selection,
        scratch: &mut Scratch,
    ) -> Result<()> {
        if self.radixes.iter().all(|r| *r == 1) {
            // One group: some aggregates need the mask only, not the rows.
            if let Codes::Direct { seen } = &mut self.codes {
                seen[0] = 1;
            }
            let mut open = Vec::new();
            for (i, aggregate) in self.aggregates.iter_mut().enumerate() {
                if !aggregate.add_mask(input, vector, mask, passed) {
                    open.push(i);
                }
            }
            if open.is_empty() {
                return Ok(());
            }
            selection.set(input.simd, vector, mask);
            self.groups.clear();
            self.groups.resize(passed, 0);
            for i in open {
                self.aggregates[i].add(bound, i, input, selection, &self.groups, scratch)?;
            }
            return Ok(());
        }
        selection.set(input.simd, vector, mask);
        self.assign(input, vector, selection);
        let groups = match &self.codes {
            Codes::Direct { seen } => seen.len(),
            Codes::Indexed { code_of, .. } | Codes::Hashed { code_of, .. } => code_of.len(),
        };
        for (i, aggregate) in self.aggregates.iter_mut().enumerate() {
            aggregate.resize(groups);
            aggregate.add(bound, i, input, selection, &self.groups, scratch)?;
        }
        Ok(())
    }

    /// The group of each selected row, into `self.groups`.
    fn assign(&mut self, input: &Input<'_>, vector: Vector, selection: &Selection) {
        let segment = self.segment.clone();
        let Some(keys) = &segment.keys else { return };
        let narrow = matches!(self.codes, Codes::Direct { .. } | Codes::Indexed { .. });
        self.groups.clear();
        self.groups.resize(selection.rows.len(), 0);
        if !narrow {
            self.wide.clear();
            self.wide.resize(selection.rows.len(), 0);
        }
        let mut first = true;
        for (key, radix) in keys.iter().zip(&self.radixes) {
            if *radix == 1 {
                continue;
            }
            key_ids(key, input, vector, selection, &mut self.ids);
            if narrow {
                if std::mem::take(&mut first) {
                    std::mem::swap(&mut self.groups, &mut self.ids);
                } else {
                    let radix = *radix as u32;
                    self.groups.iter_mut().zip(&self.ids).for_each(|(g, id)| *g = *g * radix + id);
                }
            } else {
                self.wide.iter_mut().zip(&self.ids).for_each(|(g, id)| *g = *g * radix + u64::from(*id));
            }
        }
        match &mut self.codes {
            Codes::Direct { seen } => self.groups.iter().for_each(|g| seen[*g as usize] = 1),
            Codes::Indexed { group_of, code_of } => {
                for code in &mut self.groups {
                    let slot = &mut group_of[*code as usize];
                    if *slot == NONE {
                        *slot = code_of.len() as u32;
                        code_of.push(u64::from(*code));
                    }
                    *code = *slot;
                }
            }
            Codes::Hashed { slots, code_of } => {
                for (group, code) in self.groups.iter_mut().zip(&self.wide) {
                    if (code_of.len() + 1) * 2 > slots.len() {
                        grow(slots, code_of);
                    }
                    *group = find_or_insert(slots, code_of, *code);
                }
            }
        }
    }

    /// Looks the keys of all groups up and hands keys and states to the merge by value. Empties this.
    pub fn flush(&mut self, bound: &BoundGroups, merge: &mut GroupMerge) -> Result<()> {
        let (present, codes): (Vec<u32>, Vec<u64>) = match &self.codes {
            Codes::Direct { seen } => (0..seen.len()).filter(|g| seen[*g] != 0).map(|g| (g as u32, g as u64)).unzip(),
            Codes::Indexed { code_of, .. } | Codes::Hashed { code_of, .. } => ((0..code_of.len() as u32).collect(), code_of.clone()),
        };
        if present.is_empty() {
            return Ok(());
        }
        let mut columns = Vec::with_capacity(bound.keys.len());
        let Some(keys) = &self.segment.keys else { return Ok(()) };
        let mut divisor: u64 = self.radixes.iter().product();
        for (key, radix) in keys.iter().zip(&self.radixes) {
            divisor /= radix;
            let ids: Vec<u32> = codes.iter().map(|c| ((c / divisor) % radix) as u32).collect();
            columns.push(key_values(key, &self.segment, &ids)?);
        }
        let all = matches!(&self.codes, Codes::Indexed { .. } | Codes::Hashed { .. }) || present.len() == self.len_slots();
        let indices = UInt32Array::from(present.clone());
        for aggregate in &mut self.aggregates {
            let states = aggregate.states(&self.segment)?;
            columns.extend(if all { states } else { take(&states, &indices)? });
        }
        merge.push(columns, present.len());
        Ok(())
    }

    fn len_slots(&self) -> usize {
        match &self.codes {
            Codes::Direct { seen } => seen.len(),
            Codes::Indexed { code_of, .. } | Codes::Hashed { code_of, .. } => code_of.len(),
        }
    }

    /// The aggregates that this was made for.
    pub fn aggregates(&self) -> &[BoundAggregate] {
        &self.bound
    }
}

fn find_or_insert(slots: &mut [u32], code_of: &mut Vec<u64>, code: u64) -> u32 {
    let mask = slots.len() - 1;
    let mut at = hash_u64(code) as usize & mask;
    loop {
        let group = slots[at];
        if group == NONE {
            let new = code_of.len() as u32;
            slots[at] = new;
            code_of.push(code);
            return new;
        }
        if code_of[group as usize] == code {
            return group;
        }
        at = (at + 1) & mask;
    }
}

fn grow(slots: &mut Vec<u32>, code_of: &[u64]) {
    let size = slots.len() * 2;
    slots.clear();
    slots.resize(size, NONE);
    let mask = size - 1;
    for (group, code) in code_of.iter().enumerate() {
        let mut at = hash_u64(*code) as usize & mask;
        while slots[at] != NONE {
            at = (at + 1) & mask;
        }
        slots[at] = group as u32;
    }
}

/// Ids of a dictionary column for the selected rows.
pub(crate) fn column_ids(column: usize, input: &Input<'_>, vector: Vector, selection: &Selection, out: &mut Vec<u32>) {
    let Some(page) = input.blocks[column].page().and_then(|p| p.ids()) else {
        out.clear();
        out.resize(selection.rows.len(), 0);
        return;
    };
    match page {
        IdPage::Packed(packed) if selection.dense => gather::decode(input.simd, packed, vector.start, vector.len, out),
        page => crate::exec::decode::ids(page, &selection.rows, out),
    }
}

fn key_ids(key: &KeyPlan, input: &Input<'_>, vector: Vector, selection: &Selection, out: &mut Vec<u32>) {
    let (column, null) = match key {
        KeyPlan::Constant(_) => return,
        KeyPlan::Ids { column, cardinality, .. } => (*column, *cardinality),
        // The map's last entry, after those of the dictionary, is the null row's.
        KeyPlan::Remapped { column, map, .. } => (*column, map.len() as u32 - 1),
    };
    column_ids(column, input, vector, selection, out);
    let bound = &input.columns[column];
    if bound.nulls.is_some() {
        for (id, row) in out.iter_mut().zip(&selection.rows) {
            if bound.is_null(input.first_row + u64::from(*row)) {
                *id = null;
            }
        }
    }
    if let KeyPlan::Remapped { map, .. } = key {
        out.iter_mut().for_each(|id| *id = map[*id as usize]);
    }
}

fn key_values(key: &KeyPlan, segment: &BoundSegment, ids: &[u32]) -> Result<ArrayRef> {
    match key {
        KeyPlan::Constant(value) => Ok(shard_plan::repeat(value, ids.len())?),
        KeyPlan::Remapped { values, .. } => {
            Ok(arrow_select::take::take(values, &UInt32Array::from(ids.to_vec()), None).map_err(|e| PlanError::Plan(e.to_string()))?)
        }
        KeyPlan::Ids { column, cardinality, .. } => {
            let dict = segment.columns[*column].dict()?;
            let valid: Vec<bool> = ids.iter().map(|id| id < cardinality).collect();
            let safe: Vec<u32> = ids.iter().map(|id| if id < cardinality { *id } else { 0 }).collect();
            let nulls = arrow_buffer::NullBuffer::from(valid);
            dict.values_sorted(&safe, (nulls.null_count() > 0).then_some(nulls))
        }
    }
}
