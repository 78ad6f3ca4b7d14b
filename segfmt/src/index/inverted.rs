//! Inverted index: for each dictionary id the rows that hold it, as a roaring bitmap.
//!
//! A table of offsets and checksums gives one bitmap without touching the others.

use roaring::RoaringBitmap;

use super::{HEADER, header};
use crate::buffer::{self, PAGE_ALIGN};
use crate::checksum;
use crate::error::{Error, Result};

const ENTRY: usize = 8;

/// Row bitmaps by dictionary id.
#[derive(Debug, Clone, Copy)]
pub struct InvertedIndex<'a> {
    ids: u32,
    rows: u32,
    table: &'a [u8],
    data: &'a [u8],
}

impl<'a> InvertedIndex<'a> {
    /// Opens an `Inverted` region.
    ///
    /// # Errors
    /// When the table does not fit the bytes.
    pub fn open(bytes: &'a [u8]) -> Result<Self> {
        Self::parse(bytes).map_err(|e| e.in_region("inverted index"))
    }

    fn parse(bytes: &'a [u8]) -> Result<Self> {
        buffer::check_aligned(bytes, PAGE_ALIGN)?;
        let head = buffer::slice(bytes, 0, HEADER as u64, "index header")?;
        if !buffer::all_zero(&head[8..]) {
            return Err(Error::corrupt("reserved bytes of the header are not zero"));
        }
        let (ids, rows) = (buffer::u32_at(head, 0), buffer::u32_at(head, 4));
        let table_len = (u64::from(ids) + 1) * ENTRY as u64;
        let table = buffer::slice(bytes, HEADER as u64, table_len, "bitmap table")?;
        let index = Self { ids, rows, table, data: &bytes[HEADER + table_len as usize..] };
        if index.offset(0) != 0 || u64::from(index.offset(ids)) != index.data.len() as u64 {
            return Err(Error::corrupt("bitmaps do not fill the region"));
        }
        Ok(index)
    }

    fn offset(&self, id: u32) -> u32 {
        buffer::u32_at(self.table, id as usize * ENTRY)
    }

    /// Number of ids.
    pub const fn len(&self) -> u32 {
        self.ids
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.ids == 0
    }

    /// Rows of the segment.
    pub const fn rows(&self) -> u32 {
        self.rows
    }

    /// Serialized bitmap of an id (the portable roaring format).
    ///
    /// # Errors
    /// When there is no such id or the table is corrupt.
    pub fn bitmap_bytes(&self, id: u32) -> Result<&'a [u8]> {
        if id >= self.ids {
            return Err(Error::corrupt(format!("id {id} in an index of {} ids", self.ids)).in_region("inverted index"));
        }
        let (start, end) = (u64::from(self.offset(id)), u64::from(self.offset(id + 1)));
        let len = end.checked_sub(start).ok_or_else(|| Error::corrupt("bitmap offsets descend"))?;
        buffer::slice(self.data, start, len, "bitmap").map_err(|e| e.in_region("inverted index"))
    }

    /// Rows that hold an id.
    ///
    /// # Errors
    /// When there is no such id or its bitmap is damaged.
    pub fn bitmap(&self, id: u32) -> Result<RoaringBitmap> {
        let bytes = self.bitmap_bytes(id)?;
        let crc = buffer::u32_at(self.table, id as usize * ENTRY + 4);
        checksum::verify_crc(bytes, crc).map_err(|e| e.in_region("inverted index"))?;
        read_bitmap(bytes, self.rows).map_err(|e| e.in_region("inverted index"))
    }
}

/// A roaring bitmap of rows below `rows`, exactly as long as its bytes.
pub(crate) fn read_bitmap(mut bytes: &[u8], rows: u32) -> Result<RoaringBitmap> {
    let bitmap = RoaringBitmap::deserialize_from(&mut bytes)
        .map_err(|e| Error::corrupt(format!("a bitmap does not read: {e}")))?;
    if !bytes.is_empty() || bitmap.max().is_some_and(|m| m >= rows) {
        return Err(Error::corrupt("a bitmap has bytes left over or rows past the end"));
    }
    Ok(bitmap)
}

/// Region bytes. `lists` are the value offsets of rows of a multi-value column.
pub(crate) fn encode(entries: u32, ids: &[u32], lists: Option<&[u32]>, rows: u32) -> Result<Vec<u8>> {
    // Counting sort: the rows of every id, ascending.
    let mut starts = vec![0usize; entries as usize + 1];
    for id in ids {
        starts[*id as usize + 1] += 1;
    }
    for i in 1..starts.len() {
        starts[i] += starts[i - 1];
    }
    let mut next = starts.clone();
    let mut postings = vec![0u32; ids.len()];
    let mut put = |value: usize, row: u32| {
        let at = &mut next[ids[value] as usize];
        postings[*at] = row;
        *at += 1;
    };
    match lists {
        None => (0..ids.len()).for_each(|v| put(v, v as u32)),
        Some(lists) => {
            for (row, w) in lists.windows(2).enumerate() {
                (w[0]..w[1]).for_each(|v| put(v as usize, row as u32));
            }
        }
    }
    let mut out = header(&[entries, rows]);
    let table_at = out.len();
    out.resize(table_at + (entries as usize + 1) * ENTRY, 0);
    let data_at = out.len();
    for id in 0..=entries as usize {
        let offset = out.len() - data_at;
        let offset = u32::try_from(offset)
            .map_err(|_| Error::too_large("an inverted index", offset as u64, u64::from(u32::MAX)))?;
        let entry = table_at + id * ENTRY;
        out[entry..entry + 4].copy_from_slice(&offset.to_le_bytes());
        if id == entries as usize {
            break;
        }
        let mut bitmap = RoaringBitmap::new();
        for row in &postings[starts[id]..starts[id + 1]] {
            // A row of a multi-value column may hold an id twice.
            bitmap.insert(*row);
        }
        bitmap.optimize();
        let from = out.len();
        bitmap.serialize_into(&mut out)?;
        let crc = checksum::crc32c(&out[from..]);
        out[entry + 4..entry + 8].copy_from_slice(&crc.to_le_bytes());
    }
    Ok(out)
}
