//! `gamay-perf`: the load that the figures are measured with. `perf/figures.sh` runs it; every number is printed with what it
//! is compared with, since absolute times of a shared machine are no claim.

mod http;
mod in_process;
mod isolation;
mod series;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// The node's allocator: queries are charged for what they hold.
#[global_allocator]
static ALLOCATOR: shard::memory::GamayAllocator = shard::memory::GamayAllocator;

#[derive(Parser)]
#[command(name = "gamay-perf", version, about = "Measures a running Gamay node")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Latency of small aggregations while slow queries repeat beside them.
    Isolation(isolation::Options),
    /// Answers the statements of standard input with a node of its own, without HTTP.
    InProcess(in_process::Options),
    /// Runs the statements of a file over HTTP, some times each, and prints their medians as JSON.
    Series(series::Options),
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Isolation(options) => isolation::run(&options),
        Command::InProcess(options) => in_process::run(&options),
        Command::Series(options) => series::run(&options),
    }
}
