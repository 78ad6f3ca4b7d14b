//! Executors: one shard per usable core, each a loop of "drain the inbox, run one slice, look again" (E-14 to E-16).
//!
//! ```text
//!   any thread ──Message──▶ Inbox ──▶ Scheduler ──▶ Work::run (≤ 50 µs) ──▶ Again | Waiting | Done
//!                              ▲                                  │
//!                              └────────── Wake ◀── page arrived ◀┘ ReadQueue
//! ```
//!
//! Two executors drive that loop: glommio (reads by io_uring) and plain threads (reads by a small pread pool). One
//! [`probe`] at start chooses; `GAMAY_EXECUTOR=threads|glommio` forces. Nothing above this module knows which it is.

pub(crate) mod affinity;
mod bell;
mod glommio;
pub mod metrics;
mod probe;
mod schedule;
pub mod task;
mod threads;

use crate::error::{Error, Result};
use crate::io::PagePool;
use crate::io::reads::PreadPool;
use bell::Bell;
use metrics::{ShardMetrics, ShardReading};
use shard_plan::Registry;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use task::{Class, Work};

pub use affinity::{usable_cpus, yield_to_edge};

/// Which executor runs the shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Executor {
    /// glommio where the machine allows it, else plain threads.
    #[default]
    Auto,
    Glommio,
    Threads,
}

/// About what it takes to wake a shard and to be woken by it.
const CALLER_TIME: Duration = Duration::from_micros(60);

/// Called with the shard's number and the panic's text when a shard dies.
pub type DeathCallback = Arc<dyn Fn(usize, &str) + Send + Sync>;

/// How to start the shards.
#[derive(Clone)]
pub struct ShardOptions {
    /// Number of shards, at least 1.
    pub shards: usize,
    pub executor: Executor,
    /// CPUs to pin the shards to, one each; `None` leaves placement to the kernel.
    pub pin: Option<Vec<usize>>,
    /// Bytes that streamed pages may hold.
    pub pool_bytes: u64,
    /// Bytes that resident segments may hold; what does not fit is streamed.
    pub resident_bytes: u64,
    /// Niceness of shard threads (SCHED_BATCH); `None`: 5 when there are at most 4 CPUs, else the normal class (E-15).
    pub nice: Option<i32>,
    /// Time that a caller's thread works on a query over few segments in memory before shards take it over: a small query
    /// then never waits for a thread to wake up (E-18). Zero hands every query to the shards.
    pub caller_time: Duration,
    /// Value of the virtual column `$hostName`.
    pub host_name: String,
    /// What to do when a shard panics. Default: print the reason and abort (E-14).
    pub on_shard_death: Option<DeathCallback>,
}

impl Default for ShardOptions {
    fn default() -> Self {
        ShardOptions {
            shards: usable_cpus().len().max(1),
            executor: Executor::Auto,
            pin: None,
            pool_bytes: 256 << 20,
            resident_bytes: u64::MAX,
            nice: None,
            caller_time: CALLER_TIME,
            host_name: "localhost".to_owned(),
            on_shard_death: None,
        }
    }
}

pub(crate) enum Message {
    Submit(Class, Box<dyn Work>, Instant),
    Wake(u64),
    Stop,
}

/// Where a shard receives its messages.
#[derive(Clone)]
pub(crate) struct Inbox {
    sender: flume::Sender<Message>,
    /// Wakes a shard that sleeps elsewhere than in the channel.
    bell: Option<Arc<Bell>>,
}

impl Inbox {
    /// Of work that runs without a shard: nobody reads it.
    pub(crate) fn nowhere() -> Inbox {
        Inbox { sender: flume::unbounded().0, bell: None }
    }

    pub(crate) fn send(&self, message: Message) {
        // A shard that has stopped has dropped its work: nobody waits for this message any more.
        let _ = self.sender.send(message);
        if let Some(bell) = &self.bell {
            bell.ring();
        }
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inbox")
    }
}

/// What a shard's thread gets at its start.
pub(crate) struct Seat {
    pub shard: usize,
    pub cpu: Option<usize>,
    pub nice: Option<i32>,
    pub inbox: Inbox,
    pub receiver: flume::Receiver<Message>,
    pub metrics: Arc<ShardMetrics>,
    pub death: DeathCallback,
    pub ready: flume::Sender<Ready>,
}

/// What a shard says once: that it runs, with what it could not have (pin, priority), or why it does not run.
pub(crate) type Ready = Result<Vec<String>, String>;

impl Seat {
    /// Affinity and priority of the calling thread.
    fn settle(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        if let Some(cpu) = self.cpu
            && let Err(e) = affinity::pin(cpu)
        {
            complaints.push(format!("shard {} cannot be pinned to CPU {cpu}: {e}", self.shard));
        }
        if let Some(nice) = self.nice
            && let Err(e) = affinity::yield_to_edge(nice)
        {
            complaints
                .push(format!("shard {} stays at normal priority: {e}; small queries may wait for scans", self.shard));
        }
        complaints
    }
}

/// Ends the process with a shard's reason unless the options say otherwise.
fn default_death(shard: usize, reason: &str) {
    eprintln!("shard {shard} panicked: {reason}; the process ends because its data can no longer be served");
    std::process::abort();
}

pub(crate) fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without text".to_owned())
}

struct Running {
    inboxes: Vec<Inbox>,
    metrics: Vec<Arc<ShardMetrics>>,
    joins: Vec<std::thread::JoinHandle<()>>,
    report: Vec<String>,
    executor: Executor,
}

pub(crate) struct Inner {
    running: Running,
    pub registry: Arc<Registry>,
    pub pool: Arc<PagePool>,
    pub resident_bytes: u64,
    pub caller_time: Duration,
    pub host_name: Arc<str>,
    next: AtomicUsize,
}

/// The shards of this process: a cheap handle for any thread. They stop when the last handle is dropped.
#[derive(Clone)]
pub struct Shards {
    pub(crate) inner: Arc<Inner>,
}

impl fmt::Debug for Shards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shards({} on {:?})", self.count(), self.inner.running.executor)
    }
}

impl Shards {
    /// Probes the machine, starts the shards and waits until each of them runs.
    pub fn start(options: ShardOptions, registry: Arc<Registry>) -> Result<Shards> {
        let count = options.shards.max(1);
        let (wanted, forced_by) = match std::env::var("GAMAY_EXECUTOR").as_deref() {
            Ok("threads") => (Executor::Threads, " (GAMAY_EXECUTOR)"),
            Ok("glommio") => (Executor::Glommio, " (GAMAY_EXECUTOR)"),
            Ok("") | Err(_) => {
                (options.executor, if options.executor == Executor::Auto { "" } else { " (configured)" })
            }
            Ok(other) => {
                return Err(Error::Start(format!("GAMAY_EXECUTOR is {other:?}; it can be threads or glommio")));
            }
        };
        let running = match wanted {
            Executor::Threads => start_threads(
                &options,
                count,
                format!("executor: threads{forced_by}, {count} shards; cold reads go through a pread pool"),
            )?,
            Executor::Glommio | Executor::Auto => {
                match probe::glommio(count).and_then(|io_memory| start_glommio(&options, count, io_memory, forced_by)) {
                    Ok(running) => running,
                    Err(why) if wanted == Executor::Glommio => {
                        return Err(Error::Start(format!("glommio was asked for, but {why}")));
                    }
                    Err(why) => start_threads(
                        &options,
                        count,
                        format!(
                            "executor: threads, {count} shards, because {why}; costs about a third of cold read throughput, nothing on resident data"
                        ),
                    )?,
                }
            }
        };
        Ok(Shards {
            inner: Arc::new(Inner {
                running,
                registry,
                pool: PagePool::new(options.pool_bytes),
                resident_bytes: options.resident_bytes,
                caller_time: options.caller_time,
                host_name: options.host_name.into(),
                next: AtomicUsize::new(0),
            }),
        })
    }

    /// Number of shards.
    pub fn count(&self) -> usize {
        self.inner.running.inboxes.len()
    }

    /// The executor that was chosen.
    pub fn executor(&self) -> Executor {
        self.inner.running.executor
    }

    /// What was chosen at start, why, and what it costs: one line each (E-14).
    pub fn report(&self) -> Vec<String> {
        let mut lines = self.inner.running.report.clone();
        lines.push(crate::kernels::Simd::get().report());
        lines
    }

    /// Counters of every shard.
    pub fn metrics(&self) -> Vec<ShardReading> {
        self.inner.running.metrics.iter().enumerate().map(|(shard, m)| m.read(shard)).collect()
    }

    /// Bytes of streamed pages held now.
    pub fn pool_bytes(&self) -> u64 {
        self.inner.pool.bytes()
    }

    pub fn registry(&self) -> &Arc<Registry> {
        &self.inner.registry
    }

    /// Gives work to one shard.
    pub fn submit(&self, shard: usize, class: Class, work: Box<dyn Work>) {
        let running = &self.inner.running;
        let shard = shard % running.inboxes.len();
        running.metrics[shard].queued.fetch_add(1, Ordering::Relaxed);
        running.inboxes[shard].send(Message::Submit(class, work, Instant::now()));
    }

    /// The shard to start at for the next query: round robin.
    pub(crate) fn next_shard(&self) -> usize {
        self.inner.next.fetch_add(1, Ordering::Relaxed) % self.count()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for inbox in &self.inboxes {
            inbox.send(Message::Stop);
        }
        let me = std::thread::current().id();
        for join in self.joins.drain(..) {
            // The last handle may be dropped by work on a shard, which cannot wait for itself.
            if join.thread().id() != me {
                let _ = join.join();
            }
        }
    }
}

/// The two ends of a shard: what its thread gets, and what the handle keeps.
struct Ends {
    seats: Vec<Seat>,
    inboxes: Vec<Inbox>,
    metrics: Vec<Arc<ShardMetrics>>,
    readies: flume::Receiver<Ready>,
}

/// `bells`: one a shard for an executor that sleeps in its reactor, none for one that sleeps in the channel.
fn ends(options: &ShardOptions, count: usize, bells: &[Arc<Bell>]) -> Ends {
    let (ready, readies) = flume::unbounded();
    let few = usable_cpus().len() <= 4;
    let nice = options.nice.or(few.then_some(5));
    let death = options.on_shard_death.clone().unwrap_or_else(|| Arc::new(default_death));
    let (mut seats, mut inboxes, mut all_metrics) = (Vec::new(), Vec::new(), Vec::new());
    for shard in 0..count {
        let (sender, receiver) = flume::unbounded();
        let inbox = Inbox { sender, bell: bells.get(shard).cloned() };
        let metrics = Arc::<ShardMetrics>::default();
        inboxes.push(inbox.clone());
        all_metrics.push(metrics.clone());
        let cpu = options.pin.as_ref().filter(|cpus| !cpus.is_empty()).map(|cpus| cpus[shard % cpus.len()]);
        seats.push(Seat { shard, cpu, nice, inbox, receiver, metrics, death: death.clone(), ready: ready.clone() });
    }
    Ends { seats, inboxes, metrics: all_metrics, readies }
}

/// Waits until every shard said that it runs; a shard that died first is an error.
fn await_ready(readies: &flume::Receiver<Ready>, count: usize) -> Result<Vec<String>, String> {
    let mut complaints = Vec::new();
    for _ in 0..count {
        match readies.recv_timeout(std::time::Duration::from_secs(20)) {
            Ok(Ok(lines)) => complaints.extend(lines),
            Ok(Err(why)) => return Err(why),
            Err(_) => return Err("a shard's thread did not start".to_owned()),
        }
    }
    complaints.sort();
    Ok(complaints)
}

fn start_threads(options: &ShardOptions, count: usize, line: String) -> Result<Running> {
    let Ends { seats, inboxes, metrics, readies } = ends(options, count, &[]);
    let reads = PreadPool::start((count * 4).clamp(4, 32)).map_err(Error::Start)?;
    let mut running = Running { inboxes, metrics, joins: Vec::new(), report: vec![line], executor: Executor::Threads };
    for seat in seats {
        running.joins.push(
            threads::spawn(seat, reads.clone()).map_err(|e| Error::Start(format!("no thread for a shard: {e}")))?,
        );
    }
    let complaints = await_ready(&readies, count).map_err(Error::Start)?;
    running.report.extend(complaints);
    Ok(running)
}

fn start_glommio(options: &ShardOptions, count: usize, io_memory: usize, forced_by: &str) -> Result<Running, String> {
    let (bells, heard): (Vec<_>, Vec<_>) = (0..count)
        .map(|_| Bell::new().map(|(bell, heard)| (Arc::new(bell), heard)))
        .collect::<std::io::Result<Vec<_>>>()
        .map_err(|e| format!("no socket to wake a shard: {e}"))?
        .into_iter()
        .unzip();
    let Ends { seats, inboxes, metrics, readies } = ends(options, count, &bells);
    let line =
        format!("executor: glommio{forced_by}, {count} shards, {} KiB of registered buffers each", io_memory / 1024);
    let mut running = Running { inboxes, metrics, joins: Vec::new(), report: vec![line], executor: Executor::Glommio };
    for (seat, bell) in seats.into_iter().zip(bells.into_iter().zip(heard)) {
        running.joins.push(glommio::spawn(seat, bell, io_memory)?);
    }
    let complaints = await_ready(&readies, count)?;
    running.report.extend(complaints);
    Ok(running)
}

#[cfg(test)]
pub(crate) mod tests_support {
    use super::*;
    use crate::io::{ReadDone, ReadQueue, ReadRequest};

    pub(crate) fn inbox() -> (Inbox, flume::Receiver<Message>) {
        let (sender, receiver) = flume::unbounded();
        (Inbox { sender, bell: None }, receiver)
    }

    /// For work that reads nothing.
    pub(crate) struct NoReads;
    impl ReadQueue for NoReads {
        fn read(&self, request: ReadRequest, done: ReadDone) {
            done(Err(std::io::Error::other(format!("nothing is read in this test: {request:?}"))));
        }
    }
}
