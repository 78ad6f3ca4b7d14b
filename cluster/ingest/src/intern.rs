//! Numbers for strings that come again: a sort, a spill and a merge then move 4 bytes instead of a string.
//!
//! One dictionary for each column of byte strings, filled in the order of the input, for the whole job. A column that turns
//! out to have mostly different values is given up (its later chunks hold plain strings), which depends on its values alone.
//! The numbers never leave the job: a segment gets the strings, and its writer makes the segment's own sorted dictionary.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use hashbrown::HashTable;
use segfmt::hash::hash_bytes;

use crate::column::Data;

#[derive(Debug, Default)]
struct Entries {
    ends: Vec<u64>,
    data: Vec<u8>,
}

impl Entries {
    #[inline]
    fn get(&self, id: u32) -> &[u8] {
        let id = id as usize;
        let start = if id == 0 { 0 } else { self.ends[id - 1] };
        &self.data[start as usize..self.ends[id] as usize]
    }
}

/// The strings behind numbers. Grows while the job reads; a number's string never changes.
#[derive(Debug, Default)]
pub(crate) struct Dict(RwLock<Entries>);

/// Reads a dictionary; it cannot grow meanwhile.
pub(crate) struct DictReader<'a>(RwLockReadGuard<'a, Entries>);

impl Dict {
    pub(crate) fn read(&self) -> DictReader<'_> {
        DictReader(self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Appends the strings of `ids` to a byte column.
    pub(crate) fn expand(&self, ids: impl Iterator<Item = u32> + Clone, offsets: &mut Vec<u64>, data: &mut Vec<u8>) {
        let entries = self.read();
        let bytes: usize = ids.clone().map(|id| entries.get(id).len()).sum();
        data.reserve_exact(bytes);
        for id in ids {
            data.extend_from_slice(entries.get(id));
            offsets.push(data.len() as u64);
        }
    }
}

impl DictReader<'_> {
    #[inline]
    pub(crate) fn get(&self, id: u32) -> &[u8] {
        self.0.get(id)
    }
}

/// Strings of one column at most.
const ENTRIES_MAX: usize = 1 << 18;
/// Bytes of the strings of all columns of a job, shared out evenly, within bounds.
const JOB_BYTES_MAX: usize = 64 << 20;
const COLUMN_BYTES_MIN: usize = 128 << 10;
const COLUMN_BYTES_MAX: usize = 8 << 20;
/// So many strings are numbered whatever the share of different ones.
const ENTRIES_FREE: usize = 4_096;

/// Gives numbers to the strings of one column.
pub(crate) struct Interner {
    dict: Arc<Dict>,
    table: HashTable<u32>,
    rows: usize,
    bytes_max: usize,
    open: bool,
    /// The last Arrow dictionary seen, and the numbers of its values as far as they were needed.
    arrow: Option<(ArrayRef, Vec<u32>)>,
}

const UNKNOWN: u32 = u32::MAX;

impl Interner {
    /// For one of `columns` columns of a job.
    pub(crate) fn new(columns: usize) -> Self {
        let bytes_max = (JOB_BYTES_MAX / columns.max(1)).clamp(COLUMN_BYTES_MIN, COLUMN_BYTES_MAX);
        Self { dict: Arc::default(), table: HashTable::new(), rows: 0, bytes_max, open: true, arrow: None }
    }

    /// Looks whether numbering still pays; called after each chunk.
    fn review(&mut self, rows: usize) {
        self.rows += rows;
        let entries = self.dict.0.read().unwrap_or_else(PoisonError::into_inner);
        let (count, bytes) = (entries.ends.len(), entries.data.len());
        drop(entries);
        if count > ENTRIES_MAX || bytes > self.bytes_max || (count > ENTRIES_FREE && count * 4 > self.rows) {
            self.open = false;
            self.table = HashTable::new();
            self.arrow = None;
        }
    }

    fn number(table: &mut HashTable<u32>, entries: &mut Entries, bytes: &[u8]) -> u32 {
        let hash = hash_bytes(bytes);
        if let Some(id) = table.find(hash, |id| entries.get(*id) == bytes) {
            return *id;
        }
        let id = u32::try_from(entries.ends.len()).expect("review keeps the entries few");
        entries.data.extend_from_slice(bytes);
        entries.ends.push(entries.data.len() as u64);
        table.insert_unique(hash, id, |id| hash_bytes(entries.get(*id)));
        id
    }

    /// Byte strings as numbers, if that still pays.
    pub(crate) fn column(&mut self, data: Data) -> Data {
        let Data::Bytes { offsets, data: bytes } = &data else { return data };
        if !self.open {
            return data;
        }
        let mut entries = self.dict.0.write().unwrap_or_else(PoisonError::into_inner);
        let ids: Vec<u32> = offsets
            .windows(2)
            .map(|pair| Self::number(&mut self.table, &mut entries, &bytes[pair[0] as usize..pair[1] as usize]))
            .collect();
        drop(entries);
        self.review(ids.len());
        Data::Ids { ids, dict: Arc::clone(&self.dict) }
    }

    /// An Arrow dictionary of strings as numbers: each of its values is looked up once. `None` where the array is of another
    /// kind or numbering does not pay any more.
    pub(crate) fn arrow(&mut self, array: &ArrayRef, default: &[u8]) -> Option<Data> {
        let array = array.as_dictionary_opt::<arrow_array::types::Int32Type>()?;
        let values = array.values();
        let strings = values.as_string_opt::<i32>().filter(|s| s.null_count() == 0)?;
        if !self.open {
            return None;
        }
        if !self
            .arrow
            .as_ref()
            .is_some_and(|(known, _)| Arc::ptr_eq(known, values) || known.to_data().ptr_eq(&values.to_data()))
        {
            self.arrow = Some((ArrayRef::clone(values), vec![UNKNOWN; values.len()]));
        }
        let map = &mut self.arrow.as_mut()?.1;
        let mut entries = self.dict.0.write().unwrap_or_else(PoisonError::into_inner);
        let table = &mut self.table;
        let mut number = |key: usize, entries: &mut Entries| {
            if map[key] == UNKNOWN {
                map[key] = Self::number(table, entries, strings.value(key).as_bytes());
            }
            map[key]
        };
        let keys = array.keys();
        let ids: Vec<u32> = match keys.nulls().filter(|n| n.null_count() > 0) {
            None => keys.values().iter().map(|k| number(*k as usize, &mut entries)).collect(),
            Some(nulls) => {
                let mut null_id = None;
                let mut ids = Vec::with_capacity(keys.len());
                for (row, key) in keys.values().iter().enumerate() {
                    ids.push(if nulls.is_valid(row) { number(*key as usize, &mut entries) } else { UNKNOWN });
                }
                for (row, id) in ids.iter_mut().enumerate() {
                    if nulls.is_null(row) {
                        *id = *null_id.get_or_insert_with(|| Self::number(&mut self.table, &mut entries, default));
                    }
                }
                ids
            }
        };
        drop(entries);
        self.review(ids.len());
        Some(Data::Ids { ids, dict: Arc::clone(&self.dict) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use segfmt::DataType;

    fn bytes(values: &[String]) -> Data {
        let mut data = Data::with_capacity(DataType::String, values.len(), 0);
        values.iter().for_each(|v| data.push_bytes(v.as_bytes()));
        data
    }

    #[test]
    fn strings_come_back_and_unique_ones_are_given_up() {
        let mut interner = Interner::new(1);
        for round in 0..3 {
            let few: Vec<String> = (0..1_000).map(|i| format!("v{}", (i * 7 + round) % 50)).collect();
            let numbered = interner.column(bytes(&few));
            assert!(matches!(numbered, Data::Ids { .. }));
            let (Data::Bytes { offsets, data }, Data::Bytes { offsets: o, data: d }) =
                (numbered.expanded(), bytes(&few))
            else {
                panic!("not expanded")
            };
            assert_eq!((offsets, data), (o, d));
        }
        let many: Vec<String> = (0..20_000).map(|i| format!("u{i}")).collect();
        interner.column(bytes(&many));
        assert!(!interner.open);
        assert!(matches!(interner.column(bytes(&many)), Data::Bytes { .. }));
    }
}
