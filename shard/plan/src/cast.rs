//! Conversions between types, checked: what does not fit is an error that names the value, or NULL when lenient.
//!
//! | from | to | rule |
//! |---|---|---|
//! | DOUBLE, FLOAT, BIG_DECIMAL | INT, LONG, TIMESTAMP | cut towards zero as Pinot (DuckDB rounds); NaN, infinity and what is out of range are errors |
//! | DOUBLE, BIG_DECIMAL | FLOAT, DOUBLE | nearest; a finite number that becomes infinite is an error |
//! | any number | BOOLEAN | 0 is false, all else true |
//! | BOOLEAN | any number | 0, 1 |
//! | STRING | number | the whole text, spaces around it ignored; a fraction is cut off for INT and LONG |
//! | STRING | BOOLEAN | `true`, `1`, `false`, `0` in any case |
//! | STRING | TIMESTAMP | `yyyy-MM-dd[ HH:mm[:ss[.f]]][zone]` or milliseconds |
//! | TIMESTAMP | LONG | UTC milliseconds, and back |
//! | TIMESTAMP | STRING | `yyyy-MM-dd HH:mm:ss.S`, UTC |
//! | DOUBLE, FLOAT | STRING | as Java: `1.5`, `1.0E10`, `NaN`, `Infinity` |
//! | BYTES | STRING | lower-case hex, and back |
//! | STRING | JSON | the text, which must be JSON; a TIMESTAMP, NaN or infinity becomes a JSON string |
//!
//! Multi-value types convert element by element; a single value never becomes an array nor back.

use crate::datetime::{format_timestamp, parse_timestamp};
use crate::decimal_ops;
use crate::error::{Error, Result};
use crate::eval::value::{list_of, nulls, repeat, scalar_at};
use crate::scalar::Scalar;
use crate::types::Type;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int32Type, Int64Type, TimestampMillisecondType,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Int64Array, LargeBinaryArray, ListArray, PrimitiveArray, StringArray,
};
use arrow_buffer::OffsetBuffer;
use segfmt::DataType;
use segfmt::value::{normalize_f32, normalize_f64};
use std::fmt::Write;
use std::sync::Arc;

/// Whether a conversion exists at all.
pub fn can_cast(from: Type, to: Type) -> bool {
    use DataType::{BigDecimal, Boolean, Bytes, Double, Float, Int, Json, Long, String, Timestamp};
    if from.multi != to.multi {
        return false;
    }
    if from.data == to.data {
        return true;
    }
    match (from.data, to.data) {
        (_, String) | (String, _) => true,
        (Json, Int | Long | Float | Double | BigDecimal | Boolean | Timestamp) => true,
        (Bytes, _) | (_, Bytes) => false,
        (_, Json) => true,
        (Boolean, Timestamp) | (Timestamp, Boolean) => false,
        (
            Int | Long | Float | Double | BigDecimal | Boolean | Timestamp,
            Int | Long | Float | Double | BigDecimal | Boolean | Timestamp,
        ) => true,
    }
}

/// Whether no value of `from` fails to convert.
pub fn is_infallible(from: Type, to: Type) -> bool {
    use DataType::{BigDecimal, Boolean, Bytes, Double, Float, Int, Json, Long, String, Timestamp};
    from.multi == to.multi
        && (from.data == to.data
            || matches!(
                (from.data, to.data),
                (Int, Long | Float | Double | BigDecimal | Boolean | Timestamp | String)
                    | (Long, Float | Double | BigDecimal | Boolean | Timestamp | String)
                    | (Float, Double | Boolean | String)
                    | (Double, Boolean | String)
                    | (Boolean, Int | Long | Float | Double | String)
                    | (Timestamp, Long | Float | Double | String)
                    | (Bytes | Json, String)
            ))
}

/// Converts one value.
///
/// # Errors
/// When there is no such conversion, or the value does not fit.
pub fn cast_scalar(scalar: &Scalar, to: Type) -> Result<Scalar> {
    cast_scalar_to(scalar, to, false)
}

pub(crate) fn cast_scalar_to(scalar: &Scalar, to: Type, lenient: bool) -> Result<Scalar> {
    if scalar.ty() == to {
        return Ok(scalar.clone());
    }
    if scalar.is_null() {
        return Ok(Scalar::Null(to));
    }
    let one = repeat(scalar, 1)?;
    scalar_at(cast_array(&one, scalar.ty(), to, lenient)?.as_ref(), to, 0)
}

/// Converts a column.
///
/// # Errors
/// When there is no such conversion, or (unless `lenient`) a value does not fit.
pub fn cast_array(array: &ArrayRef, from: Type, to: Type, lenient: bool) -> Result<ArrayRef> {
    if from == to {
        return Ok(array.clone());
    }
    if !can_cast(from, to) {
        return Err(Error::Signature(format!("cannot cast {from} to {to}")));
    }
    crate::eval::value::check_type(array.as_ref(), from)?;
    if from.multi {
        return cast_elements(array.as_list::<i32>(), from, to, lenient);
    }
    let cast = Cast { to: to.data, lenient };
    match from.data {
        DataType::Int => cast.cast_longs::<Int32Type>(array, i64::from),
        DataType::Timestamp if matches!(to.data, DataType::String | DataType::Json) => {
            let times = array.as_primitive::<TimestampMillisecondType>();
            let text = |ms| {
                if to.data == DataType::Json { format!("\"{}\"", format_timestamp(ms)) } else { format_timestamp(ms) }
            };
            Ok(Arc::new(times.iter().map(|v| v.map(text)).collect::<StringArray>()))
        }
        DataType::Long => cast.cast_longs::<Int64Type>(array, |v| v),
        DataType::Timestamp => cast.cast_longs::<TimestampMillisecondType>(array, |v| v),
        DataType::Float => cast.cast_floats::<Float32Type>(array, f64::from, float_text, decimal_ops::from_f32),
        DataType::Double => cast.cast_floats::<Float64Type>(array, |v| v, double_text, decimal_ops::from_f64),
        DataType::Boolean => cast.cast_booleans(array.as_boolean()),
        DataType::BigDecimal => cast.cast_decimals(array.as_binary::<i64>()),
        DataType::String | DataType::Json => cast.cast_texts(array, to),
        DataType::Bytes => {
            let bytes = array.as_binary::<i32>();
            Ok(Arc::new(bytes.iter().map(|v| v.map(hex_text)).collect::<StringArray>()))
        }
    }
}

fn cast_elements(lists: &ListArray, from: Type, to: Type, lenient: bool) -> Result<ArrayRef> {
    let offsets = lists.value_offsets();
    let (start, end) = (offsets[0], offsets[lists.len()]);
    let elements = lists.values().slice(start as usize, (end - start) as usize);
    let converted = cast_array(&elements, from.element(), to.element(), lenient)?;
    let offsets = OffsetBuffer::new(offsets.iter().map(|o| o - start).collect());
    list_of(to.element(), offsets, converted, lists.nulls().cloned())
}

struct Cast {
    to: DataType,
    lenient: bool,
}

fn out_of_range(value: impl std::fmt::Display, to: DataType) -> Error {
    Error::evaluation(format!("{value} is out of range for {to}"))
}

/// Up to 60 characters of a text for a message.
pub(crate) fn shown(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}

impl Cast {
    fn impossible<T>(&self, from: &str) -> Result<T> {
        Err(Error::Signature(format!("cannot cast {from} to {}", self.to)))
    }

    /// Converts each value; `None` is NULL, an error is NULL when lenient.
    fn each<V, O, A: FromIterator<Option<O>>>(
        &self,
        values: impl Iterator<Item = Option<V>>,
        convert: impl Fn(V) -> Result<O>,
    ) -> Result<A> {
        values
            .map(|value| match value.map(&convert) {
                None => Ok(None),
                Some(Ok(v)) => Ok(Some(v)),
                Some(Err(_)) if self.lenient => Ok(None),
                Some(Err(e)) => Err(e),
            })
            .collect()
    }

    fn cast_longs<T: ArrowPrimitiveType>(&self, array: &ArrayRef, wide: impl Fn(T::Native) -> i64) -> Result<ArrayRef> {
        let v = array.as_primitive::<T>();
        Ok(match self.to {
            DataType::Int => Arc::new(self.each::<_, _, PrimitiveArray<Int32Type>>(v.iter(), |x| {
                let x = wide(x);
                i32::try_from(x).map_err(|_| out_of_range(x, self.to))
            })?),
            DataType::Long => Arc::new(v.unary::<_, Int64Type>(wide)),
            DataType::Timestamp => Arc::new(v.unary::<_, TimestampMillisecondType>(wide)),
            DataType::Float => Arc::new(v.unary::<_, Float32Type>(|x| wide(x) as f32)),
            DataType::Double => Arc::new(v.unary::<_, Float64Type>(|x| wide(x) as f64)),
            DataType::Boolean => Arc::new(BooleanArray::from_unary(v, |x| wide(x) != 0)),
            DataType::String | DataType::Json => {
                Arc::new(v.iter().map(|x| x.map(|x| wide(x).to_string())).collect::<StringArray>())
            }
            DataType::BigDecimal => {
                Arc::new(self.each::<_, _, LargeBinaryArray>(v.iter(), |x| decimal_ops::from_i64(wide(x)))?)
            }
            DataType::Bytes => return self.impossible("a number"),
        })
    }

    fn cast_floats<T: ArrowPrimitiveType>(
        &self,
        array: &ArrayRef,
        wide: impl Fn(T::Native) -> f64,
        text: impl Fn(T::Native) -> String,
        decimal: impl Fn(T::Native) -> Result<Vec<u8>>,
    ) -> Result<ArrayRef> {
        let v = array.as_primitive::<T>();
        let long = |x: T::Native| float_to_i64(wide(x)).ok_or_else(|| out_of_range(text(x), self.to));
        Ok(match self.to {
            DataType::Int => Arc::new(self.each::<_, _, PrimitiveArray<Int32Type>>(v.iter(), |x| {
                i32::try_from(long(x)?).map_err(|_| out_of_range(text(x), self.to))
            })?),
            DataType::Long => Arc::new(self.each::<_, _, PrimitiveArray<Int64Type>>(v.iter(), long)?),
            DataType::Timestamp => {
                Arc::new(self.each::<_, _, PrimitiveArray<TimestampMillisecondType>>(v.iter(), long)?)
            }
            DataType::Float => Arc::new(self.each::<_, _, PrimitiveArray<Float32Type>>(v.iter(), |x| {
                narrow(wide(x)).ok_or_else(|| out_of_range(text(x), self.to))
            })?),
            DataType::Double => Arc::new(v.unary::<_, Float64Type>(|x| normalize_f64(wide(x)))),
            DataType::Boolean => Arc::new(BooleanArray::from_unary(v, |x| wide(x) != 0.0)),
            DataType::String => Arc::new(v.iter().map(|x| x.map(&text)).collect::<StringArray>()),
            // JSON has no number for them.
            DataType::Json => {
                let json = |x| if wide(x).is_finite() { text(x) } else { format!("\"{}\"", text(x)) };
                Arc::new(v.iter().map(|x| x.map(json)).collect::<StringArray>())
            }
            DataType::BigDecimal => Arc::new(self.each::<_, _, LargeBinaryArray>(v.iter(), decimal)?),
            DataType::Bytes => return self.impossible("a number"),
        })
    }

    fn cast_booleans(&self, v: &BooleanArray) -> Result<ArrayRef> {
        if matches!(self.to, DataType::String | DataType::Json) {
            return Ok(Arc::new(
                v.iter().map(|x| x.map(|x| if x { "true" } else { "false" })).collect::<StringArray>(),
            ));
        }
        let longs: ArrayRef = Arc::new(v.iter().map(|x| x.map(i64::from)).collect::<Int64Array>());
        self.cast_longs::<Int64Type>(&longs, |x| x)
    }

    fn cast_decimals(&self, v: &LargeBinaryArray) -> Result<ArrayRef> {
        let long = |x: &[u8]| match decimal_ops::to_i64(x)? {
            Some(long) => Ok(long),
            None => Err(out_of_range(decimal_ops::to_text(x)?, self.to)),
        };
        Ok(match self.to {
            DataType::Int => Arc::new(self.each::<_, _, PrimitiveArray<Int32Type>>(v.iter(), |x| {
                let x = long(x)?;
                i32::try_from(x).map_err(|_| out_of_range(x, self.to))
            })?),
            DataType::Long => Arc::new(self.each::<_, _, PrimitiveArray<Int64Type>>(v.iter(), long)?),
            DataType::Timestamp => {
                Arc::new(self.each::<_, _, PrimitiveArray<TimestampMillisecondType>>(v.iter(), long)?)
            }
            DataType::Double => Arc::new(self.each::<_, _, PrimitiveArray<Float64Type>>(v.iter(), |x| {
                match decimal_ops::to_f64(x)? {
                    double if double.is_finite() => Ok(normalize_f64(double)),
                    _ => Err(out_of_range(shown(&decimal_ops::to_text(x)?), self.to)),
                }
            })?),
            DataType::Float => Arc::new(self.each::<_, _, PrimitiveArray<Float32Type>>(v.iter(), |x| {
                let double = decimal_ops::to_f64(x)?;
                match narrow(double) {
                    Some(float) if float.is_finite() => Ok(float),
                    _ => Err(out_of_range(shown(&decimal_ops::to_text(x)?), self.to)),
                }
            })?),
            DataType::Boolean => {
                Arc::new(v.iter().map(|x| x.map(|x| x != segfmt::decimal::ZERO)).collect::<BooleanArray>())
            }
            DataType::String | DataType::Json => {
                Arc::new(self.each::<_, _, StringArray>(v.iter(), decimal_ops::to_text)?)
            }
            DataType::BigDecimal | DataType::Bytes => return self.impossible("BIG_DECIMAL"),
        })
    }

    fn cast_texts(&self, array: &ArrayRef, to: Type) -> Result<ArrayRef> {
        let v = array.as_string::<i32>();
        if v.null_count() == v.len() {
            return Ok(nulls(to, v.len()));
        }
        let not = |x: &str| Error::evaluation(format!("cannot cast '{}' to {}", shown(x), self.to));
        let long = |x: &str| text_to_i64(x, self.to);
        Ok(match self.to {
            DataType::Int => Arc::new(self.each::<_, _, PrimitiveArray<Int32Type>>(v.iter(), |x| {
                i32::try_from(long(x)?).map_err(|_| out_of_range(shown(x.trim()), self.to))
            })?),
            DataType::Long => Arc::new(self.each::<_, _, PrimitiveArray<Int64Type>>(v.iter(), long)?),
            DataType::Float => Arc::new(self.each::<_, _, PrimitiveArray<Float32Type>>(v.iter(), |x| {
                x.trim().parse().map(normalize_f32).map_err(|_| not(x))
            })?),
            DataType::Double => Arc::new(self.each::<_, _, PrimitiveArray<Float64Type>>(v.iter(), |x| {
                x.trim().parse().map(normalize_f64).map_err(|_| not(x))
            })?),
            DataType::Boolean => Arc::new(
                self.each::<_, _, Vec<Option<bool>>>(v.iter(), |x| match x.trim().to_ascii_lowercase().as_str() {
                    "true" | "1" => Ok(true),
                    "false" | "0" => Ok(false),
                    _ => Err(not(x)),
                })
                .map(BooleanArray::from)?,
            ),
            DataType::Timestamp => {
                Arc::new(self.each::<_, _, PrimitiveArray<TimestampMillisecondType>>(v.iter(), |x| {
                    parse_timestamp(x).ok_or_else(|| not(x))
                })?)
            }
            DataType::BigDecimal => Arc::new(self.each::<_, _, LargeBinaryArray>(v.iter(), decimal_ops::parse)?),
            DataType::Bytes => {
                Arc::new(self.each::<_, _, BinaryArray>(v.iter(), |x| parse_hex(x).ok_or_else(|| not(x)))?)
            }
            DataType::Json => Arc::new(self.each::<_, _, StringArray>(v.iter(), |x| {
                serde_json::from_str::<serde::de::IgnoredAny>(x).map(|_| x).map_err(|_| not(x))
            })?),
            DataType::String => array.clone(),
        })
    }
}

/// Cut towards zero; `None` for NaN, infinity and what a LONG cannot hold.
pub(crate) fn float_to_i64(v: f64) -> Option<i64> {
    // 2^63 is the first DOUBLE above the range; NaN fails both comparisons.
    (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&v).then_some(v as i64)
}

/// The nearest FLOAT; `None` where a finite number has none.
fn narrow(v: f64) -> Option<f32> {
    let float = v as f32;
    (float.is_finite() || !v.is_finite()).then(|| normalize_f32(float))
}

fn text_to_i64(text: &str, to: DataType) -> Result<i64> {
    let trimmed = text.trim();
    if let Ok(v) = trimmed.parse() {
        return Ok(v);
    }
    let decimal = segfmt::decimal::parse(trimmed)
        .map_err(|_| Error::evaluation(format!("cannot cast '{}' to {to}", shown(text))))?;
    decimal_ops::to_i64(&decimal)?.ok_or_else(|| out_of_range(shown(trimmed), to))
}

/// Digits and exponent of `{:e}` in Java's spelling.
fn java_float(scientific: &str) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |m| ("-", m));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    if !(-3..7).contains(&exponent) {
        let (head, tail) = digits.split_at(1);
        return format!("{sign}{head}.{}E{exponent}", if tail.is_empty() { "0" } else { tail });
    }
    if exponent < 0 {
        return format!("{sign}0.{}{digits}", "0".repeat((-exponent - 1) as usize));
    }
    let whole = exponent as usize + 1;
    if digits.len() <= whole {
        format!("{sign}{digits}{}.0", "0".repeat(whole - digits.len()))
    } else {
        format!("{sign}{}.{}", &digits[..whole], &digits[whole..])
    }
}

/// A DOUBLE as Java writes it, in the fewest digits that read back as it.
pub fn double_text(v: f64) -> String {
    if v.is_nan() {
        "NaN".to_owned()
    } else if v.is_infinite() {
        if v > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() }
    } else {
        java_float(&format!("{v:e}"))
    }
}

/// A FLOAT as Java writes it.
pub fn float_text(v: f32) -> String {
    if v.is_finite() { java_float(&format!("{v:e}")) } else { double_text(f64::from(v)) }
}

/// Lower-case hexadecimal.
pub fn hex_text(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{b:02x}");
        out
    })
}

/// Bytes of an even number of hexadecimal digits.
pub fn parse_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| (b as char).to_digit(16).map(|d| d as u8);
    let bytes = text.as_bytes();
    if !bytes.len().is_multiple_of(2) {
        return None;
    }
    bytes.chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

/// A value as CAST AS STRING writes it; a list in brackets.
pub fn scalar_to_text(scalar: &Scalar) -> String {
    match scalar {
        Scalar::Null(_) => "null".to_owned(),
        Scalar::Int(v) => v.to_string(),
        Scalar::Long(v) => v.to_string(),
        Scalar::Float(v) => float_text(*v),
        Scalar::Double(v) => double_text(*v),
        Scalar::BigDecimal(v) => decimal_ops::to_text(v).unwrap_or_else(|_| hex_text(v)),
        Scalar::Boolean(v) => v.to_string(),
        Scalar::Timestamp(v) => format_timestamp(*v),
        Scalar::String(v) | Scalar::Json(v) => v.to_string(),
        Scalar::Bytes(v) => hex_text(v),
        Scalar::List(_, values) => {
            let texts: Vec<String> = values.iter().map(scalar_to_text).collect();
            format!("[{}]", texts.join(", "))
        }
    }
}
