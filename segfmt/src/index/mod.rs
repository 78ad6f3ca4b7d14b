//! Indexes and other regions beside pages and dictionary.
//!
//! Each is opened over the bytes of its region, which start on a 64-byte boundary; none copies
//! what it does not need. Except for nulls, all of them are derived from the data and can be
//! built again from it (E-12).

pub mod bloom;
pub mod hashes;
pub mod inverted;
pub mod nulls;
pub mod range;
pub mod sorted;

pub use bloom::BloomFilter;
pub use hashes::ValueHashes;
pub use inverted::InvertedIndex;
pub use nulls::{NullBitmap, NullBlock};
pub use range::{RangeIndex, RangeMatch};
pub use sorted::SortedIndex;

/// Bytes of the header that index regions start with.
pub(crate) const HEADER: usize = 64;

/// A header of 64 bytes with numbers at its start.
pub(crate) fn header(numbers: &[u32]) -> Vec<u8> {
    let mut out: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
    out.resize(HEADER, 0);
    out
}
