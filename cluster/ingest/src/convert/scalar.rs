//! One value written as text, taken as one of the schema's types.

use segfmt::DataType;
use segfmt::value::{normalize_f32, normalize_f64};

use crate::batch::CellKind;
use crate::column::Data;
use crate::error::Shown;
use crate::{number, timestamp};

/// Whether a cell is a string (as against a number or a literal of JSON).
fn is_text(kind: CellKind) -> bool {
    kind == CellKind::Text
}

fn not_a(bytes: &[u8], data_type: DataType, hint: &str) -> String {
    let article = if data_type == DataType::Int { "an" } else { "a" };
    format!("{} is not {article} {data_type}{hint}", Shown(bytes))
}

fn scalar_only(kind: CellKind, bytes: &[u8], data_type: DataType) -> Result<(), String> {
    match kind {
        CellKind::Json => Err(format!("an object or nested array is not one {data_type}: {}", Shown(bytes))),
        CellKind::List => {
            Err(format!("an array is not one {data_type} (declare the column multi-value): {}", Shown(bytes)))
        }
        _ => Ok(()),
    }
}

#[inline]
pub(super) fn long(kind: CellKind, bytes: &[u8], data_type: DataType) -> Result<i64, String> {
    if let Some(v) = number::int(bytes) {
        return Ok(v);
    }
    slow_long(kind, bytes, data_type)
}

#[cold]
fn slow_long(kind: CellKind, bytes: &[u8], data_type: DataType) -> Result<i64, String> {
    scalar_only(kind, bytes, data_type)?;
    let b = number::trim(bytes);
    if let Some(v) = number::whole(b) {
        return Ok(v);
    }
    Err(match number::look(b) {
        number::Look::BigInteger => format!("{} does not fit {data_type}", Shown(bytes)),
        number::Look::Fraction | number::Look::LongFraction | number::Look::BareExponent => {
            not_a(bytes, data_type, ": it has a fraction or does not fit")
        }
        _ => not_a(bytes, data_type, ""),
    })
}

#[inline]
pub(super) fn int(kind: CellKind, bytes: &[u8]) -> Result<i32, String> {
    let v = long(kind, bytes, DataType::Int)?;
    i32::try_from(v).map_err(|_| format!("{} does not fit INT (32 bits)", Shown(bytes)))
}

#[inline]
pub(super) fn double(kind: CellKind, bytes: &[u8]) -> Result<f64, String> {
    match number::double(bytes) {
        Some(v) if v.is_finite() => Ok(normalize_f64(v)),
        _ => slow_double(kind, bytes),
    }
}

#[cold]
fn slow_double(kind: CellKind, bytes: &[u8]) -> Result<f64, String> {
    scalar_only(kind, bytes, DataType::Double)?;
    let b = number::trim(bytes);
    match number::special(b).or_else(|| number::double(b).filter(|v| v.is_finite())) {
        Some(v) => Ok(normalize_f64(v)),
        None if number::double(b).is_some() => Err(format!("{} does not fit DOUBLE", Shown(bytes))),
        None => Err(not_a(bytes, DataType::Double, "")),
    }
}

pub(super) fn float(kind: CellKind, bytes: &[u8]) -> Result<f32, String> {
    scalar_only(kind, bytes, DataType::Float)?;
    let b = number::trim(bytes);
    if let Some(v) = number::special(b) {
        return Ok(normalize_f32(v as f32));
    }
    // Straight to 32 bits: going through 64 could round twice.
    let v: Option<f32> = std::str::from_utf8(b).ok().and_then(|t| t.parse().ok());
    match v {
        Some(v) if v.is_finite() => Ok(normalize_f32(v)),
        Some(_) => Err(format!("{} does not fit FLOAT", Shown(bytes))),
        None => Err(not_a(bytes, DataType::Float, "")),
    }
}

pub(super) fn boolean(kind: CellKind, bytes: &[u8]) -> Result<u8, String> {
    match kind {
        CellKind::True => return Ok(1),
        CellKind::False => return Ok(0),
        _ => scalar_only(kind, bytes, DataType::Boolean)?,
    }
    let b = number::trim(bytes);
    if b.eq_ignore_ascii_case(b"true") || b == b"1" {
        Ok(1)
    } else if b.eq_ignore_ascii_case(b"false") || b == b"0" {
        Ok(0)
    } else {
        Err(not_a(bytes, DataType::Boolean, " (true, false, 1 or 0)"))
    }
}

pub(super) fn millis(kind: CellKind, bytes: &[u8]) -> Result<i64, String> {
    scalar_only(kind, bytes, DataType::Timestamp)?;
    let b = number::trim(bytes);
    timestamp::millis(b).or_else(|| number::int(b)).ok_or_else(|| {
        not_a(bytes, DataType::Timestamp, " (yyyy-MM-dd HH:mm:ss[.fraction] with an optional zone, or milliseconds)")
    })
}

pub(super) fn decimal(kind: CellKind, bytes: &[u8]) -> Result<Vec<u8>, String> {
    scalar_only(kind, bytes, DataType::BigDecimal)?;
    let b = number::trim(bytes);
    match number::look(b) {
        number::Look::Special | number::Look::Other => return Err(not_a(bytes, DataType::BigDecimal, "")),
        _ => {}
    }
    let text = std::str::from_utf8(b).map_err(|_| not_a(bytes, DataType::BigDecimal, ""))?;
    segfmt::decimal::parse(text).map_err(|e| format!("{}: {e}", not_a(bytes, DataType::BigDecimal, "")))
}

pub(super) fn json(kind: CellKind, bytes: &[u8]) -> Result<&[u8], String> {
    if is_text(kind) {
        crate::json::check_document(bytes).map_err(|reason| format!("{} is not JSON: {reason}", Shown(bytes)))?;
    }
    Ok(bytes)
}

pub(super) fn hex(kind: CellKind, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    out.clear();
    let digit = |c: u8| (c as char).to_digit(16).and_then(|d| u8::try_from(d).ok());
    if !is_text(kind) || !bytes.len().is_multiple_of(2) {
        return Err(not_a(bytes, DataType::Bytes, " (an even number of hexadecimal digits)"));
    }
    for pair in bytes.chunks_exact(2) {
        match (digit(pair[0]), digit(pair[1])) {
            (Some(high), Some(low)) => out.push(high << 4 | low),
            _ => return Err(not_a(bytes, DataType::Bytes, " (an even number of hexadecimal digits)")),
        }
    }
    Ok(())
}

/// Appends one value of any type; `scratch` avoids an allocation for each.
pub(super) fn push(
    kind: CellKind,
    bytes: &[u8],
    data_type: DataType,
    data: &mut Data,
    scratch: &mut Vec<u8>,
) -> Result<(), String> {
    match (data_type, data) {
        (DataType::Int, Data::I32(v)) => v.push(int(kind, bytes)?),
        (DataType::Long, Data::I64(v)) => v.push(long(kind, bytes, DataType::Long)?),
        (DataType::Timestamp, Data::I64(v)) => v.push(millis(kind, bytes)?),
        (DataType::Float, Data::F32(v)) => v.push(float(kind, bytes)?),
        (DataType::Double, Data::F64(v)) => v.push(double(kind, bytes)?),
        (DataType::Boolean, Data::Bool(v)) => v.push(boolean(kind, bytes)?),
        (DataType::String, data) => data.push_bytes(bytes),
        (DataType::Json, data) => data.push_bytes(json(kind, bytes)?),
        (DataType::BigDecimal, data) => data.push_bytes(&decimal(kind, bytes)?),
        (DataType::Bytes, data) => {
            hex(kind, bytes, scratch)?;
            data.push_bytes(scratch);
        }
        _ => unreachable!("a column is made for its type"),
    }
    Ok(())
}
