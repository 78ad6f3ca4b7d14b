//! A column of a segment: its pages, dictionary and null bitmap, loaded when a scan needs them.

use super::block::PageCell;
use crate::error::{Error, Result};
use crate::io::PageBytes;
use crate::io::direct::DataFile;
use crate::io::map::FileMap;
use crate::io::memory::Block;
use crate::io::pool::{Arrival, PagePool, PageRequest};
use crate::memory;
use crate::rt::task::Slice;
use arrow_array::ArrayRef;
use segfmt::index::NullBitmap;
use segfmt::{Column, Dictionary, Page, Region, RegionKind};
use self_cell::self_cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Where the bytes of a segment are.
#[derive(Debug, Clone)]
pub(crate) enum Store {
    Memory(Arc<Block>),
    Map(Arc<FileMap>),
    Disk(Arc<DataFile>, Arc<PagePool>),
}

self_cell!(
    /// An open dictionary with its bytes.
    pub struct DictionaryCell {
        owner: PageBytes,
        #[covariant]
        dependent: Dictionary,
    }
    impl {Debug}
);

/// Something that may still be on its way from the disk.
pub(crate) enum Fetched<T> {
    Here(T),
    /// The running work is woken when it is there.
    Later,
}

/// A column of an open segment.
#[derive(Debug)]
pub struct StoredColumn {
    column: Column,
    store: Store,
    file: Arc<str>,
    /// Names the column in read errors; blocks and regions are added.
    what: Arc<str>,
    dictionary: OnceLock<Arc<DictionaryCell>>,
    nulls: OnceLock<Arc<[u64]>>,
    /// All entries as one array, for dictionaries small enough to keep.
    entries: OnceLock<ArrayRef>,
    /// Pages whose values were checked against their type and dictionary, one bit a block.
    checked: Box<[AtomicU64]>,
}

impl StoredColumn {
    /// `checked`: every page has been checked already, when the file was opened.
    pub(crate) fn new(column: Column, store: Store, file: Arc<str>, checked: bool) -> StoredColumn {
        let what = format!("column {}", column.name()).into();
        let checked =
            (0..column.blocks().div_ceil(64)).map(|_| AtomicU64::new(if checked { u64::MAX } else { 0 })).collect();
        StoredColumn {
            column,
            store,
            file,
            what,
            dictionary: OnceLock::new(),
            nulls: OnceLock::new(),
            entries: OnceLock::new(),
            checked,
        }
    }

    /// The segment's description of the column.
    pub fn column(&self) -> &Column {
        &self.column
    }

    pub(crate) fn broken(&self, offset: u64, error: segfmt::Error) -> Error {
        Error::Segment { file: self.file.clone(), offset, source: Arc::new(error.in_column(self.column.name())) }
    }

    fn bytes(
        &self,
        offset: u64,
        len: usize,
        crc: u32,
        part: impl FnOnce() -> String,
        slice: &Slice<'_>,
    ) -> Result<Fetched<PageBytes>> {
        let start = offset as usize;
        match &self.store {
            // Verified when the segment was opened; ranges were checked against the file's length by segfmt.
            Store::Memory(block) => Ok(Fetched::Here(PageBytes::in_block(block, start..start + len))),
            Store::Map(map) => Ok(Fetched::Here(PageBytes::in_map(map, start..start + len))),
            Store::Disk(file, pool) => {
                let request = PageRequest {
                    file: file.clone(),
                    name: self.file.clone(),
                    offset,
                    len,
                    crc,
                    what: format!("{}, {}", self.what, part()).into(),
                };
                let _uncharged = memory::charge(None);
                match pool.get(&request, slice) {
                    Arrival::Here(bytes) => Ok(Fetched::Here(bytes)),
                    Arrival::Later => Ok(Fetched::Later),
                    Arrival::Failed(e) => Err(e),
                }
            }
        }
    }

    fn region_bytes(&self, region: &Region, slice: &Slice<'_>) -> Result<Fetched<PageBytes>> {
        self.bytes(region.offset, region.len as usize, region.crc, || region.kind.name().to_owned(), slice)
    }

    /// The page of a block.
    pub(crate) fn page(&self, block: u32, slice: &Slice<'_>) -> Result<Fetched<Arc<PageCell>>> {
        let at = self.column.page(block);
        match self.bytes(at.offset, at.len as usize, at.crc, || format!("block {block}"), slice)? {
            Fetched::Later => Ok(Fetched::Later),
            Fetched::Here(bytes) => {
                let cell = PageCell::try_new(bytes, |bytes| Page::parse(&self.column, block, bytes))
                    .map_err(|e| self.broken(at.offset, e))?;
                // A page with a right checksum may still come from a hostile writer: its ids index arrays below.
                let (word, bit) = (&self.checked[block as usize / 64], 1 << (block % 64));
                if word.load(Ordering::Relaxed) & bit == 0 {
                    cell.borrow_dependent()
                        .check(&self.column)
                        .map_err(|e| self.broken(at.offset, e.in_block(block)))?;
                    word.fetch_or(bit, Ordering::Relaxed);
                }
                Ok(Fetched::Here(Arc::new(cell)))
            }
        }
    }

    /// Bytes of the page of a block.
    pub(crate) fn page_len(&self, block: u32) -> u64 {
        u64::from(self.column.page(block).len)
    }

    /// The dictionary, opened once.
    pub(crate) fn dictionary(&self, slice: &Slice<'_>) -> Result<Fetched<Option<Arc<DictionaryCell>>>> {
        if let Some(cell) = self.dictionary.get() {
            return Ok(Fetched::Here(Some(cell.clone())));
        }
        let Some(region) = self.column.region(RegionKind::Dictionary) else { return Ok(Fetched::Here(None)) };
        match self.region_bytes(&region, slice)? {
            Fetched::Later => Ok(Fetched::Later),
            Fetched::Here(bytes) => {
                let cell = DictionaryCell::try_new(bytes, |bytes| Dictionary::open(&self.column, bytes))
                    .map_err(|e| self.broken(region.offset, e))?;
                let cell = Arc::new(cell);
                // A streamed dictionary is not pinned by the column: the pool decides how long it stays.
                if !matches!(self.store, Store::Disk(..)) {
                    let _ = self.dictionary.set(cell.clone());
                }
                Ok(Fetched::Here(Some(cell)))
            }
        }
    }

    /// One bit a row, set for null rows; `None` when no row is null.
    pub(crate) fn nulls(&self, slice: &Slice<'_>) -> Result<Fetched<Option<Arc<[u64]>>>> {
        if let Some(words) = self.nulls.get() {
            return Ok(Fetched::Here(Some(words.clone())));
        }
        let Some(region) = self.column.region(RegionKind::NullBitmap) else { return Ok(Fetched::Here(None)) };
        match self.region_bytes(&region, slice)? {
            Fetched::Later => Ok(Fetched::Later),
            Fetched::Here(bytes) => {
                let words = null_words(&self.column, &bytes).map_err(|e| self.broken(region.offset, e))?;
                let _uncharged = memory::charge(None);
                let words: Arc<[u64]> = words.into();
                let _ = self.nulls.set(words.clone());
                Ok(Fetched::Here(Some(words)))
            }
        }
    }

    /// Another region of the column, verified.
    pub(crate) fn region(&self, kind: RegionKind, slice: &Slice<'_>) -> Result<Fetched<Option<PageBytes>>> {
        match self.column.region(kind) {
            None => Ok(Fetched::Here(None)),
            Some(region) => Ok(match self.region_bytes(&region, slice)? {
                Fetched::Later => Fetched::Later,
                Fetched::Here(bytes) => Fetched::Here(Some(bytes)),
            }),
        }
    }

    /// All entries of a small dictionary as one array, made once by `make`.
    pub(crate) fn entries(&self, make: impl FnOnce() -> Result<ArrayRef>) -> Result<ArrayRef> {
        if let Some(array) = self.entries.get() {
            return Ok(array.clone());
        }
        let _uncharged = memory::charge(None);
        let array = make()?;
        Ok(self.entries.get_or_init(|| array).clone())
    }
}

/// The null bitmap of all blocks as one bit vector. Blocks are whole words.
fn null_words(column: &Column, bytes: &[u8]) -> segfmt::Result<Vec<u64>> {
    let bitmap = NullBitmap::open(column, bytes)?;
    let mut words = Vec::new();
    for block in 0..column.blocks() {
        let rows = column.block_rows(block);
        words.extend_from_slice(bitmap.block(block)?.to_bitmap(rows).words());
    }
    Ok(words)
}
