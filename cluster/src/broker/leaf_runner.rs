//! Runs leaves on the shards of this process; with the loopback codec, through the wire's encoding as between two nodes.

use crate::server::view::View;
use cluster_sql::{LeafAnswer, LeafFuture, LeafRunner, LeafStats, SqlError};
use cluster_types::ErrorCode;
use shard::memory::Budget;
use shard::{CancelToken, LeafRequest, Shards};
use shard_plan::{LeafPlan, Scalar, wire};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The leaves of one query.
pub struct QueryLeaves {
    pub shards: Shards,
    pub view: Arc<View>,
    pub deadline: Instant,
    pub budget: Arc<Budget>,
    pub cancel: CancelToken,
    /// Measure each operator.
    pub profile: bool,
    pub loopback_codec: bool,
    /// Segments that the query needed and could not have, as `table/segment: reason`.
    pub unavailable: Mutex<Vec<String>>,
}

impl QueryLeaves {
    /// The unavailable segments that were met.
    pub fn take_unavailable(&self) -> Vec<String> {
        let mut all = std::mem::take(&mut *self.unavailable.lock().unwrap_or_else(PoisonError::into_inner));
        all.sort();
        all.dedup();
        all
    }

    async fn leaf(&self, leaf: Arc<LeafPlan>, params: Arc<[Scalar]>) -> Result<LeafAnswer, SqlError> {
        let Some(served) = self.view.table_named(&leaf.table) else {
            let message = format!("table `{}` is not served here", leaf.table);
            return Err(SqlError::new(ErrorCode::ServerTableMissing, message));
        };
        if !served.unavailable().is_empty() {
            let table = &served.table().name;
            let lines = served.unavailable().iter().map(|u| format!("{table}/{}: {}", u.segment, u.reason));
            self.unavailable.lock().unwrap_or_else(PoisonError::into_inner).extend(lines);
        }
        let (plan, params) = if self.loopback_codec { through_the_wire(&leaf, &params)? } else { (leaf, params) };
        let request = LeafRequest {
            plan,
            params,
            snapshot: served.snapshot().clone(),
            deadline: self.deadline,
            budget: self.budget.clone(),
            cancel: self.cancel.clone(),
            profile: self.profile,
        };
        let answer = self.shards.run(request).await.map_err(sql_error)?;
        let batches = if self.loopback_codec { batches_through_the_wire(answer.batches)? } else { answer.batches };
        let table = served.table();
        let missing = served.unavailable().len() as u64;
        Ok(LeafAnswer { batches, merged: true, stats: statistics(answer.stats, table.segment_count() as u64, missing) })
    }
}

impl LeafRunner for QueryLeaves {
    fn run<'a>(&'a self, leaf: Arc<LeafPlan>, params: Arc<[Scalar]>) -> LeafFuture<'a> {
        Box::pin(self.leaf(leaf, params))
    }
}

fn through_the_wire(leaf: &LeafPlan, params: &[Scalar]) -> Result<(Arc<LeafPlan>, Arc<[Scalar]>), SqlError> {
    let plan = wire::decode_leaf(&wire::encode_leaf(leaf))?;
    let params = wire::decode_params(&wire::encode_params(params))?;
    Ok((Arc::new(plan), params.into()))
}

fn batches_through_the_wire(batches: Vec<arrow_array::RecordBatch>) -> Result<Vec<arrow_array::RecordBatch>, SqlError> {
    let Some(first) = batches.first() else { return Ok(batches) };
    let bytes = wire::encode_batches(&first.schema(), &batches)?;
    let length = bytes.len();
    Ok(wire::decode_batches(&bytes, length)?)
}

fn statistics(stats: shard::LeafStats, segments: u64, missing: u64) -> LeafStats {
    let line = |o: &shard::OperatorProfile| {
        let micros = o.nanos / 1000;
        format!(
            "{} {} rows_in={} rows_out={} bytes={} time={micros}us",
            o.name, o.detail, o.rows_in, o.rows_out, o.bytes
        )
    };
    LeafStats {
        num_docs_scanned: stats.num_docs_scanned,
        total_docs: stats.total_docs,
        num_entries_scanned_in_filter: stats.num_entries_scanned_in_filter,
        num_entries_scanned_post_filter: stats.num_entries_scanned_post_filter,
        num_servers_queried: 1,
        num_servers_responded: 1,
        num_segments_queried: segments,
        num_segments_processed: stats.num_segments_processed,
        num_segments_matched: stats.num_segments_matched,
        num_segments_pruned_by_server: segments.saturating_sub(missing).saturating_sub(stats.num_segments_processed),
        num_segments_pruned_by_limit: stats.num_segments_pruned_by_limit,
        num_segments_pruned_by_value: stats.num_segments_pruned_by_value,
        bytes_scanned: stats.bytes_read,
        thread_cpu_time_ns: stats.cpu_nanos,
        num_groups_limit_reached: stats.num_groups_limit_reached,
        profile: stats.profile.iter().map(line).collect(),
        ..LeafStats::default()
    }
}

/// Pinot's code for what went wrong on a shard.
fn sql_error(error: shard::Error) -> SqlError {
    let code = match &error {
        shard::Error::Plan(inner) => return inner.clone().into(),
        shard::Error::Memory { .. } => ErrorCode::ServerResourceLimitExceeded,
        shard::Error::Deadline { .. } => ErrorCode::ExecutionTimeout,
        shard::Error::Cancelled => ErrorCode::QueryCancellation,
        shard::Error::Stopping => ErrorCode::ServerShuttingDown,
        _ => ErrorCode::QueryExecution,
    };
    SqlError::new(code, crate::error_chain(&error))
}
