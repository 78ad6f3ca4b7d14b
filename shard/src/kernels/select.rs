//! From a row mask to row numbers, ascending, without a branch per row.

use super::Simd;

/// Positions of the set bits of a byte.
const POSITIONS: [[u8; 8]; 256] = {
    let mut table = [[0; 8]; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut n, mut bit) = (0, 0);
        while bit < 8 {
            if byte >> bit & 1 == 1 {
                table[byte][n] = bit;
                n += 1;
            }
            bit += 1;
        }
        byte += 1;
    }
    table
};

/// Appends `first` + the position of every set bit of `mask`.
pub fn rows(simd: Simd, mask: &[u64], first: u32, out: &mut Vec<u32>) {
    let count = super::count_ones(mask);
    let start = out.len();
    // The kernel writes eight at a time and may run past the last row by seven.
    out.resize(start + count + 8, 0);
    let end = {
        let target = &mut out[start..];
        #[cfg(target_arch = "x86_64")]
        if simd.avx2() {
            // SAFETY: `Simd::avx2` has asked the CPU; `target` has room for all set bits and eight more.
            unsafe { avx2(mask, first, target) }
        } else {
            portable(mask, first, target)
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            let _ = simd;
            portable(mask, first, target)
        }
    };
    out.truncate(start + end);
}

fn portable(mask: &[u64], first: u32, out: &mut [u32]) -> usize {
    let mut n = 0;
    for (i, word) in mask.iter().enumerate() {
        let mut rest = *word;
        while rest != 0 {
            out[n] = first + i as u32 * 64 + rest.trailing_zeros();
            n += 1;
            rest &= rest - 1;
        }
    }
    n
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,popcnt")]
fn avx2(mask: &[u64], first: u32, out: &mut [u32]) -> usize {
    use std::arch::x86_64::*;
    let mut n = 0;
    for (i, word) in mask.iter().enumerate() {
        let base = first + i as u32 * 64;
        let mut rest = *word;
        if rest.count_ones() <= 8 {
            // Few: one by one, at most eight turns.
            while rest != 0 {
                out[n] = base + rest.trailing_zeros();
                n += 1;
                rest &= rest - 1;
            }
            continue;
        }
        for (b, byte) in word.to_le_bytes().into_iter().enumerate() {
            let eight = &mut out[n..n + 8];
            // SAFETY: a row of the table is 8 bytes long; the load does not need alignment.
            let positions = unsafe { _mm_loadl_epi64(POSITIONS[byte as usize].as_ptr().cast()) };
            let rows =
                _mm256_add_epi32(_mm256_cvtepu8_epi32(positions), _mm256_set1_epi32((base + b as u32 * 8) as i32));
            // SAFETY: `eight` is 32 bytes long; the store does not need alignment.
            unsafe { _mm256_storeu_si256(eight.as_mut_ptr().cast(), rows) };
            n += byte.count_ones() as usize;
        }
    }
    n
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lists_the_set_bits(mask in proptest::collection::vec(prop_oneof![any::<u64>(), Just(0), Just(u64::MAX), 0..200u64], 0..70), first in 0u32..100_000) {
            let expected: Vec<u32> = (0..mask.len() * 64).filter(|i| mask[i / 64] >> (i % 64) & 1 == 1).map(|i| first + i as u32).collect();
            for simd in [Simd::Avx2, Simd::Portable] {
                let mut out = vec![9];
                rows(simd, &mask, first, &mut out);
                prop_assert_eq!(out[0], 9);
                prop_assert_eq!(&out[1..], &expected[..], "{:?}", simd);
            }
        }
    }
}
