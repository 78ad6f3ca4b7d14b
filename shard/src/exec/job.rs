//! One query on its way through the shards: what its workers share.

use crate::error::{Error, Result};
use crate::exec::bind::BoundSegment;
use crate::exec::output::BoundOutput;
use crate::exec::part_merge::PartMerge;
use crate::exec::request::{LeafAnswer, LeafRequest, LeafStats};
use crate::exec::worker::{Partial, Worker};
use crate::io::{ReadDone, ReadQueue, ReadRequest};
use crate::memory::Budget;
use crate::rt::task::{Class, Progress, Slice, Waker, Work};
use crate::rt::{Inbox, Shards};
use shard_plan::Registry;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Rows below which one shard does the whole query: waking a second one costs more than it saves.
const ONE_SHARD_ROWS: u64 = 200_000;
/// Most segments of a query that its caller starts on: binding each takes some microseconds.
const CALLER_SEGMENTS: usize = 16;

/// Locks a mutex whose data is whole between any two statements, so that a panic elsewhere does not matter.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where a segment stands.
#[derive(Debug)]
pub(crate) enum Slot {
    New,
    Binding,
    Bound(Arc<BoundSegment>),
    Done,
}

pub(crate) struct SegmentSlot {
    pub slot: Mutex<Slot>,
    /// Index of the next block to be taken.
    pub next: AtomicUsize,
    /// A row of it passed the filter.
    pub matched: AtomicBool,
}

/// What the workers of one query share.
pub(crate) struct Job {
    pub request: LeafRequest,
    pub registry: Arc<Registry>,
    pub host: Arc<str>,
    pub output: BoundOutput,
    pub segments: Vec<SegmentSlot>,
    pub budget: Arc<Budget>,
    /// Nothing can change the answer any more, or it has failed.
    pub stop: AtomicBool,
    /// Rows or groups towards an unordered limit.
    pub gathered: AtomicU64,
    pub scanned: AtomicU64,
    failed: Mutex<Option<Error>>,
    waiting: Mutex<Vec<Waker>>,
    pub partials: Mutex<Vec<Partial>>,
    /// Many groups, on their way to being merged by all workers.
    pub merge: OnceLock<PartMerge>,
    pub stats: Mutex<LeafStats>,
    remaining: AtomicUsize,
    reply: flume::Sender<Result<LeafAnswer>>,
}

impl Job {
    pub fn fail(&self, error: Error) {
        lock(&self.failed).get_or_insert(error);
        self.stop.store(true, Ordering::Relaxed);
        self.wake_all();
    }

    pub fn has_failed(&self) -> bool {
        self.stop.load(Ordering::Relaxed) && lock(&self.failed).is_some()
    }

    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Everything that wants to wait for a binding that another worker does registers before it looks again.
    pub fn wait(&self, waker: Waker) {
        lock(&self.waiting).push(waker);
    }

    pub fn wake_all(&self) {
        let waiting = std::mem::take(&mut *lock(&self.waiting));
        waiting.iter().for_each(Waker::wake);
    }

    /// Few segments, all in memory: no step of the query can wait.
    fn never_waits(&self) -> bool {
        let segments = &self.request.snapshot.segments;
        segments.len() <= CALLER_SEGMENTS && (0..segments.len()).all(|i| self.request.snapshot.source(i).in_memory())
    }

    /// Rows of the blocks that nobody has taken.
    fn rows_left(&self) -> u64 {
        let left = |(i, shared): (usize, &SegmentSlot)| match &*lock(&shared.slot) {
            Slot::New | Slot::Binding => self.request.snapshot.source(i).rows(),
            Slot::Bound(bound) => {
                let blocks = bound.blocks.len().saturating_sub(shared.next.load(Ordering::Relaxed));
                blocks as u64 * u64::from(bound.source.rows_per_block())
            }
            Slot::Done => 0,
        };
        self.segments.iter().enumerate().map(left).sum()
    }

    /// Counts a worker out; true for the last one.
    pub fn leave(&self) -> bool {
        self.remaining.fetch_sub(1, Ordering::AcqRel) == 1
    }

    pub fn answer(&self, outcome: Result<LeafAnswer>) {
        let outcome = match lock(&self.failed).take() {
            Some(error) => Err(error),
            None => outcome,
        };
        self.budget.hand_over();
        // The caller may have gone, or another worker's failure came first; then nobody needs this one.
        let _ = self.reply.try_send(outcome);
    }
}

/// What became of a new job.
enum Started {
    /// The caller's thread was enough.
    Answered(Result<LeafAnswer>),
    Running(flume::Receiver<Result<LeafAnswer>>, crate::exec::request::CancelToken),
}

/// Runs a job's only worker on the calling thread for up to `time`; false when there is more to do. What is in memory has
/// nothing to wait for, so the worker needs neither a shard's reads nor its inbox.
fn run_here(worker: &mut Worker, time: Duration) -> bool {
    struct InMemory;
    impl ReadQueue for InMemory {
        fn read(&self, request: ReadRequest, done: ReadDone) {
            done(Err(std::io::Error::other(format!("{request:?} of a segment in memory"))));
        }
    }
    let inbox = Inbox::nowhere();
    let slice = Slice { shard: 0, until: Instant::now() + time, task: 0, inbox: &inbox, reads: &InMemory };
    worker.run(&slice) == Progress::Done
}

/// Cancels a query whose caller has gone.
struct CancelOnDrop(Option<crate::exec::request::CancelToken>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(token) = &self.0 {
            token.cancel();
        }
    }
}

impl Shards {
    /// Runs a leaf plan. The future may be polled by any runtime; dropping it cancels the query.
    pub fn run(&self, request: LeafRequest) -> impl Future<Output = Result<LeafAnswer>> + Send + 'static {
        let started = self.start_job(request);
        async move {
            let (answer, token) = match started? {
                Started::Answered(answer) => return answer,
                Started::Running(answer, token) => (answer, token),
            };
            let mut guard = CancelOnDrop(Some(token));
            let outcome = answer.recv_async().await.unwrap_or(Err(Error::Stopping));
            guard.0 = None;
            outcome
        }
    }

    /// Runs a leaf plan and waits for it. For threads that may block.
    pub fn run_blocking(&self, request: LeafRequest) -> Result<LeafAnswer> {
        match self.start_job(request)? {
            Started::Answered(answer) => answer,
            Started::Running(answer, _) => answer.recv().unwrap_or(Err(Error::Stopping)),
        }
    }

    fn start_job(&self, request: LeafRequest) -> Result<Started> {
        request.check(0)?;
        let inner = &self.inner;
        let output = BoundOutput::bind(&request.plan, &inner.registry, &request.params)?;
        let rows = request.snapshot.rows();
        let (reply, answer) = flume::bounded(1);
        let token = request.cancel.clone();
        let segments = request
            .snapshot
            .segments
            .iter()
            .map(|_| SegmentSlot {
                slot: Mutex::new(Slot::New),
                next: AtomicUsize::new(0),
                matched: AtomicBool::new(false),
            })
            .collect();
        let stats = LeafStats {
            total_docs: rows,
            num_segments_queried: request.snapshot.segments.len() as u64,
            ..LeafStats::default()
        };
        let job = Arc::new(Job {
            budget: Budget::part(&request.budget),
            request,
            registry: inner.registry.clone(),
            host: inner.host_name.clone(),
            output,
            segments,
            stop: AtomicBool::new(false),
            gathered: AtomicU64::new(0),
            scanned: AtomicU64::new(0),
            failed: Mutex::new(None),
            waiting: Mutex::new(Vec::new()),
            partials: Mutex::new(Vec::new()),
            merge: OnceLock::new(),
            stats: Mutex::new(stats),
            remaining: AtomicUsize::new(1),
            reply,
        });
        let shards = self.count();
        let mut worker = Box::new(Worker::new(job.clone(), 0, shards)?);
        if !inner.caller_time.is_zero() && job.never_waits() && run_here(&mut worker, inner.caller_time) {
            return Ok(Started::Answered(answer.try_recv().unwrap_or(Err(Error::Stopping))));
        }
        let workers = if job.rows_left() <= ONE_SHARD_ROWS { 1 } else { shards };
        job.remaining.fetch_add(workers - 1, Ordering::Relaxed);
        let first = self.next_shard();
        self.submit(first, Class::Query, worker);
        for n in 1..workers {
            self.submit(first + n, Class::Query, Box::new(Worker::new(job.clone(), n, workers)?));
        }
        Ok(Started::Running(answer, token))
    }
}
