//! The last merge of many groups: parts of a hash of the key, merged by every worker of the query at once.
//!
//! Each worker has spread its groups over the same [`PARTS`]. The last one to get there puts the pieces of each part
//! together and wakes the others; then everybody takes one part after another, and whoever finishes the last part answers.

use crate::error::Result;
use crate::exec::groups::{EMITTED, Emitted, PARTS, STEP, parts_of};
use crate::exec::job::{Job, lock};
use crate::exec::output::BoundGroups;
use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use shard_plan::merge::Groups;
use shard_plan::sort::take;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// States of one part from one worker.
type Piece = (Vec<ArrayRef>, usize);

/// What the workers share.
#[derive(Debug)]
pub(crate) struct PartMerge {
    parts: Vec<Mutex<Vec<Piece>>>,
    next: AtomicUsize,
    merged: AtomicUsize,
    batches: Mutex<Vec<RecordBatch>>,
}

/// A part that a worker is merging.
#[derive(Debug)]
pub(crate) struct Merging {
    groups: Groups,
    pieces: Vec<Piece>,
    /// Rows of the last piece that are merged.
    done: usize,
    batches: Vec<RecordBatch>,
}

impl PartMerge {
    /// `results`: what each worker emitted; some may have had too few groups to spread them.
    pub fn new(results: Vec<Vec<Emitted>>, keys: usize) -> Result<PartMerge> {
        let mut parts: Vec<Vec<Piece>> = vec![Vec::new(); PARTS];
        for (part, columns, rows) in results.into_iter().flatten().filter(|(_, _, rows)| *rows > 0) {
            match part {
                Some(part) => parts[part].push((columns, rows)),
                None => {
                    for (part, chosen) in parts_of(&columns[..keys], rows)?.into_iter().enumerate() {
                        if !chosen.is_empty() {
                            let rows = chosen.len();
                            parts[part].push((take(&columns, &UInt32Array::from(chosen))?, rows));
                        }
                    }
                }
            }
        }
        Ok(PartMerge {
            parts: parts.into_iter().map(Mutex::new).collect(),
            next: AtomicUsize::new(0),
            merged: AtomicUsize::new(0),
            batches: Mutex::default(),
        })
    }

    /// Takes a part to merge; `None` when all are taken.
    pub fn take(&self, bound: &BoundGroups) -> Result<Option<Merging>> {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let Some(part) = self.parts.get(next) else { return Ok(None) };
        let pieces = std::mem::take(&mut *lock(part));
        Ok(Some(Merging {
            groups: Groups::new(&bound.key_types, &bound.aggregates)?,
            pieces,
            done: 0,
            batches: Vec::new(),
        }))
    }

    /// Puts a merged part down. The batches of all parts for the one who brings the last.
    fn put(&self, part: &mut Vec<RecordBatch>) -> Option<Vec<RecordBatch>> {
        let mut batches = lock(&self.batches);
        batches.append(part);
        let last = self.merged.fetch_add(1, Ordering::AcqRel) + 1 == self.parts.len();
        last.then(|| std::mem::take(&mut *batches))
    }
}

/// Where a worker's part stands after a step.
pub(crate) enum Step {
    More,
    Merged,
    /// It was the last part: the whole answer.
    Last(Vec<RecordBatch>),
}

impl Merging {
    /// Merges a bounded number of rows.
    pub fn step(&mut self, merge: &PartMerge, job: &Job) -> Result<Step> {
        if let Some((columns, rows)) = self.pieces.last() {
            let now = STEP.min(rows - self.done);
            let slice: Vec<ArrayRef> = columns.iter().map(|c| c.slice(self.done, now)).collect();
            self.groups.merge(&slice, now)?;
            self.done += now;
            if self.done == *rows {
                self.pieces.pop();
                self.done = 0;
            }
            return Ok(Step::More);
        }
        if let Some((columns, rows)) = self.groups.next_states(EMITTED)? {
            self.batches.push(job.output.batch(columns, rows)?);
            return Ok(Step::More);
        }
        Ok(merge.put(&mut self.batches).map_or(Step::Merged, Step::Last))
    }
}
