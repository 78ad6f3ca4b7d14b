//! Column names for the places of a JSON file.

use std::collections::{HashMap, HashSet};

use segfmt::DataType;

use super::places::{PlaceId, PlaceStats};
use crate::infer::Inferred;

/// Columns in the order their keys were first seen.
pub(crate) fn columns(stats: &PlaceStats) -> Vec<Inferred> {
    let mut whole: HashSet<PlaceId> = HashSet::new();
    loop {
        let mut plan = Plan { stats, whole: &whole, columns: Vec::new(), objects: Vec::new() };
        plan.visit(0, "", &mut Vec::new());
        match plan.clash() {
            Some(object) => {
                whole.insert(object);
            }
            None => {
                return plan
                    .columns
                    .iter()
                    .map(|(name, path)| column(stats, name, *path.last().expect("a column has a key"), &whole))
                    .collect();
            }
        }
    }
}

struct Plan<'a> {
    stats: &'a PlaceStats,
    whole: &'a HashSet<PlaceId>,
    /// Name and path of each column.
    columns: Vec<(String, Vec<PlaceId>)>,
    /// Name and path of each object that is taken apart.
    objects: Vec<(String, Vec<PlaceId>)>,
}

impl Plan<'_> {
    fn visit(&mut self, id: PlaceId, prefix: &str, path: &mut Vec<PlaceId>) {
        for &child in &self.stats.places[id].children {
            let place = &self.stats.places[child];
            let name = if prefix.is_empty() { place.key.clone() } else { format!("{prefix}.{}", place.key) };
            path.push(child);
            if is_split(self.stats, child, self.whole) {
                self.objects.push((name.clone(), path.clone()));
                self.visit(child, &name, path);
            } else {
                self.columns.push((name, path.clone()));
            }
            path.pop();
        }
    }

    /// An object to keep whole because a name inside it, or its own, is another place's.
    fn clash(&self) -> Option<PlaceId> {
        let mut by_name: HashMap<&str, &Vec<PlaceId>> = HashMap::new();
        let all = self.columns.iter().chain(&self.objects);
        for (name, path) in all {
            if let Some(other) = by_name.insert(name, path) {
                // The deeper path goes through an object that the other does not: the first key where they part.
                let (long, short) = if path.len() > other.len() { (path, other) } else { (other, path) };
                let part = long.iter().zip(short.iter()).take_while(|(a, b)| a == b).count();
                let object = |p: &[PlaceId]| p.get(part).copied().filter(|id| is_split(self.stats, *id, self.whole));
                if let Some(id) = object(long).or_else(|| object(short)) {
                    return Some(id);
                }
            }
        }
        None
    }
}

/// Whether the object becomes a column for each of its keys.
fn is_split(stats: &PlaceStats, id: PlaceId, whole: &HashSet<PlaceId>) -> bool {
    let place = &stats.places[id];
    place.object
        && !place.map
        && !place.children.is_empty()
        && !place.list
        && !place.nested
        && !place.scalar
        && !whole.contains(&id)
}

fn column(stats: &PlaceStats, name: &str, id: PlaceId, whole: &HashSet<PlaceId>) -> Inferred {
    let place = &stats.places[id];
    debug_assert!(!is_split(stats, id, whole));
    if place.object || place.nested || place.list_with_null {
        // Beside scalars, the text of each value; alone, JSON.
        let data_type = if place.scalar { DataType::String } else { DataType::Json };
        return Inferred::one(name, data_type);
    }
    Inferred::seen(name, &place.seen, place.list)
}
