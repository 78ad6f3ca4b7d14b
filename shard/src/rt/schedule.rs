//! Which work of a shard runs next: lanes by weight, inside a lane the newcomer first, then round robin.
//!
//! Queries start in the lane with the greatest weight and sink to the next one when they have used its time, so that a
//! small query passes between the slices of long ones and no query starves (multi-level feedback: Corbató, Merwin-Daggett
//! and Daley, 1962). Loads and verifications have a lane each.
//!
//! Each lane has a virtual time that advances by its running time divided by its weight; the ready lane that is furthest
//! behind runs. A lane that was idle starts at the present, so that it cannot save up a burst.

use crate::io::ReadQueue;
use crate::rt::Inbox;
use crate::rt::metrics::ShardMetrics;
use crate::rt::task::{Class, Progress, SLICE, SLICE_MAX, Slice, Work};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Time after which a shard offers its core to threads that wait for it.
const HELD_MAX: Duration = Duration::from_micros(200);

struct Task {
    id: u64,
    lane: usize,
    /// Time that it has run.
    used: Duration,
    work: Box<dyn Work>,
}

struct Lane {
    weight: u64,
    /// A query that has run for longer sinks to the next lane.
    until: Duration,
    ready: VecDeque<Task>,
    virtual_time: u64,
}

impl Lane {
    fn new(weight: u64, until: Duration) -> Lane {
        Lane { weight, until, ready: VecDeque::new(), virtual_time: 0 }
    }
}

/// Lanes of queries, then one of each other class.
fn lanes() -> [Lane; 5] {
    [
        Lane::new(2000, Duration::from_millis(2)),
        Lane::new(300, Duration::from_millis(30)),
        Lane::new(70, Duration::MAX),
        Lane::new(10, Duration::MAX),
        Lane::new(5, Duration::MAX),
    ]
}

fn first_lane(class: Class) -> usize {
    match class {
        Class::Query => 0,
        Class::Load => 3,
        Class::Verify => 4,
    }
}

pub(crate) struct Scheduler {
    shard: usize,
    lanes: [Lane; 5],
    waiting: HashMap<u64, Task>,
    /// The task that runs now was woken meanwhile: it must not fall asleep.
    woken: bool,
    running: Option<u64>,
    next_id: u64,
    /// Since the core was last offered to other threads.
    held: Duration,
    metrics: Arc<ShardMetrics>,
}

impl Scheduler {
    pub(crate) fn new(shard: usize, metrics: Arc<ShardMetrics>) -> Scheduler {
        Scheduler {
            shard,
            lanes: lanes(),
            waiting: HashMap::new(),
            woken: false,
            running: None,
            next_id: 0,
            held: Duration::ZERO,
            metrics,
        }
    }

    pub(crate) fn submit(&mut self, class: Class, work: Box<dyn Work>) {
        let id = self.next_id;
        self.next_id += 1;
        self.enter(Task { id, lane: first_lane(class), used: Duration::ZERO, work }, true);
    }

    fn enter(&mut self, task: Task, first: bool) {
        let present = self.lanes.iter().filter(|lane| !lane.ready.is_empty()).map(|lane| lane.virtual_time).min();
        let lane = &mut self.lanes[task.lane];
        if lane.ready.is_empty() {
            lane.virtual_time = lane.virtual_time.max(present.unwrap_or(0));
        }
        if first { lane.ready.push_front(task) } else { lane.ready.push_back(task) }
    }

    pub(crate) fn wake(&mut self, id: u64) {
        if self.running == Some(id) {
            self.woken = true;
        } else if let Some(task) = self.waiting.remove(&id) {
            self.enter(task, false);
        }
    }

    #[cfg(test)]
    fn has_ready(&self) -> bool {
        self.lanes.iter().any(|lane| !lane.ready.is_empty())
    }

    /// Lets a thread run that waits for this core. Left to itself Linux takes the core away at its next tick only, up to 4 ms
    /// later, whatever the priority of the one that waits and however short our slice: the thread of a connection waits
    /// that long for each of its turns while scans run. Costs a third of a microsecond when nobody waits.
    fn offer_core(&mut self) {
        if self.held > HELD_MAX {
            self.held = Duration::ZERO;
            std::thread::yield_now();
        }
    }

    /// Runs one slice; false when nothing is ready.
    pub(crate) fn run_one(&mut self, inbox: &Inbox, reads: &dyn ReadQueue) -> bool {
        let ready = self.lanes.iter_mut().filter(|lane| !lane.ready.is_empty());
        let Some(mut task) = ready.min_by_key(|lane| lane.virtual_time).and_then(|lane| lane.ready.pop_front()) else {
            return false;
        };
        self.running = Some(task.id);
        self.woken = false;
        let start = Instant::now();
        let slice = Slice { shard: self.shard, until: start + SLICE, task: task.id, inbox, reads };
        let progress = task.work.run(&slice);
        let took = start.elapsed();
        self.running = None;
        self.metrics.slice(took);
        debug_assert!(
            took <= SLICE_MAX * 20,
            "E-16: a slice of {} ran {took:?} without looking at the clock",
            task.work.name()
        );
        if took > SLICE_MAX {
            tracing::trace!(
                shard = self.shard,
                work = task.work.name(),
                micros = took.as_micros() as u64,
                "slice overran"
            );
        }
        self.held += took;
        if task.lane > 0 {
            self.offer_core();
        }
        task.used += took;
        let lane = &mut self.lanes[task.lane];
        lane.virtual_time += (took.as_nanos() as u64).max(1) * 100 / lane.weight;
        let sinks = task.used > lane.until;
        match progress {
            Progress::Done => {}
            Progress::Waiting if !self.woken => {
                task.lane += usize::from(sinks);
                self.waiting.insert(task.id, task);
            }
            Progress::Again | Progress::Waiting if sinks => {
                task.lane += 1;
                self.enter(task, false);
            }
            // Not by `enter`: the lane was not idle, its time is right as it is.
            Progress::Again | Progress::Waiting => lane.ready.push_back(task),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rt::tests_support::{NoReads, inbox};
    use std::sync::atomic::{AtomicU64, Ordering};

    struct Spin(Arc<AtomicU64>, u64);
    impl Work for Spin {
        fn name(&self) -> &'static str {
            "spin"
        }

        fn run(&mut self, slice: &Slice<'_>) -> Progress {
            while !slice.expired() {
                std::hint::spin_loop();
            }
            self.0.fetch_add(1, Ordering::Relaxed);
            self.1 -= 1;
            if self.1 == 0 { Progress::Done } else { Progress::Again }
        }
    }

    #[test]
    fn busy_classes_share_by_weight_and_lend_unused_time() {
        let (inbox, _receiver) = inbox();
        let mut scheduler = Scheduler::new(0, Arc::default());
        let [query, load, verify] = [(); 3].map(|()| Arc::new(AtomicU64::new(0)));
        scheduler.submit(Class::Query, Box::new(Spin(query.clone(), u64::MAX)));
        scheduler.submit(Class::Load, Box::new(Spin(load.clone(), 1000)));
        scheduler.submit(Class::Verify, Box::new(Spin(verify.clone(), 1000)));
        for _ in 0..4000 {
            assert!(scheduler.run_one(&inbox, &NoReads));
        }
        let [q, l, v] = [&query, &load, &verify].map(|c| c.load(Ordering::Relaxed));
        assert!(q > l && l > v && v > 0, "{q} {l} {v}");
        assert!(q * 2 > 4000, "queries hold most of a busy shard: {q} of 4000");
    }

    #[test]
    fn a_small_query_passes_between_slices_of_long_ones_and_starves_none() {
        let (inbox, _receiver) = inbox();
        let mut scheduler = Scheduler::new(0, Arc::default());
        let long = Arc::new(AtomicU64::new(0));
        scheduler.submit(Class::Query, Box::new(Spin(long.clone(), u64::MAX)));
        // Longer than the first lanes last.
        while long.load(Ordering::Relaxed) < 800 {
            scheduler.run_one(&inbox, &NoReads);
        }
        let small = Arc::new(AtomicU64::new(0));
        scheduler.submit(Class::Query, Box::new(Spin(small.clone(), 20)));
        let before = long.load(Ordering::Relaxed);
        while small.load(Ordering::Relaxed) < 20 {
            scheduler.run_one(&inbox, &NoReads);
        }
        let between = long.load(Ordering::Relaxed) - before;
        assert!(between <= 3, "{between} slices of the long query ran before 20 of the small one");
        // A stream of small ones leaves the long one a share.
        for _ in 0..200 {
            scheduler.submit(Class::Query, Box::new(Spin(small.clone(), 5)));
            for _ in 0..6 {
                scheduler.run_one(&inbox, &NoReads);
            }
        }
        assert!(long.load(Ordering::Relaxed) > before + between + 20);
    }

    struct Nap(Arc<AtomicU64>);
    impl Work for Nap {
        fn name(&self) -> &'static str {
            "nap"
        }

        fn run(&mut self, _: &Slice<'_>) -> Progress {
            if self.0.fetch_add(1, Ordering::Relaxed) == 1 { Progress::Done } else { Progress::Waiting }
        }
    }

    #[test]
    fn waiting_work_runs_again_only_when_woken() {
        let (inbox, _receiver) = inbox();
        let mut scheduler = Scheduler::new(0, Arc::default());
        let runs = Arc::new(AtomicU64::new(0));
        scheduler.submit(Class::Query, Box::new(Nap(runs.clone())));
        assert!(scheduler.run_one(&inbox, &NoReads));
        assert!(!scheduler.run_one(&inbox, &NoReads));
        scheduler.wake(77);
        assert!(!scheduler.has_ready());
        scheduler.wake(0);
        assert!(scheduler.run_one(&inbox, &NoReads));
        assert_eq!(runs.load(Ordering::Relaxed), 2);
        assert!(!scheduler.run_one(&inbox, &NoReads));
    }
}
