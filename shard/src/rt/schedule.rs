//! Which work of a shard runs next: classes by weight, inside a class the newcomer first, then round robin.
//!
//! Each class has a virtual time that advances by its running time divided by its weight; the ready class that is
//! furthest behind runs. A class that was idle starts at the present, so that it cannot save up a burst.

use crate::io::ReadQueue;
use crate::rt::Inbox;
use crate::rt::metrics::ShardMetrics;
use crate::rt::task::{Class, Progress, SLICE, SLICE_MAX, Slice, Work};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

struct Task {
    id: u64,
    work: Box<dyn Work>,
}

#[derive(Default)]
struct Queue {
    ready: VecDeque<Task>,
    virtual_time: u64,
}

pub(crate) struct Scheduler {
    shard: usize,
    classes: [Queue; Class::COUNT],
    waiting: HashMap<u64, (Class, Task)>,
    /// The task that runs now was woken meanwhile: it must not fall asleep.
    woken: bool,
    running: Option<u64>,
    next_id: u64,
    metrics: Arc<ShardMetrics>,
}

const CLASSES: [Class; Class::COUNT] = [Class::Query, Class::Load, Class::Verify];

impl Scheduler {
    pub(crate) fn new(shard: usize, metrics: Arc<ShardMetrics>) -> Scheduler {
        Scheduler {
            shard,
            classes: Default::default(),
            waiting: HashMap::new(),
            woken: false,
            running: None,
            next_id: 0,
            metrics,
        }
    }

    pub(crate) fn submit(&mut self, class: Class, work: Box<dyn Work>) {
        let id = self.next_id;
        self.next_id += 1;
        self.enter(class, Task { id, work }, true);
    }

    fn enter(&mut self, class: Class, task: Task, first: bool) {
        let present = self.classes.iter().filter(|q| !q.ready.is_empty()).map(|q| q.virtual_time).min();
        let queue = &mut self.classes[class.index()];
        if queue.ready.is_empty() {
            queue.virtual_time = queue.virtual_time.max(present.unwrap_or(0));
        }
        if first { queue.ready.push_front(task) } else { queue.ready.push_back(task) }
    }

    pub(crate) fn wake(&mut self, id: u64) {
        if self.running == Some(id) {
            self.woken = true;
        } else if let Some((class, task)) = self.waiting.remove(&id) {
            self.enter(class, task, false);
        }
    }

    #[cfg(test)]
    fn has_ready(&self) -> bool {
        self.classes.iter().any(|q| !q.ready.is_empty())
    }

    /// Runs one slice; false when nothing is ready.
    pub(crate) fn run_one(&mut self, inbox: &Inbox, reads: &dyn ReadQueue) -> bool {
        let Some(class) = CLASSES
            .into_iter()
            .filter(|c| !self.classes[c.index()].ready.is_empty())
            .min_by_key(|c| self.classes[c.index()].virtual_time)
        else {
            return false;
        };
        let Some(mut task) = self.classes[class.index()].ready.pop_front() else { return false };
        self.running = Some(task.id);
        self.woken = false;
        let start = Instant::now();
        let slice = Slice { shard: self.shard, until: start + SLICE, task: task.id, inbox, reads };
        let progress = task.work.run(&slice);
        let took = start.elapsed();
        self.running = None;
        self.metrics.slice(took);
        debug_assert!(took <= SLICE_MAX * 20, "E-16: a slice of {class:?} ran {took:?} without looking at the clock");
        if took > SLICE_MAX {
            tracing::trace!(shard = self.shard, micros = took.as_micros() as u64, "slice overran");
        }
        let queue = &mut self.classes[class.index()];
        queue.virtual_time += (took.as_nanos() as u64).max(1) * 100 / class.weight();
        match progress {
            Progress::Done => {}
            Progress::Again => queue.ready.push_back(task),
            Progress::Waiting => {
                if self.woken {
                    queue.ready.push_back(task);
                } else {
                    self.waiting.insert(task.id, (class, task));
                }
            }
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
        for _ in 0..850 {
            assert!(scheduler.run_one(&inbox, &NoReads));
        }
        let [q, l, v] = [&query, &load, &verify].map(|c| c.load(Ordering::Relaxed));
        assert!(q > l && l > v && v > 0, "{q} {l} {v}");
        assert!(q * 2 > 850, "queries hold most of a busy shard: {q} of 850");
    }

    struct Nap(Arc<AtomicU64>);
    impl Work for Nap {
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
