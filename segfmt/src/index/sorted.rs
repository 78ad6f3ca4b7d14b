//! Sorted index: in a sorted dictionary column every id is one range of rows.

use std::ops::Range;

use super::{HEADER, header};
use crate::buffer::{self, PAGE_ALIGN};
use crate::error::{Error, Result};
use crate::reader::Column;

/// Row after the last of each id.
#[derive(Debug, Clone, Copy)]
pub struct SortedIndex<'a>(&'a [u32]);

impl<'a> SortedIndex<'a> {
    /// Opens the `Sorted` region of a column.
    ///
    /// # Errors
    /// When it does not fit the column.
    pub fn open(column: &Column, bytes: &'a [u8]) -> Result<Self> {
        Self::parse(column.cardinality().unwrap_or(0), column.values(), bytes)
            .map_err(|e| e.in_column(column.name()).in_region("sorted index"))
    }

    fn parse(entries: u32, rows: u64, bytes: &'a [u8]) -> Result<Self> {
        buffer::check_aligned(bytes, PAGE_ALIGN)?;
        let head = buffer::slice(bytes, 0, HEADER as u64, "index header")?;
        if buffer::u32_at(head, 0) != entries || !buffer::all_zero(&head[4..]) {
            return Err(Error::corrupt("the header does not fit the dictionary"));
        }
        let ends: &[u32] = buffer::cast(&bytes[HEADER..])?;
        let ascends = ends.windows(2).all(|w| w[0] < w[1]) && ends.first() != Some(&0);
        if ends.len() != entries as usize || !ascends || u64::from(ends.last().copied().unwrap_or(0)) != rows {
            return Err(Error::corrupt("row ranges do not ascend to the number of rows"));
        }
        Ok(Self(ends))
    }

    /// Rows of an id; empty when there is no such id.
    pub fn rows(&self, id: u32) -> Range<u32> {
        self.rows_of(id..id.saturating_add(1))
    }

    /// Rows of a range of ids; ids past the end hold no rows.
    pub fn rows_of(&self, ids: Range<u32>) -> Range<u32> {
        let end_of = |count: u32| match (count as usize).min(self.0.len()) {
            0 => 0,
            n => self.0[n - 1],
        };
        let start = end_of(ids.start);
        start..end_of(ids.end).max(start)
    }

    /// Row after the last of each id.
    pub const fn ends(&self) -> &'a [u32] {
        self.0
    }
}

/// Region bytes for sorted ids `0..entries`, each of which occurs.
pub(crate) fn encode(entries: u32, ids: &[u32]) -> Vec<u8> {
    let mut out = header(&[entries]);
    for (i, id) in ids.iter().enumerate() {
        if ids.get(i + 1) != Some(id) {
            out.extend_from_slice(&(i as u32 + 1).to_le_bytes());
        }
    }
    out
}
