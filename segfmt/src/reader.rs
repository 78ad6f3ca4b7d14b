//! Opens segments: from the last bytes of a file to columns that can be pruned.
//!
//! One read gets everything: [`Segment::tail_len`] says from the last bytes how long the tail is
//! (block directory, footer, trailer), [`Segment::open`] checks and keeps it. Nothing is done per
//! block but a bounds check, so that a wide segment opens in well under a millisecond; pages,
//! dictionaries and indexes are read by whoever owns the IO, and parsed from their bytes.

mod column;
mod open;

use std::sync::Arc;

pub use column::{Column, PageRef, PartitionInfo, Region};

use crate::error::Result;
use crate::footer::Trailer;
use crate::segment_info::SegmentInfo;

/// Bytes whose owner is shared: a tail that was read, or one that is mapped.
pub type SharedBytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// An open segment: what the tail says. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Segment {
    shared: Arc<column::Shared>,
    columns: Arc<[Column]>,
}

impl Segment {
    /// Length of the tail, from the last bytes of a file (at least 64 of them; 4 KiB will do).
    /// It is at most 1 GiB.
    ///
    /// # Errors
    /// When the bytes do not end in the trailer of a segment that this build reads.
    pub fn tail_len(last: &[u8]) -> Result<u64> {
        Trailer::read(last).map(|t| t.tail_len())
    }

    /// Opens a segment. `tail` are the last bytes of the file, at least [`Segment::tail_len`] of
    /// them; `file_len` is the length of the whole file in bytes.
    ///
    /// # Errors
    /// Whatever is wrong with the tail; region contents are not read here.
    pub fn open(tail: &[u8], file_len: u64) -> Result<Self> {
        let trailer = Trailer::read(tail)?;
        let start = tail.len().saturating_sub(trailer.tail_len() as usize);
        Self::open_shared(Arc::new(tail[start..].to_vec()), file_len)
    }

    /// As [`Segment::open`], keeping the tail where it is instead of copying it.
    ///
    /// # Errors
    /// As [`Segment::open`].
    pub fn open_shared(tail: SharedBytes, file_len: u64) -> Result<Self> {
        let shared = Arc::new(open::open(tail, file_len)?);
        let columns = (0..shared.columns.len() as u32).map(|i| Column::new(Arc::clone(&shared), i)).collect();
        Ok(Self { shared, columns })
    }

    /// What the segment is.
    pub fn info(&self) -> &SegmentInfo {
        &self.shared.info
    }

    /// Number of rows.
    pub fn rows(&self) -> u64 {
        self.shared.info.rows
    }

    /// Number of blocks.
    pub fn blocks(&self) -> u32 {
        self.shared.blocks
    }

    /// Rows of a block.
    ///
    /// # Panics
    /// When `block >= blocks`.
    pub fn block_rows(&self, block: u32) -> u32 {
        self.shared.rows_of(block)
    }

    /// Rows of every block but the last.
    pub fn rows_per_block(&self) -> u32 {
        self.shared.block_rows
    }

    /// Columns in the order in which they were written.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Column of exactly that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        let by_name = &self.shared.by_name;
        let name_of = |i: &u32| &*self.shared.columns[*i as usize].name;
        let at = by_name.binary_search_by(|i| name_of(i).cmp(name)).ok()?;
        self.columns.get(by_name[at] as usize)
    }

    /// XXH3-128 over the data of all columns, indexes left out: equal for equal rows, schema and
    /// encodings.
    pub fn digest(&self) -> [u8; 16] {
        self.shared.digest
    }

    /// Where the data ends and the block directory starts.
    pub(crate) fn data_end(&self) -> u64 {
        self.shared.data_end
    }

    /// Encoding edition that the segment uses.
    pub fn edition(&self) -> u32 {
        self.shared.edition
    }

    /// Length of the file in bytes.
    pub fn file_len(&self) -> u64 {
        self.shared.file_len
    }
}
