//! Runs a plan: the leaves by whoever has the data, the rest here.

use crate::dialect::Explain;
use crate::error::{Result, SqlError, from_datafusion};
use crate::explain::{explain, explain_analyze};
use crate::plan::{Body, LeafQuery, Plan, ResultColumn};
use crate::planner::Planned;
use crate::pool::BudgetPool;
use crate::stats::LeafStats;
use crate::typing::conform;
use cluster_types::ErrorCode;
use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SessionStateBuilder, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionConfig;
use futures::StreamExt;
use shard_plan::memory::{MemoryBudget, Reservation, Unlimited, column_bytes};
use shard_plan::reduce_exec::Reducer;
use shard_plan::{LeafPlan, ReducePlan, Registry, Scalar};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Rows per batch above the leaves.
const BATCH_ROWS: usize = 8192;

/// A leaf's answer of more rows is reduced on the bulk runtime: on the edge it would stand in front of small queries.
const REDUCE_IN_PLACE_ROWS: usize = 8192;

/// What a leaf answers: rows or states as the plan's output says, and what it cost.
#[derive(Debug, Clone, Default)]
pub struct LeafAnswer {
    pub batches: Vec<RecordBatch>,
    /// No group is in two batches: one server has merged them all.
    pub merged: bool,
    pub stats: LeafStats,
}

impl LeafAnswer {
    fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }
}

pub type LeafFuture<'a> = Pin<Box<dyn Future<Output = Result<LeafAnswer>> + Send + 'a>>;

/// Runs leaves where the data is. Dropping the future cancels the leaf.
pub trait LeafRunner: Send + Sync {
    fn run<'a>(&'a self, leaf: Arc<LeafPlan>, params: Arc<[Scalar]>) -> LeafFuture<'a>;
}

/// What an execution needs besides the plan.
#[derive(Clone)]
pub struct ExecuteContext {
    pub registry: Arc<Registry>,
    /// DataFusion is polled here and nowhere else (E-15).
    pub bulk: tokio::runtime::Handle,
    /// The query's memory.
    pub budget: Arc<dyn MemoryBudget>,
    /// Raised from outside to stop the query.
    pub cancel: Arc<AtomicBool>,
    pub deadline: Option<Instant>,
}

impl ExecuteContext {
    /// No limits.
    pub fn new(registry: Arc<Registry>, bulk: tokio::runtime::Handle) -> ExecuteContext {
        ExecuteContext { registry, bulk, budget: Arc::new(Unlimited), cancel: Arc::default(), deadline: None }
    }

    fn check(&self) -> Result<()> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(SqlError::new(ErrorCode::QueryCancellation, "the query was cancelled"));
        }
        if self.deadline.is_some_and(|d| Instant::now() >= d) {
            return Err(SqlError::new(ErrorCode::ExecutionTimeout, "the query ran past its timeout (timeoutMs)"));
        }
        Ok(())
    }
}

impl fmt::Debug for ExecuteContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecuteContext")
            .field("cancel", &self.cancel)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// The answer.
#[derive(Debug, Clone)]
pub struct QueryResult {
    pub columns: Vec<ResultColumn>,
    /// Columns in the Arrow form of their types; at least one batch.
    pub batches: Vec<RecordBatch>,
    pub stats: LeafStats,
    /// Time outside the leaves.
    pub reduce_nanos: u64,
    /// What DataFusion measured per operator, for EXPLAIN ANALYZE.
    pub operators: Option<String>,
}

impl QueryResult {
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }
}

/// Runs a planned query, or explains it.
pub async fn execute(planned: &Planned, runner: Arc<dyn LeafRunner>, context: &ExecuteContext) -> Result<QueryResult> {
    match planned.explain {
        None => run(planned, runner, context).await,
        Some(Explain::Plan) => explain(planned),
        Some(Explain::Analyze) => {
            let start = Instant::now();
            let result = run(planned, runner, context).await?;
            explain_analyze(planned, &result, nanos(start))
        }
    }
}

async fn run(planned: &Planned, runner: Arc<dyn LeafRunner>, context: &ExecuteContext) -> Result<QueryResult> {
    context.check()?;
    let plan = planned.plan.clone();
    match &plan.body {
        Body::Leaf { leaf, reduce } => {
            let mut answer = runner.run(leaf.clone(), planned.params.clone()).await?;
            let start = Instant::now();
            context.check()?;
            let (batch, limited) = if answer.rows() <= REDUCE_IN_PLACE_ROWS {
                reduced(leaf, reduce, &mut answer, &planned.params, context)?
            } else {
                let (leaf, reduce) = (leaf.clone(), reduce.clone());
                let (params, context) = (planned.params.clone(), context.clone());
                let mut answer = LeafAnswer {
                    batches: std::mem::take(&mut answer.batches),
                    merged: answer.merged,
                    stats: LeafStats::default(),
                };
                let bulk = context.bulk.clone();
                bulk.spawn_blocking(move || reduced(&leaf, &reduce, &mut answer, &params, &context))
                    .await
                    .map_err(ended)??
            };
            answer.stats.num_groups_limit_reached |= limited;
            let batch = shaped(&batch, &plan.columns)?;
            let reduce_nanos = nanos(start);
            Ok(QueryResult {
                columns: plan.columns.clone(),
                batches: vec![batch],
                stats: answer.stats,
                reduce_nanos,
                operators: None,
            })
        }
        Body::Above { plan: logical, .. } => {
            let leaves = Arc::new(LeafContext {
                runner,
                context: context.clone(),
                stats: Mutex::default(),
                answers: Mutex::default(),
            });
            let start = Instant::now();
            let work = above(logical.clone(), plan.clone(), leaves.clone());
            // Dropping this future drops the guard, which stops the task.
            let mut task = AbortOnDrop(context.bulk.spawn(work));
            let waited = match context.deadline {
                Some(deadline) => tokio::time::timeout_at(deadline.into(), &mut task.0).await.map_err(|_| {
                    SqlError::new(ErrorCode::ExecutionTimeout, "the query ran past its timeout (timeoutMs)")
                })?,
                None => (&mut task.0).await,
            };
            let (batches, operators) = waited.map_err(ended)??;
            let stats = leaves.stats.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let reduce_nanos = nanos(start);
            Ok(QueryResult { columns: plan.columns.clone(), batches, stats, reduce_nanos, operators: Some(operators) })
        }
    }
}

struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn nanos(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Merges a leaf's batches into rows; true when `numGroupsLimit` changed them.
fn reduced(
    leaf: &LeafPlan,
    reduce: &ReducePlan,
    answer: &mut LeafAnswer,
    params: &[Scalar],
    context: &ExecuteContext,
) -> Result<(RecordBatch, bool)> {
    let mut reducer = Reducer::with_budget(reduce, &context.registry, params, context.budget.clone())?;
    reducer.name_columns(&leaf.columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>());
    if let Some(limit) = leaf.options.num_groups_limit {
        reducer.limit_groups(limit)?;
    }
    // The leaf's part of the budget has ended: what waits here is held here until the reducer holds it.
    let bytes: Vec<usize> = answer.batches.iter().map(|batch| column_bytes(batch.columns())).collect();
    let mut left: usize = bytes.iter().sum();
    let mut waiting = Reservation::new(context.budget.clone());
    waiting.resize(left)?;
    for (batch, bytes) in std::mem::take(&mut answer.batches).into_iter().zip(bytes) {
        context.check()?;
        left -= bytes;
        waiting.resize(left)?;
        if answer.merged { reducer.push_whole(&batch)? } else { reducer.push(batch)? }
    }
    let limited = reducer.groups_limit_reached();
    Ok((reducer.finish()?, limited))
}

fn ended(e: tokio::task::JoinError) -> SqlError {
    SqlError::new(ErrorCode::Internal, format!("the query's task ended: {e}"))
}

/// The batch in the exact types and names of the answer.
fn shaped(batch: &RecordBatch, columns: &[ResultColumn]) -> Result<RecordBatch> {
    let arrays = batch.columns().iter().zip(columns).map(|(a, c)| conform(a, c.ty)).collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(answer_schema(columns), arrays, &options)
        .map_err(|e| SqlError::execution(e.to_string()))
}

fn answer_schema(columns: &[ResultColumn]) -> SchemaRef {
    Arc::new(Schema::new(columns.iter().map(|c| crate::typing::field(&c.name, c.ty)).collect::<Vec<_>>()))
}

/// The leaves of one running query, for [`crate::leaf_table::LeafExec`].
pub struct LeafContext {
    runner: Arc<dyn LeafRunner>,
    context: ExecuteContext,
    stats: Mutex<LeafStats>,
    /// Rows and time of each leaf, by number.
    answers: Mutex<Vec<String>>,
}

impl LeafContext {
    /// Runs one leaf and its reduce.
    pub async fn run(&self, query: &LeafQuery) -> Result<RecordBatch> {
        self.context.check()?;
        let start = Instant::now();
        let mut answer = self.runner.run(query.leaf.clone(), Arc::from([])).await?;
        let batches = answer.batches.len();
        let (batch, limited) = reduced(&query.leaf, &query.reduce, &mut answer, &[], &self.context)?;
        answer.stats.num_groups_limit_reached |= limited;
        let line = format!(
            "leaf_{} table={} rows={} batches={} time={:.3}ms",
            query.number,
            query.leaf.table,
            batch.num_rows(),
            batches,
            start.elapsed().as_secs_f64() * 1e3
        );
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        self.stats.lock().unwrap_or_else(PoisonError::into_inner).merge(&answer.stats);
        Ok(batch)
    }
}

/// Runs DataFusion's part to the end.
async fn above(logical: LogicalPlan, plan: Arc<Plan>, leaves: Arc<LeafContext>) -> Result<(Vec<RecordBatch>, String)> {
    let failed = |e| from_datafusion(e, ErrorCode::QueryExecution);
    let context = leaves.context.clone();
    let mut config = SessionConfig::new()
        .with_batch_size(BATCH_ROWS)
        .with_target_partitions(1)
        .with_repartition_joins(false)
        .with_extension(leaves.clone());
    // It fails on a DISTINCT with a LIMIT and no order, and drops groups whose MIN or MAX is NULL.
    config.options_mut().optimizer.enable_topk_aggregation = false;
    let pool = Arc::new(BudgetPool::new(context.budget.clone()));
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).build_arc().map_err(failed)?;
    let state = SessionStateBuilder::new().with_config(config).with_runtime_env(runtime).build();
    let physical = state.query_planner().create_physical_plan(&logical, &state).await.map_err(failed)?;
    let task = Arc::new(TaskContext::from(&state));
    let mut stream = execute_stream(physical.clone(), task).map_err(failed)?;
    let mut batches = Vec::new();
    let mut held = 0;
    let mut memory = Reservation::new(context.budget.clone());
    while let Some(batch) = stream.next().await {
        context.check()?;
        let batch = shaped(&batch.map_err(failed)?, &plan.columns)?;
        held += column_bytes(batch.columns());
        memory.resize(held)?;
        batches.push(batch);
    }
    if batches.is_empty() {
        batches.push(RecordBatch::new_empty(answer_schema(&plan.columns)));
    }
    let mut operators = metrics(physical.as_ref());
    for line in leaves.answers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        operators.push_str(line);
        operators.push('\n');
    }
    Ok((batches, operators))
}

fn metrics(plan: &dyn ExecutionPlan) -> String {
    datafusion::physical_plan::display::DisplayableExecutionPlan::with_metrics(plan).indent(false).to_string()
}
