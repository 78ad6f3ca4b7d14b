//! What the shards tell about themselves: slices, overruns, wake-up delay.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counters of one shard. Written by the shard, read from anywhere.
#[derive(Debug, Default)]
pub struct ShardMetrics {
    slices: AtomicU64,
    busy_nanos: AtomicU64,
    overruns: AtomicU64,
    longest_nanos: AtomicU64,
    wakeups: AtomicU64,
    wakeup_nanos: AtomicU64,
    wakeup_longest_nanos: AtomicU64,
    pub(crate) queued: AtomicU64,
}

/// One reading of [`ShardMetrics`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardReading {
    pub shard: usize,
    /// Slices run.
    pub slices: u64,
    /// Time spent in slices.
    pub busy_nanos: u64,
    /// Slices of more than 500 µs.
    pub overruns: u64,
    pub longest_slice_nanos: u64,
    /// Messages that arrived, and how long they lay in the inbox.
    pub wakeups: u64,
    pub wakeup_nanos: u64,
    pub longest_wakeup_nanos: u64,
}

impl ShardMetrics {
    pub(crate) fn slice(&self, took: Duration) {
        let nanos = took.as_nanos() as u64;
        self.slices.fetch_add(1, Ordering::Relaxed);
        self.busy_nanos.fetch_add(nanos, Ordering::Relaxed);
        self.longest_nanos.fetch_max(nanos, Ordering::Relaxed);
        if took > super::task::SLICE_MAX {
            self.overruns.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn wakeup(&self, delay: Duration) {
        let nanos = delay.as_nanos() as u64;
        self.wakeups.fetch_add(1, Ordering::Relaxed);
        self.wakeup_nanos.fetch_add(nanos, Ordering::Relaxed);
        self.wakeup_longest_nanos.fetch_max(nanos, Ordering::Relaxed);
    }

    pub(crate) fn read(&self, shard: usize) -> ShardReading {
        let get = |a: &AtomicU64| a.load(Ordering::Relaxed);
        ShardReading {
            shard,
            slices: get(&self.slices),
            busy_nanos: get(&self.busy_nanos),
            overruns: get(&self.overruns),
            longest_slice_nanos: get(&self.longest_nanos),
            wakeups: get(&self.wakeups),
            wakeup_nanos: get(&self.wakeup_nanos),
            longest_wakeup_nanos: get(&self.wakeup_longest_nanos),
        }
    }
}
