//! The logical type of a value in a plan, and its Arrow form.

use arrow_schema::{DataType as ArrowType, Field, TimeUnit};
use segfmt::DataType;
use std::fmt;
use std::sync::Arc;

/// A Pinot data type, single- or multi-value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Type {
    pub data: DataType,
    /// A multi-value column or array: the Arrow form is a `List` of the element's form.
    pub multi: bool,
}

impl Type {
    pub const INT: Type = Type::single(DataType::Int);
    pub const LONG: Type = Type::single(DataType::Long);
    pub const FLOAT: Type = Type::single(DataType::Float);
    pub const DOUBLE: Type = Type::single(DataType::Double);
    pub const BIG_DECIMAL: Type = Type::single(DataType::BigDecimal);
    pub const BOOLEAN: Type = Type::single(DataType::Boolean);
    pub const TIMESTAMP: Type = Type::single(DataType::Timestamp);
    pub const STRING: Type = Type::single(DataType::String);
    pub const JSON: Type = Type::single(DataType::Json);
    pub const BYTES: Type = Type::single(DataType::Bytes);

    pub const fn single(data: DataType) -> Type {
        Type { data, multi: false }
    }

    pub const fn multi(data: DataType) -> Type {
        Type { data, multi: true }
    }

    /// The type of one element of a multi-value type; a single-value type is its own element.
    pub const fn element(self) -> Type {
        Type { data: self.data, multi: false }
    }

    /// The Arrow form. BIG_DECIMAL travels as `LargeBinary` in segfmt's canonical encoding, whose byte order is the
    /// numeric order (E-10), so that sorts, groups and joins compare it without knowing it. Nothing else is LargeBinary.
    pub fn arrow(self) -> ArrowType {
        let element = match self.data {
            DataType::Int => ArrowType::Int32,
            DataType::Long => ArrowType::Int64,
            DataType::Float => ArrowType::Float32,
            DataType::Double => ArrowType::Float64,
            DataType::BigDecimal => ArrowType::LargeBinary,
            DataType::Boolean => ArrowType::Boolean,
            DataType::Timestamp => ArrowType::Timestamp(TimeUnit::Millisecond, None),
            DataType::String | DataType::Json => ArrowType::Utf8,
            DataType::Bytes => ArrowType::Binary,
        };
        if self.multi { ArrowType::List(Arc::new(Field::new("item", element, true))) } else { element }
    }

    pub fn is_numeric(self) -> bool {
        !self.multi
            && matches!(
                self.data,
                DataType::Int | DataType::Long | DataType::Float | DataType::Double | DataType::BigDecimal
            )
    }

    pub fn is_integer(self) -> bool {
        !self.multi && matches!(self.data, DataType::Int | DataType::Long)
    }
}

impl fmt::Display for Type {
    /// Pinot's name: `INT`, `STRING_ARRAY`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.data.pinot_name())?;
        if self.multi { f.write_str("_ARRAY") } else { Ok(()) }
    }
}
