//! `gamay ingest`: formats, options, and what it refuses.

use crate::harness::{Node, sample_csv};
use serde_json::{Value, json};

#[test]
fn a_file_becomes_a_table() {
    let node = Node::start();
    let file = node
        .file("t.csv", "id,name,at,price,ok\n1,a,2024-01-01T00:00:00Z,1.5,true\n2,NA,2024-01-02T00:00:00Z,2.5,false\n");
    let outcome = node.ingest(&file, "t", &["--null-token", "NA", "--time-column", "at", "--sort", "id"]);
    assert_eq!((&outcome["rows"], &outcome["segments"], &outcome["rowsRejected"]), (&json!(2), &json!(1), &json!(0)));
    assert!(outcome["bytesPerRow"].as_f64().unwrap() > 0.0 && outcome["rowsPerSecond"].as_f64().unwrap() > 0.0);
    let rows = node.rows("SELECT id, name, at, price, ok FROM t ORDER BY id");
    assert_eq!(
        rows,
        json!([[1, "a", "2024-01-01 00:00:00.0", 1.5, true], [2, null, "2024-01-02 00:00:00.0", 2.5, false]])
    );
    let config = node.get("/tables/t").ok()["OFFLINE"].clone();
    assert_eq!(config["segmentsConfig"]["timeColumnName"], "at");
    assert_eq!(config["tableIndexConfig"]["nullHandlingEnabled"], true);
    assert_eq!(config["tableIndexConfig"]["sortedColumn"], json!(["id"]));
    let name = node.get("/segments/t").ok()[0]["OFFLINE"][0].as_str().unwrap().to_owned();
    let metadata = node.get(&format!("/segments/t/{name}/metadata")).ok();
    assert_eq!(metadata["segment.start.time"], 1_704_067_200_000u64);
    assert_eq!(metadata["segment.end.time"], 1_704_153_600_000u64);
}

#[test]
fn the_same_data_again_needs_a_word() {
    let node = Node::start();
    let file = node.file("t.csv", sample_csv(10));
    node.ingest(&file, "t", &[]);
    // Another name does not make it other data.
    let copy = node.file("copy.csv", sample_csv(10));
    let said = node.ingest_failure(&copy, "t", &[]);
    assert!(said.contains("--append") && said.contains("--replace"), "{said}");
    assert_eq!(node.count("t"), Some(10));
    node.ingest(&copy, "t", &["--append"]);
    node.ingest(&copy, "t", &["--append"]);
    assert_eq!(node.count("t"), Some(30));
    node.ingest(&node.file("other.csv", sample_csv(5)), "t", &[]);
    assert_eq!(node.count("t"), Some(35));
    node.ingest(&file, "t", &["--replace"]);
    assert_eq!(node.count("t"), Some(10));
}

#[test]
fn many_segments_are_one_push() {
    let node = Node::start();
    let outcome =
        node.ingest(&node.file("t.csv", sample_csv(1000)), "t", &["--rows-per-segment", "90", "--sort", "name,id"]);
    assert!(outcome["segments"].as_u64().unwrap() >= 12, "{outcome}");
    assert_eq!(node.count("t"), Some(1000));
    // Each segment carries the numbers that the catalog has for it.
    let numbers = node.get("/segments/t/metadata").ok();
    let mut ordinals: Vec<u64> =
        numbers.as_object().unwrap().values().map(|s| s["ordinal"].as_u64().unwrap()).collect();
    ordinals.sort_unstable();
    ordinals.dedup();
    assert_eq!(ordinals.len() as u64, outcome["segments"].as_u64().unwrap());
    for (name, segment) in numbers.as_object().unwrap() {
        let bytes = ureq::get(format!("{}/segments/t/{name}", node.controller))
            .call()
            .unwrap()
            .into_body()
            .read_to_vec()
            .unwrap();
        let path = node.file("downloaded.seg", bytes);
        let shown = node.gamay(&["segment", "inspect", path.to_str().unwrap(), "--json"]);
        let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
        assert_eq!(shown["identity"]["ordinal"], segment["ordinal"], "{name}");
        assert_eq!(shown["identity"]["generation"], segment["generation"], "{name}");
        assert_eq!(shown["digest"], segment["segment.crc"]);
    }
}

#[test]
fn given_schema_and_config() {
    let node = Node::start();
    let schema = node.file(
        "s.json",
        json!({"schemaName": "t", "dimensionFieldSpecs": [{"name": "code", "dataType": "STRING"},
        {"name": "tags", "dataType": "STRING", "singleValueField": false}]})
        .to_string(),
    );
    let config = node.file("c.json", json!({"tableName": "t", "tableType": "OFFLINE", "segmentsConfig": {"replication": "1"},
        "tenants": {}, "metadata": {}, "tableIndexConfig": {"invertedIndexColumns": ["code"], "nullHandlingEnabled": true}}).to_string());
    let more: String = (0..2000).map(|i| format!("c{},x\n", i * 7 % 100)).collect();
    let file = node.file("t.csv", format!("code,tags\n007,a;b\n008,\n{more}"));
    node.ingest(&file, "t", &["--schema", schema.to_str().unwrap(), "--table-config", config.to_str().unwrap()]);
    assert_eq!(
        node.rows("SELECT code, tags FROM t WHERE code IN ('007', '008') ORDER BY code"),
        json!([["007", ["a", "b"]], ["008", null]])
    );
    let name = node.get("/segments/t").ok()[0]["OFFLINE"][0].as_str().unwrap().to_owned();
    let metadata = node.get(&format!("/segments/t/{name}/metadata?columns=code")).ok();
    assert_eq!(metadata["indexes"]["code"]["inverted-index"], "YES");
}

#[test]
fn a_dry_run_changes_nothing() {
    let node = Node::start();
    let outcome = node.ingest(&node.file("t.csv", sample_csv(10)), "t", &["--dry-run"]);
    assert_eq!(outcome["rows"], 10);
    assert_eq!(outcome["schema"]["schemaName"], "t");
    assert_eq!(node.get("/tables").ok(), json!({"tables": []}));
    assert_eq!(node.get("/schemas").ok(), json!([]));
}

#[test]
fn bad_rows_fail_the_push_or_are_set_aside() {
    let node = Node::start();
    let schema = node.file("s.json", json!({"schemaName": "t", "dimensionFieldSpecs": [{"name": "id", "dataType": "INT"}, {"name": "name", "dataType": "STRING"}]}).to_string());
    let file = node.file("t.csv", "id,name\n1,a\ntwo,b\n3,c\n");
    let with_schema = ["--schema", schema.to_str().unwrap()];
    let said = node.ingest_failure(&file, "t", &with_schema);
    assert!(said.contains("t.csv") && said.contains("line 3") && said.contains("id"), "{said}");
    // Nothing is left of a failed push, not even the table that was made for it.
    assert_eq!(node.get("/tables").ok(), json!({"tables": []}));
    let file = node.file("t.csv", "id,name\n1,a\ntwo,b\n3,c\n4\n");
    let rejects = node.folder().join("rejects.jsonl");
    let outcome = node.ingest(
        &file,
        "t",
        &[&with_schema[..], &["--on-error", &format!("reject={}", rejects.display())]].concat(),
    );
    assert_eq!((&outcome["rows"], &outcome["rowsRejected"]), (&json!(2), &json!(2)));
    assert_eq!(node.rows("SELECT id FROM t ORDER BY id"), json!([[1], [3]]));
    let lines: Vec<Value> =
        std::fs::read_to_string(&rejects).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    for line in ["line 3", "line 5"] {
        assert!(lines.iter().any(|l| l["reason"].as_str().unwrap().contains(line)), "{line} is not in {lines:?}");
    }
}

#[test]
fn json_and_parquet() {
    let node = Node::start();
    node.ingest(&node.file("a.json", "[{\"id\": 1, \"v\": [1, 2]}, {\"id\": 2, \"v\": null}]"), "a", &[]);
    assert_eq!(node.rows("SELECT id, v FROM a ORDER BY id"), json!([[1, [1, 2]], [2, null]]));
    node.ingest(&node.file("b.jsonl", "{\"id\": 1, \"x\": 9007199254740993}\n{\"id\": 2}\n"), "b", &[]);
    assert_eq!(node.rows("SELECT id, x FROM b ORDER BY id"), json!([[1, 9007199254740993i64], [2, null]]));
    let airlines = concat!(env!("CARGO_MANIFEST_DIR"), "/../perf/data/nycflights13/airlines.parquet");
    node.ingest(std::path::Path::new(airlines), "airlines", &[]);
    assert_eq!(node.rows("SELECT name FROM airlines WHERE carrier = 'UA'"), json!([["United Air Lines Inc."]]));
}
