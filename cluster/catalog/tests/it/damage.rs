//! Damage that no crash makes: flipped bits, lost files, old files. It is refused with file and offset, or it is harmless.

use std::sync::Arc;

use cluster_catalog::command::*;
use cluster_catalog::{Catalog, ClusterInit, Error};
use cluster_types::ClusterId;

use crate::faulty_disk::FaultyDisk;
use crate::support::*;

/// A catalog with several log files, two snapshots and a floor at its end.
fn filled() -> (FaultyDisk, u128) {
    let disk = FaultyDisk::new();
    let clock = clock();
    let catalog =
        Catalog::open_with(Arc::new(disk.clone()), ClusterInit::CreateIfMissing(CLUSTER), options(&clock)).unwrap();
    let table = with_table(&catalog, "t");
    for i in 0..30u64 {
        let new = segment(&format!("s{i}"), &format!("k{i}"));
        catalog.propose_body(Body::PushSegments(push(table, i, PushMode::Append, vec![new]))).unwrap();
        if i == 10 || i == 20 {
            catalog.save_snapshot().unwrap();
        }
    }
    catalog.raise_floor().unwrap();
    (disk.settled(), catalog.snapshot().digest())
}

fn open(disk: &FaultyDisk) -> Result<Catalog, Error> {
    Catalog::open_with(Arc::new(disk.clone()), ClusterInit::Existing, options(&clock()))
}

#[test]
fn a_flipped_bit_is_refused_or_harmless() {
    let (disk, digest) = filled();
    let mut refused = 0;
    for (name, bytes) in disk.files() {
        for (at, byte) in bytes.iter().enumerate() {
            // Zeros behind the records are many and alike: one in 61 is enough of them.
            if *byte == 0 && at % 61 != 0 {
                continue;
            }
            let damaged = disk.settled();
            damaged.change(&name, |bytes| bytes[at] ^= 1 << (at % 8));
            match open(&damaged) {
                Ok(catalog) => assert_eq!(catalog.snapshot().digest(), digest, "{name} at {at}"),
                Err(Error::Corrupt { file, .. }) => {
                    refused += 1;
                    assert!(disk.files().contains_key(&file), "{name} at {at}: the error names {file}");
                }
                Err(other) => panic!("{name} at {at}: {}", chain(&other)),
            }
        }
    }
    assert!(refused > 1_000, "{refused}");
}

#[test]
fn a_bad_record_with_a_good_one_behind_is_no_torn_tail() {
    let disk = FaultyDisk::new();
    let catalog =
        Catalog::open_with(Arc::new(disk.clone()), ClusterInit::CreateIfMissing(CLUSTER), options(&clock())).unwrap();
    for name in ["a", "b", "c"] {
        catalog.propose_body(put_schema(name)).unwrap();
    }
    let name = "log-00000000000000000001";
    let starts: Vec<usize> =
        disk.files()[name].windows(4).enumerate().filter(|(_, w)| w.starts_with(b"GCL\xff")).map(|(i, _)| i).collect();
    assert_eq!(starts.len(), 3);
    // The floor says nothing yet, so the last record alone can be cut: it looks like a torn write.
    let last = disk.settled();
    last.change(name, |bytes| bytes[starts[2] + 80] ^= 1);
    let opened = open(&last).unwrap();
    assert_eq!(opened.snapshot().applied_index(), 2);
    assert!(opened.recovery().notes[0].contains(&format!("cut at byte {}", starts[2])), "{:?}", opened.recovery());
    // The one before cannot.
    let middle = disk.settled();
    middle.change(name, |bytes| bytes[starts[1] + 80] ^= 1);
    let message = chain(&open(&middle).err().unwrap());
    let parts = [name, &format!("byte {}", starts[1]), "record 2", "checksum", "a valid record stands behind it"];
    assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    // Nor can the last one once the floor says that it was acknowledged.
    catalog.raise_floor().unwrap();
    let last = disk.settled();
    last.change(name, |bytes| bytes[starts[2] + 80] ^= 1);
    let message = chain(&open(&last).err().unwrap());
    assert!(message.contains("ends with record 2, and 3 has been acknowledged"), "{message}");
}

#[test]
fn a_lost_or_old_file_is_refused() {
    let (disk, digest) = filled();
    let files = disk.files();
    let logs: Vec<&String> = files.keys().filter(|n| n.starts_with("log-")).collect();
    let snapshots: Vec<&String> = files.keys().filter(|n| n.starts_with("snapshot-")).collect();
    assert!(logs.len() > 2 && snapshots.len() == 2, "{:?}", files.keys());
    for name in files.keys() {
        let lost = disk.settled();
        lost.delete(name);
        match open(&lost) {
            // A log file that both snapshots cover, or one of the snapshots.
            Ok(catalog) => assert_eq!(catalog.snapshot().digest(), digest, "{name}"),
            Err(Error::Corrupt { .. }) => {}
            Err(other) => panic!("{name}: {}", chain(&other)),
        }
    }
    for name in [*logs.last().unwrap(), "slots"] {
        let lost = disk.settled();
        lost.delete(name);
        assert!(matches!(open(&lost), Err(Error::Corrupt { .. })), "{name}");
    }
    // Without the newer snapshot the older one and the log lead to the same state; without both they cannot.
    let lost = disk.settled();
    lost.delete(snapshots[1]);
    assert_eq!(open(&lost).unwrap().snapshot().digest(), digest);
    lost.delete(snapshots[0]);
    assert!(matches!(open(&lost), Err(Error::Corrupt { .. })));
}

#[test]
fn another_cluster_is_refused() {
    let (disk, _) = filled();
    let init = ClusterInit::Expect(ClusterId([8; 16]));
    assert!(matches!(
        Catalog::open_with(Arc::new(disk.clone()), init, options(&clock())),
        Err(Error::OtherCluster { .. })
    ));
    assert!(Catalog::open_with(Arc::new(disk), ClusterInit::Expect(CLUSTER), options(&clock())).is_ok());
    let empty = FaultyDisk::new();
    assert!(matches!(open(&empty), Err(Error::Missing)));
}

#[test]
fn a_command_of_a_later_version_stops_the_node() {
    let disk = FaultyDisk::new();
    let catalog =
        Catalog::open_with(Arc::new(disk.clone()), ClusterInit::CreateIfMissing(CLUSTER), options(&clock())).unwrap();
    drop(catalog);
    let shared: Arc<FaultyDisk> = Arc::new(disk.settled());
    let entry = br#"{"v":1,"time":7,"op":"0000000000000001-2","type":"sealPartition","body":{}}"#;
    let opened =
        cluster_catalog::log::Log::open(shared.clone(), options(&clock()).log, |_| Ok(()), |_| Ok(())).unwrap();
    let mut log = opened.log;
    log.append(vec![entry.to_vec()]).unwrap();
    drop(log);
    let message = chain(&open(&shared).err().unwrap());
    assert!(message.contains("log entry 1") && message.contains("`sealPartition`"), "{message}");
}
