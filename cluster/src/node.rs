//! A node from start to stop.
//!
//! The start in order: what the machine allows, the lock of the data directory, ports (so that a taken one costs nothing),
//! the catalog, shards, segments, listeners, ready. The stop in reverse.

use crate::api::app::{App, AppState, BodyLimits};
use crate::api::router;
use crate::broker::request::QueryRequest;
use crate::broker::{Broker, BrokerOptions};
use crate::controller::Controller;
use crate::data_dir::{self, DataDir};
use crate::deepstore::DeepStore;
use crate::metrics::Metrics;
use crate::net::{listener, serve};
use crate::options::{ExecutorChoice, NodeOptions, ResidencyChoice};
use crate::runtimes::Runtimes;
use crate::server::Server;
use crate::server::shard_metrics::ShardCollector;
use cluster_catalog::log::FileDisk;
use cluster_catalog::{Catalog, ClusterInit};
use cluster_types::ClusterId;
use hwprofiles::{NodeLimits, Profile};
use shard::{Advice, Executor, Residency, ShardOptions, Shards};
use shard_plan::Registry;
use std::fs::File;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Listen(#[from] listener::Error),
    #[error(transparent)]
    DataDir(#[from] data_dir::Error),
    #[error("hardware profile")]
    Profile(#[source] hwprofiles::Error),
    #[error("{action} {path}")]
    File {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("catalog")]
    Catalog(#[from] cluster_catalog::Error),
    #[error("shards")]
    Shards(#[from] shard::Error),
    #[error("{action}")]
    Io {
        action: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("the {role} listener ended early: {reason}")]
    Listener { role: &'static str, reason: String },
}

/// A running node. Stop it with [`Node::stop`]; one that is dropped stops without draining.
pub struct Node {
    runtimes: Runtimes,
    stop: watch::Sender<bool>,
    listeners: Vec<(&'static str, JoinHandle<io::Result<()>>)>,
    background: Vec<JoinHandle<()>>,
    catalog: Arc<Catalog>,
    broker: Arc<Broker>,
    controller_address: SocketAddr,
    broker_address: SocketAddr,
    // Last, so that the lock is held until all else has ended.
    _data_dir: DataDir,
}

impl Node {
    /// Starts a node; when it returns, the node answers.
    pub fn start(options: NodeOptions) -> Result<Node, Error> {
        let started = Instant::now();
        listener::check_address(options.listen)?;
        let limits = machine(&options)?;
        let data_dir = DataDir::open(&options.data_dir)?;
        let controller_socket = listener::bind("controller", options.listen, options.controller_port)?;
        let broker_socket = listener::bind("broker", options.listen, options.broker_port)?;
        let address =
            |socket: &std::net::TcpListener| socket.local_addr().map_err(io_error("read the address of a listener"));
        let (controller_address, broker_address) = (address(&controller_socket)?, address(&broker_socket)?);

        let disk = Arc::new(FileDisk::open(&data_dir.catalog())?);
        let init = ClusterInit::CreateIfMissing(new_cluster_id()?);
        let catalog_options = cluster_catalog::Options { maintained: true, ..cluster_catalog::Options::default() };
        let catalog = Arc::new(Catalog::open_with(disk, init, catalog_options)?);
        catalog.recovery().notes.iter().for_each(|note| tracing::warn!(%note, "catalog"));

        let registry = Arc::new(functions());
        let shards = Shards::start(shard_options(&options, &limits), registry.clone())?;
        shards.report().iter().for_each(|line| tracing::info!("{line}"));

        let runtimes = Runtimes::start(shards.count()).map_err(io_error("start the runtimes"))?;
        let deep_store = DeepStore::local(data_dir.deep_store());
        let residency = residency(&options, &limits);
        let empty = Arc::new(cluster_catalog::State::new(catalog.snapshot().cluster()));
        let server = Arc::new(Server::new(shards, deep_store.clone(), data_dir.segments(), residency, &empty));
        server.follow(&catalog.snapshot());

        let mut metrics = Metrics::new();
        metrics.collect(ShardCollector(server.shards().clone()));
        let metrics = Arc::new(metrics);
        let controller = Arc::new(Controller::new(catalog.clone(), deep_store, server.clone(), data_dir.work()));
        let broker = Arc::new(Broker::new(
            BrokerOptions {
                id: crate::api::app::instance_id("Broker", broker_address),
                address: broker_address,
                cursor_bytes_max: usize::try_from(memory(&options, &limits) / 16).unwrap_or(usize::MAX),
                timeout: options.query_timeout,
                queries_max: options.queries_max,
                query_memory_bytes: options.query_memory_bytes.unwrap_or(memory(&options, &limits) / 4),
                memory_bytes: memory(&options, &limits),
                loopback_codec: options.loopback_codec,
            },
            registry,
            server,
            metrics.clone(),
            runtimes.bulk().clone(),
        ));
        let app = AppState(Arc::new(App {
            controller: controller.clone(),
            broker: broker.clone(),
            metrics: metrics.clone(),
            bulk: runtimes.bulk().clone(),
            controller_address,
            broker_address,
            limits: BodyLimits::default(),
            started: SystemTime::now(),
        }));

        let (stop, stopping) = watch::channel(false);
        let mut listeners = Vec::new();
        for (role, socket, routes) in [
            ("controller", controller_socket, router::controller(app.clone())),
            ("broker", broker_socket, router::broker(app)),
        ] {
            let serving = serve::serve(socket, routes, serve::Limits::default(), stopping.clone());
            listeners.push((role, runtimes.edge().spawn(serving)));
        }
        let background = vec![
            runtimes.bulk().spawn(maintain_catalog(catalog.clone(), stopping.clone())),
            runtimes.bulk().spawn(purge(controller.clone(), stopping.clone())),
            runtimes.bulk().spawn(expire(controller, stopping.clone())),
            runtimes.bulk().spawn(sweep_cursors(broker.clone(), stopping.clone())),
            runtimes.edge().spawn(measure_wakeups(metrics, stopping)),
        ];
        tracing::info!(
            controller = %controller_address,
            broker = %broker_address,
            took_ms = started.elapsed().as_millis(),
            "ready"
        );
        Ok(Node {
            runtimes,
            stop,
            listeners,
            background,
            catalog,
            broker,
            controller_address,
            broker_address,
            _data_dir: data_dir,
        })
    }

    pub fn controller_address(&self) -> SocketAddr {
        self.controller_address
    }

    pub fn broker_address(&self) -> SocketAddr {
        self.broker_address
    }

    /// Answers a query from inside of this process, through the call that the HTTP handlers make. The JSON is the one that a
    /// client of `POST /query` reads.
    pub fn answer(&self, query: QueryRequest) -> Vec<u8> {
        let broker = self.broker.clone();
        let answer = async move {
            let answer = broker.answer(query, cluster_sql::Profile::Mse, None, None).await;
            answer.into_chunks().fold(Vec::new(), |mut json, chunk| {
                json.extend_from_slice(&chunk);
                json
            })
        };
        self.runtimes.edge().block_on(answer)
    }

    /// Waits for Ctrl-C or SIGTERM and returns its name.
    pub fn wait_for_signal(&self) -> Result<&'static str, Error> {
        self.runtimes.edge().block_on(async {
            let mut terminate = signal(SignalKind::terminate()).map_err(io_error("watch for SIGTERM"))?;
            let mut interrupt = signal(SignalKind::interrupt()).map_err(io_error("watch for Ctrl-C"))?;
            tokio::select! {
                _ = terminate.recv() => Ok("SIGTERM"),
                _ = interrupt.recv() => Ok("Ctrl-C"),
            }
        })
    }

    /// Takes no new request, lets those in flight end, and closes.
    pub fn stop(mut self) -> Result<(), Error> {
        self.stop.send_replace(true);
        let (listeners, background) = (std::mem::take(&mut self.listeners), std::mem::take(&mut self.background));
        let ended = self.runtimes.edge().block_on(async {
            for (role, listener) in listeners {
                match listener.await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => return Err(Error::Listener { role, reason: error.to_string() }),
                    Err(error) => return Err(Error::Listener { role, reason: error.to_string() }),
                }
            }
            for task in background {
                if let Err(error) = task.await {
                    tracing::warn!(%error, "a background task ended badly");
                }
            }
            Ok(())
        });
        self.catalog.raise_floor()?;
        self.runtimes.shutdown(Duration::from_secs(5));
        ended
    }
}

/// All functions that plans may name.
fn functions() -> Registry {
    let mut registry = Registry::empty();
    shard_plan::scalar_functions::register_all(&mut registry);
    shard_plan::aggregate::register_all(&mut registry);
    registry
}

fn io_error(action: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io { action, source }
}

/// What the machine allows, with a line for each thing that costs something.
fn machine(options: &NodeOptions) -> Result<NodeLimits, Error> {
    let profile = match &options.profile {
        None => None,
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|source| Error::File {
                action: "read",
                path: path.clone(),
                source,
            })?;
            Some(Profile::parse(&path.display().to_string(), &text).map_err(Error::Profile)?)
        }
    };
    let limits = hwprofiles::detect(profile).map_err(Error::Profile)?;
    tracing::info!("{}", limits.summary());
    limits.lines().iter().for_each(|line| tracing::warn!("{line}"));
    Ok(limits)
}

fn memory(options: &NodeOptions, limits: &NodeLimits) -> u64 {
    options.memory_bytes.unwrap_or(limits.memory_bytes)
}

/// Half of the memory holds segments, a sixteenth streamed pages, another the rows of cursors; queries have the rest (E-17: all together stay below
/// 90 %).
fn shard_options(options: &NodeOptions, limits: &NodeLimits) -> ShardOptions {
    let memory = memory(options, limits);
    let executor = match (options.executor, limits.executor) {
        (ExecutorChoice::Glommio, _) | (ExecutorChoice::Auto, hwprofiles::Executor::Glommio) => Executor::Glommio,
        (ExecutorChoice::Threads, _) | (ExecutorChoice::Auto, hwprofiles::Executor::Threads) => Executor::Threads,
        (ExecutorChoice::Auto, hwprofiles::Executor::Auto) => Executor::Auto,
    };
    let shards = options.shards.unwrap_or(limits.shards);
    let pin = (limits.pinned && options.shards.is_none()).then(|| limits.cpus.iter().map(|cpu| cpu as usize).collect());
    let defaults = ShardOptions::default();
    ShardOptions {
        shards: shards as usize,
        executor,
        pin,
        pool_bytes: memory / 16,
        resident_bytes: memory / 2,
        host_name: options.listen.to_string(),
        caller_time: options.caller_time.unwrap_or(defaults.caller_time),
        ..defaults
    }
}

fn residency(options: &NodeOptions, limits: &NodeLimits) -> Residency {
    let advice = match limits.madvise {
        hwprofiles::Madvise::Normal => Advice::Normal,
        hwprofiles::Madvise::Random => Advice::Random,
        hwprofiles::Madvise::Sequential => Advice::Sequential,
        hwprofiles::Madvise::WillNeed => Advice::Normal,
    };
    match (options.residency, limits.residency) {
        (Some(ResidencyChoice::Resident), _) => Residency::Resident,
        (Some(ResidencyChoice::Mapped), _) | (None, hwprofiles::Residency::Mapped) => Residency::Mapped(advice),
        (Some(ResidencyChoice::Streamed), _) | (None, hwprofiles::Residency::Streamed) => Residency::Streamed,
        // Resident as long as there is room.
        (None, hwprofiles::Residency::Resident) => Residency::Auto,
    }
}

fn new_cluster_id() -> Result<ClusterId, Error> {
    let path = "/dev/urandom";
    let mut id = [0; 16];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut id));
    read.map_err(|source| Error::File { action: "read", path: path.into(), source })?;
    Ok(ClusterId(id))
}

/// Records each second how far the log has been acknowledged, and writes snapshots and digests that are due.
async fn maintain_catalog(catalog: Arc<Catalog>, mut stop: watch::Receiver<bool>) {
    while !ended(&mut stop, Duration::from_secs(1)).await {
        let catalog = catalog.clone();
        let maintained = tokio::task::spawn_blocking(move || catalog.maintain()).await;
        if let Ok(Err(error)) = maintained {
            tracing::error!(error = %crate::error_chain(&error), "the catalog takes no more changes until the node is restarted");
            return;
        }
    }
}

/// Deletes each minute what tombstones allow.
async fn purge(controller: Arc<Controller>, mut stop: watch::Receiver<bool>) {
    while !ended(&mut stop, Duration::from_secs(60)).await {
        let controller = controller.clone();
        match tokio::task::spawn_blocking(move || controller.purge()).await {
            Ok(Ok(0)) | Err(_) => {}
            Ok(Ok(tombstones)) => tracing::info!(tombstones, "purged"),
            Ok(Err(error)) => tracing::warn!(error = %crate::error_chain(&error), "purge"),
        }
    }
}

/// Drops each hour what tables have kept for their time.
async fn expire(controller: Arc<Controller>, mut stop: watch::Receiver<bool>) {
    while !ended(&mut stop, Duration::from_secs(3600)).await {
        let controller = controller.clone();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        if let Err(error) = tokio::task::spawn_blocking(move || controller.expire_all(now_ms)).await {
            tracing::warn!(%error, "retention ended early");
        }
    }
}

/// Lets go each minute of query results whose time is over.
async fn sweep_cursors(broker: Arc<Broker>, mut stop: watch::Receiver<bool>) {
    while !ended(&mut stop, Duration::from_secs(60)).await {
        broker.cursors().sweep();
    }
}

/// Measures how late the edge runtime wakes up (E-15).
async fn measure_wakeups(metrics: Arc<Metrics>, mut stop: watch::Receiver<bool>) {
    let period = Duration::from_secs(1);
    loop {
        let before = Instant::now();
        if ended(&mut stop, period).await {
            return;
        }
        metrics.wakeup_delay.observe(before.elapsed().saturating_sub(period).as_secs_f64());
    }
}

/// Waits; true when the node stops meanwhile.
async fn ended(stop: &mut watch::Receiver<bool>, wait: Duration) -> bool {
    let stopped = async {
        let _ = stop.wait_for(|stop| *stop).await;
    };
    tokio::time::timeout(wait, stopped).await.is_ok()
}
