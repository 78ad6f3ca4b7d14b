//! Takes a job's rows as they are read, in memory first, then in runs.

use std::sync::Arc;

use segfmt::DataType;

use super::order::SortOrder;
use super::spill::{Run, SpillDir};
use crate::batch::BATCH_ROWS_MAX;
use crate::column::{Chunk, Column, Loc, gather};
use crate::error::Result;

/// Bytes of a chunk in a sorted run: small, because a merge holds one of each run.
const RUN_CHUNK_BYTES: u64 = 1 << 20;

pub(crate) struct RowStore {
    order: Option<SortOrder>,
    types: Arc<[DataType]>,
    dir: Arc<SpillDir>,
    limit: u64,
    chunks: Vec<Chunk>,
    chunk_bytes: u64,
    runs: Vec<Run>,
    rows: u64,
    bytes: u64,
}

/// All rows of a job, ready to be put in order.
pub(crate) enum Stored {
    /// In memory, in the order of the input.
    Memory { chunks: Vec<Chunk> },
    /// In memory, with their order.
    Sorted { chunks: Vec<Chunk>, order: Vec<Loc> },
    /// On disk, in the order of the input.
    Disk { run: Run },
    /// On disk in sorted runs, to be merged; earlier runs hold earlier rows.
    Runs { runs: Vec<Run>, order: SortOrder },
}

impl RowStore {
    pub(crate) fn new(order: Option<SortOrder>, types: Arc<[DataType]>, dir: Arc<SpillDir>, limit: u64) -> Self {
        Self { order, types, dir, limit, chunks: Vec::new(), chunk_bytes: 0, runs: Vec::new(), rows: 0, bytes: 0 }
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn push(&mut self, chunk: Chunk) -> Result<()> {
        if chunk.rows == 0 {
            return Ok(());
        }
        debug_assert!(chunk.rows <= BATCH_ROWS_MAX);
        let bytes = chunk.bytes();
        self.rows += chunk.rows as u64;
        self.bytes += bytes;
        self.chunk_bytes += bytes;
        self.chunks.push(chunk);
        // A sort needs a key and a place for each row beside the rows.
        let beside = if self.order.is_some() { self.chunks.iter().map(|c| c.rows as u64).sum::<u64>() * 24 } else { 0 };
        if self.chunk_bytes + beside > self.limit { self.spill() } else { Ok(()) }
    }

    fn spill(&mut self) -> Result<()> {
        let chunks = std::mem::take(&mut self.chunks);
        self.chunk_bytes = 0;
        let Some(order) = &self.order else {
            // The order of the input needs one run only.
            if self.runs.is_empty() {
                self.runs.push(Run::create(&self.dir, &self.types)?);
            }
            return chunks.iter().try_for_each(|c| self.runs[0].append(c));
        };
        let mut run = Run::create(&self.dir, &self.types)?;
        let locs = order.sorted(&chunks);
        let bytes: u64 = chunks.iter().map(Chunk::bytes).sum();
        let row_bytes = (bytes / locs.len().max(1) as u64).max(1);
        let step = usize::try_from(RUN_CHUNK_BYTES / row_bytes).unwrap_or(BATCH_ROWS_MAX).clamp(16, BATCH_ROWS_MAX);
        for part in locs.chunks(step) {
            run.append(&gather_chunk(&chunks, part, &self.types))?;
        }
        self.runs.push(run);
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<Stored> {
        if !self.runs.is_empty() && !self.chunks.is_empty() {
            self.spill()?;
        }
        let chunks = self.chunks;
        Ok(match self.order {
            Some(order) if !self.runs.is_empty() => Stored::Runs { runs: self.runs, order },
            Some(order) => {
                let locs = order.sorted(&chunks);
                if locs.is_sorted() { Stored::Memory { chunks } } else { Stored::Sorted { chunks, order: locs } }
            }
            None => match self.runs.pop() {
                Some(run) => Stored::Disk { run },
                None => Stored::Memory { chunks },
            },
        })
    }
}

/// The rows at `locs` as a chunk.
pub(super) fn gather_chunk(chunks: &[Chunk], locs: &[Loc], types: &[DataType]) -> Chunk {
    let columns = (0..types.len())
        .map(|c| {
            let of: Vec<&Column> = chunks.iter().map(|chunk| &chunk.columns[c]).collect();
            gather(&of, locs, types[c])
        })
        .collect();
    Chunk { rows: locs.len(), columns }
}
