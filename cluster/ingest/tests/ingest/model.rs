//! Text formats against a model: rows made up, written by a plain writer, and read back.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::support::{Job, all_rows, schema, text_source};

#[derive(Debug, Clone)]
struct Row {
    n: Option<i32>,
    d: Option<f64>,
    s: Option<String>,
}

fn row() -> impl Strategy<Value = Row> {
    let text = prop_oneof!["[ -~]{0,12}", "[\"',;\\\\\r\n\t é😀]{0,6}"];
    (proptest::option::of(any::<i32>()), proptest::option::of(-1e9..1e9f64), proptest::option::of(text))
        .prop_map(|(n, d, s)| Row { n, d, s })
}

fn expected(rows: &[Row]) -> Vec<Json> {
    rows.iter().map(|r| json!({"n": r.n, "d": r.d, "s": r.s})).collect()
}

fn csv(rows: &[Row], line_end: &str) -> String {
    let mut out = format!("n,d,s{line_end}");
    for r in rows {
        let quoted = |s: &str| format!("\"{}\"", s.replace('"', "\"\""));
        let cell = r.s.as_ref().map_or_else(String::new, |s| quoted(s));
        let number = |v: Option<String>| v.unwrap_or_default();
        out.push_str(&format!(
            "{},{},{cell}{line_end}",
            number(r.n.map(|v| v.to_string())),
            number(r.d.map(|v| format!("{v:?}")))
        ));
    }
    out
}

fn load(name: &str, text: &str) -> Vec<Json> {
    let dir = tempfile::tempdir().expect("a folder");
    let job = Job::new(
        vec![text_source(dir.path(), name, text.as_bytes())],
        schema(&[("n", "INT"), ("d", "DOUBLE"), ("s", "STRING")]),
    );
    all_rows(&job.run().unwrap_or_else(|e| panic!("{e}\n{text}")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn csv_round_trip(rows in proptest::collection::vec(row(), 1..40), crlf in any::<bool>()) {
        let text = csv(&rows, if crlf { "\r\n" } else { "\n" });
        prop_assert_eq!(load("input.csv", &text), expected(&rows));
    }

    #[test]
    fn json_round_trip(rows in proptest::collection::vec(row(), 1..40), form in 0..3) {
        let records = expected(&rows);
        let (name, text) = match form {
            0 => ("input.jsonl", records.iter().map(|r| format!("{r}\n")).collect::<String>()),
            1 => ("input.json", Json::from(records.clone()).to_string()),
            _ => ("input.json", serde_json::to_string_pretty(&records).expect("JSON")),
        };
        prop_assert_eq!(load(name, &text), records);
    }

    /// Any bytes at all: an answer or an error, never a panic.
    #[test]
    fn any_bytes_are_safe(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), proptest::sample::select(b"{}[]\",:\\\n\r\te1u0".to_vec())], 0..200), which in 0usize..4) {
        let dir = tempfile::tempdir().expect("a folder");
        let name = ["input.csv", "input.json", "input.jsonl", "input.parquet"][which];
        let source = text_source(dir.path(), name, &bytes);
        if let Ok(job) = Job::inferred(&source.path, cluster_ingest::ReadOptions::default(), None)
            && let Ok(report) = job.run() {
                prop_assert_eq!(all_rows(&report).len() as u64, report.rows);
            }
    }

    /// What one column holds is kept by the type that inference chooses for it.
    #[test]
    fn inferred_text_is_kept(cells in proptest::collection::vec("[0-9+.eE-]{1,6}|0{0,2}[0-9]{1,20}|[a-z]{1,3}|true|nan", 1..12)) {
        let text = format!("k,v\n{}", cells.iter().map(|c| format!("1,{c}\n")).collect::<String>());
        let dir = tempfile::tempdir().expect("a folder");
        let source = text_source(dir.path(), "input.csv", text.as_bytes());
        let job = Job::inferred(&source.path, cluster_ingest::ReadOptions::default(), None).expect("a schema");
        let got = all_rows(&job.run().expect("inferred types take their own values"));
        for (cell, row) in cells.iter().zip(&got) {
            match &row["v"] {
                Json::Number(n) if n.is_i64() => prop_assert_eq!(n.as_i64(), cell.parse().ok()),
                Json::Number(n) => prop_assert_eq!(n.as_f64().map(|v| v + 0.0), cell.parse().ok().map(|v: f64| v + 0.0)),
                Json::Bool(b) => prop_assert_eq!(b.to_string(), cell.as_str()),
                Json::String(s) if s == "NaN" => prop_assert_eq!(cell.as_str(), "nan"),
                Json::String(s) if s != cell => prop_assert_eq!(s.parse::<bigdecimal::BigDecimal>().ok(), cell.parse().ok(), "{} {}", s, cell),
                Json::String(_) => {}
                other => prop_assert!(matches!(other.as_str(), Some("Infinity")), "{} became {}", cell, other),
            }
        }
    }
}
