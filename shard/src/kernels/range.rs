//! Which values of a group lie in `lo..=hi`, as a bit mask, compared in the narrowest lane.

#[cfg(target_arch = "x86_64")]
use super::by_width;
use super::unpack::unpack;
use super::{GROUP, GROUP_WORDS, Simd, check_group};

/// Bits of the rows whose value is in `lo..=hi`. `width` is 1 to 32; bounds past it are cut.
pub fn range(simd: Simd, width: u8, group: &[u8], lo: u32, hi: u32, out: &mut [u64; GROUP_WORDS]) {
    check_group(width, group);
    let max = u32::MAX >> (32 - u32::from(width));
    if lo > hi || lo > max {
        *out = [0; GROUP_WORDS];
        return;
    }
    let span = hi.min(max) - lo;
    #[cfg(target_arch = "x86_64")]
    if simd.avx2() {
        // SAFETY: `Simd::avx2` has asked the CPU, and the group's length was checked.
        unsafe {
            match width {
                1..=8 => by_width!(8, width, range8(group, lo as u8, span as u8, out)),
                9..=16 => by_width!(16, width, range16(group, lo as u16, span as u16, out)),
                _ => by_width!(32, width, range32(group, lo, span, out)),
            }
        }
        return;
    }
    let mut values = [0; GROUP];
    unpack(simd, width, group, &mut values);
    for (word, values) in out.iter_mut().zip(values.chunks_exact(64)) {
        *word = values.iter().enumerate().fold(0, |w, (i, v)| w | (u64::from(v.wrapping_sub(lo) <= span) << i));
    }
}

/// Bits of the rows whose value is in `lo..=hi`, for values of 33 to 64 bits already unpacked.
pub fn range_u64(values: &[u64; GROUP], lo: u64, hi: u64, out: &mut [u64; GROUP_WORDS]) {
    let span = hi.wrapping_sub(lo);
    for (word, values) in out.iter_mut().zip(values.chunks_exact(64)) {
        *word =
            values.iter().enumerate().fold(0, |w, (i, v)| w | (u64::from(lo <= hi && v.wrapping_sub(lo) <= span) << i));
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2 {
    use std::arch::x86_64::*;

    /// 32 bytes of word `k` of a group. `half` is 0 or 1.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(in super::super) fn load(group: &[u8], k: usize, half: usize) -> __m256i {
        let bytes = &group[k * 64 + half * 32..k * 64 + half * 32 + 32];
        // SAFETY: `bytes` is 32 bytes long and the load does not need alignment.
        unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
    }

    /// Step `step` of 8-bit lanes: 32 of its 64 values.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(in super::super) fn step8<const W: usize>(group: &[u8], step: usize, half: usize) -> __m256i {
        let (k, shift) = (step * W / 8, step * W % 8);
        let mask = _mm256_set1_epi8((0xffu32 >> (8 - W)) as i8);
        let a = load(group, k, half);
        if W == 8 {
            return a;
        }
        let low = _mm256_srl_epi16(a, _mm_cvtsi32_si128(shift as i32));
        if shift + W <= 8 {
            return _mm256_and_si256(low, mask);
        }
        let keep = _mm256_set1_epi8(((1u32 << (8 - shift)) - 1) as i8);
        let high = _mm256_sll_epi16(load(group, k + 1, half), _mm_cvtsi32_si128(8 - shift as i32));
        let both = _mm256_or_si256(_mm256_and_si256(low, keep), _mm256_andnot_si256(keep, high));
        _mm256_and_si256(both, mask)
    }

    /// Step `step` of 16-bit lanes: 16 of its 32 values.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(in super::super) fn step16<const W: usize>(group: &[u8], step: usize, half: usize) -> __m256i {
        let (k, shift) = (step * W / 16, step * W % 16);
        let mask = _mm256_set1_epi16((0xffffu32 >> (16 - W)) as i16);
        let a = load(group, k, half);
        if W == 16 {
            return a;
        }
        let low = _mm256_srl_epi16(a, _mm_cvtsi32_si128(shift as i32));
        if shift + W <= 16 {
            return _mm256_and_si256(low, mask);
        }
        let high = _mm256_sll_epi16(load(group, k + 1, half), _mm_cvtsi32_si128(16 - shift as i32));
        _mm256_and_si256(_mm256_or_si256(low, high), mask)
    }

    /// Step `step` of 32-bit lanes: 8 of its 16 values.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(in super::super) fn step32<const W: usize>(group: &[u8], step: usize, half: usize) -> __m256i {
        let (k, shift) = (step * W / 32, step * W % 32);
        let mask = _mm256_set1_epi32((u32::MAX >> (32 - W)) as i32);
        let a = load(group, k, half);
        if W == 32 {
            return a;
        }
        let low = _mm256_srl_epi32(a, _mm_cvtsi32_si128(shift as i32));
        if shift + W <= 32 {
            return _mm256_and_si256(low, mask);
        }
        let high = _mm256_sll_epi32(load(group, k + 1, half), _mm_cvtsi32_si128(32 - shift as i32));
        _mm256_and_si256(_mm256_or_si256(low, high), mask)
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn range8<const W: usize>(group: &[u8], lo: u8, span: u8, out: &mut [u64; GROUP_WORDS]) {
    use std::arch::x86_64::*;
    let (lo, span) = (_mm256_set1_epi8(lo as i8), _mm256_set1_epi8(span as i8));
    for (step, word) in out.iter_mut().enumerate() {
        let mut bits = 0;
        for half in 0..2 {
            let above = _mm256_sub_epi8(avx2::step8::<W>(group, step, half), lo);
            let inside = _mm256_cmpeq_epi8(_mm256_min_epu8(above, span), above);
            bits |= u64::from(_mm256_movemask_epi8(inside) as u32) << (32 * half);
        }
        *word = bits;
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn range16<const W: usize>(group: &[u8], lo: u16, span: u16, out: &mut [u64; GROUP_WORDS]) {
    use std::arch::x86_64::*;
    let (lo, span) = (_mm256_set1_epi16(lo as i16), _mm256_set1_epi16(span as i16));
    let inside = |step: usize, half: usize| {
        let above = _mm256_sub_epi16(avx2::step16::<W>(group, step, half), lo);
        _mm256_cmpeq_epi16(_mm256_min_epu16(above, span), above)
    };
    for (i, word) in out.iter_mut().enumerate() {
        let mut bits = 0;
        for part in 0..2 {
            let step = i * 2 + part;
            let packed = _mm256_packs_epi16(inside(step, 0), inside(step, 1));
            let ordered = _mm256_permute4x64_epi64::<0b11_01_10_00>(packed);
            bits |= u64::from(_mm256_movemask_epi8(ordered) as u32) << (32 * part);
        }
        *word = bits;
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn range32<const W: usize>(group: &[u8], lo: u32, span: u32, out: &mut [u64; GROUP_WORDS]) {
    use std::arch::x86_64::*;
    let (lo, span) = (_mm256_set1_epi32(lo as i32), _mm256_set1_epi32(span as i32));
    for (i, word) in out.iter_mut().enumerate() {
        let mut bits = 0;
        for part in 0..8 {
            let above = _mm256_sub_epi32(avx2::step32::<W>(group, i * 4 + part / 2, part % 2), lo);
            let inside = _mm256_cmpeq_epi32(_mm256_min_epu32(above, span), above);
            bits |= u64::from(_mm256_movemask_ps(_mm256_castsi256_ps(inside)) as u32) << (8 * part);
        }
        *word = bits;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{packed, values};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equals_a_comparison_of_each_value((width, values) in values(32), a: u32, b: u32, near: bool) {
            let max = u32::MAX >> (32 - u32::from(width));
            // Bounds inside the width's range half of the time, so that masks are mixed.
            let (lo, hi) = if near { (a & max, b & max) } else { (a, b) };
            let group = packed(width, &values);
            for simd in [Simd::Avx2, Simd::Portable] {
                let mut out = [7; GROUP_WORDS];
                range(simd, width, &group, lo, hi, &mut out);
                for (i, v) in values.iter().enumerate() {
                    let expected = u64::from(lo) <= *v && *v <= u64::from(hi);
                    prop_assert_eq!(out[i / 64] >> (i % 64) & 1 == 1, expected, "{:?} row {} value {} in {}..={}", simd, i, v, lo, hi);
                }
            }
        }

        #[test]
        fn wide_values_compare_too(values in proptest::collection::vec(any::<u64>(), 512), lo: u64, hi: u64) {
            let values: [u64; GROUP] = values.try_into().unwrap();
            let mut out = [7; GROUP_WORDS];
            range_u64(&values, lo, hi, &mut out);
            for (i, v) in values.iter().enumerate() {
                prop_assert_eq!(out[i / 64] >> (i % 64) & 1 == 1, lo <= *v && *v <= hi);
            }
        }
    }
}
