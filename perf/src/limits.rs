//! What the machine allows: how fast its cores read memory and cache, and how fast its disk reads past the page cache.
//!
//! Every scan is printed as a share of these. They are measured in the same run, since neighbours on a shared machine change
//! them from minute to minute; median, least and most of some rounds are told.

use crate::machine::{Pages, last_cache_bytes, pin, sum, sum_form};
use anyhow::{Context, Result, anyhow};
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Barrier;
use std::time::Instant;

#[derive(Args)]
pub struct Options {
    /// Folder on the disk to measure; a file is written there and removed.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Size of that file in MiB.
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u64).range(64..))]
    file_mib: u64,
    /// Rounds of each measurement of memory.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
}

pub fn run(options: &Options) -> Result<()> {
    let cpus = shard::usable_cpus();
    let cache = last_cache_bytes();
    // Half of the cache stays in it beside what else runs; eight times as much, and at least 1 GiB, does not.
    let (cached, large) = (cache / 2, (8 * cache).clamp(1 << 30, 4 << 30));
    let pages = Pages::random(large)?;
    let mut memory = json!({ "form": sum_form(), "cache_bytes": cache, "l3_bytes": cached, "dram_bytes": large });
    for (place, bytes) in [("l3", cached), ("dram", large)] {
        for (cores, used) in [("one_core", &cpus[..1]), ("all_cores", &cpus[..])] {
            let speeds = read(&pages, bytes, used, options.rounds.into())?;
            memory[format!("{place}_{cores}_bytes_per_second")] = json!(speeds[speeds.len() / 2].round());
            memory[format!("{place}_{cores}_range")] = json!([speeds[0].round(), speeds[speeds.len() - 1].round()]);
        }
    }
    let mut found = json!({ "cores": cpus.len(), "memory": memory });
    if let Some(dir) = &options.dir {
        found["disk"] = crate::disk::measure(dir, options.file_mib << 20)?;
    }
    println!("{}", serde_json::to_string_pretty(&found)?);
    Ok(())
}

/// Bytes a second of each round, ascending. Every core reads a part of its own, again and again until at least 256 MiB are
/// read, so that a cache-sized round is longer than what starts and ends it.
fn read(pages: &Pages, bytes: usize, cpus: &[usize], rounds: usize) -> Result<Vec<f64>> {
    let part = bytes / 8 / cpus.len();
    let passes = ((256 << 20) / bytes).max(1);
    let together = Barrier::new(cpus.len());
    let spans: Vec<Vec<(Instant, Instant)>> = std::thread::scope(|scope| {
        let threads: Vec<_> = cpus
            .iter()
            .zip(pages.words().chunks_exact(part))
            .map(|(cpu, words)| {
                let together = &together;
                scope.spawn(move || -> Result<Vec<(Instant, Instant)>> {
                    let pinned = pin(*cpu);
                    let mut spans = Vec::with_capacity(rounds);
                    // The first round fetches what the others find in the cache, and is not counted.
                    for _ in 0..=rounds {
                        together.wait();
                        let start = Instant::now();
                        for _ in 0..passes {
                            std::hint::black_box(sum(std::hint::black_box(words)));
                        }
                        spans.push((start, Instant::now()));
                    }
                    // Told only now: a thread that leaves early would leave the others waiting.
                    pinned.map(|()| spans.split_off(1))
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().map_err(|_| anyhow!("a reading thread panicked"))?).collect::<Result<_>>()
    })?;
    let mut speeds = (0..rounds)
        .map(|round| {
            let first = spans.iter().map(|s| s[round].0).min().context("no core to read with")?;
            let last = spans.iter().map(|s| s[round].1).max().context("no core to read with")?;
            Ok((part * 8 * cpus.len() * passes) as f64 / (last - first).as_secs_f64())
        })
        .collect::<Result<Vec<f64>>>()?;
    speeds.sort_by(f64::total_cmp);
    Ok(speeds)
}

/// A measurement that this machine refuses, with the reason.
pub fn refused(reason: impl std::fmt::Display) -> Value {
    json!({ "refused": reason.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_read_all_rounds_at_a_believable_speed() {
        let pages = Pages::random(8 << 20).unwrap();
        let cpus = shard::usable_cpus();
        let speeds = read(&pages, 8 << 20, &cpus, 3).unwrap();
        assert_eq!(speeds.len(), 3);
        assert!(speeds.is_sorted());
        // More than a slow disk, less than any cache.
        assert!(speeds[0] > 1e8 && speeds[2] < 1e14, "{speeds:?}");
    }
}
