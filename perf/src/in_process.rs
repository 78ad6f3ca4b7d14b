//! A node inside of this process, asked through the call that the HTTP handlers make: what a query costs without HTTP.
//!
//! Writes a line about itself, then reads one statement a line from standard input and writes one line of JSON for each, so
//! that a harness can ask this and another engine in turn: `{"ms": 1.25, "answer": {...}}`. The node listens too, so that the
//! same one can be asked over HTTP.

use anyhow::{Context, Result};
use clap::Args;
use cluster::broker::request::QueryRequest;
use cluster::node::Node;
use cluster::options::NodeOptions;
use serde_json::json;
use serde_json::value::RawValue;
use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::time::Instant;

#[derive(Args)]
pub struct Options {
    /// The data directory of a node that is not running.
    #[arg(long)]
    data_dir: PathBuf,
    /// Pinot's query option of a statement, `name=value`. May be given several times.
    #[arg(long = "option", default_value = "useMultistageEngine=true")]
    options: Vec<String>,
}

pub fn run(options: &Options) -> Result<()> {
    let started = Instant::now();
    let node = Node::start(NodeOptions { controller_port: 0, broker_port: 0, ..NodeOptions::new(&options.data_dir) })?;
    let query_options: Vec<(String, String)> = options
        .options
        .iter()
        .map(|option| option.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())))
        .collect::<Option<_>>()
        .context("an option must be name=value")?;
    let mut out = std::io::stdout().lock();
    let about = json!({
        "ready": "gamay", "version": env!("CARGO_PKG_VERSION"), "load_seconds": started.elapsed().as_secs_f64(),
        "broker": format!("http://{}", node.broker_address()), "pid": std::process::id(),
    });
    writeln!(out, "{about}")?;
    out.flush()?;
    for line in std::io::stdin().lock().lines() {
        let request = QueryRequest { sql: line?, options: query_options.clone(), trace: false };
        let started = Instant::now();
        let answer = node.answer(request);
        let milliseconds = started.elapsed().as_secs_f64() * 1000.0;
        let answer: &RawValue = serde_json::from_slice(&answer).context("the answer is no JSON")?;
        writeln!(out, "{{\"ms\": {milliseconds}, \"answer\": {answer}}}")?;
        out.flush()?;
    }
    node.stop()?;
    Ok(())
}
