//! The types that a column can have, under Pinot's names.

use std::fmt;

/// Type of one value of a column. Whether the column holds one or many values a row is kept
/// beside it (`multi_value`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DataType {
    /// 32-bit signed integer.
    Int,
    /// 64-bit signed integer.
    Long,
    /// 32-bit IEEE 754 number.
    Float,
    /// 64-bit IEEE 754 number.
    Double,
    /// Decimal number of any precision, in the canonical bytes of [`crate::decimal`].
    BigDecimal,
    /// 0 or 1.
    Boolean,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    Timestamp,
    /// UTF-8 text.
    String,
    /// JSON text, UTF-8, as written.
    Json,
    /// Any bytes.
    Bytes,
}

impl DataType {
    /// All types, in the order of their stored numbers.
    pub const ALL: [Self; 10] = [
        Self::Int,
        Self::Long,
        Self::Float,
        Self::Double,
        Self::BigDecimal,
        Self::Boolean,
        Self::Timestamp,
        Self::String,
        Self::Json,
        Self::Bytes,
    ];

    /// Pinot's name: `INT`, `BIG_DECIMAL`, ...
    pub const fn pinot_name(self) -> &'static str {
        match self {
            Self::Int => "INT",
            Self::Long => "LONG",
            Self::Float => "FLOAT",
            Self::Double => "DOUBLE",
            Self::BigDecimal => "BIG_DECIMAL",
            Self::Boolean => "BOOLEAN",
            Self::Timestamp => "TIMESTAMP",
            Self::String => "STRING",
            Self::Json => "JSON",
            Self::Bytes => "BYTES",
        }
    }

    /// The type of that Pinot name, in any case.
    pub fn from_pinot_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.pinot_name().eq_ignore_ascii_case(name))
    }

    /// The number that stands for the type in a file.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Int => 1,
            Self::Long => 2,
            Self::Float => 3,
            Self::Double => 4,
            Self::BigDecimal => 5,
            Self::Boolean => 6,
            Self::Timestamp => 7,
            Self::String => 8,
            Self::Json => 9,
            Self::Bytes => 10,
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.code() == code)
    }

    /// What its values are stored as.
    pub const fn physical(self) -> Physical {
        match self {
            Self::Int | Self::Long | Self::Timestamp | Self::Boolean => Physical::Int,
            Self::Float | Self::Double => Physical::Float,
            Self::BigDecimal | Self::String | Self::Json | Self::Bytes => Physical::Var,
        }
    }

    /// Bytes of one stored value, for types of fixed width.
    pub const fn fixed_width(self) -> Option<usize> {
        match self {
            Self::Boolean => Some(1),
            Self::Int | Self::Float => Some(4),
            Self::Long | Self::Timestamp | Self::Double => Some(8),
            Self::BigDecimal | Self::String | Self::Json | Self::Bytes => None,
        }
    }

    /// INT, LONG, FLOAT, DOUBLE, BIG_DECIMAL.
    pub const fn is_numeric(self) -> bool {
        matches!(self, Self::Int | Self::Long | Self::Float | Self::Double | Self::BigDecimal)
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.pinot_name())
    }
}

/// The three storage classes of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Physical {
    /// INT, LONG, TIMESTAMP, BOOLEAN: handled as `i64`.
    Int,
    /// FLOAT, DOUBLE: handled as `f64`.
    Float,
    /// STRING, JSON, BYTES, BIG_DECIMAL: byte strings, compared by `memcmp`.
    Var,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_codes_come_back() {
        for t in DataType::ALL {
            assert_eq!(DataType::from_pinot_name(t.pinot_name()), Some(t));
            assert_eq!(DataType::from_pinot_name(&t.pinot_name().to_lowercase()), Some(t));
            assert_eq!(DataType::from_code(t.code()), Some(t));
        }
        assert_eq!(DataType::from_pinot_name("VARCHAR"), None);
        assert_eq!(DataType::from_code(0), None);
        assert_eq!(DataType::from_code(11), None);
    }
}
