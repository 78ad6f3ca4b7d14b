//! The values of selected rows of a packed vector.

use super::unpack::unpack;
use super::{GROUP, Simd};
use segfmt::encoding::packed::{Packed, WORD};

/// From this many selected rows of a group on, unpacking all of it is cheaper than reading them one by one.
const WHOLE_GROUP: usize = 96;

/// `out[i]` becomes value `rows[i]`; `rows` ascend. Width at most 32.
///
/// # Panics
/// When a row is not in the vector.
pub fn gather(simd: Simd, packed: &Packed<'_>, rows: &[u32], out: &mut Vec<u32>) {
    out.clear();
    out.reserve(rows.len());
    match packed.width() {
        // Lanes without gaps are an array.
        8 => out.extend(rows.iter().map(|r| u32::from(packed.bytes()[*r as usize]))),
        16 => each::<u16>(packed, rows, out, |words, row| u32::from(words[row])),
        32 => each::<u32>(packed, rows, out, |words, row| words[row]),
        1..8 => by_group(simd, packed, rows, out, |rows, out| few::<u8>(simd, packed, rows, out)),
        9..16 => by_group(simd, packed, rows, out, |rows, out| few::<u16>(simd, packed, rows, out)),
        _ => by_group(simd, packed, rows, out, |rows, out| few::<u32>(simd, packed, rows, out)),
    }
}

/// Some rows of a group, eight at a time where the CPU can.
#[inline]
fn few<T: bytemuck::AnyBitPattern + bytemuck::NoUninit + Into<u64>>(
    simd: Simd,
    packed: &Packed<'_>,
    rows: &[u32],
    out: &mut Vec<u32>,
) {
    #[cfg(target_arch = "x86_64")]
    let rows = {
        let last_group = packed.len().saturating_sub(1) / GROUP * GROUP;
        // A load is four bytes wide: in the last group it could end behind the vector.
        if simd.avx2() && rows.last().is_some_and(|r| (*r as usize) < last_group) && packed.bytes().len() < 1 << 30 {
            let whole = rows.len() / 8 * 8;
            // SAFETY: `Simd::avx2` has asked the CPU; `last_group` is a row of the vector with a group before it.
            unsafe { avx2::<T>(packed, &rows[..whole], last_group as u32 - 1, out) };
            &rows[whole..]
        } else {
            rows
        }
    };
    let _ = simd;
    lanes::<T>(packed, rows, out);
}

/// [`lanes`] for eight rows at once, none of them above `last`, which lies before the last group. A row above it reads the
/// value of `last` instead.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2<T>(packed: &Packed<'_>, rows: &[u32], last: u32, out: &mut Vec<u32>) {
    use std::arch::x86_64::*;
    let size_log = size_of::<T>().trailing_zeros() as i32;
    let (bits_log, lanes_log) = (size_log + 3, 6 - size_log);
    let shift = |v: i32| _mm_cvtsi32_si128(v);
    let set = |v: i32| _mm256_set1_epi32(v);
    let width = i32::from(packed.width());
    let base = packed.bytes().as_ptr().cast::<i32>();
    for eight in rows.chunks_exact(8) {
        // SAFETY: `eight` is 32 bytes long; the load does not need alignment.
        let row = unsafe { _mm256_loadu_si256(eight.as_ptr().cast()) };
        let row = _mm256_min_epu32(row, set(last as i32));
        let group = _mm256_srli_epi32::<9>(row);
        let row = _mm256_and_si256(row, set(GROUP as i32 - 1));
        let lane = _mm256_and_si256(row, set((1 << lanes_log) - 1));
        // Below 2^16: 16-bit products are enough.
        let bit = _mm256_mullo_epi16(_mm256_srl_epi32(row, shift(lanes_log)), set(width));
        let start = _mm256_add_epi32(
            _mm256_mullo_epi32(group, set(width * WORD as i32)),
            _mm256_sll_epi32(lane, shift(size_log)),
        );
        let word =
            |bit: __m256i| _mm256_add_epi32(start, _mm256_slli_epi32::<6>(_mm256_srl_epi32(bit, shift(bits_log))));
        let (low, high) = (word(bit), word(_mm256_add_epi32(bit, set(width - 1))));
        // SAFETY: both words of a row at most `last` lie in its group, and a whole group follows: four bytes from there on are
        // inside the packed bytes.
        let (low, high) = unsafe { (_mm256_i32gather_epi32::<1>(base, low), _mm256_i32gather_epi32::<1>(base, high)) };
        let cut = _mm256_and_si256(bit, set((1 << bits_log) - 1));
        let value = if size_log == 2 {
            // A shift by 32 gives 0.
            let above = _mm256_sllv_epi32(high, _mm256_sub_epi32(set(32), cut));
            _mm256_or_si256(_mm256_srlv_epi32(low, cut), above)
        } else {
            let own = set((1 << (1 << bits_log)) - 1);
            let above = _mm256_sll_epi32(_mm256_and_si256(high, own), shift(1 << bits_log));
            _mm256_srlv_epi32(_mm256_or_si256(_mm256_and_si256(low, own), above), cut)
        };
        let value = _mm256_and_si256(value, set(packed.mask() as i32));
        let mut values = [0u32; 8];
        // SAFETY: `values` is 32 bytes long; the store does not need alignment.
        unsafe { _mm256_storeu_si256(values.as_mut_ptr().cast(), value) };
        out.extend_from_slice(&values);
    }
}

/// Whole groups where many of their rows are wanted, `few` for the rows of the others.
#[inline]
fn by_group(simd: Simd, packed: &Packed<'_>, rows: &[u32], out: &mut Vec<u32>, few: impl Fn(&[u32], &mut Vec<u32>)) {
    let mut rest = rows;
    let mut values = [0; GROUP];
    while let Some(first) = rest.first() {
        let group = *first as usize / GROUP;
        let end = (group + 1) * GROUP;
        // Ascending: if the row this far on is of the group, so are all before it.
        if rest.get(WHOLE_GROUP - 1).is_none_or(|r| *r as usize >= end) {
            let n = rest.iter().take(WHOLE_GROUP).position(|r| *r as usize >= end).unwrap_or(rest.len());
            few(&rest[..n], out);
            rest = &rest[n..];
            continue;
        }
        let n = rest.iter().take(GROUP).position(|r| *r as usize >= end).unwrap_or(rest.len().min(GROUP));
        unpack(simd, packed.width(), packed.group(group), &mut values);
        out.extend(rest[..n].iter().map(|r| values[*r as usize % GROUP]));
        rest = &rest[n..];
    }
}

/// The packed words as lanes; a copy where they are not aligned.
#[inline]
fn each<T: bytemuck::AnyBitPattern + bytemuck::NoUninit>(
    packed: &Packed<'_>,
    rows: &[u32],
    out: &mut Vec<u32>,
    value: impl Fn(&[T], usize) -> u32,
) {
    match bytemuck::try_cast_slice::<u8, T>(packed.bytes()) {
        Ok(words) => out.extend(rows.iter().map(|r| value(words, *r as usize))),
        Err(_) => out.extend(rows.iter().map(|r| packed.get(*r as usize) as u32)),
    }
}

/// Values of a width below the lane's: cut out of the one or two words of the lane that hold them, without a branch.
#[inline]
fn lanes<T: bytemuck::AnyBitPattern + bytemuck::NoUninit + Into<u64>>(
    packed: &Packed<'_>,
    rows: &[u32],
    out: &mut Vec<u32>,
) {
    let (bits, lanes) = (8 * size_of::<T>(), WORD / size_of::<T>());
    let (width, mask) = (packed.width() as usize, packed.mask());
    each::<T>(packed, rows, out, |words, row| {
        let (group, row) = (row / GROUP, row % GROUP);
        let bit = row / lanes * width;
        let lane = &words[group * width * lanes + row % lanes..];
        let low: u64 = lane[bit / bits * lanes].into();
        let high: u64 = lane[(bit + width - 1) / bits * lanes].into();
        (((high << bits | low) >> (bit % bits)) & mask) as u32
    });
}

/// `out[i]` becomes value `first + i` for `len` rows; `first` is a multiple of 512. Width at most 32.
pub fn decode(simd: Simd, packed: &Packed<'_>, first: usize, len: usize, out: &mut Vec<u32>) {
    debug_assert_eq!(first % GROUP, 0, "vectors start at a group");
    out.clear();
    out.resize(len.next_multiple_of(GROUP), 0);
    for (group, chunk) in (first / GROUP..).zip(out.chunks_exact_mut(GROUP)) {
        if let Ok(chunk) = <&mut [u32; GROUP]>::try_from(chunk) {
            unpack(simd, packed.width(), packed.group(group), chunk);
        }
    }
    out.truncate(len);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equals_reading_one_by_one(width in 1u8..=32, seed: u64, picks in proptest::collection::vec(0.0..1.0f64, 0..6), len in 1usize..3000) {
            let mask = u64::MAX >> (64 - u32::from(width));
            let value = |i: usize| (i as u64 + 1).wrapping_mul(seed | 1).rotate_left(17) & mask;
            let mut bytes = Vec::new();
            segfmt::encoding::packed::pack(len, width, value, &mut bytes);
            let packed = Packed::new(width, len, &bytes).unwrap();
            // Each group of 512 rows is picked with a density of its own.
            let rows: Vec<u32> = (0..len as u32)
                .filter(|r| {
                    let density = picks.get(*r as usize / 512).copied().unwrap_or(0.03);
                    f64::from(r.wrapping_mul(2_654_435_761) >> 8) / f64::from(1 << 24) < density
                })
                .collect();
            for simd in [Simd::Avx2, Simd::Portable] {
                let mut out = Vec::new();
                gather(simd, &packed, &rows, &mut out);
                prop_assert_eq!(out.len(), rows.len());
                prop_assert!(rows.iter().zip(&out).all(|(r, v)| value(*r as usize) == u64::from(*v)));
                let first = len / 2 / 512 * 512;
                decode(simd, &packed, first, len - first, &mut out);
                prop_assert!(out.iter().enumerate().all(|(i, v)| value(first + i) == u64::from(*v)));
                prop_assert_eq!(out.len(), len - first);
            }
        }
    }
}
