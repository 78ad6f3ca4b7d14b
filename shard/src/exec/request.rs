//! What a query asks of the shards, and what they answer with.

use crate::error::{Error, Result};
use crate::memory::Budget;
use crate::source::{RowSource, SegmentHandle};
use arrow_array::RecordBatch;
use shard_plan::{LeafPlan, Scalar};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// The segments of one table that a query sees, pinned for as long as it runs (E-8).
#[derive(Debug, Clone, Default)]
pub struct TableSnapshot {
    pub segments: Vec<Arc<SegmentHandle>>,
}

impl TableSnapshot {
    pub fn new(segments: Vec<Arc<SegmentHandle>>) -> Arc<TableSnapshot> {
        Arc::new(TableSnapshot { segments })
    }

    pub fn rows(&self) -> u64 {
        self.segments.iter().map(|s| s.rows()).sum()
    }

    pub(crate) fn source(&self, segment: usize) -> &Arc<dyn RowSource> {
        self.segments[segment].source()
    }
}

/// Stops a query from any thread. One flag, read at every vector.
#[derive(Debug, Clone, Default)]
pub struct CancelToken {
    flag: Arc<AtomicBool>,
}

impl CancelToken {
    pub fn new() -> CancelToken {
        CancelToken::default()
    }

    pub fn cancel(&self) {
        self.flag.store(true, Ordering::Relaxed);
    }

    pub fn is_cancelled(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
    }
}

/// One run of a leaf plan.
#[derive(Debug, Clone)]
pub struct LeafRequest {
    pub plan: Arc<LeafPlan>,
    pub params: Arc<[Scalar]>,
    pub snapshot: Arc<TableSnapshot>,
    pub deadline: Instant,
    /// What the query may hold; this leaf is a part of it.
    pub budget: Arc<Budget>,
    pub cancel: CancelToken,
    /// Measure each operator (EXPLAIN ANALYZE).
    pub profile: bool,
}

impl LeafRequest {
    /// A request without a limit on time or memory.
    pub fn new(plan: Arc<LeafPlan>, params: Arc<[Scalar]>, snapshot: Arc<TableSnapshot>) -> LeafRequest {
        LeafRequest {
            plan,
            params,
            snapshot,
            deadline: Instant::now() + std::time::Duration::from_secs(365 * 24 * 3600),
            budget: Budget::new(u64::MAX),
            cancel: CancelToken::new(),
            profile: false,
        }
    }

    /// Whether the query may go on.
    pub(crate) fn check(&self, scanned: u64) -> Result<()> {
        if self.cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        if Instant::now() >= self.deadline {
            return Err(Error::Deadline { scanned });
        }
        Ok(())
    }
}

/// The answer of one run.
#[derive(Debug, Clone)]
pub struct LeafAnswer {
    /// Rows: the plan's expressions. Groups: key values, then state columns.
    pub batches: Vec<RecordBatch>,
    pub stats: LeafStats,
}

/// Pinot's statistics of a leaf, and what each operator did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeafStats {
    pub num_docs_scanned: u64,
    pub num_entries_scanned_in_filter: u64,
    pub num_entries_scanned_post_filter: u64,
    pub total_docs: u64,
    pub num_segments_queried: u64,
    /// Segments that were not pruned.
    pub num_segments_processed: u64,
    /// Segments with at least one passing row.
    pub num_segments_matched: u64,
    pub num_segments_pruned_by_value: u64,
    pub num_segments_pruned_by_limit: u64,
    pub num_blocks_scanned: u64,
    pub num_blocks_pruned: u64,
    pub num_groups_limit_reached: bool,
    /// Time on shards, summed.
    pub cpu_nanos: u64,
    /// Bytes of the pages that were looked at.
    pub bytes_read: u64,
    pub profile: Vec<OperatorProfile>,
}

/// What one operator did, over all shards.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OperatorProfile {
    pub name: String,
    pub detail: String,
    pub rows_in: u64,
    pub rows_out: u64,
    pub bytes: u64,
    pub nanos: u64,
}

impl LeafStats {
    pub(crate) fn add(&mut self, other: &LeafStats) {
        self.num_docs_scanned += other.num_docs_scanned;
        self.num_entries_scanned_in_filter += other.num_entries_scanned_in_filter;
        self.num_entries_scanned_post_filter += other.num_entries_scanned_post_filter;
        self.num_blocks_scanned += other.num_blocks_scanned;
        self.num_groups_limit_reached |= other.num_groups_limit_reached;
        self.cpu_nanos += other.cpu_nanos;
        self.bytes_read += other.bytes_read;
        for theirs in &other.profile {
            self.operator(&theirs.name, &theirs.detail, |mine| {
                mine.rows_in += theirs.rows_in;
                mine.rows_out += theirs.rows_out;
                mine.bytes += theirs.bytes;
                mine.nanos += theirs.nanos;
            });
        }
    }

    /// Changes the line of an operator, which is made when missing.
    pub(crate) fn operator(&mut self, name: &str, detail: &str, change: impl FnOnce(&mut OperatorProfile)) {
        let found = self.profile.iter().position(|o| o.name == name && o.detail == detail);
        let at = found.unwrap_or_else(|| {
            self.profile.push(OperatorProfile {
                name: name.to_owned(),
                detail: detail.to_owned(),
                ..OperatorProfile::default()
            });
            self.profile.len() - 1
        });
        change(&mut self.profile[at]);
    }
}
