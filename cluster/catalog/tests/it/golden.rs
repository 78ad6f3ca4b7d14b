//! A log that an earlier build wrote: it is read by every later one, to the same state. `GAMAY_BLESS=1` writes the files
//! anew, which is right only for a log that no release has written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use cluster_catalog::command::*;
use cluster_catalog::log::FileDisk;
use cluster_catalog::{Catalog, ClusterInit};

use crate::support::*;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden-v1")
}

const DIGEST: &str = "digest";

/// Every type of command, in one life of a catalog.
fn write(dir: &Path) -> u128 {
    let clock = clock();
    let catalog = Catalog::open_with(
        Arc::new(FileDisk::open(dir).unwrap()),
        ClusterInit::CreateIfMissing(CLUSTER),
        options(&clock),
    )
    .unwrap();
    let mut sequence = 0;
    let mut propose = |body: Body| {
        sequence += 1;
        clock.fetch_add(10, Ordering::Relaxed);
        catalog.propose(Command::new(operation(sequence), body)).unwrap().outcome
    };
    let mut tables = Vec::new();
    for name in ["flights", "gone"] {
        propose(put_schema(name));
        match propose(create_table(name)) {
            Outcome::Table { table, .. } => tables.push(table),
            other => panic!("{other:?}"),
        }
    }
    let (table, gone) = (tables[0], tables[1]);
    propose(Body::ReserveSegments(ReserveSegments { table, names: vec!["a".into(), "b".into(), "never".into()] }));
    let mut reserved = segment("a", "1/0/0-0");
    (reserved.ordinal, reserved.generation) =
        (Some(cluster_types::SegmentOrdinal(0)), Some(cluster_types::Generation(0)));
    reserved.partition =
        Some(SegmentPartition { column: "a".into(), function: "Murmur".into(), partitions: 4, ids: vec![0, 3] });
    propose(Body::PushSegments(push(table, 900, PushMode::Append, vec![reserved])));
    propose(Body::PushSegments(push(
        table,
        901,
        PushMode::ReplaceByName,
        vec![segment("a", "a1"), segment("c", "c0")],
    )));
    catalog.save_snapshot().unwrap();
    let staged = |push_id: u64, key: &str| PushSegments {
        last: false,
        ..push(table, push_id, PushMode::ReplaceAll, vec![segment("d", key)])
    };
    propose(Body::PushSegments(staged(902, "d0")));
    propose(Body::PushSegments(staged(903, "d1")));
    propose(Body::AbortPush(AbortPush { table, push: operation(903), window_ms: 1 }));
    propose(Body::PushSegments(push(gone, 904, PushMode::Append, vec![segment("x", "x0")])));
    propose(Body::DropSegments(DropSegments { table, names: Some(vec!["c".into()]), window_ms: 1 }));
    propose(Body::SetTableState(SetTableState { table, enabled: false }));
    propose(Body::UpdateTable(UpdateTable { table, document: "{\"tableName\":\"flights\"}".into(), if_version: None }));
    propose(Body::DropTable(DropTable { table: gone, window_ms: 1_000_000 }));
    propose(Body::DropSchema(DropSchema { name: "gone".into() }));
    propose(Body::SetConfig(SetConfig { key: "pinot.broker.timeoutMs".into(), value: Some("5000".into()) }));
    propose(Body::Finalize(Finalize { level: 1 }));
    clock.fetch_add(1_000, Ordering::Relaxed);
    propose(Body::PurgeTombstones(PurgeTombstones { ids: vec![1] }));
    catalog.raise_floor().unwrap();
    catalog.snapshot().digest()
}

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names = names.filter(|name| name != "lock" && name != DIGEST);
    names.map(|name| (name.clone(), std::fs::read(dir.join(&name)).unwrap())).collect()
}

#[test]
fn a_log_of_version_1_leads_to_its_state() {
    if std::env::var_os("GAMAY_BLESS").is_some() {
        let fresh = tempfile::tempdir().unwrap();
        let digest = write(fresh.path());
        std::fs::create_dir_all(folder()).unwrap();
        for (name, bytes) in files(fresh.path()) {
            std::fs::write(folder().join(name), bytes).unwrap();
        }
        std::fs::write(folder().join(DIGEST), format!("{digest:032x}\n")).unwrap();
    }
    let digest = std::fs::read_to_string(folder().join(DIGEST)).unwrap();
    // A copy, since opening locks and may cut.
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().is_some_and(|n| n != DIGEST) {
            std::fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    let catalog = Catalog::open(copy.path(), ClusterInit::Expect(CLUSTER)).unwrap();
    assert_eq!(format!("{:032x}", catalog.snapshot().digest()), digest.trim());
    assert_eq!(catalog.recovery().notes, Vec::<String>::new());
    assert_eq!(catalog.recovery().snapshot_index, 7);
    drop(catalog);
    // The whole log without the snapshot leads there too.
    for name in files(copy.path()).into_keys().filter(|n| n.starts_with("snapshot-")) {
        std::fs::remove_file(copy.path().join(name)).unwrap();
    }
    let catalog = Catalog::open(copy.path(), ClusterInit::Expect(CLUSTER)).unwrap();
    assert_eq!(format!("{:032x}", catalog.snapshot().digest()), digest.trim());
    assert_eq!(catalog.recovery().snapshot_index, 0);
}

#[test]
fn the_same_commands_write_the_same_bytes() {
    let fresh = tempfile::tempdir().unwrap();
    write(fresh.path());
    let (fresh, golden) = (files(fresh.path()), files(&folder()));
    assert_eq!(fresh.keys().collect::<Vec<_>>(), golden.keys().collect::<Vec<_>>());
    for (name, bytes) in fresh {
        assert!(bytes == golden[&name], "{name} differs from the golden file");
    }
}
