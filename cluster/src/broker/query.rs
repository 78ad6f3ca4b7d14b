//! The way of one query through the broker.

use super::Broker;
use super::answer::{Answer, AnswerRows};
use super::budget::QueryBudget;
use super::leaf_runner::QueryLeaves;
use super::request::QueryRequest;
use super::running::Cancel;
use super::statistics;
use crate::metrics::QueryOutcome;
use crate::server::view::View;
use cluster_sql::explain::explain;
use cluster_sql::{
    Begun, ExecuteContext, Explain, Planned, Profile, QueryOptions, QueryResult, SqlError, SqlRequest, execute,
};
use cluster_types::{BrokerResponse, ErrorCode, QueryException};
use shard::CancelToken;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The longest time that a query may ask for: a day.
const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 3600);

/// How long after its deadline a query may take to say that it is over.
const ANSWER_GRACE: Duration = Duration::from_millis(500);

/// A query's cancel flag, as the shards and as the operators above the leaves read it.
#[derive(Debug, Default)]
struct QueryCancel {
    shards: CancelToken,
    above: Arc<AtomicBool>,
    /// Wakes the broker, which lets go of what runs.
    told: tokio::sync::Notify,
}

impl Cancel for QueryCancel {
    fn cancel(&self) {
        self.shards.cancel();
        self.above.store(true, Ordering::Relaxed);
        self.told.notify_one();
    }
}

impl Broker {
    /// Answers a query. Dropping the future, as when the client goes away, cancels it.
    pub async fn answer(
        &self,
        query: QueryRequest,
        door: Profile,
        database: Option<String>,
        correlation: Option<String>,
    ) -> Answer {
        let started = Instant::now();
        let id = self.running.next_id();
        let mut client_id = query.option("clientQueryId").map(str::to_owned);
        let mut answer = match self.run(id, query, door, database, started, &mut client_id).await {
            Ok(answer) => answer,
            Err(error) => Answer::error(error.code, &error),
        };
        let response = &mut answer.response;
        response.request_id = id.to_string();
        response.broker_id.clone_from(&self.options.id);
        response.client_request_id = client_id;
        response.time_used_ms = millis(started.elapsed());
        self.metrics.docs_scanned.inc_by(response.num_docs_scanned);
        self.metrics.query_ended(outcome(answer.error), started.elapsed());
        if let Some(code) = answer.error {
            tracing::debug!(query = id, correlation, code = code.code(), "query failed");
        }
        answer
    }

    async fn run(
        &self,
        id: u64,
        query: QueryRequest,
        door: Profile,
        database: Option<String>,
        started: Instant,
        client_id: &mut Option<String>,
    ) -> Result<Answer, SqlError> {
        let view = self.server.view();
        let (sql, trace) = (query.sql.clone(), query.trace);
        let planned = self.plan(query, door, database, &view, started).await?;
        if client_id.is_none() {
            *client_id = planned.options.get("clientQueryId").map(str::to_owned);
        }
        if planned.explain == Some(Explain::Plan) {
            return Ok(complete(&planned, explain(&planned)?, Vec::new(), false));
        }
        let deadline = started + self.timeout(&planned)?;
        let cancel = Arc::new(QueryCancel::default());
        let guard = self.running.register(id, &sql, client_id.as_deref(), cancel.clone());
        let _slot = self.admit(deadline).await?;

        let analyze = planned.explain == Some(Explain::Analyze);
        let budget = Arc::new(QueryBudget::new(self.options.query_memory_bytes));
        let leaves = Arc::new(QueryLeaves {
            shards: self.server.shards().clone(),
            view,
            deadline,
            budget: budget.shared(),
            cancel: cancel.shards.clone(),
            profile: analyze || trace,
            loopback_codec: self.options.loopback_codec,
            unavailable: Default::default(),
        });
        let context = ExecuteContext {
            registry: self.registry.clone(),
            bulk: self.bulk.clone(),
            budget: budget.clone(),
            cancel: cancel.above.clone(),
            deadline: Some(deadline),
        };
        // What executes looks at the deadline itself; a part that does not answer at all must not hold its client.
        let running =
            tokio::time::timeout_at((deadline + ANSWER_GRACE).into(), execute(&planned, leaves.clone(), &context));
        // An operator above the leaves may look at the flag late; dropping the execution ends it at its next step.
        let waited = tokio::select! {
            waited = running => waited,
            () = cancel.told.notified() => {
                return Err(SqlError::new(ErrorCode::QueryCancellation, "the query was cancelled"));
            }
        };
        let Ok(result) = waited else {
            let message = "the shards did not answer in the query's time (timeoutMs)";
            return Err(SqlError::new(ErrorCode::BrokerTimeout, message));
        };
        guard.finish();
        let mut result = result?;
        result.stats.thread_mem_allocated_bytes = result.stats.thread_mem_allocated_bytes.max(budget.most());
        Ok(complete(&planned, result, leaves.take_unavailable(), trace))
    }

    /// Finds or makes the plan. The time that it takes is the query's: `started` is when that began.
    async fn plan(
        &self,
        query: QueryRequest,
        door: Profile,
        database: Option<String>,
        view: &Arc<View>,
        started: Instant,
    ) -> Result<Planned, SqlError> {
        let mut options = QueryOptions::default();
        if let Some(database) = database {
            options.set("database", &database);
        }
        for (name, value) in &query.options {
            options.set(name, value);
        }
        let request = SqlRequest { sql: query.sql, options, profile: door };
        let unplanned = match self.planner.begin(&request, &**view)? {
            Begun::Planned(planned) => return Ok(planned),
            Begun::Unplanned(unplanned) => unplanned,
        };
        let timeout = unplanned.options.timeout_ms()?.map_or(self.options.timeout, Duration::from_millis);
        let deadline = started + timeout.min(TIMEOUT_MAX);
        let planning = async {
            let Ok(permit) = self.planning.clone().acquire_owned().await else {
                return Err(SqlError::new(ErrorCode::ServerOutOfCapacity, "the node is stopping"));
            };
            self.planner.plan_aside(unplanned, view.clone(), permit).await
        };
        tokio::time::timeout_at(deadline.into(), planning).await.unwrap_or_else(|_| {
            let message = format!(
                "planning the query took longer than its time of {} ms (timeoutMs); put long lists into a table and join it",
                millis(timeout)
            );
            Err(SqlError::new(ErrorCode::BrokerTimeout, message))
        })
    }

    /// The query's own time, else the shortest of its tables, else the node's.
    fn timeout(&self, planned: &Planned) -> Result<Duration, SqlError> {
        let asked = planned.options.timeout_ms()?;
        let of_tables = planned.plan.tables.iter().filter_map(|table| table.timeout_ms).min();
        let timeout = asked.or(of_tables).map_or(self.options.timeout, Duration::from_millis);
        Ok(timeout.min(TIMEOUT_MAX))
    }

    /// Waits for a slot and for memory; what does not come before the deadline is Pinot's error 211.
    async fn admit(&self, deadline: Instant) -> Result<tokio::sync::OwnedSemaphorePermit, SqlError> {
        let full = |what: String| {
            SqlError::new(ErrorCode::ServerOutOfCapacity, format!("{what}; ask again later or raise timeoutMs"))
        };
        let Some(slot) = self.running.slot(deadline).await else {
            return Err(full(format!("{} queries run already, which is the most", self.running.limit())));
        };
        // Above nine tenths of the limit nothing new starts (E-17).
        let limit = self.options.memory_bytes / 10 * 9;
        while shard::memory::process_bytes() > limit {
            if Instant::now() >= deadline {
                return Err(full(format!("the process uses more than {limit} bytes of memory")));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(slot)
    }

    /// Whether a text can be planned; a table that is missing counts as a fault of the text.
    pub async fn check_syntax(&self, query: QueryRequest) -> Result<(), SqlError> {
        let view = self.server.view();
        self.plan(query, Profile::Mse, None, &view, Instant::now()).await.map(drop)
    }

    /// The raw names of the tables of a query.
    pub async fn tables_of(&self, sql: &str) -> Result<Vec<String>, SqlError> {
        let view = self.server.view();
        let query = QueryRequest { sql: sql.to_owned(), ..QueryRequest::default() };
        let planned = self.plan(query, Profile::Mse, None, &view, Instant::now()).await?;
        let mut tables: Vec<String> = planned.plan.tables.iter().map(|table| table.name.clone()).collect();
        tables.sort();
        tables.dedup();
        Ok(tables)
    }
}

/// Rows and statistics; segments that were missing make the answer partial and are named (I-2).
fn complete(planned: &Planned, result: QueryResult, unavailable: Vec<String>, trace: bool) -> Answer {
    let mut response = BrokerResponse { num_rows_result_set: result.rows() as u64, ..BrokerResponse::default() };
    statistics::fill(&mut response, &result.stats, planned.plan.profile);
    response.broker_reduce_time_ms = result.reduce_nanos / 1_000_000;
    response.tables_queried = planned.plan.tables.iter().map(|table| table.name.clone()).collect();
    response.tables_queried.sort();
    response.tables_queried.dedup();
    if trace {
        let operators = result.operators.iter().map(|text| ("operators".to_owned(), text.clone()));
        response.trace_info = operators.chain([("leaves".to_owned(), result.stats.profile.join("\n"))]).collect();
    }
    if !unavailable.is_empty() {
        let message = format!("{} segments unavailable: {}", unavailable.len(), unavailable.join("; "));
        response.add_exception(QueryException::new(ErrorCode::BrokerSegmentUnavailable, message));
    }
    let rows = AnswerRows { columns: result.columns, batches: result.batches };
    Answer { rows: Some(rows), response, error: None }
}

fn outcome(error: Option<ErrorCode>) -> QueryOutcome {
    match error {
        None => QueryOutcome::ok,
        Some(ErrorCode::QueryCancellation) => QueryOutcome::cancelled,
        Some(ErrorCode::ExecutionTimeout | ErrorCode::BrokerTimeout) => QueryOutcome::timeout,
        Some(ErrorCode::ServerOutOfCapacity | ErrorCode::TooManyRequests) => QueryOutcome::rejected,
        Some(_) => QueryOutcome::error,
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
