//! Values of any comparable type as 64-bit keys: fixed-width values by their bits, strings, bytes and decimals by their
//! number in a table. Sets, counts per value and collected lists all work on (group, key) pairs.

use super::rows::{each_row, kept};
use crate::error::{Error, Result};
use crate::group::{ByteColumn, ByteTable, bit_keys, from_bit_keys, hash_u64, is_bits, is_bytes};
use arrow_array::{Array, ArrayRef, BooleanArray, ListArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType as ArrowType, Field};
use segfmt::value::{cmp_f32, cmp_f64};
use std::cmp::Ordering;
use std::sync::Arc;

/// The keys of one type's values.
#[derive(Debug)]
pub(crate) struct ValueKeys {
    ty: ArrowType,
    table: Option<ByteTable>,
}

/// The order of two keys of a fixed-width type.
pub(crate) fn compare_bits(ty: &ArrowType, a: u64, b: u64) -> Ordering {
    match ty {
        ArrowType::Float32 => cmp_f32(f32::from_bits(a as u32), f32::from_bits(b as u32)),
        ArrowType::Float64 => cmp_f64(f64::from_bits(a), f64::from_bits(b)),
        _ => (a as i64).cmp(&(b as i64)),
    }
}

impl ValueKeys {
    pub(crate) fn new(ty: ArrowType) -> Result<ValueKeys> {
        if !is_bits(&ty) && !is_bytes(&ty) {
            return Err(Error::Signature(format!("values of {ty} cannot be compared")));
        }
        let table = is_bytes(&ty).then(ByteTable::new);
        Ok(ValueKeys { ty, table })
    }

    pub(crate) fn ty(&self) -> &ArrowType {
        &self.ty
    }

    /// Calls `visit(group, key)` for each value that counts.
    pub(crate) fn each(
        &mut self,
        values: &ArrayRef,
        groups: &[u32],
        filter: Option<&BooleanArray>,
        mut visit: impl FnMut(u32, u64),
    ) -> Result<()> {
        if *values.data_type() != self.ty {
            return Err(Error::Plan(format!("values of {} where {} is due", values.data_type(), self.ty)));
        }
        let args = std::slice::from_ref(values);
        let Some(table) = &mut self.table else {
            let mut keys = Vec::new();
            bit_keys(values, &mut keys)?;
            each_row(groups, filter, args, |row, group| visit(group as u32, keys[row]));
            return Ok(());
        };
        let bytes = ByteColumn::new(values).ok_or_else(|| Error::Plan("values are not of bytes".into()))?;
        let mut add = |row: usize| -> Result<()> {
            visit(groups[row], u64::from(table.intern(bytes.get(row))?));
            Ok(())
        };
        match kept(filter, args) {
            None => (0..groups.len()).try_for_each(&mut add),
            Some(kept) => kept.set_indices().try_for_each(&mut add),
        }
    }

    pub(crate) fn compare(&self, a: u64, b: u64) -> Ordering {
        match &self.table {
            Some(table) => table.get(a as u32).cmp(table.get(b as u32)),
            None => compare_bits(&self.ty, a, b),
        }
    }

    /// By group, then by value.
    pub(crate) fn sort(&self, pairs: &mut [(u32, u64)]) {
        pairs.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| self.compare(a.1, b.1)));
    }

    /// The values of `keys`.
    pub(crate) fn array(&self, keys: &[u64], nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        match &self.table {
            Some(table) => table.gather(keys.iter().map(|k| *k as u32), &self.ty, nulls),
            None => from_bit_keys(keys, &self.ty, nulls),
        }
    }

    /// One list a group of the values of `pairs`, which are sorted by group.
    pub(crate) fn lists(&self, pairs: &[(u32, u64)], groups: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        let keys: Vec<u64> = pairs.iter().map(|p| p.1).collect();
        lists(self.array(&keys, None)?, pairs.iter().map(|p| p.0), groups, nulls)
    }

    pub(crate) fn size(&self) -> usize {
        self.table.as_ref().map_or(0, ByteTable::size)
    }
}

/// One list a group; `of` is the group of each value, ascending.
pub(crate) fn lists(
    values: ArrayRef,
    of: impl Iterator<Item = u32>,
    groups: usize,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef> {
    if i32::try_from(values.len()).is_err() {
        return Err(Error::Memory(format!("{} values in the lists of one column", values.len())));
    }
    let mut lengths = vec![0usize; groups];
    of.for_each(|group| lengths[group as usize] += 1);
    let field = Arc::new(Field::new("item", values.data_type().clone(), true));
    Ok(Arc::new(ListArray::new(field, OffsetBuffer::from_lengths(lengths), values, nulls)))
}

/// The type of a list of values.
pub(crate) fn list_of(ty: ArrowType) -> ArrowType {
    ArrowType::List(Arc::new(Field::new("item", ty, true)))
}

/// Mixes a group and a key.
#[inline]
pub(crate) fn pair_hash(group: u32, key: u64) -> u64 {
    hash_u64(key ^ u64::from(group).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}
