//! How far a job is, and how to stop it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Looking at the whole input to find the columns' types.
    Infer,
    Read,
    /// Merging runs, writing segments.
    Build,
}

/// A moment of a job.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    pub phase: Phase,
    /// Bytes of the input files (packed, as they are) read in this phase, and how many there are.
    pub bytes_read: u64,
    pub bytes_total: u64,
    pub rows_read: u64,
    /// Rows in finished segments.
    pub rows_built: u64,
    pub rows_rejected: u64,
}

impl Progress {
    /// Share of this phase that is done, 0 to 1.
    pub fn share(&self) -> f64 {
        let (done, all) = match self.phase {
            Phase::Infer | Phase::Read => (self.bytes_read, self.bytes_total),
            Phase::Build => (self.rows_built, self.rows_read),
        };
        if all == 0 { 0.0 } else { (done as f64 / all as f64).min(1.0) }
    }
}

/// Called from the job's thread and, while it builds, from its builders.
pub type OnProgress<'a> = dyn Fn(&Progress) + Sync + 'a;

/// A flag that stops a job: it ends with [`Error::Cancelled`] and leaves no files.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }
}
