//! Bloom filter: says for sure that a column does not hold a value.
//!
//! Split blocks as in Parquet: a value sets one bit in each of the eight 32-bit words of one
//! 32-byte block, so a look-up touches one cache line. Hashes are [`crate::value_hash`].

use super::{HEADER, header};
use crate::buffer::{self, PAGE_ALIGN};
use crate::error::{Error, Result};
use crate::hash::value_hash;
use crate::value::ScalarRef;

const SALT: [u32; 8] =
    [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];

/// A filter over the bytes of its region.
#[derive(Debug, Clone, Copy)]
pub struct BloomFilter<'a> {
    blocks: &'a [[u32; 8]],
}

fn place(hash: u64, blocks: usize) -> (usize, [u32; 8]) {
    let block = ((hash >> 32) * blocks as u64) >> 32;
    (block as usize, SALT.map(|salt| 1 << ((hash as u32).wrapping_mul(salt) >> 27)))
}

impl<'a> BloomFilter<'a> {
    /// Opens a `Bloom` region.
    ///
    /// # Errors
    /// When its length does not fit its header.
    pub fn open(bytes: &'a [u8]) -> Result<Self> {
        Self::parse(bytes).map_err(|e| e.in_region("bloom filter"))
    }

    fn parse(bytes: &'a [u8]) -> Result<Self> {
        buffer::check_aligned(bytes, PAGE_ALIGN)?;
        let head = buffer::slice(bytes, 0, HEADER as u64, "filter header")?;
        let blocks: &[[u32; 8]] = buffer::cast(&bytes[HEADER..])?;
        if blocks.is_empty() || buffer::u32_at(head, 0) as usize != blocks.len() || !buffer::all_zero(&head[4..]) {
            return Err(Error::corrupt("the filter does not fit its header"));
        }
        Ok(Self { blocks })
    }

    /// False when the column does not hold the value; true when it may.
    pub fn might_contain(&self, value: ScalarRef<'_>) -> bool {
        self.might_contain_hash(value_hash(value))
    }

    /// As [`BloomFilter::might_contain`], for the hash of a value.
    pub fn might_contain_hash(&self, hash: u64) -> bool {
        let (block, bits) = place(hash, self.blocks.len());
        self.blocks[block].iter().zip(bits).all(|(w, b)| w & b != 0)
    }

    /// Bytes of the filter.
    pub const fn bytes(&self) -> usize {
        self.blocks.len() * 32
    }
}

/// Region bytes for hashes of distinct values.
pub(crate) fn encode(hashes: impl ExactSizeIterator<Item = u64>, fpp: f64, max_bytes: u32) -> Result<Vec<u8>> {
    if !(fpp > 0.0 && fpp < 1.0) || max_bytes < 32 {
        return Err(Error::invalid(format!(
            "a bloom filter of false-positive rate {fpp} in {max_bytes} bytes: give a rate between 0 and 1 and at least 32 bytes"
        )));
    }
    let bits = -8.0 * hashes.len() as f64 / (1.0 - fpp.powf(0.125)).ln();
    let blocks = ((bits / 256.0).ceil() as u64).clamp(1, u64::from(max_bytes / 32)) as usize;
    let mut words = vec![[0u32; 8]; blocks];
    for hash in hashes {
        let (block, bits) = place(hash, blocks);
        words[block].iter_mut().zip(bits).for_each(|(w, b)| *w |= b);
    }
    let mut out = header(&[blocks as u32]);
    out.extend_from_slice(bytemuck::cast_slice(&words));
    Ok(out)
}
