//! What slow queries do to small ones: one client sends small aggregations back to back while every slow query repeats on a
//! connection of its own (E-15, E-16).

use crate::http::Client;
use anyhow::{Result, bail};
use clap::Args;
use hdrhistogram::Histogram;
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[derive(Args)]
pub struct Options {
    #[arg(long, default_value = "http://127.0.0.1:8099")]
    broker: String,
    /// The small query. `{}` becomes a number that changes from call to call.
    #[arg(long)]
    small: String,
    /// A slow query that repeats beside the small ones. May be given several times.
    #[arg(long)]
    slow: Vec<String>,
    /// Small queries to send.
    #[arg(long, default_value_t = 10_000)]
    count: u64,
    /// `{}` of the small query runs from 0 to this, again and again.
    #[arg(long, default_value_t = 1000)]
    modulo: u64,
}

pub fn run(options: &Options) -> Result<()> {
    let alone = small_queries(options, options.count.min(2000))?;
    let stop = AtomicBool::new(false);
    let mut slow_times = Vec::new();
    let beside = std::thread::scope(|scope| -> Result<Histogram<u64>> {
        let loops: Vec<_> = options.slow.iter().map(|sql| scope.spawn(|| repeat(options, sql, &stop))).collect();
        std::thread::sleep(Duration::from_millis(200));
        let beside = small_queries(options, options.count);
        stop.store(true, Ordering::Relaxed);
        for slow in loops {
            match slow.join() {
                Ok(times) => slow_times.push(times?),
                Err(_) => bail!("a slow client panicked"),
            }
        }
        beside
    })?;
    let milliseconds = |us: u64| us as f64 / 1000.0;
    let line = |h: &Histogram<u64>| {
        json!({ "count": h.len(), "p50_ms": milliseconds(h.value_at_quantile(0.5)), "p99_ms": milliseconds(h.value_at_quantile(0.99)),
                "p999_ms": milliseconds(h.value_at_quantile(0.999)), "max_ms": milliseconds(h.max()) })
    };
    let slow: Vec<_> = options
        .slow
        .iter()
        .zip(&slow_times)
        .map(|(sql, t)| json!({ "sql": sql, "runs": t.len(), "median_ms": milliseconds(t.value_at_quantile(0.5)), "min_ms": milliseconds(t.min()) }))
        .collect();
    println!(
        "{}",
        serde_json::to_string_pretty(&json!({ "alone": line(&alone), "beside_slow": line(&beside), "slow": slow }))?
    );
    Ok(())
}

fn small_queries(options: &Options, count: u64) -> Result<Histogram<u64>> {
    let client = Client::new(&options.broker, "");
    let mut histogram = Histogram::new(3)?;
    for i in 0..count {
        let sql = options.small.replace("{}", &(i % options.modulo).to_string());
        let (time, text) = client.timed(&sql)?;
        histogram.record(u64::try_from(time.as_micros())?)?;
        if i == 0 || i + 1 == count {
            Client::rows(&text, &sql)?;
        }
    }
    Ok(histogram)
}

/// Microseconds of each run that ended before `stop`; at least one.
fn repeat(options: &Options, sql: &str, stop: &AtomicBool) -> Result<Histogram<u64>> {
    let client = Client::new(&options.broker, "timeoutMs=120000");
    let mut histogram = Histogram::new(3)?;
    while !stop.load(Ordering::Relaxed) || histogram.is_empty() {
        let (time, text) = client.timed(sql)?;
        Client::rows(&text, sql)?;
        histogram.record(u64::try_from(time.as_micros())?)?;
    }
    Ok(histogram)
}
