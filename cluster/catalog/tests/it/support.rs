//! Commands for tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use cluster_catalog::command::*;
use cluster_catalog::log::LogOptions;
use cluster_catalog::{Catalog, Options, State};
use cluster_types::{ClusterId, OperationId, TableIncarnation};

pub const CLUSTER: ClusterId = ClusterId([7; 16]);

/// Options with small files, and a clock that the test moves.
pub fn options(clock: &Arc<AtomicI64>) -> Options {
    let clock = clock.clone();
    Options {
        log: LogOptions { file_bytes: 4096 },
        snapshot_every: u64::MAX,
        snapshot_bytes: u64::MAX,
        floor_every_ms: 1_000,
        maintained: false,
        clock: Box::new(move || clock.load(Ordering::Relaxed)),
    }
}

pub fn clock() -> Arc<AtomicI64> {
    Arc::new(AtomicI64::new(1_000_000))
}

pub fn operation(sequence: u64) -> OperationId {
    OperationId { session: 1, sequence }
}

pub fn put_schema(name: &str) -> Body {
    let document = format!(r#"{{"schemaName":"{name}","dimensionFieldSpecs":[{{"name":"a","dataType":"INT"}}]}}"#);
    Body::PutSchema(PutSchema { name: name.into(), document, if_version: None })
}

pub fn create_table(name: &str) -> Body {
    let document = format!(r#"{{"tableName":"{name}","tableType":"OFFLINE"}}"#);
    Body::CreateTable(CreateTable { name: format!("{name}_OFFLINE"), schema: name.into(), document })
}

pub fn segment(name: &str, key: &str) -> NewSegment {
    NewSegment {
        name: name.into(),
        ordinal: None,
        generation: None,
        key: key.into(),
        rows: 10,
        bytes: 100,
        digest: "00ff".into(),
        min_time_ms: Some(1),
        max_time_ms: Some(2),
        partition: None,
        schema_version: 1,
        index_version: 1,
    }
}

pub fn push(table: TableIncarnation, push: u64, mode: PushMode, segments: Vec<NewSegment>) -> PushSegments {
    PushSegments { table, push: operation(push), part: 0, last: true, mode, segments, window_ms: 1_000 }
}

/// Makes schema and table and gives back the table.
pub fn with_table(catalog: &Catalog, name: &str) -> TableIncarnation {
    catalog.propose_body(put_schema(name)).unwrap();
    match catalog.propose_body(create_table(name)).unwrap().outcome {
        Outcome::Table { table, .. } => table,
        other => panic!("{other:?}"),
    }
}

/// Names of a table's visible segments.
pub fn names(state: &State, table: TableIncarnation) -> Vec<String> {
    let mut names: Vec<String> = state.table(table).unwrap().segments().map(|s| s.name.to_string()).collect();
    names.sort();
    names
}

/// An error with its sources.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
