//! What the catalog knows: a copy-on-write tree with a subtree a table.
//!
//! Cloning a [`State`] copies pointers. A change copies the path to what it changes, so a reader that holds an older state
//! goes on seeing exactly that one version of every table.

use std::fmt;
use std::sync::{Arc, OnceLock};

use cluster_types::{
    ClusterId, Generation, OperationId, Schema, SegmentOrdinal, TableConfig, TableIncarnation, TableName, TableType,
    TableVersion,
};
use imbl::{OrdMap, OrdSet};

use crate::command::{NewSegment, Outcome, PushMode, SegmentPartition};

/// The feature levels that this version can apply.
pub const LEVEL_MAX: u32 = 1;

/// All that the log has led to, up to [`State::applied_index`].
#[derive(Debug, Clone)]
pub struct State {
    pub(crate) cluster: ClusterId,
    pub(crate) recovery_epoch: u64,
    pub(crate) feature_level: u32,
    pub(crate) applied_index: u64,
    pub(crate) log_time_ms: i64,
    pub(crate) next_incarnation: u64,
    pub(crate) next_tombstone: u64,
    pub(crate) schemas: OrdMap<String, Arc<SchemaRow>>,
    pub(crate) tables: OrdMap<TableIncarnation, Arc<Table>>,
    pub(crate) table_names: OrdMap<String, TableIncarnation>,
    pub(crate) tombstones: OrdMap<u64, Arc<Tombstone>>,
    /// Every deep-store key that a segment, a push in parts or a tombstone holds.
    pub(crate) keys: OrdSet<Arc<str>>,
    pub(crate) configs: OrdMap<String, String>,
    pub(crate) operations: OrdMap<OperationId, Arc<OperationRow>>,
    /// Operations by the time at which they are forgotten.
    pub(crate) operation_times: OrdSet<(i64, OperationId)>,
    /// The state after the last multiple of [`crate::apply::DIGEST_EVERY`] entries, until the log says what it was.
    pub(crate) checkpoint: Option<Arc<State>>,
}

/// The answer to a command that has been applied, kept so that sending it again gives it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationRow {
    pub index: u64,
    pub log_time_ms: i64,
    pub outcome: Outcome,
}

/// A JSON text as it was sent, and what it means, read at most once for all states that share it.
pub struct Document<T>(Arc<Text<T>>);

struct Text<T> {
    text: Box<str>,
    parsed: OnceLock<Result<T, cluster_types::Error>>,
}

impl<T> Document<T> {
    pub(crate) fn new(text: impl Into<Box<str>>) -> Document<T> {
        Document(Arc::new(Text { text: text.into(), parsed: OnceLock::new() }))
    }

    /// The text as it was sent.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    fn parsed(&self, parse: fn(&str) -> Result<T, cluster_types::Error>) -> Result<&T, &cluster_types::Error> {
        self.0.parsed.get_or_init(|| parse(&self.0.text)).as_ref()
    }
}

impl<T> fmt::Debug for Document<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl<T> Clone for Document<T> {
    fn clone(&self) -> Document<T> {
        Document(self.0.clone())
    }
}

/// A schema and how often it was changed.
#[derive(Debug, Clone)]
pub struct SchemaRow {
    pub name: String,
    /// Counts from 1.
    pub version: u64,
    pub(crate) document: Document<Schema>,
}

impl SchemaRow {
    /// The JSON text as it was sent.
    pub fn document(&self) -> &str {
        self.document.text()
    }

    /// The schema, read once. An error means that this version checks more strictly than the one that took it.
    pub fn schema(&self) -> Result<&Schema, &cluster_types::Error> {
        self.document.parsed(Schema::from_json)
    }
}

/// A table: its config and the segments that a query sees.
#[derive(Debug, Clone)]
pub struct Table {
    pub incarnation: TableIncarnation,
    /// With type: `t_OFFLINE`.
    pub name: String,
    pub schema: String,
    /// Grows with every change of the table, its config or its segments.
    pub version: TableVersion,
    /// Grows when the config changes; with the schema's version it keys plans.
    pub config_version: u64,
    pub enabled: bool,
    pub created_ms: i64,
    pub(crate) document: Document<TableConfig>,
    pub(crate) next_ordinal: u32,
    pub(crate) segments: OrdMap<SegmentOrdinal, Arc<Segment>>,
    pub(crate) names: OrdMap<Arc<str>, SegmentOrdinal>,
    pub(crate) reserved: OrdMap<(SegmentOrdinal, Generation), Arc<Reservation>>,
    pub(crate) staged: OrdMap<OperationId, Arc<StagedPush>>,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

/// A number that has been given out and not been pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    pub name: String,
    pub since_ms: i64,
}

/// The parts of a push that has not come to its last.
#[derive(Debug, Clone, PartialEq)]
pub struct StagedPush {
    pub mode: PushMode,
    pub since_ms: i64,
    pub parts: u32,
    pub(crate) segments: Vec<Arc<NewSegment>>,
}

impl StagedPush {
    pub fn segments(&self) -> impl Iterator<Item = &NewSegment> {
        self.segments.iter().map(|s| &**s)
    }
}

/// A segment that queries see.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    pub name: Arc<str>,
    pub ordinal: SegmentOrdinal,
    pub generation: Generation,
    /// Where the file is in the deep store.
    pub key: Arc<str>,
    pub rows: u64,
    pub bytes: u64,
    pub digest: String,
    pub min_time_ms: Option<i64>,
    pub max_time_ms: Option<i64>,
    pub partition: Option<SegmentPartition>,
    pub schema_version: u32,
    pub index_version: u32,
    /// When the first generation and when this one became visible, in log time.
    pub created_ms: i64,
    pub pushed_ms: i64,
    /// The table version that made this generation visible.
    pub visible_since: TableVersion,
}

/// Where a segment generation is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentState {
    /// Its number is given out, or it is a part of an unfinished push.
    Staged,
    /// Queries see it.
    Visible,
    /// Queries of older versions may still read it; its file is kept until the window of its tombstone has passed.
    Retiring,
}

impl SegmentState {
    /// Pinot's word in an external view.
    pub fn pinot_name(self) -> &'static str {
        match self {
            SegmentState::Staged => "OFFLINE",
            SegmentState::Visible => "ONLINE",
            SegmentState::Retiring => "DROPPED",
        }
    }
}

/// Permission to delete, once its window has passed. Nothing else is.
#[derive(Debug, Clone)]
pub struct Tombstone {
    pub id: u64,
    pub table: TableIncarnation,
    pub table_name: String,
    pub reason: TombstoneReason,
    pub subject: Subject,
    pub dropped_ms: i64,
    /// Log time from which on the files may go.
    pub delete_after_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TombstoneReason {
    /// The segment was dropped.
    Dropped,
    /// A newer generation, or a push that replaced the table's segments, took its place.
    Replaced,
    /// The push was aborted, or a number was given out and not used in time.
    Abandoned,
    /// The table was dropped.
    TableDropped,
}

/// What may be deleted.
#[derive(Debug, Clone)]
pub enum Subject {
    Segment {
        name: String,
        /// Absent for a part of a push that left the numbers to the catalog.
        slot: Option<(SegmentOrdinal, Generation)>,
        /// Absent for a number that was given out and not pushed: the file, if there is one, is found by its number.
        key: Option<Arc<str>>,
        bytes: u64,
    },
    /// All that belongs to the table's incarnation; the table as it was when it was dropped.
    Table(Arc<Table>),
}

impl Tombstone {
    /// The deep-store keys that may be deleted.
    pub fn keys(&self) -> Vec<Arc<str>> {
        match &self.subject {
            Subject::Segment { key, .. } => key.iter().cloned().collect(),
            Subject::Table(table) => table.keys(),
        }
    }
}

impl Table {
    /// The table config's JSON text as it was sent.
    pub fn document(&self) -> &str {
        self.document.text()
    }

    /// The table config, read once. An error means that this version checks more strictly than the one that took it.
    pub fn config(&self) -> Result<&TableConfig, &cluster_types::Error> {
        self.document.parsed(TableConfig::from_json)
    }

    pub fn table_type(&self) -> TableType {
        TableName::parse(&self.name).ok().and_then(|n| n.table_type()).unwrap_or(TableType::Offline)
    }

    /// The name without its type, as queries write it.
    pub fn raw_name(&self) -> String {
        TableName::parse(&self.name).map_or_else(|_| self.name.clone(), |n| n.raw())
    }

    /// Visible segments by ordinal.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = &Arc<Segment>> {
        self.segments.values()
    }

    pub fn segment(&self, name: &str) -> Option<&Arc<Segment>> {
        self.names.get(name).and_then(|ordinal| self.segments.get(ordinal))
    }

    pub fn segment_by_ordinal(&self, ordinal: SegmentOrdinal) -> Option<&Arc<Segment>> {
        self.segments.get(&ordinal)
    }

    pub fn segment_count(&self) -> usize {
        self.segments.len()
    }

    /// Rows of all visible segments.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes of all visible segments in the deep store.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Numbers given out and not pushed.
    pub fn reservations(&self) -> impl Iterator<Item = (&(SegmentOrdinal, Generation), &Reservation)> {
        self.reserved.iter().map(|(slot, r)| (slot, &**r))
    }

    /// Pushes in parts that have not come to their last.
    pub fn staged(&self) -> impl Iterator<Item = (&OperationId, &StagedPush)> {
        self.staged.iter().map(|(push, s)| (push, &**s))
    }

    fn keys(&self) -> Vec<Arc<str>> {
        let visible = self.segments.values().map(|s| s.key.clone());
        let staged = self.staged.values().flat_map(|push| push.segments.iter().map(|s| Arc::from(s.key.as_str())));
        visible.chain(staged).collect()
    }
}

impl State {
    /// A cluster without anything in it.
    pub fn new(cluster: ClusterId) -> State {
        State {
            cluster,
            recovery_epoch: 0,
            feature_level: 1,
            applied_index: 0,
            log_time_ms: 0,
            next_incarnation: 1,
            next_tombstone: 1,
            schemas: OrdMap::new(),
            tables: OrdMap::new(),
            table_names: OrdMap::new(),
            tombstones: OrdMap::new(),
            keys: OrdSet::new(),
            configs: OrdMap::new(),
            operations: OrdMap::new(),
            operation_times: OrdSet::new(),
            checkpoint: None,
        }
    }

    /// The state that the log is to tell the digest of, if there is one.
    pub fn checkpoint(&self) -> Option<&Arc<State>> {
        self.checkpoint.as_ref()
    }

    pub fn cluster(&self) -> ClusterId {
        self.cluster
    }

    pub fn recovery_epoch(&self) -> u64 {
        self.recovery_epoch
    }

    pub fn feature_level(&self) -> u32 {
        self.feature_level
    }

    /// The index of the last entry of the log that is in this state.
    pub fn applied_index(&self) -> u64 {
        self.applied_index
    }

    /// The log time of that entry; windows are counted in it.
    pub fn log_time_ms(&self) -> i64 {
        self.log_time_ms
    }

    pub fn schemas(&self) -> impl ExactSizeIterator<Item = &Arc<SchemaRow>> {
        self.schemas.values()
    }

    pub fn schema(&self, name: &str) -> Option<&Arc<SchemaRow>> {
        self.schemas.get(name)
    }

    /// Tables by incarnation, which is the order in which they were made.
    pub fn tables(&self) -> impl ExactSizeIterator<Item = &Arc<Table>> {
        self.tables.values()
    }

    pub fn table(&self, incarnation: TableIncarnation) -> Option<&Arc<Table>> {
        self.tables.get(&incarnation)
    }

    /// The table with this name, `t_OFFLINE`.
    pub fn table_by_name(&self, name_with_type: &str) -> Option<&Arc<Table>> {
        self.table_names.get(name_with_type).and_then(|incarnation| self.tables.get(incarnation))
    }

    /// The tables that a query means by a name: with type that one, without the offline and the realtime one. A name that is
    /// not there as written is compared without regard to case, if only one table fits.
    pub fn resolve(&self, name: &str) -> Vec<&Arc<Table>> {
        let Ok(name) = TableName::parse(name) else { return Vec::new() };
        let types = match name.table_type() {
            Some(table_type) => vec![table_type],
            None => vec![TableType::Offline, TableType::Realtime],
        };
        let names: Vec<String> = types.into_iter().map(|t| name.with_type(t).to_string()).collect();
        let exact: Vec<_> = names.iter().filter_map(|name| self.table_by_name(name)).collect();
        if !exact.is_empty() {
            return exact;
        }
        let folded: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
        let near: Vec<_> = self.tables().filter(|t| folded.contains(&t.name.to_lowercase())).collect();
        let one_table = near.windows(2).all(|pair| pair[0].raw_name() == pair[1].raw_name());
        if one_table { near } else { Vec::new() }
    }

    /// Tombstones by number, which is the order in which they were made.
    pub fn tombstones(&self) -> impl ExactSizeIterator<Item = &Arc<Tombstone>> {
        self.tombstones.values()
    }

    pub fn tombstone(&self, id: u64) -> Option<&Arc<Tombstone>> {
        self.tombstones.get(&id)
    }

    /// Tombstones whose window has passed at a log time.
    pub fn deletable(&self, log_time_ms: i64) -> impl Iterator<Item = &Arc<Tombstone>> {
        self.tombstones.values().filter(move |t| t.delete_after_ms <= log_time_ms)
    }

    /// Whether a segment, an unfinished push or a tombstone names this deep-store key. What has no name here is unknown, which
    /// is no reason to delete it.
    pub fn knows_key(&self, key: &str) -> bool {
        self.keys.contains(key)
    }

    /// Where a segment generation is in its life; `None` for one that the catalog does not know.
    pub fn segment_state(
        &self,
        table: TableIncarnation,
        ordinal: SegmentOrdinal,
        generation: Generation,
    ) -> Option<SegmentState> {
        if let Some(found) = self.tables.get(&table) {
            if found.segments.get(&ordinal).is_some_and(|s| s.generation == generation) {
                return Some(SegmentState::Visible);
            }
            let in_push = |push: &Arc<StagedPush>| {
                push.segments.iter().any(|s| s.ordinal == Some(ordinal) && s.generation == Some(generation))
            };
            if found.reserved.contains_key(&(ordinal, generation)) || found.staged.values().any(in_push) {
                return Some(SegmentState::Staged);
            }
        }
        let retiring = self.tombstones.values().filter(|t| t.table == table).any(|t| match &t.subject {
            Subject::Segment { slot, .. } => *slot == Some((ordinal, generation)),
            Subject::Table(dropped) => dropped.segments.get(&ordinal).is_some_and(|s| s.generation == generation),
        });
        retiring.then_some(SegmentState::Retiring)
    }

    /// Cluster configs by key.
    pub fn configs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.configs.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// What an operation led to, while it is remembered.
    pub fn operation(&self, operation: &OperationId) -> Option<&OperationRow> {
        self.operations.get(operation).map(|row| &**row)
    }
}

/// Where a segment's file belongs in the deep store: written once under cluster, incarnation, ordinal, generation and attempt.
pub fn deep_store_key(
    cluster: ClusterId,
    table: TableIncarnation,
    ordinal: SegmentOrdinal,
    generation: Generation,
    attempt: u32,
) -> String {
    format!("{cluster}/{table}/{ordinal}/{generation}-{attempt}")
}
