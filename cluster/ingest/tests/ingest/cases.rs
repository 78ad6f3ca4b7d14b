//! Small inputs with their right outcome: `cases/NN-name/{case.json, input.*}`.
//!
//! A case says `columns` (name to type, as inferred or declared by `schema`) and `rows`, or `count` and `sum`s; or `error`,
//! texts that the message must hold; and with `rejected` what a job that sets bad rows aside makes of the same file.

use std::collections::BTreeMap;
use std::path::Path;

use cluster_ingest::{Error, OnError, ReadOptions, Source};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::support::{Job, all_rows, columns, schema};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    title: String,
    file: String,
    #[serde(default)]
    null_tokens: Vec<String>,
    time_column: Option<String>,
    #[serde(default)]
    sort: Vec<String>,
    schema: Option<serde_json::Map<String, Json>>,
    columns: Option<serde_json::Map<String, Json>>,
    rows: Option<Vec<Json>>,
    count: Option<u64>,
    #[serde(default)]
    sum: BTreeMap<String, i64>,
    error: Option<Vec<String>>,
    rejected: Option<Rejected>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rejected {
    columns: serde_json::Map<String, Json>,
    rows: Vec<Json>,
    count: u64,
}

fn job(case: &Case, folder: &Path, rejecting: Option<&Rejected>) -> Result<Job, Error> {
    let read = ReadOptions { null_tokens: case.null_tokens.clone(), ..ReadOptions::default() };
    let path = folder.join(&case.file);
    let declared = case.schema.as_ref().or(rejecting.map(|r| &r.columns));
    let mut job = match declared {
        None => Job::inferred(&path, read, case.time_column.as_deref())?,
        Some(columns) => {
            let columns: Vec<(&str, &str)> =
                columns.iter().map(|(n, t)| (n.as_str(), t.as_str().expect("a type"))).collect();
            let mut job = Job::new(vec![Source::from_path(&path)?], schema(&columns));
            job.options.read = read;
            job
        }
    };
    job.options.sort.clone_from(&case.sort);
    if rejecting.is_some() {
        job.options.on_error = OnError::Reject { file: job.dir.path().join("rejects.jsonl") };
    }
    Ok(job)
}

fn check_rows(expected: &[Json], names: &serde_json::Map<String, Json>, got: &[Json]) {
    assert_eq!(got.len(), expected.len(), "{got:?}");
    for (row, (want, got)) in expected.iter().zip(got).enumerate() {
        for (i, name) in names.keys().enumerate() {
            let want = match want {
                Json::Array(cells) => &cells[i],
                object => &object[name],
            };
            assert_eq!(&got[name], want, "row {row}, column {name}");
        }
    }
}

fn check(case: &Case, folder: &Path) {
    let outcome = job(case, folder, None).and_then(|job| job.run().map(|report| (job, report)));
    if let Some(texts) = &case.error {
        let Err(e) = outcome else { panic!("it loaded") };
        for text in texts {
            assert!(e.to_string().to_lowercase().contains(&text.to_lowercase()), "{e} does not say {text:?}");
        }
    } else {
        let (_job, report) = outcome.unwrap_or_else(|e| panic!("{e}"));
        let names = case.columns.as_ref().expect("a case has columns or an error");
        if let Some(first) = report.segments.first() {
            let want: BTreeMap<_, _> =
                names.iter().map(|(n, t)| (n.clone(), t.as_str().expect("a type").to_owned())).collect();
            assert_eq!(columns(&first.path).into_iter().collect::<BTreeMap<_, _>>(), want);
        }
        let got = all_rows(&report);
        if let Some(rows) = &case.rows {
            check_rows(rows, names, &got);
        }
        if let Some(count) = case.count {
            assert_eq!(report.rows, count);
        }
        for (name, sum) in &case.sum {
            assert_eq!(got.iter().filter_map(|r| r[name].as_i64()).sum::<i64>(), *sum, "sum of {name}");
        }
    }
    if let Some(rejected) = &case.rejected {
        let job = job(case, folder, Some(rejected)).expect("a job");
        let report = job.run().unwrap_or_else(|e| panic!("setting rows aside: {e}"));
        assert_eq!(report.rows_rejected, rejected.count);
        check_rows(&rejected.rows, &rejected.columns, &all_rows(&report));
        let kept = std::fs::read_to_string(report.reject_file.expect("a reject file")).expect("read the reject file");
        assert_eq!(kept.lines().count() as u64, rejected.count);
        for line in kept.lines() {
            let line: Json = serde_json::from_str(line).expect("a reject line is JSON");
            assert!(line["reason"].as_str().is_some_and(|r| r.contains("line ")), "{line}");
        }
    }
}

#[test]
fn cases() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut failed = Vec::new();
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).expect("the cases") {
        let path = entry.expect("a case").path();
        let Ok(text) = std::fs::read_to_string(path.join("case.json")) else { continue };
        let case: Case = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        count += 1;
        let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&case, &path)));
        if let Err(e) = run {
            let why = e
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| e.downcast_ref::<&str>().map(|s| (*s).to_owned()))
                .unwrap_or_default();
            failed.push(format!("{}: {}: {why}", path.display(), case.title));
        }
    }
    assert!(count >= 50, "only {count} cases found");
    assert!(failed.is_empty(), "{} of {count} cases failed:\n{}", failed.len(), failed.join("\n"));
}
