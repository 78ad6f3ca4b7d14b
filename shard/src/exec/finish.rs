//! The end of a worker: its result, and for the last of a query's workers the merge of all results.

use crate::error::Result;
use crate::exec::groups::GroupMerge;
use crate::exec::job::lock;
use crate::exec::output::BoundOutput;
use crate::exec::request::{LeafAnswer, LeafStats};
use crate::exec::worker::{Partial, Sink, State, Worker};
use crate::rt::task::Progress;
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
                    if !merge.step(bound)? {
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
    pub(super) fn leave(&mut self) -> Progress {
        self.left = true;
        self.report();
        if !self.job.leave() {
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
                self.job.answer(Ok(LeafAnswer { batches: Vec::new(), stats: LeafStats::default() }));
                self.state = State::Done;
                Progress::Done
            }
        }
    }

    fn begin_merge(&mut self) -> Result<Progress> {
        let job = self.job.clone();
        let partials = std::mem::take(&mut *lock(&job.partials));
        match &job.output {
            BoundOutput::Groups(bound) => {
                let mut merge = GroupMerge::new(bound, job.request.plan.options.num_groups_limit)?;
                if let [Partial::Groups(parts)] = partials.as_slice() {
                    // One worker: its parts are the answer.
                    merge = GroupMerge::done();
                    let batches = parts
                        .iter()
                        .filter(|(_, _, rows)| *rows > 0)
                        .map(|(_, c, rows)| job.output.batch(c.clone(), *rows))
                        .collect::<Result<Vec<_>>>()?;
                    self.state = State::Merge { merge, batches };
                    return Ok(Progress::Again);
                }
                let spread = |p: &Partial| matches!(p, Partial::Groups(parts) if parts.iter().any(|(part, _, _)| part.is_some()));
                if partials.iter().any(spread) {
                    merge = GroupMerge::spread(bound)?;
                }
                for partial in partials {
                    let Partial::Groups(parts) = partial else { continue };
                    for (part, columns, rows) in parts {
                        match part {
                            Some(part) => merge.push_part(part, &columns, rows),
                            None => merge.push(columns, rows),
                        }
                    }
                }
                self.state = State::Merge { merge, batches: Vec::new() };
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

    /// One step of the last merge; true when the answer is on its way.
    pub(super) fn merge(&mut self) -> Result<bool> {
        let job = self.job.clone();
        let (State::Merge { merge, batches }, BoundOutput::Groups(bound)) = (&mut self.state, &job.output) else {
            return Ok(true);
        };
        if !merge.is_idle() {
            merge.step(bound)?;
            return Ok(false);
        }
        lock(&job.stats).num_groups_limit_reached |= merge.limit_reached();
        if let Some((_, columns, rows)) = merge.emit()? {
            if rows > 0 {
                batches.push(job.output.batch(columns, rows)?);
            }
            return Ok(false);
        }
        let mut batches = std::mem::take(batches);
        if let (Some(limit), true) = (bound.limit, bound.aggregates.is_empty()) {
            let mut room = usize::try_from(limit).unwrap_or(usize::MAX);
            for batch in &mut batches {
                *batch = batch.slice(0, batch.num_rows().min(room));
                room -= batch.num_rows();
            }
            batches.retain(|b| b.num_rows() > 0);
        }
        self.finish(batches);
        Ok(true)
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
