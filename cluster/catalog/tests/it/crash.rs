//! Crashes at every operation of the disk: what was acknowledged is there afterwards, nothing is there by half.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use cluster_catalog::command::*;
use cluster_catalog::{Catalog, ClusterInit, State};

use crate::faulty_disk::{Dice, FaultyDisk};
use crate::support::*;

/// One operation of the work that the crash interrupts.
enum Step {
    Propose(Body),
    Floor,
    Snapshot,
}

fn work() -> Vec<Step> {
    let table = cluster_types::TableIncarnation(1);
    let mut steps = vec![Step::Propose(put_schema("t")), Step::Propose(create_table("t"))];
    for i in 0..24u64 {
        let mut new = segment(&format!("s{i}"), &format!("k{i}"));
        // Records of different sizes, some of several sectors, some with bytes that a torn sector shows.
        new.digest = "ab".repeat((i as usize * 7) % 60);
        let parts: Vec<_> =
            (0..i % 5).map(|n| segment(&format!("s{i}-{n}"), &format!("k{i}-{n}"))).chain([new]).collect();
        let mode = if i % 6 == 5 { PushMode::ReplaceAll } else { PushMode::Append };
        steps.push(Step::Propose(Body::PushSegments(push(table, i, mode, parts))));
        match i % 7 {
            2 => steps.push(Step::Floor),
            4 => steps.push(Step::Snapshot),
            _ => {}
        }
    }
    steps
}

/// The state after each acknowledged index, made without a disk.
fn history() -> Vec<State> {
    let mut state = State::new(CLUSTER);
    let mut states = vec![state.clone()];
    let mut sequence = 0;
    for step in work() {
        if let Step::Propose(body) = step {
            let index = state.applied_index() + 1;
            state.apply(index, 1_000_000, &Command::new(operation(sequence), body)).unwrap();
            sequence += 1;
            states.push(state.clone());
        }
    }
    states
}

/// Does the work and notes how many operations of the disk each acknowledged index took.
fn run(disk: &FaultyDisk) -> Vec<(usize, u64)> {
    let clock = clock();
    let catalog =
        Catalog::open_with(Arc::new(disk.clone()), ClusterInit::CreateIfMissing(CLUSTER), options(&clock)).unwrap();
    let mut acknowledged = vec![(disk.ops(), 0)];
    let mut sequence = 0;
    for step in work() {
        match step {
            Step::Propose(body) => {
                let applied = catalog.propose(Command::new(operation(sequence), body)).unwrap();
                sequence += 1;
                acknowledged.push((disk.ops(), applied.index));
            }
            Step::Floor => catalog.raise_floor().unwrap(),
            Step::Snapshot => catalog.save_snapshot().unwrap(),
        }
    }
    acknowledged
}

#[test]
fn what_was_acknowledged_survives_every_crash() {
    let history = history();
    let disk = FaultyDisk::new();
    let acknowledged = run(&disk);
    let created = acknowledged[0].0;
    let mut cut = 0;
    for count in 0..=disk.ops() {
        for seed in 0..12 {
            let crashed = disk.crashed(count, &mut Dice::new(seed * 1_000 + count as u64));
            let clock = clock();
            let init = if count < created { ClusterInit::CreateIfMissing(CLUSTER) } else { ClusterInit::Existing };
            let opened = Catalog::open_with(Arc::new(crashed.clone()), init, options(&clock));
            let catalog = opened.unwrap_or_else(|e| panic!("crash at {count}, seed {seed}: {}", chain(&e)));
            cut += usize::from(catalog.recovery().notes.iter().any(|n| n.contains("was cut")));
            let state = catalog.snapshot();
            let least =
                acknowledged.iter().filter(|(ops, _)| *ops <= count).map(|(_, index)| *index).max().unwrap_or(0);
            let index = state.applied_index();
            assert!(index >= least, "crash at {count}, seed {seed}: {least} was acknowledged, {index} is there");
            assert!(index <= least + 1, "crash at {count}, seed {seed}: one write at a time is under way");
            let want = &history[index as usize];
            assert_eq!(state.digest(), want.digest(), "crash at {count}, seed {seed}: state {index} is there by half");
            // Work goes on, and a second crash loses nothing of it.
            if seed == 0 {
                catalog.propose_body(put_schema("after")).unwrap();
                let again = crashed.crashed(crashed.ops(), &mut Dice::new(count as u64));
                drop(catalog);
                let reopened = Catalog::open_with(Arc::new(again), ClusterInit::Existing, options(&clock)).unwrap();
                assert_eq!(reopened.snapshot().applied_index(), index + 1);
                assert!(reopened.snapshot().schema("after").is_some());
            }
        }
    }
    assert!(cut > 50, "the crashes tore only {cut} writes; the test does not test what it should");
}

#[test]
fn a_failed_write_or_sync_poisons_the_store() {
    for failing in 0..6 {
        let disk = FaultyDisk::new();
        let clock = clock();
        let open = |disk: FaultyDisk| {
            Catalog::open_with(Arc::new(disk), ClusterInit::CreateIfMissing(CLUSTER), options(&clock)).unwrap()
        };
        let catalog = open(disk.clone());
        catalog.propose_body(put_schema("a")).unwrap();
        if failing == 0 {
            disk.fail_syncs(true);
        } else {
            disk.fail_after(failing - 1);
        }
        let mut failed = None;
        for i in 0..4 {
            if let Err(error) = catalog.propose_body(put_schema(&format!("b{i}"))) {
                failed = Some((i, chain(&error)));
                break;
            }
        }
        let (acknowledged, message) = failed.expect("the disk fails within four records");
        assert!(message.contains("the disk is broken"), "{message}");
        disk.heal();
        disk.fail_syncs(false);
        // The disk works again, the store does not trust it.
        let message = chain(&catalog.propose_body(put_schema("c")).unwrap_err());
        assert!(message.contains("restart the node") && message.contains("the disk is broken"), "{message}");
        assert!(catalog.raise_floor().is_err() && catalog.save_snapshot().is_err());
        assert!(catalog.snapshot().schema(&format!("b{acknowledged}")).is_none(), "what failed is not published");
        let again = open(disk.settled());
        assert!((0..acknowledged).all(|i| again.snapshot().schema(&format!("b{i}")).is_some()));
        again.propose_body(put_schema("c")).unwrap();
    }
}

#[test]
fn a_failed_snapshot_leaves_the_log_working() {
    let clock = clock();
    for failing in 0..12 {
        let disk = FaultyDisk::new();
        let init = ClusterInit::CreateIfMissing(CLUSTER);
        let catalog = Catalog::open_with(Arc::new(disk.clone()), init, options(&clock)).unwrap();
        catalog.propose_body(put_schema("a")).unwrap();
        catalog.raise_floor().unwrap();
        disk.fail_after(failing);
        let saved = catalog.save_snapshot();
        disk.heal();
        // Make, cut, three chunks, header, sync, rename, sync of the directory.
        assert_eq!(saved.is_err(), failing < 9, "{failing}");
        catalog.propose_body(put_schema("b")).unwrap();
        clock.fetch_add(1, Ordering::Relaxed);
        let again = Catalog::open_with(Arc::new(disk.settled()), ClusterInit::Existing, options(&clock)).unwrap();
        assert_eq!(again.snapshot().digest(), catalog.snapshot().digest());
    }
}

#[test]
fn a_snapshot_that_fails_by_itself_is_said_and_tried_again() {
    let (clock, disk) = (clock(), FaultyDisk::new());
    let every_command = cluster_catalog::Options { snapshot_every: 1, ..options(&clock) };
    let init = ClusterInit::CreateIfMissing(CLUSTER);
    let catalog = Catalog::open_with(Arc::new(disk.clone()), init, every_command).unwrap();
    // Record, its sync, floor, its sync; then the snapshot's file cannot be made.
    disk.fail_after(4);
    catalog.propose_body(put_schema("a")).unwrap();
    let error = catalog.snapshot_error().unwrap();
    assert!(error.contains("snapshot.new") && error.contains("the disk is broken"), "{error}");
    disk.heal();
    catalog.propose_body(put_schema("b")).unwrap();
    assert_eq!(catalog.snapshot_error(), None);
    assert!(disk.files().contains_key("snapshot-00000000000000000002"));
}
