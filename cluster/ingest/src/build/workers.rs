//! Builds the segments of a job on some threads.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};

use super::limits::Limits;
use super::merge::{Merge, reduce};
use super::rows::SegmentRows;
use super::segment::{BuiltSegment, SegmentPlan};
use super::spill::{Run, SpillDir};
use super::store::Stored;
use crate::batch::BATCH_ROWS_MAX;
use crate::column::Chunk;
use crate::error::{Error, Result};
use crate::progress::Cancel;

/// Keeps the columns that are being written within a share of memory. One larger than the share is written alone.
pub(super) struct Gate {
    capacity: u64,
    used: Mutex<u64>,
    freed: Condvar,
}

pub(super) struct Permit<'a> {
    gate: &'a Gate,
    bytes: u64,
}

impl Gate {
    pub(super) fn new(capacity: u64) -> Self {
        Self { capacity: capacity.max(1), used: Mutex::new(0), freed: Condvar::new() }
    }

    pub(super) fn enter(&self, bytes: u64) -> Permit<'_> {
        let bytes = bytes.min(self.capacity);
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        while *used + bytes > self.capacity {
            used = self.freed.wait(used).unwrap_or_else(PoisonError::into_inner);
        }
        *used += bytes;
        Permit { gate: self, bytes }
    }
}

impl<'a> Permit<'a> {
    /// Exchanges the permit for one of another size. What is held is given back first, so that two cannot wait for each other.
    pub(super) fn grow(self, bytes: u64) -> Permit<'a> {
        let gate = self.gate;
        if bytes.min(gate.capacity) <= self.bytes {
            return self;
        }
        drop(self);
        gate.enter(bytes)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *self.gate.used.lock().unwrap_or_else(PoisonError::into_inner) -= self.bytes;
        self.gate.freed.notify_all();
    }
}

/// Files made so far; they go unless the job ends well.
struct Made {
    paths: Mutex<Vec<PathBuf>>,
    keep: bool,
}

impl Drop for Made {
    fn drop(&mut self) {
        if !self.keep {
            for path in self.paths.get_mut().unwrap_or_else(PoisonError::into_inner).drain(..) {
                // Nothing more can be done about a file that stays; the caller's folder is its own to clear.
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

type Task = (u64, SegmentRows);

/// What building needs beside the rows.
pub(crate) struct Building<'a> {
    pub(crate) plan: &'a SegmentPlan,
    pub(crate) rows_per_segment: u64,
    pub(crate) threads: usize,
    pub(crate) limits: Limits,
    pub(crate) dir: &'a Arc<SpillDir>,
    pub(crate) cancel: &'a Cancel,
    /// Told of rows in finished segments.
    pub(crate) on_built: &'a (dyn Fn(u64) + Sync),
}

/// Builds all segments and gives them in order. On an error none of their files is left.
pub(crate) fn build_all(stored: Stored, building: &Building<'_>) -> Result<Vec<BuiltSegment>> {
    let mut made = Made { paths: Mutex::new(Vec::new()), keep: false };
    let gate = Gate::new(building.limits.columns);
    let built: Mutex<Vec<(u64, BuiltSegment)>> = Mutex::new(Vec::new());
    let failed: Mutex<Option<(u64, Error)>> = Mutex::new(None);
    let rows_built = AtomicU64::new(0);
    let (give, take) = mpsc::sync_channel::<Task>(0);
    let take = Mutex::new(take);
    let produced = std::thread::scope(|scope| {
        for _ in 0..building.threads.max(1) {
            scope.spawn(|| {
                loop {
                    let task = take.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok((k, rows)) = task else { return };
                    if failed.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
                        continue;
                    }
                    match building.plan.build(k, &rows, &gate, building.cancel) {
                        Ok(segment) => {
                            made.paths.lock().unwrap_or_else(PoisonError::into_inner).push(segment.path.clone());
                            (building.on_built)(rows_built.fetch_add(segment.rows, Ordering::Relaxed) + segment.rows);
                            built.lock().unwrap_or_else(PoisonError::into_inner).push((k, segment));
                        }
                        Err(e) => {
                            let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                            if failed.as_ref().is_none_or(|(other, _)| k < *other) {
                                *failed = Some((k, e));
                            }
                        }
                    }
                }
            });
        }
        let produced = produce(stored, building, &|task| {
            building.cancel.check()?;
            if failed.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
                return Err(Error::Cancelled);
            }
            give.send(task).map_err(|_| Error::Cancelled)
        });
        drop(give);
        produced
    });
    // A builder's error is the cause; the producer only stopped because of it.
    if let Some((_, e)) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(e);
    }
    produced?;
    building.cancel.check()?;
    let mut built = built.into_inner().unwrap_or_else(PoisonError::into_inner);
    built.sort_by_key(|(k, _)| *k);
    made.keep = true;
    Ok(built.into_iter().map(|(_, segment)| segment).collect())
}

/// Cuts the rows, in order, into segments.
fn produce(stored: Stored, building: &Building<'_>, give: &dyn Fn(Task) -> Result<()>) -> Result<()> {
    let step = building.rows_per_segment;
    let ranges = |rows: u64| (0..rows.div_ceil(step)).map(move |k| (k, k * step..((k + 1) * step).min(rows)));
    match stored {
        Stored::Memory { chunks } => {
            let rows = chunks.iter().map(|c| c.rows as u64).sum();
            let chunks = Arc::new(chunks);
            ranges(rows)
                .try_for_each(|(k, range)| give((k, SegmentRows::Memory { chunks: Arc::clone(&chunks), range })))
        }
        Stored::Sorted { chunks, order } => {
            let (chunks, order) = (Arc::new(chunks), Arc::new(order));
            ranges(order.len() as u64).try_for_each(|(k, range)| {
                let range = range.start as usize..range.end as usize;
                give((k, SegmentRows::Ordered { chunks: Arc::clone(&chunks), order: Arc::clone(&order), range }))
            })
        }
        Stored::Disk { run } => {
            let run = Arc::new(run);
            ranges(run.rows()).try_for_each(|(k, range)| give((k, SegmentRows::Disk { run: Arc::clone(&run), range })))
        }
        Stored::Runs { runs, order } => {
            let types: Arc<[_]> = building.plan.types.clone().into();
            let runs = reduce(runs, &order, &types, building.dir, building.limits.merge, building.cancel)?;
            let mut merge = Merge::new(runs, order, Arc::clone(&types))?;
            let mut k = 0;
            while let Some(rows) = merged_segment(&mut merge, building, &types)? {
                give((k, rows))?;
                k += 1;
            }
            Ok(())
        }
    }
}

/// The next segment's rows out of a merge, in memory while they fit their share.
fn merged_segment(
    merge: &mut Merge,
    building: &Building<'_>,
    types: &Arc<[segfmt::DataType]>,
) -> Result<Option<SegmentRows>> {
    let mut chunks: Vec<Chunk> = Vec::new();
    let (mut rows, mut bytes) = (0u64, 0u64);
    let mut run: Option<Run> = None;
    while rows < building.rows_per_segment {
        building.cancel.check()?;
        let want = usize::try_from(building.rows_per_segment - rows).unwrap_or(usize::MAX).min(BATCH_ROWS_MAX);
        let Some(chunk) = merge.next(want)? else { break };
        rows += chunk.rows as u64;
        bytes += chunk.bytes();
        match &mut run {
            Some(run) => run.append(&chunk)?,
            None => {
                chunks.push(chunk);
                if bytes > building.limits.segment {
                    let mut out = Run::create(building.dir, types)?;
                    chunks.drain(..).try_for_each(|c| out.append(&c))?;
                    run = Some(out);
                }
            }
        }
    }
    Ok(match run {
        _ if rows == 0 => None,
        Some(run) => Some(SegmentRows::Disk { run: Arc::new(run.seal()), range: 0..rows }),
        None => Some(SegmentRows::Memory { chunks: Arc::new(chunks), range: 0..rows }),
    })
}
