//! Indexes instead of scans, where they leave few rows.
//!
//! A packed scan reads some 10 G rows a second, so an index pays when it rules out whole blocks (their pages are then
//! never read) or nearly all rows. A term of the filter becomes the rows that the index found; a range index that is not
//! exact leaves the term in place to be checked again on those rows.

use crate::error::Result;
use crate::exec::bind::BoundColumn;
use crate::exec::filter::{IdTest, Node};
use crate::rt::task::Slice;
use crate::source::StoredColumn;
use crate::source::stored::Fetched;
use roaring::RoaringBitmap;
use segfmt::index::{BloomFilter, InvertedIndex, RangeIndex};
use segfmt::value::{from_ordered_f64, ordered_i64};
use segfmt::{RegionKind, ScalarRef};
use std::sync::Arc;

/// Ids whose bitmaps are joined at most.
const IDS: u32 = 64;
/// An index is used when it leaves at most one row of this many.
const SPARSE: u64 = 64;

/// Improves one term of the conjunction; false while an index is on its way.
pub(crate) fn improve(
    term: &mut Node,
    columns: &[BoundColumn],
    skip: &[(String, String)],
    rows: u64,
    slice: &Slice<'_>,
) -> Result<bool> {
    let skipped = |column: &BoundColumn, kind: &str| {
        skip.iter().any(|(c, k)| *c == column.reference.name && k.eq_ignore_ascii_case(kind))
    };
    match term {
        Node::Ids { column, test, null_match: false } => {
            let bound = &columns[*column];
            let Some(stored) = bound.stored().filter(|_| !skipped(bound, "inverted")) else { return Ok(true) };
            let ids: Vec<u32> = match test {
                IdTest::Range { lo, hi, negated: false } if *hi - *lo < IDS => (*lo..=*hi).collect(),
                IdTest::Set(set) if set.count() <= IDS => set.iter().collect(),
                _ => return Ok(true),
            };
            let Some(bytes) = (match stored.region(RegionKind::Inverted, slice)? {
                Fetched::Later => return Ok(false),
                Fetched::Here(bytes) => bytes,
            }) else {
                return Ok(true);
            };
            let found = join(&bytes, &ids).map_err(|e| bound.broken(e))?;
            if found.len() <= rows / SPARSE {
                let index = format!("the inverted index of {}", bound.reference.name);
                // Null rows hold the default value, and with it an id.
                let no_nulls =
                    if bound.nullable { Node::Null { column: *column, negated: true } } else { Node::Const(true) };
                *term = Node::and(vec![Node::Rows { rows: Arc::new(found), index }, no_nulls]);
            }
            Ok(true)
        }
        Node::Ints { column, lo, hi, negated: false } => {
            let bound = &columns[*column];
            let Some(stored) = bound.stored() else { return Ok(true) };
            let (lo, hi) = (*lo, *hi);
            if lo == hi && !skipped(bound, "bloom") && !might_hold(bound, stored, ScalarRef::Int(lo), term, slice)? {
                return Ok(false);
            }
            range(term, bound, stored, (ordered_i64(lo), ordered_i64(hi)), skipped(bound, "range"), rows, slice)
        }
        Node::Floats { column, lo, hi, negated: false } => {
            let bound = &columns[*column];
            let Some(stored) = bound.stored() else { return Ok(true) };
            let (lo, hi) = (*lo, *hi);
            if lo == hi
                && !skipped(bound, "bloom")
                && !might_hold(bound, stored, ScalarRef::Float(from_ordered_f64(lo)), term, slice)?
            {
                return Ok(false);
            }
            range(term, bound, stored, (lo, hi), skipped(bound, "range"), rows, slice)
        }
        _ => Ok(true),
    }
}

/// The term becomes false when a bloom filter excludes the value; false while the filter is on its way.
fn might_hold(
    bound: &BoundColumn,
    stored: &StoredColumn,
    value: ScalarRef<'_>,
    term: &mut Node,
    slice: &Slice<'_>,
) -> Result<bool> {
    match stored.region(RegionKind::Bloom, slice)? {
        Fetched::Later => Ok(false),
        Fetched::Here(None) => Ok(true),
        Fetched::Here(Some(bytes)) => {
            if !BloomFilter::open(&bytes).map_err(|e| bound.broken(e))?.might_contain(value) {
                *term = Node::Const(false);
            }
            Ok(true)
        }
    }
}

fn range(
    term: &mut Node,
    bound: &BoundColumn,
    stored: &StoredColumn,
    (lo, hi): (u64, u64),
    skip: bool,
    rows: u64,
    slice: &Slice<'_>,
) -> Result<bool> {
    if skip || matches!(term, Node::Const(_)) {
        return Ok(true);
    }
    let Some(bytes) = (match stored.region(RegionKind::Range, slice)? {
        Fetched::Later => return Ok(false),
        Fetched::Here(bytes) => bytes,
    }) else {
        return Ok(true);
    };
    let index = RangeIndex::open(&bytes).map_err(|e| bound.broken(e))?;
    if index.estimate(lo, hi) > rows / SPARSE {
        return Ok(true);
    }
    let found = index.query(lo, hi).map_err(|e| bound.broken(e))?;
    let candidates = found.exact | found.recheck;
    let scan = std::mem::replace(term, Node::Const(true));
    *term = Node::and(vec![
        Node::Rows { rows: Arc::new(candidates), index: format!("the range index of {}", bound.reference.name) },
        scan,
    ]);
    Ok(true)
}

fn join(bytes: &[u8], ids: &[u32]) -> segfmt::Result<RoaringBitmap> {
    let index = InvertedIndex::open(bytes)?;
    let mut all = RoaringBitmap::new();
    for id in ids {
        all |= index.bitmap(*id)?;
    }
    Ok(all)
}
