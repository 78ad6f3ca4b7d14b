//! Runs a file of statements over HTTP: `/* name */ SELECT ...;` a line, `runs` times each, and prints one JSON line a statement.

use crate::http::Client;
use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

#[derive(Args)]
pub struct Options {
    #[arg(long, default_value = "http://127.0.0.1:8099")]
    broker: String,
    file: PathBuf,
    #[arg(long, default_value_t = 9)]
    runs: usize,
    /// Pinot's queryOptions, `k=v;k=v`.
    #[arg(long, default_value = "useMultistageEngine=true")]
    options: String,
}

pub fn run(options: &Options) -> Result<()> {
    let text = std::fs::read_to_string(&options.file).with_context(|| format!("read {}", options.file.display()))?;
    let client = Client::new(&options.broker, &options.options);
    for (name, sql) in statements(&text)? {
        let mut times = Vec::with_capacity(options.runs);
        let mut rows = serde_json::Value::Null;
        for _ in 0..options.runs.max(1) {
            let (time, answer) = client.timed(sql)?;
            times.push(time.as_secs_f64() * 1000.0);
            rows = Client::rows(&answer, sql)?;
        }
        times.sort_by(f64::total_cmp);
        println!("{}", json!({ "name": name, "median_ms": times[times.len() / 2], "min_ms": times[0], "rows": rows }));
    }
    Ok(())
}

/// `/* name */ statement;` a line.
pub fn statements(text: &str) -> Result<Vec<(&str, &str)>> {
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| match line.trim().strip_prefix("/*").and_then(|rest| rest.split_once("*/")) {
            Some((name, sql)) => Ok((name.trim(), sql.trim().trim_end_matches(';'))),
            None => bail!("a line must be /* name */ statement: {line}"),
        })
        .collect()
}
