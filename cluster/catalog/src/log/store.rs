//! The log over its files: opening, appending, taking snapshots and letting go of what they replace.

use std::sync::Arc;

use cluster_types::ClusterId;

use super::disk::{Disk, DiskFile};
use super::record::{self, Bad, Record};
use super::slots::{self, Slot, Slots};
use super::snapshot_file::{self, SnapshotHead};
use crate::{Error, Result, State};

const PREFIX: &str = "log-";

/// The largest log file that is read; a larger one is not ours.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// How the log uses its directory.
#[derive(Debug, Clone, Copy)]
pub struct LogOptions {
    /// Bytes that a log file is made with. Default 16 MiB; from 64 KiB to 1 GiB.
    pub file_bytes: u64,
}

impl Default for LogOptions {
    fn default() -> LogOptions {
        LogOptions { file_bytes: 16 << 20 }
    }
}

/// An open log. Only one value may exist for a directory.
pub struct Log {
    disk: Arc<dyn Disk>,
    options: LogOptions,
    slots: Slots,
    /// First indexes of the files, oldest first; the last is the tail.
    files: Vec<u64>,
    tail: Box<dyn DiskFile>,
    tail_end: u64,
    tail_size: u64,
    last: Last,
    /// Bytes of the records behind the newest snapshot, and of that snapshot.
    bytes_behind: u64,
    snapshot_bytes: u64,
    poisoned: Option<String>,
}

/// The last record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Last {
    index: u64,
    term: u64,
    hash: u128,
}

/// An opened log and what it led to.
pub struct Opened {
    pub log: Log,
    /// What was found that an operator should know, one line each.
    pub notes: Vec<String>,
}

impl Log {
    /// Makes the files of a new cluster.
    pub fn create(disk: Arc<dyn Disk>, cluster: ClusterId, options: LogOptions) -> Result<Log> {
        let slot = Slot { sequence: 0, cluster, recovery_epoch: 0, term: 1, vote: None, floor: 0 };
        let slots = Slots::create(&*disk, slot)?;
        let (tail, tail_size) = make_file(&*disk, 1, options.file_bytes)?;
        let last = Last { index: 0, term: 0, hash: 0 };
        let files = vec![1];
        let (bytes_behind, snapshot_bytes, poisoned) = (0, 0, None);
        Ok(Log {
            disk,
            options,
            slots,
            files,
            tail,
            tail_end: 0,
            tail_size,
            last,
            bytes_behind,
            snapshot_bytes,
            poisoned,
        })
    }

    /// Whether a directory holds a log, or parts of one.
    pub fn exists(disk: &dyn Disk) -> Result<bool> {
        let names = disk.list().map_err(|e| Error::io("list", ".", e))?;
        Ok(names.iter().any(|n| n == slots::FILE || n.starts_with(PREFIX))
            || !snapshot_file::indexes(&names).is_empty())
    }

    /// Reads what is there: `start` gets the state of the newest snapshot, or of nothing, and `replay` each record after it.
    pub fn open(
        disk: Arc<dyn Disk>,
        options: LogOptions,
        mut start: impl FnMut(State) -> Result<()>,
        mut replay: impl FnMut(Record) -> Result<()>,
    ) -> Result<Opened> {
        let names = disk.list().map_err(|e| Error::io("list", ".", e))?;
        if !names.iter().any(|n| n == slots::FILE) {
            return Err(if Log::exists(&*disk)? {
                Error::corrupt(slots::FILE, 0, "it is missing, and log or snapshots are there")
            } else {
                Error::Missing
            });
        }
        let mut notes = Vec::new();
        let slots = Slots::open(&*disk)?;
        let slot = slots.current();
        snapshot_file::remove_unfinished(&*disk, &names)?;
        let snapshot = newest_snapshot(&*disk, &names, &slot, &mut notes)?;
        let (base, state, snapshot_bytes) = match snapshot {
            Some(found) => (Some(found.head), found.state, found.bytes),
            None => (None, State::new(slot.cluster), 0),
        };
        let base_index = base.map_or(0, |head| head.index);
        start(state)?;

        let mut files = log_files(&names);
        if files.is_empty() {
            if slot.floor > 0 || base.is_some() {
                return Err(Error::corrupt(&file_name(1), 0, "no log file is left"));
            }
            // A crash came between the first two files of a new cluster.
            make_file(&*disk, 1, options.file_bytes)?;
            files.push(1);
        }
        let first = files.iter().rposition(|first| *first <= base_index + 1).ok_or_else(|| {
            let reason = format!("the oldest log file begins at {}, and {} is wanted", files[0], base_index + 1);
            Error::corrupt(&file_name(files[0]), 0, reason)
        })?;
        let mut scan = Scan { slot, base, last: None, bytes: 0 };
        let mut tail = None;
        for (i, first_index) in files.iter().enumerate().skip(first) {
            let is_tail = i + 1 == files.len();
            tail = Some(scan.file(&*disk, *first_index, is_tail, &mut notes, &mut replay)?);
        }
        let Tail { mut file, end, mut size } = tail.expect("there is at least one file");
        let bytes_behind = scan.bytes;
        let last = scan.finish(*files.last().expect("there is at least one file"))?;
        if size < options.file_bytes {
            let name = file_name(*files.last().expect("there is at least one file"));
            size = options.file_bytes;
            file.set_size(size).and_then(|()| file.sync()).map_err(|e| Error::io("extend", &name, e))?;
        }
        let (tail, tail_end, tail_size, poisoned) = (file, end, size, None);
        let log = Log {
            disk,
            options,
            slots,
            files,
            tail,
            tail_end,
            tail_size,
            last,
            bytes_behind,
            snapshot_bytes,
            poisoned,
        };
        Ok(Opened { log, notes })
    }

    pub fn slot(&self) -> Slot {
        self.slots.current()
    }

    /// Bytes that a start would replay.
    pub fn bytes_behind_snapshot(&self) -> u64 {
        self.bytes_behind
    }

    /// Bytes of the newest snapshot; 0 for none.
    pub fn snapshot_bytes(&self) -> u64 {
        self.snapshot_bytes
    }

    pub fn last_index(&self) -> u64 {
        self.last.index
    }

    /// Fails when an earlier write did.
    pub fn check(&self) -> Result<()> {
        match &self.poisoned {
            None => Ok(()),
            Some(reason) => Err(Error::Poisoned { reason: reason.clone() }),
        }
    }

    /// Appends records and makes them last, with one sync as long as they fit the file. After an error nothing is known about
    /// them until the log is opened again.
    pub fn append(&mut self, payloads: Vec<Vec<u8>>) -> Result<()> {
        self.check()?;
        self.try_append(payloads).inspect_err(|error| self.poisoned = Some(error.chain()))
    }

    fn try_append(&mut self, payloads: Vec<Vec<u8>>) -> Result<()> {
        let slot = self.slots.current();
        let mut group = Group { bytes: Vec::new(), records: 0, last: self.last };
        for payload in payloads {
            let end = self.tail_end + group.bytes.len() as u64;
            if end > 0 && end + record::padded(payload.len()) as u64 > self.tail_size {
                // A group lies in one file: what a crash leaves of it is the end of the log.
                self.write(&mut group)?;
                let first = self.last.index + 1;
                let (tail, size) = make_file(&*self.disk, first, self.options.file_bytes)?;
                (self.tail, self.tail_end, self.tail_size) = (tail, 0, size);
                self.files.push(first);
            }
            let record = Record {
                cluster: slot.cluster,
                recovery_epoch: slot.recovery_epoch,
                term: slot.term,
                index: group.last.index + 1,
                place: group.records,
                chain: group.last.hash,
                payload,
            };
            let bytes = record.encode();
            group.last = Last { index: record.index, term: record.term, hash: xxhash_rust::xxh3::xxh3_128(&bytes) };
            group.records += 1;
            group.bytes.extend_from_slice(&bytes);
        }
        self.write(&mut group)
    }

    /// Writes a group, makes it last and begins the next.
    fn write(&mut self, group: &mut Group) -> Result<()> {
        if group.records == 0 {
            return Ok(());
        }
        let name = file_name(*self.files.last().expect("a log has a tail"));
        self.tail.write_at(self.tail_end, &group.bytes).map_err(|e| Error::io("write", &name, e))?;
        self.tail.sync().map_err(|e| Error::io("sync", &name, e))?;
        self.tail_end += group.bytes.len() as u64;
        self.bytes_behind += group.bytes.len() as u64;
        self.tail_size = self.tail_size.max(self.tail_end);
        self.last = group.last;
        group.bytes.clear();
        group.records = 0;
        Ok(())
    }

    /// Records that everything up to the last record has been acknowledged. Does nothing when that is recorded.
    pub fn raise_floor(&mut self) -> Result<()> {
        self.check()?;
        let slot = self.slots.current();
        if slot.floor >= self.last.index {
            return Ok(());
        }
        let floor = self.last.index;
        self.slots.write(Slot { floor, ..slot }).inspect_err(|error| self.poisoned = Some(error.chain()))
    }

    /// Notes where the log stands, for a snapshot of the state after its last record. The snapshot itself is written while the
    /// log goes on: [`SnapshotJob::write`], then [`Log::end_snapshot`].
    pub fn begin_snapshot(&mut self) -> Result<SnapshotJob> {
        self.check()?;
        self.raise_floor()?;
        let slot = self.slots.current();
        let head = SnapshotHead {
            cluster: slot.cluster,
            recovery_epoch: slot.recovery_epoch,
            term: self.last.term,
            index: self.last.index,
            chain: self.last.hash,
        };
        Ok(SnapshotJob { disk: self.disk.clone(), head, bytes_before: self.bytes_behind })
    }

    /// Lets go of what a written snapshot of `bytes` made superfluous. Two snapshots stay, and the log behind the older: when
    /// the newer cannot be read, the older leads to the same state.
    pub fn end_snapshot(&mut self, job: &SnapshotJob, bytes: u64) -> Result<()> {
        self.bytes_behind -= job.bytes_before;
        self.snapshot_bytes = bytes;
        let names = self.disk.list().map_err(|e| Error::io("list", ".", e))?;
        let snapshots = snapshot_file::indexes(&names);
        let Some(kept) = snapshots.get(1) else { return Ok(()) };
        let mut removed = false;
        while self.files.len() > 1 && self.files[1] <= kept + 1 {
            let name = file_name(self.files[0]);
            self.disk.remove(&name).map_err(|e| Error::io("remove", &name, e))?;
            self.files.remove(0);
            removed = true;
        }
        for index in &snapshots[2..] {
            let name = snapshot_file::file_name(*index);
            self.disk.remove(&name).map_err(|e| Error::io("remove", &name, e))?;
            removed = true;
        }
        if removed {
            self.disk.sync_dir().map_err(|e| Error::io("sync the directory of", PREFIX, e))?;
        }
        Ok(())
    }
}

/// Records that are written and synced as one.
struct Group {
    bytes: Vec<u8>,
    records: u32,
    /// The last of them, or the last of the log.
    last: Last,
}

/// A snapshot to be written. One at a time.
pub struct SnapshotJob {
    disk: Arc<dyn Disk>,
    head: SnapshotHead,
    /// Of the records that the snapshot takes the place of.
    bytes_before: u64,
}

impl SnapshotJob {
    /// Writes the state after the record that the log had last, and returns its bytes. A failure leaves the store as it was.
    pub fn write(&self, state: &State) -> Result<u64> {
        assert_eq!(state.applied_index(), self.head.index, "a snapshot is taken at the end of the log");
        let name = snapshot_file::write(&*self.disk, &self.head, state)?;
        // What the log is let go for must be readable first.
        snapshot_file::check(&*self.disk, &name)
    }
}

fn file_name(first_index: u64) -> String {
    format!("{PREFIX}{first_index:020}")
}

fn log_files(names: &[String]) -> Vec<u64> {
    let mut files: Vec<u64> =
        names.iter().filter_map(|n| n.strip_prefix(PREFIX)).filter_map(|digits| digits.parse().ok()).collect();
    files.sort_unstable();
    files
}

fn make_file(disk: &dyn Disk, first_index: u64, bytes: u64) -> Result<(Box<dyn DiskFile>, u64)> {
    let name = file_name(first_index);
    let mut file = disk.open(&name, true).map_err(|e| Error::io("make", &name, e))?;
    file.set_size(bytes).map_err(|e| Error::io("extend", &name, e))?;
    file.sync().map_err(|e| Error::io("sync", &name, e))?;
    disk.sync_dir().map_err(|e| Error::io("sync the directory of", &name, e))?;
    Ok((file, bytes))
}

fn newest_snapshot(
    disk: &dyn Disk,
    names: &[String],
    slot: &Slot,
    notes: &mut Vec<String>,
) -> Result<Option<snapshot_file::Found>> {
    for index in snapshot_file::indexes(names) {
        let name = snapshot_file::file_name(index);
        match snapshot_file::read(disk, &name) {
            Ok(found) if found.head.cluster != slot.cluster || found.head.index != index => {
                return Err(Error::corrupt(&name, 0, "it is of another cluster or another index than its name says"));
            }
            Ok(found) => return Ok(Some(found)),
            Err(Error::Corrupt { offset, reason, .. }) => notes.push(format!(
                "the catalog's `{name}` is damaged at byte {offset} ({reason}); the log from an older snapshot leads to the same state"
            )),
            Err(other) => return Err(other),
        }
    }
    Ok(None)
}

struct Scan {
    slot: Slot,
    base: Option<SnapshotHead>,
    last: Option<Last>,
    /// Of the records behind the base.
    bytes: u64,
}

struct Tail {
    file: Box<dyn DiskFile>,
    end: u64,
    size: u64,
}

impl Scan {
    /// Reads one file from its start to its end.
    fn file(
        &mut self,
        disk: &dyn Disk,
        first_index: u64,
        is_tail: bool,
        notes: &mut Vec<String>,
        replay: &mut impl FnMut(Record) -> Result<()>,
    ) -> Result<Tail> {
        let name = file_name(first_index);
        let mut file = disk.open(&name, false).map_err(|e| Error::io("open", &name, e))?;
        let size = file.size().map_err(|e| Error::io("read", &name, e))?;
        if size > FILE_BYTES_MAX {
            return Err(Error::corrupt(&name, 0, format!("it has {size} bytes, which no log file has")));
        }
        let mut bytes = vec![0; size as usize];
        file.read_at(0, &mut bytes).map_err(|e| Error::io("read", &name, e))?;
        let expected = self.last.map_or(first_index, |last| last.index + 1);
        if first_index != expected {
            return Err(Error::corrupt(
                &name,
                0,
                format!("it begins with record {first_index} where {expected} is due"),
            ));
        }
        let mut at = 0;
        loop {
            match Record::decode(&bytes[at..]) {
                Ok((record, size)) => {
                    let offset = at as u64;
                    at += size;
                    self.record(&name, offset, first_index, record, &bytes[at - size..at], replay)?;
                }
                Err(Bad::Empty) if bytes[at..].iter().all(|b| *b == 0) => break,
                Err(bad) => {
                    self.torn(&name, &bytes, at, first_index, is_tail, bad)?;
                    let end = at as u64;
                    file.set_size(end)
                        .and_then(|()| file.set_size(size))
                        .and_then(|()| file.sync())
                        .map_err(|e| Error::io("cut", &name, e))?;
                    notes.push(format!(
                        "the catalog's `{name}` was cut at byte {end}: its last write was never acknowledged"
                    ));
                    break;
                }
            }
        }
        Ok(Tail { file, end: at as u64, size })
    }

    fn record(
        &mut self,
        name: &str,
        offset: u64,
        first_index: u64,
        record: Record,
        bytes: &[u8],
        replay: &mut impl FnMut(Record) -> Result<()>,
    ) -> Result<()> {
        let expected = self.last.map_or(first_index, |last| last.index + 1);
        let bad = |reason: String| Err(Error::corrupt(name, offset, reason));
        if record.cluster != self.slot.cluster {
            return bad(format!("record {} is of cluster {}", record.index, record.cluster));
        }
        if record.index != expected {
            return bad(format!("record {} stands where {expected} is due", record.index));
        }
        if record.recovery_epoch > self.slot.recovery_epoch || record.term > self.slot.term {
            return bad(format!("record {} is of a later epoch or term than the slots say", record.index));
        }
        let before = match (self.last, self.base) {
            (Some(last), _) => Some(last.hash),
            (None, _) if record.index == 1 => Some(0),
            (None, Some(base)) if record.index == base.index + 1 => Some(base.chain),
            (None, _) => None,
        };
        if before.is_some_and(|hash| hash != record.chain) {
            return bad(format!("record {} does not continue the one before it", record.index));
        }
        let hash = xxhash_rust::xxh3::xxh3_128(bytes);
        let (index, term) = (record.index, record.term);
        if let Some(base) = self.base
            && index == base.index
            && hash != base.chain
        {
            return bad(format!("record {index} is not the one that the snapshot ends with"));
        }
        self.last = Some(Last { index, term, hash });
        if self.base.is_some_and(|base| index <= base.index) {
            return Ok(());
        }
        self.bytes += bytes.len() as u64;
        replay(record)
    }

    /// Decides whether bytes that are no record are what a crash leaves.
    fn torn(&self, name: &str, bytes: &[u8], at: usize, first_index: u64, is_tail: bool, bad: Bad) -> Result<()> {
        let reason = match bad {
            Bad::Empty => "zeros stand where a record is due",
            Bad::Short => "the file ends inside a record",
            Bad::Reason(reason) => reason,
        };
        let expected = self.last.map_or(first_index, |last| last.index + 1);
        let corrupt =
            |what: &str| Err(Error::corrupt(name, at as u64, format!("record {expected}: {reason}, and {what}")));
        if !is_tail {
            return corrupt("a later log file is there");
        }
        // A crash during the sync of a group leaves any of its records. The next group is written after that sync, so that a
        // record of a later one says that this one had been acknowledged.
        let later = (at + record::ALIGN..bytes.len())
            .step_by(record::ALIGN)
            .filter(|i| Record::starts(&bytes[*i..]))
            .filter_map(|i| Record::decode(&bytes[i..]).ok())
            .any(|(record, _)| record.index.saturating_sub(u64::from(record.place)) > expected);
        if later {
            return corrupt("a valid record stands behind it");
        }
        Ok(())
    }

    fn finish(self, tail: u64) -> Result<Last> {
        let none = Last { index: 0, term: 0, hash: 0 };
        let base = self.base.map_or(none, |base| Last { index: base.index, term: base.term, hash: base.chain });
        // A tail without records follows either the snapshot or nothing.
        let last = match self.last {
            Some(last) => last,
            None if tail == base.index + 1 => base,
            None => {
                let reason = format!("it holds no record, and its name promises {tail} behind {}", base.index);
                return Err(Error::corrupt(&file_name(tail), 0, reason));
            }
        };
        let wanted = self.slot.floor.max(base.index);
        if last.index < wanted {
            let reason = format!("the log ends with record {}, and {wanted} has been acknowledged", last.index);
            return Err(Error::corrupt(&file_name(tail), 0, reason));
        }
        Ok(last)
    }
}
