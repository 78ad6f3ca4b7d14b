//! What can go wrong on a shard. Every error ends one query or one load, never the process (I-8, I-9).

use std::sync::Arc;

/// Failure of a load or a query. Cheap to clone: one failure is told to every query that waits for the same page.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Reading or opening a file failed.
    #[error("{file}: {what} at offset {offset}: {source}")]
    Io { file: Arc<str>, what: Arc<str>, offset: u64, source: Arc<std::io::Error> },
    /// Bytes of a segment are damaged.
    #[error("{file}: offset {offset}: {source}")]
    Segment { file: Arc<str>, offset: u64, source: Arc<segfmt::Error> },
    /// An expression or aggregate failed, or the plan is not one that can run here.
    #[error(transparent)]
    Plan(#[from] shard_plan::Error),
    /// The query needs more memory than it may use.
    #[error(
        "query needs more than its memory limit of {limit} bytes in {operator} ({used} in use); narrow the query or raise the limit"
    )]
    Memory { limit: u64, used: u64, operator: &'static str },
    /// The query ran past its deadline.
    #[error("query ran past its time limit after {scanned} rows; narrow the query or raise timeoutMs")]
    Deadline { scanned: u64 },
    /// Somebody cancelled the query.
    #[error("query was cancelled")]
    Cancelled,
    /// The shards are shutting down.
    #[error("the shards are stopping")]
    Stopping,
    /// The shards could not be started as asked.
    #[error("cannot start shards: {0}")]
    Start(String),
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
