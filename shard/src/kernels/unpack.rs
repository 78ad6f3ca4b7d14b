//! All values of a group as `u32`.
//!
//! Plain code: compiled for AVX2 it equals intrinsics (DESIGN.md section 7), so that both forms are one body.

use super::{GROUP, Simd, by_width, check_group};

macro_rules! body {
    ($name:ident, $T:ty, $LANES:literal) => {
        #[inline(always)]
        fn $name<const W: usize>(group: &[u8], out: &mut [u32; GROUP]) {
            const BITS: usize = <$T>::BITS as usize;
            let mask = <$T>::MAX >> (BITS - W);
            for (step, out) in out.chunks_exact_mut($LANES).enumerate() {
                let (k, shift) = (step * W / BITS, step * W % BITS);
                let word = |k: usize| bytemuck::pod_read_unaligned::<[$T; $LANES]>(&group[k * 64..k * 64 + 64]);
                let a = word(k);
                if shift + W > BITS {
                    let b = word(k + 1);
                    for i in 0..$LANES {
                        out[i] = (((a[i] >> shift) | (b[i] << (BITS - shift))) & mask) as u32;
                    }
                } else {
                    for i in 0..$LANES {
                        out[i] = ((a[i] >> shift) & mask) as u32;
                    }
                }
            }
        }
    };
}

body!(lanes8, u8, 64);
body!(lanes16, u16, 32);
body!(lanes32, u32, 16);

#[inline(always)]
fn any(width: u8, group: &[u8], out: &mut [u32; GROUP]) {
    match width {
        1..=8 => by_width!(8, width, lanes8(group, out)),
        9..=16 => by_width!(16, width, lanes16(group, out)),
        _ => by_width!(32, width, lanes32(group, out)),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2(width: u8, group: &[u8], out: &mut [u32; GROUP]) {
    any(width, group, out);
}

/// Unpacks a group of `width` bits, 1 to 32.
pub fn unpack(simd: Simd, width: u8, group: &[u8], out: &mut [u32; GROUP]) {
    check_group(width, group);
    #[cfg(target_arch = "x86_64")]
    if simd.avx2() {
        // SAFETY: `Simd::avx2` has asked the CPU.
        unsafe { avx2(width, group, out) };
        return;
    }
    let _ = simd;
    any(width, group, out);
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{packed, values};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn gives_back_what_was_packed((width, values) in values(32)) {
            let group = packed(width, &values);
            for simd in [Simd::Avx2, Simd::Portable] {
                let mut out = [0; GROUP];
                unpack(simd, width, &group, &mut out);
                prop_assert!(out.iter().zip(&values).all(|(a, b)| u64::from(*a) == *b), "{simd:?}");
            }
        }
    }
}
