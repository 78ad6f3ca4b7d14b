//! The controller: what changes the catalog.
//!
//! Every change is one command (or one operation of several), proposed to the catalog and then applied to the local server's
//! view before the caller gets an answer, so that whoever made a change sees it. Calls block on the disk: handlers run them
//! on the blocking threads of the bulk runtime.

pub mod error;
pub mod ingest;
pub mod purge;
pub mod push;
pub mod reload;
pub mod retention;
pub mod schemas;
pub mod tables;
pub mod uploads;

pub use error::Error;

use crate::deepstore::DeepStore;
use crate::server::Server;
use cluster_catalog::command::SetConfig;
use cluster_catalog::{Body, Catalog, Command, Outcome, State};
use cluster_types::OperationId;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The one writer of the catalog on this node. Any thread.
pub struct Controller {
    catalog: Arc<Catalog>,
    deep_store: DeepStore,
    server: Arc<Server>,
    work: PathBuf,
    uploads: uploads::Uploads,
    reloads: reload::Reloads,
}

impl Controller {
    pub fn new(catalog: Arc<Catalog>, deep_store: DeepStore, server: Arc<Server>, work: PathBuf) -> Controller {
        let uploads = uploads::Uploads::new(work.clone());
        Controller { catalog, deep_store, server, work, uploads, reloads: reload::Reloads::default() }
    }

    pub fn state(&self) -> Arc<State> {
        self.catalog.snapshot()
    }

    /// A number for an operation of this process that no other has.
    pub fn next_operation(&self) -> OperationId {
        self.catalog.operation()
    }

    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }

    pub fn deep_store(&self) -> &DeepStore {
        &self.deep_store
    }

    pub fn uploads(&self) -> &uploads::Uploads {
        &self.uploads
    }

    /// Where uploads and builds put their files; emptied at start.
    pub fn work(&self) -> &Path {
        &self.work
    }

    /// Sets a config of the cluster, or takes it back.
    pub fn set_config(&self, key: String, value: Option<String>) -> Result<()> {
        self.propose(Body::SetConfig(SetConfig { key, value })).map(drop)
    }

    /// Proposes one command and brings the local view up to it.
    fn propose(&self, body: Body) -> Result<Outcome> {
        self.propose_as(self.catalog.operation(), body)
    }

    fn propose_as(&self, operation: OperationId, body: Body) -> Result<Outcome> {
        let applied = self.catalog.propose(Command::new(operation, body))?;
        self.server.follow(&self.catalog.snapshot());
        Ok(applied.outcome)
    }
}
