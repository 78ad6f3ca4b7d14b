//! Front-coded pages of a big dictionary and the index over them.
//!
//! An entry is the number of bytes it shares with the one before it, the length of its rest, the
//! rest. Every 16th entry shares nothing (a restart), so one entry costs at most 16 steps.

use std::ops::Range;

use super::{FORM_PAGED, HEADER};
use crate::buffer::{self, PAGE_ALIGN};
use crate::checksum;
use crate::error::{Error, Place, Result};

/// Entries between restarts.
pub(super) const RESTART: u32 = 16;
/// Bytes of an entry of the page index.
pub(super) const INDEX_ENTRY: usize = 24;
/// Where the checksum of header and index stands in the header.
pub(super) const HEAD_CRC: usize = 60;

/// Header and page index of a paged dictionary: the first [`PageIndex::head_len`] bytes of the
/// region. Enough to find a value's page without reading the others.
#[derive(Debug, Clone, Copy)]
pub struct PageIndex<'a> {
    entries: u32,
    pages_len: u64,
    head_len: u64,
    table: &'a [u8],
    keys: &'a [u8],
}

/// Where a page is and what it starts with.
#[derive(Debug, Clone, Copy)]
pub struct PageEntry {
    /// Offset from the end of the head, in bytes.
    pub offset: u64,
    /// Bytes of the page.
    pub len: u32,
    /// CRC-32C of the page.
    pub crc: u32,
    /// Id of its first entry.
    pub first_id: u32,
    key: u32,
}

impl PageEntry {
    pub(super) fn slice<'a>(&self, pages: &'a [u8]) -> Result<&'a [u8]> {
        buffer::slice(pages, self.offset, u64::from(self.len), "dictionary page")
    }
}

/// Bytes of header and page index that the first 64 bytes of a dictionary region announce:
/// `None` when the dictionary is not paged and has to be read whole.
///
/// # Errors
/// When fewer than 64 bytes are given.
pub fn head_len(header: &[u8]) -> Result<Option<u64>> {
    let header = buffer::slice(header, 0, HEADER as u64, "dictionary header")?;
    Ok((header[0] == FORM_PAGED).then(|| buffer::u64_at(header, 32)))
}

impl<'a> PageIndex<'a> {
    /// Parses the head of a dictionary region; more bytes may follow it.
    ///
    /// # Errors
    /// When checksum, lengths or order are wrong.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        let len = head_len(bytes)?.ok_or_else(|| Error::corrupt("the dictionary is not paged"))?;
        let head = buffer::slice(bytes, 0, len, "dictionary page index")?;
        if head.len() < HEADER {
            return Err(Error::truncated("dictionary page index", HEADER as u64, len));
        }
        let expected = buffer::u32_at(head, HEAD_CRC);
        let found = checksum::crc32c_append(checksum::crc32c(&head[..HEAD_CRC]), &head[HEADER..]);
        if found != expected {
            return Err(Error::Checksum { place: Place::default(), expected, found });
        }
        let entries = buffer::u32_at(head, 4);
        let pages_len = buffer::u64_at(head, 8);
        let pages = u64::from(buffer::u32_at(head, 16));
        let key_bytes = u64::from(buffer::u32_at(head, 20));
        let table_len = pages * INDEX_ENTRY as u64;
        let table = buffer::slice(head, HEADER as u64, table_len, "dictionary page index")?;
        let keys_at = (HEADER as u64 + table_len).next_multiple_of(PAGE_ALIGN as u64);
        let keys = buffer::slice(head, keys_at, key_bytes, "dictionary first keys")?;
        if (keys_at + key_bytes).next_multiple_of(PAGE_ALIGN as u64) != len {
            return Err(Error::corrupt("the dictionary page index has another length than it says"));
        }
        let index = Self { entries, pages_len, head_len: len, table, keys };
        let (mut end, mut id, mut key) = (0u64, 0u32, 0u32);
        for p in 0..index.pages() {
            let e = index.page(p);
            let follows = e.offset == end && e.key >= key && u64::from(e.key) <= key_bytes;
            if !follows || (p == 0 && (e.first_id != 0 || e.key != 0)) || (p > 0 && e.first_id <= id) {
                return Err(Error::corrupt(format!("dictionary page {p} does not follow the one before it")));
            }
            (id, key) = (e.first_id, e.key);
            end = e.offset + u64::from(e.len).next_multiple_of(PAGE_ALIGN as u64);
        }
        if end != pages_len || (index.pages() == 0) != (entries == 0) || (entries > 0 && id >= entries) {
            return Err(Error::corrupt("dictionary pages do not cover the entries"));
        }
        Ok(index)
    }

    /// Number of entries of the dictionary.
    pub const fn entries(&self) -> u32 {
        self.entries
    }

    /// Bytes of header and index, where the pages start.
    pub const fn head_len(&self) -> u64 {
        self.head_len
    }

    /// Bytes of all pages.
    pub const fn pages_len(&self) -> u64 {
        self.pages_len
    }

    /// Number of pages.
    pub const fn pages(&self) -> usize {
        self.table.len() / INDEX_ENTRY
    }

    /// Entry of page `p`.
    ///
    /// # Panics
    /// When `p >= pages`.
    pub fn page(&self, p: usize) -> PageEntry {
        let e = &self.table[p * INDEX_ENTRY..(p + 1) * INDEX_ENTRY];
        PageEntry {
            offset: buffer::u64_at(e, 0),
            len: buffer::u32_at(e, 8),
            crc: buffer::u32_at(e, 12),
            first_id: buffer::u32_at(e, 16),
            key: buffer::u32_at(e, 20),
        }
    }

    /// First key of page `p`.
    ///
    /// # Panics
    /// When `p >= pages`.
    pub fn first_key(&self, p: usize) -> &'a [u8] {
        let start = self.page(p).key as usize;
        let end = if p + 1 < self.pages() { self.page(p + 1).key as usize } else { self.keys.len() };
        &self.keys[start..end]
    }

    /// Page that holds an id.
    pub fn page_of(&self, id: u32) -> usize {
        self.partition_point(|p| self.page(p).first_id <= id).saturating_sub(1)
    }

    /// Last page whose first key fulfils `below` (which holds for a prefix of the keys).
    pub fn last_page_where(&self, mut below: impl FnMut(&[u8]) -> bool) -> Option<usize> {
        self.partition_point(|p| below(self.first_key(p))).checked_sub(1)
    }

    fn partition_point(&self, mut f: impl FnMut(usize) -> bool) -> usize {
        let (mut low, mut high) = (0, self.pages());
        while low < high {
            let mid = low.midpoint(high);
            if f(mid) { low = mid + 1 } else { high = mid }
        }
        low
    }

    /// Checks every page: checksum, number of entries, first key, padding.
    pub(super) fn check(&self, pages: &[u8]) -> Result<()> {
        let mut buf = Vec::new();
        for p in 0..self.pages() {
            let e = self.page(p);
            let bytes = e.slice(pages)?;
            checksum::verify_crc(bytes, e.crc)?;
            let page = DictPage::parse(bytes)?;
            let next = if p + 1 < self.pages() { self.page(p + 1).first_id } else { self.entries };
            if e.first_id.checked_add(page.len()) != Some(next) {
                return Err(Error::corrupt(format!("dictionary page {p} holds {} entries", page.len())));
            }
            page.get(0, &mut buf)?;
            if buf != self.first_key(p) {
                return Err(Error::corrupt(format!("dictionary page {p} does not start with its first key")));
            }
            let end = e.offset + u64::from(e.len);
            super::zero_gap(pages, end, end.next_multiple_of(PAGE_ALIGN as u64))?;
        }
        Ok(())
    }
}

/// One front-coded page.
#[derive(Debug, Clone, Copy)]
pub struct DictPage<'a> {
    bytes: &'a [u8],
    len: u32,
}

/// Position in a page: the bytes still to read.
struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Walk<'_> {
    fn varint(&mut self) -> Result<usize> {
        let mut v = 0u32;
        for shift in (0..35).step_by(7) {
            let b = *self.bytes.get(self.at).ok_or_else(|| Error::corrupt("a dictionary page ends inside an entry"))?;
            self.at += 1;
            if shift == 28 && b > 0x0f {
                break;
            }
            v |= u32::from(b & 0x7f) << shift;
            if b < 0x80 {
                return Ok(v as usize);
            }
        }
        Err(Error::corrupt("a length in a dictionary page is too large"))
    }

    /// Makes `key`, the entry before, this entry.
    fn next(&mut self, key: &mut Vec<u8>) -> Result<()> {
        let shared = self.varint()?;
        let rest = self.varint()?;
        if shared > key.len() {
            return Err(Error::corrupt("a dictionary entry shares more than the entry before it has"));
        }
        let end = self.at.checked_add(rest).filter(|e| *e <= self.bytes.len());
        let end = end.ok_or_else(|| Error::corrupt("a dictionary page ends inside an entry"))?;
        key.truncate(shared);
        key.extend_from_slice(&self.bytes[self.at..end]);
        self.at = end;
        Ok(())
    }
}

impl<'a> DictPage<'a> {
    /// Parses the bytes of one page.
    ///
    /// # Errors
    /// When they are too short for what they announce.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        let head = buffer::slice(bytes, 0, 4, "dictionary page")?;
        let len = buffer::u32_at(head, 0);
        let table = u64::from(len.div_ceil(RESTART)) * 4;
        buffer::slice(bytes, 4, table, "dictionary page restarts")?;
        if len == 0 {
            return Err(Error::corrupt("a dictionary page without entries"));
        }
        Ok(Self { bytes, len })
    }

    /// Number of entries.
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether there are none (never, in a parsed page).
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn restart(&self, r: u32) -> Walk<'a> {
        Walk { bytes: self.bytes, at: buffer::u32_at(self.bytes, 4 + 4 * r as usize) as usize }
    }

    /// Entry `i` into `key`.
    ///
    /// # Errors
    /// When the page is corrupt or has no such entry.
    pub fn get(&self, i: u32, key: &mut Vec<u8>) -> Result<()> {
        if i >= self.len {
            return Err(Error::corrupt(format!("entry {i} of a dictionary page of {}", self.len)));
        }
        key.clear();
        let mut walk = self.restart(i / RESTART);
        for _ in 0..=i % RESTART {
            walk.next(key)?;
        }
        Ok(())
    }

    /// Calls `f(entry number, entry)` for entries `range`, in order.
    ///
    /// # Errors
    /// When the page is corrupt or the range past its end.
    pub fn for_each(&self, range: Range<u32>, mut f: impl FnMut(u32, &[u8])) -> Result<()> {
        if range.end > self.len {
            return Err(Error::corrupt(format!("entries {range:?} of a dictionary page of {}", self.len)));
        }
        let mut key = Vec::new();
        let mut i = range.start / RESTART * RESTART;
        let mut walk = self.restart(i / RESTART);
        while i < range.end {
            if i.is_multiple_of(RESTART) {
                walk = self.restart(i / RESTART);
                key.clear();
            }
            walk.next(&mut key)?;
            if i >= range.start {
                f(i, &key);
            }
            i += 1;
        }
        Ok(())
    }

    /// Number of entries that fulfil `below`, which holds for a prefix of them.
    ///
    /// # Errors
    /// When the page is corrupt.
    pub fn partition_point(&self, mut below: impl FnMut(&[u8]) -> bool) -> Result<u32> {
        let mut key = Vec::new();
        let (mut low, mut high) = (0, self.len.div_ceil(RESTART));
        while low < high {
            let mid = low.midpoint(high);
            key.clear();
            self.restart(mid).next(&mut key)?;
            if below(&key) { low = mid + 1 } else { high = mid }
        }
        let Some(restart) = low.checked_sub(1) else { return Ok(0) };
        let mut walk = self.restart(restart);
        let first = restart * RESTART;
        key.clear();
        for i in first..(first + RESTART).min(self.len) {
            walk.next(&mut key)?;
            if !below(&key) {
                return Ok(i);
            }
        }
        Ok((first + RESTART).min(self.len))
    }
}
