//! Takes a job's rows as they are read, in memory first, then in runs.

use std::sync::Arc;

use segfmt::DataType;

use super::order::SortOrder;
use super::rows::Joined;
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
    held_rows: u64,
    runs: Vec<Run>,
    rows: u64,
    bytes: u64,
    /// Bytes of each column as its writer will hold it.
    column_bytes: Vec<u64>,
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
        let columns = types.len();
        Self {
            order,
            types,
            dir,
            limit,
            chunks: Vec::new(),
            chunk_bytes: 0,
            held_rows: 0,
            runs: Vec::new(),
            rows: 0,
            bytes: 0,
            column_bytes: vec![0; columns],
        }
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes of the largest column as its writer will hold it: a whole column of a segment is in memory then.
    pub(crate) fn largest_column_bytes(&self) -> u64 {
        self.column_bytes.iter().copied().max().unwrap_or(0)
    }

    pub(crate) fn push(&mut self, chunk: Chunk) -> Result<()> {
        if chunk.rows == 0 {
            return Ok(());
        }
        debug_assert!(chunk.rows <= BATCH_ROWS_MAX);
        let bytes = chunk.bytes();
        self.rows += chunk.rows as u64;
        self.bytes += bytes;
        for (total, column) in self.column_bytes.iter_mut().zip(&chunk.columns) {
            *total += column.data.expanded_bytes();
        }
        self.held_rows += chunk.rows as u64;
        self.chunk_bytes += bytes;
        self.chunks.push(chunk);
        // A sort needs a key and a place for each row beside the rows.
        let beside = if self.order.is_some() { self.held_rows * 24 } else { 0 };
        if self.chunk_bytes + beside > self.limit { self.spill() } else { Ok(()) }
    }

    fn spill(&mut self) -> Result<()> {
        let chunks = std::mem::take(&mut self.chunks);
        self.chunk_bytes = 0;
        self.held_rows = 0;
        let Some(order) = &self.order else {
            // The order of the input needs one run only.
            if self.runs.is_empty() {
                self.runs.push(Run::create(&self.dir, &self.types)?);
            }
            return chunks.iter().try_for_each(|c| self.runs[0].append(c));
        };
        let mut run = Run::create(&self.dir, &self.types)?;
        let bytes: u64 = chunks.iter().map(Chunk::bytes).sum();
        let sorted = sorted_columns(chunks, order, &self.types);
        let rows = sorted.first().map_or(0, Column::rows);
        let row_bytes = (bytes / rows.max(1) as u64).max(1);
        let step = usize::try_from(RUN_CHUNK_BYTES / row_bytes).unwrap_or(BATCH_ROWS_MAX).clamp(16, BATCH_ROWS_MAX);
        for start in (0..rows).step_by(step) {
            let part = start..rows.min(start + step);
            let columns = sorted
                .iter()
                .zip(self.types.iter())
                .map(|(column, t)| {
                    let mut out = Joined::new(*t, part.len() as u64, 0);
                    out.append(column, part.clone());
                    out.column()
                })
                .collect();
            run.append(&Chunk { rows: part.len(), columns })?;
        }
        self.runs.push(run.seal());
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
                Some(run) => Stored::Disk { run: run.seal() },
                None => Stored::Memory { chunks },
            },
        })
    }
}

/// The columns of all rows in order. One column is moved at a time, so that its values stay near the processor while they
/// are picked from everywhere, and each is freed as it goes.
fn sorted_columns(chunks: Vec<Chunk>, order: &SortOrder, types: &[DataType]) -> Vec<Column> {
    let locs = order.sorted(&chunks);
    let mut starts = Vec::with_capacity(chunks.len());
    let mut rows = 0;
    for chunk in &chunks {
        starts.push(rows);
        rows += chunk.rows;
    }
    let flat: Vec<Loc> = locs.into_iter().map(|l| Loc::new(0, starts[l.chunk()] + l.row())).collect();
    let mut rest: Vec<_> = chunks.into_iter().map(|c| c.columns.into_iter()).collect();
    types
        .iter()
        .map(|t| {
            let mut whole = Joined::new(*t, rows as u64, 0);
            for columns in &mut rest {
                let part = columns.next().expect("a chunk has all columns");
                let rows = part.rows();
                whole.append(&part, 0..rows);
            }
            gather(&[&whole.column()], &flat, *t)
        })
        .collect()
}
