//! The server: which segments are open in the shards, and which of them a query sees.
//!
//! A query takes one [`View`] when it is bound and keeps it to its end: tables, schemas and segment sets of one moment
//! (E-8, R-9). A change makes a new view and swaps it in; segments that left it close when the last query that holds an
//! older view ends.

pub mod shard_metrics;
pub mod view;

use crate::deepstore::DeepStore;
use arc_swap::ArcSwap;
use cluster_catalog::state::Subject;
use cluster_catalog::{Segment, State, Table, Tombstone};
use cluster_types::{Generation, SegmentOrdinal, TableIncarnation};
use shard::{Residency, SegmentHandle, SegmentKey, Shards};
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use view::{ServedTable, Unavailable, View};

/// A segment of the deep store that is about to become visible.
#[derive(Debug, Clone, Copy)]
pub struct PreparedSegment<'a> {
    pub table: TableIncarnation,
    pub ordinal: SegmentOrdinal,
    pub generation: Generation,
    pub key: &'a str,
}

type Slot = (TableIncarnation, SegmentOrdinal, Generation);

/// The local segments. Any thread; opening blocks on the disk.
pub struct Server {
    shards: Shards,
    deep_store: DeepStore,
    segments: PathBuf,
    residency: Residency,
    view: ArcSwap<View>,
    /// Open segments that no view has yet. Also held while a view is made, so that views follow each other.
    prepared: Mutex<HashMap<Slot, Arc<SegmentHandle>>>,
}

impl Server {
    pub fn new(
        shards: Shards,
        deep_store: DeepStore,
        segments: PathBuf,
        residency: Residency,
        state: &Arc<State>,
    ) -> Server {
        let view = ArcSwap::from_pointee(View::empty(state.clone()));
        Server { shards, deep_store, segments, residency, view, prepared: Mutex::default() }
    }

    pub fn shards(&self) -> &Shards {
        &self.shards
    }

    /// What a query that is bound now sees.
    pub fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// Opens a segment before the command that makes it visible.
    pub fn prepare(&self, segment: PreparedSegment<'_>) -> Result<(), shard::Error> {
        let handle = self.open(segment)?;
        self.lock().insert((segment.table, segment.ordinal, segment.generation), handle);
        Ok(())
    }

    /// A prepared segment will not become visible after all.
    pub fn forget(&self, table: TableIncarnation, ordinal: SegmentOrdinal, generation: Generation) {
        self.lock().remove(&(table, ordinal, generation));
        let file = self.local_file(table, ordinal, generation);
        if let Err(error) = remove_if_there(&file) {
            tracing::warn!(%error, file = %file.display(), "remove the local file of a failed push");
        }
    }

    /// Brings the view up to a state of the catalog. A segment that cannot be opened is named in its table's view, and
    /// every answer that misses it says so (I-2).
    pub fn follow(&self, state: &Arc<State>) {
        let mut prepared = self.lock();
        let before = self.view();
        let (new, old) = (state.applied_index(), before.state().applied_index());
        if new < old || (new == old && before.is_complete()) {
            return;
        }
        let tables = state.tables().map(|table| {
            let served = match before.table(table.incarnation) {
                Some(old) if old.table().version == table.version && old.unavailable().is_empty() => {
                    old.with_table(table.clone())
                }
                old => self.serve(table, old.map(|old| &**old), &mut prepared),
            };
            (table.incarnation, Arc::new(served))
        });
        let tables = tables.collect();
        self.view.store(Arc::new(View::new(state.clone(), tables, &before)));
        prepared.retain(|(table, ordinal, generation), _| {
            let visible = state.table(*table).and_then(|t| t.segment_by_ordinal(*ordinal));
            visible.is_none_or(|segment| segment.generation < *generation)
        });
    }

    fn serve(
        &self,
        table: &Arc<Table>,
        before: Option<&ServedTable>,
        prepared: &mut HashMap<Slot, Arc<SegmentHandle>>,
    ) -> ServedTable {
        let (mut open, mut unavailable) = (Vec::with_capacity(table.segment_count()), Vec::new());
        for segment in table.segments() {
            let slot = (table.incarnation, segment.ordinal, segment.generation);
            let known = before
                .and_then(|before| before.handle(segment.ordinal, segment.generation))
                .or_else(|| prepared.remove(&slot));
            match known.map_or_else(|| self.open(to_open(table, segment)), Ok) {
                Ok(handle) => open.push((segment.clone(), handle)),
                Err(error) => {
                    let reason = crate::error_chain(&error);
                    tracing::error!(table = %table.name, segment = %segment.name, %reason, "a segment cannot be served");
                    unavailable.push(Unavailable { segment: segment.name.to_string(), reason });
                }
            }
        }
        ServedTable::new(table.clone(), open, unavailable)
    }

    fn open(&self, segment: PreparedSegment<'_>) -> Result<Arc<SegmentHandle>, shard::Error> {
        let file = self.local_file(segment.table, segment.ordinal, segment.generation);
        let linked =
            self.deep_store.path(segment.key).map_err(io::Error::other).and_then(|object| link(&object, &file));
        let path = match linked {
            Ok(()) => file.clone(),
            // The deep store may lie on another file system; it is local, so its object serves as well.
            Err(_) => self.deep_store.path(segment.key).unwrap_or(file),
        };
        let key = SegmentKey {
            table_incarnation: segment.table.0,
            ordinal: segment.ordinal.0,
            generation: segment.generation.0,
        };
        SegmentHandle::open(&path, key, self.residency, &self.shards)
    }

    fn local_file(&self, table: TableIncarnation, ordinal: SegmentOrdinal, generation: Generation) -> PathBuf {
        self.segments.join(table.0.to_string()).join(format!("{}-{}.seg", ordinal.0, generation.0))
    }

    /// Deletes the local files that a tombstone allows to delete.
    pub fn drop_files(&self, tombstone: &Tombstone) -> io::Result<()> {
        match &tombstone.subject {
            Subject::Segment { slot: Some((ordinal, generation)), .. } => {
                remove_if_there(&self.local_file(tombstone.table, *ordinal, *generation))
            }
            Subject::Segment { slot: None, .. } => Ok(()),
            Subject::Table(table) => {
                for segment in table.segments() {
                    remove_if_there(&self.local_file(table.incarnation, segment.ordinal, segment.generation))?;
                }
                match fs::remove_dir(self.segments.join(table.incarnation.0.to_string())) {
                    Err(error)
                        if error.kind() != io::ErrorKind::NotFound
                            && error.kind() != io::ErrorKind::DirectoryNotEmpty =>
                    {
                        Err(error)
                    }
                    _ => Ok(()),
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Slot, Arc<SegmentHandle>>> {
        // Each change is one insert or remove, so that the map is whole after a panic elsewhere.
        self.prepared.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn to_open<'a>(table: &Table, segment: &'a Segment) -> PreparedSegment<'a> {
    PreparedSegment {
        table: table.incarnation,
        ordinal: segment.ordinal,
        generation: segment.generation,
        key: &segment.key,
    }
}

/// Gives a deep-store object a name among the served segments.
fn link(object: &std::path::Path, file: &std::path::Path) -> io::Result<()> {
    let folder = file.parent().expect("a segment file is in its table's folder");
    fs::create_dir_all(folder)?;
    match fs::hard_link(object, file) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            // A crash may have left a link of another attempt under the same number.
            use std::os::unix::fs::MetadataExt;
            let (object_meta, file_meta) = (fs::metadata(object)?, fs::metadata(file)?);
            if (object_meta.dev(), object_meta.ino()) == (file_meta.dev(), file_meta.ino()) {
                return Ok(());
            }
            fs::remove_file(file)?;
            fs::hard_link(object, file)
        }
        other => other,
    }
}

fn remove_if_there(file: &std::path::Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
