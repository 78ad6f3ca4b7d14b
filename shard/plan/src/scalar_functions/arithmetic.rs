//! `+ - * / %` and their relatives. Integers are checked (E-10): INT with INT stays INT, with LONG becomes LONG; a result
//! that does not fit is an error. FLOAT and DOUBLE give DOUBLE by IEEE rules. BIG_DECIMAL is exact; its quotients have 34
//! significant digits. `divide` of integers is a DOUBLE, `intdiv` cuts towards zero, `mod` has the dividend's sign.

use super::define::{Function, Site, kernel, promote};
use crate::decimal_ops;
use crate::error::{Error, Result};
use crate::eval::value::{Decimals, as_longs, as_timestamps, nulls};
use crate::function::{Datum, Kernel, Registry, Signature};
use crate::scalar::Scalar;
use crate::types::Type;
use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, LargeBinaryArray, PrimitiveArray};
use arrow_buffer::NullBuffer;
use segfmt::DataType;
use segfmt::value::normalize_f64;
use std::sync::Arc;

pub(super) fn register(r: &mut Registry) {
    r.add_scalar(Arc::new(Function::typed("plus", sum_type, |s| binary(s, Op::Add)).aliases(&["add"])));
    r.add_scalar(Arc::new(Function::typed("minus", difference_type, |s| binary(s, Op::Subtract)).aliases(&["sub"])));
    r.add_scalar(Arc::new(Function::typed("times", product_type, |s| binary(s, Op::Multiply)).aliases(&["mult"])));
    r.add_scalar(Arc::new(Function::typed("divide", quotient_type, divide).aliases(&["div"])));
    r.add_scalar(Arc::new(Function::typed("intdiv", product_type, |s| binary(s, Op::Whole))));
    r.add_scalar(Arc::new(Function::typed("intdivorzero", product_type, |s| binary(s, Op::WholeOrZero))));
    r.add_scalar(Arc::new(Function::typed("mod", product_type, |s| binary(s, Op::Remainder)).aliases(&["modulo"])));
    r.add_scalar(Arc::new(Function::typed("moduloorzero", product_type, |s| binary(s, Op::RemainderOrZero))));
    r.add_scalar(Arc::new(Function::typed("positivemodulo", product_type, |s| binary(s, Op::Modulus))));
    r.add_scalar(Arc::new(Function::typed("negate", negation_type, negate)));
}

/// The two arguments in one numeric type.
fn numbers(site: &Site) -> Result<Type> {
    let [a, b] = *site.args else { return Err(site.mismatch("NUMBER, NUMBER")) };
    let (a, b) = match (site.is_null(0), site.is_null(1)) {
        (true, true) => (Type::LONG, Type::LONG),
        (true, false) => (b, b),
        (false, true) => (a, a),
        _ => (a, b),
    };
    match promote(a, b) {
        // Pinot computes FLOAT in DOUBLE.
        Some(Type::FLOAT) => Ok(Type::DOUBLE),
        Some(ty) => Ok(ty),
        None => Err(site.mismatch("NUMBER, NUMBER")),
    }
}

fn product_type(site: &Site) -> Result<Signature> {
    let ty = numbers(site)?;
    Ok(Signature { args: vec![ty, ty], result: ty })
}

/// A point in time moves by milliseconds.
fn sum_type(site: &Site) -> Result<Signature> {
    match *site.args {
        [Type::TIMESTAMP, by] if by.is_integer() => {
            Ok(Signature { args: vec![Type::TIMESTAMP, Type::LONG], result: Type::TIMESTAMP })
        }
        [by, Type::TIMESTAMP] if by.is_integer() => {
            Ok(Signature { args: vec![Type::LONG, Type::TIMESTAMP], result: Type::TIMESTAMP })
        }
        _ => product_type(site),
    }
}

/// The difference of two points in time is milliseconds.
fn difference_type(site: &Site) -> Result<Signature> {
    match *site.args {
        [Type::TIMESTAMP, Type::TIMESTAMP] => {
            Ok(Signature { args: vec![Type::TIMESTAMP, Type::TIMESTAMP], result: Type::LONG })
        }
        [Type::TIMESTAMP, by] if by.is_integer() => {
            Ok(Signature { args: vec![Type::TIMESTAMP, Type::LONG], result: Type::TIMESTAMP })
        }
        _ => product_type(site),
    }
}

fn quotient_type(site: &Site) -> Result<Signature> {
    let ty = numbers(site)?;
    let result = if ty == Type::BIG_DECIMAL { ty } else { Type::DOUBLE };
    Ok(Signature { args: vec![ty, ty], result })
}

fn negation_type(site: &Site) -> Result<Signature> {
    match *site.args {
        [Type::FLOAT] => Ok(Signature { args: vec![Type::DOUBLE], result: Type::DOUBLE }),
        [ty] if ty.is_numeric() => Ok(Signature { args: vec![ty], result: ty }),
        _ => Err(site.mismatch("NUMBER")),
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Op {
    Add,
    Subtract,
    Multiply,
    Whole,
    WholeOrZero,
    Remainder,
    RemainderOrZero,
    Modulus,
}

fn by_zero() -> Error {
    Error::evaluation("division by zero")
}

/// Checked integer arithmetic, once for both widths.
macro_rules! integer_op {
    ($name:ident, $t:ty, $ty:expr) => {
        fn $name(op: Op, args: &[Datum], rows: usize) -> Result<ArrayRef> {
            let (a, b) = (&args[0], &args[1]);
            let overflow = || Error::evaluation(format!("{} overflow", $ty));
            // Add, subtract and multiply say by a flag that they wrapped, which keeps the loop free of branches.
            let result = match op {
                Op::Add => wrapping::<$t>(a, b, rows, |x, y| x.overflowing_add(y)),
                Op::Subtract => wrapping::<$t>(a, b, rows, |x, y| x.overflowing_sub(y)),
                Op::Multiply => wrapping::<$t>(a, b, rows, |x, y| x.overflowing_mul(y)),
                Op::Whole => checked::<$t>(a, b, rows, |x, y| {
                    if y == 0 { Err(by_zero()) } else { x.checked_div(y).ok_or_else(overflow) }
                }),
                Op::WholeOrZero => {
                    checked::<$t>(a, b, rows, |x, y| if y == 0 { Ok(0) } else { x.checked_div(y).ok_or_else(overflow) })
                }
                // The least integer by -1 leaves 0.
                Op::Remainder => {
                    checked::<$t>(a, b, rows, |x, y| if y == 0 { Err(by_zero()) } else { Ok(x.wrapping_rem(y)) })
                }
                Op::RemainderOrZero => checked::<$t>(a, b, rows, |x, y| Ok(if y == 0 { 0 } else { x.wrapping_rem(y) })),
                Op::Modulus => {
                    checked::<$t>(a, b, rows, |x, y| if y == 0 { Err(by_zero()) } else { Ok(x.wrapping_rem_euclid(y)) })
                }
            };
            match result? {
                Some(array) => Ok(Arc::new(array)),
                None => Err(overflow()),
            }
        }
    };
}

integer_op!(int_op, Int32Type, Type::INT);
integer_op!(long_op, Int64Type, Type::LONG);

/// The sides of an operator as slices or one value.
enum Side<'a, T: ArrowPrimitiveType> {
    Column(&'a PrimitiveArray<T>),
    Value(T::Native),
    Null,
}

fn side<'a, T: ArrowPrimitiveType>(
    datum: &'a Datum,
    value: impl Fn(&Scalar) -> Option<T::Native>,
) -> Result<Side<'a, T>> {
    match datum {
        Datum::Array(array) => match array.as_primitive_opt::<T>() {
            Some(column) => Ok(Side::Column(column)),
            None => Err(Error::Plan(format!("arithmetic got Arrow {}", array.data_type()))),
        },
        Datum::Scalar(Scalar::Null(_)) => Ok(Side::Null),
        Datum::Scalar(scalar) => match value(scalar) {
            Some(v) => Ok(Side::Value(v)),
            None => Err(Error::Plan(format!("arithmetic got a {}", scalar.ty()))),
        },
    }
}

/// A constant of a numeric Arrow type.
trait FromScalar: ArrowPrimitiveType {
    fn from_scalar(scalar: &Scalar) -> Option<Self::Native>;
}

impl FromScalar for Int32Type {
    fn from_scalar(scalar: &Scalar) -> Option<i32> {
        if let Scalar::Int(v) = scalar { Some(*v) } else { None }
    }
}
impl FromScalar for Int64Type {
    fn from_scalar(scalar: &Scalar) -> Option<i64> {
        if let Scalar::Long(v) = scalar { Some(*v) } else { None }
    }
}
impl FromScalar for Float64Type {
    fn from_scalar(scalar: &Scalar) -> Option<f64> {
        if let Scalar::Double(v) = scalar { Some(*v) } else { None }
    }
}

/// All values, NULL slots too: for operators that cannot fail.
fn plain<T: FromScalar, O: ArrowPrimitiveType>(
    a: &Datum,
    b: &Datum,
    rows: usize,
    f: impl Fn(T::Native, T::Native) -> O::Native,
) -> Result<PrimitiveArray<O>> {
    Ok(match (side::<T>(a, T::from_scalar)?, side::<T>(b, T::from_scalar)?) {
        (Side::Column(a), Side::Column(b)) => {
            let values = a.values().iter().zip(b.values().iter()).map(|(x, y)| f(*x, *y)).collect::<Vec<_>>();
            PrimitiveArray::new(values.into(), NullBuffer::union(a.nulls(), b.nulls()))
        }
        (Side::Column(a), Side::Value(y)) => a.unary(|x| f(x, y)),
        (Side::Value(x), Side::Column(b)) => b.unary(|y| f(x, y)),
        (Side::Value(x), Side::Value(y)) => PrimitiveArray::from_value(f(x, y), rows),
        _ => PrimitiveArray::new_null(rows),
    })
}

/// Arithmetic whose operator flags overflow. `None` when a row that is not NULL overflowed.
fn wrapping<T: FromScalar>(
    a: &Datum,
    b: &Datum,
    rows: usize,
    f: impl Fn(T::Native, T::Native) -> (T::Native, bool),
) -> Result<Option<PrimitiveArray<T>>> {
    let mut any = false;
    let array = {
        let any = std::cell::Cell::from_mut(&mut any);
        plain::<T, T>(a, b, rows, |x, y| {
            let (v, over) = f(x, y);
            any.set(any.get() | over);
            v
        })?
    };
    if !any || array.null_count() == 0 {
        return Ok((!any).then_some(array));
    }
    // Slots under NULL hold any value: see whether a real row was the cause.
    let (x, y) = (side::<T>(a, T::from_scalar)?, side::<T>(b, T::from_scalar)?);
    let at = |side: &Side<T>, i: usize| match side {
        Side::Column(c) => c.value(i),
        Side::Value(v) => *v,
        Side::Null => T::Native::default(),
    };
    let real = (0..rows).any(|i| array.is_valid(i) && f(at(&x, i), at(&y, i)).1);
    Ok((!real).then_some(array))
}

/// Arithmetic that may fail row by row; NULL slots are not looked at.
fn checked<T: FromScalar>(
    a: &Datum,
    b: &Datum,
    rows: usize,
    f: impl Fn(T::Native, T::Native) -> Result<T::Native>,
) -> Result<Option<PrimitiveArray<T>>> {
    Ok(Some(match (side::<T>(a, T::from_scalar)?, side::<T>(b, T::from_scalar)?) {
        (Side::Column(a), Side::Column(b)) => {
            let nulls = NullBuffer::union(a.nulls(), b.nulls());
            let mut values = vec![T::Native::default(); rows];
            for (i, out) in values.iter_mut().enumerate() {
                if nulls.as_ref().is_none_or(|n| n.is_valid(i)) {
                    *out = f(a.value(i), b.value(i))?;
                }
            }
            PrimitiveArray::new(values.into(), nulls)
        }
        (Side::Column(a), Side::Value(y)) => a.try_unary(|x| f(x, y))?,
        (Side::Value(x), Side::Column(b)) => b.try_unary(|y| f(x, y))?,
        (Side::Value(x), Side::Value(y)) => PrimitiveArray::from_value(f(x, y)?, rows),
        _ => PrimitiveArray::new_null(rows),
    }))
}

fn double_op(op: Op, args: &[Datum], rows: usize) -> Result<ArrayRef> {
    let (a, b) = (&args[0], &args[1]);
    let normal =
        |f: fn(f64, f64) -> f64| plain::<Float64Type, Float64Type>(a, b, rows, move |x, y| normalize_f64(f(x, y)));
    Ok(Arc::new(match op {
        Op::Add => normal(|x, y| x + y)?,
        Op::Subtract => normal(|x, y| x - y)?,
        Op::Multiply => normal(|x, y| x * y)?,
        Op::Whole => normal(|x, y| (x / y).trunc())?,
        Op::WholeOrZero => normal(|x, y| if y == 0.0 { 0.0 } else { (x / y).trunc() })?,
        Op::Remainder => normal(|x, y| x % y)?,
        Op::RemainderOrZero => normal(|x, y| if y == 0.0 { 0.0 } else { x % y })?,
        Op::Modulus => normal(f64::rem_euclid)?,
    }))
}

/// Applies a decimal operator to each row.
pub(super) fn decimals(args: &[Datum], rows: usize, f: impl Fn(&[u8], &[u8]) -> Result<Vec<u8>>) -> Result<ArrayRef> {
    let (a, b) = (Decimals::of(&args[0])?, Decimals::of(&args[1])?);
    let one = |i| match (a.get(i), b.get(i)) {
        (Some(x), Some(y)) => f(x, y).map(Some),
        _ => Ok(None),
    };
    Ok(Arc::new((0..rows).map(one).collect::<Result<LargeBinaryArray>>()?))
}

fn decimal_op(op: Op, args: &[Datum], rows: usize) -> Result<ArrayRef> {
    let zero = |b: &[u8]| b == segfmt::decimal::ZERO;
    match op {
        Op::Add => decimals(args, rows, decimal_ops::add),
        Op::Subtract => decimals(args, rows, decimal_ops::subtract),
        Op::Multiply => decimals(args, rows, decimal_ops::multiply),
        Op::Whole => decimals(args, rows, decimal_ops::divide_whole),
        Op::WholeOrZero => {
            decimals(args, rows, |a, b| if zero(b) { Ok(b.to_vec()) } else { decimal_ops::divide_whole(a, b) })
        }
        Op::Remainder => decimals(args, rows, decimal_ops::remainder),
        Op::RemainderOrZero => {
            decimals(args, rows, |a, b| if zero(b) { Ok(b.to_vec()) } else { decimal_ops::remainder(a, b) })
        }
        Op::Modulus => decimals(args, rows, |a, b| {
            let rest = decimal_ops::remainder(a, b)?;
            let negative = rest.as_slice() < segfmt::decimal::ZERO;
            if !negative {
                Ok(rest)
            } else if b < segfmt::decimal::ZERO {
                decimal_ops::subtract(&rest, b)
            } else {
                decimal_ops::add(&rest, b)
            }
        }),
    }
}

fn binary(site: &Site, op: Op) -> Result<Arc<dyn Kernel>> {
    if site.args.contains(&Type::TIMESTAMP) {
        let moved = site.args != [Type::TIMESTAMP, Type::TIMESTAMP];
        return kernel(move |args, rows| {
            let longs = [as_longs(&args[0])?, as_longs(&args[1])?];
            let result = long_op(op, &longs, rows)?;
            Ok(if moved { as_timestamps(result.as_primitive::<Int64Type>().clone()) } else { result })
        });
    }
    match site.args[0].data {
        DataType::Int => kernel(move |args, rows| int_op(op, args, rows)),
        DataType::Long => kernel(move |args, rows| long_op(op, args, rows)),
        DataType::Double => kernel(move |args, rows| double_op(op, args, rows)),
        DataType::BigDecimal => kernel(move |args, rows| decimal_op(op, args, rows)),
        other => Err(Error::Plan(format!("arithmetic over {other}"))),
    }
}

fn divide(site: &Site) -> Result<Arc<dyn Kernel>> {
    fn integers<T: FromScalar>(args: &[Datum], rows: usize, wide: fn(T::Native) -> f64) -> Result<ArrayRef> {
        let quotient = plain::<T, Float64Type>(&args[0], &args[1], rows, |x, y| normalize_f64(wide(x) / wide(y)))?;
        let zero = |i: usize| match &args[1] {
            Datum::Array(b) => b.as_primitive::<T>().value(i) == T::Native::default(),
            Datum::Scalar(b) => T::from_scalar(b) == Some(T::Native::default()),
        };
        if (0..rows).any(|i| zero(i) && quotient.is_valid(i)) {
            return Err(by_zero());
        }
        Ok(Arc::new(quotient))
    }
    match site.args[0].data {
        DataType::Int => kernel(|args, rows| integers::<Int32Type>(args, rows, f64::from)),
        DataType::Long => kernel(|args, rows| integers::<Int64Type>(args, rows, |v| v as f64)),
        DataType::Double => kernel(|args, rows| {
            let quotient = plain::<Float64Type, Float64Type>(&args[0], &args[1], rows, |x, y| normalize_f64(x / y))?;
            Ok(Arc::new(quotient))
        }),
        DataType::BigDecimal => kernel(|args, rows| decimals(args, rows, decimal_ops::divide)),
        other => Err(Error::Plan(format!("division of {other}"))),
    }
}

fn negate(site: &Site) -> Result<Arc<dyn Kernel>> {
    let zero = match site.args[0].data {
        DataType::Int => Scalar::Int(0),
        DataType::Long => Scalar::Long(0),
        DataType::Double => Scalar::Double(0.0),
        _ => {
            return kernel(|args, rows| {
                let v = Decimals::of(&args[0])?;
                let one = |i| v.get(i).map(decimal_ops::negate).transpose();
                Ok(Arc::new((0..rows).map(one).collect::<Result<LargeBinaryArray>>()?))
            });
        }
    };
    let ty = site.args[0];
    let minus = binary(&Site { name: site.name, args: &[ty, ty], constants: &[None, None] }, Op::Subtract)?;
    kernel(move |args, rows| match &args[0] {
        Datum::Scalar(Scalar::Null(_)) => Ok(nulls(ty, rows)),
        value => minus.call(&[Datum::Scalar(zero.clone()), value.clone()], rows),
    })
}
