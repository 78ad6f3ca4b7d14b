//! Types and values on the wire.

use super::message::{Budget, Kind, List, Value, read, write};
use crate::error::{Error, Result};
use crate::scalar::Scalar;
use crate::types::Type;
use segfmt::DataType;

/// Added to the code of a multi-value type.
const MULTI: u32 = 64;

const TYPES: [DataType; 10] = [
    DataType::Int,
    DataType::Long,
    DataType::Float,
    DataType::Double,
    DataType::BigDecimal,
    DataType::Boolean,
    DataType::Timestamp,
    DataType::String,
    DataType::Json,
    DataType::Bytes,
];

/// The code of a type: its place in the list from 1, so that an absent field is no type.
pub(super) fn type_code(ty: Type) -> u32 {
    let place = match ty.data {
        DataType::Int => 1,
        DataType::Long => 2,
        DataType::Float => 3,
        DataType::Double => 4,
        DataType::BigDecimal => 5,
        DataType::Boolean => 6,
        DataType::Timestamp => 7,
        DataType::String => 8,
        DataType::Json => 9,
        DataType::Bytes => 10,
    };
    if ty.multi { place + MULTI } else { place }
}

pub(super) fn type_of(code: u32) -> Result<Type> {
    let multi = code > MULTI;
    let place = if multi { code - MULTI } else { code };
    (place as usize)
        .checked_sub(1)
        .and_then(|place| TYPES.get(place))
        .map(|data| Type { data: *data, multi })
        .ok_or_else(|| Error::Plan(format!("no type has the code {code}")))
}

pub(super) fn encode(scalar: &Scalar) -> Value {
    let kind = match scalar {
        Scalar::Null(ty) => Kind::Null(type_code(*ty)),
        Scalar::Int(v) => Kind::Int(*v),
        Scalar::Long(v) => Kind::Long(*v),
        Scalar::Float(v) => Kind::Float(*v),
        Scalar::Double(v) => Kind::Double(*v),
        Scalar::BigDecimal(v) => Kind::BigDecimal(v.to_vec()),
        Scalar::Boolean(v) => Kind::Boolean(*v),
        Scalar::Timestamp(v) => Kind::Timestamp(*v),
        Scalar::String(v) => Kind::String(v.to_string()),
        Scalar::Json(v) => Kind::Json(v.to_string()),
        Scalar::Bytes(v) => Kind::Bytes(v.to_vec()),
        Scalar::List(data, elements) => {
            Kind::List(List { ty: type_code(Type::single(*data)), elements: write(elements.iter().map(encode)) })
        }
    };
    Value { kind: Some(kind) }
}

pub(super) fn decode(value: Value, budget: &mut Budget) -> Result<Scalar> {
    let list = match value.kind {
        None => return Err(Error::Plan("an encoded value is empty".into())),
        Some(Kind::List(list)) => list,
        Some(kind) => return single(kind),
    };
    let ty = type_of(list.ty)?;
    if ty.multi {
        return Err(Error::Plan("a list of lists".into()));
    }
    let elements = read(&list.elements, budget, |value: Value, _| {
        let element = match value.kind {
            None | Some(Kind::List(_)) => return Err(Error::Plan("a list element is no single value".into())),
            Some(kind) => single(kind)?,
        };
        if element.ty() == ty {
            Ok(element)
        } else {
            Err(Error::Plan(format!("a list of {ty} holds a {}", element.ty())))
        }
    })?;
    Ok(Scalar::List(ty.data, elements.into()))
}

fn single(kind: Kind) -> Result<Scalar> {
    Ok(match kind {
        Kind::Null(code) => Scalar::Null(type_of(code)?),
        Kind::Int(v) => Scalar::Int(v),
        Kind::Long(v) => Scalar::Long(v),
        Kind::Float(v) => Scalar::Float(segfmt::value::normalize_f32(v)),
        Kind::Double(v) => Scalar::Double(segfmt::value::normalize_f64(v)),
        Kind::BigDecimal(v) => {
            segfmt::decimal::check(&v).map_err(|e| Error::Plan(format!("an encoded value: {e}")))?;
            Scalar::BigDecimal(v.into())
        }
        Kind::Boolean(v) => Scalar::Boolean(v),
        Kind::Timestamp(v) => Scalar::Timestamp(v),
        Kind::String(v) => Scalar::String(v.into()),
        Kind::Json(v) => Scalar::Json(v.into()),
        Kind::Bytes(v) => Scalar::Bytes(v.into()),
        Kind::List(_) => return Err(Error::Plan("a list where a single value is due".into())),
    })
}
