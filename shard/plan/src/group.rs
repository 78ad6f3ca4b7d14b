//! Group keys to dense group ids.
//!
//! [`GroupTable`] gives each distinct key row a `u32`, in order of first appearance, so that accumulators are plain
//! vectors indexed by it. NULL is a group of its own, NaN is one group, and -0.0 is 0.0 (E-10).

use crate::error::{Error, Result};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef, BooleanArray, PrimitiveArray};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_row::{RowConverter, SortField};
use arrow_schema::{DataType as ArrowType, TimeUnit};
use hashbrown::HashTable;
use segfmt::value::{normalize_f32, normalize_f64};
use std::ops::Range;
use std::sync::Arc;

/// Mixes a 64-bit key: both the low bits (bucket) and the high bits (tag) depend on every bit of it.
#[inline]
pub fn hash_u64(key: u64) -> u64 {
    let product = u128::from(key ^ 0x2d35_8dcc_aa6c_78a5) * 0x8bb8_4b93_962e_acc9_u128;
    (product as u64) ^ ((product >> 64) as u64)
}

/// Distinct byte strings with dense ids.
#[derive(Debug, Default)]
pub struct ByteTable {
    table: HashTable<(u64, u32)>,
    offsets: Vec<usize>,
    data: Vec<u8>,
}

impl ByteTable {
    pub fn new() -> ByteTable {
        ByteTable { table: HashTable::new(), offsets: vec![0], data: Vec::new() }
    }

    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    pub fn get(&self, id: u32) -> &[u8] {
        &self.data[self.offsets[id as usize]..self.offsets[id as usize + 1]]
    }

    /// The id of `value`, which is new when it equals the length before.
    pub fn intern(&mut self, value: &[u8]) -> Result<u32> {
        match self.intern_within(value, u32::MAX - 1) {
            Some(id) => Ok(id),
            None => Err(too_many()),
        }
    }

    /// The id of `value`; `None` when it is new and there are `limit` values.
    pub fn intern_within(&mut self, value: &[u8], limit: u32) -> Option<u32> {
        let hash = xxhash_rust::xxh3::xxh3_64(value);
        let (offsets, data) = (&self.offsets, &self.data);
        let found = self
            .table
            .find(hash, |&(h, id)| h == hash && &data[offsets[id as usize]..offsets[id as usize + 1]] == value);
        if let Some(&(_, id)) = found {
            return Some(id);
        }
        if self.len() >= limit as usize {
            return None;
        }
        let id = self.len() as u32;
        self.data.extend_from_slice(value);
        self.offsets.push(self.data.len());
        self.table.insert_unique(hash, (hash, id), |&(h, _)| h);
        Some(id)
    }

    pub fn size(&self) -> usize {
        self.table.capacity() * 17 + self.offsets.capacity() * 8 + self.data.capacity()
    }

    /// The values of `ids` as one array of a Utf8, Binary or LargeBinary type; `nulls` covers the ids.
    pub fn gather(
        &self,
        ids: impl ExactSizeIterator<Item = u32> + Clone,
        ty: &ArrowType,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef> {
        let is_null = |i: usize| nulls.as_ref().is_some_and(|n| n.is_null(i));
        let total = ids.clone().enumerate().filter(|(i, _)| !is_null(*i)).map(|(_, id)| self.get(id).len()).sum();
        let mut data = Vec::with_capacity(total);
        let mut lengths = Vec::with_capacity(ids.len());
        for (i, id) in ids.enumerate() {
            let value: &[u8] = if is_null(i) { &[] } else { self.get(id) };
            data.extend_from_slice(value);
            lengths.push(value.len());
        }
        byte_array(data, lengths, ty, nulls)
    }
}

/// An array of a byte type from its values laid end to end.
pub fn byte_array(data: Vec<u8>, lengths: Vec<usize>, ty: &ArrowType, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
    use arrow_array::{BinaryArray, LargeBinaryArray, StringArray};
    if *ty != ArrowType::LargeBinary && i32::try_from(data.len()).is_err() {
        return Err(Error::evaluation(format!("{} bytes of values in one column, which holds 2 GiB", data.len())));
    }
    let bad = |e: arrow_schema::ArrowError| Error::Plan(format!("values do not make a {ty} column: {e}"));
    Ok(match ty {
        ArrowType::Utf8 => {
            Arc::new(StringArray::try_new(OffsetBuffer::from_lengths(lengths), data.into(), nulls).map_err(bad)?)
        }
        ArrowType::Binary => {
            Arc::new(BinaryArray::try_new(OffsetBuffer::from_lengths(lengths), data.into(), nulls).map_err(bad)?)
        }
        ArrowType::LargeBinary => {
            Arc::new(LargeBinaryArray::try_new(OffsetBuffer::from_lengths(lengths), data.into(), nulls).map_err(bad)?)
        }
        other => return Err(Error::Plan(format!("{other} is not a type of bytes"))),
    })
}

fn too_many() -> Error {
    Error::Memory(format!("more than {} distinct groups or values on one node", u32::MAX - 1))
}

/// What [`GroupTable::assign`] gives a row whose group is past the limit.
pub const NO_GROUP: u32 = u32::MAX;

/// The id of the next group: `None` past a limit that was set, an error past what ids can count.
fn next_id(len: usize, limit: Option<u32>) -> Result<Option<u32>> {
    match limit {
        Some(limit) if len >= limit as usize => Ok(None),
        _ if len >= NO_GROUP as usize => Err(too_many()),
        _ => Ok(Some(len as u32)),
    }
}

/// The values of a Utf8, Binary or LargeBinary array as byte strings.
#[derive(Clone, Copy)]
pub(crate) enum ByteColumn<'a> {
    Small(&'a [i32], &'a [u8]),
    Large(&'a [i64], &'a [u8]),
}

impl<'a> ByteColumn<'a> {
    /// `None` when the array is of another type.
    pub(crate) fn new(array: &'a dyn Array) -> Option<ByteColumn<'a>> {
        match array.data_type() {
            ArrowType::Utf8 => {
                array.as_string_opt::<i32>().map(|a| ByteColumn::Small(a.value_offsets(), a.value_data()))
            }
            ArrowType::Binary => {
                array.as_binary_opt::<i32>().map(|a| ByteColumn::Small(a.value_offsets(), a.value_data()))
            }
            ArrowType::LargeBinary => {
                array.as_binary_opt::<i64>().map(|a| ByteColumn::Large(a.value_offsets(), a.value_data()))
            }
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn get(&self, row: usize) -> &'a [u8] {
        match self {
            ByteColumn::Small(offsets, data) => &data[offsets[row] as usize..offsets[row + 1] as usize],
            ByteColumn::Large(offsets, data) => &data[offsets[row] as usize..offsets[row + 1] as usize],
        }
    }
}

pub(crate) fn is_bytes(ty: &ArrowType) -> bool {
    matches!(ty, ArrowType::Utf8 | ArrowType::Binary | ArrowType::LargeBinary)
}

/// Whether values of the type fit 64 bits.
pub(crate) fn is_bits(ty: &ArrowType) -> bool {
    matches!(
        ty,
        ArrowType::Int32
            | ArrowType::Int64
            | ArrowType::Float32
            | ArrowType::Float64
            | ArrowType::Boolean
            | ArrowType::Timestamp(TimeUnit::Millisecond, None)
    )
}

/// The values of a fixed-width array as 64-bit keys: equal values, equal keys. NULL slots hold anything.
pub(crate) fn bit_keys(array: &dyn Array, out: &mut Vec<u64>) -> Result<()> {
    out.clear();
    match array.data_type() {
        ArrowType::Int32 => out.extend(array.as_primitive::<Int32Type>().values().iter().map(|v| *v as i64 as u64)),
        ArrowType::Int64 => out.extend(array.as_primitive::<Int64Type>().values().iter().map(|v| *v as u64)),
        ArrowType::Timestamp(TimeUnit::Millisecond, None) => {
            out.extend(array.as_primitive::<TimestampMillisecondType>().values().iter().map(|v| *v as u64));
        }
        ArrowType::Float32 => out.extend(
            array.as_primitive::<Float32Type>().values().iter().map(|v| u64::from(normalize_f32(*v).to_bits())),
        ),
        ArrowType::Float64 => {
            out.extend(array.as_primitive::<Float64Type>().values().iter().map(|v| normalize_f64(*v).to_bits()));
        }
        ArrowType::Boolean => out.extend(array.as_boolean().values().iter().map(u64::from)),
        other => return Err(Error::Plan(format!("a {other} column where fixed-width values are due"))),
    }
    Ok(())
}

/// The array that [`bit_keys`] took apart.
pub(crate) fn from_bit_keys(keys: &[u64], ty: &ArrowType, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
    fn array<T: arrow_array::ArrowPrimitiveType>(
        keys: &[u64],
        nulls: Option<NullBuffer>,
        value: impl Fn(u64) -> T::Native,
    ) -> ArrayRef {
        let values: ScalarBuffer<T::Native> = keys.iter().map(|k| value(*k)).collect();
        Arc::new(PrimitiveArray::<T>::new(values, nulls))
    }
    Ok(match ty {
        ArrowType::Int32 => array::<Int32Type>(keys, nulls, |k| k as i32),
        ArrowType::Int64 => array::<Int64Type>(keys, nulls, |k| k as i64),
        ArrowType::Timestamp(TimeUnit::Millisecond, None) => {
            array::<TimestampMillisecondType>(keys, nulls, |k| k as i64)
        }
        ArrowType::Float32 => array::<Float32Type>(keys, nulls, |k| f32::from_bits(k as u32)),
        ArrowType::Float64 => array::<Float64Type>(keys, nulls, f64::from_bits),
        ArrowType::Boolean => Arc::new(BooleanArray::new(keys.iter().map(|k| *k != 0).collect(), nulls)),
        other => return Err(Error::Plan(format!("a {other} column where fixed-width values are due"))),
    })
}

/// Floats in their one form (E-10); other arrays as they are.
pub(crate) fn normalize(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        ArrowType::Float32 => Arc::new(array.as_primitive::<Float32Type>().unary::<_, Float32Type>(normalize_f32)),
        ArrowType::Float64 => Arc::new(array.as_primitive::<Float64Type>().unary::<_, Float64Type>(normalize_f64)),
        ArrowType::List(field) if matches!(field.data_type(), ArrowType::Float32 | ArrowType::Float64) => {
            let list = array.as_list::<i32>();
            let values = normalize(list.values());
            Arc::new(arrow_array::ListArray::new(field.clone(), list.offsets().clone(), values, list.nulls().cloned()))
        }
        _ => array.clone(),
    }
}

/// Distinct key rows with dense ids.
#[derive(Debug)]
pub struct GroupTable {
    types: Vec<ArrowType>,
    limit: Option<u32>,
    keys: Keys,
}

#[derive(Debug)]
enum Keys {
    /// No keys: one group.
    None,
    /// One fixed-width key, as 64 bits.
    Bits { table: HashTable<(u64, u32)>, keys: Vec<u64>, null: Option<u32> },
    /// One string, bytes or decimal key. `ids` maps the group to its value, `groups` back.
    Bytes { values: ByteTable, ids: Vec<u32>, groups: Vec<u32>, null: Option<u32> },
    /// Anything else, as comparable rows.
    Rows { converter: RowConverter, rows: ByteTable },
}

impl GroupTable {
    /// A table for keys of these Arrow types.
    pub fn new(types: &[ArrowType]) -> Result<GroupTable> {
        let keys = match types {
            [] => Keys::None,
            [ty] if is_bits(ty) => Keys::Bits { table: HashTable::new(), keys: Vec::new(), null: None },
            [ty] if is_bytes(ty) => {
                Keys::Bytes { values: ByteTable::new(), ids: Vec::new(), groups: Vec::new(), null: None }
            }
            _ => {
                let fields = types.iter().map(|t| SortField::new(t.clone())).collect();
                let converter = RowConverter::new(fields)
                    .map_err(|e| Error::Plan(format!("group keys cannot be compared: {e}")))?;
                Keys::Rows { converter, rows: ByteTable::new() }
            }
        };
        Ok(GroupTable { types: types.to_vec(), limit: None, keys })
    }

    /// Number of groups. A table without keys has one from the start.
    pub fn len(&self) -> usize {
        match &self.keys {
            Keys::None => 1,
            Keys::Bits { keys, .. } => keys.len(),
            Keys::Bytes { ids, .. } => ids.len(),
            Keys::Rows { rows, .. } => rows.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes the group id of each of `rows` rows to `groups` (cleared first), making groups for new keys.
    pub fn assign(&mut self, keys: &[ArrayRef], rows: usize, groups: &mut Vec<u32>) -> Result<()> {
        if keys.len() != self.types.len()
            || keys.iter().zip(&self.types).any(|(k, t)| k.data_type() != t || k.len() != rows)
        {
            return Err(Error::Plan(format!("group keys are not {rows} rows of {:?}", self.types)));
        }
        groups.clear();
        groups.reserve(rows);
        let limit = self.limit;
        match &mut self.keys {
            Keys::None => groups.resize(rows, 0),
            Keys::Bits { table, keys: known, null } => {
                let array = &keys[0];
                let mut bits = Vec::new();
                bit_keys(array, &mut bits)?;
                for (row, key) in bits.into_iter().enumerate() {
                    if array.is_null(row) {
                        if null.is_none() {
                            *null = next_id(known.len(), limit)?;
                            known.extend(null.map(|_| 0));
                        }
                        groups.push(null.unwrap_or(NO_GROUP));
                        continue;
                    }
                    let hash = hash_u64(key);
                    if let Some(&(_, id)) = table.find(hash, |&(k, _)| k == key) {
                        groups.push(id);
                        continue;
                    }
                    let id = next_id(known.len(), limit)?;
                    if let Some(id) = id {
                        known.push(key);
                        table.insert_unique(hash, (key, id), |&(k, _)| hash_u64(k));
                    }
                    groups.push(id.unwrap_or(NO_GROUP));
                }
            }
            Keys::Bytes { values, ids, groups: by_value, null } => {
                let array = &keys[0];
                let value = ByteColumn::new(array)
                    .ok_or_else(|| Error::Plan(format!("a {} key is not of bytes", array.data_type())))?;
                for row in 0..rows {
                    if array.is_null(row) {
                        if null.is_none() {
                            *null = next_id(ids.len(), limit)?;
                            ids.extend(null.map(|_| 0));
                        }
                        groups.push(null.unwrap_or(NO_GROUP));
                        continue;
                    }
                    let next = next_id(ids.len(), limit)?;
                    let within = if next.is_some() { NO_GROUP } else { 0 };
                    let Some(value_id) = values.intern_within(value.get(row), within) else {
                        groups.push(NO_GROUP);
                        continue;
                    };
                    if let Some(next) = next.filter(|_| value_id as usize == by_value.len()) {
                        by_value.push(next);
                        ids.push(value_id);
                    }
                    groups.push(by_value[value_id as usize]);
                }
            }
            Keys::Rows { converter, rows: known } => {
                let normalized: Vec<ArrayRef> = keys.iter().map(normalize).collect();
                let encoded = converter
                    .convert_columns(&normalized)
                    .map_err(|e| Error::Plan(format!("group keys cannot be compared: {e}")))?;
                for row in encoded.iter() {
                    match known.intern_within(row.as_ref(), limit.unwrap_or(NO_GROUP)) {
                        Some(id) => groups.push(id),
                        None if limit.is_some() => groups.push(NO_GROUP),
                        None => return Err(too_many()),
                    }
                }
            }
        }
        Ok(())
    }

    /// At most this many groups from now on; rows of further ones get [`NO_GROUP`].
    pub fn limit(&mut self, groups: u32) {
        self.limit = Some(groups);
    }

    /// The keys, one row a group, in group order.
    pub fn keys(&self) -> Result<Vec<ArrayRef>> {
        self.keys_of(0..self.len())
    }

    /// The keys of some groups.
    pub fn keys_of(&self, groups: Range<usize>) -> Result<Vec<ArrayRef>> {
        match &self.keys {
            Keys::None => Ok(Vec::new()),
            Keys::Bits { keys, null, .. } => {
                let nulls = one_null(*null, &groups);
                Ok(vec![from_bit_keys(&keys[groups], &self.types[0], nulls)?])
            }
            Keys::Bytes { values, ids, null, .. } => {
                let nulls = one_null(*null, &groups);
                Ok(vec![values.gather(ids[groups].iter().copied(), &self.types[0], nulls)?])
            }
            Keys::Rows { converter, rows } => {
                let parser = converter.parser();
                converter
                    .convert_rows(groups.map(|id| parser.parse(rows.get(id as u32))))
                    .map_err(|e| Error::Plan(format!("group keys cannot be read back: {e}")))
            }
        }
    }

    /// Bytes held.
    pub fn size(&self) -> usize {
        match &self.keys {
            Keys::None => 0,
            Keys::Bits { table, keys, .. } => table.capacity() * 17 + keys.capacity() * 8,
            Keys::Bytes { values, ids, groups, .. } => values.size() + (ids.capacity() + groups.capacity()) * 4,
            Keys::Rows { converter, rows } => converter.size() + rows.size(),
        }
    }
}

fn one_null(null: Option<u32>, groups: &Range<usize>) -> Option<NullBuffer> {
    let null = null.filter(|null| groups.contains(&(*null as usize)))?;
    Some(groups.clone().map(|i| i != null as usize).collect::<Vec<bool>>().into())
}

/// A hash of each key row that depends on the values alone: equal rows of two batches hash alike. Used to partition.
pub fn hash_rows(keys: &[ArrayRef], rows: usize, out: &mut Vec<u64>) -> Result<()> {
    out.clear();
    out.resize(rows, 0);
    let mut bits = Vec::new();
    for (n, array) in keys.iter().enumerate() {
        let ty = array.data_type();
        if is_bits(ty) {
            bit_keys(array, &mut bits)?;
            for (row, (hash, key)) in out.iter_mut().zip(&bits).enumerate() {
                let key = if array.is_null(row) { !0 } else { *key };
                *hash = hash_u64(hash.rotate_left(23) ^ key);
            }
        } else if let Some(value) = ByteColumn::new(array) {
            for (row, hash) in out.iter_mut().enumerate() {
                let key = if array.is_null(row) { !0 } else { xxhash_rust::xxh3::xxh3_64(value.get(row)) };
                *hash = hash_u64(hash.rotate_left(23) ^ key);
            }
        } else {
            let converter = RowConverter::new(vec![SortField::new(ty.clone())])
                .map_err(|e| Error::Plan(format!("group key {n} cannot be compared: {e}")))?;
            let encoded = converter
                .convert_columns(&[normalize(array)])
                .map_err(|e| Error::Plan(format!("group key {n} cannot be compared: {e}")))?;
            for (hash, row) in out.iter_mut().zip(encoded.iter()) {
                *hash = hash_u64(hash.rotate_left(23) ^ xxhash_rust::xxh3::xxh3_64(row.as_ref()));
            }
        }
    }
    Ok(())
}
