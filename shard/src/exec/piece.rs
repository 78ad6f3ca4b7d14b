//! A block that a worker has taken, and its pages.

use crate::error::Result;
use crate::exec::bind::BoundSegment;
use crate::rt::task::Slice;
use crate::source::stored::Fetched;
use crate::source::{BlockColumn, ColumnKind};
use std::sync::Arc;

/// One block of one segment.
#[derive(Debug)]
pub(crate) struct Piece {
    pub segment: Arc<BoundSegment>,
    pub block: u32,
    pub rows: usize,
    pub first_row: u64,
    /// Every row passes the filter, as the zone maps say.
    pub all: bool,
    /// One a plan column.
    pub columns: Vec<BlockColumn>,
    /// Its pages are there and it is counted.
    pub started: bool,
    /// Next row to scan.
    pub next: usize,
    pub bytes: u64,
}

impl Piece {
    pub fn new(segment: Arc<BoundSegment>, block: u32, all: bool) -> Piece {
        let rows = segment.source.block_rows(block) as usize;
        let first_row = segment.first_row(block);
        let columns = vec![BlockColumn::Unread; segment.columns.len()];
        Piece { segment, block, rows, first_row, all, columns, started: false, next: 0, bytes: 0 }
    }

    /// Gets the pages that the plan needs; false while some are on their way. Asks for all of them at once.
    pub fn load(&mut self, output: &[usize], slice: &Slice<'_>) -> Result<bool> {
        let mut complete = true;
        let segment = self.segment.clone();
        let filter: &[usize] = if self.all { &[] } else { &segment.filter_columns };
        for column in filter.iter().chain(output) {
            if !matches!(self.columns[*column], BlockColumn::Unread) {
                continue;
            }
            self.columns[*column] = match &segment.columns[*column].kind {
                ColumnKind::Constant(value) => BlockColumn::Constant(value.clone()),
                ColumnKind::Sequence => BlockColumn::Sequence { first: self.first_row as i64 },
                ColumnKind::Arrays(blocks) => BlockColumn::Array(blocks[self.block as usize].clone()),
                ColumnKind::Stored(stored) => match stored.page(self.block, slice)? {
                    Fetched::Later => {
                        complete = false;
                        continue;
                    }
                    Fetched::Here(page) => {
                        self.bytes += stored.page_len(self.block);
                        BlockColumn::Page(page)
                    }
                },
            };
        }
        Ok(complete)
    }
}
