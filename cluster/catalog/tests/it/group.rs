//! Proposals at the same time share a sync, and nothing of a group is lost or there by half; a snapshot holds nobody up; a
//! replay that leads elsewhere is found.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use cluster_catalog::apply::DIGEST_EVERY;
use cluster_catalog::command::*;
use cluster_catalog::log::{Disk, DiskFile, Log, LogOptions};
use cluster_catalog::{Catalog, ClusterInit, Error, Options, State};

use crate::faulty_disk::{Dice, FaultyDisk};
use crate::support::*;

type Gate = (Option<&'static str>, bool);

/// A disk that counts its syncs and can be made to wait in them, or before a rename.
#[derive(Clone, Default)]
struct WaitingDisk {
    disk: FaultyDisk,
    syncs: Arc<AtomicUsize>,
    /// What waits, and whether something does.
    gate: Arc<(Mutex<Gate>, Condvar)>,
}

impl WaitingDisk {
    fn close(&self, what: &'static str) {
        *self.gate.0.lock().unwrap() = (Some(what), false);
    }

    /// Until something waits at the gate.
    fn until_one_waits(&self) {
        let gate = self.gate.0.lock().unwrap();
        drop(self.gate.1.wait_while(gate, |(_, waits)| !*waits).unwrap());
    }

    fn open_gate(&self) {
        self.gate.0.lock().unwrap().0 = None;
        self.gate.1.notify_all();
    }

    fn pass(&self, what: &'static str) {
        let mut gate = self.gate.0.lock().unwrap();
        while gate.0 == Some(what) {
            gate.1 = true;
            self.gate.1.notify_all();
            gate = self.gate.1.wait(gate).unwrap();
        }
    }
}

struct WaitingFile(Box<dyn DiskFile>, WaitingDisk);

impl Disk for WaitingDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn open(&self, name: &str, create: bool) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(WaitingFile(self.disk.open(name, create)?, self.clone())))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.pass("rename");
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.disk.sync_dir()
    }
}

impl DiskFile for WaitingFile {
    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, buffer)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_at(offset, bytes)
    }

    fn set_size(&mut self, size: u64) -> io::Result<()> {
        self.0.set_size(size)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.1.syncs.fetch_add(1, Ordering::Relaxed);
        self.1.pass("sync");
        self.0.sync()
    }
}

fn maintained() -> Options {
    Options { maintained: true, log: LogOptions { file_bytes: 1 << 20 }, ..options(&clock()) }
}

fn open(disk: &(impl Disk + Clone + 'static), options: Options) -> Result<Catalog, Error> {
    Catalog::open_with(Arc::new(disk.clone()), ClusterInit::CreateIfMissing(CLUSTER), options)
}

#[test]
fn proposals_that_wait_together_share_a_sync() {
    let disk = WaitingDisk::default();
    let catalog = open(&disk, maintained()).unwrap();
    // The first command raises the floor too.
    catalog.propose_body(put_schema("before")).unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let into = seen.clone();
    let _subscription = catalog.subscribe(move |state| into.lock().unwrap().push(state.applied_index()));
    let before = disk.syncs.load(Ordering::Relaxed);
    disk.close("sync");
    std::thread::scope(|scope| {
        let catalog = &catalog;
        scope.spawn(move || catalog.propose_body(put_schema("first")).unwrap());
        disk.until_one_waits();
        for i in 0..20 {
            scope.spawn(move || {
                let name = format!("s{i}");
                assert_eq!(catalog.snapshot().applied_index(), 1, "nothing is published before its sync");
                catalog.propose_body(put_schema(&name)).unwrap();
                assert!(catalog.snapshot().schema(&name).is_some());
            });
        }
        // All of them are tried and queued while the first waits for the disk.
        std::thread::sleep(std::time::Duration::from_millis(200));
        disk.open_gate();
    });
    assert_eq!(disk.syncs.load(Ordering::Relaxed) - before, 2, "21 proposals, two groups");
    assert_eq!(*seen.lock().unwrap(), (2..=22).collect::<Vec<u64>>());
    let digest = catalog.snapshot().digest();
    drop(catalog);
    assert_eq!(open(&disk.disk.settled(), maintained()).unwrap().snapshot().digest(), digest);
}

#[test]
fn a_group_that_fails_is_acknowledged_to_nobody() {
    let disk = WaitingDisk::default();
    let catalog = open(&disk, maintained()).unwrap();
    catalog.propose_body(put_schema("before")).unwrap();
    disk.close("sync");
    std::thread::scope(|scope| {
        let catalog = &catalog;
        scope.spawn(move || catalog.propose_body(put_schema("first")).unwrap_err());
        disk.until_one_waits();
        for i in 0..5 {
            scope.spawn(move || catalog.propose_body(put_schema(&format!("s{i}"))).unwrap_err());
        }
        // This one is refused by what another proposed and nobody has synced: it must not be told so.
        scope.spawn(move || {
            let body = Body::PutSchema(PutSchema { name: "first".into(), document: "{}".into(), if_version: Some(0) });
            assert!(!matches!(catalog.propose_body(body), Err(Error::Rejected(_))));
        });
        std::thread::sleep(std::time::Duration::from_millis(100));
        disk.disk.fail_syncs(true);
        disk.open_gate();
    });
    assert_eq!(catalog.snapshot().schemas().count(), 1, "what failed is not published");
    disk.disk.fail_syncs(false);
    assert!(matches!(catalog.propose_body(put_schema("after")), Err(Error::Poisoned { .. })));
}

/// Groups of 1 to 6 records of different sizes, some across the end of a file.
#[test]
fn a_crash_leaves_a_beginning_of_the_last_group() {
    let disk = FaultyDisk::new();
    let log = LogOptions { file_bytes: 4096 };
    let mut writer = Log::create(Arc::new(disk.clone()), CLUSTER, log).unwrap();
    let created = disk.ops();
    let payload = |i: u64| format!("{{\"record\":{i},\"{}\":0}}", "x".repeat((i as usize * 53) % 700)).into_bytes();
    let (mut next, mut acknowledged) = (1, vec![(created, 0)]);
    for group in 0..16 {
        let size = 1 + group * 5 % 6;
        writer.append((next..next + size).map(payload).collect()).unwrap();
        next += size;
        acknowledged.push((disk.ops(), next - 1));
    }
    let mut torn = 0;
    for count in created..=disk.ops() {
        for seed in 0..20 {
            let crashed = disk.crashed(count, &mut Dice::new(seed * 1_000 + count as u64));
            let mut found = Vec::new();
            let opened = Log::open(
                Arc::new(crashed),
                log,
                |_| Ok(()),
                |record| {
                    found.push(record.payload);
                    Ok(())
                },
            );
            let opened = opened.unwrap_or_else(|e| panic!("crash at {count}, seed {seed}: {}", chain(&e)));
            torn += usize::from(!opened.notes.is_empty());
            let least = acknowledged.iter().filter(|(ops, _)| *ops <= count).map(|(_, last)| *last).max().unwrap();
            assert!(found.len() as u64 >= least, "crash at {count}, seed {seed}: {least} were acknowledged");
            assert!(found.iter().enumerate().all(|(i, bytes)| *bytes == payload(i as u64 + 1)));
        }
    }
    assert!(torn > 100, "the crashes tore only {torn} groups");
}

#[test]
fn damage_in_an_earlier_group_is_no_torn_tail() {
    let disk = FaultyDisk::new();
    let log = LogOptions { file_bytes: 1 << 20 };
    let mut writer = Log::create(Arc::new(disk.clone()), CLUSTER, log).unwrap();
    let group = |name: &str| (0..3).map(|i| format!("{{\"{name}\":{i}}}").into_bytes()).collect::<Vec<_>>();
    writer.append(group("a")).unwrap();
    writer.append(group("b")).unwrap();
    let name = "log-00000000000000000001";
    let starts: Vec<usize> =
        disk.files()[name].windows(4).enumerate().filter(|(_, w)| w.starts_with(b"GCL\xff")).map(|(i, _)| i).collect();
    assert_eq!(starts.len(), 6);
    for (i, start) in starts.iter().enumerate() {
        let damaged = disk.settled();
        damaged.change(name, |bytes| bytes[start + 75] ^= 1);
        let mut found = 0;
        let opened = Log::open(
            Arc::new(damaged),
            log,
            |_| Ok(()),
            |_| {
                found += 1;
                Ok(())
            },
        );
        match opened {
            // A crash may leave the last group so.
            Ok(_) => assert!(i >= 3 && found == i, "record {i} is damaged, and {found} were read"),
            Err(Error::Corrupt { offset, .. }) => assert!(i < 3 && offset == *start as u64, "record {i}"),
            Err(other) => panic!("{}", chain(&other)),
        }
    }
}

#[test]
fn proposals_go_on_while_a_snapshot_is_written() {
    let disk = WaitingDisk::default();
    let catalog = open(&disk, maintained()).unwrap();
    let table = with_table(&catalog, "t");
    disk.close("rename");
    std::thread::scope(|scope| {
        let catalog = &catalog;
        let saving = scope.spawn(move || catalog.save_snapshot());
        disk.until_one_waits();
        for i in 0..50u64 {
            let new = segment(&format!("s{i}"), &format!("k{i}"));
            catalog.propose_body(Body::PushSegments(push(table, i, PushMode::Append, vec![new]))).unwrap();
        }
        assert!(!saving.is_finished());
        disk.open_gate();
        saving.join().unwrap().unwrap();
    });
    let digest = catalog.snapshot().digest();
    let again = open(&disk.disk.settled(), maintained()).unwrap();
    assert_eq!(again.snapshot().digest(), digest);
    assert_eq!((again.recovery().snapshot_index, again.recovery().replayed), (2, 50));
}

/// A catalog with one entry less than leads to a checkpoint.
fn before_a_checkpoint(disk: &FaultyDisk) -> Catalog {
    let catalog = open(disk, maintained()).unwrap();
    for i in 1..DIGEST_EVERY {
        let config = SetConfig { key: format!("k{}", i % 100), value: Some(i.to_string()) };
        catalog.propose_body(Body::SetConfig(config)).unwrap();
    }
    catalog
}

#[test]
fn the_log_says_what_the_state_was() {
    let disk = FaultyDisk::new();
    let catalog = before_a_checkpoint(&disk);
    let last = || catalog.snapshot().applied_index();
    catalog.maintain().unwrap();
    assert_eq!(last(), DIGEST_EVERY - 1, "nothing is due");
    catalog.propose_body(put_schema("t")).unwrap();
    catalog.propose_body(put_schema("after")).unwrap();
    catalog.maintain().unwrap();
    catalog.maintain().unwrap();
    assert_eq!(last(), DIGEST_EVERY + 2, "the digest is one entry, and only once");
    let digest = catalog.snapshot().digest();
    drop(catalog);
    let again = open(&disk.settled(), maintained()).unwrap();
    assert_eq!(again.snapshot().digest(), digest);
    again.maintain().unwrap();
    assert_eq!(again.snapshot().applied_index(), DIGEST_EVERY + 2);
}

#[test]
fn a_replay_that_leads_elsewhere_stops() {
    let disk = FaultyDisk::new();
    let catalog = before_a_checkpoint(&disk);
    catalog.propose_body(put_schema("t")).unwrap();
    // What an earlier version made of the same entries.
    let wrong = StateDigest { index: DIGEST_EVERY, digest: format!("{:032x}", State::new(CLUSTER).digest()) };
    catalog.propose_body(Body::StateDigest(wrong)).unwrap();
    drop(catalog);
    let error = open(&disk.settled(), maintained()).err().unwrap();
    assert!(matches!(error, Error::Diverged { index: DIGEST_EVERY, .. }), "{}", chain(&error));
}
