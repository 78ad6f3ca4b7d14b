//! What a push, a drop and a purge do, and what they refuse.

use cluster_catalog::command::*;
use cluster_catalog::log::LogOptions;
use cluster_catalog::state::{SegmentState, Subject, deep_store_key};
use cluster_catalog::{Catalog, ClusterInit, Error, Options};
use cluster_types::{Generation, SegmentOrdinal, TableIncarnation, TableVersion};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::faulty_disk::FaultyDisk;
use crate::support::*;

fn catalog() -> (Catalog, Arc<std::sync::atomic::AtomicI64>) {
    let clock = clock();
    let catalog = Catalog::open_with(
        Arc::new(FaultyDisk::new()),
        ClusterInit::CreateIfMissing(CLUSTER),
        Options { log: LogOptions::default(), ..options(&clock) },
    );
    (catalog.unwrap(), clock)
}

fn rejection(catalog: &Catalog, body: Body) -> Rejection {
    let before = catalog.snapshot().digest();
    match catalog.propose_body(body).unwrap_err() {
        Error::Rejected(rejection) => {
            assert_eq!(catalog.snapshot().digest(), before, "a rejection changes nothing");
            rejection
        }
        other => panic!("{}", chain(&other)),
    }
}

fn reserve(catalog: &Catalog, table: TableIncarnation, names: &[&str]) -> Vec<(SegmentOrdinal, Generation)> {
    let names = names.iter().map(|n| (*n).to_owned()).collect();
    match catalog.propose_body(Body::ReserveSegments(ReserveSegments { table, names })).unwrap().outcome {
        Outcome::Reserved { slots } => slots,
        other => panic!("{other:?}"),
    }
}

#[test]
fn numbers_are_given_out_before_the_build_and_used_by_the_push() {
    let (catalog, _) = catalog();
    let table = with_table(&catalog, "t");
    let slots = reserve(&catalog, table, &["a", "b"]);
    assert_eq!(slots, [(SegmentOrdinal(0), Generation(0)), (SegmentOrdinal(1), Generation(0))]);
    assert_eq!(catalog.snapshot().segment_state(table, SegmentOrdinal(1), Generation(0)), Some(SegmentState::Staged));
    let version = catalog.snapshot().table(table).unwrap().version;
    let mut new = segment("b", &deep_store_key(CLUSTER, table, slots[1].0, slots[1].1, 0));
    (new.ordinal, new.generation) = (Some(slots[1].0), Some(slots[1].1));
    let outcome =
        catalog.propose_body(Body::PushSegments(push(table, 1, PushMode::Append, vec![new.clone()]))).unwrap().outcome;
    let next = TableVersion(version.0 + 1);
    assert_eq!(outcome, Outcome::Pushed { version: next, segments: 1, replaced: 0 });
    let state = catalog.snapshot();
    let found = state.table(table).unwrap().segment("b").unwrap().clone();
    assert_eq!((found.ordinal, found.generation, found.visible_since), (SegmentOrdinal(1), Generation(0), next));
    assert_eq!(state.segment_state(table, SegmentOrdinal(1), Generation(0)), Some(SegmentState::Visible));

    // The next generation of the same ordinal replaces it; the old file is kept by a tombstone.
    let slot = reserve(&catalog, table, &["b"])[0];
    assert_eq!(slot, (SegmentOrdinal(1), Generation(1)));
    let mut newer = segment("b", "newer");
    (newer.ordinal, newer.generation) = (Some(slot.0), Some(slot.1));
    catalog.propose_body(Body::PushSegments(push(table, 2, PushMode::ReplaceByName, vec![newer.clone()]))).unwrap();
    let state = catalog.snapshot();
    assert_eq!(state.segment_state(table, SegmentOrdinal(1), Generation(0)), Some(SegmentState::Retiring));
    assert_eq!(state.table(table).unwrap().segment("b").unwrap().generation, Generation(1));
    assert_eq!(state.tombstones().next().unwrap().keys(), [new.key.as_str().into()]);
    // A number is used once, and only under its name.
    newer.key = "again".into();
    let refused = rejection(&catalog, Body::PushSegments(push(table, 3, PushMode::ReplaceByName, vec![newer])));
    assert!(matches!(refused, Rejection::NotReserved { .. }), "{refused}");
    let mut other = segment("c", "other");
    (other.ordinal, other.generation) = (Some(slots[0].0), Some(slots[0].1));
    let refused = rejection(&catalog, Body::PushSegments(push(table, 4, PushMode::Append, vec![other])));
    assert!(matches!(refused, Rejection::NotReserved { .. }), "{refused}");
}

#[test]
fn a_push_in_parts_is_seen_only_when_it_is_whole() {
    let (catalog, _) = catalog();
    let table = with_table(&catalog, "t");
    let old = segment("old", "old");
    catalog.propose_body(Body::PushSegments(push(table, 0, PushMode::Append, vec![old]))).unwrap();
    let part = |part: u32, last: bool| {
        let segments = (0..1_000).map(|i| segment(&format!("s{part}-{i}"), &format!("k{part}-{i}"))).collect();
        Body::PushSegments(PushSegments { part, last, ..push(table, 9, PushMode::ReplaceAll, segments) })
    };
    let version = catalog.snapshot().table(table).unwrap().version;
    assert!(matches!(rejection(&catalog, part(1, false)), Rejection::PushPart { part: 1, expected: 0 }));
    for i in 0..3 {
        catalog.propose_body(part(i, false)).unwrap();
        assert_eq!(names(&catalog.snapshot(), table), ["old"]);
        assert_eq!(catalog.snapshot().table(table).unwrap().version, version);
    }
    assert!(matches!(rejection(&catalog, part(0, true)), Rejection::PushPart { part: 0, expected: 3 }));
    catalog.propose_body(part(3, true)).unwrap();
    let state = catalog.snapshot();
    assert_eq!(names(&state, table).len(), 4_000);
    assert_eq!(state.table(table).unwrap().version, TableVersion(version.0 + 1));
    assert_eq!(state.table(table).unwrap().rows(), 40_000);
    assert_eq!(state.table(table).unwrap().staged().count(), 0);
    assert_eq!(state.tombstones().count(), 1);
}

#[test]
fn an_aborted_push_leaves_tombstones_only() {
    let (catalog, _) = catalog();
    let table = with_table(&catalog, "t");
    let parts = push(table, 9, PushMode::Append, vec![segment("a", "ka")]);
    catalog.propose_body(Body::PushSegments(PushSegments { last: false, ..parts })).unwrap();
    let abort = || Body::AbortPush(AbortPush { table, push: operation(9), window_ms: 5 });
    catalog.propose_body(abort()).unwrap();
    let state = catalog.snapshot();
    assert_eq!(names(&state, table), Vec::<String>::new());
    assert_eq!(state.tombstones().next().unwrap().keys(), ["ka".into()]);
    assert!(matches!(rejection(&catalog, abort()), Rejection::NoPush { .. }));
}

#[test]
fn files_may_go_only_by_a_tombstone_whose_window_has_passed() {
    let (catalog, clock) = catalog();
    let table = with_table(&catalog, "t");
    let segments = vec![segment("a", "ka"), segment("b", "kb")];
    catalog.propose_body(Body::PushSegments(push(table, 0, PushMode::Append, segments))).unwrap();
    assert_eq!(catalog.snapshot().tombstones().count(), 0);
    let drop = |names: &[&str]| {
        let names = Some(names.iter().map(|n| (*n).to_owned()).collect());
        Body::DropSegments(DropSegments { table, names, window_ms: 1_000 })
    };
    let refused = rejection(&catalog, drop(&["a", "bb"]));
    assert!(refused.to_string().contains("`t_OFFLINE` has no segment `bb`"), "{refused}");
    catalog.propose_body(drop(&["a"])).unwrap();
    let state = catalog.snapshot();
    let now = state.log_time_ms();
    let tombstone = state.tombstones().next().unwrap().clone();
    assert_eq!(tombstone.keys(), ["ka".into()]);
    assert_eq!(state.deletable(now + 999).count(), 0);
    assert_eq!(state.deletable(now + 1_000).count(), 1);
    let purge = || Body::PurgeTombstones(PurgeTombstones { ids: vec![tombstone.id] });
    assert!(matches!(rejection(&catalog, purge()), Rejection::TombstoneYoung { remaining_ms: 1_000, .. }));
    // Log time never goes back, so a clock that does makes the window no shorter and no longer.
    clock.fetch_sub(500_000, Ordering::Relaxed);
    assert!(matches!(rejection(&catalog, purge()), Rejection::TombstoneYoung { remaining_ms: 1_000, .. }));
    clock.store(now + 1_000, Ordering::Relaxed);
    // The key stays taken until the file is gone.
    assert!(catalog.snapshot().knows_key("ka"));
    let again = vec![segment("c", "ka")];
    let refused = rejection(&catalog, Body::PushSegments(push(table, 5, PushMode::Append, again.clone())));
    assert!(matches!(refused, Rejection::KeyTaken { .. }), "{refused}");
    catalog.propose_body(purge()).unwrap();
    assert!(!catalog.snapshot().knows_key("ka"));
    catalog.propose_body(Body::PushSegments(push(table, 6, PushMode::Append, again))).unwrap();
    assert!(matches!(rejection(&catalog, purge()), Rejection::NoTombstone { .. }));
}

#[test]
fn a_dropped_table_keeps_its_files_and_its_name_is_free() {
    let (catalog, clock) = catalog();
    let table = with_table(&catalog, "t");
    let segments = vec![segment("a", "ka"), segment("b", "kb")];
    catalog.propose_body(Body::PushSegments(push(table, 0, PushMode::Append, segments))).unwrap();
    let refused = rejection(&catalog, Body::DropSchema(DropSchema { name: "t".into() }));
    assert_eq!(refused.to_string(), "schema `t` is used by table t_OFFLINE");
    catalog.propose_body(Body::DropTable(DropTable { table, window_ms: 1_000 })).unwrap();
    let state = catalog.snapshot();
    assert!(state.table(table).is_none() && state.table_by_name("t_OFFLINE").is_none());
    assert_eq!(state.segment_state(table, SegmentOrdinal(0), Generation(0)), Some(SegmentState::Retiring));
    let tombstone = state.tombstones().next().unwrap().clone();
    assert!(matches!(&tombstone.subject, Subject::Table(dropped) if dropped.segment_count() == 2));
    assert_eq!(tombstone.keys(), ["ka".into(), "kb".into()]);
    // The same name is another table.
    let created = catalog.propose_body(create_table("t")).unwrap().outcome;
    assert_eq!(created, Outcome::Table { table: TableIncarnation(table.0 + 1), version: TableVersion(1) });
    let refused = rejection(&catalog, Body::DropTable(DropTable { table, window_ms: 0 }));
    assert_eq!(refused, Rejection::NoTable { table });
    clock.fetch_add(1_000, Ordering::Relaxed);
    catalog.propose_body(Body::PurgeTombstones(PurgeTombstones { ids: vec![tombstone.id] })).unwrap();
    assert!(!catalog.snapshot().knows_key("kb"));
}

#[test]
fn names_that_are_there_are_replaced_only_when_asked() {
    let (catalog, _) = catalog();
    let table = with_table(&catalog, "t");
    let first = vec![segment("a", "k1"), segment("b", "k2")];
    catalog.propose_body(Body::PushSegments(push(table, 0, PushMode::Append, first))).unwrap();
    let refused = rejection(
        &catalog,
        Body::PushSegments(push(table, 1, PushMode::Append, vec![segment("c", "k3"), segment("a", "k4")])),
    );
    assert!(matches!(refused, Rejection::SegmentExists { .. }), "{refused}");
    let refused = rejection(
        &catalog,
        Body::PushSegments(push(table, 2, PushMode::ReplaceByName, vec![segment("c", "k3"), segment("c", "k4")])),
    );
    assert!(refused.to_string().contains("`c` is in the push twice"), "{refused}");
    // All go but the name that comes again, which keeps its ordinal.
    let outcome = catalog.propose_body(Body::PushSegments(push(
        table,
        3,
        PushMode::ReplaceAll,
        vec![segment("b", "k5"), segment("d", "k6")],
    )));
    assert!(matches!(outcome.unwrap().outcome, Outcome::Pushed { segments: 2, replaced: 2, .. }));
    let state = catalog.snapshot();
    let b = state.table(table).unwrap().segment("b").unwrap().clone();
    assert_eq!((b.ordinal, b.generation), (SegmentOrdinal(1), Generation(1)));
    assert_eq!(names(&state, table), ["b", "d"]);
    assert_eq!(state.table(table).unwrap().bytes(), 200);
}

#[test]
fn hostile_rows_are_refused() {
    let (catalog, _) = catalog();
    let table = with_table(&catalog, "t");
    let check = |change: fn(&mut NewSegment), part: &str| {
        let mut new = segment("a", "k");
        change(&mut new);
        let refused = rejection(&catalog, Body::PushSegments(push(table, 1, PushMode::Append, vec![new])));
        assert!(refused.to_string().contains(part), "{refused}");
    };
    check(|s| s.name = String::new(), "segmentName");
    check(|s| s.name = "x".repeat(256), "segmentName");
    check(|s| s.name = "a\nb".into(), "control character");
    check(|s| s.key = "/etc/passwd".into(), "relative path");
    check(|s| s.key = "a/../../b".into(), "relative path");
    check(|s| s.key = "a//b".into(), "relative path");
    check(|s| s.digest = "xyz".into(), "hexadecimal");
    check(|s| s.ordinal = Some(SegmentOrdinal(0)), "ordinal");
    check(|s| (s.min_time_ms, s.max_time_ms) = (Some(2), Some(1)), "ends before it begins");
    check(
        |s| {
            s.partition =
                Some(SegmentPartition { column: "a".into(), function: "Murmur".into(), partitions: 2, ids: vec![2] })
        },
        "partition that is not there",
    );
    let many = (0..1_001).map(|i| segment(&format!("s{i}"), &format!("k{i}"))).collect();
    let refused = rejection(&catalog, Body::PushSegments(push(table, 1, PushMode::Append, many)));
    assert!(matches!(refused, Rejection::Limit { count: 1_001, limit: 1_000, .. }), "{refused}");
    let document = "x".repeat(300_000);
    let refused = rejection(&catalog, Body::UpdateTable(UpdateTable { table, document, if_version: None }));
    assert!(matches!(refused, Rejection::Limit { .. }), "{refused}");
}

#[test]
fn versions_guard_changes() {
    let (catalog, _) = catalog();
    let table = with_table(&catalog, "t");
    let update = |document: &str, if_version: Option<u64>| {
        Body::UpdateTable(UpdateTable { table, document: document.into(), if_version: if_version.map(TableVersion) })
    };
    catalog.propose_body(update("{}", Some(1))).unwrap();
    let refused = rejection(&catalog, update("{ }", Some(1)));
    assert_eq!(refused.to_string(), "table `t_OFFLINE` is at version 2, not 1");
    // A schema is part of what a table version means.
    let schema = |document: &str, if_version: u64| {
        Body::PutSchema(PutSchema { name: "t".into(), document: document.into(), if_version: Some(if_version) })
    };
    assert_eq!(catalog.propose_body(schema("{}", 1)).unwrap().outcome, Outcome::Schema { version: 2 });
    assert_eq!(catalog.snapshot().table(table).unwrap().version, TableVersion(3));
    assert!(matches!(rejection(&catalog, schema("{ }", 1)), Rejection::SchemaVersion { found: 2, .. }));
    // Writing what is there changes nothing.
    assert_eq!(catalog.propose_body(schema("{}", 2)).unwrap().outcome, Outcome::Schema { version: 2 });
    assert_eq!(catalog.snapshot().table(table).unwrap().version, TableVersion(3));
}

#[test]
fn the_same_operation_is_done_once() {
    let (catalog, clock) = catalog();
    let table = with_table(&catalog, "t");
    let command =
        Command::new(operation(77), Body::ReserveSegments(ReserveSegments { table, names: vec!["a".into()] }));
    let first = catalog.propose(command.clone()).unwrap();
    assert_eq!(catalog.propose(command.clone()).unwrap(), first);
    assert_eq!(catalog.snapshot().table(table).unwrap().reservations().count(), 1);
    // A day later the answer is forgotten; reservations of that age are void, their number is not given out again.
    clock.fetch_add(24 * 3600 * 1000 + 1, Ordering::Relaxed);
    catalog.propose_body(Body::SetConfig(SetConfig { key: "k".into(), value: Some("v".into()) })).unwrap();
    assert!(catalog.snapshot().operation(&operation(77)).is_none());
    assert_eq!(reserve(&catalog, table, &["b"]), [(SegmentOrdinal(1), Generation(0))]);
    let state = catalog.snapshot();
    assert_eq!(state.table(table).unwrap().reservations().count(), 1);
    assert_eq!(state.segment_state(table, SegmentOrdinal(0), Generation(0)), Some(SegmentState::Retiring));
}

#[test]
fn names_are_found_as_queries_write_them() {
    let (catalog, _) = catalog();
    for name in ["flights", "Flights2", "db.t"] {
        with_table(&catalog, name);
    }
    let state = catalog.snapshot();
    let resolve = |name: &str| state.resolve(name).iter().map(|t| t.name.clone()).collect::<Vec<_>>();
    assert_eq!(resolve("flights"), ["flights_OFFLINE"]);
    assert_eq!(resolve("flights_OFFLINE"), ["flights_OFFLINE"]);
    assert_eq!(resolve("FLIGHTS"), ["flights_OFFLINE"]);
    assert_eq!(resolve("flights2"), ["Flights2_OFFLINE"]);
    assert_eq!(resolve("db.t"), ["db.t_OFFLINE"]);
    assert_eq!(resolve("flights_REALTIME"), Vec::<String>::new());
    assert_eq!(resolve("t"), Vec::<String>::new());
    let refused = rejection(&catalog, create_table("flight"));
    assert!(refused.to_string().contains("did you mean `flights`?"), "{refused}");
}

#[test]
fn a_rule_alone_drops_a_twentieth_at_most() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(dir.path(), ClusterInit::CreateIfMissing(CLUSTER)).unwrap();
    let table = with_table(&catalog, "t");
    let new = (0..40).map(|i| segment(&format!("s{i}"), &format!("k{i}"))).collect();
    catalog.propose_body(Body::PushSegments(push(table, 1, PushMode::Append, new))).unwrap();
    let expire = |names: std::ops::Range<u32>, run: u64, approved: bool| {
        let names = names.map(|i| format!("s{i}")).collect();
        catalog.propose_body(Body::ExpireSegments(ExpireSegments { table, names, run, approved, window_ms: 1 }))
    };
    let refused = |result: cluster_catalog::Result<cluster_catalog::Applied>| {
        let message = result.unwrap_err().to_string();
        assert!(message.contains("t_OFFLINE") && message.contains("approve=true"), "{message}");
    };
    refused(expire(0..3, 3, false));
    // A part of a run that takes more is as much refused, and a run that says less than it takes.
    refused(expire(0..1, 3, false));
    refused(expire(0..3, 1, false));
    assert_eq!(catalog.snapshot().table(table).unwrap().segment_count(), 40);
    expire(0..2, 2, false).unwrap();
    refused(expire(2..4, 2, false));
    expire(2..38, 36, true).unwrap();
    assert_eq!(names(&catalog.snapshot(), table), ["s38", "s39"]);
    // A user's own drop is no rule.
    let all = DropSegments { table, names: None, window_ms: 1 };
    catalog.propose_body(Body::DropSegments(all)).unwrap();
}
