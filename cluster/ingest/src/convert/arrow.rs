//! Arrow arrays (Parquet) to typed columns.
//!
//! Exact and widening pairs of types are copied or mapped as arrays; a narrowing one is checked value by value; any other
//! pair goes through the value's text, so that one set of rules (`scalar`) says what fits.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{Array, ArrayRef, GenericListArray, OffsetSizeTrait};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType as Arrow, TimeUnit};
use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;
use segfmt::value::{normalize_f32, normalize_f64};
use segfmt::{Bitmap, DataType};

use super::{Misfit, Misfits, Target, arrow_json, scalar};
use crate::batch::CellKind;
use crate::column::{Column, Data};
use crate::error::Shown;
use crate::intern::Interner;

pub(super) fn convert(
    array: &ArrayRef,
    target: &Target,
    interner: Option<&mut Interner>,
    misfits: &mut Misfits,
) -> Column {
    if target.multi_value {
        return lists(array, target, misfits);
    }
    if let (DataType::String, None, Some(interner), segfmt::ScalarRef::Bytes(default)) =
        (target.data_type, target.max_length, interner, target.default_null.as_scalar())
        && let Some(data) = interner.arrow(array, default)
    {
        return Column { data, nulls: null_bits(array), lists: None };
    }
    let (data, nulls) = values(array, target, misfits);
    Column { data, nulls, lists: None }
}

/// The array's values as the target's type; null slots hold the default.
fn values(array: &ArrayRef, target: &Target, misfits: &mut Misfits) -> (Data, Option<Bitmap>) {
    let array = &plain(array);
    let nulls = null_bits(array);
    let data = direct(array, target, nulls.as_ref(), misfits)
        .unwrap_or_else(|| through_text(array, target, nulls.as_ref(), misfits));
    (data, nulls)
}

/// Takes dictionaries, runs and views apart: one form for each kind of value is enough below.
fn plain(array: &ArrayRef) -> ArrayRef {
    let to = match array.data_type() {
        Arrow::Dictionary(_, value) => value.as_ref().clone(),
        Arrow::RunEndEncoded(_, value) => value.data_type().clone(),
        Arrow::Utf8View => Arrow::LargeUtf8,
        Arrow::BinaryView => Arrow::LargeBinary,
        _ => return ArrayRef::clone(array),
    };
    match arrow_cast::cast(array, &to) {
        Ok(cast) => plain(&cast),
        // Left as it is, the array goes through text.
        Err(_) => ArrayRef::clone(array),
    }
}

fn null_bits(array: &ArrayRef) -> Option<Bitmap> {
    let nulls = array.logical_nulls()?;
    (nulls.null_count() > 0).then(|| Bitmap::from_fn(array.len(), |i| nulls.is_null(i)))
}

fn fill<T: Copy>(mut out: Vec<T>, nulls: Option<&Bitmap>, default: T) -> Vec<T> {
    if let Some(nulls) = nulls {
        nulls.iter_ones().for_each(|i| out[i] = default);
    }
    out
}

/// Maps every value that is not null; `None` from `f` is a misfit.
fn mapped<T: ArrowPrimitiveType, R: Copy>(
    array: &ArrayRef,
    nulls: Option<&Bitmap>,
    default: R,
    target: DataType,
    misfits: &mut Misfits,
    f: impl Fn(T::Native) -> Option<R>,
) -> Vec<R>
where
    T::Native: std::fmt::Debug,
{
    let array = array.as_primitive::<T>();
    let mut out = Vec::with_capacity(array.len());
    for (row, &v) in array.values().iter().enumerate() {
        match f(v) {
            Some(r) => out.push(r),
            None => {
                if !nulls.is_some_and(|n| n.get(row)) {
                    misfits.push(Misfit { row, reason: format!("{v:?} does not fit {target}") });
                }
                out.push(default);
            }
        }
    }
    fill(out, nulls, default)
}

const fn floor_div(v: i64, by: i64) -> i64 {
    v.div_euclid(by)
}

/// Pairs of types with a way of their own.
fn direct(array: &ArrayRef, target: &Target, nulls: Option<&Bitmap>, misfits: &mut Misfits) -> Option<Data> {
    let t = target.data_type;
    let default = target.default_null.as_scalar();
    macro_rules! map {
        ($from:ty, $variant:ident, $default:expr, $f:expr) => {
            Some(Data::$variant(mapped::<$from, _>(array, nulls, $default, t, misfits, $f)))
        };
    }
    use segfmt::ScalarRef;
    match (t, default) {
        (DataType::Int, ScalarRef::Int(d)) => {
            let d = i32::try_from(d).unwrap_or_default();
            match array.data_type() {
                Arrow::Int32 => Some(Data::I32(fill(array.as_primitive::<Int32Type>().values().to_vec(), nulls, d))),
                Arrow::Int8 => map!(Int8Type, I32, d, |v| Some(i32::from(v))),
                Arrow::Int16 => map!(Int16Type, I32, d, |v| Some(i32::from(v))),
                Arrow::UInt8 => map!(UInt8Type, I32, d, |v| Some(i32::from(v))),
                Arrow::UInt16 => map!(UInt16Type, I32, d, |v| Some(i32::from(v))),
                Arrow::UInt32 => map!(UInt32Type, I32, d, |v| i32::try_from(v).ok()),
                Arrow::Int64 => map!(Int64Type, I32, d, |v| i32::try_from(v).ok()),
                Arrow::UInt64 => map!(UInt64Type, I32, d, |v| i32::try_from(v).ok()),
                Arrow::Date32 => Some(Data::I32(fill(array.as_primitive::<Date32Type>().values().to_vec(), nulls, d))),
                _ => None,
            }
        }
        (DataType::Long, ScalarRef::Int(d)) => match array.data_type() {
            Arrow::Int64 => Some(Data::I64(fill(array.as_primitive::<Int64Type>().values().to_vec(), nulls, d))),
            Arrow::Int8 => map!(Int8Type, I64, d, |v| Some(i64::from(v))),
            Arrow::Int16 => map!(Int16Type, I64, d, |v| Some(i64::from(v))),
            Arrow::Int32 => map!(Int32Type, I64, d, |v| Some(i64::from(v))),
            Arrow::UInt8 => map!(UInt8Type, I64, d, |v| Some(i64::from(v))),
            Arrow::UInt16 => map!(UInt16Type, I64, d, |v| Some(i64::from(v))),
            Arrow::UInt32 => map!(UInt32Type, I64, d, |v| Some(i64::from(v))),
            Arrow::UInt64 => map!(UInt64Type, I64, d, |v| i64::try_from(v).ok()),
            _ => instants(array, nulls, d, t, misfits).map(Data::I64),
        },
        (DataType::Timestamp, ScalarRef::Int(d)) => match array.data_type() {
            Arrow::Int64 => Some(Data::I64(fill(array.as_primitive::<Int64Type>().values().to_vec(), nulls, d))),
            _ => instants(array, nulls, d, t, misfits).map(Data::I64),
        },
        (DataType::Float, ScalarRef::Float(d)) => match array.data_type() {
            Arrow::Float32 => map!(Float32Type, F32, d as f32, |v| Some(normalize_f32(v))),
            Arrow::Float16 => map!(Float16Type, F32, d as f32, |v| Some(normalize_f32(v.to_f32()))),
            _ => None,
        },
        (DataType::Double, ScalarRef::Float(d)) => match array.data_type() {
            Arrow::Float64 => map!(Float64Type, F64, d, |v| Some(normalize_f64(v))),
            Arrow::Float32 => map!(Float32Type, F64, d, |v| Some(normalize_f64(f64::from(v)))),
            Arrow::Float16 => map!(Float16Type, F64, d, |v| Some(normalize_f64(v.to_f64()))),
            Arrow::Int32 => map!(Int32Type, F64, d, |v| Some(f64::from(v))),
            Arrow::UInt32 => map!(UInt32Type, F64, d, |v| Some(f64::from(v))),
            Arrow::Int64 => map!(Int64Type, F64, d, |v| Some(v as f64)),
            _ => None,
        },
        (DataType::Boolean, ScalarRef::Int(d)) => {
            let a = array.as_boolean_opt()?;
            let d = u8::from(d != 0);
            Some(Data::Bool(fill(a.values().iter().map(u8::from).collect(), nulls, d)))
        }
        (DataType::String, ScalarRef::Bytes(d)) => match array.data_type() {
            Arrow::Utf8 => {
                Some(byte_values(array.as_string::<i32>().iter().map(|v| v.map(str::as_bytes)), array.len(), d))
            }
            Arrow::LargeUtf8 => {
                Some(byte_values(array.as_string::<i64>().iter().map(|v| v.map(str::as_bytes)), array.len(), d))
            }
            Arrow::Binary => Some(utf8(array.as_binary::<i32>().iter(), array.len(), d, misfits)),
            Arrow::LargeBinary => Some(utf8(array.as_binary::<i64>().iter(), array.len(), d, misfits)),
            _ => None,
        },
        (DataType::Bytes, ScalarRef::Bytes(d)) => match array.data_type() {
            Arrow::Binary => Some(byte_values(array.as_binary::<i32>().iter(), array.len(), d)),
            Arrow::LargeBinary => Some(byte_values(array.as_binary::<i64>().iter(), array.len(), d)),
            Arrow::FixedSizeBinary(_) => Some(byte_values(array.as_fixed_size_binary().iter(), array.len(), d)),
            _ => None,
        },
        (DataType::BigDecimal, ScalarRef::Bytes(d)) => decimals(array, d, misfits),
        _ => None,
    }
}

fn byte_values<'a>(values: impl Iterator<Item = Option<&'a [u8]>>, len: usize, default: &[u8]) -> Data {
    let mut data = Data::with_capacity(DataType::Bytes, len, len * 8);
    for v in values {
        data.push_bytes(v.unwrap_or(default));
    }
    data
}

fn utf8<'a>(values: impl Iterator<Item = Option<&'a [u8]>>, len: usize, default: &[u8], misfits: &mut Misfits) -> Data {
    let mut data = Data::with_capacity(DataType::String, len, len * 8);
    for (row, v) in values.enumerate() {
        match v {
            Some(bytes) if simdutf8::basic::from_utf8(bytes).is_err() => {
                misfits.push(Misfit { row, reason: format!("{} is not valid UTF-8", Shown(bytes)) });
                data.push_bytes(default);
            }
            v => data.push_bytes(v.unwrap_or(default)),
        }
    }
    data
}

/// Dates and timestamps as milliseconds since 1970; a finer fraction is cut toward the past.
fn instants(array: &ArrayRef, nulls: Option<&Bitmap>, d: i64, t: DataType, misfits: &mut Misfits) -> Option<Vec<i64>> {
    Some(match array.data_type() {
        Arrow::Timestamp(TimeUnit::Second, _) => {
            mapped::<TimestampSecondType, _>(array, nulls, d, t, misfits, |v| v.checked_mul(1_000))
        }
        Arrow::Timestamp(TimeUnit::Millisecond, _) => {
            mapped::<TimestampMillisecondType, _>(array, nulls, d, t, misfits, Some)
        }
        Arrow::Timestamp(TimeUnit::Microsecond, _) => {
            mapped::<TimestampMicrosecondType, _>(array, nulls, d, t, misfits, |v| Some(floor_div(v, 1_000)))
        }
        Arrow::Timestamp(TimeUnit::Nanosecond, _) => {
            mapped::<TimestampNanosecondType, _>(array, nulls, d, t, misfits, |v| Some(floor_div(v, 1_000_000)))
        }
        Arrow::Date32 => mapped::<Date32Type, _>(array, nulls, d, t, misfits, |v| Some(i64::from(v) * 86_400_000)),
        Arrow::Date64 => mapped::<Date64Type, _>(array, nulls, d, t, misfits, Some),
        _ => return None,
    })
}

fn decimals(array: &ArrayRef, default: &[u8], misfits: &mut Misfits) -> Option<Data> {
    let mut data = Data::with_capacity(DataType::BigDecimal, array.len(), array.len() * 8);
    // `unscaled(row)` is the number without its scale, or none where the row is null.
    let mut each = |unscaled: &dyn Fn(usize) -> Option<BigInt>, scale: i64| {
        for row in 0..array.len() {
            let Some(v) = unscaled(row) else {
                data.push_bytes(default);
                continue;
            };
            match segfmt::decimal::encode(&BigDecimal::new(v, scale)) {
                Ok(bytes) => data.push_bytes(&bytes),
                Err(e) => {
                    misfits.push(Misfit { row, reason: format!("not a BIG_DECIMAL: {e}") });
                    data.push_bytes(default);
                }
            }
        }
    };
    macro_rules! unscaled {
        ($from:ty, $scale:expr) => {{
            let a = array.as_primitive::<$from>();
            each(&|row| (!a.is_null(row)).then(|| BigInt::from(a.value(row))), $scale)
        }};
    }
    match array.data_type() {
        Arrow::Decimal32(_, scale) => unscaled!(Decimal32Type, i64::from(*scale)),
        Arrow::Decimal64(_, scale) => unscaled!(Decimal64Type, i64::from(*scale)),
        Arrow::Decimal128(_, scale) => unscaled!(Decimal128Type, i64::from(*scale)),
        Arrow::Decimal256(_, scale) => {
            let a = array.as_primitive::<Decimal256Type>();
            let scale = i64::from(*scale);
            each(&|row| (!a.is_null(row)).then(|| BigInt::from_signed_bytes_le(&a.value(row).to_le_bytes())), scale);
        }
        Arrow::Int32 => unscaled!(Int32Type, 0),
        Arrow::Int64 => unscaled!(Int64Type, 0),
        Arrow::UInt64 => unscaled!(UInt64Type, 0),
        _ => return None,
    }
    Some(data)
}

/// Any other pair: the value's text, taken by the rules for text.
fn through_text(array: &ArrayRef, target: &Target, nulls: Option<&Bitmap>, misfits: &mut Misfits) -> Data {
    let mut data = Data::with_capacity(target.data_type, array.len(), 0);
    let nested = array.data_type().is_nested();
    let boolean = array.data_type() == &Arrow::Boolean;
    let options = FormatOptions::default();
    let formatter = if nested { None } else { ArrayFormatter::try_new(array.as_ref(), &options).ok() };
    let (mut text, mut bytes, mut scratch) = (String::new(), Vec::new(), Vec::new());
    for row in 0..array.len() {
        if nulls.is_some_and(|n| n.get(row)) {
            data.push_value(&target.default_null);
            continue;
        }
        let shown: Result<CellKind, String> = match &formatter {
            Some(formatter) => {
                text.clear();
                let shown = formatter
                    .value(row)
                    .write(&mut text)
                    .map_err(|e| format!("the value cannot be shown as text: {e}"));
                bytes.clear();
                bytes.extend_from_slice(text.as_bytes());
                shown.map(|()| match bytes.as_slice() {
                    b"true" if boolean => CellKind::True,
                    b"false" if boolean => CellKind::False,
                    _ => CellKind::Text,
                })
            }
            None => {
                bytes.clear();
                arrow_json::write(array, row, &mut bytes).map(|()| CellKind::Json)
            }
        };
        let pushed = shown.and_then(|kind| scalar::push(kind, &bytes, target.data_type, &mut data, &mut scratch));
        if let Err(reason) = pushed {
            misfits.push(Misfit { row, reason });
            data.push_value(&target.default_null);
        }
    }
    data
}

fn lists(array: &ArrayRef, target: &Target, misfits: &mut Misfits) -> Column {
    let array = plain(array);
    match array.data_type() {
        Arrow::List(_) => list_rows(array.as_list::<i32>(), target, misfits),
        Arrow::LargeList(_) => list_rows(array.as_list::<i64>(), target, misfits),
        Arrow::FixedSizeList(item, _) | Arrow::ListView(item) | Arrow::LargeListView(item) => {
            let to = Arrow::List(std::sync::Arc::clone(item));
            match arrow_cast::cast(&array, &to) {
                Ok(cast) => list_rows(cast.as_list::<i32>(), target, misfits),
                Err(e) => {
                    misfits.push(Misfit { row: 0, reason: format!("the lists cannot be read: {e}") });
                    Column::all_null(target.data_type, true, &target.default_null, array.len())
                }
            }
        }
        _ => {
            // One value is a list of one.
            let (data, nulls) = values(&array, target, misfits);
            let rows = u32::try_from(array.len()).expect("a batch has few rows");
            Column { data, nulls, lists: Some((0..=rows).collect()) }
        }
    }
}

fn list_rows<O: OffsetSizeTrait>(array: &GenericListArray<O>, target: &Target, misfits: &mut Misfits) -> Column {
    let mut inner = Misfits::new();
    let (child, child_nulls) = values(array.values(), target, &mut inner);
    let offsets = array.value_offsets();
    for misfit in inner {
        let row = offsets.partition_point(|o| o.as_usize() <= misfit.row) - 1;
        // Values outside every list may be in the child array; they are nobody's.
        if row < array.len() && !array.is_null(row) {
            misfits.push(Misfit { row, reason: misfit.reason });
        }
    }
    let mut data = Data::with_capacity(target.data_type, child.len(), 0);
    let mut lists = Vec::with_capacity(array.len() + 1);
    lists.push(0u32);
    let mut nulls: Option<Bitmap> = None;
    for row in 0..array.len() {
        let (start, end) = (offsets[row].as_usize(), offsets[row + 1].as_usize());
        if array.is_null(row) || start == end {
            nulls.get_or_insert_with(|| Bitmap::new(array.len())).set(row);
            data.push_value(&target.default_null);
        } else {
            if child_nulls.as_ref().is_some_and(|n| (start..end).any(|i| n.get(i))) {
                let reason =
                    "a NULL inside a list cannot be stored in a multi-value column (declare it JSON)".to_owned();
                misfits.push(Misfit { row, reason });
            }
            data.extend_range(&child, start, end);
        }
        lists.push(u32::try_from(data.len()).expect("a batch is bounded below 4 GiB"));
    }
    Column { data, nulls, lists: Some(lists) }
}
