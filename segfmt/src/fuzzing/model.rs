//! What statistics and indexes of a column must say, worked out the slow way.

use std::collections::BTreeMap;

use roaring::RoaringBitmap;

use super::region;
use crate::bitmap::Bitmap;
use crate::dictionary::Dictionary;
use crate::footer::RegionKind;
use crate::index::{BloomFilter, InvertedIndex, RangeIndex, SortedIndex, ValueHashes};
use crate::reader::Column;
use crate::stats::RowSet;
use crate::value::Value;

fn order(a: &Value, b: &Value) -> std::cmp::Ordering {
    a.compare(b).expect("values of one type")
}

pub(super) fn check(file: &[u8], column: &Column, values: &[Value], lists: Option<&[u32]>, nulls: &Bitmap) {
    let rows = nulls.len();
    let range = |row: usize| match lists {
        None => row..row + 1,
        Some(l) => l[row] as usize..l[row + 1] as usize,
    };
    for set in [RowSet::NonNull, RowSet::All] {
        let of = |from: usize, to: usize| {
            (from..to).filter(|r| set == RowSet::All || !nulls.get(*r)).flat_map(range).map(|i| &values[i])
        };
        let kept = |v: Option<&Value>| v.filter(|v| v.to_stored().len() <= 512).cloned();
        assert_eq!(column.min(set).expect("min"), kept(of(0, rows).min_by(|a, b| order(a, b))));
        assert_eq!(column.max(set).expect("max"), kept(of(0, rows).max_by(|a, b| order(a, b))));
    }
    assert_eq!(column.null_rows(), nulls.count_ones() as u64);
    if column.is_sorted() {
        assert!(lists.is_none() && values.is_sorted_by(|a, b| order(a, b).is_le()));
    }
    let dictionary_bytes =
        column.has_dictionary().then(|| region(file, column, RegionKind::Dictionary).expect("region"));
    let dictionary = dictionary_bytes.as_deref().map(|b| Dictionary::open(column, b).expect("dictionary"));
    // Key of each value, as zones and indexes use it.
    let keys: Vec<u64> = match &dictionary {
        None => values.iter().map(Value::ordered_key).collect(),
        Some(d) => values
            .iter()
            .map(|v| u64::from(d.find(v.as_scalar()).expect("find").expect("a held value is found")))
            .collect(),
    };
    let mut first = 0;
    for block in 0..column.blocks() {
        let n = column.block_rows(block) as usize;
        for set in [RowSet::NonNull, RowSet::All] {
            let zone = column.zone(block, set);
            let of =
                || (first..first + n).filter(|r| set == RowSet::All || !nulls.get(*r)).flat_map(range).map(|i| keys[i]);
            assert_eq!(zone.is_empty(), of().next().is_none());
            if !zone.is_empty() {
                assert_eq!((Some(zone.min), Some(zone.max)), (of().min(), of().max()));
            }
            assert_eq!(zone.null_count as usize, (first..first + n).filter(|r| nulls.get(*r)).count());
        }
        first += n;
    }
    assert_eq!(first, rows);
    if let Some(d) = &dictionary {
        check_dictionary(file, column, d, values, &keys, nulls, &range);
    }
    let of_key = |low: u64, high: u64| -> RoaringBitmap {
        (0..rows).filter(|r| range(*r).any(|i| (low..=high).contains(&keys[i]))).map(|r| r as u32).collect()
    };
    if column.region(RegionKind::Range).is_some() {
        let bytes = region(file, column, RegionKind::Range).expect("region");
        let index = RangeIndex::open(&bytes).expect("range index");
        let mut sorted = keys.clone();
        sorted.sort_unstable();
        for (a, b) in [(0, 1), (1, 3), (1, 2), (0, 4), (2, 2)] {
            let pick = |i: usize| sorted.get(i * sorted.len().saturating_sub(1) / 4).copied().unwrap_or(0);
            let (low, high) = (pick(a), pick(b).max(pick(a)));
            let found = index.query(low, high).expect("query");
            let expected = of_key(low, high);
            assert!(found.exact.is_subset(&expected), "the exact part is exact");
            assert!(expected.is_subset(&(&found.exact | &found.recheck)), "no row is missing");
            assert!(found.exact.len() + found.recheck.len() <= index.estimate(low, high));
        }
    }
    if column.region(RegionKind::Bloom).is_some() {
        let bytes = region(file, column, RegionKind::Bloom).expect("region");
        let filter = BloomFilter::open(&bytes).expect("bloom filter");
        assert!(values.iter().all(|v| filter.might_contain(v.as_scalar())), "a held value is denied");
    }
    if let Some(p) = column.partition() {
        let function = crate::PartitionFunction::from_pinot_name(&p.function).expect("a known function");
        let mut found: Vec<u32> = values.iter().map(|v| function.partition(v, p.count).expect("partition")).collect();
        found.sort_unstable();
        found.dedup();
        assert_eq!(p.partitions, found);
    }
}

fn check_dictionary(
    file: &[u8],
    column: &Column,
    d: &Dictionary<'_>,
    values: &[Value],
    keys: &[u64],
    nulls: &Bitmap,
    range: &dyn Fn(usize) -> std::ops::Range<usize>,
) {
    let mut rows_of: BTreeMap<u64, RoaringBitmap> = BTreeMap::new();
    let mut non_null: BTreeMap<u64, bool> = BTreeMap::new();
    for row in 0..nulls.len() {
        for i in range(row) {
            rows_of.entry(keys[i]).or_default().insert(row as u32);
            *non_null.entry(keys[i]).or_default() |= !nulls.get(row);
        }
    }
    assert!(rows_of.keys().copied().eq(0..u64::from(d.len())), "every entry is held and ids are dense");
    assert_eq!(column.cardinality(), Some(d.len()));
    for (id, held) in &non_null {
        assert_eq!(column.held_by_non_null(*id as u32), *held);
    }
    for v in values.iter().step_by(values.len() / 50 + 1) {
        let id = d.find(v.as_scalar()).expect("find").expect("held");
        assert_eq!(&d.value(id).expect("value"), v);
        assert_eq!(d.lower_bound(v.as_scalar()).expect("bound"), id);
        assert_eq!(d.upper_bound(v.as_scalar()).expect("bound"), id + 1);
    }
    if d.len() > crate::HASHES_ABOVE {
        let bytes = region(file, column, RegionKind::ValueHashes).expect("hashes above 4,096 entries");
        let hashes = ValueHashes::open(column, &bytes).expect("hashes");
        d.for_each(0..d.len(), |id, v| assert_eq!(hashes.as_slice()[id as usize], crate::value_hash(v))).expect("walk");
    }
    if column.is_sorted() {
        let bytes = region(file, column, RegionKind::Sorted).expect("a sorted column has its index");
        let index = SortedIndex::open(column, &bytes).expect("sorted index");
        for (id, rows) in &rows_of {
            assert!(index.rows(*id as u32).eq(rows.iter()));
        }
    }
    if column.region(RegionKind::Inverted).is_some() {
        let bytes = region(file, column, RegionKind::Inverted).expect("region");
        let index = InvertedIndex::open(&bytes).expect("inverted index");
        assert_eq!(index.len(), d.len());
        for (id, rows) in &rows_of {
            assert_eq!(&index.bitmap(*id as u32).expect("bitmap"), rows);
        }
    }
}
