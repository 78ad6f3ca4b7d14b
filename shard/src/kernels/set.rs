//! Which values of a group are in a set of ids, as a bit mask.
//!
//! Up to 4 bits the set is one byte shuffle, up to 8 bits two shuffles and a bit test; above that a bit gather.

#[cfg(target_arch = "x86_64")]
use super::by_width;
use super::unpack::unpack;
use super::{GROUP, GROUP_WORDS, Simd, check_group};

/// A set of ids as a bitmap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdSet {
    words: Vec<u32>,
    len: u32,
}

impl IdSet {
    /// An empty set of ids below `universe`.
    pub fn new(universe: u32) -> IdSet {
        // Never fewer than 256 bits: the byte kernels read that many.
        IdSet { words: vec![0; (universe.div_ceil(32) as usize).max(8)], len: universe }
    }

    pub fn insert(&mut self, id: u32) {
        assert!(id < self.len, "id {id} of {}", self.len);
        self.words[(id / 32) as usize] |= 1 << (id % 32);
    }

    /// Adds ids `lo..=hi`.
    pub fn insert_range(&mut self, lo: u32, hi: u32) {
        assert!(hi < self.len, "id {hi} of {}", self.len);
        let (first, last) = ((lo / 32) as usize, (hi / 32) as usize);
        for (i, word) in self.words.iter_mut().enumerate().take(last + 1).skip(first) {
            let from = if i == first { u32::MAX << (lo % 32) } else { u32::MAX };
            let to = if i == last { u32::MAX >> (31 - hi % 32) } else { u32::MAX };
            *word |= from & to;
        }
    }

    /// Adds the members of another set.
    pub fn union(&mut self, other: &IdSet) {
        if other.words.len() > self.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        self.len = self.len.max(other.len);
        self.words.iter_mut().zip(&other.words).for_each(|(w, o)| *w |= o);
    }

    #[inline]
    pub fn contains(&self, id: u32) -> bool {
        self.words.get((id / 32) as usize).is_some_and(|w| w >> (id % 32) & 1 == 1)
    }

    /// Ids below this may be in the set.
    pub fn universe(&self) -> u32 {
        self.len
    }

    pub fn count(&self) -> u32 {
        self.words.iter().map(|w| w.count_ones()).sum()
    }

    /// Smallest and largest member.
    pub fn bounds(&self) -> Option<(u32, u32)> {
        let first = self.words.iter().position(|w| *w != 0)?;
        let last = self.words.iter().rposition(|w| *w != 0)?;
        Some((
            first as u32 * 32 + self.words[first].trailing_zeros(),
            last as u32 * 32 + 31 - self.words[last].leading_zeros(),
        ))
    }

    /// Whether any member is in `lo..=hi`.
    pub fn intersects(&self, lo: u32, hi: u32) -> bool {
        if lo > hi {
            return false;
        }
        let (first, last) = ((lo / 32) as usize, (hi / 32) as usize);
        (first..=last.min(self.words.len().saturating_sub(1))).any(|i| {
            let mut w = self.words[i];
            if i == first {
                w &= u32::MAX << (lo % 32);
            }
            if i == last {
                w &= u32::MAX >> (31 - hi % 32);
            }
            w != 0
        })
    }

    /// Members, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().enumerate().flat_map(|(i, w)| {
            let mut rest = *w;
            std::iter::from_fn(move || {
                let bit = (rest != 0).then(|| rest.trailing_zeros())?;
                rest &= rest - 1;
                Some(i as u32 * 32 + bit)
            })
        })
    }

    fn table256(&self) -> [u8; 32] {
        let mut table = [0; 32];
        for (bytes, word) in table.chunks_exact_mut(4).zip(&self.words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        table
    }
}

/// Bits of the rows whose value is in `ids`. `width` is 1 to 32.
pub fn members(simd: Simd, width: u8, group: &[u8], ids: &IdSet, out: &mut [u64; GROUP_WORDS]) {
    check_group(width, group);
    #[cfg(target_arch = "x86_64")]
    if simd.avx2() && width <= 8 {
        let table = ids.table256();
        // SAFETY: `Simd::avx2` has asked the CPU, and the group's length was checked.
        unsafe {
            match width {
                1..=4 => {
                    let mut bytes = [0; 16];
                    for (i, b) in bytes.iter_mut().enumerate() {
                        *b = if table[i / 8] >> (i % 8) & 1 == 1 { 0xff } else { 0 };
                    }
                    by_width!(8, width, nibbles(group, &bytes, out));
                }
                _ => by_width!(8, width, bytes(group, &table, out)),
            }
        }
        return;
    }
    let mut values = [0; GROUP];
    unpack(simd, width, group, &mut values);
    #[cfg(target_arch = "x86_64")]
    if simd.avx2() && ids.words.len() < i32::MAX as usize {
        // SAFETY: `Simd::avx2` has asked the CPU.
        unsafe { gathered(&values, ids, out) };
        return;
    }
    for (word, values) in out.iter_mut().zip(values.chunks_exact(64)) {
        *word = values.iter().enumerate().fold(0, |w, (i, v)| w | (u64::from(ids.contains(*v)) << i));
    }
}

#[cfg(target_arch = "x86_64")]
use super::range::avx2::step8;

/// `table[v]` is 0xff for members.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn nibbles<const W: usize>(group: &[u8], table: &[u8; 16], out: &mut [u64; GROUP_WORDS]) {
    use std::arch::x86_64::*;
    // SAFETY: the table is 16 bytes long; the load does not need alignment.
    let table = _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(table.as_ptr().cast()) });
    for (step, word) in out.iter_mut().enumerate() {
        let hit =
            |half| u64::from(_mm256_movemask_epi8(_mm256_shuffle_epi8(table, step8::<W>(group, step, half))) as u32);
        *word = hit(0) | hit(1) << 32;
    }
}

/// `table` is a bitmap of 256 bits.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn bytes<const W: usize>(group: &[u8], table: &[u8; 32], out: &mut [u64; GROUP_WORDS]) {
    use std::arch::x86_64::*;
    // SAFETY: both halves of the table are 16 bytes long; the loads do not need alignment.
    let (low, high) =
        unsafe { (_mm_loadu_si128(table.as_ptr().cast()), _mm_loadu_si128(table.as_ptr().add(16).cast())) };
    let (low, high) = (_mm256_broadcastsi128_si256(low), _mm256_broadcastsi128_si256(high));
    let bits = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64 as i64);
    for (step, word) in out.iter_mut().enumerate() {
        let mut mask = 0;
        for half in 0..2 {
            let v = step8::<W>(group, step, half);
            let index = _mm256_and_si256(_mm256_srli_epi16::<3>(v), _mm256_set1_epi8(15));
            // The top bit of the value says which half of the table.
            let byte = _mm256_blendv_epi8(_mm256_shuffle_epi8(low, index), _mm256_shuffle_epi8(high, index), v);
            let bit = _mm256_shuffle_epi8(bits, _mm256_and_si256(v, _mm256_set1_epi8(7)));
            let hit = _mm256_cmpeq_epi8(_mm256_and_si256(byte, bit), bit);
            mask |= u64::from(_mm256_movemask_epi8(hit) as u32) << (32 * half);
        }
        *word = mask;
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn gathered(values: &[u32; GROUP], ids: &IdSet, out: &mut [u64; GROUP_WORDS]) {
    use std::arch::x86_64::*;
    let last = _mm256_set1_epi32((ids.words.len() - 1) as i32);
    for (word, values) in out.iter_mut().zip(values.chunks_exact(64)) {
        let mut mask = 0;
        for (i, eight) in values.chunks_exact(8).enumerate() {
            // SAFETY: `eight` is 32 bytes long; the load does not need alignment.
            let v = unsafe { _mm256_loadu_si256(eight.as_ptr().cast()) };
            let index = _mm256_srli_epi32::<5>(v);
            let inside = _mm256_cmpeq_epi32(_mm256_min_epu32(index, last), index);
            // SAFETY: every index is at most `words.len() - 1` by the minimum.
            let w = unsafe { _mm256_i32gather_epi32::<4>(ids.words.as_ptr().cast(), _mm256_min_epu32(index, last)) };
            let bit = _mm256_srlv_epi32(w, _mm256_and_si256(v, _mm256_set1_epi32(31)));
            let hit = _mm256_and_si256(_mm256_slli_epi32::<31>(bit), inside);
            mask |= u64::from(_mm256_movemask_ps(_mm256_castsi256_ps(hit)) as u32) << (8 * i);
        }
        *word = mask;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{packed, values};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equals_a_look_up_of_each_value((width, values) in values(20), picks in proptest::collection::vec(any::<u32>(), 0..300), cut in 0.0..1.0f64) {
            let max = u32::MAX >> (32 - u32::from(width));
            let universe = 1 + (f64::from(max) * cut) as u32;
            let mut ids = IdSet::new(universe);
            picks.iter().for_each(|p| ids.insert(p % universe));
            // Values of the data, too, so that wide columns have members.
            values.iter().step_by(3).filter(|v| **v < u64::from(universe)).for_each(|v| ids.insert(*v as u32));
            let group = packed(width, &values);
            for simd in [Simd::Avx2, Simd::Portable] {
                let mut out = [7; GROUP_WORDS];
                members(simd, width, &group, &ids, &mut out);
                for (i, v) in values.iter().enumerate() {
                    prop_assert_eq!(out[i / 64] >> (i % 64) & 1 == 1, ids.contains(*v as u32), "{:?} row {} value {}", simd, i, v);
                }
            }
        }

        #[test]
        fn bounds_and_intersections(picks in proptest::collection::btree_set(0u32..1000, 0..40), lo in 0u32..1100, hi in 0u32..1100) {
            let mut ids = IdSet::new(1000);
            picks.iter().for_each(|p| ids.insert(*p));
            prop_assert_eq!(ids.bounds(), picks.first().copied().zip(picks.last().copied()));
            prop_assert_eq!(ids.count() as usize, picks.len());
            prop_assert_eq!(ids.iter().collect::<Vec<_>>(), picks.iter().copied().collect::<Vec<_>>());
            if lo <= hi && hi < 1000 {
                let mut wider = ids.clone();
                wider.insert_range(lo, hi);
                prop_assert!((0..1000).all(|id| wider.contains(id) == (ids.contains(id) || (lo <= id && id <= hi))));
                let mut both = IdSet::new(5);
                both.union(&wider);
                prop_assert_eq!(both, wider);
            }
            prop_assert_eq!(ids.intersects(lo, hi), picks.iter().any(|p| lo <= *p && *p <= hi));
        }
    }
}
