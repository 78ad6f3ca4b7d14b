//! The catalog of a node: one voter's log and state behind `propose` and `snapshot`.
//!
//! ```text
//!   head (lock) try the command on the speculative state, queue its bytes
//!   log  (lock) write and sync all that is queued as one group, publish the states in order
//! ```
//!
//! While one proposer waits for the disk the next ones queue up, and the first of them to get the log takes all of them
//! along: many proposals, one sync. Snapshots and digests are made of a published state, which never changes, beside the
//! log's lock.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use arc_swap::ArcSwap;
use cluster_types::{ClusterId, OperationId};

use crate::command::{Body, Command, Outcome, StateDigest};
use crate::log::{Disk, FileDisk, Log, LogOptions, Opened};
use crate::{Error, Result, State};

/// What to do about a directory's cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClusterInit {
    /// The catalog must be there.
    Existing,
    /// The catalog must be there, and of this cluster.
    Expect(ClusterId),
    /// Where there is none, make one with this id; one that is there keeps its own.
    CreateIfMissing(ClusterId),
}

/// How the catalog works.
pub struct Options {
    pub log: LogOptions,
    /// Entries between two snapshots. Default 10,000; at least 1.
    pub snapshot_every: u64,
    /// Bytes of log after which a snapshot is due as well, or an eighth of the snapshot before where that is more: what a start
    /// reads is bounded by it. Default 64 MiB.
    pub snapshot_bytes: u64,
    /// Milliseconds between two writes of the floor. Default 1,000.
    pub floor_every_ms: i64,
    /// The owner calls [`Catalog::maintain`] each second. Default false: the proposal that makes a snapshot or a digest due
    /// makes it before it returns.
    pub maintained: bool,
    /// UTC milliseconds now. Log time is the greater of this and the log time before (R-10).
    pub clock: Box<dyn Fn() -> i64 + Send + Sync>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            log: LogOptions::default(),
            snapshot_every: 10_000,
            snapshot_bytes: 64 << 20,
            floor_every_ms: 1_000,
            maintained: false,
            clock: Box::new(|| {
                let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
                since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
            }),
        }
    }
}

/// A command's place in the log and what it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    pub index: u64,
    pub outcome: Outcome,
}

/// What opening found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// The index of the snapshot that was read; 0 for none.
    pub snapshot_index: u64,
    /// Entries of the log that were applied after it.
    pub replayed: u64,
    /// What an operator should know, one line each.
    pub notes: Vec<String>,
}

type Callback = Arc<dyn Fn(&Arc<State>) + Send + Sync>;

struct Subscribers {
    next: u64,
    callbacks: Vec<(u64, Callback)>,
}

/// Ends when it is dropped.
pub struct Subscription {
    id: u64,
    subscribers: Weak<Mutex<Subscribers>>,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(subscribers) = self.subscribers.upgrade() {
            lock(&subscribers).callbacks.retain(|(id, _)| *id != self.id);
        }
    }
}

/// The catalog. Share it in an `Arc`; every method takes `&self`.
pub struct Catalog {
    head: Mutex<Head>,
    writer: Mutex<Writer>,
    /// Held while a snapshot or a digest is made: one at a time.
    keeping: Mutex<()>,
    state: ArcSwap<State>,
    subscribers: Arc<Mutex<Subscribers>>,
    options: Options,
    session: u64,
    sequence: AtomicU64,
    recovery: Recovery,
}

/// What has been tried and not been synced.
struct Head {
    /// The published state and the queue on top of it (R-4's speculative head).
    state: Arc<State>,
    queue: Vec<(Vec<u8>, Arc<State>)>,
}

/// Never locked by who holds the head.
struct Writer {
    log: Log,
    floor_ms: i64,
    since_snapshot: u64,
    /// Bytes behind the snapshot when the next one failed; 0 when it did not.
    failed_at: u64,
    snapshot_error: Option<String>,
}

impl Writer {
    fn snapshot_due(&self, options: &Options) -> bool {
        let bytes = options.snapshot_bytes.max(self.log.snapshot_bytes() / 8);
        let due_at = if self.failed_at == 0 { bytes } else { self.failed_at.saturating_add(bytes / 10) };
        self.since_snapshot >= options.snapshot_every.max(1) || self.log.bytes_behind_snapshot() >= due_at
    }
}

impl Catalog {
    /// Opens the catalog in a directory, which no other process may have open.
    pub fn open(dir: &Path, init: ClusterInit) -> Result<Catalog> {
        Catalog::open_with(Arc::new(FileDisk::open(dir)?), init, Options::default())
    }

    /// Opens the catalog on any disk.
    pub fn open_with(disk: Arc<dyn Disk>, init: ClusterInit, options: Options) -> Result<Catalog> {
        if let ClusterInit::CreateIfMissing(cluster) = init
            && !Log::exists(&*disk)?
        {
            let log = Log::create(disk, cluster, options.log)?;
            return Ok(Catalog::new(log, State::new(cluster), Recovery::default(), options));
        }
        let mut recovery = Recovery::default();
        let state = std::cell::RefCell::new(None);
        let Opened { log, notes } = Log::open(
            disk,
            options.log,
            |snapshot| {
                recovery.snapshot_index = snapshot.applied_index();
                let mut snapshot = snapshot;
                snapshot.set_checkpoint();
                *state.borrow_mut() = Some(snapshot);
                Ok(())
            },
            |record| {
                let (log_time_ms, command) = Command::decode(record.index, &record.payload)?;
                let mut state = state.borrow_mut();
                let state = state.as_mut().expect("a log starts with a state");
                compare(state, &command)?;
                // A rejection is part of the log's history: it changed nothing then and changes nothing now.
                let _: Result<Outcome, _> = state.apply(record.index, log_time_ms, &command);
                Ok(())
            },
        )?;
        let state = state.into_inner().expect("a log starts with a state");
        if let ClusterInit::Expect(expected) = init
            && state.cluster() != expected
        {
            return Err(Error::OtherCluster { found: state.cluster().to_string(), expected: expected.to_string() });
        }
        recovery.replayed = state.applied_index() - recovery.snapshot_index;
        recovery.notes = notes;
        Ok(Catalog::new(log, state, recovery, options))
    }

    fn new(log: Log, state: State, recovery: Recovery, options: Options) -> Catalog {
        let writer = Writer {
            log,
            floor_ms: state.log_time_ms(),
            since_snapshot: recovery.replayed,
            failed_at: 0,
            snapshot_error: None,
        };
        let state = Arc::new(state);
        Catalog {
            head: Mutex::new(Head { state: state.clone(), queue: Vec::new() }),
            writer: Mutex::new(writer),
            keeping: Mutex::new(()),
            state: ArcSwap::new(state),
            subscribers: Arc::new(Mutex::new(Subscribers { next: 0, callbacks: Vec::new() })),
            options,
            session: random(),
            sequence: AtomicU64::new(0),
            recovery,
        }
    }

    /// What opening found.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// The state now. It does not change under the caller and takes no lock.
    pub fn snapshot(&self) -> Arc<State> {
        self.state.load_full()
    }

    /// A fresh operation id of this process.
    pub fn operation(&self) -> OperationId {
        OperationId { session: self.session, sequence: self.sequence.fetch_add(1, Ordering::Relaxed) }
    }

    /// [`Catalog::propose`] under a fresh operation id.
    pub fn propose_body(&self, body: Body) -> Result<Applied> {
        self.propose(Command::new(self.operation(), body))
    }

    /// Tries the command on the state, appends it to the log, makes it last, publishes the new state. A rejected command is
    /// not logged. An error of the store leaves the outcome unknown until the catalog is opened again.
    pub fn propose(&self, command: Command) -> Result<Applied> {
        let (index, tried) = self.try_on_head(command)?;
        // A rejection too may rest on what is not synced yet.
        self.sync_up_to(index)?;
        if !self.options.maintained {
            self.keep_house();
        }
        tried
    }

    /// Applies the command to the head. The answer holds once the entry of the index that comes with it is synced.
    fn try_on_head(&self, command: Command) -> Result<(u64, Result<Applied>)> {
        let mut head = lock(&self.head);
        if let Some(row) = head.state.operation(&command.operation) {
            return Ok((row.index, Ok(Applied { index: row.index, outcome: row.outcome.clone() })));
        }
        let log_time_ms = head.state.log_time_ms().max((self.options.clock)());
        let bytes = command.encode(log_time_ms)?;
        let before = head.state.applied_index();
        let mut next = State::clone(&head.state);
        match next.apply(before + 1, log_time_ms, &command) {
            Err(rejection) => Ok((before, Err(rejection.into()))),
            Ok(outcome) => {
                let next = Arc::new(next);
                head.state = next.clone();
                head.queue.push((bytes, next));
                Ok((before + 1, Ok(Applied { index: before + 1, outcome })))
            }
        }
    }

    /// Returns once entry `index` is synced and its state published: by another proposal's sync, or by one of all that is
    /// queued now.
    fn sync_up_to(&self, index: u64) -> Result<()> {
        let mut writer = lock(&self.writer);
        writer.log.check().inspect_err(|_| lock(&self.head).queue.clear())?;
        if writer.log.last_index() >= index {
            return Ok(());
        }
        let (entries, states): (Vec<_>, Vec<_>) = std::mem::take(&mut lock(&self.head).queue).into_iter().unzip();
        writer.log.append(entries)?;
        for state in states {
            writer.since_snapshot += 1;
            self.state.store(state.clone());
            // Under the log's lock, so that subscribers see states in the order of the log.
            self.notify(&state);
        }
        let state = self.state.load();
        assert_eq!(writer.log.last_index(), state.applied_index(), "log and state count alike");
        // The commands have been acknowledged whatever happens to the floor: a failure poisons the log and so shows at the
        // next command.
        if state.log_time_ms().saturating_sub(writer.floor_ms) >= self.options.floor_every_ms
            && writer.log.raise_floor().is_ok()
        {
            writer.floor_ms = state.log_time_ms();
        }
        Ok(())
    }

    /// What keeps the log short and its replay checked. An owner that said so in the options calls this each second.
    pub fn maintain(&self) -> Result<()> {
        self.raise_floor()?;
        self.keep_house();
        Ok(())
    }

    /// Writes a snapshot and logs a digest where they are due, unless another thread is at it. A failed snapshot shows in
    /// [`Catalog::snapshot_error`] and is tried again after a tenth of the usual distance.
    fn keep_house(&self) {
        let every = self.options.snapshot_every.max(1);
        let snapshot_due = lock(&self.writer).snapshot_due(&self.options);
        if !snapshot_due && self.state.load().checkpoint().is_none() {
            return;
        }
        let Ok(_keeping) = self.keeping.try_lock() else { return };
        if snapshot_due && let Err(error) = self.write_snapshot() {
            let mut writer = lock(&self.writer);
            (writer.since_snapshot, writer.failed_at) = (every - every / 10, writer.log.bytes_behind_snapshot());
            writer.snapshot_error = Some(error.chain());
        }
        self.log_digest();
    }

    /// Tells the log what the state was at its checkpoint. One that is not told is told at the next call.
    fn log_digest(&self) {
        let state = self.state.load_full();
        let Some(checkpoint) = state.checkpoint() else { return };
        let digest = StateDigest { index: checkpoint.applied_index(), digest: format!("{:032x}", checkpoint.digest()) };
        if let Ok((index, _)) = self.try_on_head(Command::new(self.operation(), Body::StateDigest(digest))) {
            // A failure poisons the log and so shows at the next command.
            let _: Result<()> = self.sync_up_to(index);
        }
    }

    /// Why the last snapshot could not be written, if it could not: the log grows until one can.
    pub fn snapshot_error(&self) -> Option<String> {
        lock(&self.writer).snapshot_error.clone()
    }

    /// Records the floor; a node calls this each second and before it stops.
    pub fn raise_floor(&self) -> Result<()> {
        let mut writer = lock(&self.writer);
        writer.log.raise_floor()?;
        writer.floor_ms = self.state.load().log_time_ms();
        Ok(())
    }

    /// Writes a snapshot now and lets go of the log that it makes superfluous.
    pub fn save_snapshot(&self) -> Result<()> {
        let _keeping = lock(&self.keeping);
        self.write_snapshot()
    }

    /// Proposals go on while the state is written. The caller holds `keeping`.
    fn write_snapshot(&self) -> Result<()> {
        let (job, state) = {
            let mut writer = lock(&self.writer);
            (writer.log.begin_snapshot()?, self.state.load_full())
        };
        let bytes = job.write(&state)?;
        let mut writer = lock(&self.writer);
        writer.log.end_snapshot(&job, bytes)?;
        writer.failed_at = 0;
        writer.since_snapshot = writer.log.last_index() - state.applied_index();
        writer.snapshot_error = None;
        Ok(())
    }

    /// Calls back with each new state, in order, on the thread that proposed it. The callback must be short and must not
    /// propose.
    pub fn subscribe(&self, callback: impl Fn(&Arc<State>) + Send + Sync + 'static) -> Subscription {
        let mut subscribers = lock(&self.subscribers);
        let id = subscribers.next;
        subscribers.next += 1;
        subscribers.callbacks.push((id, Arc::new(callback)));
        Subscription { id, subscribers: Arc::downgrade(&self.subscribers) }
    }

    fn notify(&self, state: &Arc<State>) {
        let callbacks: Vec<Callback> = lock(&self.subscribers).callbacks.iter().map(|(_, c)| c.clone()).collect();
        for callback in callbacks {
            callback(state);
        }
    }
}

/// Compares the state with what the log says it was, before the entry that says so is applied. Where the replay began behind
/// that place there is nothing to compare.
fn compare(state: &State, command: &Command) -> Result<()> {
    let Body::StateDigest(logged) = &command.body else { return Ok(()) };
    match state.checkpoint() {
        Some(checkpoint) if checkpoint.applied_index() == logged.index => {
            let found = format!("{:032x}", checkpoint.digest());
            if found == logged.digest {
                return Ok(());
            }
            Err(Error::Diverged { index: logged.index, found, logged: logged.digest.clone() })
        }
        _ => Ok(()),
    }
}

/// A lock whose holder panicked guards data that is changed only in whole steps.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number that no other process draws: the standard library seeds its hasher from the system.
fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}
