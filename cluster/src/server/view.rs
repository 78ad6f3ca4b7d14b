//! One moment of the catalog with the segments that serve it.

use cluster_catalog::{Segment, State, Table};
use cluster_sql::{SqlError, TableCatalog, TableInfo};
use cluster_types::{Generation, SegmentOrdinal, TableIncarnation, TableName};
use shard::{SegmentHandle, TableSnapshot};
use std::collections::HashMap;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// A segment that should be served and cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    pub segment: String,
    pub reason: String,
}

/// A table and its open segments.
pub struct ServedTable {
    table: Arc<Table>,
    segments: Arc<HashMap<(SegmentOrdinal, Generation), Arc<SegmentHandle>>>,
    snapshot: Arc<TableSnapshot>,
    unavailable: Arc<[Unavailable]>,
}

impl ServedTable {
    /// `open` in the order of the ordinals.
    pub fn new(
        table: Arc<Table>,
        open: Vec<(Arc<Segment>, Arc<SegmentHandle>)>,
        unavailable: Vec<Unavailable>,
    ) -> ServedTable {
        let handles = open.iter().map(|(_, handle)| handle.clone()).collect();
        let segments =
            open.into_iter().map(|(segment, handle)| ((segment.ordinal, segment.generation), handle)).collect();
        ServedTable {
            table,
            segments: Arc::new(segments),
            snapshot: TableSnapshot::new(handles),
            unavailable: unavailable.into(),
        }
    }

    /// The same segments under a table whose reservations or uploads changed.
    pub fn with_table(&self, table: Arc<Table>) -> ServedTable {
        ServedTable {
            table,
            segments: self.segments.clone(),
            snapshot: self.snapshot.clone(),
            unavailable: self.unavailable.clone(),
        }
    }

    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    pub fn handle(&self, ordinal: SegmentOrdinal, generation: Generation) -> Option<Arc<SegmentHandle>> {
        self.segments.get(&(ordinal, generation)).cloned()
    }

    /// The segments that a query scans.
    pub fn snapshot(&self) -> &Arc<TableSnapshot> {
        &self.snapshot
    }

    pub fn unavailable(&self) -> &[Unavailable] {
        &self.unavailable
    }
}

/// Tables, schemas and segments as one query sees them.
pub struct View {
    state: Arc<State>,
    tables: HashMap<TableIncarnation, Arc<ServedTable>>,
    /// By raw name in lower case: the spelling that queries compare.
    infos: HashMap<String, Vec<Arc<TableInfo>>>,
}

impl View {
    pub fn empty(state: Arc<State>) -> View {
        View { state, tables: HashMap::new(), infos: HashMap::new() }
    }

    pub fn new(state: Arc<State>, tables: HashMap<TableIncarnation, Arc<ServedTable>>, before: &View) -> View {
        let mut infos: HashMap<String, Vec<Arc<TableInfo>>> = HashMap::new();
        for served in tables.values() {
            let Some(info) = table_info(&state, &served.table, before) else { continue };
            infos.entry(info.name.to_lowercase()).or_default().push(info);
        }
        View { state, tables, infos }
    }

    pub fn state(&self) -> &Arc<State> {
        &self.state
    }

    pub fn table(&self, incarnation: TableIncarnation) -> Option<&Arc<ServedTable>> {
        self.tables.get(&incarnation)
    }

    /// The served table that a plan means by a raw name.
    pub fn table_named(&self, raw: &str) -> Option<&Arc<ServedTable>> {
        let table = self.state.resolve(raw).first().map(|table| table.incarnation)?;
        self.tables.get(&table)
    }

    /// Every table of the state is here with all its segments.
    pub fn is_complete(&self) -> bool {
        self.tables.len() == self.state.tables().len() && self.tables.values().all(|table| table.unavailable.is_empty())
    }

    pub fn tables(&self) -> impl Iterator<Item = &Arc<ServedTable>> {
        self.tables.values()
    }

    /// The table as plans see it.
    fn info(&self, name: &str) -> Option<&Arc<TableInfo>> {
        let raw = TableName::parse(name).ok()?.raw();
        let found = self.infos.get(&raw.to_lowercase())?;
        found.iter().find(|info| info.name == raw).or_else(|| if found.len() == 1 { found.first() } else { None })
    }
}

/// Builds what the planner sees of a table, or takes it over from the view before.
fn table_info(state: &State, table: &Table, before: &View) -> Option<Arc<TableInfo>> {
    let name = table.raw_name();
    let row = state.schema(&table.schema)?;
    let mut key = Vec::with_capacity(24);
    for part in [table.incarnation.0, table.config_version, row.version] {
        key.extend_from_slice(&part.to_le_bytes());
    }
    let version = xxh3_64(&key);
    if let Some(known) = before.info(&name).filter(|known| known.version == version && known.name == name) {
        return Some(known.clone());
    }
    match row.schema() {
        Ok(schema) => Some(Arc::new(TableInfo::from_schema(&name, schema, table.config().ok(), version))),
        Err(error) => {
            tracing::error!(table = %name, %error, "the schema in the catalog cannot be read, so that the table cannot be asked");
            None
        }
    }
}

impl TableCatalog for View {
    fn table(&self, name: &str) -> Result<Option<Arc<TableInfo>>, SqlError> {
        let Some(info) = self.info(name) else { return Ok(None) };
        let disabled = self.table_named(&info.name).is_some_and(|served| !served.table.enabled);
        if disabled {
            let code = cluster_types::ErrorCode::TableIsDisabled;
            return Err(SqlError::new(
                code,
                format!("table `{}` is disabled; enable it with PUT /tables/{}/state", info.name, info.name),
            ));
        }
        Ok(Some(info.clone()))
    }

    fn table_names(&self) -> Vec<String> {
        self.infos.values().flatten().map(|info| info.name.clone()).collect()
    }
}
