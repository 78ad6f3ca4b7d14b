//! Reloading: what could not be opened is opened again. Segments never change, so those that are open stay.

use super::{Controller, Error, Result};
use cluster_catalog::{Segment, Table};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Reloads that are remembered for their callers; the oldest goes first.
const REMEMBERED: usize = 1_000;

/// A reload and how it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reload {
    pub id: String,
    /// With type.
    pub table: String,
    pub segments: usize,
    /// Of these, cannot be opened still.
    pub failed: usize,
    pub submitted_ms: u64,
}

/// The latest reloads.
#[derive(Debug, Default)]
pub struct Reloads(Mutex<VecDeque<Arc<Reload>>>);

impl Controller {
    /// Opens again what could not be opened of a table, and counts its segments, or the one that is asked for.
    pub fn reload(&self, table: &Table, segment: Option<&Segment>) -> Arc<Reload> {
        let submitted = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.server().follow(&self.state());
        let view = self.server().view();
        let served = view.table(table.incarnation);
        let asked = |name: &str| segment.is_none_or(|segment| *segment.name == *name);
        let failed = served.map_or(0, |s| s.unavailable().iter().filter(|u| asked(&u.segment)).count());
        let reload = Arc::new(Reload {
            id: self.next_operation().to_string(),
            table: table.name.clone(),
            segments: segment.map_or(table.segment_count(), |_| 1),
            failed,
            submitted_ms: u64::try_from(submitted.as_millis()).unwrap_or(u64::MAX),
        });
        // Each change is one push or pop, so that the list is whole after a panic elsewhere.
        let mut reloads = self.reloads.0.lock().unwrap_or_else(PoisonError::into_inner);
        if reloads.len() == REMEMBERED {
            reloads.pop_front();
        }
        reloads.push_back(reload.clone());
        reload
    }

    /// A reload that is remembered.
    pub fn reloaded(&self, id: &str) -> Result<Arc<Reload>> {
        let reloads = self.reloads.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = reloads.iter().find(|reload| reload.id == id).cloned();
        found.ok_or_else(|| Error::not_found("reload job", id, None))
    }
}
