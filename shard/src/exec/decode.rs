//! Values of selected rows as Arrow arrays: what every operator without a kernel of its own works on.

use crate::error::{Error, Result};
use crate::exec::bind::{BoundColumn, Dict};
use crate::exec::chunks::ChunkCache;
use crate::kernels::{Simd, gather};
use crate::source::BlockColumn;
use crate::source::block::PageCell;
use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, LargeBinaryArray,
    ListArray, StringArray, TimestampMillisecondArray, UInt32Array,
};
use arrow_buffer::{BooleanBuffer, NullBuffer, OffsetBuffer};
use arrow_schema::{DataType as ArrowType, Field};
use segfmt::{DataType, FloatPage, IdPage, IntPage, PageValues, VarPage};
use shard_plan::{Error as PlanError, Scalar};
use std::sync::Arc;

/// Ids of selected values. `rows` ascend.
pub(crate) fn ids(page: &IdPage<'_>, rows: &[u32], out: &mut Vec<u32>) {
    match page {
        IdPage::Constant { id, .. } => {
            out.clear();
            out.resize(rows.len(), *id);
        }
        IdPage::Packed(packed) => gather::gather(Simd::get(), packed, rows, out),
        IdPage::Runs(runs) => {
            out.clear();
            let Some(first) = rows.first() else { return };
            let mut run = runs.run_of(*first as usize);
            out.extend(rows.iter().map(|row| {
                while runs.ends()[run] <= *row {
                    run += 1;
                }
                runs.ids()[run]
            }));
        }
    }
}

/// Integers of selected values. `rows` ascend.
pub(crate) fn ints(page: &IntPage<'_>, rows: &[u32], scratch: &mut Vec<u32>, out: &mut Vec<i64>) {
    out.clear();
    match page {
        IntPage::Constant { value, .. } => out.resize(rows.len(), *value),
        IntPage::For { base, packed } if packed.width() <= 32 => {
            gather::gather(Simd::get(), packed, rows, scratch);
            out.extend(scratch.iter().map(|v| base.wrapping_add(i64::from(*v))));
        }
        IntPage::For { base, packed } => {
            out.extend(rows.iter().map(|r| base.wrapping_add(packed.get(*r as usize) as i64)))
        }
        IntPage::Delta(_) => by_span(rows, page.len(), out, |range, out| page.decode(range, out)),
    }
}

/// Numbers of selected values. `rows` ascend.
pub(crate) fn floats(page: &FloatPage<'_>, rows: &[u32], out: &mut Vec<f64>) {
    out.clear();
    match page {
        FloatPage::Constant { value, .. } => out.resize(rows.len(), *value),
        FloatPage::Raw32(values) => out.extend(rows.iter().map(|r| f64::from(values[*r as usize]))),
        FloatPage::Raw64(values) => out.extend(rows.iter().map(|r| values[*r as usize])),
        FloatPage::Decimal(_) => by_span(rows, page.len(), out, |range, out| page.decode(range, out)),
    }
}

/// Decodes whole stretches of 512 values where rows are selected, and keeps those.
fn by_span<T: Copy + Default>(
    rows: &[u32],
    len: usize,
    out: &mut Vec<T>,
    decode: impl Fn(std::ops::Range<usize>, &mut [T]),
) {
    let mut values = [T::default(); 512];
    let mut at = 0;
    while at < rows.len() {
        let start = rows[at] as usize / 512 * 512;
        let end = (start + 512).min(len);
        decode(start..end, &mut values[..end - start]);
        while at < rows.len() && (rows[at] as usize) < end {
            out.push(values[rows[at] as usize - start]);
            at += 1;
        }
    }
}

/// Reusable memory of a scan's decoding.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub ids: Vec<u32>,
    ints: Vec<i64>,
    floats: Vec<f64>,
    elements: Vec<u32>,
    chunks: ChunkCache,
}

/// The plan's columns at `rows` of a block; those that are not `used` hold nothing.
pub(crate) fn columns(
    bound: &[BoundColumn],
    blocks: &[BlockColumn],
    first_row: u64,
    rows: &[u32],
    used: impl Fn(usize) -> bool,
    scratch: &mut Scratch,
) -> Result<Vec<ArrayRef>> {
    let of_block = bound.iter().zip(blocks).enumerate();
    of_block
        .map(
            |(i, (bound, block))| {
                if used(i) { column(bound, block, first_row, rows, scratch) } else { Ok(unread(&bound.ty.arrow())) }
            },
        )
        .collect()
}

/// Values of `rows` (block-local, ascending) of one column of a block.
pub(crate) fn column(
    bound: &BoundColumn,
    block: &BlockColumn,
    first_row: u64,
    rows: &[u32],
    scratch: &mut Scratch,
) -> Result<ArrayRef> {
    match block {
        BlockColumn::Constant(scalar) => Ok(shard_plan::repeat(scalar, rows.len())?),
        BlockColumn::Sequence { first } => {
            Ok(Arc::new(rows.iter().map(|r| (*first + i64::from(*r)) as i32).collect::<Int32Array>()))
        }
        BlockColumn::Array(array) => {
            let taken = arrow_select::take::take(array, &UInt32Array::from(rows.to_vec()), None).map_err(arrow)?;
            if bound.reference.nulls || taken.null_count() == 0 {
                Ok(taken)
            } else {
                fill_nulls(&taken, &bound.reference.default, bound.ty.multi)
            }
        }
        BlockColumn::Page(cell) => {
            let page = cell.borrow_dependent();
            let nulls = bound.null_buffer(first_row, rows);
            let broken = |e: segfmt::Error| bound.broken(e);
            match page.lists() {
                None => values(bound, cell, rows, nulls, scratch, &broken),
                Some(lists) => {
                    let mut elements = std::mem::take(&mut scratch.elements);
                    elements.clear();
                    let mut lengths = Vec::with_capacity(rows.len());
                    for row in rows {
                        let range = lists.range(*row as usize);
                        lengths.push(range.len());
                        elements.extend(range.map(|i| i as u32));
                    }
                    let inner = values(bound, cell, &elements, None, scratch, &broken);
                    scratch.elements = elements;
                    let inner = inner?;
                    let field = Arc::new(Field::new("item", inner.data_type().clone(), true));
                    Ok(Arc::new(
                        ListArray::try_new(field, OffsetBuffer::from_lengths(lengths), inner, nulls).map_err(arrow)?,
                    ))
                }
            }
        }
        BlockColumn::Unread => {
            Err(PlanError::Plan(format!("column {} is used but was not asked for", bound.reference.name)).into())
        }
    }
}

fn arrow(e: arrow_schema::ArrowError) -> Error {
    PlanError::Plan(e.to_string()).into()
}

/// The default value where an array is null (placeholder nulls, E-9).
fn fill_nulls(array: &ArrayRef, default: &Scalar, multi: bool) -> Result<ArrayRef> {
    let default = if multi { Scalar::List(default.ty().data, Arc::from([default.clone()])) } else { default.clone() };
    let filler = shard_plan::repeat(&default, 1)?;
    let indices: Vec<(usize, usize)> =
        (0..array.len()).map(|i| if array.is_null(i) { (1, 0) } else { (0, i) }).collect();
    arrow_select::interleave::interleave(&[array.as_ref(), filler.as_ref()], &indices).map_err(arrow)
}

fn values(
    bound: &BoundColumn,
    cell: &Arc<PageCell>,
    rows: &[u32],
    nulls: Option<NullBuffer>,
    scratch: &mut Scratch,
    broken: &dyn Fn(segfmt::Error) -> Error,
) -> Result<ArrayRef> {
    match cell.borrow_dependent().values() {
        PageValues::Ids(ids_page) => {
            let mut found = std::mem::take(&mut scratch.ids);
            ids(ids_page, rows, &mut found);
            let made = bound.dict().and_then(|dict| dict.values(&found, nulls));
            scratch.ids = found;
            made
        }
        PageValues::Ints(page) => {
            ints(page, rows, &mut scratch.ids, &mut scratch.ints);
            Ok(ints_array(bound.ty.data, &scratch.ints, nulls))
        }
        PageValues::Floats(page) => {
            floats(page, rows, &mut scratch.floats);
            Ok(floats_array(bound.ty.data, &scratch.floats, nulls))
        }
        PageValues::Var(page) => {
            var(bound.ty.data, cell, page, rows, nulls, &mut scratch.chunks).map_err(|e| match e {
                VarError::Segment(e) => broken(e),
                VarError::Other(e) => e,
            })
        }
    }
}

pub(crate) fn ints_array(data: DataType, values: &[i64], nulls: Option<NullBuffer>) -> ArrayRef {
    match data {
        DataType::Int => Arc::new(Int32Array::new(values.iter().map(|v| *v as i32).collect(), nulls)),
        DataType::Timestamp => Arc::new(TimestampMillisecondArray::new(values.to_vec().into(), nulls)),
        DataType::Boolean => Arc::new(BooleanArray::new(values.iter().map(|v| *v != 0).collect(), nulls)),
        _ => Arc::new(Int64Array::new(values.to_vec().into(), nulls)),
    }
}

pub(crate) fn floats_array(data: DataType, values: &[f64], nulls: Option<NullBuffer>) -> ArrayRef {
    match data {
        DataType::Float => Arc::new(Float32Array::new(values.iter().map(|v| *v as f32).collect(), nulls)),
        _ => Arc::new(Float64Array::new(values.to_vec().into(), nulls)),
    }
}

enum VarError {
    Segment(segfmt::Error),
    Other(Error),
}

fn var(
    data: DataType,
    cell: &Arc<PageCell>,
    page: &VarPage<'_>,
    rows: &[u32],
    nulls: Option<NullBuffer>,
    chunks: &mut ChunkCache,
) -> Result<ArrayRef, VarError> {
    let mut bytes = Vec::new();
    let mut lengths = Vec::with_capacity(rows.len());
    let mut at = 0;
    while at < rows.len() {
        let values = chunks.get(cell, page, page.chunk_of(rows[at] as usize)).map_err(VarError::Segment)?;
        while let Some(value) = rows.get(at).and_then(|row| values.get(*row)) {
            bytes.extend_from_slice(value);
            lengths.push(value.len());
            at += 1;
        }
    }
    bytes_array(data, bytes, lengths, nulls).map_err(VarError::Other)
}

/// An array of STRING, JSON, BYTES or BIG_DECIMAL values laid end to end.
pub(crate) fn bytes_array(
    data: DataType,
    bytes: Vec<u8>,
    lengths: Vec<usize>,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef> {
    if data != DataType::BigDecimal && i32::try_from(bytes.len()).is_err() {
        return Err(
            PlanError::Memory(format!("{} bytes of values in one vector, which holds 2 GiB", bytes.len())).into()
        );
    }
    Ok(match data {
        DataType::BigDecimal => Arc::new(
            LargeBinaryArray::try_new(OffsetBuffer::from_lengths(lengths), bytes.into(), nulls).map_err(arrow)?,
        ),
        DataType::Bytes => {
            Arc::new(BinaryArray::try_new(OffsetBuffer::from_lengths(lengths), bytes.into(), nulls).map_err(arrow)?)
        }
        _ => Arc::new(StringArray::try_new(OffsetBuffer::from_lengths(lengths), bytes.into(), nulls).map_err(arrow)?),
    })
}

impl Dict {
    /// Entries `ids` as an array.
    pub(crate) fn values(&self, ids: &[u32], nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        if let Some(entries) = &self.entries {
            let indices = UInt32Array::new(ids.to_vec().into(), nulls);
            return arrow_select::take::take(entries, &indices, None).map_err(arrow);
        }
        let broken = |e| self.column.broken(0, e);
        let dictionary = self.cell.borrow_dependent();
        let data = dictionary.data_type();
        if let Some(values) = dictionary.as_i32() {
            return Ok(Arc::new(Int32Array::new(ids.iter().map(|id| values[*id as usize]).collect(), nulls)));
        }
        if let Some(values) = dictionary.as_i64() {
            let values: Vec<i64> = ids.iter().map(|id| values[*id as usize]).collect();
            return Ok(ints_array(data, &values, nulls));
        }
        if let Some(values) = dictionary.as_f32() {
            return Ok(Arc::new(Float32Array::new(ids.iter().map(|id| values[*id as usize]).collect(), nulls)));
        }
        if let Some(values) = dictionary.as_f64() {
            return Ok(Arc::new(Float64Array::new(ids.iter().map(|id| values[*id as usize]).collect(), nulls)));
        }
        if data == DataType::Boolean {
            let values =
                ids.iter().map(|id| dictionary.get_i64(*id)).collect::<segfmt::Result<Vec<i64>>>().map_err(broken)?;
            return Ok(ints_array(data, &values, nulls));
        }
        let mut bytes = Vec::new();
        let mut lengths = Vec::with_capacity(ids.len());
        let mut buffer = Vec::new();
        for id in ids {
            let value = dictionary.get_bytes(*id, &mut buffer).map_err(broken)?;
            bytes.extend_from_slice(value);
            lengths.push(value.len());
        }
        bytes_array(data, bytes, lengths, nulls)
    }

    /// Entries `ids` of a range, which is cheaper than picking them for front-coded dictionaries.
    pub(crate) fn range(&self, ids: std::ops::Range<u32>) -> Result<ArrayRef> {
        let dictionary = self.cell.borrow_dependent();
        let data = dictionary.data_type();
        if data.fixed_width().is_some() {
            return self.values(&ids.collect::<Vec<u32>>(), None);
        }
        let mut bytes = Vec::new();
        let mut lengths = Vec::with_capacity(ids.len());
        dictionary
            .for_each(ids, |_, value| {
                if let segfmt::ScalarRef::Bytes(value) = value {
                    bytes.extend_from_slice(value);
                    lengths.push(value.len());
                }
            })
            .map_err(|e| self.column.broken(0, e))?;
        bytes_array(data, bytes, lengths, None)
    }
}

/// The rows of a condition that are true, as a bit buffer.
pub(crate) fn true_bits(condition: &BooleanArray) -> BooleanBuffer {
    match condition.nulls() {
        Some(nulls) => condition.values() & nulls.inner(),
        None => condition.values().clone(),
    }
}

/// One empty array of a plan column's type, in the place of a column that no expression reads.
pub(crate) fn unread(ty: &ArrowType) -> ArrayRef {
    arrow_array::new_empty_array(ty)
}

/// Whether an array is a list.
pub(crate) fn as_list(array: &ArrayRef) -> Option<&ListArray> {
    array.as_list_opt::<i32>()
}

impl Dict {
    /// As [`Dict::values`], decoding everything between the smallest and the greatest id where these lie close together:
    /// front-coded entries cost a tenth of a look-up each when they are read in order.
    pub(crate) fn values_sorted(&self, ids: &[u32], nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        let (Some(lo), Some(hi)) = (ids.iter().min().copied(), ids.iter().max().copied()) else {
            return self.values(ids, nulls);
        };
        let fixed = self.cell.borrow_dependent().data_type().fixed_width().is_some();
        if self.entries.is_some() || fixed || (hi - lo) as usize >= ids.len() * 4 {
            return self.values(ids, nulls);
        }
        let all = self.range(lo..hi + 1)?;
        let indices = UInt32Array::new(ids.iter().map(|id| id - lo).collect(), nulls);
        arrow_select::take::take(&all, &indices, None).map_err(arrow)
    }
}
