//! `gamay start`: a node in the foreground.

use crate::node::Node;
use crate::options::{ExecutorChoice, NodeOptions, ResidencyChoice};
use anyhow::{Context, Result};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Start a node and serve until Ctrl-C or SIGTERM
#[derive(Debug, clap::Args)]
pub struct StartArgs {
    /// Folder that holds everything; made when it is missing
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    #[command(flatten)]
    node: NodeArgs,
}

/// What `start` and `quickstart` share.
#[derive(Debug, clap::Args)]
pub struct NodeArgs {
    /// Address to listen on; only a loopback address, since there is no TLS and no login yet
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    listen: IpAddr,
    /// Port of the controller; 0 takes a free one
    #[arg(long, default_value_t = 9000, value_name = "PORT")]
    controller_port: u16,
    /// Port of the broker; 0 takes a free one
    #[arg(long, default_value_t = 8099, value_name = "PORT")]
    broker_port: u16,
    /// Shards; one for each usable core where it is left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    shards: Option<u32>,
    /// How shards run
    #[arg(long, value_enum, default_value_t)]
    executor: ExecutorChoice,
    /// How segments are held; as the hardware profile says where it is left out
    #[arg(long, value_enum)]
    residency: Option<ResidencyChoice>,
    /// Memory that the process may use, in MiB; the limit of the cgroup or the machine where it is left out
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(64..))]
    memory_mib: Option<u64>,
    /// Memory that one query may use, in MiB; a quarter of the process's where it is left out
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..))]
    query_memory_mib: Option<u64>,
    /// Time that a query has where it says nothing itself, in milliseconds
    #[arg(long, default_value_t = 10_000, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..))]
    query_timeout_ms: u64,
    /// Queries that run at once; more wait
    #[arg(long, default_value_t = 64, value_name = "N")]
    queries_max: usize,
    /// Microseconds that a connection's thread works on a small query itself before shards take it over; 0 is never
    #[arg(long, value_name = "MICROS", value_parser = clap::value_parser!(u64).range(..=10_000))]
    caller_micros: Option<u64>,
    /// Hardware profile (TOML); the built-in one that fits best where it is left out
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// Encode and decode what brokers and servers say to each other, as between two nodes (a test aid)
    #[arg(long, hide = true)]
    loopback_codec: bool,
}

impl NodeArgs {
    pub fn options(self, data_dir: PathBuf) -> NodeOptions {
        NodeOptions {
            data_dir,
            listen: self.listen,
            controller_port: self.controller_port,
            broker_port: self.broker_port,
            shards: self.shards,
            executor: self.executor,
            residency: self.residency,
            memory_bytes: self.memory_mib.map(|mib| mib << 20),
            query_memory_bytes: self.query_memory_mib.map(|mib| mib << 20),
            query_timeout: Duration::from_millis(self.query_timeout_ms),
            queries_max: self.queries_max.max(1),
            caller_time: self.caller_micros.map(Duration::from_micros),
            profile: self.profile,
            loopback_codec: self.loopback_codec,
        }
    }
}

pub fn run(args: StartArgs) -> Result<()> {
    let node = Node::start(args.node.options(args.data_dir)).context("the node does not start")?;
    println!("controller http://{}", node.controller_address());
    println!("broker     http://{}", node.broker_address());
    println!("ready");
    serve(node)
}

/// Serves until a signal, then stops cleanly.
pub fn serve(node: Node) -> Result<()> {
    let signal = node.wait_for_signal()?;
    eprintln!("{signal}: stopping");
    node.stop().context("the node does not stop cleanly")
}
