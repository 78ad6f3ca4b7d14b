//! Reads a whole segment and checks everything that can be checked.

use crate::buffer::{self, AlignedBuf, REGION_ALIGN};
use crate::checksum::verify_crc;
use crate::dictionary::Dictionary;
use crate::error::{Error, Result};
use crate::footer::{REGION_DATA, RegionKind, TRAILER};
use crate::hash::value_hash;
use crate::index::{BloomFilter, InvertedIndex, NullBitmap, RangeIndex, SortedIndex, ValueHashes};
use crate::page::Page;
use crate::reader::{Column, Region, Segment};
use crate::writer::{ColumnDigest, segment_digest};

/// What was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Rows.
    pub rows: u64,
    /// Columns.
    pub columns: usize,
    /// Regions that were read.
    pub regions: usize,
    /// Pages that were read.
    pub pages: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Digest of the data, as computed and as stored.
    pub digest: [u8; 16],
}

/// Reads every byte of a segment through `read_at(offset, length)` and checks trailer, footer,
/// block directory, every region, page, bitmap and dictionary entry, all padding, and the digest.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub fn verify_segment(mut read_at: impl FnMut(u64, usize) -> Result<Vec<u8>>, file_len: u64) -> Result<Report> {
    let segment = open(&mut read_at, file_len)?;
    let mut report = Report {
        rows: segment.rows(),
        columns: segment.columns().len(),
        regions: 0,
        pages: 0,
        bytes: file_len,
        digest: segment.digest(),
    };
    let mut end = 0;
    let mut digests = Vec::new();
    for column in segment.columns() {
        let mut digest = ColumnDigest::new(column.name(), column.data_type(), column.flags());
        let regions: Vec<(Region, AlignedBuf)> = column
            .regions()
            .iter()
            .map(|r| {
                let bytes = read(&mut read_at, r.offset, r.len)?;
                verify_crc(&bytes, r.crc).map_err(|e| e.in_region(r.kind.name()))?;
                check_gap(&mut read_at, end, r.offset)?;
                end = r.offset + r.len;
                Ok((*r, bytes))
            })
            .collect::<Result<_>>()
            .map_err(|e: Error| e.in_column(column.name()))?;
        for (r, bytes) in &regions {
            let data = r.kind.is_data();
            if data != (r.flags & REGION_DATA != 0) {
                return Err(Error::corrupt("a region's flags do not fit its kind").in_column(column.name()));
            }
            if data {
                digest.region_bytes(bytes);
                digest.region_end(r.kind, r.len);
            }
        }
        digests.push((column.name().to_owned(), digest.finish(column.directory_bytes())));
        report.regions += regions.len();
        report.pages += u64::from(segment.blocks());
        check_column(column, &regions).map_err(|e| e.in_column(column.name()))?;
    }
    check_gap(&mut read_at, end, segment.data_end())?;
    digests.sort_unstable();
    if segment_digest(segment.rows(), segment.rows_per_block(), &digests) != segment.digest() {
        return Err(Error::corrupt("the digest of the data is not the one in the footer"));
    }
    Ok(report)
}

fn open(read_at: &mut impl FnMut(u64, usize) -> Result<Vec<u8>>, file_len: u64) -> Result<Segment> {
    let last = file_len.min(REGION_ALIGN);
    if last < TRAILER as u64 {
        return Err(Error::NotASegment { detail: format!("only {file_len} bytes") });
    }
    let head = read(read_at, file_len - last, last)?;
    let tail_len = Segment::tail_len(&head)?;
    if tail_len > file_len {
        return Err(Error::truncated("the tail", tail_len, file_len).in_region("trailer"));
    }
    let tail = read(read_at, file_len - tail_len, tail_len)?;
    Segment::open(&tail, file_len)
}

fn read(read_at: &mut impl FnMut(u64, usize) -> Result<Vec<u8>>, offset: u64, len: u64) -> Result<AlignedBuf> {
    let bytes = read_at(offset, len as usize)?;
    if bytes.len() as u64 != len {
        return Err(Error::truncated("a read", len, bytes.len() as u64));
    }
    Ok(AlignedBuf::copy_of(&bytes))
}

/// Bytes between regions are zero. Regions that this build does not know may lie there, so only
/// the padding up to the next 4 KiB boundary is looked at.
fn check_gap(read_at: &mut impl FnMut(u64, usize) -> Result<Vec<u8>>, from: u64, to: u64) -> Result<()> {
    let stop = from.next_multiple_of(REGION_ALIGN).min(to);
    if stop > from && !buffer::all_zero(&read(read_at, from, stop - from)?) {
        return Err(Error::corrupt(format!("padding at {from} is not zero")));
    }
    Ok(())
}

fn check_column(column: &Column, regions: &[(Region, AlignedBuf)]) -> Result<()> {
    let find = |kind: RegionKind| regions.iter().find(|(r, _)| r.kind == kind).map(|(_, b)| b);
    column.default_null()?;
    for set in [crate::RowSet::NonNull, crate::RowSet::All] {
        column.min(set)?;
        column.max(set)?;
    }
    if let Some(pages) = find(RegionKind::Pages) {
        let start = column.region(RegionKind::Pages).map_or(0, |r| r.offset);
        for block in 0..column.blocks() {
            let at = column.page(block);
            let bytes = buffer::slice(pages, at.offset - start, u64::from(at.len), "page")?;
            verify_crc(bytes, at.crc)
                .and_then(|()| Page::parse(column, block, bytes))
                .and_then(|page| page.check(column))
                .map_err(|e| e.in_region("pages").in_block(block))?;
        }
    }
    let dictionary = find(RegionKind::Dictionary).map(|b| Dictionary::open(column, b)).transpose()?;
    if let Some(d) = &dictionary {
        d.check().map_err(|e| e.in_region("dictionary"))?;
    }
    if let Some(b) = find(RegionKind::NullBitmap) {
        NullBitmap::open(column, b)?.check().map_err(|e| e.in_region("null bitmap"))?;
    }
    if let (Some(b), Some(d)) = (find(RegionKind::ValueHashes), &dictionary) {
        let hashes = ValueHashes::open(column, b)?.as_slice();
        let mut wrong = None;
        d.for_each(0..d.len(), |id, v| {
            if hashes[id as usize] != value_hash(v) {
                wrong = Some(id);
            }
        })?;
        if let Some(id) = wrong {
            return Err(Error::corrupt(format!("the hash of entry {id} is wrong")).in_region("value hashes"));
        }
    }
    if let Some(b) = find(RegionKind::Sorted) {
        SortedIndex::open(column, b)?;
    }
    if let Some(b) = find(RegionKind::Inverted) {
        let index = InvertedIndex::open(b)?;
        if Some(index.len()) != column.cardinality() {
            return Err(Error::corrupt("another number of ids than the dictionary").in_region("inverted index"));
        }
        for id in 0..index.len() {
            index.bitmap(id)?;
        }
    }
    if let Some(b) = find(RegionKind::Range) {
        RangeIndex::open(b)?.check()?;
    }
    if let Some(b) = find(RegionKind::Bloom) {
        BloomFilter::open(b)?;
    }
    Ok(())
}
