//! The catalog of a node: one voter's log and state behind `propose` and `snapshot`.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use arc_swap::ArcSwap;
use cluster_types::{ClusterId, OperationId};

use crate::command::{Body, Command, Outcome};
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
    /// Milliseconds between two writes of the floor. Default 1,000.
    pub floor_every_ms: i64,
    /// UTC milliseconds now. Log time is the greater of this and the log time before.
    pub clock: Box<dyn Fn() -> i64 + Send + Sync>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            log: LogOptions::default(),
            snapshot_every: 10_000,
            floor_every_ms: 1_000,
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
    writer: Mutex<Writer>,
    state: ArcSwap<State>,
    subscribers: Arc<Mutex<Subscribers>>,
    options: Options,
    session: u64,
    sequence: AtomicU64,
    recovery: Recovery,
}

struct Writer {
    log: Log,
    floor_ms: i64,
    since_snapshot: u64,
    snapshot_error: Option<String>,
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
                *state.borrow_mut() = Some(snapshot);
                Ok(())
            },
            |record| {
                let (log_time_ms, command) = Command::decode(record.index, &record.payload)?;
                let mut state = state.borrow_mut();
                let state = state.as_mut().expect("a log starts with a state");
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
        let writer =
            Writer { log, floor_ms: state.log_time_ms(), since_snapshot: recovery.replayed, snapshot_error: None };
        Catalog {
            writer: Mutex::new(writer),
            state: ArcSwap::from_pointee(state),
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

    /// Tries the command on the state, appends it to the log, makes it last, applies it, publishes the new state. A rejected
    /// command is not logged. An error of the store leaves the outcome unknown until the catalog is opened again.
    pub fn propose(&self, command: Command) -> Result<Applied> {
        let mut writer = lock(&self.writer);
        writer.log.check()?;
        let state = self.state.load_full();
        if let Some(row) = state.operation(&command.operation) {
            return Ok(Applied { index: row.index, outcome: row.outcome.clone() });
        }
        let log_time_ms = state.log_time_ms().max((self.options.clock)());
        let bytes = command.encode(log_time_ms)?;
        // The speculative head: what is appended is known to be accepted.
        let mut next = State::clone(&state);
        let outcome = next.apply(state.applied_index() + 1, log_time_ms, &command)?;
        let index = writer.log.append(bytes)?;
        assert_eq!(index, next.applied_index(), "log and state count alike");
        let next = Arc::new(next);
        self.state.store(next.clone());
        // Under the writer's lock, so that subscribers see states in the order of the log.
        self.notify(&next);
        self.after(&mut writer, &next);
        Ok(Applied { index, outcome })
    }

    /// Keeps the log short and the floor high. The command has been acknowledged whatever happens here: a failure of the
    /// floor poisons the log and so shows at the next command; a failed snapshot shows in [`Catalog::snapshot_error`] and is
    /// tried again after a tenth of the usual distance.
    fn after(&self, writer: &mut Writer, state: &State) {
        writer.since_snapshot += 1;
        if state.log_time_ms().saturating_sub(writer.floor_ms) >= self.options.floor_every_ms
            && writer.log.raise_floor().is_ok()
        {
            writer.floor_ms = state.log_time_ms();
        }
        let every = self.options.snapshot_every.max(1);
        if writer.since_snapshot >= every {
            let saved = writer.log.save_snapshot(state);
            writer.since_snapshot = if saved.is_ok() { 0 } else { every - every / 10 };
            writer.snapshot_error = saved.err().map(|error| error.chain());
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
        let mut writer = lock(&self.writer);
        writer.log.save_snapshot(&self.state.load())?;
        writer.since_snapshot = 0;
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

/// A lock whose holder panicked guards data that is changed only in whole steps.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number that no other process draws: the standard library seeds its hasher from the system.
fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}
