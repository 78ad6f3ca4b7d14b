//! A query's work on one shard: a state machine that returns after each slice.

use crate::error::Result;
use crate::exec::bind::{Binder, BoundSegment, Step};
use crate::exec::decode::{self, Scratch};
use crate::exec::fast::FastGroups;
use crate::exec::filter::{Input, Node};
use crate::exec::groups::{self, Emitted, GroupMerge};
use crate::exec::job::{Job, Slot, lock};
use crate::exec::output::{BoundGroups, BoundOutput};
use crate::exec::part_merge::Merging;
use crate::exec::piece::Piece;
use crate::exec::request::LeafStats;
use crate::exec::selection::{self, SHORTEST, Selection, VECTOR, Vector};
use crate::kernels::{Simd, count_ones};
use crate::memory;
use crate::rt::task::{Progress, Slice, Work};
use arrow_array::ArrayRef;
use shard_plan::BoundExpr;
use shard_plan::sort::TopK;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Groups a vector's rows may make before they go to the partitioned merge.
const LOCAL_GROUPS: usize = 16_384;
/// A slow vector is halved, a quick one doubled, so that it takes about this long.
const VECTOR_NANOS: u64 = 40_000;
/// Rows of the first vector when rows may be slow.
const SLOW_START: usize = 256;
/// Pieces of a segment whose pages are asked for ahead.
const AHEAD: usize = 2;

/// What a worker has gathered.
pub(crate) enum Sink {
    /// Columns and rows of each batch: a query may ask for no column at all.
    Rows {
        batches: Vec<(Vec<ArrayRef>, usize)>,
    },
    Top(TopK),
    Groups {
        merge: GroupMerge,
        fast: Option<Box<FastGroups>>,
    },
}

/// What a worker leaves behind for the merge.
pub(crate) enum Partial {
    Rows(Vec<(Vec<ArrayRef>, usize)>),
    Top(Option<Vec<ArrayRef>>),
    Groups(Vec<Emitted>),
}

pub(super) enum State {
    Next,
    Bind(usize, Box<Binder>),
    Scan,
    Flush,
    Emit(Vec<Emitted>),
    /// The last worker merges what the others left.
    Merge(GroupMerge),
    /// Waits until the last worker has put many groups together for all to merge.
    Await,
    Parts(Option<Merging>),
    Done,
}

pub(crate) struct Worker {
    pub(super) job: Arc<Job>,
    pub(super) state: State,
    /// Pieces taken, the first of them in work, the others loading.
    pub(super) pieces: VecDeque<Piece>,
    /// The segment to look at next.
    current: usize,
    /// A segment's groups that its statistics gave, to be handed over next.
    ready: Option<Box<FastGroups>>,
    /// Segments that are known to be finished.
    done: Vec<bool>,
    pub(super) sink: Sink,
    selection: Selection,
    scratch: Scratch,
    pub(super) stats: LeafStats,
    vector: usize,
    output_columns: Vec<usize>,
    pub(super) left: bool,
    /// Its groups were so many that they are spread over parts.
    pub(super) spread: bool,
}

impl Worker {
    pub fn new(job: Arc<Job>, number: usize, workers: usize) -> Result<Worker> {
        let segments = job.segments.len();
        let sink = match &job.output {
            BoundOutput::Rows { exprs, order, limit: Some(limit) } if !order.is_empty() => {
                let types: Vec<_> = exprs.iter().map(|e| e.ty().arrow()).collect();
                Sink::Top(TopK::new(&types, order, usize::try_from(*limit).unwrap_or(usize::MAX))?)
            }
            BoundOutput::Rows { .. } => Sink::Rows { batches: Vec::new() },
            BoundOutput::Groups(bound) => {
                Sink::Groups { merge: GroupMerge::new(bound, job.request.plan.options.num_groups_limit)?, fast: None }
            }
        };
        let slow = job.output.is_slow();
        let output_columns = crate::exec::bind::output_columns(&job.request.plan.output);
        Ok(Worker {
            state: State::Next,
            pieces: VecDeque::new(),
            current: segments * number / workers.max(1),
            ready: None,
            done: vec![false; segments],
            sink,
            selection: Selection::default(),
            scratch: Scratch::default(),
            stats: LeafStats::default(),
            vector: if slow { SLOW_START } else { VECTOR },
            output_columns,
            left: false,
            spread: false,
            job,
        })
    }

    fn advance(&mut self, slice: &Slice<'_>) -> Result<Progress> {
        loop {
            if self.job.has_failed() {
                return Ok(self.leave_failed());
            }
            self.job.request.check(self.job.scanned.load(Ordering::Relaxed))?;
            self.job.budget.check(self.operator())?;
            match &mut self.state {
                State::Next => {
                    if let Some(progress) = self.next(slice)? {
                        return Ok(progress);
                    }
                }
                State::Bind(segment, binder) => {
                    let segment = *segment;
                    let started = Instant::now();
                    let step = binder.step(&self.job.request, &self.job.registry, slice)?;
                    if self.job.request.profile {
                        let nanos = started.elapsed().as_nanos() as u64;
                        self.stats.operator("bind", "", |o| o.nanos += nanos);
                    }
                    match step {
                        Step::Again => return Ok(Progress::Again),
                        Step::Waiting => return Ok(Progress::Waiting),
                        Step::Bound(bound) => self.bound(segment, bound)?,
                        Step::Pruned(why) => self.pruned(segment, &why),
                    }
                    self.state = State::Next;
                }
                State::Scan => {
                    self.scan()?;
                }
                State::Flush => {
                    if self.flush()? {
                        return Ok(self.leave(slice));
                    }
                }
                State::Emit(_) => {
                    if self.emit()? {
                        return Ok(self.leave(slice));
                    }
                }
                State::Merge(_) => {
                    if self.merge()? {
                        return Ok(Progress::Done);
                    }
                }
                State::Await if self.job.merge.get().is_none() => {
                    self.job.wait(slice.waker());
                    if self.job.merge.get().is_none() && !self.job.has_failed() {
                        return Ok(Progress::Waiting);
                    }
                }
                State::Await => self.state = State::Parts(None),
                State::Parts(_) => {
                    if self.merge_parts()? {
                        return Ok(Progress::Done);
                    }
                }
                State::Done => return Ok(Progress::Done),
            }
            if slice.expired() {
                return Ok(Progress::Again);
            }
        }
    }

    fn operator(&self) -> &'static str {
        match (&self.state, &self.sink) {
            (State::Bind(..), _) => "bind",
            (State::Merge(_) | State::Await | State::Parts(_), _) => "merge",
            (_, Sink::Rows { .. }) => "rows",
            (_, Sink::Top(_)) => "order by",
            (_, Sink::Groups { .. }) => "group by",
        }
    }

    /// Finds something to do. `Some` ends the slice.
    fn next(&mut self, slice: &Slice<'_>) -> Result<Option<Progress>> {
        if let (Sink::Groups { merge, fast }, BoundOutput::Groups(bound)) = (&mut self.sink, &self.job.output) {
            let flushing = fast.as_ref().is_some_and(|f| f.is_flushing());
            if merge.is_loaded() || (!flushing && !merge.is_idle()) {
                merge.step(bound)?;
                return Ok(None);
            }
            if fast.is_none() {
                *fast = self.ready.take();
            }
            if let Some(groups) = fast {
                if self.ready.is_some() || self.pieces.front().is_some_and(|p| !groups.serves(&p.segment)) {
                    groups.begin_flush();
                }
                if groups.is_flushing() {
                    if groups.flush_step(bound, merge)? {
                        *fast = None;
                    }
                    return Ok(None);
                }
            }
        }
        if self.job.stopped() {
            self.pieces.clear();
            self.state = State::Flush;
            return Ok(None);
        }
        if self.pieces.front().is_some_and(|p| p.started) {
            self.state = State::Scan;
            return Ok(None);
        }
        let mut binding = false;
        while self.pieces.len() < AHEAD {
            // With a piece in hand, binding is left to a worker that has none.
            match self.take(&mut binding, self.pieces.is_empty()) {
                Taken::Piece(piece) => self.pieces.push_back(piece),
                Taken::Bind(segment) => {
                    let binder = Binder::new(segment, &self.job.request, &self.job.host)?;
                    self.state = State::Bind(segment, Box::new(binder));
                    return Ok(None);
                }
                Taken::Nothing => break,
            }
            // Read ahead only while pages are on their way; what is in memory is left to whoever is free.
            if let Some(last) = self.pieces.back_mut()
                && last.load(&self.output_columns, slice)?
            {
                break;
            }
        }
        let Some(first) = self.pieces.front_mut() else {
            if binding {
                // Registered before looking again, so that a binding that ends meanwhile wakes this worker.
                self.job.wait(slice.waker());
                let mut still = false;
                return match self.take(&mut still, true) {
                    Taken::Piece(mut piece) => {
                        piece.load(&self.output_columns, slice)?;
                        self.pieces.push_back(piece);
                        Ok(None)
                    }
                    Taken::Bind(segment) => {
                        let binder = Binder::new(segment, &self.job.request, &self.job.host)?;
                        self.state = State::Bind(segment, Box::new(binder));
                        Ok(None)
                    }
                    Taken::Nothing if still => Ok(Some(Progress::Waiting)),
                    Taken::Nothing => Ok(None),
                };
            }
            self.state = State::Flush;
            return Ok(None);
        };
        if !first.load(&self.output_columns, slice)? {
            return Ok(Some(Progress::Waiting));
        }
        if let Sink::Groups { fast: Some(groups), .. } = &self.sink
            && !groups.serves(&first.segment)
        {
            // The groups of the segment before go first.
            return Ok(None);
        }
        first.started = true;
        self.stats.num_blocks_scanned += 1;
        self.stats.bytes_read += first.bytes;
        self.state = State::Scan;
        Ok(None)
    }

    /// Takes a block, or a segment to bind. `binding` is set when another worker binds one.
    fn take(&mut self, binding: &mut bool, may_bind: bool) -> Taken {
        let n = self.job.segments.len();
        for step in 0..n {
            let at = (self.current + step) % n;
            if self.done[at] {
                continue;
            }
            let shared = &self.job.segments[at];
            let mut slot = lock(&shared.slot);
            match &*slot {
                Slot::New if !may_bind => {}
                Slot::New => {
                    *slot = Slot::Binding;
                    self.current = at;
                    return Taken::Bind(at);
                }
                Slot::Binding => *binding = true,
                Slot::Done => self.done[at] = true,
                Slot::Bound(bound) => {
                    let next = shared.next.fetch_add(1, Ordering::Relaxed);
                    if let Some((block, all)) = bound.blocks.get(next) {
                        self.current = at;
                        return Taken::Piece(Piece::new(bound.clone(), *block, *all));
                    }
                    *slot = Slot::Done;
                    self.done[at] = true;
                }
            }
        }
        Taken::Nothing
    }

    fn bound(&mut self, segment: usize, bound: BoundSegment) -> Result<()> {
        let bound = Arc::new(bound);
        let mut answered = None;
        if let (Sink::Groups { .. }, BoundOutput::Groups(groups)) = (&self.sink, &self.job.output)
            && self.ready.is_none()
        {
            answered = FastGroups::from_metadata(&bound, groups, &self.job.budget)?.map(Box::new);
        }
        {
            let mut stats = lock(&self.job.stats);
            stats.num_segments_processed += 1;
            stats.num_blocks_pruned += u64::from(bound.source.blocks()) - bound.blocks.len() as u64;
            if self.job.request.profile {
                let detail =
                    bound.filter.as_ref().map_or_else(|| "every row".to_owned(), |f| f.describe(&bound.columns));
                let pruned = u64::from(bound.source.blocks()) - bound.blocks.len() as u64;
                let line = format!(
                    "segment {}: {detail}; zone maps excluded {pruned} of {} blocks",
                    bound.source.name(),
                    bound.source.blocks()
                );
                stats.operator("filter plan", &line, |o| o.rows_in += bound.source.rows());
            }
        }
        let slot = &self.job.segments[segment];
        if answered.is_some() {
            slot.matched.store(bound.source.rows() > 0, Ordering::Relaxed);
            self.stats.num_docs_scanned += bound.source.rows();
            self.ready = answered;
            *lock(&slot.slot) = Slot::Done;
        } else {
            *lock(&slot.slot) = Slot::Bound(bound);
        }
        self.job.wake_all();
        Ok(())
    }

    fn pruned(&mut self, segment: usize, why: &str) {
        {
            let mut stats = lock(&self.job.stats);
            stats.num_segments_pruned_by_value += 1;
            stats.num_blocks_pruned += u64::from(self.job.request.snapshot.source(segment).blocks());
            if self.job.request.profile {
                stats.operator("prune", why, |o| o.rows_in += self.job.request.snapshot.source(segment).rows());
            }
        }
        *lock(&self.job.segments[segment].slot) = Slot::Done;
        self.job.wake_all();
    }

    /// One vector of the first piece.
    fn scan(&mut self) -> Result<()> {
        let Some(piece) = self.pieces.front_mut() else {
            self.state = State::Next;
            return Ok(());
        };
        if self.job.stopped() {
            self.pieces.clear();
            self.state = State::Next;
            return Ok(());
        }
        let slow_filter = !piece.all && piece.segment.filter.as_ref().is_some_and(Node::is_slow);
        if slow_filter && piece.next == 0 {
            self.vector = self.vector.min(SLOW_START);
        }
        let vector = Vector { start: piece.next, len: self.vector.min(piece.rows - piece.next) };
        piece.next += vector.len;
        let last = piece.next >= piece.rows;
        let started = Instant::now();
        let simd = Simd::get();
        let segment = piece.segment.clone();
        let mut mask = selection::first(vector.len);
        let input = Input { columns: &segment.columns, blocks: &piece.columns, first_row: piece.first_row, simd };
        if let Some(filter) = segment.filter.as_ref().filter(|_| !piece.all) {
            self.stats.num_entries_scanned_in_filter += filter.apply(&input, vector, &mut mask, &mut self.scratch)?;
        }
        let passed = count_ones(&mask);
        self.job.scanned.fetch_add(vector.len as u64, Ordering::Relaxed);
        self.stats.num_docs_scanned += passed as u64;
        let filtered = if self.job.request.profile { started.elapsed().as_nanos() as u64 } else { 0 };
        if passed > 0 {
            self.job.segments[segment.index].matched.store(true, Ordering::Relaxed);
            self.stats.num_entries_scanned_post_filter += (passed * self.output_columns.len()) as u64;
            self.consume(vector, &mask, passed)?;
        }
        let nanos = started.elapsed().as_nanos() as u64;
        if self.job.request.profile {
            let bytes = if last { self.pieces.front().map_or(0, |p| p.bytes) } else { 0 };
            self.stats.operator("filter", "", |o| {
                o.rows_in += vector.len as u64;
                o.rows_out += passed as u64;
                o.nanos += filtered;
                o.bytes += bytes;
            });
            let name = self.operator();
            self.stats.operator(name, "", |o| {
                o.rows_in += passed as u64;
                o.nanos += nanos - filtered;
            });
        }
        // Powers of two, so that vectors start at whole groups of 512 rows unless they are shorter than one.
        if nanos > 2 * VECTOR_NANOS && self.vector > SHORTEST {
            let fitting = (vector.len as u64 * VECTOR_NANOS / nanos).max(1);
            self.vector = (1 << fitting.ilog2()).clamp(SHORTEST, self.vector);
        } else if nanos < VECTOR_NANOS / 2 && self.vector < VECTOR {
            self.vector = (self.vector * 2).min(VECTOR);
        }
        if last {
            self.pieces.pop_front();
            self.state = State::Next;
        }
        Ok(())
    }

    /// Gives the passing rows of a vector to the sink.
    fn consume(&mut self, vector: Vector, mask: &selection::Mask, passed: usize) -> Result<()> {
        let Some(piece) = self.pieces.front() else { return Ok(()) };
        let job = self.job.clone();
        let segment = &piece.segment;
        let simd = Simd::get();
        if let (Sink::Groups { fast, .. }, BoundOutput::Groups(bound)) = (&mut self.sink, &job.output)
            && segment.keys.is_some()
        {
            if fast.is_none() {
                *fast = FastGroups::new(segment.clone(), bound, &job.budget)?.map(Box::new);
            }
            if let Some(fast) = fast {
                let input =
                    Input { columns: &segment.columns, blocks: &piece.columns, first_row: piece.first_row, simd };
                fast.add(bound, &input, vector, mask, passed, &mut self.selection, &mut self.scratch)?;
                if fast.is_full() {
                    fast.begin_flush();
                    self.state = State::Next;
                }
                self.stop_at_group_limit();
                return Ok(());
            }
        }
        self.selection.set(simd, vector, mask);
        if let (Sink::Top(top), BoundOutput::Rows { exprs, order, .. }) = (&self.sink, &job.output)
            && top.is_bounded()
        {
            // Most rows come too late: only their keys are read.
            let keys: Vec<&BoundExpr> = order.iter().map(|key| &exprs[key.index as usize]).collect();
            let rows = &self.selection.rows;
            let used = |i: usize| keys.iter().any(|e| e.columns().contains(&(i as u32)));
            let columns =
                decode::columns(&segment.columns, &piece.columns, piece.first_row, rows, used, &mut self.scratch)?;
            let keys = keys.iter().map(|e| e.eval(&columns, rows.len())).collect::<Result<Vec<_>, _>>()?;
            if let Some(better) = top.better(&keys)? {
                if better.is_empty() {
                    return Ok(());
                }
                self.selection.keep(&better);
            }
        }
        let rows = &self.selection.rows;
        let used = |i: usize| self.output_columns.binary_search(&i).is_ok();
        let columns =
            decode::columns(&segment.columns, &piece.columns, piece.first_row, rows, used, &mut self.scratch)?;
        match (&mut self.sink, &job.output) {
            (Sink::Rows { batches }, BoundOutput::Rows { exprs, limit, .. }) => {
                let mut values = exprs.iter().map(|e| e.eval(&columns, rows.len())).collect::<Result<Vec<_>, _>>()?;
                let mut kept = rows.len();
                if let Some(limit) = limit {
                    // What others have gathered counts too: enough is enough, whoever has it.
                    let before = job.gathered.fetch_add(rows.len() as u64, Ordering::Relaxed);
                    let room = limit.saturating_sub(before);
                    if room < rows.len() as u64 {
                        kept = room as usize;
                        values = values.iter().map(|v| v.slice(0, kept)).collect();
                    }
                    if before + rows.len() as u64 >= *limit {
                        job.stop.store(true, Ordering::Relaxed);
                        job.wake_all();
                    }
                    if room == 0 {
                        return Ok(());
                    }
                }
                batches.push((values, kept));
            }
            (Sink::Top(top), BoundOutput::Rows { exprs, .. }) => {
                let values = exprs.iter().map(|e| e.eval(&columns, rows.len())).collect::<Result<Vec<_>, _>>()?;
                top.push(&values)?;
            }
            (Sink::Groups { merge, .. }, BoundOutput::Groups(bound)) => {
                add_rows(merge, bound, &columns, rows.len())?;
                if !merge.is_idle() {
                    // Merging comes before the next vector.
                    drop(columns);
                    self.drain_merge(bound)?;
                }
                self.stop_at_group_limit();
            }
            _ => {}
        }
        Ok(())
    }

    /// One step of the pending merge; the rest follows between vectors.
    fn drain_merge(&mut self, bound: &BoundGroups) -> Result<()> {
        if let Sink::Groups { merge, .. } = &mut self.sink {
            merge.step(bound)?;
            if !merge.is_idle() {
                self.state = State::Next;
            }
        }
        Ok(())
    }

    /// DISTINCT with a limit: any groups will do, once there are enough.
    fn stop_at_group_limit(&mut self) {
        if let (Sink::Groups { merge, fast }, BoundOutput::Groups(BoundGroups { limit: Some(limit), aggregates, .. })) =
            (&self.sink, &self.job.output)
            && aggregates.is_empty()
            && (merge.len() + fast.as_ref().map_or(0, |f| f.len())) as u64 >= *limit
        {
            // Groups of a segment may equal groups that are merged already: only distinct ones count.
            let distinct = merge.len().max(fast.as_ref().map_or(0, |f| f.len())) as u64;
            if distinct >= *limit {
                self.job.stop.store(true, Ordering::Relaxed);
                self.job.wake_all();
            }
        }
    }
}

enum Taken {
    Piece(Piece),
    Bind(usize),
    Nothing,
}

/// Adds evaluated rows to a worker's groups.
fn add_rows(merge: &mut GroupMerge, bound: &BoundGroups, columns: &[ArrayRef], rows: usize) -> Result<()> {
    let evaluated = groups::evaluate(bound, columns, rows)?;
    if let Some(single) = merge.single() {
        single.update(&evaluated.keys, &evaluated.args, &evaluated.filters, evaluated.rows)?;
        if single.len() > LOCAL_GROUPS {
            merge.step(bound)?;
        }
        return Ok(());
    }
    let mut local = shard_plan::merge::Groups::new(&bound.key_types, &bound.aggregates)?;
    local.update(&evaluated.keys, &evaluated.args, &evaluated.filters, evaluated.rows)?;
    let groups = local.len();
    merge.push(local.states()?, groups);
    Ok(())
}

impl Work for Worker {
    fn run(&mut self, slice: &Slice<'_>) -> Progress {
        let _charge = memory::charge(Some(self.job.budget.clone()));
        let started = Instant::now();
        let progress = match self.advance(slice) {
            Ok(progress) => progress,
            Err(error) => {
                self.job.fail(error);
                if self.left { Progress::Done } else { Progress::Again }
            }
        };
        self.stats.cpu_nanos += started.elapsed().as_nanos() as u64;
        progress
    }

    fn name(&self) -> &'static str {
        match (&self.state, &self.sink) {
            (State::Next, Sink::Groups { .. }) => "hand groups over",
            (State::Scan, _) => "scan",
            (State::Flush, _) => "flush",
            (State::Emit(_), _) => "emit",
            _ => self.operator(),
        }
    }
}

impl Drop for Worker {
    /// A worker that goes before it is done (the shards stop) takes its query with it.
    fn drop(&mut self) {
        if !matches!(self.state, State::Done) {
            self.job.fail(crate::Error::Stopping);
            if self.left || self.job.leave() {
                self.job.answer(Err(crate::Error::Stopping));
            }
        }
    }
}
