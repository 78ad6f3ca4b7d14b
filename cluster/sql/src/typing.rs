//! Between DataFusion's types and values and ours.

use crate::error::{Result, SqlError};
use datafusion::arrow::datatypes::{DataType as ArrowType, Field, TimeUnit};
use datafusion::scalar::ScalarValue;
use segfmt::DataType;
use shard_plan::{Scalar, Type};
use std::sync::Arc;

/// Field metadata that tells JSON from STRING.
pub const TYPE_KEY: &str = "gamay.type";

/// A column of our type.
pub fn field(name: impl Into<String>, ty: Type) -> Field {
    let field = Field::new(name, ty.arrow(), true);
    if ty.data == DataType::Json {
        field.with_metadata([(TYPE_KEY.to_owned(), DataType::Json.pinot_name().to_owned())].into())
    } else {
        field
    }
}

/// Our type of an Arrow field; `None` for an untyped NULL.
pub fn type_of(field: &Field) -> Result<Option<Type>> {
    let Some(ty) = type_of_arrow(field.data_type())? else { return Ok(None) };
    let is_json = field.metadata().get(TYPE_KEY).is_some_and(|v| v == DataType::Json.pinot_name());
    Ok(Some(if is_json && ty.data == DataType::String { Type { data: DataType::Json, multi: ty.multi } } else { ty }))
}

pub fn type_of_arrow(arrow: &ArrowType) -> Result<Option<Type>> {
    let data = match arrow {
        ArrowType::Null => return Ok(None),
        ArrowType::Int8 | ArrowType::Int16 | ArrowType::Int32 | ArrowType::UInt8 | ArrowType::UInt16 => DataType::Int,
        ArrowType::Int64 | ArrowType::UInt32 | ArrowType::UInt64 => DataType::Long,
        ArrowType::Float32 => DataType::Float,
        ArrowType::Float64 => DataType::Double,
        ArrowType::LargeBinary => DataType::BigDecimal,
        ArrowType::Boolean => DataType::Boolean,
        ArrowType::Timestamp(TimeUnit::Millisecond, None) => DataType::Timestamp,
        ArrowType::Utf8 => DataType::String,
        ArrowType::Binary => DataType::Bytes,
        ArrowType::List(item) => {
            return match type_of_arrow(item.data_type())? {
                Some(ty) if !ty.multi => Ok(Some(Type::multi(ty.data))),
                _ => Err(SqlError::planning("an array of arrays has no type here")),
            };
        }
        other => return Err(SqlError::planning(format!("values of type {other} have no type here"))),
    };
    Ok(Some(Type::single(data)))
}

/// A DataFusion literal as our scalar; an untyped NULL is a STRING.
pub fn scalar_of(value: &ScalarValue) -> Option<Scalar> {
    let null = |ty: Type| Some(Scalar::Null(ty));
    match value {
        ScalarValue::Null => null(Type::STRING),
        ScalarValue::Boolean(v) => v.map_or_else(|| null(Type::BOOLEAN), |v| Some(Scalar::Boolean(v))),
        ScalarValue::Int32(v) => v.map_or_else(|| null(Type::INT), |v| Some(Scalar::Int(v))),
        ScalarValue::Int64(v) => v.map_or_else(|| null(Type::LONG), |v| Some(Scalar::Long(v))),
        ScalarValue::UInt64(v) => match v {
            Some(v) => i64::try_from(*v).ok().map(Scalar::Long),
            None => null(Type::LONG),
        },
        ScalarValue::Float32(v) => {
            v.map_or_else(|| null(Type::FLOAT), |v| Some(Scalar::Float(segfmt::value::normalize_f32(v))))
        }
        ScalarValue::Float64(v) => {
            v.map_or_else(|| null(Type::DOUBLE), |v| Some(Scalar::Double(segfmt::value::normalize_f64(v))))
        }
        ScalarValue::Utf8(v) => match v {
            Some(v) => Some(Scalar::String(v.as_str().into())),
            None => null(Type::STRING),
        },
        ScalarValue::Binary(v) => match v {
            Some(v) => Some(Scalar::Bytes(v.as_slice().into())),
            None => null(Type::BYTES),
        },
        ScalarValue::LargeBinary(v) => match v {
            Some(v) => Some(Scalar::BigDecimal(v.as_slice().into())),
            None => null(Type::BIG_DECIMAL),
        },
        ScalarValue::TimestampMillisecond(v, None) => {
            v.map_or_else(|| null(Type::TIMESTAMP), |v| Some(Scalar::Timestamp(v)))
        }
        ScalarValue::List(list) => {
            let ty = type_of_arrow(value.data_type().list_item()?).ok()??;
            if datafusion::arrow::array::Array::is_null(list.as_ref(), 0) {
                return null(Type::multi(ty.data));
            }
            let values = list.value(0);
            let elements = (0..values.len())
                .map(|i| ScalarValue::try_from_array(&values, i).ok().as_ref().and_then(scalar_of))
                .collect::<Option<Vec<_>>>()?;
            Some(Scalar::List(ty.data, elements.into()))
        }
        _ => None,
    }
}

trait ListItem {
    fn list_item(&self) -> Option<&ArrowType>;
}

impl ListItem for ArrowType {
    fn list_item(&self) -> Option<&ArrowType> {
        match self {
            ArrowType::List(item) => Some(item.data_type()),
            _ => None,
        }
    }
}

/// Our scalar as a DataFusion literal.
pub fn literal_of(scalar: &Scalar) -> Result<ScalarValue> {
    Ok(match scalar {
        Scalar::Null(ty) => ScalarValue::try_from(&ty.arrow()).map_err(|e| SqlError::planning(e.to_string()))?,
        Scalar::Int(v) => ScalarValue::Int32(Some(*v)),
        Scalar::Long(v) => ScalarValue::Int64(Some(*v)),
        Scalar::Float(v) => ScalarValue::Float32(Some(*v)),
        Scalar::Double(v) => ScalarValue::Float64(Some(*v)),
        Scalar::BigDecimal(v) => ScalarValue::LargeBinary(Some(v.to_vec())),
        Scalar::Boolean(v) => ScalarValue::Boolean(Some(*v)),
        Scalar::Timestamp(v) => ScalarValue::TimestampMillisecond(Some(*v), None),
        Scalar::String(v) | Scalar::Json(v) => ScalarValue::Utf8(Some(v.to_string())),
        Scalar::Bytes(v) => ScalarValue::Binary(Some(v.to_vec())),
        Scalar::List(data, elements) => {
            let values = elements.iter().map(literal_of).collect::<Result<Vec<_>>>()?;
            ScalarValue::List(ScalarValue::new_list_nullable(&values, &Type::single(*data).arrow()))
        }
    })
}

/// An array of the exact Arrow form of `ty`: DataFusion counts rows as UInt64, and so on.
pub fn conform(
    array: &Arc<dyn datafusion::arrow::array::Array>,
    ty: Type,
) -> Result<Arc<dyn datafusion::arrow::array::Array>> {
    let wanted = ty.arrow();
    if array.data_type() == &wanted {
        return Ok(array.clone());
    }
    datafusion::arrow::compute::cast(array, &wanted).map_err(|e| SqlError::execution(e.to_string()))
}
