//! Merges sorted runs as streams of chunks.

use std::cmp::Ordering;
use std::sync::Arc;

use segfmt::DataType;

use super::order::SortOrder;
use super::spill::{Run, SpillDir};
use crate::column::{Chunk, Column, Loc, gather};
use crate::error::Result;
use crate::progress::Cancel;

/// Fewest runs that a merge takes at once, whatever the memory.
const FAN_IN_MIN: usize = 4;
const FAN_IN_MAX: usize = 256;

/// Merges runs until so few are left that one merge holds a chunk of each within `memory`.
pub(super) fn reduce(
    mut runs: Vec<Run>,
    order: &SortOrder,
    types: &Arc<[DataType]>,
    dir: &Arc<SpillDir>,
    memory: u64,
    cancel: &Cancel,
) -> Result<Vec<Run>> {
    let chunk = runs.iter().map(Run::chunk_bytes_max).max().unwrap_or(0).max(1);
    let fan_in = usize::try_from(memory / chunk).unwrap_or(FAN_IN_MAX).clamp(FAN_IN_MIN, FAN_IN_MAX);
    while runs.len() > fan_in {
        // Neighbours merge, so that run order stays row order.
        let mut merged = Vec::with_capacity(runs.len().div_ceil(fan_in));
        let mut rest = runs.into_iter().peekable();
        while rest.peek().is_some() {
            let group: Vec<Run> = rest.by_ref().take(fan_in).collect();
            let step =
                group.iter().map(|r| if r.chunk_count() > 0 { r.chunk_rows(0) } else { 0 }).min().unwrap_or(1).max(1);
            let mut out = Run::create(dir, types)?;
            let mut merge = Merge::new(group, order.clone(), Arc::clone(types))?;
            while let Some(chunk) = merge.next(step)? {
                cancel.check()?;
                out.append(&chunk)?;
            }
            merged.push(out.seal());
        }
        runs = merged;
    }
    Ok(runs)
}

/// One run's place in a merge.
struct Head {
    run: Run,
    /// Chunks read so far.
    read: usize,
    chunk: Arc<Chunk>,
    keys: Vec<u64>,
    row: usize,
    /// Slot of the chunk in the batch being gathered.
    slot: Option<usize>,
}

pub(super) struct Merge {
    heads: Vec<Head>,
    /// A heap of heads, the one with the smallest row first.
    heap: Vec<usize>,
    order: SortOrder,
    types: Arc<[DataType]>,
}

impl Merge {
    pub(super) fn new(runs: Vec<Run>, order: SortOrder, types: Arc<[DataType]>) -> Result<Self> {
        let mut heads = Vec::with_capacity(runs.len());
        for run in runs {
            if run.chunk_count() == 0 {
                continue;
            }
            let chunk = Arc::new(run.read_chunk(0)?);
            let keys = order.keys(&chunk);
            heads.push(Head { run, read: 1, chunk, keys, row: 0, slot: None });
        }
        let mut merge = Self { heap: (0..heads.len()).collect(), heads, order, types };
        for i in (0..merge.heap.len() / 2).rev() {
            merge.sift_down(i);
        }
        Ok(merge)
    }

    fn before(&self, a: usize, b: usize) -> bool {
        let (x, y) = (&self.heads[a], &self.heads[b]);
        let order = x.keys[x.row]
            .cmp(&y.keys[y.row])
            .then_with(|| self.order.compare(&x.chunk, x.row, &y.chunk, y.row))
            // Earlier runs hold earlier rows.
            .then_with(|| a.cmp(&b));
        order == Ordering::Less
    }

    fn sift_down(&mut self, mut i: usize) {
        loop {
            let left = 2 * i + 1;
            if left >= self.heap.len() {
                return;
            }
            let right = left + 1;
            let child =
                if right < self.heap.len() && self.before(self.heap[right], self.heap[left]) { right } else { left };
            if !self.before(self.heap[child], self.heap[i]) {
                return;
            }
            self.heap.swap(i, child);
            i = child;
        }
    }

    /// The next rows, at most `rows`; `None` at the end.
    pub(super) fn next(&mut self, rows: usize) -> Result<Option<Chunk>> {
        let mut slots: Vec<Arc<Chunk>> = Vec::new();
        let mut locs: Vec<Loc> = Vec::with_capacity(rows);
        for head in &mut self.heads {
            head.slot = None;
        }
        while locs.len() < rows {
            let Some(&first) = self.heap.first() else { break };
            let head = &mut self.heads[first];
            let slot = *head.slot.get_or_insert_with(|| {
                slots.push(Arc::clone(&head.chunk));
                slots.len() - 1
            });
            locs.push(Loc::new(slot, head.row));
            head.row += 1;
            if head.row == head.chunk.rows {
                if head.read == head.run.chunk_count() {
                    self.heap.swap_remove(0);
                } else {
                    head.chunk = Arc::new(head.run.read_chunk(head.read)?);
                    head.keys = self.order.keys(&head.chunk);
                    head.read += 1;
                    head.row = 0;
                    head.slot = None;
                }
            }
            self.sift_down(0);
        }
        if locs.is_empty() {
            return Ok(None);
        }
        let columns = (0..self.types.len())
            .map(|c| {
                let of: Vec<&Column> = slots.iter().map(|chunk| &chunk.columns[c]).collect();
                gather(&of, &locs, self.types[c])
            })
            .collect();
        Ok(Some(Chunk { rows: locs.len(), columns }))
    }
}
