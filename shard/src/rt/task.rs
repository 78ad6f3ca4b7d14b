//! A unit of work that runs in slices, and what it sees of the shard that runs it.

use crate::io::ReadQueue;
use crate::rt::Inbox;
use std::time::{Duration, Instant};

/// A slice ends soon after this time (E-16).
pub const SLICE: Duration = Duration::from_micros(50);
/// A slice longer than this is an overrun: counted, and an assertion failure in debug builds.
pub const SLICE_MAX: Duration = Duration::from_micros(500);

/// Who waits for the work; the scheduler gives each its share of a busy shard and lends unused time to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Query,
    Load,
    Verify,
}

/// What a slice ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// There is more to do.
    Again,
    /// Nothing to do until [`Waker::wake`].
    Waiting,
    /// Finished; the work is dropped.
    Done,
}

/// Resumable work. It lives on one shard from submission to its end.
pub trait Work: Send {
    /// Runs until shortly after [`Slice::expired`].
    fn run(&mut self, slice: &Slice<'_>) -> Progress;

    /// What it does now, for people who look at slices that took too long.
    fn name(&self) -> &'static str;
}

/// The running slice.
pub struct Slice<'a> {
    pub(crate) shard: usize,
    pub(crate) until: Instant,
    pub(crate) task: u64,
    pub(crate) inbox: &'a Inbox,
    pub(crate) reads: &'a dyn ReadQueue,
}

impl Slice<'_> {
    /// Whether the work should return. Looks at the clock: call it once a vector.
    pub fn expired(&self) -> bool {
        Instant::now() >= self.until
    }

    pub fn shard(&self) -> usize {
        self.shard
    }

    /// Wakes this work from any thread.
    pub fn waker(&self) -> Waker {
        Waker { inbox: self.inbox.clone(), task: self.task }
    }

    pub(crate) fn reads(&self) -> &dyn ReadQueue {
        self.reads
    }
}

/// Makes waiting work ready again. Waking work that is not waiting does nothing.
#[derive(Clone, Debug)]
pub struct Waker {
    inbox: Inbox,
    task: u64,
}

impl Waker {
    pub fn wake(&self) {
        self.inbox.send(crate::rt::Message::Wake(self.task));
    }
}
