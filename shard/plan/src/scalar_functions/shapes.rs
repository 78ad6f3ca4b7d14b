//! Kernels of common shapes: a function of one or two values applied to every row.

use super::define::kernel;
use crate::error::{Error, Result};
use crate::eval::value::{Doubles, Longs, Millis, Strings};
use crate::function::Kernel;
use arrow_array::types::{Float64Type, Int32Type};
use arrow_array::{ArrayRef, BooleanArray, Int32Array, Int64Array, PrimitiveArray, StringArray};
use segfmt::value::normalize_f64;
use std::borrow::Cow;
use std::sync::Arc;

type Made = Result<Arc<dyn Kernel>>;

/// Longest text that a function may build for one row.
pub const MAX_TEXT: usize = 64 << 20;

/// Applies a numeric function to all rows.
pub fn doubles(f: impl Fn(f64) -> f64 + Send + Sync + 'static) -> Made {
    kernel(move |args, rows| {
        let v = Doubles::of(&args[0])?;
        if v.is_constant() {
            return Ok(Arc::new(
                (0..rows).map(|i| v.get(i).map(|x| normalize_f64(f(x)))).collect::<PrimitiveArray<Float64Type>>(),
            ));
        }
        Ok(Arc::new(v.array().unary::<_, Float64Type>(|x| normalize_f64(f(x)))))
    })
}

/// Applies a function of two numbers.
pub fn doubles2(f: impl Fn(f64, f64) -> f64 + Send + Sync + 'static) -> Made {
    kernel(move |args, rows| {
        let (a, b) = (Doubles::of(&args[0])?, Doubles::of(&args[1])?);
        let one = |i| Some(normalize_f64(f(a.get(i)?, b.get(i)?)));
        Ok(Arc::new((0..rows).map(one).collect::<PrimitiveArray<Float64Type>>()))
    })
}

pub fn double_predicate(f: impl Fn(f64) -> bool + Send + Sync + 'static) -> Made {
    kernel(move |args, rows| {
        let v = Doubles::of(&args[0])?;
        Ok(Arc::new((0..rows).map(|i| v.get(i).map(&f)).collect::<BooleanArray>()))
    })
}

pub fn longs2(f: impl Fn(i64, i64) -> Result<i64> + Send + Sync + 'static) -> Made {
    kernel(move |args, rows| {
        let (a, b) = (Longs::of(&args[0])?, Longs::of(&args[1])?);
        let one = |i| match (a.get(i), b.get(i)) {
            (Some(x), Some(y)) => f(x, y).map(Some),
            _ => Ok(None),
        };
        Ok(Arc::new((0..rows).map(one).collect::<Result<Int64Array>>()?))
    })
}

pub fn longs(f: impl Fn(i64) -> Result<i64> + Send + Sync + 'static) -> Made {
    kernel(move |args, rows| {
        let v = Longs::of(&args[0])?;
        Ok(Arc::new((0..rows).map(|i| v.get(i).map(&f).transpose()).collect::<Result<Int64Array>>()?))
    })
}

/// LONG of milliseconds to LONG.
pub fn millis_to_longs(
    args: &crate::function::Datum,
    rows: usize,
    mut f: impl FnMut(i64) -> i64,
) -> Result<Int64Array> {
    let v = Millis::of(args)?;
    if v.is_constant() {
        return Ok((0..rows).map(|i| v.get(i).map(&mut f)).collect());
    }
    let values: Vec<i64> = v.array().values().iter().map(|x| f(*x)).collect();
    Ok(Int64Array::new(values.into(), arrow_array::Array::nulls(v.array()).cloned()))
}

pub fn millis_to_ints(args: &crate::function::Datum, rows: usize, mut f: impl FnMut(i64) -> i32) -> Result<ArrayRef> {
    let v = Millis::of(args)?;
    if v.is_constant() {
        return Ok(Arc::new((0..rows).map(|i| v.get(i).map(&mut f)).collect::<Int32Array>()));
    }
    let values: Vec<i32> = v.array().values().iter().map(|x| f(*x)).collect();
    Ok(Arc::new(PrimitiveArray::<Int32Type>::new(values.into(), arrow_array::Array::nulls(v.array()).cloned())))
}

pub fn sized(text: Cow<'_, str>) -> Result<Cow<'_, str>> {
    if text.len() > MAX_TEXT {
        return Err(Error::evaluation(format!("a text of {} bytes is longer than {MAX_TEXT}", text.len())));
    }
    Ok(text)
}

/// Text to text.
pub fn texts(f: impl for<'a> Fn(&'a str) -> Cow<'a, str> + Send + Sync + 'static) -> Made {
    kernel(move |args, rows| {
        let v = Strings::of(&args[0])?;
        Ok(Arc::new((0..rows).map(|i| v.get(i).map(&f)).collect::<StringArray>()))
    })
}

pub fn text_to_int(f: impl Fn(&str) -> Result<i32> + Send + Sync + 'static) -> Made {
    kernel(move |args, rows| {
        let v = Strings::of(&args[0])?;
        Ok(Arc::new((0..rows).map(|i| v.get(i).map(&f).transpose()).collect::<Result<Int32Array>>()?))
    })
}

/// Two texts to a truth value.
pub fn text_predicate(f: impl Fn(&str, &str) -> bool + Send + Sync + 'static) -> Made {
    kernel(move |args, rows| {
        let (a, b) = (Strings::of(&args[0])?, Strings::of(&args[1])?);
        Ok(Arc::new((0..rows).map(|i| Some(f(a.get(i)?, b.get(i)?))).collect::<BooleanArray>()))
    })
}

/// All rows to text; a NULL argument is for `f` to see.
pub fn build_texts<'a>(rows: usize, f: impl Fn(usize) -> Result<Option<Cow<'a, str>>>) -> Result<ArrayRef> {
    let one = |i| f(i)?.map(sized).transpose();
    Ok(Arc::new((0..rows).map(one).collect::<Result<StringArray>>()?))
}

/// Integer conversion for lengths and positions.
pub fn to_int(v: usize) -> Result<i32> {
    i32::try_from(v).map_err(|_| Error::evaluation(format!("{v} is out of range for INT")))
}
