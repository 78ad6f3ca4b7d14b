//! SQL's three-valued AND, OR, NOT over boolean columns.

use arrow_array::{Array, BooleanArray};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder, NullBuffer};

/// Where a column is true, and where it is false; the rest is NULL.
struct Known {
    yes: BooleanBuffer,
    no: BooleanBuffer,
}

fn known(a: &BooleanArray) -> Known {
    match a.nulls() {
        None => Known { yes: a.values().clone(), no: !a.values() },
        Some(nulls) => Known { yes: a.values() & nulls.inner(), no: &!a.values() & nulls.inner() },
    }
}

fn column(k: Known) -> BooleanArray {
    let valid = NullBuffer::new(&k.yes | &k.no);
    BooleanArray::new(k.yes, Some(valid).filter(|n| n.null_count() > 0))
}

pub fn and(a: &BooleanArray, b: &BooleanArray) -> BooleanArray {
    if a.null_count() == 0 && b.null_count() == 0 {
        return BooleanArray::new(a.values() & b.values(), None);
    }
    let (a, b) = (known(a), known(b));
    column(Known { yes: &a.yes & &b.yes, no: &a.no | &b.no })
}

pub fn or(a: &BooleanArray, b: &BooleanArray) -> BooleanArray {
    if a.null_count() == 0 && b.null_count() == 0 {
        return BooleanArray::new(a.values() | b.values(), None);
    }
    let (a, b) = (known(a), known(b));
    column(Known { yes: &a.yes | &b.yes, no: &a.no & &b.no })
}

pub fn not(a: &BooleanArray) -> BooleanArray {
    BooleanArray::new(!a.values(), a.nulls().cloned())
}

/// Rows that are true.
pub fn is_true(a: &BooleanArray) -> BooleanBuffer {
    known(a).yes
}

/// Rows that are false.
pub fn is_false(a: &BooleanArray) -> BooleanBuffer {
    known(a).no
}

/// Spreads `values`, one for each set bit of `selected`, over all rows; the others hold `rest`.
pub fn spread(values: &BooleanArray, selected: &BooleanBuffer, rest: bool) -> BooleanArray {
    let rows = selected.len();
    let mut bits = BooleanBufferBuilder::new(rows);
    bits.append_n(rows, rest);
    for (k, row) in selected.set_indices().enumerate() {
        bits.set_bit(row, values.value(k));
    }
    let nulls = (values.null_count() > 0).then(|| {
        let mut valid = BooleanBufferBuilder::new(rows);
        valid.append_n(rows, true);
        for (k, row) in selected.set_indices().enumerate() {
            valid.set_bit(row, values.is_valid(k));
        }
        NullBuffer::new(valid.finish())
    });
    BooleanArray::new(bits.finish(), nulls)
}
