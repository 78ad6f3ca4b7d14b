//! Sum of the values of a group under a row mask, in the lanes they are packed in.

#[cfg(target_arch = "x86_64")]
use super::by_width;
use super::unpack::unpack;
use super::{GROUP, GROUP_WORDS, Simd, check_group};

/// Sum of the values whose bit is set. `width` is 1 to 32: the sum fits 41 bits.
pub fn masked_sum(simd: Simd, width: u8, group: &[u8], mask: &[u64; GROUP_WORDS]) -> u64 {
    check_group(width, group);
    #[cfg(target_arch = "x86_64")]
    if simd.avx2() {
        // SAFETY: `Simd::avx2` has asked the CPU, and the group's length was checked.
        return unsafe {
            match width {
                1..=8 => by_width!(8, width, sum8(group, mask)),
                9..=16 => by_width!(16, width, sum16(group, mask)),
                _ => by_width!(32, width, sum32(group, mask)),
            }
        };
    }
    let mut values = [0; GROUP];
    unpack(simd, width, group, &mut values);
    values.iter().enumerate().map(|(i, v)| u64::from(*v) * (mask[i / 64] >> (i % 64) & 1)).sum()
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::*;

    /// Sum of four 64-bit lanes.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn total(v: __m256i) -> u64 {
        let pair = _mm_add_epi64(_mm256_castsi256_si128(v), _mm256_extracti128_si256::<1>(v));
        (_mm_cvtsi128_si64(pair) as u64).wrapping_add(_mm_extract_epi64::<1>(pair) as u64)
    }

    /// Eight 32-bit lanes as four 64-bit sums.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn widen(v: __m256i) -> __m256i {
        _mm256_add_epi64(_mm256_and_si256(v, _mm256_set1_epi64x(0xffff_ffff)), _mm256_srli_epi64::<32>(v))
    }
}

#[cfg(target_arch = "x86_64")]
use super::range::avx2::{step8, step16, step32};

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn sum8<const W: usize>(group: &[u8], mask: &[u64; GROUP_WORDS]) -> u64 {
    use std::arch::x86_64::*;
    let spread = _mm256_setr_epi8(
        0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3,
    );
    let bits = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64 as i64);
    let mut sum = _mm256_setzero_si256();
    for (step, word) in mask.iter().enumerate() {
        for half in 0..2 {
            let here = _mm256_set1_epi32((word >> (32 * half)) as i32);
            let chosen = _mm256_and_si256(_mm256_shuffle_epi8(here, spread), bits);
            let chosen = _mm256_cmpeq_epi8(chosen, bits);
            let v = _mm256_and_si256(step8::<W>(group, step, half), chosen);
            sum = _mm256_add_epi64(sum, _mm256_sad_epu8(v, _mm256_setzero_si256()));
        }
    }
    avx2::total(sum)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn sum16<const W: usize>(group: &[u8], mask: &[u64; GROUP_WORDS]) -> u64 {
    use std::arch::x86_64::*;
    let bits = _mm256_setr_epi16(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, i16::MIN);
    let mut sum = _mm256_setzero_si256();
    for step in 0..16 {
        for half in 0..2 {
            let here = _mm256_set1_epi16((mask[step / 2] >> (32 * (step % 2) + 16 * half)) as i16);
            let chosen = _mm256_cmpeq_epi16(_mm256_and_si256(here, bits), bits);
            let v = _mm256_and_si256(step16::<W>(group, step, half), chosen);
            // At most 64 additions of 16 bits: no 32-bit lane overflows.
            sum = _mm256_add_epi32(sum, _mm256_and_si256(v, _mm256_set1_epi32(0xffff)));
            sum = _mm256_add_epi32(sum, _mm256_srli_epi32::<16>(v));
        }
    }
    avx2::total(avx2::widen(sum))
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn sum32<const W: usize>(group: &[u8], mask: &[u64; GROUP_WORDS]) -> u64 {
    use std::arch::x86_64::*;
    let bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    let mut sum = _mm256_setzero_si256();
    let mut narrow = _mm256_setzero_si256();
    for step in 0..32 {
        for half in 0..2 {
            let here = _mm256_set1_epi32((mask[step / 4] >> (16 * (step % 4) + 8 * half)) as i32);
            let chosen = _mm256_cmpeq_epi32(_mm256_and_si256(here, bits), bits);
            let v = _mm256_and_si256(step32::<W>(group, step, half), chosen);
            // 64 additions of up to 26 bits fit 32 bits; wider values are widened at once.
            if W <= 26 {
                narrow = _mm256_add_epi32(narrow, v);
            } else {
                sum = _mm256_add_epi64(sum, avx2::widen(v));
            }
        }
    }
    avx2::total(_mm256_add_epi64(sum, avx2::widen(narrow)))
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{packed, values};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equals_a_loop((width, values) in values(32), mask: [u64; GROUP_WORDS], all: bool) {
            let mask = if all { [u64::MAX; GROUP_WORDS] } else { mask };
            let group = packed(width, &values);
            let expected: u64 = values.iter().enumerate().filter(|(i, _)| mask[i / 64] >> (i % 64) & 1 == 1).map(|(_, v)| v).sum();
            for simd in [Simd::Avx2, Simd::Portable] {
                prop_assert_eq!(masked_sum(simd, width, &group, &mask), expected, "{:?} width {}", simd, width);
            }
        }
    }

    #[test]
    fn largest_values_do_not_overflow() {
        for width in 1..=32 {
            let max = u64::MAX >> (64 - u32::from(width));
            let group = packed(width, &[max; GROUP]);
            for simd in [Simd::Avx2, Simd::Portable] {
                assert_eq!(masked_sum(simd, width, &group, &[u64::MAX; GROUP_WORDS]), max * GROUP as u64);
            }
        }
    }
}
