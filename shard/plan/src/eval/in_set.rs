//! The list of an IN predicate, prepared for membership tests.

use crate::error::{Error, Result};
use crate::scalar::Scalar;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_schema::DataType as ArrowType;
use segfmt::value::{normalize_f32, normalize_f64};
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

/// Numbers whose span is below this are a bitmap.
const BITMAP_SPAN: i128 = 1 << 16;
/// Up to so many numbers, a binary search beats a hash set.
const SORTED_MAX: usize = 16;

/// One multiplication: enough for integer keys that are not chosen by an adversary of this process; a query's author
/// who makes them collide slows only that query.
#[derive(Debug, Default, Clone, Copy)]
struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for b in bytes {
            self.write_i64(i64::from(*b));
        }
    }
    fn write_i64(&mut self, v: i64) {
        let mixed = (self.0 ^ v as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }
}

type NumberSet = HashSet<i64, BuildHasherDefault<NumberHasher>>;

#[derive(Debug, Clone)]
enum Members {
    Bitmap { base: i64, bits: BooleanBuffer },
    Sorted(Vec<i64>),
    Hashed(NumberSet),
    Bytes(HashSet<Box<[u8]>>),
}

/// The members of an IN list. Floats are members by their normalised bits, so NaN is in a list that holds NaN.
#[derive(Debug, Clone)]
pub struct InSet {
    members: Members,
    /// No match and a NULL member give NULL.
    has_null: bool,
}

impl InSet {
    /// # Errors
    /// When `list` is not a list value.
    pub fn new(list: &Scalar) -> Result<InSet> {
        let values = match list {
            Scalar::List(_, values) => values.as_ref(),
            Scalar::Null(_) => &[],
            other => return Err(Error::Plan(format!("an IN list is a {}, it must be a list", other.ty()))),
        };
        let mut has_null = list.is_null();
        let mut numbers: Vec<i64> = Vec::new();
        let mut bytes: HashSet<Box<[u8]>> = HashSet::new();
        for value in values {
            match value {
                Scalar::Null(_) => has_null = true,
                Scalar::Int(v) => numbers.push(i64::from(*v)),
                Scalar::Long(v) | Scalar::Timestamp(v) => numbers.push(*v),
                Scalar::Boolean(v) => numbers.push(i64::from(*v)),
                Scalar::Float(v) => numbers.push(float_key(*v)),
                Scalar::Double(v) => numbers.push(double_key(*v)),
                Scalar::String(v) | Scalar::Json(v) => {
                    bytes.insert(v.as_bytes().into());
                }
                Scalar::Bytes(v) | Scalar::BigDecimal(v) => {
                    bytes.insert(v.as_ref().into());
                }
                Scalar::List(..) => return Err(Error::Plan("an IN list holds a list".to_owned())),
            }
        }
        let members = if bytes.is_empty() { numbers_of(numbers) } else { Members::Bytes(bytes) };
        Ok(InSet { members, has_null })
    }

    #[inline]
    fn has_number(&self, v: i64) -> bool {
        match &self.members {
            Members::Bitmap { base, bits } => {
                let at = i128::from(v) - i128::from(*base);
                (0..bits.len() as i128).contains(&at) && bits.value(at as usize)
            }
            Members::Sorted(values) => values.binary_search(&v).is_ok(),
            Members::Hashed(values) => values.contains(&v),
            Members::Bytes(_) => false,
        }
    }

    #[inline]
    fn has_bytes(&self, v: &[u8]) -> bool {
        matches!(&self.members, Members::Bytes(set) if set.contains(v))
    }

    /// `array [NOT] IN self`.
    pub fn contains(&self, array: &ArrayRef, negated: bool) -> Result<BooleanArray> {
        let n = array.len();
        let found = match array.data_type() {
            ArrowType::Int32 => {
                let v = array.as_primitive::<Int32Type>().values();
                BooleanBuffer::collect_bool(n, |i| self.has_number(i64::from(v[i])))
            }
            ArrowType::Int64 => {
                let v = array.as_primitive::<Int64Type>().values();
                BooleanBuffer::collect_bool(n, |i| self.has_number(v[i]))
            }
            ArrowType::Timestamp(_, _) => {
                let v = array.as_primitive::<TimestampMillisecondType>().values();
                BooleanBuffer::collect_bool(n, |i| self.has_number(v[i]))
            }
            ArrowType::Float64 => {
                let v = array.as_primitive::<Float64Type>().values();
                BooleanBuffer::collect_bool(n, |i| self.has_number(double_key(v[i])))
            }
            ArrowType::Float32 => {
                let v = array.as_primitive::<Float32Type>().values();
                BooleanBuffer::collect_bool(n, |i| self.has_number(float_key(v[i])))
            }
            ArrowType::Boolean => {
                let v = array.as_boolean();
                BooleanBuffer::collect_bool(n, |i| self.has_number(i64::from(v.value(i))))
            }
            ArrowType::Utf8 => {
                let v = array.as_string::<i32>();
                BooleanBuffer::collect_bool(n, |i| self.has_bytes(v.value(i).as_bytes()))
            }
            ArrowType::Binary => {
                let v = array.as_binary::<i32>();
                BooleanBuffer::collect_bool(n, |i| self.has_bytes(v.value(i)))
            }
            ArrowType::LargeBinary => {
                let v = array.as_binary::<i64>();
                BooleanBuffer::collect_bool(n, |i| self.has_bytes(v.value(i)))
            }
            other => return Err(Error::Plan(format!("IN over Arrow {other}"))),
        };
        // NULL where the row is NULL, and where nothing matches but the list holds NULL.
        let nulls = if self.has_null {
            NullBuffer::union(array.nulls(), Some(&NullBuffer::new(found.clone())))
        } else {
            array.nulls().cloned()
        };
        Ok(BooleanArray::new(if negated { !&found } else { found }, nulls))
    }
}

fn numbers_of(mut numbers: Vec<i64>) -> Members {
    numbers.sort_unstable();
    numbers.dedup();
    let span = match (numbers.first(), numbers.last()) {
        (Some(low), Some(high)) => i128::from(*high) - i128::from(*low) + 1,
        _ => 0,
    };
    if numbers.len() > 2 && span <= BITMAP_SPAN {
        let base = numbers[0];
        let mut bits = arrow_buffer::BooleanBufferBuilder::new(span as usize);
        bits.resize(span as usize);
        for v in numbers {
            bits.set_bit((i128::from(v) - i128::from(base)) as usize, true);
        }
        Members::Bitmap { base, bits: bits.finish() }
    } else if numbers.len() <= SORTED_MAX {
        Members::Sorted(numbers)
    } else {
        Members::Hashed(numbers.into_iter().collect())
    }
}

fn double_key(v: f64) -> i64 {
    normalize_f64(v).to_bits() as i64
}

fn float_key(v: f32) -> i64 {
    i64::from(normalize_f32(v).to_bits())
}
