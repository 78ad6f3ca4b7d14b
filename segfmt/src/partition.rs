//! Pinot's partition functions: which partition of a table or stream a value belongs to.

use crate::data_type::DataType;
use crate::error::{Error, Result};
use crate::value::Value;

/// A partition function, under Pinot's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PartitionFunction {
    /// Murmur2, as Kafka's default partitioner.
    Murmur,
    /// Murmur3, 32 bits for x86, seed 0.
    Murmur3,
    /// The integer modulo the number of partitions.
    Modulo,
    /// Java's `String.hashCode`.
    HashCode,
    /// Java's `Arrays.hashCode` of the bytes.
    ByteArray,
}

/// Function and number of partitions of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionSpec {
    /// The function.
    pub function: PartitionFunction,
    /// Number of partitions, at least 1.
    pub partitions: u32,
}

impl PartitionFunction {
    /// All functions.
    pub const ALL: [Self; 5] = [Self::Murmur, Self::Murmur3, Self::Modulo, Self::HashCode, Self::ByteArray];

    /// Pinot's name.
    pub const fn pinot_name(self) -> &'static str {
        match self {
            Self::Murmur => "Murmur",
            Self::Murmur3 => "Murmur3",
            Self::Modulo => "Modulo",
            Self::HashCode => "HashCode",
            Self::ByteArray => "ByteArray",
        }
    }

    /// The function of a Pinot name, in any case; `Murmur2` is `Murmur`.
    pub fn from_pinot_name(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("Murmur2") {
            return Some(Self::Murmur);
        }
        Self::ALL.into_iter().find(|f| f.pinot_name().eq_ignore_ascii_case(name))
    }

    /// Whether values of a type can be partitioned by it.
    pub const fn accepts(self, data_type: DataType) -> bool {
        match self {
            Self::Modulo => matches!(data_type, DataType::Int | DataType::Long | DataType::Timestamp),
            _ => !matches!(data_type, DataType::Float | DataType::Double),
        }
    }

    /// Partition of a value: `0..partitions`.
    ///
    /// # Errors
    /// When there are no partitions or the function does not take values of that type.
    pub fn partition(self, value: &Value, partitions: u32) -> Result<u32> {
        let n = i32::try_from(partitions).ok().filter(|n| *n > 0).ok_or_else(|| {
            Error::invalid(format!("{partitions} partitions: give a number between 1 and {}", i32::MAX))
        })?;
        if !self.accepts(value.data_type()) {
            return Err(Error::invalid(format!(
                "partition function {} does not take {} values",
                self.pinot_name(),
                value.data_type()
            )));
        }
        let partition = match self {
            Self::Murmur => (murmur2(text(value)?.as_bytes()) & 0x7fff_ffff) % partitions,
            Self::Murmur3 => (murmur3(text(value)?.as_bytes()) & 0x7fff_ffff) % partitions,
            Self::Modulo => {
                let (Value::Int(_) | Value::Long(_) | Value::Timestamp(_)) = value else {
                    return Err(Error::invalid("Modulo takes integers"));
                };
                let crate::value::ScalarRef::Int(v) = value.as_scalar() else {
                    return Err(Error::invalid("Modulo takes integers"));
                };
                v.rem_euclid(i64::from(n)) as u32
            }
            Self::HashCode => {
                let units = text(value)?;
                let hash = units.encode_utf16().fold(0i32, |h, u| h.wrapping_mul(31).wrapping_add(i32::from(u)));
                java_abs(hash) % partitions
            }
            Self::ByteArray => {
                let bytes = text(value)?;
                let hash = bytes.bytes().fold(1i32, |h, b| h.wrapping_mul(31).wrapping_add(i32::from(b as i8)));
                java_abs(hash) % partitions
            }
        };
        Ok(partition)
    }
}

/// Absolute value; 0 for the one integer that has none.
fn java_abs(v: i32) -> u32 {
    if v == i32::MIN { 0 } else { v.unsigned_abs() }
}

/// The text that Pinot hashes.
fn text(value: &Value) -> Result<String> {
    Ok(match value {
        Value::Int(v) => v.to_string(),
        Value::Long(v) | Value::Timestamp(v) => v.to_string(),
        Value::Boolean(v) => v.to_string(),
        Value::String(v) | Value::Json(v) => v.clone(),
        Value::Bytes(v) => v.iter().map(|b| format!("{b:02x}")).collect(),
        Value::BigDecimal(v) => crate::decimal::to_plain_string(v)?,
        Value::Float(_) | Value::Double(_) => {
            return Err(Error::invalid("floating-point values have no partition"));
        }
    })
}

/// Murmur2, 32 bits, with Kafka's seed.
pub fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut h = 0x9747_b28c ^ data.len() as u32;
    let (words, rest) = data.as_chunks::<4>();
    for w in words {
        let mut k = u32::from_le_bytes(*w).wrapping_mul(M);
        k ^= k >> 24;
        h = h.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        for (i, b) in rest.iter().enumerate() {
            h ^= u32::from(*b) << (8 * i);
        }
        h = h.wrapping_mul(M);
    }
    h ^= h >> 13;
    h = h.wrapping_mul(M);
    h ^ (h >> 15)
}

/// Murmur3, 32 bits for x86, seed 0.
pub fn murmur3(data: &[u8]) -> u32 {
    let scramble = |k: u32| k.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let mut h = 0u32;
    let (words, rest) = data.as_chunks::<4>();
    for w in words {
        h = (h ^ scramble(u32::from_le_bytes(*w))).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    if !rest.is_empty() {
        let k = rest.iter().enumerate().fold(0, |k, (i, b)| k | u32::from(*b) << (8 * i));
        h ^= scramble(k);
    }
    h ^= data.len() as u32;
    h = (h ^ (h >> 16)).wrapping_mul(0x85eb_ca6b);
    h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
    h ^ (h >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kafka's own test vectors for murmur2 (UtilsTest.testMurmur2), and Murmur3's.
    #[test]
    fn known_answers() {
        for (text, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(text.as_bytes()) as i32, hash, "{text}");
        }
        assert_eq!(murmur3(b""), 0);
        assert_eq!(murmur3(b"test"), 0xba6b_d213);
        assert_eq!(murmur3(b"Hello, world!"), 0xc036_3e43);
    }

    #[test]
    fn partitions() {
        let string = |s: &str| Value::String(s.to_owned());
        assert_eq!(PartitionFunction::HashCode.partition(&string("hello"), 7).unwrap(), 99_162_322 % 7);
        assert_eq!(PartitionFunction::Modulo.partition(&Value::Int(-3), 5).unwrap(), 2);
        assert_eq!(PartitionFunction::Modulo.partition(&Value::Long(13), 5).unwrap(), 3);
        assert!(PartitionFunction::Modulo.partition(&string("13"), 5).is_err());
        assert!(PartitionFunction::Murmur.partition(&Value::Double(1.0), 5).is_err());
        assert!(PartitionFunction::Murmur.partition(&string("x"), 0).is_err());
        assert_eq!(PartitionFunction::from_pinot_name("murmur"), Some(PartitionFunction::Murmur));
    }
}
