//! The command line: what each command takes, and how its outcome becomes an exit code.
//!
//! Data goes to stdout, everything else to stderr. Exit codes: 0 done, 1 failed, 2 the command line is wrong.

pub mod admin;
pub mod client;
pub mod ingest;
pub mod ingest_plan;
pub mod prompt;
pub mod quickstart;
pub mod segment;
pub mod sql;
pub mod start;
pub mod table_print;

use clap::{Parser, Subcommand};
use std::io::IsTerminal;
use std::process::ExitCode;

/// A real-time analytics store that speaks Apache Pinot's API
///
/// Exit codes: 0 done, 1 failed, 2 the command line is wrong.
#[derive(Debug, Parser)]
#[command(name = "gamay", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Start(start::StartArgs),
    Quickstart(quickstart::QuickstartArgs),
    Sql(sql::SqlArgs),
    Ingest(ingest::IngestArgs),
    Segment(segment::SegmentArgs),
    Tables(admin::TablesArgs),
    Health(admin::HealthArgs),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log();
    let done = match cli.command {
        Command::Start(args) => start::run(args),
        Command::Quickstart(args) => quickstart::run(args),
        Command::Sql(args) => sql::run(args),
        Command::Ingest(args) => ingest::run(args),
        Command::Segment(args) => segment::run(args),
        Command::Tables(args) => admin::tables(args),
        Command::Health(args) => admin::health(args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

/// The reader of our output has seen enough (`gamay sql ... | head`).
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe))
}

/// An error and its causes, on one line, none twice.
fn chain(error: &anyhow::Error) -> String {
    crate::error_chain(error.as_ref())
}

/// Log lines go to stderr; `GAMAY_LOG` chooses which (`info`, `debug`, `cluster=debug`).
fn start_log() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_env("GAMAY_LOG").unwrap_or_else(|_| EnvFilter::new("warn,cluster=info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
