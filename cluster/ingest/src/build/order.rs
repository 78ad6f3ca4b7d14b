//! The order of a sort: which columns, and how two rows compare.

use std::cmp::Ordering;

use segfmt::DataType;
use segfmt::value::{ordered_f64, ordered_i64, ordered_prefix};

use crate::column::{Chunk, Column, Data, Loc};

/// Columns to sort by, the first the most significant. Nulls sort as their default value.
#[derive(Debug, Clone)]
pub(crate) struct SortOrder {
    columns: Vec<usize>,
    types: Vec<DataType>,
    /// Whether equal keys mean equal values, so that rows need no further comparison.
    exact: bool,
}

/// Bits that a value takes in a key; a byte string has its beginning there.
fn bits(t: DataType) -> (u32, bool) {
    match t {
        DataType::Boolean => (8, true),
        DataType::Int => (32, true),
        DataType::Long | DataType::Timestamp | DataType::Float | DataType::Double => (64, true),
        DataType::BigDecimal | DataType::String | DataType::Json | DataType::Bytes => (64, false),
    }
}

fn key(column: &Column, t: DataType, row: usize) -> u64 {
    match &column.data {
        // The bits are the value's distance from the smallest: an unsigned number of the same order.
        Data::I32(v) => u64::from((v[row] as u32) ^ (1 << 31)),
        Data::Bool(v) => u64::from(v[row]),
        Data::I64(v) => ordered_i64(v[row]),
        Data::F32(v) => ordered_f64(f64::from(v[row])),
        Data::F64(v) => ordered_f64(v[row]),
        Data::Bytes { offsets, data } => {
            debug_assert!(!bits(t).1);
            ordered_prefix(&data[offsets[row] as usize..offsets[row + 1] as usize])
        }
        Data::Ids { .. } => unreachable!("sort columns are not numbered"),
    }
}

impl SortOrder {
    pub(crate) fn columns(&self) -> &[usize] {
        &self.columns
    }

    pub(crate) fn new(columns: Vec<usize>, types: &[DataType]) -> Self {
        let types: Vec<DataType> = columns.iter().map(|c| types[*c]).collect();
        let mut free = 64u32;
        let exact = types.iter().all(|t| {
            let (width, whole) = bits(*t);
            let fits = whole && width <= free;
            free = free.saturating_sub(width);
            fits
        });
        Self { columns, types, exact }
    }

    /// Keys of a chunk's rows: smaller rows have no greater keys.
    pub(crate) fn keys(&self, chunk: &Chunk) -> Vec<u64> {
        let mut keys = vec![0u64; chunk.rows];
        let mut free = 64;
        for (&c, &t) in self.columns.iter().zip(&self.types) {
            let (width, _) = bits(t);
            let column = &chunk.columns[c];
            // What does not fit any more is cut at its low end; `compare` decides then.
            let (shift_up, shift_down) = if width <= free { (free - width, 0) } else { (0, width - free) };
            for (row, k) in keys.iter_mut().enumerate() {
                *k |= key(column, t, row) >> shift_down << shift_up;
            }
            if width >= free {
                break;
            }
            free -= width;
        }
        keys
    }

    /// Compares two rows that have the same key.
    #[inline]
    pub(crate) fn compare(&self, a: &Chunk, row_a: usize, b: &Chunk, row_b: usize) -> Ordering {
        if self.exact { Ordering::Equal } else { self.compare_values(a, row_a, b, row_b) }
    }

    fn compare_values(&self, a: &Chunk, row_a: usize, b: &Chunk, row_b: usize) -> Ordering {
        for (&c, &t) in self.columns.iter().zip(&self.types) {
            let (a, b) = (&a.columns[c], &b.columns[c]);
            let order = match (&a.data, &b.data) {
                (Data::Bytes { offsets: oa, data: da }, Data::Bytes { offsets: ob, data: db }) => {
                    da[oa[row_a] as usize..oa[row_a + 1] as usize].cmp(&db[ob[row_b] as usize..ob[row_b + 1] as usize])
                }
                _ => key(a, t, row_a).cmp(&key(b, t, row_b)),
            };
            if order != Ordering::Equal {
                return order;
            }
        }
        Ordering::Equal
    }

    /// The rows of these chunks in order; equal rows stay as they came.
    pub(crate) fn sorted(&self, chunks: &[Chunk]) -> Vec<Loc> {
        let rows = chunks.iter().map(|c| c.rows).sum();
        let mut entries: Vec<(u64, Loc)> = Vec::with_capacity(rows);
        for (i, chunk) in chunks.iter().enumerate() {
            entries.extend(self.keys(chunk).into_iter().enumerate().map(|(row, key)| (key, Loc::new(i, row))));
        }
        if self.exact {
            entries.sort_unstable();
        } else {
            entries.sort_unstable_by(|(ka, a), (kb, b)| {
                ka.cmp(kb)
                    .then_with(|| self.compare_values(&chunks[a.chunk()], a.row(), &chunks[b.chunk()], b.row()))
                    .then_with(|| a.cmp(b))
            });
        }
        entries.into_iter().map(|(_, loc)| loc).collect()
    }
}
