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
        1..8 => by_group(simd, packed, rows, out, |rows, out| lanes::<u8>(packed, rows, out)),
        9..16 => by_group(simd, packed, rows, out, |rows, out| lanes::<u16>(packed, rows, out)),
        _ => by_group(simd, packed, rows, out, |rows, out| lanes::<u32>(packed, rows, out)),
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
