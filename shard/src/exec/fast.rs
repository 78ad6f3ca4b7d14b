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
use crate::kernels::{GROUP, gather};
use crate::memory::Budget;
use arrow_array::{ArrayRef, UInt32Array};
use segfmt::IdPage;
use shard_plan::group::hash_u64;
use shard_plan::{Error as PlanError, Scalar};
use std::sync::Arc;

/// How a group key is taken from a segment.
#[derive(Debug)]
pub(crate) enum KeyPlan {
    /// The column's ids; the id after the last is NULL when the column is nullable.
    Ids {
        column: usize,
        cardinality: u32,
        nullable: bool,
    },
    /// A deterministic expression of a dictionary column: ids map to ids of its distinct values.
    Remapped {
        column: usize,
        map: Arc<[u32]>,
        values: ArrayRef,
    },
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
/// Up to this many possible groups have a table of group numbers from the start: it fits the L2 cache.
const INDEXED: u64 = 1 << 16;
/// Up to this many have one once they are more than one in [`SPARSE`]: until then a small hash table is faster than
/// clearing and reading a large one for the few groups that a filter leaves.
const INDEXED_MAX: u64 = 1 << 21;
const SPARSE: usize = 32;
/// Groups of one segment in a hash table before they are merged by value: more would make its growth a long step (E-16).
const FULL: usize = 1 << 16;
/// Entries of a table that are looked at for groups in one step.
const LOOKED_AT: usize = 1 << 15;
/// Groups handed over in one step.
const FLUSHED: usize = 512;
const NONE: u32 = u32::MAX;

/// From a row's number to its group.
#[derive(Debug)]
enum Codes {
    /// Number and group are the same; `seen` marks groups that rows fell into.
    Direct {
        seen: Vec<u8>,
    },
    /// One more than the group, 0 for none, for each of `numbers` numbers.
    Indexed {
        group_after: Vec<u32>,
        numbers: usize,
        groups: usize,
    },
    Hashed {
        slots: Vec<u32>,
        code_of: Vec<u64>,
    },
}

/// Tables of group numbers that a shard keeps for its next query: a new one costs a page fault, or the clearing of a page,
/// for each part of it that a row is the first to touch, and a query with many groups touches all of it in its first vectors.
mod spare {
    use std::cell::RefCell;

    /// Tables kept on a shard, each of up to [`super::INDEXED_MAX`] numbers.
    const KEPT: usize = 2;

    thread_local! {
        static TABLES: RefCell<Vec<Vec<u32>>> = const { RefCell::new(Vec::new()) };
    }

    /// At least `numbers` zeros.
    pub(super) fn take(numbers: usize) -> Vec<u32> {
        TABLES.with_borrow_mut(|tables| match tables.iter().position(|t| t.len() >= numbers) {
            Some(found) => tables.swap_remove(found),
            None => vec![0; numbers],
        })
    }

    /// `table` is all zeros again.
    pub(super) fn keep(table: Vec<u32>) {
        debug_assert!(table.iter().all(|n| *n == 0));
        TABLES.with_borrow_mut(|tables| {
            tables.push(table);
            if tables.len() > KEPT {
                // The smallest goes: it serves the fewest.
                tables.sort_unstable_by_key(|t| std::cmp::Reverse(t.len()));
                tables.pop();
            }
        });
    }
}

/// The groups of one segment on one shard.
#[derive(Debug)]
pub(crate) struct FastGroups {
    segment: Arc<BoundSegment>,
    radixes: Vec<u64>,
    codes: Codes,
    aggregates: Vec<FastAggregate>,
    groups: Vec<u32>,
    ids: Vec<u32>,
    wide: Vec<u64>,
    flush: Option<Flush>,
}

/// Groups on their way out.
#[derive(Debug)]
struct Flush {
    present: Vec<u32>,
    codes: Vec<u64>,
    /// Entries of the table that have been looked at.
    looked_at: usize,
    /// Aggregates that have been given all that was gathered as ids.
    settled: usize,
    next: usize,
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
            let numbers = product as usize;
            Codes::Indexed { group_after: spare::take(numbers), numbers, groups: 0 }
        } else {
            // A table of at most 8 MiB may follow: that much is there, or the query goes no further.
            if product <= INDEXED_MAX {
                budget.reserve(product * 4, "group by")?;
            }
            Codes::Hashed { slots: vec![NONE; 4096], code_of: Vec::new() }
        };
        let direct = if let Codes::Direct { seen } = &codes { seen.len() } else { 0 };
        let mut aggregates = Vec::with_capacity(bound.aggregates.len());
        for i in 0..bound.aggregates.len() {
            let mut aggregate = FastAggregate::new(&segment, bound, i)?;
            aggregate.resize(direct);
            aggregates.push(aggregate);
        }
        Ok(Some(FastGroups {
            segment,
            radixes,
            codes,
            aggregates,
            groups: Vec::new(),
            ids: Vec::new(),
            wide: Vec::new(),
            flush: None,
        }))
    }

    /// The only group of a whole segment, from its statistics and dictionaries; `None` when its rows must be read.
    pub fn from_metadata(
        segment: &Arc<BoundSegment>,
        bound: &BoundGroups,
        budget: &Budget,
    ) -> Result<Option<FastGroups>> {
        let every_row =
            segment.blocks.len() == segment.source.blocks() as usize && segment.blocks.iter().all(|(_, all)| *all);
        if !every_row || !bound.keys.is_empty() {
            return Ok(None);
        }
        let Some(mut groups) = FastGroups::new(segment.clone(), bound, budget)? else { return Ok(None) };
        for aggregate in &mut groups.aggregates {
            if !aggregate.answer(segment)? {
                return Ok(None);
            }
        }
        if let Codes::Direct { seen } = &mut groups.codes {
            seen.fill(1);
        }
        groups.begin_flush();
        Ok(Some(groups))
    }

    pub fn serves(&self, segment: &Arc<BoundSegment>) -> bool {
        Arc::ptr_eq(&self.segment, segment)
    }

    /// Groups that rows fell into.
    pub fn len(&self) -> usize {
        match &self.codes {
            Codes::Direct { seen } => seen.iter().filter(|s| **s != 0).count(),
            Codes::Indexed { groups, .. } => *groups,
            Codes::Hashed { code_of, .. } => code_of.len(),
        }
    }

    /// Whether the groups should be merged by value before more are made, so that no step is long.
    pub fn is_full(&self) -> bool {
        match &self.codes {
            Codes::Direct { .. } | Codes::Indexed { .. } => false,
            Codes::Hashed { code_of, .. } => code_of.len() > FULL,
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
                self.aggregates[i].add(bound, i, input, selection, &self.groups, true, scratch)?;
            }
            return Ok(());
        }
        selection.set(input.simd, vector, mask);
        self.assign(input, vector, selection);
        let groups = match &self.codes {
            Codes::Direct { seen } => seen.len(),
            Codes::Indexed { groups, .. } => *groups,
            Codes::Hashed { code_of, .. } => code_of.len(),
        };
        for (i, aggregate) in self.aggregates.iter_mut().enumerate() {
            aggregate.resize(groups);
            aggregate.add(bound, i, input, selection, &self.groups, false, scratch)?;
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
            Codes::Indexed { group_after, groups, .. } => {
                for code in &mut self.groups {
                    let slot = &mut group_after[*code as usize];
                    if *slot == 0 {
                        *groups += 1;
                        *slot = *groups as u32;
                    }
                    *code = *slot - 1;
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
        self.index_if_dense();
    }

    /// Goes over from hashing to a table by number when many of the possible groups are there.
    fn index_if_dense(&mut self) {
        let Codes::Hashed { code_of, .. } = &self.codes else { return };
        let numbers: u64 = self.radixes.iter().product();
        if numbers > INDEXED_MAX || code_of.len() * SPARSE < numbers as usize {
            return;
        }
        let mut group_after = spare::take(numbers as usize);
        for (group, code) in code_of.iter().enumerate() {
            group_after[*code as usize] = group as u32 + 1;
        }
        self.codes = Codes::Indexed { group_after, numbers: numbers as usize, groups: code_of.len() };
    }

    /// Whether the groups are on their way out; no more rows are added then.
    pub fn is_flushing(&self) -> bool {
        self.flush.is_some()
    }

    /// Starts to hand the groups over.
    pub fn begin_flush(&mut self) {
        if self.flush.is_none() {
            let (present, codes): (Vec<u32>, Vec<u64>) = match &mut self.codes {
                Codes::Direct { seen } => {
                    (0..seen.len()).filter(|g| seen[*g] != 0).map(|g| (g as u32, g as u64)).unzip()
                }
                // Looked for in the order of the ids, so that dictionaries are read from front to back.
                Codes::Indexed { groups, .. } => (Vec::with_capacity(*groups), Vec::with_capacity(*groups)),
                Codes::Hashed { code_of, .. } => ((0..code_of.len() as u32).collect(), std::mem::take(code_of)),
            };
            self.flush = Some(Flush { present, codes, looked_at: 0, settled: 0, next: 0 });
        }
    }

    /// Looks the keys of some groups up and hands keys and states to the merge by value; true when all are handed over.
    pub fn flush_step(&mut self, bound: &BoundGroups, merge: &mut GroupMerge) -> Result<bool> {
        let (Some(flush), Some(keys)) = (&mut self.flush, &self.segment.keys) else { return Ok(true) };
        if let Codes::Indexed { group_after, numbers, .. } = &mut self.codes
            && flush.looked_at < *numbers
        {
            let from = flush.looked_at;
            flush.looked_at = (from + LOOKED_AT).min(*numbers);
            for (i, group) in group_after[from..flush.looked_at].iter_mut().enumerate().filter(|(_, g)| **g != 0) {
                flush.present.push(std::mem::take(group) - 1);
                flush.codes.push((from + i) as u64);
            }
            if flush.looked_at == *numbers {
                spare::keep(std::mem::take(group_after));
            }
            return Ok(false);
        }
        if flush.present.is_empty() {
            return Ok(true);
        }
        if let Some(aggregate) = self.aggregates.get_mut(flush.settled) {
            flush.settled += usize::from(aggregate.settle_step(&self.segment)?);
            return Ok(false);
        }
        let end = (flush.next + FLUSHED).min(flush.present.len());
        let chunk = flush.next..end;
        let mut columns = Vec::with_capacity(bound.keys.len() + self.aggregates.len());
        let mut divisor: u64 = self.radixes.iter().product();
        for (key, radix) in keys.iter().zip(&self.radixes) {
            divisor /= radix;
            let ids: Vec<u32> = flush.codes[chunk.clone()].iter().map(|c| ((c / divisor) % radix) as u32).collect();
            columns.push(key_values(key, &self.segment, &ids)?);
        }
        for aggregate in &mut self.aggregates {
            columns.extend(aggregate.states_of(&flush.present[chunk.clone()])?);
        }
        merge.push(columns, chunk.len());
        flush.next = end;
        Ok(end == flush.present.len())
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
        IdPage::Packed(packed) if selection.dense && vector.start.is_multiple_of(GROUP) => {
            gather::decode(input.simd, packed, vector.start, vector.len, out)
        }
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
            Ok(arrow_select::take::take(values, &UInt32Array::from(ids.to_vec()), None)
                .map_err(|e| PlanError::Plan(e.to_string()))?)
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
