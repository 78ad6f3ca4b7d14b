//! Range index: rows by buckets of values.
//!
//! The job of Pinot's range index on raw numeric columns (it works on dictionary ids as well).
//! Rows of buckets that lie wholly inside a queried range are an exact answer, rows of buckets
//! that it cuts are a superset to be checked again.

use roaring::RoaringBitmap;

use super::inverted::read_bitmap;
use super::{HEADER, header};
use crate::buffer::{self, PAGE_ALIGN};
use crate::checksum;
use crate::error::{Error, Result};

const ENTRY: usize = 32;
/// Buckets that the writer aims for.
const BUCKETS: usize = 32;
/// Keys that bucket borders are taken from.
const SAMPLE: usize = 65_536;

/// Rows for a range of keys. For multi-value columns a row counts when any of its values does.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RangeMatch {
    /// Rows that match.
    pub exact: RoaringBitmap,
    /// Further rows that may match.
    pub recheck: RoaringBitmap,
}

/// Row bitmaps by bucket.
#[derive(Debug, Clone, Copy)]
pub struct RangeIndex<'a> {
    rows: u32,
    table: &'a [u8],
    data: &'a [u8],
}

/// Keys and bytes of a bucket.
struct Bucket {
    min: u64,
    max: u64,
    offset: u32,
    len: u32,
    crc: u32,
    rows: u32,
}

impl<'a> RangeIndex<'a> {
    /// Opens a `Range` region.
    ///
    /// # Errors
    /// When buckets overlap or do not fit the bytes.
    pub fn open(bytes: &'a [u8]) -> Result<Self> {
        Self::parse(bytes).map_err(|e| e.in_region("range index"))
    }

    fn parse(bytes: &'a [u8]) -> Result<Self> {
        buffer::check_aligned(bytes, PAGE_ALIGN)?;
        let head = buffer::slice(bytes, 0, HEADER as u64, "index header")?;
        if !buffer::all_zero(&head[8..]) {
            return Err(Error::corrupt("reserved bytes of the header are not zero"));
        }
        let (buckets, rows) = (buffer::u32_at(head, 0), buffer::u32_at(head, 4));
        let table_len = u64::from(buckets) * ENTRY as u64;
        let table = buffer::slice(bytes, HEADER as u64, table_len, "bucket table")?;
        let index = Self { rows, table, data: &bytes[HEADER + table_len as usize..] };
        let (mut end, mut last) = (0u64, None);
        for i in 0..index.len() {
            let b = index.bucket(i);
            if u64::from(b.offset) != end || b.min > b.max || last.is_some_and(|l| b.min <= l) {
                return Err(Error::corrupt(format!("bucket {i} overlaps or is out of order")));
            }
            end += u64::from(b.len);
            last = Some(b.max);
        }
        if end != index.data.len() as u64 {
            return Err(Error::corrupt("bitmaps do not fill the region"));
        }
        Ok(index)
    }

    fn bucket(&self, i: usize) -> Bucket {
        let e = &self.table[i * ENTRY..(i + 1) * ENTRY];
        Bucket {
            min: buffer::u64_at(e, 0),
            max: buffer::u64_at(e, 8),
            offset: buffer::u32_at(e, 16),
            len: buffer::u32_at(e, 20),
            crc: buffer::u32_at(e, 24),
            rows: buffer::u32_at(e, 28),
        }
    }

    /// Number of buckets.
    pub const fn len(&self) -> usize {
        self.table.len() / ENTRY
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Most rows that [`RangeIndex::query`] can return, without reading bitmaps: what to plan by.
    pub fn estimate(&self, low: u64, high: u64) -> u64 {
        (0..self.len())
            .map(|i| self.bucket(i))
            .filter(|b| b.min <= high && b.max >= low)
            .map(|b| u64::from(b.rows))
            .sum::<u64>()
            .min(u64::from(self.rows))
    }

    /// Rows with a key in `low..=high`. Keys are those of [`crate::stats::Zone`].
    ///
    /// # Errors
    /// When a bitmap is damaged.
    pub fn query(&self, low: u64, high: u64) -> Result<RangeMatch> {
        let mut found = RangeMatch::default();
        for b in (0..self.len()).map(|i| self.bucket(i)).filter(|b| b.min <= high && b.max >= low) {
            let bitmap = self.bitmap(&b)?;
            if low <= b.min && b.max <= high {
                found.exact |= bitmap;
            } else {
                found.recheck |= bitmap;
            }
        }
        found.recheck -= &found.exact;
        Ok(found)
    }

    fn bitmap(&self, b: &Bucket) -> Result<RoaringBitmap> {
        let bytes = buffer::slice(self.data, u64::from(b.offset), u64::from(b.len), "bitmap")?;
        checksum::verify_crc(bytes, b.crc)
            .and_then(|()| read_bitmap(bytes, self.rows))
            .map_err(|e| e.in_region("range index"))
    }

    /// Reads every bitmap.
    pub(crate) fn check(&self) -> Result<()> {
        for i in 0..self.len() {
            let b = self.bucket(i);
            if self.bitmap(&b)?.len() != u64::from(b.rows) {
                return Err(
                    Error::corrupt(format!("bucket {i} counts other rows than it has")).in_region("range index")
                );
            }
        }
        Ok(())
    }
}

/// Region bytes for the keys of all values.
pub(crate) fn encode(keys: &[u64], lists: Option<&[u32]>, rows: u32) -> Result<Vec<u8>> {
    let step = keys.len().div_ceil(SAMPLE).max(1);
    let mut sample: Vec<u64> = keys.iter().copied().step_by(step).collect();
    sample.sort_unstable();
    // First key of every bucket after the first.
    let mut borders: Vec<u64> = (1..BUCKETS).filter_map(|i| sample.get(i * sample.len() / BUCKETS).copied()).collect();
    borders.dedup();
    let mut buckets: Vec<(u64, u64, RoaringBitmap)> =
        (0..=borders.len()).map(|_| (u64::MAX, 0, RoaringBitmap::new())).collect();
    let mut put = |key: u64, row: u32| {
        let (min, max, bitmap) = &mut buckets[borders.partition_point(|b| *b <= key)];
        (*min, *max) = ((*min).min(key), (*max).max(key));
        bitmap.insert(row);
    };
    match lists {
        None => keys.iter().enumerate().for_each(|(row, key)| put(*key, row as u32)),
        Some(lists) => {
            for (row, w) in lists.windows(2).enumerate() {
                keys[w[0] as usize..w[1] as usize].iter().for_each(|key| put(*key, row as u32));
            }
        }
    }
    buckets.retain(|(_, _, bitmap)| !bitmap.is_empty());
    let mut out = header(&[buckets.len() as u32, rows]);
    let mut data = Vec::new();
    for (min, max, mut bitmap) in buckets {
        bitmap.optimize();
        let start = data.len();
        bitmap.serialize_into(&mut data)?;
        let limit =
            |n: usize| u32::try_from(n).map_err(|_| Error::too_large("a range index", n as u64, u64::from(u32::MAX)));
        out.extend_from_slice(&min.to_le_bytes());
        out.extend_from_slice(&max.to_le_bytes());
        out.extend_from_slice(&limit(start)?.to_le_bytes());
        out.extend_from_slice(&limit(data.len() - start)?.to_le_bytes());
        out.extend_from_slice(&checksum::crc32c(&data[start..]).to_le_bytes());
        out.extend_from_slice(&limit(bitmap.len() as usize)?.to_le_bytes());
    }
    out.extend_from_slice(&data);
    Ok(out)
}
