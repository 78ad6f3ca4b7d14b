//! `gamay-perf`: load, limits, kernels and the regression gate. `perf/bench.py` drives it; every number is printed with what it
//! is compared with, since absolute times of a shared machine are no claim.

mod canned;
mod connection;
mod disk;
mod gate;
mod http;
mod in_process;
mod isolation;
mod kernels;
mod limits;
mod load;
mod machine;
mod self_check;
mod series;
mod template;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// The node's allocator: queries are charged for what they hold.
#[global_allocator]
static ALLOCATOR: shard::memory::GamayAllocator = shard::memory::GamayAllocator;

#[derive(Parser)]
#[command(name = "gamay-perf", version, about = "Measures Gamay nodes and the machine they run on")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Prints which machine this is, as JSON.
    Machine,
    /// Bandwidth of memory, cache and disk, as JSON.
    Limits(limits::Options),
    /// The scan's kernels beside the memory's limit, as JSON.
    Kernels(kernels::Options),
    /// Latency and throughput of many clients over HTTP, closed and open loop, as JSON.
    Load(load::Options),
    /// Latency of small aggregations while slow queries repeat beside them.
    Isolation(isolation::Options),
    /// Answers the statements of standard input with a node of its own, without HTTP.
    InProcess(in_process::Options),
    /// Runs the statements of a file over HTTP, some times each, and prints their medians as JSON.
    Series(series::Options),
    /// Makes a baseline for this machine class from runs of one build.
    Baseline(gate::BaselineOptions),
    /// Compares runs with a baseline; exit code 1 where something became slower than noise allows.
    Gate(gate::GateOptions),
    /// Proves the gate on this machine: false alarms and missed slowdowns; exit code 1 where there are any.
    SelfCheck(self_check::Options),
}

fn main() -> Result<ExitCode> {
    let well = match Arguments::parse().command {
        Command::Machine => {
            println!("{:#}", machine::describe());
            true
        }
        Command::Limits(options) => limits::run(&options).map(|()| true)?,
        Command::Kernels(options) => kernels::run(&options).map(|()| true)?,
        Command::Load(options) => load::run(&options).map(|()| true)?,
        Command::Isolation(options) => isolation::run(&options).map(|()| true)?,
        Command::InProcess(options) => in_process::run(&options).map(|()| true)?,
        Command::Series(options) => series::run(&options).map(|()| true)?,
        Command::Baseline(options) => gate::make_baseline(&options).map(|()| true)?,
        Command::Gate(options) => gate::gate(&options)?,
        Command::SelfCheck(options) => self_check::run(&options)?,
    };
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
