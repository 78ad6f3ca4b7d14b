//! Sort, cut, spill: the same rows and bytes whatever the memory, the threads and the runs; and nothing left behind.

use cluster_ingest::{Cancel, Error, Phase};
use serde_json::Value as Json;

use crate::support::{Job, all_rows, schema, table_config, text_source};

const COLUMNS: &[(&str, &str)] =
    &[("g", "STRING"), ("k", "INT"), ("u", "STRING"), ("d", "DOUBLE"), ("l", "INT[]"), ("t", "LONG")];

/// Rows in no order, with nulls, few and many different strings, and lists.
fn input(rows: u64) -> String {
    let mut out = String::from("g,k,u,d,l,t\n");
    let mut x = 7u64;
    for i in 0..rows {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (a, b) = (x >> 33, x >> 50);
        let g = if a % 11 == 0 { String::new() } else { format!("g{}", a % 37) };
        let l = (0..b % 4).map(|j| (a % 9 + j).to_string()).collect::<Vec<_>>().join(";");
        out.push_str(&format!("{g},{},u{a},{},{l},{i}\n", (b as i64) % 5 - 2, (a % 1_000) as f64 / 8.0));
    }
    out
}

fn job(dir: &std::path::Path, rows: u64) -> Job {
    let mut job = Job::new(vec![text_source(dir, "input.csv", input(rows).as_bytes())], schema(COLUMNS));
    job.table_config.table_index_config.inverted_index_columns = vec!["g".to_owned()];
    job.options.rows_per_segment = Some(20_001);
    job
}

/// The files themselves, byte for byte.
fn bytes(job: &Job) -> Vec<(String, Vec<u8>)> {
    let report = job.run().expect("it builds");
    let read =
        report.segments.iter().map(|s| (s.name.clone(), std::fs::read(&s.path).expect("a segment file"))).collect();
    report.segments.iter().for_each(|s| std::fs::remove_file(&s.path).expect("remove a segment"));
    read
}

#[test]
fn bytes_do_not_depend_on_memory_or_threads() {
    let dir = tempfile::tempdir().expect("a folder");
    for sort in [vec![], vec!["k"], vec!["g", "k"], vec!["u"], vec!["k", "d", "g"]] {
        let mut job = job(dir.path(), 80_000);
        job.options.sort = sort.iter().map(|s| (*s).to_owned()).collect();
        let whole = bytes(&job);
        assert_eq!(whole.len(), 4);
        for (memory, threads) in [(64 << 20, 3), (2 << 20, 1), (200 << 10, 2), (1, 3)] {
            job.options.memory_bytes = memory;
            job.options.threads = threads;
            assert!(bytes(&job) == whole, "sort {sort:?}, {memory} bytes of memory, {threads} threads");
        }
    }
}

#[test]
fn sorted_as_a_stable_sort_does() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut job = job(dir.path(), 90_000);
    let unsorted = all_rows(&job.run().expect("it builds"));
    let mut want = unsorted.clone();
    // A null sorts as its column's default, "null".
    want.sort_by_key(|r| (r["g"].as_str().unwrap_or("null").to_owned(), r["k"].as_i64().expect("an integer")));
    job.options.out_dir = job.dir.path().join("sorted");
    job.options.sort = vec!["g".to_owned(), "k".to_owned()];
    job.options.memory_bytes = 300 << 10;
    let report = job.run().expect("it builds");
    assert!(report.segments.iter().all(|s| s.rows == 20_001 || s.ordinal == 4));
    let times: Vec<i64> = want.iter().map(|r| r["t"].as_i64().expect("an integer")).collect();
    let got: Vec<i64> = all_rows(&report).iter().map(|r| r["t"].as_i64().expect("an integer")).collect();
    assert_eq!(got, times);
    // The whole rows moved together.
    assert_eq!(all_rows(&report), want);
}

#[test]
fn time_range_and_names() {
    let dir = tempfile::tempdir().expect("a folder");
    let text = "at,v\n2024-01-02 00:00:00,1\n,2\n1969-12-31 23:59:59.5,3\n";
    let source = text_source(dir.path(), "input.csv", text.as_bytes());
    let mut job = Job::inferred(&source.path, cluster_ingest::ReadOptions::default(), Some("at")).expect("a schema");
    job.table_config = table_config(Some("at"));
    job.options.names.prefix = "hits".to_owned();
    job.options.names.first = 4;
    job.options.names.postfix = Some("x".to_owned());
    job.options.identity.ordinal = 9;
    job.options.identity.cluster_id = [3; 16];
    let report = job.run().expect("it builds");
    let [segment] = report.segments.as_slice() else { panic!("one segment") };
    assert_eq!((segment.name.as_str(), segment.rows, segment.ordinal), ("hits_4_x", 3, 9));
    assert_eq!((segment.min_time, segment.max_time), (Some(-500), Some(1_704_153_600_000)));
    let file = std::fs::read(&segment.path).expect("read the segment");
    let opened = segfmt::Segment::open(&file, file.len() as u64).expect("open the segment");
    assert_eq!(opened.info().identity.cluster_id, [3; 16]);
    assert_eq!(opened.info().time_column.as_deref(), Some("at"));
    assert_eq!(opened.digest(), segment.digest);
}

#[test]
fn a_cancel_leaves_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    for phase in [Phase::Read, Phase::Build] {
        let mut job = job(dir.path(), 90_000);
        job.options.sort = vec!["u".to_owned()];
        job.options.memory_bytes = 1 << 20;
        let cancel = Cancel::new();
        let stopper = cancel.clone();
        let result = job.ingest().run(
            &move |p| {
                if p.phase == phase && (phase == Phase::Read || p.rows_built > 0) {
                    stopper.cancel();
                }
            },
            &cancel,
        );
        assert!(matches!(result, Err(Error::Cancelled)), "{result:?}");
        assert_eq!(job.files(), Vec::<std::path::PathBuf>::new());
    }
}

#[test]
fn an_error_leaves_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let text = input(40_000) + "g1,five,u,1,,1\n";
    let mut job = Job::new(vec![text_source(dir.path(), "input.csv", text.as_bytes())], schema(COLUMNS));
    job.options.memory_bytes = 1 << 20;
    job.options.sort = vec!["k".to_owned()];
    let e = job.run().expect_err("the last row is bad").to_string();
    assert!(e.contains("input.csv, line 40002, column 'k'") && e.contains("'five'"), "{e}");
    assert_eq!(job.files(), Vec::<std::path::PathBuf>::new());
    // A segment file that is in the way is not overwritten, and those before it go.
    let mut job = self::job(dir.path(), 90_000);
    job.options.memory_bytes = 1 << 20;
    std::fs::create_dir_all(&job.options.out_dir).expect("a folder");
    let in_the_way = job.options.out_dir.join("t_2.segment");
    std::fs::write(&in_the_way, b"mine").expect("write");
    assert!(matches!(job.run(), Err(Error::Io { .. })));
    assert_eq!(job.files(), std::slice::from_ref(&in_the_way));
    assert_eq!(std::fs::read(in_the_way).expect("read"), b"mine");
}

#[test]
fn the_spill_folder_is_bounded() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut job = job(dir.path(), 30_000);
    job.options.sort = vec!["k".to_owned()];
    job.options.memory_bytes = 200 << 10;
    job.options.spill_bytes_max = 100 << 10;
    assert!(matches!(job.run(), Err(Error::SpillLimit { limit }) if limit == 100 << 10));
    assert_eq!(job.files(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn several_files_are_one_input() {
    let dir = tempfile::tempdir().expect("a folder");
    let a = text_source(dir.path(), "a.csv", b"x,y\n3,a\n1,b\n");
    let b = text_source(dir.path(), "b.jsonl", b"{\"y\":\"c\",\"x\":2}\n{\"x\":4000000000}\n");
    let infer = cluster_ingest::InferOptions::default();
    let sources = vec![a, b];
    let schema = cluster_ingest::infer_schema("t", &sources, &infer, &|_| {}, &Cancel::new()).expect("a schema");
    let mut job = Job::new(sources, schema);
    job.options.sort = vec!["x".to_owned()];
    let got = all_rows(&job.run().expect("it builds"));
    let x: Vec<&Json> = got.iter().map(|r| &r["x"]).collect();
    assert_eq!(x, [1u64, 2, 3, 4_000_000_000]);
    assert_eq!(got[3]["y"], Json::Null);
}

#[test]
fn options_that_cannot_be_met() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut job = job(dir.path(), 10);
    job.options.sort = vec!["kk".to_owned()];
    let e = job.run().expect_err("no such column").to_string();
    assert!(e.contains("'kk'; did you mean 'k'?"), "{e}");
    job.options.sort = vec!["l".to_owned()];
    assert!(job.run().expect_err("no order").to_string().contains("many values"));
    job.options.sort.clear();
    job.options.rows_per_segment = Some(0);
    assert!(matches!(job.run(), Err(Error::Option { option: "rows-per-segment", .. })));
    for name in ["x.avro", "x.orc", "x.txt"] {
        let e = cluster_ingest::Source::from_path(dir.path().join(name)).expect_err("not supported").to_string();
        assert!(e.contains(name) && e.contains("not supported yet"), "{e}");
    }
}
