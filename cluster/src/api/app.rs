//! What every handler is given.

use super::ApiError;
use crate::broker::Broker;
use crate::controller::Controller;
use crate::metrics::Metrics;
use cluster_catalog::{Segment, Table};
use cluster_types::did_you_mean;
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::runtime::Handle;

/// A node's components and facts, as handlers use them.
pub struct App {
    pub controller: Arc<Controller>,
    pub broker: Arc<Broker>,
    pub metrics: Arc<Metrics>,
    /// Runs what blocks: the catalog's fsync, verification, builds.
    pub bulk: Handle,
    pub controller_address: SocketAddr,
    pub broker_address: SocketAddr,
    pub limits: BodyLimits,
    pub started: SystemTime,
}

/// The most bytes that a request may bring.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// A query with its options. Default 16 MiB.
    pub query: usize,
    /// A schema, a table config or both. Default 2 MiB.
    pub document: usize,
    /// A file to ingest or a segment. Default 64 GiB.
    pub file: u64,
}

impl Default for BodyLimits {
    fn default() -> Self {
        BodyLimits { query: 16 << 20, document: 2 << 20, file: 64 << 30 }
    }
}

impl App {
    /// Pinot's ids of the roles of this node: `Broker_<host>_<port>`.
    pub fn broker_id(&self) -> String {
        instance_id("Broker", self.broker_address)
    }

    pub fn controller_id(&self) -> String {
        instance_id("Controller", self.controller_address)
    }

    /// The server has no port of its own yet; its id has the one that Pinot's users expect.
    pub fn server_id(&self) -> String {
        instance_id("Server", SocketAddr::new(self.broker_address.ip(), 8098))
    }
}

pub fn instance_id(role: &str, address: SocketAddr) -> String {
    format!("{role}_{}_{}", address.ip(), address.port())
}

/// The state of the routers.
#[derive(Clone)]
pub struct AppState(pub Arc<App>);

impl Deref for AppState {
    type Target = App;

    fn deref(&self) -> &App {
        &self.0
    }
}

impl AppState {
    /// Runs a call of the controller on a thread that may block.
    pub async fn control<T, E>(
        &self,
        call: impl FnOnce(&Controller) -> Result<T, E> + Send + 'static,
    ) -> Result<T, ApiError>
    where
        T: Send + 'static,
        E: Into<ApiError> + Send + 'static,
    {
        let controller = self.controller.clone();
        let done = self.bulk.spawn_blocking(move || call(&controller)).await;
        done.map_err(|error| ApiError::internal(format!("the call ended early: {error}")))?.map_err(Into::into)
    }
}

impl App {
    /// A segment by the names of a path.
    pub fn segment(&self, table: &str, segment: &str) -> Result<(Arc<Table>, Arc<Segment>), ApiError> {
        let tables = self.controller.tables_named(table, None)?;
        let found = tables.iter().find_map(|table| Some((table.clone(), table.segment(segment)?.clone())));
        found.ok_or_else(|| {
            let names =
                tables.iter().flat_map(|table| table.segments().map(|s| s.name.to_string())).collect::<Vec<_>>();
            let hint = did_you_mean(segment, names.iter().map(String::as_str));
            crate::controller::Error::not_found("segment", segment, hint).into()
        })
    }
}
