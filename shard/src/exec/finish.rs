//! The end of a worker: its result, and the merge of all results, by the last worker or, when they are many groups, by all.

use crate::error::Result;
use crate::exec::groups::{Emitted, GroupMerge};
use crate::exec::job::lock;
use crate::exec::output::{BoundGroups, BoundOutput};
use crate::exec::part_merge::{PartMerge, Step};
use crate::exec::request::{LeafAnswer, LeafStats};
use crate::exec::worker::{Partial, Sink, State, Worker};
use crate::rt::task::{Progress, Slice};
use arrow_array::{Array, RecordBatch};
use shard_plan::sort::TopK;
use std::sync::atomic::Ordering;

impl Worker {
    /// Brings what is in the sink to an end; true when the partial result has been handed over.
    pub(super) fn flush(&mut self) -> Result<bool> {
        let job = self.job.clone();
        let partial = match &mut self.sink {
            Sink::Rows { batches } => Partial::Rows(std::mem::take(batches)),
            Sink::Top(_) => {
                let Sink::Top(top) = std::mem::replace(&mut self.sink, Sink::Rows { batches: Vec::new() }) else {
                    return Ok(true);
                };
                Partial::Top(top.finish()?)
            }
            Sink::Groups { merge, fast } => {
                if let BoundOutput::Groups(bound) = &job.output {
                    if let Some(groups) = fast {
                        groups.begin_flush();
                        if groups.flush_step(bound, merge)? {
                            *fast = None;
                        }
                        return Ok(false);
                    }
                    if !merge.settle_step(bound)? {
                        return Ok(false);
                    }
                }
                self.stats.num_groups_limit_reached |= merge.limit_reached();
                self.state = State::Emit(Vec::new());
                return Ok(false);
            }
        };
        lock(&job.partials).push(partial);
        Ok(true)
    }

    /// Takes the states out of the sink, part by part.
    pub(super) fn emit(&mut self) -> Result<bool> {
        let State::Emit(parts) = &mut self.state else { return Ok(true) };
        if let Sink::Groups { merge, .. } = &mut self.sink
            && let Some(part) = merge.emit()?
        {
            parts.push(part);
            return Ok(false);
        }
        let parts = std::mem::take(parts);
        self.spread = parts.iter().any(|(part, _, _)| part.is_some());
        lock(&self.job.partials).push(Partial::Groups(parts));
        Ok(true)
    }

    fn report(&mut self) {
        lock(&self.job.stats).add(&std::mem::take(&mut self.stats));
    }

    pub(super) fn leave_failed(&mut self) -> Progress {
        self.pieces.clear();
        self.sink = Sink::Rows { batches: Vec::new() };
        self.state = State::Done;
        let merging = std::mem::replace(&mut self.left, true);
        self.report();
        if merging || self.job.leave() {
            lock(&self.job.partials).clear();
            self.job.answer(Ok(LeafAnswer { batches: Vec::new(), stats: LeafStats::default() }));
        }
        Progress::Done
    }

    /// Hands over to the last worker, which merges.
    pub(super) fn leave(&mut self, slice: &Slice<'_>) -> Progress {
        self.left = true;
        self.report();
        if !self.job.leave() {
            if self.spread {
                // Many groups: every worker takes parts of the last merge.
                self.state = State::Await;
                self.job.wait(slice.waker());
                return if self.job.merge.get().is_some() { Progress::Again } else { Progress::Waiting };
            }
            self.state = State::Done;
            return Progress::Done;
        }
        if self.job.has_failed() {
            return self.leave_failed();
        }
        match self.begin_merge() {
            Ok(progress) => progress,
            Err(e) => {
                self.job.fail(e);
                self.leave_failed()
            }
        }
    }

    fn begin_merge(&mut self) -> Result<Progress> {
        let job = self.job.clone();
        let partials = std::mem::take(&mut *lock(&job.partials));
        match &job.output {
            BoundOutput::Groups(bound) => {
                let mut results: Vec<Vec<Emitted>> = Vec::with_capacity(partials.len());
                for partial in partials {
                    if let Partial::Groups(parts) = partial {
                        results.push(parts);
                    }
                }
                if let [parts] = results.as_mut_slice() {
                    // One worker: its parts are the answer.
                    let batches = std::mem::take(parts)
                        .into_iter()
                        .filter(|(_, _, rows)| *rows > 0)
                        .map(|(_, columns, rows)| job.output.batch(columns, rows))
                        .collect::<Result<Vec<_>>>()?;
                    self.answer_groups(bound, batches);
                    return Ok(Progress::Done);
                }
                if results.iter().flatten().any(|(part, _, _)| part.is_some()) {
                    // Whoever waits for this looks at it after it has registered for the wake-up.
                    let _ = job.merge.set(PartMerge::new(results, bound.keys.len())?);
                    job.wake_all();
                    self.state = State::Parts(None);
                    return Ok(Progress::Again);
                }
                let mut merge = GroupMerge::new(bound, job.request.plan.options.num_groups_limit)?;
                for (_, columns, rows) in results.into_iter().flatten() {
                    merge.push(columns, rows);
                }
                self.state = State::Merge(merge);
                Ok(Progress::Again)
            }
            BoundOutput::Rows { exprs, order, limit } => {
                let mut batches = Vec::new();
                match limit {
                    Some(limit) if !order.is_empty() => {
                        let types: Vec<_> = exprs.iter().map(|e| e.ty().arrow()).collect();
                        let mut top = TopK::new(&types, order, usize::try_from(*limit).unwrap_or(usize::MAX))?;
                        for partial in &partials {
                            if let Partial::Top(Some(columns)) = partial {
                                top.push(columns)?;
                            }
                        }
                        batches.extend(top.finish()?.map(|columns| {
                            let rows = columns.first().map_or(0, |c| c.len());
                            (columns, rows)
                        }));
                    }
                    _ => {
                        for partial in partials {
                            if let Partial::Rows(rows) = partial {
                                batches.extend(rows);
                            }
                        }
                    }
                }
                let batches = batches
                    .into_iter()
                    .map(|(columns, rows)| job.output.batch(columns, rows))
                    .collect::<Result<Vec<_>>>()?;
                self.finish(batches);
                Ok(Progress::Done)
            }
        }
    }

    /// One step of the last merge of few groups; true when the answer is on its way.
    pub(super) fn merge(&mut self) -> Result<bool> {
        let job = self.job.clone();
        let (State::Merge(merge), BoundOutput::Groups(bound)) = (&mut self.state, &job.output) else {
            return Ok(true);
        };
        if !merge.settle_step(bound)? {
            return Ok(false);
        }
        lock(&job.stats).num_groups_limit_reached |= merge.limit_reached();
        let mut batches = Vec::new();
        while let Some((_, columns, rows)) = merge.emit()? {
            if rows > 0 {
                batches.push(job.output.batch(columns, rows)?);
            }
        }
        self.answer_groups(bound, batches);
        Ok(true)
    }

    /// One step of the last merge of many groups; true when there is nothing more to do here.
    pub(super) fn merge_parts(&mut self) -> Result<bool> {
        let job = self.job.clone();
        let (State::Parts(merging), BoundOutput::Groups(bound), Some(merge)) =
            (&mut self.state, &job.output, job.merge.get())
        else {
            return Ok(true);
        };
        if merging.is_none() {
            *merging = merge.take(bound)?;
        }
        let Some(part) = merging else {
            self.state = State::Done;
            return Ok(true);
        };
        match part.step(merge, &job)? {
            Step::More => Ok(false),
            Step::Merged => {
                *merging = None;
                self.report();
                Ok(false)
            }
            Step::Last(batches) => {
                self.answer_groups(bound, batches);
                Ok(true)
            }
        }
    }

    fn answer_groups(&mut self, bound: &BoundGroups, mut batches: Vec<RecordBatch>) {
        if let (Some(limit), true) = (bound.limit, bound.aggregates.is_empty()) {
            let mut room = usize::try_from(limit).unwrap_or(usize::MAX);
            for batch in &mut batches {
                *batch = batch.slice(0, batch.num_rows().min(room));
                room -= batch.num_rows();
            }
            batches.retain(|b| b.num_rows() > 0);
        }
        self.finish(batches);
    }

    fn finish(&mut self, batches: Vec<RecordBatch>) {
        let mut stats = std::mem::take(&mut *lock(&self.job.stats));
        stats.add(&self.stats);
        stats.num_segments_matched =
            self.job.segments.iter().filter(|s| s.matched.load(Ordering::Relaxed)).count() as u64;
        let pruned = stats.num_segments_processed + stats.num_segments_pruned_by_value;
        stats.num_segments_pruned_by_limit = stats.num_segments_queried.saturating_sub(pruned);
        self.state = State::Done;
        self.job.answer(Ok(LeafAnswer { batches, stats }));
    }
}
