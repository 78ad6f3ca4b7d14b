//! The value hash: one function for cross-segment group-by, DISTINCT, joins and bloom filters
//! (E-13). Part of the format, so it never changes: XXH3-64 with seed 0 over the bytes of a
//! byte string, over the 8 little-endian bytes of an integer (INT, LONG, TIMESTAMP and BOOLEAN
//! as `i64`), over the 8 little-endian bytes of a number (FLOAT widened to `f64`, normalized).

use xxhash_rust::xxh3::xxh3_64;

use crate::value::{ScalarRef, normalize_f64};

/// Hash of a STRING, JSON, BYTES or BIG_DECIMAL (canonical bytes) value.
#[inline]
pub fn hash_bytes(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// Hash of an INT, LONG, TIMESTAMP or BOOLEAN value.
#[inline]
pub fn hash_i64(v: i64) -> u64 {
    xxh3_64(&v.to_le_bytes())
}

/// Hash of a FLOAT (widened) or DOUBLE value.
#[inline]
pub fn hash_f64(v: f64) -> u64 {
    xxh3_64(&normalize_f64(v).to_bits().to_le_bytes())
}

/// Hash of any value.
#[inline]
pub fn value_hash(v: ScalarRef<'_>) -> u64 {
    match v {
        ScalarRef::Int(v) => hash_i64(v),
        ScalarRef::Float(v) => hash_f64(v),
        ScalarRef::Bytes(v) => hash_bytes(v),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers of XXH3-64: if these change, files written before cannot be joined.
    #[test]
    fn never_changes() {
        assert_eq!(hash_bytes(b""), 0x2d06_8005_38d3_94c2);
        assert_eq!(hash_f64(-0.0), hash_f64(0.0));
        assert_eq!(hash_f64(f64::NAN), hash_f64(-f64::NAN));
        assert_eq!(value_hash(ScalarRef::Int(7)), hash_bytes(&7i64.to_le_bytes()));
    }
}
