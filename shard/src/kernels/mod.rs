//! SIMD kernels on packed vectors: one file a kernel, one dispatcher.
//!
//! The layout is segfmt's (SPEC.md, "Packed vectors"): groups of 512 rows, vertical lanes of 8, 16 or 32 bits. Every
//! kernel works on one group at a time, has an AVX2 and a portable form, and both are proved equal by property tests.
//! [`Simd::get`] chooses once per process; `GAMAY_SIMD=avx2|portable` forces.

pub mod floats;
pub mod gather;
pub mod range;
pub mod select;
pub mod set;
pub mod sum;
pub mod unpack;

use std::sync::OnceLock;

/// Rows of one group.
pub const GROUP: usize = segfmt::encoding::packed::GROUP;
/// Words of a group's row mask.
pub const GROUP_WORDS: usize = GROUP / 64;

/// Instruction set of the kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Simd {
    Avx2,
    Portable,
}

struct Choice {
    simd: Simd,
    why: String,
}

fn choose() -> Choice {
    let asked = std::env::var("GAMAY_SIMD").unwrap_or_default();
    let have = Simd::avx2_here();
    match asked.as_str() {
        "portable" => Choice { simd: Simd::Portable, why: "portable (GAMAY_SIMD)".to_owned() },
        "avx2" if have => Choice { simd: Simd::Avx2, why: "AVX2 (GAMAY_SIMD)".to_owned() },
        "avx2" => Choice {
            simd: Simd::Portable,
            why: "portable: GAMAY_SIMD asks for avx2, which this CPU lacks; scans are 2 to 8 times slower".to_owned(),
        },
        "" if have => Choice { simd: Simd::Avx2, why: "AVX2".to_owned() },
        "" => Choice {
            simd: Simd::Portable,
            why: "portable, because this CPU has no AVX2; scans are 2 to 8 times slower".to_owned(),
        },
        other => Choice {
            simd: if have { Simd::Avx2 } else { Simd::Portable },
            why: format!("{} (GAMAY_SIMD={other:?} is not avx2 or portable)", if have { "AVX2" } else { "portable" }),
        },
    }
}

static CHOICE: OnceLock<Choice> = OnceLock::new();

impl Simd {
    /// The choice of this process.
    pub fn get() -> Simd {
        CHOICE.get_or_init(choose).simd
    }

    pub(crate) fn report(self) -> String {
        format!("kernels: {}", CHOICE.get_or_init(choose).why)
    }

    /// Whether this CPU has what the AVX2 kernels use.
    pub fn avx2_here() -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("bmi1")
                && is_x86_feature_detected!("bmi2")
                && is_x86_feature_detected!("popcnt")
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            false
        }
    }

    /// Whether to run an AVX2 body. A caller cannot make [`Simd::Avx2`] run on a CPU without it.
    #[inline]
    pub(crate) fn avx2(self) -> bool {
        self == Simd::Avx2 && Simd::avx2_here()
    }
}

/// Calls a `const WIDTH` function for a width of 1 to 8, 9 to 16, or 17 to 32 bits known at run time.
macro_rules! by_width {
    (8, $width:expr, $f:ident($($arg:expr),*)) => {
        by_width!(@ $width, $f($($arg),*), 8; 1 2 3 4 5 6 7 8)
    };
    (16, $width:expr, $f:ident($($arg:expr),*)) => {
        by_width!(@ $width, $f($($arg),*), 16; 9 10 11 12 13 14 15 16)
    };
    (32, $width:expr, $f:ident($($arg:expr),*)) => {
        by_width!(@ $width, $f($($arg),*), 32; 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32)
    };
    (@ $width:expr, $f:ident $args:tt, $last:literal; $($w:literal)*) => {
        match $width {
            $($w => by_width!(@call $f, $w, $args),)*
            other => unreachable!("a width of {other} bits in lanes of {}", $last),
        }
    };
    (@call $f:ident, $w:literal, ($($arg:expr),*)) => { $f::<$w>($($arg),*) };
}
pub(crate) use by_width;

/// The bytes of one group of a packed vector must be there in full: kernels read whole words.
#[inline]
pub(crate) fn check_group(width: u8, group: &[u8]) {
    assert_eq!(group.len(), usize::from(width) * 64, "a packed group of {width} bits");
}

/// Set bits.
#[inline]
pub fn count_ones(words: &[u64]) -> usize {
    words.iter().map(|w| w.count_ones() as usize).sum()
}

#[cfg(test)]
pub(crate) mod tests_support {
    use proptest::prelude::*;

    /// A width and up to one group of values that fit it.
    pub(crate) fn values(max_width: u8) -> impl Strategy<Value = (u8, Vec<u64>)> {
        (1..=max_width).prop_flat_map(|width| {
            let max = u64::MAX >> (64 - u32::from(width));
            (Just(width), proptest::collection::vec(prop_oneof![0..=max, Just(0), Just(max)], 512))
        })
    }

    pub(crate) fn packed(width: u8, values: &[u64]) -> Vec<u8> {
        let mut out = Vec::new();
        segfmt::encoding::packed::pack(values.len(), width, |i| values[i], &mut out);
        out
    }
}
