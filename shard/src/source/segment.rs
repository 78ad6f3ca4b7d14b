//! An open segment file as a source of rows.

use super::stored::{Store, StoredColumn};
use super::{ColumnHandle, ColumnKind, RowSource};
use crate::error::{Error, Result};
use crate::io::direct::{DataFile, SECTOR};
use crate::io::map::FileMap;
use crate::io::memory::Block;
use crate::io::pool::PagePool;
use crate::io::{Advice, Residency};
use crate::memory;
use crate::rt::Shards;
use segfmt::checksum::verify_crc;
use segfmt::{Page, Segment};
use shard_plan::Type;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that resident segments of this process hold.
static RESIDENT: AtomicU64 = AtomicU64::new(0);

/// Which segment this is, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SegmentKey {
    pub table_incarnation: u64,
    pub ordinal: u32,
    pub generation: u32,
}

/// A segment that queries can scan. Shared by snapshots; the last one that lets go frees its bytes (E-8).
#[derive(Debug)]
pub struct SegmentHandle {
    key: SegmentKey,
    path: PathBuf,
    source: Arc<dyn RowSource>,
    held: Held,
}

/// What is given back when the handle goes.
#[derive(Debug)]
enum Held {
    Nothing,
    Resident(u64),
    Streamed(Arc<DataFile>, Arc<PagePool>),
}

impl SegmentHandle {
    /// Opens a segment file. Blocks: call it on a bulk thread.
    ///
    /// Resident and mapped segments have every checksum verified here, once; streamed ones when a page arrives (E-18).
    pub fn open(
        path: impl AsRef<Path>,
        key: SegmentKey,
        residency: Residency,
        shards: &Shards,
    ) -> Result<Arc<SegmentHandle>> {
        let path = path.as_ref();
        let _uncharged = memory::charge(None);
        let name: Arc<str> = path.display().to_string().into();
        let io = |what: &str, e: std::io::Error| Error::Io {
            file: name.clone(),
            what: what.into(),
            offset: 0,
            source: Arc::new(e),
        };
        let file = Arc::new(DataFile::open(path).map_err(|e| io("cannot open", e))?);
        let segment = open_tail(&file, &name)?;
        let inner = &shards.inner;
        let (store, held) = match residency {
            Residency::Streamed => stream(&file, &inner.pool),
            Residency::Mapped(advice) => (map(path, advice, &segment, &name)?, Held::Nothing),
            Residency::Resident => load(&file, &segment, &name)?,
            Residency::Auto if RESIDENT.load(Ordering::Relaxed).saturating_add(file.len()) <= inner.resident_bytes => {
                load(&file, &segment, &name)?
            }
            Residency::Auto => stream(&file, &inner.pool),
        };
        let source = Arc::new(SegmentSource::new(segment, store, name));
        Ok(Arc::new(SegmentHandle { key, path: path.to_owned(), source, held }))
    }

    /// A handle over any source: tables in memory, consuming segments.
    pub fn over(source: Arc<dyn RowSource>, key: SegmentKey) -> Arc<SegmentHandle> {
        Arc::new(SegmentHandle { key, path: PathBuf::new(), source, held: Held::Nothing })
    }

    pub fn key(&self) -> SegmentKey {
        self.key
    }

    pub fn name(&self) -> &str {
        self.source.name()
    }

    /// Path of the file; empty for sources in memory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn source(&self) -> &Arc<dyn RowSource> {
        &self.source
    }

    pub fn rows(&self) -> u64 {
        self.source.rows()
    }

    /// What the file says of itself, for sources that are files.
    pub fn segment(&self) -> Option<&Segment> {
        self.source.host_segment()
    }

    /// `resident`, `streamed`, or `mapped` (also for sources in memory: nothing is held for them).
    pub fn residency(&self) -> &'static str {
        match self.held {
            Held::Nothing => "mapped",
            Held::Resident(_) => "resident",
            Held::Streamed(..) => "streamed",
        }
    }
}

impl Drop for SegmentHandle {
    fn drop(&mut self) {
        match &self.held {
            Held::Nothing => {}
            Held::Resident(bytes) => {
                RESIDENT.fetch_sub(*bytes, Ordering::Relaxed);
            }
            Held::Streamed(file, pool) => pool.forget(file.id()),
        }
    }
}

/// Bytes of all resident segments.
pub fn resident_bytes() -> u64 {
    RESIDENT.load(Ordering::Relaxed)
}

/// Reads `len` bytes at the end of the file, from a sector boundary on.
fn read_end(file: &DataFile, len: u64, name: &Arc<str>) -> Result<(Block, usize)> {
    let start = file.len().saturating_sub(len) / SECTOR * SECTOR;
    let block = file.read(start, (file.len() - start) as usize).map_err(|e| Error::Io {
        file: name.clone(),
        what: "cannot read the footer".into(),
        offset: start,
        source: Arc::new(e),
    })?;
    let skip = block.as_slice().len() - len.min(file.len()) as usize;
    Ok((block, skip))
}

fn open_tail(file: &DataFile, name: &Arc<str>) -> Result<Segment> {
    let bad = |e: segfmt::Error| Error::Segment { file: name.clone(), offset: file.len(), source: Arc::new(e) };
    let (last, skip) = read_end(file, 4096, name)?;
    let tail = Segment::tail_len(&last.as_slice()[skip..]).map_err(bad)?;
    if tail > file.len() {
        return Err(bad(segfmt::Error::NotASegment {
            detail: format!("a footer of {tail} bytes in a file of {}", file.len()),
        }));
    }
    let (bytes, skip) = read_end(file, tail.max(4096), name)?;
    Segment::open(&bytes.as_slice()[skip..], file.len()).map_err(bad)
}

fn stream(file: &Arc<DataFile>, pool: &Arc<PagePool>) -> (Store, Held) {
    (Store::Disk(file.clone(), pool.clone()), Held::Streamed(file.clone(), pool.clone()))
}

fn load(file: &DataFile, segment: &Segment, name: &Arc<str>) -> Result<(Store, Held)> {
    let len = file.len() as usize;
    let block = file.read(0, len).map_err(|e| Error::Io {
        file: name.clone(),
        what: "cannot read".into(),
        offset: 0,
        source: Arc::new(e),
    })?;
    verify(block.as_slice(), segment, name)?;
    RESIDENT.fetch_add(len as u64, Ordering::Relaxed);
    Ok((Store::Memory(Arc::new(block)), Held::Resident(len as u64)))
}

fn map(path: &Path, advice: Advice, segment: &Segment, name: &Arc<str>) -> Result<Store> {
    let map = FileMap::open(path, advice).map_err(|e| Error::Io {
        file: name.clone(),
        what: "cannot map".into(),
        offset: 0,
        source: Arc::new(e),
    })?;
    if (map.as_slice().len() as u64) < segment.file_len() {
        return Err(Error::Io {
            file: name.clone(),
            what: "cannot map".into(),
            offset: map.as_slice().len() as u64,
            source: Arc::new(std::io::Error::new(
                std::io::ErrorKind::UnexpectedEof,
                "the file was cut while it was opened",
            )),
        });
    }
    // Verifying touches every page, which is what populates the mapping: on this bulk thread, not on a shard.
    verify(map.as_slice(), segment, name)?;
    Ok(Store::Map(Arc::new(map)))
}

/// Every region and page of a whole file in memory.
fn verify(bytes: &[u8], segment: &Segment, name: &Arc<str>) -> Result<()> {
    for column in segment.columns() {
        let bad = |offset: u64, e: segfmt::Error| Error::Segment {
            file: name.clone(),
            offset,
            source: Arc::new(e.in_column(column.name())),
        };
        let part = |offset: u64, len: u64| {
            bytes.get(offset as usize..(offset + len) as usize).ok_or_else(|| {
                bad(offset, segfmt::Error::NotASegment { detail: format!("the file ends before {}", offset + len) })
            })
        };
        for region in column.regions().iter().filter(|r| r.kind != segfmt::RegionKind::Pages) {
            verify_crc(part(region.offset, region.len)?, region.crc)
                .map_err(|e| bad(region.offset, e.in_region(region.kind.name())))?;
        }
        for block in 0..segment.blocks() {
            let at = column.page(block);
            let page = part(at.offset, u64::from(at.len))?;
            verify_crc(page, at.crc)
                .and_then(|()| Page::parse(column, block, page)?.check(column))
                .map_err(|e| bad(at.offset, e.in_region("pages").in_block(block)))?;
        }
    }
    Ok(())
}

/// A segment file's columns.
#[derive(Debug)]
pub struct SegmentSource {
    segment: Segment,
    columns: Vec<Arc<StoredColumn>>,
    store: Store,
    file: Arc<str>,
}

impl SegmentSource {
    fn new(segment: Segment, store: Store, file: Arc<str>) -> SegmentSource {
        let columns = segment
            .columns()
            .iter()
            .map(|c| {
                Arc::new(StoredColumn::new(c.clone(), store.clone(), file.clone(), !matches!(store, Store::Disk(..))))
            })
            .collect();
        SegmentSource { segment, columns, store, file }
    }
}

impl RowSource for SegmentSource {
    fn name(&self) -> &str {
        &self.segment.info().name
    }

    fn rows(&self) -> u64 {
        self.segment.rows()
    }

    fn rows_per_block(&self) -> u32 {
        self.segment.rows_per_block()
    }

    fn column(&self, name: &str) -> Option<ColumnHandle> {
        let column = self.segment.column(name)?;
        let stored = self.columns[column.index() as usize].clone();
        let ty = Type { data: column.data_type(), multi: column.multi_value() };
        Some(ColumnHandle { ty, has_nulls: column.has_nulls(), kind: ColumnKind::Stored(stored) })
    }

    fn host_segment(&self) -> Option<&Segment> {
        Some(&self.segment)
    }

    fn in_memory(&self) -> bool {
        matches!(self.store, Store::Memory(_))
    }

    fn intact(&self) -> Result<()> {
        match &self.store {
            Store::Map(map) => map.intact().map_err(|e| Error::Io {
                file: self.file.clone(),
                what: "cannot be read".into(),
                offset: 0,
                source: Arc::new(e),
            }),
            _ => Ok(()),
        }
    }
}
