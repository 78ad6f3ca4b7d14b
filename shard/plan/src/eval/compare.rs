//! Comparison of columns and constants, in the one order of values (E-10): floats total with NaN greatest and equal to
//! itself and -0.0 equal to 0.0, text and decimals by bytes.

use crate::error::{Error, Result};
use crate::expr::CompareOp;
use crate::function::Datum;
use crate::scalar::Scalar;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int32Type, Int64Type, TimestampMillisecondType,
};
use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_schema::{DataType as ArrowType, TimeUnit};
use segfmt::value::{cmp_f32, cmp_f64};
use std::cmp::Ordering;

/// The order of two values of one type; `None` when one is NULL or the types differ.
pub fn compare_scalars(a: &Scalar, b: &Scalar) -> Option<Ordering> {
    Some(match (a, b) {
        (Scalar::Int(a), Scalar::Int(b)) => a.cmp(b),
        (Scalar::Long(a), Scalar::Long(b)) | (Scalar::Timestamp(a), Scalar::Timestamp(b)) => a.cmp(b),
        (Scalar::Float(a), Scalar::Float(b)) => cmp_f32(*a, *b),
        (Scalar::Double(a), Scalar::Double(b)) => cmp_f64(*a, *b),
        (Scalar::Boolean(a), Scalar::Boolean(b)) => a.cmp(b),
        (Scalar::String(a), Scalar::String(b)) | (Scalar::Json(a), Scalar::Json(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Scalar::Bytes(a), Scalar::Bytes(b)) | (Scalar::BigDecimal(a), Scalar::BigDecimal(b)) => a.cmp(b),
        (Scalar::List(x, a), Scalar::List(y, b)) if x == y => {
            for (a, b) in a.iter().zip(b.iter()) {
                match compare_scalars(a, b)? {
                    Ordering::Equal => {}
                    unequal => return Some(unequal),
                }
            }
            a.len().cmp(&b.len())
        }
        _ => return None,
    })
}

impl CompareOp {
    /// Whether `a op b` holds when `a` compares so to `b`.
    pub fn holds(self, order: Ordering) -> bool {
        match self {
            CompareOp::Eq => order == Ordering::Equal,
            CompareOp::NotEq => order != Ordering::Equal,
            CompareOp::Lt => order == Ordering::Less,
            CompareOp::LtEq => order != Ordering::Greater,
            CompareOp::Gt => order == Ordering::Greater,
            CompareOp::GtEq => order != Ordering::Less,
        }
    }

    /// The operator with its sides exchanged: `a < b` is `b > a`.
    pub fn flip(self) -> CompareOp {
        match self {
            CompareOp::Lt => CompareOp::Gt,
            CompareOp::LtEq => CompareOp::GtEq,
            CompareOp::Gt => CompareOp::Lt,
            CompareOp::GtEq => CompareOp::LtEq,
            same => same,
        }
    }

    pub fn symbol(self) -> &'static str {
        match self {
            CompareOp::Eq => "=",
            CompareOp::NotEq => "<>",
            CompareOp::Lt => "<",
            CompareOp::LtEq => "<=",
            CompareOp::Gt => ">",
            CompareOp::GtEq => ">=",
        }
    }
}

/// `left op right`, NULL where a side is NULL.
pub fn compare(op: CompareOp, left: &Datum, right: &Datum, rows: usize) -> Result<BooleanArray> {
    let (array, other, op) = match (left, right) {
        (Datum::Array(array), other) => (array, other, op),
        (other, Datum::Array(array)) => (array, other, op.flip()),
        (Datum::Scalar(a), Datum::Scalar(b)) => {
            let answer = compare_scalars(a, b).map(|order| op.holds(order));
            return Ok(BooleanArray::from(vec![answer; rows]));
        }
    };
    match other {
        Datum::Scalar(scalar) => compare_constant(op, array, scalar),
        Datum::Array(other) => compare_columns(op, array, other),
    }
}

fn compare_constant(op: CompareOp, array: &ArrayRef, scalar: &Scalar) -> Result<BooleanArray> {
    if scalar.is_null() {
        return Ok(BooleanArray::new_null(array.len()));
    }
    let values = match (array.data_type(), scalar) {
        (ArrowType::Int32, Scalar::Int(c)) => constant_ints::<Int32Type>(op, array, *c),
        (ArrowType::Int64, Scalar::Long(c)) => constant_ints::<Int64Type>(op, array, *c),
        (ArrowType::Timestamp(TimeUnit::Millisecond, _), Scalar::Timestamp(c)) => {
            constant_ints::<TimestampMillisecondType>(op, array, *c)
        }
        (ArrowType::Float64, Scalar::Double(c)) => {
            let v = array.as_primitive::<Float64Type>().values();
            floats_to_constant(op, v.len(), |i| v[i], *c)
        }
        (ArrowType::Float32, Scalar::Float(c)) => {
            // Widening keeps order and equality.
            let v = array.as_primitive::<Float32Type>().values();
            floats_to_constant(op, v.len(), |i| f64::from(v[i]), f64::from(*c))
        }
        (ArrowType::Utf8, Scalar::String(c) | Scalar::Json(c)) => {
            let v = array.as_string::<i32>();
            constant_bytes(op, v.len(), |i| v.value(i).as_bytes(), c.as_bytes())
        }
        (ArrowType::Binary, Scalar::Bytes(c)) => {
            let v = array.as_binary::<i32>();
            constant_bytes(op, v.len(), |i| v.value(i), c)
        }
        (ArrowType::LargeBinary, Scalar::BigDecimal(c)) => {
            let v = array.as_binary::<i64>();
            constant_bytes(op, v.len(), |i| v.value(i), c)
        }
        (ArrowType::Boolean, Scalar::Boolean(c)) => {
            let v = array.as_boolean();
            BooleanBuffer::collect_bool(v.len(), |i| op.holds(v.value(i).cmp(c)))
        }
        (ArrowType::List(_), Scalar::List(data, _)) => {
            let ty = crate::types::Type::multi(*data);
            let mut out = Vec::with_capacity(array.len());
            for row in 0..array.len() {
                let value = super::value::scalar_at(array.as_ref(), ty, row)?;
                out.push(compare_scalars(&value, scalar).map(|order| op.holds(order)));
            }
            return Ok(BooleanArray::from(out));
        }
        (arrow, scalar) => return Err(Error::Plan(format!("Arrow {arrow} is compared with a {}", scalar.ty()))),
    };
    Ok(BooleanArray::new(values, array.nulls().cloned()))
}

fn constant_ints<T: ArrowPrimitiveType<Native: Ord>>(op: CompareOp, array: &ArrayRef, c: T::Native) -> BooleanBuffer {
    let v = array.as_primitive::<T>().values();
    let n = v.len();
    match op {
        CompareOp::Eq => BooleanBuffer::collect_bool(n, |i| v[i] == c),
        CompareOp::NotEq => BooleanBuffer::collect_bool(n, |i| v[i] != c),
        CompareOp::Lt => BooleanBuffer::collect_bool(n, |i| v[i] < c),
        CompareOp::LtEq => BooleanBuffer::collect_bool(n, |i| v[i] <= c),
        CompareOp::Gt => BooleanBuffer::collect_bool(n, |i| v[i] > c),
        CompareOp::GtEq => BooleanBuffer::collect_bool(n, |i| v[i] >= c),
    }
}

/// IEEE comparisons already hold for everything but NaN, and `!(a <= c)` is true for a NaN `a`, which is greatest.
#[allow(clippy::neg_cmp_op_on_partial_ord)]
fn floats_to_constant(op: CompareOp, n: usize, v: impl Fn(usize) -> f64, c: f64) -> BooleanBuffer {
    if c.is_nan() {
        return match op {
            CompareOp::Eq | CompareOp::GtEq => BooleanBuffer::collect_bool(n, |i| v(i).is_nan()),
            CompareOp::NotEq | CompareOp::Lt => BooleanBuffer::collect_bool(n, |i| !v(i).is_nan()),
            CompareOp::LtEq => BooleanBuffer::new_set(n),
            CompareOp::Gt => BooleanBuffer::new_unset(n),
        };
    }
    match op {
        CompareOp::Eq => BooleanBuffer::collect_bool(n, |i| v(i) == c),
        CompareOp::NotEq => BooleanBuffer::collect_bool(n, |i| v(i) != c),
        CompareOp::Lt => BooleanBuffer::collect_bool(n, |i| v(i) < c),
        CompareOp::LtEq => BooleanBuffer::collect_bool(n, |i| v(i) <= c),
        CompareOp::Gt => BooleanBuffer::collect_bool(n, |i| !(v(i) <= c)),
        CompareOp::GtEq => BooleanBuffer::collect_bool(n, |i| !(v(i) < c)),
    }
}

fn constant_bytes<'a>(op: CompareOp, n: usize, v: impl Fn(usize) -> &'a [u8], c: &[u8]) -> BooleanBuffer {
    match op {
        CompareOp::Eq => BooleanBuffer::collect_bool(n, |i| v(i) == c),
        CompareOp::NotEq => BooleanBuffer::collect_bool(n, |i| v(i) != c),
        CompareOp::Lt => BooleanBuffer::collect_bool(n, |i| v(i) < c),
        CompareOp::LtEq => BooleanBuffer::collect_bool(n, |i| v(i) <= c),
        CompareOp::Gt => BooleanBuffer::collect_bool(n, |i| v(i) > c),
        CompareOp::GtEq => BooleanBuffer::collect_bool(n, |i| v(i) >= c),
    }
}

/// How one row of a column compares to the same row of another. Values under NULL slots are compared too and ignored.
pub(crate) fn row_order<'a>(a: &'a ArrayRef, b: &'a ArrayRef) -> Result<Box<dyn Fn(usize) -> Ordering + 'a>> {
    if a.len() != b.len() {
        return Err(Error::Plan(format!("columns of {} and {} rows are compared", a.len(), b.len())));
    }
    macro_rules! ints {
        ($t:ty) => {{
            let (x, y) = (a.as_primitive::<$t>().values(), b.as_primitive::<$t>().values());
            Box::new(move |i: usize| x[i].cmp(&y[i]))
        }};
    }
    Ok(match (a.data_type(), b.data_type()) {
        (ArrowType::Int32, ArrowType::Int32) => ints!(Int32Type),
        (ArrowType::Int64, ArrowType::Int64) => ints!(Int64Type),
        (ArrowType::Timestamp(TimeUnit::Millisecond, _), ArrowType::Timestamp(TimeUnit::Millisecond, _)) => {
            ints!(TimestampMillisecondType)
        }
        (ArrowType::Float64, ArrowType::Float64) => {
            let (x, y) = (a.as_primitive::<Float64Type>().values(), b.as_primitive::<Float64Type>().values());
            Box::new(move |i| cmp_f64(x[i], y[i]))
        }
        (ArrowType::Float32, ArrowType::Float32) => {
            let (x, y) = (a.as_primitive::<Float32Type>().values(), b.as_primitive::<Float32Type>().values());
            Box::new(move |i| cmp_f32(x[i], y[i]))
        }
        (ArrowType::Utf8, ArrowType::Utf8) => {
            let (x, y) = (a.as_string::<i32>(), b.as_string::<i32>());
            Box::new(move |i| x.value(i).as_bytes().cmp(y.value(i).as_bytes()))
        }
        (ArrowType::Binary, ArrowType::Binary) => {
            let (x, y) = (a.as_binary::<i32>(), b.as_binary::<i32>());
            Box::new(move |i| x.value(i).cmp(y.value(i)))
        }
        (ArrowType::LargeBinary, ArrowType::LargeBinary) => {
            let (x, y) = (a.as_binary::<i64>(), b.as_binary::<i64>());
            Box::new(move |i| x.value(i).cmp(y.value(i)))
        }
        (ArrowType::Boolean, ArrowType::Boolean) => {
            let (x, y) = (a.as_boolean(), b.as_boolean());
            Box::new(move |i| x.value(i).cmp(&y.value(i)))
        }
        (ArrowType::List(x), ArrowType::List(y)) if x.data_type() == y.data_type() => {
            let (x, y) = (a.as_list::<i32>(), b.as_list::<i32>());
            let order = element_order(x.values(), y.values())?;
            Box::new(move |i| {
                let (p, q) = (x.value_offsets(), y.value_offsets());
                let (p, q) = (p[i] as usize..p[i + 1] as usize, q[i] as usize..q[i + 1] as usize);
                let (m, n) = (p.len(), q.len());
                p.zip(q).map(|(s, t)| order(s, t)).find(|o| o.is_ne()).unwrap_or_else(|| m.cmp(&n))
            })
        }
        (x, y) => return Err(Error::Plan(format!("Arrow {x} is compared with Arrow {y}"))),
    })
}

/// The order of any element of one column to any of another, NULL elements first.
fn element_order<'a>(a: &'a ArrayRef, b: &'a ArrayRef) -> Result<Box<dyn Fn(usize, usize) -> Ordering + 'a>> {
    let raw = arrow_ord::ord::make_comparator(a.as_ref(), b.as_ref(), arrow_schema::SortOptions::default())
        .map_err(|e| Error::Plan(e.to_string()))?;
    Ok(match a.data_type() {
        ArrowType::Float64 => {
            let (x, y) = (a.as_primitive::<Float64Type>(), b.as_primitive::<Float64Type>());
            Box::new(
                move |i, j| if x.is_valid(i) && y.is_valid(j) { cmp_f64(x.value(i), y.value(j)) } else { raw(i, j) },
            )
        }
        ArrowType::Float32 => {
            let (x, y) = (a.as_primitive::<Float32Type>(), b.as_primitive::<Float32Type>());
            Box::new(
                move |i, j| if x.is_valid(i) && y.is_valid(j) { cmp_f32(x.value(i), y.value(j)) } else { raw(i, j) },
            )
        }
        _ => Box::new(raw),
    })
}

fn compare_columns(op: CompareOp, a: &ArrayRef, b: &ArrayRef) -> Result<BooleanArray> {
    let nulls = NullBuffer::union(a.nulls(), b.nulls());
    let values = match (a.data_type(), b.data_type()) {
        (ArrowType::Int32, ArrowType::Int32) => int_columns::<Int32Type>(op, a, b)?,
        (ArrowType::Int64, ArrowType::Int64) => int_columns::<Int64Type>(op, a, b)?,
        _ => {
            let order = row_order(a, b)?;
            BooleanBuffer::collect_bool(a.len(), |i| op.holds(order(i)))
        }
    };
    Ok(BooleanArray::new(values, nulls))
}

fn int_columns<T: ArrowPrimitiveType<Native: Ord>>(op: CompareOp, a: &ArrayRef, b: &ArrayRef) -> Result<BooleanBuffer> {
    let (a, b) = (a.as_primitive::<T>().values(), b.as_primitive::<T>().values());
    if a.len() != b.len() {
        return Err(Error::Plan(format!("columns of {} and {} rows are compared", a.len(), b.len())));
    }
    let n = a.len();
    Ok(match op {
        CompareOp::Eq => BooleanBuffer::collect_bool(n, |i| a[i] == b[i]),
        CompareOp::NotEq => BooleanBuffer::collect_bool(n, |i| a[i] != b[i]),
        CompareOp::Lt => BooleanBuffer::collect_bool(n, |i| a[i] < b[i]),
        CompareOp::LtEq => BooleanBuffer::collect_bool(n, |i| a[i] <= b[i]),
        CompareOp::Gt => BooleanBuffer::collect_bool(n, |i| a[i] > b[i]),
        CompareOp::GtEq => BooleanBuffer::collect_bool(n, |i| a[i] >= b[i]),
    })
}

/// `left IS [NOT] DISTINCT FROM right`: never NULL.
pub fn is_distinct(left: &Datum, right: &Datum, negated: bool, rows: usize) -> Result<BooleanArray> {
    let a = super::value::into_array(left.clone(), rows)?;
    let b = super::value::into_array(right.clone(), rows)?;
    let order = row_order(&a, &b)?;
    Ok(BooleanArray::from(BooleanBuffer::collect_bool(rows, |i| {
        let distinct = match (a.is_null(i), b.is_null(i)) {
            (true, true) => false,
            (false, false) => order(i) != Ordering::Equal,
            _ => true,
        };
        distinct != negated
    })))
}
