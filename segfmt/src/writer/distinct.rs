//! Distinct values and ids of a column, with a limit past which a dictionary does not pay.

/// Sorted distinct keys and the rank of each key; `None` past `limit` distinct ones.
pub(super) fn of_keys(keys: &[u64], limit: usize) -> Option<(Vec<u64>, Vec<u32>)> {
    let (Some(min), Some(max)) = (keys.iter().copied().min(), keys.iter().copied().max()) else {
        return Some((Vec::new(), Vec::new()));
    };
    let range = max - min;
    if range < (keys.len() as u64 * 4).clamp(65_536, 1 << 26) {
        return of_dense_keys(keys, min, range as usize + 1, limit);
    }
    let mut table = Table::new();
    let mut distinct: Vec<u64> = Vec::new();
    let mut ids = Vec::with_capacity(keys.len());
    let mut last: Option<(u64, u32)> = None;
    for key in keys {
        if let Some((k, id)) = last
            && k == *key
        {
            ids.push(id);
            continue;
        }
        // A multiplicative hash whose high bits are good; keys that differ in low bits spread.
        let hash = (key ^ (key >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let id = table.find_or_insert(hash, |id| distinct[id as usize] == *key);
        if id as usize == distinct.len() {
            if distinct.len() == limit {
                return None;
            }
            distinct.push(*key);
        }
        last = Some((*key, id));
        ids.push(id);
    }
    Some(rank(distinct, ids))
}

fn of_dense_keys(keys: &[u64], min: u64, range: usize, limit: usize) -> Option<(Vec<u64>, Vec<u32>)> {
    let mut ranks = vec![0u32; range];
    for key in keys {
        ranks[(key - min) as usize] = 1;
    }
    let mut distinct = Vec::new();
    for (i, rank) in ranks.iter_mut().enumerate() {
        if *rank != 0 {
            *rank = distinct.len() as u32;
            distinct.push(min + i as u64);
        }
    }
    if distinct.len() > limit {
        return None;
    }
    let ids = keys.iter().map(|key| ranks[(key - min) as usize]).collect();
    Some((distinct, ids))
}

/// Sorted distinct byte strings and the rank of each; `None` past `limit` distinct ones.
pub(super) fn of_bytes<'v>(
    count: usize,
    value: impl Fn(usize) -> &'v [u8],
    limit: usize,
) -> Option<(Vec<&'v [u8]>, Vec<u32>)> {
    let mut table = Table::new();
    let mut distinct: Vec<&[u8]> = Vec::new();
    let mut ids: Vec<u32> = Vec::with_capacity(count);
    for i in 0..count {
        let v = value(i);
        if let Some(id) = ids.last().copied()
            && distinct[id as usize] == v
        {
            ids.push(id);
            continue;
        }
        let id = table.find_or_insert(crate::hash::hash_bytes(v), |id| distinct[id as usize] == v);
        if id as usize == distinct.len() {
            if distinct.len() == limit {
                return None;
            }
            distinct.push(v);
        }
        ids.push(id);
    }
    Some(rank(distinct, ids))
}

/// From ids in order of first occurrence to ranks.
fn rank<T: Ord + Copy>(distinct: Vec<T>, mut ids: Vec<u32>) -> (Vec<T>, Vec<u32>) {
    let mut order: Vec<u32> = (0..distinct.len() as u32).collect();
    order.sort_unstable_by_key(|i| distinct[*i as usize]);
    let mut ranks = vec![0; distinct.len()];
    for (rank, i) in order.iter().enumerate() {
        ranks[*i as usize] = rank as u32;
    }
    for id in &mut ids {
        *id = ranks[*id as usize];
    }
    (order.iter().map(|i| distinct[*i as usize]).collect(), ids)
}

/// Open addressing from hashes to ids in order of first occurrence.
struct Table {
    /// id + 1, 0 for free; and the hash's high half, so that most collisions need no compare.
    slots: Vec<(u32, u32)>,
    hashes: Vec<u64>,
}

impl Table {
    fn new() -> Self {
        Self { slots: vec![(0, 0); 1024], hashes: Vec::new() }
    }

    fn slot(&self, hash: u64) -> usize {
        (hash >> (64 - self.slots.len().trailing_zeros())) as usize
    }

    /// Id of an equal entry, or the next id for a new one.
    fn find_or_insert(&mut self, hash: u64, equal: impl Fn(u32) -> bool) -> u32 {
        let mask = self.slots.len() - 1;
        let tag = hash as u32;
        let mut at = self.slot(hash);
        loop {
            let (id, t) = self.slots[at];
            if id == 0 {
                break;
            }
            if t == tag && equal(id - 1) {
                return id - 1;
            }
            at = (at + 1) & mask;
        }
        let id = self.hashes.len() as u32;
        self.hashes.push(hash);
        self.slots[at] = (id + 1, tag);
        if self.hashes.len() * 2 > self.slots.len() {
            self.grow();
        }
        id
    }

    fn grow(&mut self) {
        self.slots = vec![(0, 0); self.slots.len() * 4];
        let mask = self.slots.len() - 1;
        for (id, hash) in self.hashes.iter().enumerate() {
            let mut at = (hash >> (64 - self.slots.len().trailing_zeros())) as usize;
            while self.slots[at].0 != 0 {
                at = (at + 1) & mask;
            }
            self.slots[at] = (id as u32 + 1, *hash as u32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn keys_like_a_sorted_set(keys in proptest::collection::vec(prop_oneof![0u64..50, any::<u64>()], 0..3000)) {
            let (distinct, ids) = of_keys(&keys, usize::MAX).unwrap();
            let set: BTreeSet<u64> = keys.iter().copied().collect();
            prop_assert!(distinct.iter().copied().eq(set.iter().copied()));
            prop_assert!(ids.iter().map(|i| distinct[*i as usize]).eq(keys.iter().copied()));
            if !set.is_empty() {
                prop_assert!(of_keys(&keys, set.len()).is_some());
                prop_assert!(of_keys(&keys, set.len() - 1).is_none());
            }
        }

        #[test]
        fn bytes_like_a_sorted_set(values in proptest::collection::vec("[a-c]{0,6}", 0..3000)) {
            let (distinct, ids) = of_bytes(values.len(), |i| values[i].as_bytes(), usize::MAX).unwrap();
            let set: BTreeSet<&[u8]> = values.iter().map(|v| v.as_bytes()).collect();
            prop_assert!(distinct.iter().copied().eq(set.iter().copied()));
            prop_assert!(ids.iter().map(|i| distinct[*i as usize]).eq(values.iter().map(|v| v.as_bytes())));
        }
    }
}
