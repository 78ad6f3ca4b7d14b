//! The catalog on a real directory: it comes back, it is locked, its log stays short, readers wait for nobody.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use cluster_catalog::command::*;
use cluster_catalog::log::FileDisk;
use cluster_catalog::{Catalog, ClusterInit, Error, Options};

use crate::support::*;

#[test]
fn it_comes_back_from_its_directory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("catalog");
    assert!(matches!(Catalog::open(&path, ClusterInit::Existing), Err(Error::Missing)));
    let catalog = Catalog::open(&path, ClusterInit::CreateIfMissing(CLUSTER)).unwrap();
    let table = with_table(&catalog, "t");
    let new = vec![segment("a", "ka")];
    catalog.propose_body(Body::PushSegments(push(table, 1, PushMode::Append, new))).unwrap();
    let digest = catalog.snapshot().digest();
    let locked = Catalog::open(&path, ClusterInit::Existing).err().unwrap().to_string();
    assert!(locked.contains(&format!("process {}", std::process::id())), "{locked}");
    drop(catalog);
    let other = cluster_types::ClusterId([9; 16]);
    let again = Catalog::open(&path, ClusterInit::CreateIfMissing(other)).unwrap();
    assert_eq!(again.snapshot().cluster(), CLUSTER, "a catalog that is there keeps its id");
    assert_eq!(again.snapshot().digest(), digest);
    assert_eq!((again.recovery().snapshot_index, again.recovery().replayed), (0, 3));
    assert_eq!(names(&again.snapshot(), table), ["a"]);
}

#[test]
fn snapshots_keep_the_log_short() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let open = || {
        let disk = Arc::new(FileDisk::open(dir.path()).unwrap());
        let options = Options { snapshot_every: 10, ..options(&clock) };
        Catalog::open_with(disk, ClusterInit::CreateIfMissing(CLUSTER), options).unwrap()
    };
    let catalog = open();
    let table = with_table(&catalog, "t");
    for i in 0..200u64 {
        clock.fetch_add(100, Ordering::Relaxed);
        let new = segment(&format!("s{i}"), &format!("k{i}"));
        catalog.propose_body(Body::PushSegments(push(table, i, PushMode::Append, vec![new]))).unwrap();
    }
    let digest = catalog.snapshot().digest();
    drop(catalog);
    let names: Vec<String> =
        std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names.iter().filter(|n| n.starts_with("snapshot-")).count(), 2, "{names:?}");
    assert!(names.iter().filter(|n| n.starts_with("log-")).count() < 10, "{names:?}");
    let again = open();
    assert_eq!(again.snapshot().digest(), digest);
    assert_eq!(again.recovery().snapshot_index, 200);
    assert_eq!(again.recovery().replayed, 2);
    // The floor was raised as log time went on, without a call.
    drop(again);
    let log = names.iter().filter(|n| n.starts_with("log-")).max().unwrap();
    std::fs::remove_file(dir.path().join(log)).unwrap();
    let disk = Arc::new(FileDisk::open(dir.path()).unwrap());
    assert!(matches!(Catalog::open_with(disk, ClusterInit::Existing, options(&clock)), Err(Error::Corrupt { .. })));
}

#[test]
fn large_commands_bring_a_snapshot_sooner() {
    let dir = tempfile::tempdir().unwrap();
    let open = || {
        let disk = Arc::new(FileDisk::open(dir.path()).unwrap());
        let options = Options { snapshot_bytes: 200_000, ..options(&clock()) };
        Catalog::open_with(disk, ClusterInit::CreateIfMissing(CLUSTER), options).unwrap()
    };
    let catalog = open();
    let table = with_table(&catalog, "t");
    for i in 0..40u64 {
        // Some 40 kB each.
        let new = (0..200).map(|k| segment(&format!("s{i}-{k}"), &format!("k{i}-{k}"))).collect();
        catalog.propose_body(Body::PushSegments(push(table, i, PushMode::Append, new))).unwrap();
    }
    let digest = catalog.snapshot().digest();
    drop(catalog);
    let again = open();
    assert_eq!(again.snapshot().digest(), digest);
    assert!(again.recovery().snapshot_index >= 20, "{:?}", again.recovery());
    assert!(again.recovery().replayed < 20, "{:?}", again.recovery());
}

#[test]
fn subscribers_see_every_state_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = Arc::new(Catalog::open(dir.path(), ClusterInit::CreateIfMissing(CLUSTER)).unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let into = seen.clone();
    let subscription = catalog.subscribe(move |state| into.lock().unwrap().push(state.applied_index()));
    let proposals = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (catalog, proposals) = (&catalog, &proposals);
            scope.spawn(move || {
                for i in 0..10 {
                    catalog.propose_body(put_schema(&format!("s{thread}-{i}"))).unwrap();
                    proposals.fetch_add(1, Ordering::Relaxed);
                    assert!(catalog.snapshot().schema(&format!("s{thread}-{i}")).is_some());
                }
            });
        }
        // A reader holds one state while the others go on.
        let held = catalog.snapshot();
        let count = held.schemas().count();
        while proposals.load(Ordering::Relaxed) < 40 {
            assert_eq!(held.schemas().count(), count);
            std::thread::yield_now();
        }
    });
    assert_eq!(*seen.lock().unwrap(), (1..=40).collect::<Vec<u64>>());
    drop(subscription);
    catalog.propose_body(put_schema("last")).unwrap();
    assert_eq!(seen.lock().unwrap().len(), 40);
}
