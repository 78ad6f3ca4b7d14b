//! Puts the values of records into the columns that are wanted.

use std::collections::HashMap;

use super::records::{Misfit, Next, Sink};
use crate::batch::{CellKind, TextColumn, Wanted};

/// Where the keys of an object go, when the columns are known.
#[derive(Default)]
struct Node {
    keys: Vec<(Box<[u8]>, Target)>,
    by_key: HashMap<Box<[u8]>, usize>,
    /// Where in `keys` the next key is likely to be.
    next: usize,
}

#[derive(Clone, Copy)]
enum Target {
    Column(usize),
    Node(usize),
}

/// Up to so many dots in a column's name, each may be in a key or divide two; in longer names (the ways double with each dot)
/// all are in one key, or all divide.
const DOTS_IN_KEYS_MAX: usize = 8;

pub(super) struct Columns {
    wanted: Wanted,
    nodes: Vec<Node>,
    columns: Vec<TextColumn>,
    rows: usize,
    /// Open objects: node, and the length of `prefix` before it.
    open: Vec<(usize, usize)>,
    /// Name of the open object, with a dot behind it.
    prefix: Vec<u8>,
    pending: Option<Target>,
    pending_key: Vec<u8>,
}

impl Columns {
    pub(super) fn new(wanted: &Wanted) -> Self {
        let mut columns = Self {
            wanted: wanted.clone(),
            nodes: vec![Node::default()],
            columns: Vec::new(),
            rows: 0,
            open: vec![(0, 0)],
            prefix: Vec::new(),
            pending: None,
            pending_key: Vec::new(),
        };
        for (i, name) in wanted.names().iter().enumerate() {
            let dots = memchr::memchr_iter(b'.', name.as_bytes()).count();
            columns.add(0, name.as_bytes(), i, if dots <= DOTS_IN_KEYS_MAX { dots } else { 1 });
        }
        columns.fresh();
        columns
    }

    /// A name is a key here, and behind each of its dots it may go on inside an object.
    /// `cuts` is how many of the dots may be the first to divide keys.
    fn add(&mut self, node: usize, name: &[u8], column: usize, cuts: usize) {
        self.link(node, name, Target::Column(column));
        for dot in memchr::memchr_iter(b'.', name).take(cuts) {
            let child = match self.nodes[node].by_key.get(&name[..dot]).map(|i| self.nodes[node].keys[*i].1) {
                Some(Target::Node(child)) => child,
                // A key that is itself a column is taken whole.
                Some(Target::Column(_)) => continue,
                None => {
                    self.nodes.push(Node::default());
                    let child = self.nodes.len() - 1;
                    self.link(node, &name[..dot], Target::Node(child));
                    child
                }
            };
            self.add(child, &name[dot + 1..], column, cuts);
        }
    }

    fn link(&mut self, node: usize, key: &[u8], target: Target) {
        let node = &mut self.nodes[node];
        match node.by_key.get(key) {
            Some(&i) => {
                if let Target::Column(_) = target {
                    node.keys[i].1 = target;
                }
            }
            None => {
                node.by_key.insert(key.into(), node.keys.len());
                node.keys.push((key.into(), target));
            }
        }
    }

    pub(super) fn fresh(&mut self) -> Vec<TextColumn> {
        let empty =
            (0..self.wanted.names().len()).map(|_| TextColumn { from_json: true, ..TextColumn::default() }).collect();
        self.rows = 0;
        std::mem::replace(&mut self.columns, empty)
    }

    fn full_name(&self, key: &[u8]) -> String {
        String::from_utf8_lossy(&[self.prefix.as_slice(), key].concat()).into_owned()
    }

    pub(super) fn end_record(&mut self) {
        for column in &mut self.columns {
            if column.len() == self.rows {
                column.push(CellKind::Null, b"");
            }
        }
        self.rows += 1;
    }
}

impl Sink for Columns {
    fn start(&mut self) {
        self.open.truncate(1);
        self.prefix.clear();
        self.nodes[0].next = 0;
        // A record that is read again, or was set aside, left its cells.
        let rows = self.rows;
        self.columns.iter_mut().for_each(|c| c.truncate(rows));
    }

    fn key(&mut self, key: &[u8]) -> Result<Next, Misfit> {
        let (node, _) = *self.open.last().expect("the record itself is open");
        let node = &mut self.nodes[node];
        let likely = node.keys.get(node.next).filter(|(k, _)| k.as_ref() == key).map(|_| node.next);
        let Some(i) = likely.or_else(|| node.by_key.get(key).copied()) else {
            if self.wanted.ignore_unknown {
                return Ok(Next::Skip);
            }
            let name = self.full_name(key);
            let hint = crate::error::did_you_mean(&name, self.wanted.names().iter().map(String::as_str));
            return Err(Misfit { column: Some(name), reason: format!("the schema has no such column{hint}") });
        };
        node.next = i + 1;
        let target = node.keys[i].1;
        self.pending = Some(target);
        self.pending_key.clear();
        self.pending_key.extend_from_slice(key);
        match target {
            Target::Column(c) if self.columns[c].len() > self.rows => {
                let name = self.wanted.names()[c].clone();
                Err(Misfit { column: Some(name), reason: "the record gives this column twice".to_owned() })
            }
            Target::Column(_) => Ok(Next::Cell),
            Target::Node(_) => Ok(Next::Object),
        }
    }

    fn value(&mut self, kind: CellKind, bytes: &[u8]) -> Result<(), Misfit> {
        match self.pending {
            Some(Target::Column(c)) => {
                self.columns[c].push(kind, bytes);
                Ok(())
            }
            _ if kind == CellKind::Null || self.wanted.ignore_unknown => Ok(()),
            _ => {
                let name = self.full_name(&self.pending_key);
                let reason = format!(
                    "expected an object (the schema has columns '{name}.…'), found {}",
                    crate::error::Shown(bytes)
                );
                Err(Misfit { column: Some(name), reason })
            }
        }
    }

    fn open(&mut self) {
        if let Some(Target::Node(node)) = self.pending {
            self.open.push((node, self.prefix.len()));
            self.prefix.extend_from_slice(&self.pending_key);
            self.prefix.push(b'.');
            self.nodes[node].next = 0;
        }
    }

    fn close(&mut self) {
        if let Some((_, length)) = self.open.pop() {
            self.prefix.truncate(length);
        }
    }
}
