//! The command line: output, exit codes.

use crate::harness::{GAMAY, Node, sample_csv, text};
use serde_json::Value;
use std::process::Command;

fn node() -> Node {
    let node = Node::start();
    node.ingest(&node.file("t.csv", sample_csv(30)), "t", &[]);
    node
}

#[test]
fn sql_as_table_csv_and_json() {
    let node = node();
    let sql = "SELECT name, count(*) AS n, sum(amount) AS total FROM t WHERE id < 22 GROUP BY name ORDER BY 2 DESC, 1 LIMIT 2";
    let table = node.gamay(&["sql", sql]);
    assert_eq!(text(&table.stdout), "name  n  total\n----  -  -----\nn0    3   31.5\nn1    3   34.5\n");
    assert!(table.status.success());
    assert_eq!(text(&node.gamay(&["sql", sql, "--csv"]).stdout), "name,n,total\nn0,3,31.5\nn1,3,34.5\n");
    let json: Value = serde_json::from_slice(&node.gamay(&["sql", sql, "--json"]).stdout).unwrap();
    assert_eq!(json["resultTable"]["rows"].as_array().unwrap().len(), 2);
    assert!(json["numDocsScanned"].is_u64());
    // No LIMIT of Pinot's single-stage engine at this door.
    assert_eq!(text(&node.gamay(&["sql", "SELECT id FROM t"]).stdout).lines().count(), 32);
}

#[test]
fn exit_codes() {
    let node = node();
    let failed = node.gamay(&["sql", "SELECT nope FROM t"]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(text(&failed.stderr).starts_with("error:") && failed.stdout.is_empty(), "{}", text(&failed.stderr));
    assert_eq!(node.gamay(&["sql", "--no-such-option"]).status.code(), Some(2));
    assert_eq!(node.gamay(&["ingest", "x.csv"]).status.code(), Some(2));
    assert_eq!(node.gamay(&["ingest", "x.csv", "-t", "t", "--append", "--replace"]).status.code(), Some(2));
    assert_eq!(node.gamay(&["health"]).status.code(), Some(0));
    let away = Command::new(GAMAY).args(["sql", "SELECT 1", "--broker", "http://127.0.0.1:1"]).output().unwrap();
    assert_eq!(away.status.code(), Some(1));
    assert!(text(&away.stderr).contains("gamay start"), "{}", text(&away.stderr));
}

#[test]
fn options_reach_the_broker() {
    let node = node();
    let sse = node.gamay(&["sql", "SELECT id FROM t", "--option", "useMultistageEngine=false", "--csv"]);
    assert_eq!(text(&sse.stdout).lines().count(), 11);
    assert_eq!(node.gamay(&["sql", "SELECT 1", "--option", "novalue"]).status.code(), Some(1));
}

#[test]
fn tables_and_segments_are_listed() {
    let node = node();
    let tables = text(&node.gamay(&["tables"]).stdout);
    assert!(tables.lines().any(|line| line.starts_with("t_OFFLINE") && line.contains("30")), "{tables}");
    let json: Value = serde_json::from_slice(&node.gamay(&["tables", "--json"]).stdout).unwrap();
    assert_eq!(json[0]["numRows"], 30);
    let segments = node.data_dir().join("segments/1/0-0.seg");
    let shown = text(&node.gamay(&["segment", "inspect", segments.to_str().unwrap()]).stdout);
    assert!(shown.contains("30 rows") && shown.contains("amount") && shown.contains("DOUBLE"), "{shown}");
    let verified = node.gamay(&["segment", "verify", segments.to_str().unwrap()]);
    assert!(verified.status.success() && text(&verified.stdout).contains("intact"));
    let mut bytes = std::fs::read(&segments).unwrap();
    bytes[100] ^= 1;
    let damaged = node.file("damaged.seg", bytes);
    let verified = node.gamay(&["segment", "verify", damaged.to_str().unwrap(), segments.to_str().unwrap()]);
    assert_eq!(verified.status.code(), Some(1));
    assert!(text(&verified.stdout).contains("damaged"), "{}", text(&verified.stdout));
}

#[test]
fn a_reader_that_has_seen_enough() {
    let node = node();
    let mut child = node
        .gamay_command(&["sql", "SELECT a.id FROM t a, t b, t c"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}
