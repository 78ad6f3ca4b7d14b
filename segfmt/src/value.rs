//! One value, and how values compare (E-10).
//!
//! Strings order by their UTF-8 bytes, -0.0 is 0.0, NaN has one form, is equal to itself and
//! greater than everything else. `ordered_*` map numbers to `u64` keys of the same order, which
//! is what zone maps and range indexes store.

use std::cmp::Ordering;

use crate::data_type::DataType;
use crate::error::{Error, Result};

/// The one NaN that is stored.
pub const CANONICAL_NAN: f64 = f64::from_bits(0x7ff8_0000_0000_0000);
/// The one NaN of FLOAT.
pub const CANONICAL_NAN_F32: f32 = f32::from_bits(0x7fc0_0000);

/// -0.0 becomes 0.0 and every NaN the canonical one.
#[inline]
pub fn normalize_f64(v: f64) -> f64 {
    if v.is_nan() {
        CANONICAL_NAN
    } else if v == 0.0 {
        0.0
    } else {
        v
    }
}

/// -0.0 becomes 0.0 and every NaN the canonical one.
#[inline]
pub fn normalize_f32(v: f32) -> f32 {
    if v.is_nan() {
        CANONICAL_NAN_F32
    } else if v == 0.0 {
        0.0
    } else {
        v
    }
}

/// Total order: -inf < ... < 0.0 = -0.0 < ... < +inf < NaN = NaN.
#[inline]
pub fn cmp_f64(a: f64, b: f64) -> Ordering {
    ordered_f64(a).cmp(&ordered_f64(b))
}

/// Total order as in [`cmp_f64`].
#[inline]
pub fn cmp_f32(a: f32, b: f32) -> Ordering {
    cmp_f64(f64::from(a), f64::from(b))
}

/// Key of an integer: `a < b` exactly when `ordered_i64(a) < ordered_i64(b)`.
#[inline]
pub const fn ordered_i64(v: i64) -> u64 {
    (v as u64) ^ (1 << 63)
}

/// Inverse of [`ordered_i64`].
#[inline]
pub const fn from_ordered_i64(k: u64) -> i64 {
    (k ^ (1 << 63)) as i64
}

/// Key of a number in the order of [`cmp_f64`]. FLOAT values are widened first.
#[inline]
pub fn ordered_f64(v: f64) -> u64 {
    let bits = normalize_f64(v).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | (1 << 63) }
}

/// Inverse of [`ordered_f64`].
#[inline]
pub fn from_ordered_f64(k: u64) -> f64 {
    f64::from_bits(if k >> 63 == 1 { k & !(1 << 63) } else { !k })
}

/// First eight bytes as a big-endian number, padded with zeros: `a <= b` gives
/// `ordered_prefix(a) <= ordered_prefix(b)`, so that zones of raw byte strings prune safely.
#[inline]
pub fn ordered_prefix(bytes: &[u8]) -> u64 {
    let mut head = [0; 8];
    let n = bytes.len().min(8);
    head[..n].copy_from_slice(&bytes[..n]);
    u64::from_be_bytes(head)
}

/// One value of any type.
#[derive(Debug, Clone)]
pub enum Value {
    /// INT.
    Int(i32),
    /// LONG.
    Long(i64),
    /// FLOAT.
    Float(f32),
    /// DOUBLE.
    Double(f64),
    /// BIG_DECIMAL, canonical bytes.
    BigDecimal(Vec<u8>),
    /// BOOLEAN.
    Boolean(bool),
    /// TIMESTAMP, UTC milliseconds.
    Timestamp(i64),
    /// STRING.
    String(String),
    /// JSON.
    Json(String),
    /// BYTES.
    Bytes(Vec<u8>),
}

impl Value {
    /// The type that the value belongs to.
    pub const fn data_type(&self) -> DataType {
        match self {
            Self::Int(_) => DataType::Int,
            Self::Long(_) => DataType::Long,
            Self::Float(_) => DataType::Float,
            Self::Double(_) => DataType::Double,
            Self::BigDecimal(_) => DataType::BigDecimal,
            Self::Boolean(_) => DataType::Boolean,
            Self::Timestamp(_) => DataType::Timestamp,
            Self::String(_) => DataType::String,
            Self::Json(_) => DataType::Json,
            Self::Bytes(_) => DataType::Bytes,
        }
    }

    /// The value as it is compared and packed, without its logical type.
    pub fn as_scalar(&self) -> ScalarRef<'_> {
        match self {
            Self::Int(v) => ScalarRef::Int(i64::from(*v)),
            Self::Long(v) | Self::Timestamp(v) => ScalarRef::Int(*v),
            Self::Boolean(v) => ScalarRef::Int(i64::from(*v)),
            Self::Float(v) => ScalarRef::Float(f64::from(*v)),
            Self::Double(v) => ScalarRef::Float(*v),
            Self::BigDecimal(v) | Self::Bytes(v) => ScalarRef::Bytes(v),
            Self::String(v) | Self::Json(v) => ScalarRef::Bytes(v.as_bytes()),
        }
    }

    /// Key in zone maps of raw columns: [`ordered_i64`], [`ordered_f64`] or [`ordered_prefix`].
    pub fn ordered_key(&self) -> u64 {
        self.as_scalar().ordered_key()
    }

    /// The order of the column type; `None` between values of different types.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        if self.data_type() != other.data_type() {
            return None;
        }
        Some(match (self.as_scalar(), other.as_scalar()) {
            (ScalarRef::Int(a), ScalarRef::Int(b)) => a.cmp(&b),
            (ScalarRef::Float(a), ScalarRef::Float(b)) => cmp_f64(a, b),
            (ScalarRef::Bytes(a), ScalarRef::Bytes(b)) => a.cmp(b),
            _ => return None,
        })
    }

    /// Pinot's default null value of a type. `metric` chooses the metric's (0) over the dimension's.
    pub fn default_null(data_type: DataType, metric: bool) -> Self {
        match (data_type, metric) {
            (DataType::Int, true) => Self::Int(0),
            (DataType::Int, false) => Self::Int(i32::MIN),
            (DataType::Long, true) => Self::Long(0),
            (DataType::Long, false) => Self::Long(i64::MIN),
            (DataType::Float, true) => Self::Float(0.0),
            (DataType::Float, false) => Self::Float(f32::NEG_INFINITY),
            (DataType::Double, true) => Self::Double(0.0),
            (DataType::Double, false) => Self::Double(f64::NEG_INFINITY),
            (DataType::BigDecimal, _) => Self::BigDecimal(crate::decimal::ZERO.to_vec()),
            (DataType::Boolean, _) => Self::Boolean(false),
            (DataType::Timestamp, _) => Self::Timestamp(0),
            (DataType::String, _) => Self::String("null".to_owned()),
            (DataType::Json, _) => Self::Json("null".to_owned()),
            (DataType::Bytes, _) => Self::Bytes(Vec::new()),
        }
    }

    /// Bytes as they stand in a footer: numbers little-endian in their own width, the rest as is.
    pub(crate) fn to_stored(&self) -> Vec<u8> {
        match self {
            Self::Int(v) => v.to_le_bytes().to_vec(),
            Self::Long(v) | Self::Timestamp(v) => v.to_le_bytes().to_vec(),
            Self::Float(v) => normalize_f32(*v).to_le_bytes().to_vec(),
            Self::Double(v) => normalize_f64(*v).to_le_bytes().to_vec(),
            Self::Boolean(v) => vec![u8::from(*v)],
            Self::BigDecimal(v) | Self::Bytes(v) => v.clone(),
            Self::String(v) | Self::Json(v) => v.as_bytes().to_vec(),
        }
    }

    pub(crate) fn from_stored(data_type: DataType, bytes: &[u8]) -> Result<Self> {
        fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
            bytes
                .try_into()
                .map_err(|_| Error::corrupt(format!("a stored value has {} bytes, {N} expected", bytes.len())))
        }
        fn text(bytes: &[u8]) -> Result<String> {
            String::from_utf8(bytes.to_vec()).map_err(|e| Error::corrupt(format!("a stored text is not UTF-8: {e}")))
        }
        Ok(match data_type {
            DataType::Int => Self::Int(i32::from_le_bytes(fixed(bytes)?)),
            DataType::Long => Self::Long(i64::from_le_bytes(fixed(bytes)?)),
            DataType::Timestamp => Self::Timestamp(i64::from_le_bytes(fixed(bytes)?)),
            DataType::Float => Self::Float(f32::from_le_bytes(fixed(bytes)?)),
            DataType::Double => Self::Double(f64::from_le_bytes(fixed(bytes)?)),
            DataType::Boolean => match fixed::<1>(bytes)? {
                [0] => Self::Boolean(false),
                [1] => Self::Boolean(true),
                [b] => return Err(Error::corrupt(format!("a stored BOOLEAN is {b}"))),
            },
            DataType::BigDecimal => {
                crate::decimal::check(bytes)?;
                Self::BigDecimal(bytes.to_vec())
            }
            DataType::String => Self::String(text(bytes)?),
            DataType::Json => Self::Json(text(bytes)?),
            DataType::Bytes => Self::Bytes(bytes.to_vec()),
        })
    }

    pub(crate) fn from_int(data_type: DataType, v: i64) -> Result<Self> {
        Ok(match data_type {
            DataType::Int => {
                Self::Int(i32::try_from(v).map_err(|_| Error::corrupt(format!("{v} does not fit an INT column")))?)
            }
            DataType::Boolean => Self::Boolean(v != 0),
            DataType::Timestamp => Self::Timestamp(v),
            _ => Self::Long(v),
        })
    }
}

/// Equal when the types are equal and the order says so: NaN equals NaN, 0.0 equals -0.0.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.compare(other) == Some(Ordering::Equal)
    }
}

impl Eq for Value {}

/// A borrowed value in its storage class.
#[derive(Debug, Clone, Copy)]
pub enum ScalarRef<'a> {
    /// INT, LONG, TIMESTAMP, BOOLEAN.
    Int(i64),
    /// FLOAT (widened), DOUBLE.
    Float(f64),
    /// STRING, JSON, BYTES, BIG_DECIMAL.
    Bytes(&'a [u8]),
}

impl ScalarRef<'_> {
    /// See [`Value::ordered_key`].
    pub fn ordered_key(self) -> u64 {
        match self {
            Self::Int(v) => ordered_i64(v),
            Self::Float(v) => ordered_f64(v),
            Self::Bytes(v) => ordered_prefix(v),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn integer_keys_keep_order(a: i64, b: i64) {
            prop_assert_eq!(a.cmp(&b), ordered_i64(a).cmp(&ordered_i64(b)));
            prop_assert_eq!(from_ordered_i64(ordered_i64(a)), a);
        }

        #[test]
        fn float_keys_keep_order(a: f64, b: f64) {
            if let Some(order) = a.partial_cmp(&b) {
                prop_assert_eq!(order, cmp_f64(a, b));
            }
            prop_assert_eq!(from_ordered_f64(ordered_f64(a)).to_bits(), normalize_f64(a).to_bits());
        }

        #[test]
        fn prefixes_never_reverse(a: Vec<u8>, b: Vec<u8>) {
            if a <= b {
                prop_assert!(ordered_prefix(&a) <= ordered_prefix(&b));
            }
        }
    }

    #[test]
    fn zeros_and_nans() {
        assert_eq!(cmp_f64(-0.0, 0.0), Ordering::Equal);
        assert_eq!(cmp_f64(f64::NAN, -f64::NAN), Ordering::Equal);
        assert_eq!(cmp_f64(f64::NAN, f64::INFINITY), Ordering::Greater);
        assert_eq!(normalize_f64(-0.0).to_bits(), 0);
        assert_eq!(normalize_f32(-f32::NAN).to_bits(), CANONICAL_NAN_F32.to_bits());
        assert_eq!(normalize_f64(f64::from(CANONICAL_NAN_F32)).to_bits(), CANONICAL_NAN.to_bits());
    }

    #[test]
    fn stored_values_come_back() {
        for data_type in DataType::ALL {
            for metric in [false, true] {
                let v = Value::default_null(data_type, metric);
                assert_eq!(v.data_type(), data_type);
                assert_eq!(Value::from_stored(data_type, &v.to_stored()).unwrap(), v);
            }
        }
        assert!(Value::from_stored(DataType::Int, &[1, 2, 3]).is_err());
        assert!(Value::from_stored(DataType::Boolean, &[2]).is_err());
        assert!(Value::from_stored(DataType::String, &[0xff]).is_err());
    }
}
