//! Masks of one column's values: the kernels of a filter, by page encoding.

use crate::exec::filter::IdTest;
use crate::exec::selection::{Mask, VECTOR, Vector, WORDS};
use crate::kernels::set::members;
use crate::kernels::{self, GROUP, GROUP_WORDS, Simd};
use roaring::RoaringBitmap;
use segfmt::value::ordered_f64;
use segfmt::{FloatPage, IdPage, IntPage, Packed, Page};

/// Keeps the rows of a bitmap of the segment. `first` is the segment's number of the vector's first row.
pub(crate) fn row_mask(rows: &RoaringBitmap, first: u64, vector: Vector, mask: &mut Mask) {
    let mut passed = [0; WORDS];
    // Segments have fewer than 2^32 rows.
    let (from, to) = (first as u32, (first + vector.len as u64) as u32);
    for row in rows.range(from..to) {
        let at = (row - from) as usize;
        passed[at / 64] |= 1 << (at % 64);
    }
    mask.iter_mut().zip(passed).for_each(|(m, p)| *m &= p);
}

/// A block column that is not what binding saw has no rows to give.
pub(crate) fn missing(mask: &mut Mask) -> u64 {
    debug_assert!(false, "a filter column is not of the kind it was bound as");
    *mask = [0; WORDS];
    0
}

/// Runs a kernel over the groups of a vector that still have wanted rows. A vector may start and end inside a group, at a
/// whole word of its mask.
#[inline]
fn by_group(
    packed: &Packed<'_>,
    vector: Vector,
    mask: &mut Mask,
    negated: bool,
    mut kernel: impl FnMut(&[u8], &mut [u64; GROUP_WORDS]),
) {
    debug_assert_eq!(vector.start % 64, 0);
    let flip = if negated { u64::MAX } else { 0 };
    let skip = vector.start % GROUP / 64;
    let words = vector.len.div_ceil(64);
    let mut at = 0;
    let mut from = skip;
    let mut group = vector.start / GROUP;
    while at < words {
        let n = (GROUP_WORDS - from).min(words - at);
        let here = &mut mask[at..at + n];
        if here.iter().any(|w| *w != 0) {
            let mut bits = [0; GROUP_WORDS];
            kernel(packed.group(group), &mut bits);
            here.iter_mut().zip(&bits[from..]).for_each(|(word, bits)| *word &= bits ^ flip);
        }
        at += n;
        from = 0;
        group += 1;
    }
}

pub(crate) fn id_mask(page: &IdPage<'_>, test: &IdTest, vector: Vector, mask: &mut Mask, simd: Simd) {
    match (page, test) {
        (_, IdTest::All) => {}
        (_, IdTest::None) => *mask = [0; WORDS],
        (IdPage::Constant { id, .. }, test) => {
            if !test.contains(*id) {
                *mask = [0; WORDS];
            }
        }
        (IdPage::Packed(packed), IdTest::Range { lo, hi, negated }) => {
            by_group(packed, vector, mask, *negated, |group, bits| {
                kernels::range::range(simd, packed.width(), group, *lo, *hi, bits)
            });
        }
        (IdPage::Packed(packed), IdTest::Set(set)) => {
            by_group(packed, vector, mask, false, |group, bits| members(simd, packed.width(), group, set, bits));
        }
        (IdPage::Runs(runs), test) => {
            let (start, end) = (vector.start as u32, (vector.start + vector.len) as u32);
            let mut passed = [0; WORDS];
            let mut at = start;
            let mut run = runs.run_of(vector.start);
            while at < end {
                let stop = runs.ends()[run].min(end);
                if test.contains(runs.ids()[run]) {
                    set_bits(&mut passed, (at - start) as usize, (stop - start) as usize);
                }
                at = stop;
                run += 1;
            }
            mask.iter_mut().zip(passed).for_each(|(m, p)| *m &= p);
        }
    }
}

fn set_bits(mask: &mut Mask, from: usize, to: usize) {
    let mut at = from;
    while at < to {
        let end = (at / 64 * 64 + 64).min(to);
        let n = end - at;
        let ones = if n == 64 { u64::MAX } else { (1 << n) - 1 };
        mask[at / 64] |= ones << (at % 64);
        at = end;
    }
}

pub(crate) fn list_mask(page: &Page<'_>, test: &IdTest, all: bool, vector: Vector, mask: &mut Mask) -> u64 {
    let (Some(lists), Some(ids)) = (page.lists(), page.ids()) else { return missing(mask) };
    let (first, last) = (lists.range(vector.start).start, lists.range(vector.start + vector.len - 1).end);
    let mut values = vec![0; last - first];
    ids.decode(first..last, &mut values);
    for i in 0..vector.len {
        let word = &mut mask[i / 64];
        if *word >> (i % 64) & 1 == 0 {
            continue;
        }
        let range = lists.range(vector.start + i);
        let mut elements = values[range.start - first..range.end - first].iter();
        let passes = if all { elements.all(|id| test.contains(*id)) } else { elements.any(|id| test.contains(*id)) };
        if !passes {
            *word &= !(1 << (i % 64));
        }
    }
    values.len() as u64
}

pub(crate) fn int_mask(
    page: &IntPage<'_>,
    lo: i64,
    hi: i64,
    negated: bool,
    vector: Vector,
    mask: &mut Mask,
    simd: Simd,
) {
    match page {
        IntPage::Constant { value, .. } => {
            if (lo <= *value && *value <= hi) == negated {
                *mask = [0; WORDS];
            }
        }
        IntPage::For { base, packed } => {
            // Bounds relative to the base; the packed value is never below it.
            let (lo, hi) = (i128::from(lo) - i128::from(*base), i128::from(hi) - i128::from(*base));
            let max = i128::from(packed.mask());
            if hi < 0 || lo > max {
                if !negated {
                    *mask = [0; WORDS];
                }
                return;
            }
            let (lo, hi) = (lo.max(0) as u64, hi.min(max) as u64);
            if packed.width() <= 32 {
                by_group(packed, vector, mask, negated, |group, bits| {
                    kernels::range::range(simd, packed.width(), group, lo as u32, hi as u32, bits);
                });
            } else {
                let mut values = [0; GROUP];
                for (i, words) in mask.chunks_exact_mut(GROUP_WORDS).enumerate().take(vector.len.div_ceil(GROUP)) {
                    let at = vector.start + i * GROUP;
                    let n = (vector.start + vector.len - at).min(GROUP);
                    packed.decode_u64(at..at + n, &mut values[..n]);
                    let mut bits = [0; GROUP_WORDS];
                    kernels::range::range_u64(&values, lo, hi, &mut bits);
                    let flip = if negated { u64::MAX } else { 0 };
                    words.iter_mut().zip(bits).for_each(|(w, b)| *w &= b ^ flip);
                }
            }
        }
        IntPage::Delta(_) => {
            let mut values = [0; VECTOR];
            let values = &mut values[..vector.len];
            page.decode(vector.start..vector.start + vector.len, values);
            for (word, values) in mask.iter_mut().zip(values.chunks(64)) {
                *word &= values
                    .iter()
                    .enumerate()
                    .fold(0, |w, (i, v)| w | (u64::from((lo <= *v && *v <= hi) != negated) << i));
            }
        }
    }
}

pub(crate) fn float_mask(page: &FloatPage<'_>, lo: u64, hi: u64, negated: bool, vector: Vector, mask: &mut Mask) {
    if let FloatPage::Constant { value, .. } = page {
        let key = ordered_f64(*value);
        if (lo <= key && key <= hi) == negated {
            *mask = [0; WORDS];
        }
        return;
    }
    let mut values = [0.0; VECTOR];
    let values = &mut values[..vector.len];
    page.decode(vector.start..vector.start + vector.len, values);
    let mut bits = [0; WORDS];
    kernels::floats::range(values, lo, hi, &mut bits);
    let flip = if negated { u64::MAX } else { 0 };
    mask.iter_mut().zip(bits).for_each(|(m, b)| *m &= b ^ flip);
}
