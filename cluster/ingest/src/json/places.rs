//! What values the places of a JSON file hold: a tree of keys, for inference.

use std::collections::HashMap;

use crate::infer::Seen;

/// Index into [`PlaceStats::places`].
pub(crate) type PlaceId = usize;

/// One key under its parent.
#[derive(Debug, Default)]
pub(crate) struct Place {
    pub(crate) key: String,
    /// Scalars seen here, and those inside arrays of scalars.
    pub(crate) seen: Seen,
    /// A scalar that is not null was seen outside an array.
    pub(crate) scalar: bool,
    /// An array of scalars was seen.
    pub(crate) list: bool,
    /// An array that holds null was seen: a multi-value could not keep it.
    pub(crate) list_with_null: bool,
    /// An object was seen.
    pub(crate) object: bool,
    /// An array with objects or arrays in it was seen.
    pub(crate) nested: bool,
    /// Keys below, in the order they were first seen.
    pub(crate) children: Vec<PlaceId>,
    /// The object is a map with keys of its own for each record: it stays whole.
    pub(crate) map: bool,
    by_key: HashMap<Box<[u8]>, PlaceId>,
    /// Where in `children` the next key is likely to be.
    next: usize,
}

/// More different keys than this in one nested object are data, not columns.
const OBJECT_KEYS_MAX: usize = 1_000;

/// The tree; place 0 is the record itself.
#[derive(Debug)]
pub(crate) struct PlaceStats {
    pub(crate) places: Vec<Place>,
}

impl PlaceStats {
    pub(super) fn new() -> Self {
        Self { places: vec![Place { object: true, ..Place::default() }] }
    }

    /// The place of a key under `parent`; `None` where the parent has become a map.
    pub(super) fn child(&mut self, parent: PlaceId, key: &[u8]) -> Option<PlaceId> {
        let node = &mut self.places[parent];
        if node.map {
            return None;
        }
        if let Some(&id) = node.children.get(node.next) {
            node.next += 1;
            if self.places[id].key.as_bytes() == key {
                return Some(id);
            }
        }
        let node = &mut self.places[parent];
        if let Some(&id) = node.by_key.get(key) {
            node.next = node.children.iter().position(|c| *c == id).map_or(0, |p| p + 1);
            return Some(id);
        }
        if parent != 0 && node.children.len() >= OBJECT_KEYS_MAX {
            node.map = true;
            node.children.clear();
            node.by_key.clear();
            return None;
        }
        let id = self.places.len();
        let node = &mut self.places[parent];
        node.by_key.insert(key.into(), id);
        node.children.push(id);
        node.next = node.children.len();
        self.places.push(Place { key: String::from_utf8_lossy(key).into_owned(), ..Place::default() });
        Some(id)
    }

    pub(super) fn start_object(&mut self, id: PlaceId) {
        self.places[id].next = 0;
    }
}
