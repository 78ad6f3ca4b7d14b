//! Packed vectors: fixed-width unsigned numbers in vertical (lane-interleaved) order.
//!
//! A group is 512 values in `width * 64` bytes, that is `width` words of 512 bits. A word is cut
//! into lanes of 8, 16, 32 or 64 bits, the narrowest that holds `width` bits. Row `r` of a group
//! lives in lane `r % lanes` and is step `r / lanes` of that lane; a lane is a little-endian bit
//! stream of `width`-bit numbers over the `width` words. So one step of all lanes is one or two
//! word loads, a shift and a mask on any vector width, row order is kept, and one value is read
//! in O(1). The layout is the same on every CPU; the scalar decoder here defines it and the SIMD
//! kernels of `shard` must agree with it.

use std::ops::Range;

use crate::error::{Error, Result};

/// Values in a group.
pub const GROUP: usize = 512;
/// Bytes of a word (512 bits).
pub const WORD: usize = 64;

/// Bits of a lane for a width: 8, 16, 32 or 64.
#[inline]
pub const fn lane_bits(width: u8) -> u8 {
    match width {
        0..=8 => 8,
        9..=16 => 16,
        17..=32 => 32,
        _ => 64,
    }
}

/// Bytes of `len` packed values: whole groups.
#[inline]
pub const fn packed_bytes(width: u8, len: usize) -> usize {
    len.div_ceil(GROUP) * WORD * width as usize
}

/// Bits that hold `max`; at least 1.
#[inline]
pub const fn bits_for(max: u64) -> u8 {
    if max == 0 { 1 } else { (64 - max.leading_zeros()) as u8 }
}

/// Width that the writer gives to dictionary ids of a column or block whose greatest id is
/// `max_id`: 1, 2, 4 and 8 so that kernels compare whole lanes cheaply, 9 to 12 exact because the
/// memory bus is the limit there, 16 up to 16 bits, exact above.
pub const fn id_width(max_id: u32) -> u8 {
    match bits_for(max_id as u64) {
        1 => 1,
        2 => 2,
        3..=4 => 4,
        5..=8 => 8,
        exact @ 9..=12 => exact,
        13..=16 => 16,
        exact => exact,
    }
}

/// A packed vector over borrowed bytes.
#[derive(Debug, Clone, Copy)]
pub struct Packed<'a> {
    width: u8,
    len: usize,
    bytes: &'a [u8],
}

macro_rules! for_lanes {
    ($width:expr, $T:ident, $LANES:ident, $body:expr) => {
        match lane_bits($width) {
            8 => {
                type $T = u8;
                const $LANES: usize = 64;
                $body
            }
            16 => {
                type $T = u16;
                const $LANES: usize = 32;
                $body
            }
            32 => {
                type $T = u32;
                const $LANES: usize = 16;
                $body
            }
            _ => {
                type $T = u64;
                const $LANES: usize = 8;
                $body
            }
        }
    };
}

impl<'a> Packed<'a> {
    /// Wraps bytes that hold exactly the groups of `len` values of `width` bits.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for a width outside 1..=64 or another number of bytes.
    pub fn new(width: u8, len: usize, bytes: &'a [u8]) -> Result<Self> {
        if !(1..=64).contains(&width) {
            return Err(Error::corrupt(format!("packed width {width} is outside 1..=64")));
        }
        let need = packed_bytes(width, len);
        if bytes.len() != need {
            return Err(Error::corrupt(format!(
                "{len} values of {width} bits take {need} bytes, {} are there",
                bytes.len()
            )));
        }
        Ok(Self { width, len, bytes })
    }

    /// Bits of a value.
    #[inline]
    pub const fn width(&self) -> u8 {
        self.width
    }

    /// Bits of a lane.
    #[inline]
    pub const fn lane_bits(&self) -> u8 {
        lane_bits(self.width)
    }

    /// Lanes in a 512-bit word: values of one step.
    #[inline]
    pub const fn lanes(&self) -> usize {
        512 / lane_bits(self.width) as usize
    }

    /// Number of values.
    #[inline]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of a group.
    #[inline]
    pub const fn group_bytes(&self) -> usize {
        self.width as usize * WORD
    }

    /// All groups, the last one padded with zero values. 64-byte aligned when the page is.
    #[inline]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The bytes of group `g` (rows `g * 512 ..`).
    ///
    /// # Panics
    /// When `g` is past the last group.
    #[inline]
    pub fn group(&self, g: usize) -> &'a [u8] {
        &self.bytes[g * self.group_bytes()..(g + 1) * self.group_bytes()]
    }

    /// Mask of the `width` low bits.
    #[inline]
    pub const fn mask(&self) -> u64 {
        u64::MAX >> (64 - self.width as u32)
    }

    /// One value.
    ///
    /// # Panics
    /// When `i >= len`.
    #[inline]
    #[expect(clippy::useless_conversion, reason = "one of the lane types is u64")]
    pub fn get(&self, i: usize) -> u64 {
        assert!(i < self.len, "value {i} of {}", self.len);
        let group = self.group(i / GROUP);
        let r = i % GROUP;
        let width = u32::from(self.width);
        for_lanes!(self.width, T, LANES, {
            let (lane, bit) = (r % LANES, (r / LANES) as u32 * width);
            let (k, shift) = ((bit / T::BITS) as usize, bit % T::BITS);
            let at = |k: usize| {
                let o = k * WORD + lane * size_of::<T>();
                bytemuck::pod_read_unaligned::<T>(&group[o..o + size_of::<T>()])
            };
            let mut v = at(k) >> shift;
            if shift + width > T::BITS {
                v |= at(k + 1) << (T::BITS - shift);
            }
            u64::from(v) & self.mask()
        })
    }

    /// Calls `f(first_row, values)` for every step that touches `range`, in row order. `values`
    /// are one step's lanes, cut to the range.
    #[inline]
    #[expect(clippy::useless_conversion, reason = "one of the lane types is u64")]
    fn for_steps<V: From32>(&self, range: Range<usize>, mut f: impl FnMut(usize, &[V])) {
        assert!(range.end <= self.len, "rows {range:?} of {}", self.len);
        if range.is_empty() {
            return;
        }
        let width = u32::from(self.width);
        for_lanes!(self.width, T, LANES, {
            let mask = self.mask() as T;
            let mut step = range.start / LANES;
            let last = (range.end - 1) / LANES;
            let mut lanes = [V::default(); LANES];
            while step <= last {
                let group = self.group(step * LANES / GROUP);
                let bit = (step % (GROUP / LANES)) as u32 * width;
                let (k, shift) = ((bit / T::BITS) as usize, bit % T::BITS);
                let word = |k: usize| bytemuck::pod_read_unaligned::<[T; LANES]>(&group[k * WORD..(k + 1) * WORD]);
                let a = word(k);
                if shift + width > T::BITS {
                    let b = word(k + 1);
                    for i in 0..LANES {
                        lanes[i] = V::from_u64(u64::from(((a[i] >> shift) | (b[i] << (T::BITS - shift))) & mask));
                    }
                } else {
                    for i in 0..LANES {
                        lanes[i] = V::from_u64(u64::from((a[i] >> shift) & mask));
                    }
                }
                let first = step * LANES;
                let from = range.start.saturating_sub(first);
                let to = (range.end - first).min(LANES);
                f(first + from, &lanes[from..to]);
                step += 1;
            }
        });
    }

    /// Values `range` into `out`, whose length must be that of the range.
    ///
    /// # Panics
    /// When the range is past the end, the lengths differ, or the width is above 32.
    pub fn decode_u32(&self, range: Range<usize>, out: &mut [u32]) {
        assert!(self.width <= 32, "width {} does not fit u32", self.width);
        assert_eq!(range.len(), out.len());
        let start = range.start;
        self.for_steps::<u32>(range, |row, lanes| out[row - start..row - start + lanes.len()].copy_from_slice(lanes));
    }

    /// Values `range` into `out`, whose length must be that of the range.
    ///
    /// # Panics
    /// When the range is past the end or the lengths differ.
    pub fn decode_u64(&self, range: Range<usize>, out: &mut [u64]) {
        assert_eq!(range.len(), out.len());
        let start = range.start;
        self.for_steps::<u64>(range, |row, lanes| out[row - start..row - start + lanes.len()].copy_from_slice(lanes));
    }

    /// Whether the values past `len` in the last group are zero, as the writer leaves them.
    pub(crate) fn padding_is_zero(&self) -> bool {
        let padded = self.len.next_multiple_of(GROUP);
        let all = Self { len: padded, ..*self };
        (self.len..padded).all(|i| all.get(i) == 0)
    }
}

/// Targets of the decoder.
trait From32: Copy + Default {
    fn from_u64(v: u64) -> Self;
}

impl From32 for u32 {
    #[inline]
    fn from_u64(v: u64) -> Self {
        v as u32
    }
}

impl From32 for u64 {
    #[inline]
    fn from_u64(v: u64) -> Self {
        v
    }
}

/// Appends `len` values of `width` bits, `value(i)` giving each; bits above the width are cut off.
///
/// # Panics
/// When the width is outside 1..=64.
pub fn pack(len: usize, width: u8, value: impl Fn(usize) -> u64, out: &mut Vec<u8>) {
    assert!((1..=64).contains(&width), "packed width {width}");
    let start = out.len();
    out.resize(start + packed_bytes(width, len), 0);
    let bits = u32::from(width);
    let mask = u64::MAX >> (64 - bits);
    for_lanes!(width, T, LANES, {
        let mut words = [[0 as T; LANES]; T::BITS as usize];
        for (g, group) in out[start..].chunks_exact_mut(WORD * usize::from(width)).enumerate() {
            words[..usize::from(width)].fill([0; LANES]);
            for step in 0..GROUP / LANES {
                let first = g * GROUP + step * LANES;
                if first >= len {
                    break;
                }
                let bit = step as u32 * bits;
                let (k, shift) = ((bit / T::BITS) as usize, bit % T::BITS);
                let n = (len - first).min(LANES);
                let mut lanes = [0 as T; LANES];
                for (i, lane) in lanes[..n].iter_mut().enumerate() {
                    *lane = (value(first + i) & mask) as T;
                }
                for (w, lane) in words[k].iter_mut().zip(&lanes) {
                    *w |= lane << shift;
                }
                if shift + bits > T::BITS {
                    for (w, lane) in words[k + 1].iter_mut().zip(&lanes) {
                        *w |= lane >> (T::BITS - shift);
                    }
                }
            }
            for (bytes, word) in group.chunks_exact_mut(WORD).zip(&words) {
                bytes.copy_from_slice(bytemuck::cast_slice(word));
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The layout of SPEC.md, bit by bit, as slowly as it reads there.
    fn reference_get(bytes: &[u8], width: usize, i: usize) -> u64 {
        let lane_bits = [8, 16, 32, 64].into_iter().find(|l| *l >= width).unwrap();
        let lanes = 512 / lane_bits;
        let (group, r) = (i / 512, i % 512);
        let (lane, step) = (r % lanes, r / lanes);
        let mut v = 0;
        for b in 0..width {
            let stream_bit = step * width + b;
            let (word, bit) = (stream_bit / lane_bits, stream_bit % lane_bits);
            let file_bit = (group * width + word) * 512 + lane * lane_bits + bit;
            v |= u64::from(bytes[file_bit / 8] >> (file_bit % 8) & 1) << b;
        }
        v
    }

    proptest! {
        #[test]
        fn agrees_with_the_spec(width in 1u8..=64, values in proptest::collection::vec(any::<u64>(), 0..1300), from in 0usize..1300, n in 0usize..1300) {
            let mask = u64::MAX >> (64 - u32::from(width));
            let mut bytes = Vec::new();
            pack(values.len(), width, |i| values[i], &mut bytes);
            let p = Packed::new(width, values.len(), &bytes).unwrap();
            for (i, v) in values.iter().enumerate() {
                prop_assert_eq!(p.get(i), v & mask);
                prop_assert_eq!(reference_get(&bytes, usize::from(width), i), v & mask);
            }
            let from = from.min(values.len());
            let to = (from + n).min(values.len());
            let mut wide = vec![0; to - from];
            p.decode_u64(from..to, &mut wide);
            let expected: Vec<u64> = values[from..to].iter().map(|v| v & mask).collect();
            prop_assert_eq!(&wide, &expected);
            if width <= 32 {
                let mut narrow = vec![0; to - from];
                p.decode_u32(from..to, &mut narrow);
                prop_assert!(narrow.iter().map(|v| u64::from(*v)).eq(expected));
            }
            prop_assert!(p.padding_is_zero());
        }
    }

    #[test]
    fn refuses_other_lengths() {
        assert!(Packed::new(0, 1, &[]).is_err());
        assert!(Packed::new(65, 0, &[]).is_err());
        assert!(Packed::new(4, 513, &[0; 256]).is_err());
        assert!(Packed::new(4, 512, &[0; 256]).is_ok());
    }

    #[test]
    fn id_widths() {
        let widths: Vec<u8> = [0, 1, 2, 3, 15, 16, 255, 256, 4095, 4096, 65535, 65536, u32::MAX].map(id_width).to_vec();
        assert_eq!(widths, [1, 1, 2, 2, 4, 8, 8, 9, 12, 16, 16, 17, 32]);
    }
}
