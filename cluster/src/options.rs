//! What a node is started with.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

/// How shards run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum ExecutorChoice {
    /// Plain threads, unless the hardware profile asks for glommio
    #[default]
    Auto,
    Glommio,
    Threads,
}

/// How segments are held in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ResidencyChoice {
    /// In memory of the process
    Resident,
    /// Mapped files
    Mapped,
    /// Read from the disk block by block
    Streamed,
}

/// Options of a node. A restart is needed to change any of them.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// Address to listen on; only loopback addresses are taken. Default 127.0.0.1.
    pub listen: IpAddr,
    /// Default 9000; 0 takes a free port.
    pub controller_port: u16,
    /// Default 8099; 0 takes a free port.
    pub broker_port: u16,
    /// Shards, 1 to 1,024. Default: one for each usable core.
    pub shards: Option<u32>,
    pub executor: ExecutorChoice,
    /// Default: as the hardware profile says.
    pub residency: Option<ResidencyChoice>,
    /// Bytes that the process may use. Default: the memory limit of its cgroup or of the machine.
    pub memory_bytes: Option<u64>,
    /// Bytes that one query may use. Default: a quarter of the process's.
    pub query_memory_bytes: Option<u64>,
    /// Time that a query has where neither it nor its table says another. Default 10 s.
    pub query_timeout: Duration,
    /// Queries that run at once; more wait until their time-out and then get error 211. Default 64.
    pub queries_max: usize,
    /// Time that a connection's thread works on a small query itself before shards take it over. Default 60 µs; zero hands
    /// every query to the shards.
    pub caller_time: Option<Duration>,
    /// A hardware profile (TOML). Default: the built-in one that fits best.
    pub profile: Option<PathBuf>,
    /// Encodes and decodes every leaf request and answer, as between two nodes (E-5). For tests.
    pub loopback_codec: bool,
}

impl NodeOptions {
    pub fn new(data_dir: impl Into<PathBuf>) -> NodeOptions {
        NodeOptions {
            data_dir: data_dir.into(),
            listen: IpAddr::V4(Ipv4Addr::LOCALHOST),
            controller_port: 9000,
            broker_port: 8099,
            shards: None,
            executor: ExecutorChoice::Auto,
            residency: None,
            memory_bytes: None,
            query_memory_bytes: None,
            query_timeout: Duration::from_secs(10),
            queries_max: 64,
            caller_time: None,
            profile: None,
            loopback_codec: false,
        }
    }
}
