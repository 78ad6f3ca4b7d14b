//! Value hashes: one 64-bit hash for each entry of a big dictionary (E-13), so that group-by,
//! DISTINCT and joins across segments need no strings.

use crate::buffer::{self, PAGE_ALIGN};
use crate::error::{Error, Result};
use crate::reader::Column;

/// Hashes of a dictionary's entries, in id order.
#[derive(Debug, Clone, Copy)]
pub struct ValueHashes<'a>(&'a [u64]);

impl<'a> ValueHashes<'a> {
    /// Opens the `ValueHashes` region of a column.
    ///
    /// # Errors
    /// When there is not one hash for each entry.
    pub fn open(column: &Column, bytes: &'a [u8]) -> Result<Self> {
        Self::parse(column.cardinality().unwrap_or(0), bytes)
            .map_err(|e| e.in_column(column.name()).in_region("value hashes"))
    }

    fn parse(entries: u32, bytes: &'a [u8]) -> Result<Self> {
        buffer::check_aligned(bytes, PAGE_ALIGN)?;
        let hashes: &[u64] = buffer::cast(bytes)?;
        if hashes.len() != entries as usize {
            return Err(Error::corrupt(format!("{} hashes for {entries} entries", hashes.len())));
        }
        Ok(Self(hashes))
    }

    /// Hash of each entry, by id.
    pub const fn as_slice(&self) -> &'a [u64] {
        self.0
    }
}
