//! Group states by value: what a shard keeps, and how shards' results are merged.
//!
//! Up to [`SPLIT`] groups live in one table. Above that they are spread by a hash of the key over [`PARTS`] tables, so
//! that no step, growth included, works on more than a small part of them (E-13, E-16).

use crate::error::Result;
use crate::exec::decode;
use crate::exec::output::BoundGroups;
use arrow_array::{Array, ArrayRef, BooleanArray, UInt32Array};
use shard_plan::Error as PlanError;
use shard_plan::group::hash_rows;
use shard_plan::merge::Groups;
use shard_plan::sort::{concat, take};
use std::collections::VecDeque;

/// Groups of one table before they are split.
const SPLIT: usize = 16_384;
pub(crate) const PARTS: usize = 64;
/// Rows merged or scattered in one step.
pub(crate) const STEP: usize = 1024;
const SCATTER: usize = 4096;
/// Groups handed over in one step.
pub(crate) const EMITTED: usize = 2048;
/// Rows of one part that are gathered before they are merged: the part's table then stays in cache for all of them.
const GATHER: usize = 4096;

/// Rows of each part.
pub(crate) fn parts_of(keys: &[ArrayRef], rows: usize) -> Result<Vec<Vec<u32>>> {
    let mut hashes = Vec::new();
    hash_rows(keys, rows, &mut hashes)?;
    let mut rows_of: Vec<Vec<u32>> = vec![Vec::new(); PARTS];
    for (row, hash) in hashes.iter().enumerate() {
        rows_of[(hash >> 32) as usize % PARTS].push(row as u32);
    }
    Ok(rows_of)
}

/// Rows of one part that are not merged yet.
#[derive(Debug, Default)]
struct Waiting {
    batches: Vec<Vec<ArrayRef>>,
    rows: usize,
}

/// Groups and the state batches that are still to be merged into them.
#[derive(Debug)]
pub(crate) struct GroupMerge {
    parts: Vec<Groups>,
    pending: VecDeque<(Vec<ArrayRef>, usize, usize)>,
    /// By part, once the groups are spread.
    waiting: Vec<Waiting>,
    /// Parts with enough waiting rows.
    full: VecDeque<usize>,
    /// Rows that are being merged into a part, and how many of them are.
    merging: Option<(usize, Vec<ArrayRef>, usize)>,
    limit: Option<u32>,
    keys: usize,
    pending_rows: usize,
    /// Groups are spread over [`PARTS`] tables.
    spread_parts: bool,
}

/// States of groups of one part, with its number when the groups are spread.
pub(crate) type Emitted = (Option<usize>, Vec<ArrayRef>, usize);

impl GroupMerge {
    pub fn new(bound: &BoundGroups, limit: Option<u64>) -> Result<GroupMerge> {
        let limit = limit.map(|l| u32::try_from(l).unwrap_or(u32::MAX - 1));
        let mut single = Groups::new(&bound.key_types, &bound.aggregates)?;
        if let Some(limit) = limit {
            single.limit(limit);
        }
        Ok(GroupMerge {
            parts: vec![single],
            pending: VecDeque::new(),
            waiting: Vec::new(),
            full: VecDeque::new(),
            merging: None,
            limit,
            keys: bound.keys.len(),
            pending_rows: 0,
            spread_parts: false,
        })
    }

    /// Takes key and state columns of `rows` groups.
    pub fn push(&mut self, columns: Vec<ArrayRef>, rows: usize) {
        if rows > 0 {
            self.pending_rows += rows;
            self.pending.push_back((columns, 0, rows));
        }
    }

    /// Enough is pending for a step that pays.
    pub fn is_loaded(&self) -> bool {
        !self.full.is_empty()
            || self.merging.is_some()
            || if !self.spread_parts { !self.pending.is_empty() } else { self.pending_rows >= SCATTER }
    }

    /// No step is due before more groups come.
    pub fn is_idle(&self) -> bool {
        self.pending.is_empty() && self.full.is_empty() && self.merging.is_none()
    }

    /// Groups so far, without what is pending.
    pub fn len(&self) -> usize {
        self.parts.iter().map(Groups::len).sum()
    }

    pub fn limit_reached(&self) -> bool {
        self.parts.iter().any(Groups::limit_reached)
    }

    /// Merges a bounded number of rows; true when no step is due.
    pub fn step(&mut self, bound: &BoundGroups) -> Result<bool> {
        if let Some((part, columns, done)) = self.merging.take() {
            let rows = columns.first().map_or(0, |c| c.len());
            let now = STEP.min(rows - done);
            let slice: Vec<ArrayRef> = columns.iter().map(|c| c.slice(done, now)).collect();
            self.parts[part].merge(&slice, now)?;
            if done + now < rows {
                self.merging = Some((part, columns, done + now));
            }
            return Ok(self.is_idle());
        }
        if let Some(part) = self.full.pop_front() {
            self.begin_part(part)?;
            return Ok(false);
        }
        if !self.spread_parts && self.keys > 0 && self.limit.is_none() && self.parts[0].len() > SPLIT {
            let mut single = std::mem::replace(&mut self.parts, Vec::with_capacity(PARTS)).remove(0);
            for _ in 0..PARTS {
                self.parts.push(Groups::new(&bound.key_types, &bound.aggregates)?);
            }
            self.waiting.resize_with(PARTS, Waiting::default);
            self.spread_parts = true;
            let rows = single.len();
            self.pending_rows += rows;
            self.pending.push_front((single.states()?, 0, rows));
            return Ok(false);
        }
        if !self.spread_parts {
            let Some((slice, now)) = self.take_pending(STEP) else { return Ok(true) };
            self.parts[0].merge(&slice, now)?;
            return Ok(self.is_idle());
        }
        // Small batches are joined up first: scattering costs by the part, not by the row.
        let mut slices = Vec::new();
        let mut now = 0;
        while now < SCATTER
            && let Some((slice, rows)) = self.take_pending(SCATTER - now)
        {
            slices.push(slice);
            now += rows;
        }
        if now == 0 {
            return Ok(true);
        }
        let slice = if slices.len() == 1 { slices.remove(0) } else { concat(&slices)? };
        for (part, rows) in parts_of(&slice[..self.keys], now)?.into_iter().enumerate() {
            if rows.is_empty() {
                continue;
            }
            let waiting = &mut self.waiting[part];
            let due = waiting.rows < GATHER && waiting.rows + rows.len() >= GATHER;
            waiting.rows += rows.len();
            waiting.batches.push(take(&slice, &UInt32Array::from(rows))?);
            if due {
                self.full.push_back(part);
            }
        }
        Ok(self.is_idle())
    }

    /// A step of the end, when no more groups come: true when all are merged.
    pub fn settle_step(&mut self, bound: &BoundGroups) -> Result<bool> {
        if !self.is_idle() {
            self.step(bound)?;
            return Ok(false);
        }
        match self.waiting.iter().position(|waiting| waiting.rows > 0) {
            Some(part) => {
                self.begin_part(part)?;
                Ok(false)
            }
            None => Ok(true),
        }
    }

    /// Joins up what waits for a part, to be merged next.
    fn begin_part(&mut self, part: usize) -> Result<()> {
        let waiting = std::mem::take(&mut self.waiting[part]);
        self.merging = Some((part, concat(&waiting.batches)?, 0));
        Ok(())
    }

    /// Up to `rows` pending rows.
    fn take_pending(&mut self, rows: usize) -> Option<(Vec<ArrayRef>, usize)> {
        let (columns, done, all) = self.pending.pop_front()?;
        let now = rows.min(all - done);
        self.pending_rows -= now;
        let slice = columns.iter().map(|c| c.slice(done, now)).collect();
        if done + now < all {
            self.pending.push_front((columns, done + now, all));
        }
        Some((slice, now))
    }

    /// The table that rows go into directly, while there is only one.
    pub fn single(&mut self) -> Option<&mut Groups> {
        if self.spread_parts { None } else { self.parts.first_mut() }
    }

    /// States of some groups, all of one part; `None` after the last. Call when settled.
    pub fn emit(&mut self) -> Result<Option<Emitted>> {
        while let Some(part) = self.parts.last_mut() {
            if let Some((columns, rows)) = part.next_states(EMITTED)? {
                return Ok(Some((self.spread_parts.then_some(self.parts.len() - 1), columns, rows)));
            }
            self.parts.pop();
        }
        Ok(None)
    }
}

/// Rows of a vector, evaluated: keys, arguments and filters of every aggregate.
#[derive(Debug)]
pub(crate) struct Evaluated {
    pub keys: Vec<ArrayRef>,
    pub args: Vec<Vec<ArrayRef>>,
    pub filters: Vec<Option<BooleanArray>>,
    pub rows: usize,
}

/// Evaluates keys and arguments over decoded columns. Multi-value keys expand: a row counts once for each element, and
/// for each combination when several keys are lists (E-4).
pub(crate) fn evaluate(bound: &BoundGroups, columns: &[ArrayRef], rows: usize) -> Result<Evaluated> {
    let mut keys = bound.keys.iter().map(|k| k.eval(columns, rows)).collect::<Result<Vec<_>, _>>()?;
    let mut args = bound
        .args
        .iter()
        .map(|args| args.iter().map(|a| a.eval(columns, rows)).collect::<Result<Vec<_>, _>>())
        .collect::<Result<Vec<_>, _>>()?;
    let mut filters = bound
        .filters
        .iter()
        .map(|f| f.as_ref().map(|f| f.eval_filter(columns, rows)).transpose())
        .collect::<Result<Vec<_>, _>>()?;
    let mut rows = rows;
    for key in 0..keys.len() {
        let Some(list) = decode::as_list(&keys[key]) else { continue };
        let offsets = list.value_offsets();
        let mut parents = Vec::new();
        let mut elements = Vec::new();
        for row in 0..list.len() {
            if list.is_null(row) || offsets[row] == offsets[row + 1] {
                // A null or empty list is one group of its own: NULL.
                parents.push(row as u32);
                elements.push(None);
            } else {
                for i in offsets[row]..offsets[row + 1] {
                    parents.push(row as u32);
                    elements.push(Some(i as u32));
                }
            }
        }
        let expanded = arrow_select::take::take(list.values(), &UInt32Array::from(elements), None)
            .map_err(|e| PlanError::Plan(e.to_string()))?;
        let parents = UInt32Array::from(parents);
        keys = take(&keys, &parents)?;
        keys[key] = expanded;
        args = args.iter().map(|a| take(a, &parents)).collect::<Result<Vec<_>, _>>()?;
        for filter in filters.iter_mut().flatten() {
            let taken =
                arrow_select::take::take(&*filter, &parents, None).map_err(|e| PlanError::Plan(e.to_string()))?;
            if let Some(boolean) = taken.as_any().downcast_ref::<BooleanArray>() {
                *filter = boolean.clone();
            }
        }
        rows = parents.len();
    }
    Ok(Evaluated { keys, args, filters, rows })
}
