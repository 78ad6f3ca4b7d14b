//! One value of a plan: a literal, a bound parameter, a default.

use crate::types::Type;
use segfmt::DataType;
use std::sync::Arc;

/// A typed value. Floats are normalised (one NaN, no negative zero; E-10) by whoever makes them.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    Null(Type),
    Int(i32),
    Long(i64),
    Float(f32),
    Double(f64),
    /// segfmt's canonical decimal bytes.
    BigDecimal(Arc<[u8]>),
    Boolean(bool),
    /// UTC milliseconds since 1970.
    Timestamp(i64),
    String(Arc<str>),
    Json(Arc<str>),
    Bytes(Arc<[u8]>),
    /// Elements of one single-value type; `Null` elements allowed (an IN list may hold NULL).
    List(DataType, Arc<[Scalar]>),
}

impl Scalar {
    pub fn ty(&self) -> Type {
        match self {
            Scalar::Null(ty) => *ty,
            Scalar::Int(_) => Type::INT,
            Scalar::Long(_) => Type::LONG,
            Scalar::Float(_) => Type::FLOAT,
            Scalar::Double(_) => Type::DOUBLE,
            Scalar::BigDecimal(_) => Type::BIG_DECIMAL,
            Scalar::Boolean(_) => Type::BOOLEAN,
            Scalar::Timestamp(_) => Type::TIMESTAMP,
            Scalar::String(_) => Type::STRING,
            Scalar::Json(_) => Type::JSON,
            Scalar::Bytes(_) => Type::BYTES,
            Scalar::List(data, _) => Type::multi(*data),
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Scalar::Null(_))
    }
}
