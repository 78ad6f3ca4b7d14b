//! Null bitmap: which rows are null, block by block, dense or as a list of rows.

use super::{HEADER, header};
use crate::bitmap::{Bitmap, iter_ones};
use crate::buffer::{self, PAGE_ALIGN};
use crate::checksum;
use crate::error::{Error, Result};
use crate::reader::Column;

const ENTRY: usize = 16;
const KIND_NONE: u32 = 0;
const KIND_ALL: u32 = 1;
const KIND_DENSE: u32 = 2;
const KIND_SPARSE: u32 = 3;

/// Null rows of a column.
#[derive(Debug, Clone)]
pub struct NullBitmap<'a> {
    bytes: &'a [u8],
    column: Column,
}

/// Null rows of one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NullBlock<'a> {
    /// No row is null.
    None,
    /// Every row is null.
    All,
    /// One bit a row, set for null; bits past the last row are clear.
    Dense(&'a [u64]),
    /// Row numbers inside the block, ascending.
    Sparse(&'a [u16]),
}

impl NullBlock<'_> {
    /// Whether a row of the block is null.
    pub fn is_null(&self, row: u32) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Dense(words) => words.get(row as usize / 64).is_some_and(|w| w >> (row % 64) & 1 == 1),
            Self::Sparse(rows) => u16::try_from(row).is_ok_and(|r| rows.binary_search(&r).is_ok()),
        }
    }

    /// Number of null rows in a block of `rows` rows.
    pub fn count(&self, rows: u32) -> u32 {
        match self {
            Self::None => 0,
            Self::All => rows,
            Self::Dense(words) => words.iter().map(|w| w.count_ones()).sum(),
            Self::Sparse(list) => list.len() as u32,
        }
    }

    /// Null rows of the block as a bitmap of `rows` bits.
    pub fn to_bitmap(&self, rows: u32) -> Bitmap {
        let rows = rows as usize;
        match self {
            Self::None => Bitmap::new(rows),
            Self::All => Bitmap::from_words(vec![u64::MAX; rows.div_ceil(64)], rows),
            Self::Dense(words) => Bitmap::from_words(words.to_vec(), rows),
            Self::Sparse(list) => {
                let mut bitmap = Bitmap::new(rows);
                list.iter().filter(|r| usize::from(**r) < rows).for_each(|r| bitmap.set(usize::from(*r)));
                bitmap
            }
        }
    }
}

impl<'a> NullBitmap<'a> {
    /// Opens the `NullBitmap` region of a column.
    ///
    /// # Errors
    /// When it does not fit the column.
    pub fn open(column: &Column, bytes: &'a [u8]) -> Result<Self> {
        Self::parse(column, bytes).map_err(|e| e.in_column(column.name()).in_region("null bitmap"))
    }

    fn parse(column: &Column, bytes: &'a [u8]) -> Result<Self> {
        buffer::check_aligned(bytes, PAGE_ALIGN)?;
        let head = buffer::slice(bytes, 0, HEADER as u64, "header")?;
        if buffer::u32_at(head, 0) != column.blocks() || !buffer::all_zero(&head[4..]) {
            return Err(Error::corrupt("the header does not fit the segment"));
        }
        buffer::slice(bytes, HEADER as u64, u64::from(column.blocks()) * ENTRY as u64, "block table")?;
        Ok(Self { bytes, column: column.clone() })
    }

    /// Null rows of a block. Its bytes are checked each time, its checksum is not (the region has
    /// one).
    ///
    /// # Errors
    /// When the block's bytes do not fit its rows.
    ///
    /// # Panics
    /// When `block >= blocks`.
    pub fn block(&self, block: u32) -> Result<NullBlock<'a>> {
        self.read(block).map_err(|e| e.in_column(self.column.name()).in_region("null bitmap").in_block(block))
    }

    fn read(&self, block: u32) -> Result<NullBlock<'a>> {
        let rows = self.column.block_rows(block);
        let e = &self.bytes[HEADER + block as usize * ENTRY..HEADER + (block as usize + 1) * ENTRY];
        let offset = u64::from(buffer::u32_at(e, 0)) * 64;
        let bytes = buffer::slice(self.bytes, offset, u64::from(buffer::u32_at(e, 4)), "null rows")?;
        let nulls = match buffer::u32_at(e, 12) {
            KIND_NONE => NullBlock::None,
            KIND_ALL => NullBlock::All,
            KIND_DENSE => {
                let words: &[u64] = buffer::cast(bytes)?;
                let tail = rows % 64;
                let clear = tail == 0 || words.last().is_none_or(|w| w >> tail == 0);
                if words.len() != (rows as usize).div_ceil(64) || !clear {
                    return Err(Error::corrupt("a bitmap of another length than the block"));
                }
                NullBlock::Dense(words)
            }
            KIND_SPARSE => {
                let list: &[u16] = buffer::cast(bytes)?;
                let ascends = list.windows(2).all(|w| w[0] < w[1]);
                if !ascends || list.last().is_some_and(|r| u32::from(*r) >= rows) {
                    return Err(Error::corrupt("null rows do not ascend below the number of rows"));
                }
                NullBlock::Sparse(list)
            }
            kind => return Err(Error::corrupt(format!("unknown null layout {kind}"))),
        };
        if nulls.count(rows) != self.column.null_count(block) {
            return Err(Error::corrupt("another number of null rows than the block directory says"));
        }
        Ok(nulls)
    }

    /// Checks every block, with its checksum and padding.
    pub(crate) fn check(&self) -> Result<()> {
        let mut end = (HEADER + self.column.blocks() as usize * ENTRY) as u64;
        for block in 0..self.column.blocks() {
            self.block(block)?;
            let e = &self.bytes[HEADER + block as usize * ENTRY..];
            let (offset, len) = (u64::from(buffer::u32_at(e, 0)) * 64, u64::from(buffer::u32_at(e, 4)));
            let bytes = buffer::slice(self.bytes, offset, len, "null rows")?;
            checksum::verify_crc(bytes, buffer::u32_at(e, 8))?;
            if len > 0 {
                if offset != end.next_multiple_of(64) || !buffer::all_zero(&self.bytes[end as usize..offset as usize]) {
                    return Err(Error::corrupt("null rows are out of place").in_block(block));
                }
                end = offset + len;
            }
        }
        if end != self.bytes.len() as u64 {
            return Err(Error::corrupt("bytes after the last block"));
        }
        Ok(())
    }
}

/// Region bytes, or `None` when no row is null.
pub(crate) fn encode(nulls: &Bitmap, block_rows: u32) -> Option<Vec<u8>> {
    if nulls.count_ones() == 0 {
        return None;
    }
    let (rows, block_rows) = (nulls.len(), block_rows as usize);
    let blocks = rows.div_ceil(block_rows);
    let mut out = header(&[blocks as u32]);
    out.resize(HEADER + blocks * ENTRY, 0);
    for block in 0..blocks {
        let first = block * block_rows;
        let n = (rows - first).min(block_rows);
        // Block sizes are multiples of 512, so blocks start on word borders.
        let words = &nulls.words()[first / 64..(first + n).div_ceil(64)];
        let count: usize = words.iter().map(|w| w.count_ones() as usize).sum();
        let mut bytes = Vec::new();
        let kind = if count == 0 {
            KIND_NONE
        } else if count == n {
            KIND_ALL
        } else if count * 2 < words.len() * 8 {
            iter_ones(words).for_each(|row| bytes.extend_from_slice(&(row as u16).to_le_bytes()));
            KIND_SPARSE
        } else {
            words.iter().for_each(|w| bytes.extend_from_slice(&w.to_le_bytes()));
            KIND_DENSE
        };
        let mut offset = 0;
        if !bytes.is_empty() {
            buffer::pad(&mut out, PAGE_ALIGN);
            offset = out.len() / 64;
        }
        let e = HEADER + block * ENTRY;
        for (i, v) in [offset as u32, bytes.len() as u32, checksum::crc32c(&bytes), kind].iter().enumerate() {
            out[e + i * 4..e + i * 4 + 4].copy_from_slice(&v.to_le_bytes());
        }
        out.extend_from_slice(&bytes);
    }
    Some(out)
}
