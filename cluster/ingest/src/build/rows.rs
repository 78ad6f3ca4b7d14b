//! The rows of one segment, wherever they lie, read one column at a time.

use std::ops::Range;
use std::sync::Arc;

use segfmt::DataType;

use super::spill::Run;
use crate::column::{Chunk, Column, Data, Loc, append, gather};
use crate::error::Result;

pub(crate) enum SegmentRows {
    /// Rows `range` of chunks in memory, counted over all of them.
    Memory { chunks: Arc<Vec<Chunk>>, range: Range<u64> },
    /// Rows of chunks in memory in the order of `order[range]`.
    Ordered { chunks: Arc<Vec<Chunk>>, order: Arc<Vec<Loc>>, range: Range<usize> },
    /// Rows `range` of a run.
    Disk { run: Arc<Run>, range: Range<u64> },
}

impl SegmentRows {
    pub(crate) fn rows(&self) -> u64 {
        match self {
            SegmentRows::Memory { range, .. } | SegmentRows::Disk { range, .. } => range.end - range.start,
            SegmentRows::Ordered { range, .. } => (range.end - range.start) as u64,
        }
    }

    /// Column `c` of all rows.
    pub(crate) fn column(&self, c: usize, data_type: DataType) -> Result<Column> {
        match self {
            SegmentRows::Ordered { chunks, order, range } => {
                let of: Vec<&Column> = chunks.iter().map(|chunk| &chunk.columns[c]).collect();
                Ok(gather(&of, &order[range.clone()], data_type))
            }
            SegmentRows::Memory { chunks, range } => {
                let parts = overlaps(chunks.iter().map(|c| c.rows), range);
                let strings = parts.iter().map(|(i, _)| chunks[*i].columns[c].data.string_bytes()).sum();
                let mut out = Joined::new(data_type, self.rows(), strings);
                for (i, rows) in parts {
                    out.append(&chunks[i].columns[c], rows);
                }
                Ok(out.column())
            }
            SegmentRows::Disk { run, range } => {
                let parts = overlaps((0..run.chunk_count()).map(|i| run.chunk_rows(i)), range);
                let strings = parts.iter().map(|(i, _)| run.string_bytes(*i, c)).sum();
                let mut out = Joined::new(data_type, self.rows(), strings);
                for (i, rows) in parts {
                    out.append(&run.read_column(i, c)?, rows);
                }
                Ok(out.column())
            }
        }
    }
}

/// A column being put together from parts.
pub(super) struct Joined {
    data_type: DataType,
    rows: usize,
    strings: usize,
    column: Option<Column>,
}

impl Joined {
    /// For so many rows, with so many bytes of strings as they are: a large column that grew by doubling would need twice
    /// its memory.
    pub(super) fn new(data_type: DataType, rows: u64, strings: u64) -> Self {
        let size = |n: u64| usize::try_from(n).unwrap_or(0);
        Self { data_type, rows: size(rows), strings: size(strings), column: None }
    }

    pub(super) fn append(&mut self, part: &Column, rows: Range<usize>) {
        let column = self.column.get_or_insert_with(|| Column {
            data: Data::with_capacity(self.data_type, self.rows, self.strings),
            nulls: None,
            lists: part.lists.is_some().then(|| vec![0]),
        });
        append(column, part, rows.start, rows.end);
    }

    pub(super) fn column(self) -> Column {
        let t = self.data_type;
        self.column.unwrap_or_else(|| Column { data: Data::with_capacity(t, 0, 0), nulls: None, lists: None })
    }
}

/// The chunks that hold rows of `range`, each with which of its rows.
fn overlaps(chunk_rows: impl Iterator<Item = usize>, range: &Range<u64>) -> Vec<(usize, Range<usize>)> {
    let mut out = Vec::new();
    let mut start = 0u64;
    for (i, rows) in chunk_rows.enumerate() {
        let end = start + rows as u64;
        let (from, to) = (range.start.max(start), range.end.min(end));
        if from < to {
            out.push((i, (from - start) as usize..(to - start) as usize));
        }
        start = end;
        if start >= range.end {
            break;
        }
    }
    out
}
