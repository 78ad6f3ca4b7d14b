//! The broker: a query in, an answer out.
//!
//! ```text
//!   request -> plan (cache) -> slot -> leaves (shards) -> reduce, or DataFusion above the leaves -> answer
//! ```
//!
//! A query has one view of the tables, one deadline, one budget and one cancel flag from its first step to its last.

pub mod answer;
pub mod budget;
pub mod cursors;
pub mod encode;
pub mod leaf_runner;
pub mod query;
pub mod request;
pub mod running;
pub mod statistics;

use crate::metrics::Metrics;
use crate::server::Server;
use answer::Answer;
use cluster_sql::Planner;
use cursors::Cursors;
use running::RunningQueries;
use shard_plan::Registry;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Semaphore;

#[derive(Debug, Clone)]
pub struct BrokerOptions {
    /// `Broker_<host>_<port>`.
    pub id: String,
    pub address: SocketAddr,
    /// Time of a query that says none, and whose tables say none.
    pub timeout: Duration,
    /// Queries at once.
    pub queries_max: usize,
    /// Bytes that one query may use.
    pub query_memory_bytes: u64,
    /// Bytes that the process may use; near it queries wait.
    pub memory_bytes: u64,
    /// Bytes of results that are kept for cursors.
    pub cursor_bytes_max: usize,
    /// Every leaf goes through the wire's encoding (E-5).
    pub loopback_codec: bool,
}

/// Queries that are planned at once, with those whose clients have gone: planning cannot be stopped halfway.
const PLANNING_MAX: usize = 8;

/// Any thread; the edge runtime calls it.
pub struct Broker {
    options: BrokerOptions,
    planner: Arc<Planner>,
    /// Threads that plan at once.
    planning: Arc<Semaphore>,
    registry: Arc<Registry>,
    server: Arc<Server>,
    running: Arc<RunningQueries>,
    cursors: Cursors,
    metrics: Arc<Metrics>,
    bulk: tokio::runtime::Handle,
}

impl Broker {
    pub fn new(
        options: BrokerOptions,
        registry: Arc<Registry>,
        server: Arc<Server>,
        metrics: Arc<Metrics>,
        bulk: tokio::runtime::Handle,
    ) -> Broker {
        // Ids of two runs of a process differ, so that a late cancel never meets another query.
        let base = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs() * 1_000_000);
        let running = RunningQueries::new(options.queries_max, base);
        let planner = Arc::new(Planner::new(registry.clone()));
        let planning = Arc::new(Semaphore::new(PLANNING_MAX));
        let cursors = Cursors::new(options.address, options.cursor_bytes_max);
        Broker { options, planner, planning, registry, server, running, cursors, metrics, bulk }
    }

    pub fn running(&self) -> &Arc<RunningQueries> {
        &self.running
    }

    pub fn cursors(&self) -> &Cursors {
        &self.cursors
    }

    /// Completes an answer to a request that never became a query.
    pub fn refuse(&self, mut answer: Answer) -> Answer {
        answer.response.broker_id.clone_from(&self.options.id);
        answer.response.request_id = self.running.next_id().to_string();
        answer
    }
}
