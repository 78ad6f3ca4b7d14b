//! The scan's kernels beside the machine's limit, in a second: the measurement that the regression gate is proved with.
//!
//! Each round times a plain read of the memory before and after every kernel on memory of the same size; a kernel's figure is
//! the median of its time over the reads' beside it, in the quarter of the rounds in which these were fastest: what else runs
//! on the machine comes and goes within milliseconds, and a neighbour on the same core slows kernels and reads unequally.
//! 16 KiB of packed values lie in the nearest cache, where only the core's work counts; twice the last cache shows what a
//! scan of memory gets.

use crate::machine::{Pages, describe, last_cache_bytes, pin, sum};
use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use serde_json::{Map, Value, json};
use shard::kernels::{
    GROUP, GROUP_WORDS, Simd, count_ones, range::range, select, set::IdSet, set::members, sum::masked_sum,
    unpack::unpack,
};
use std::time::Instant;

#[derive(Args)]
pub struct Options {
    /// `NAME=PERCENT`: lets that kernel do so much work twice, to see whether the gate finds it.
    #[arg(long)]
    plant: Option<String>,
    /// Rounds on cached memory; on main memory a sixtieth as many.
    #[arg(long, default_value_t = 480, value_parser = clap::value_parser!(u16).range(16..))]
    rounds: u16,
}

const CACHED: usize = 16 << 10;

/// Where the packed values are. The gate judges by the cached ones alone: what a core gets from memory hangs on the other
/// cores and on the machine's other tenants, and was seen to change by a third from one minute to the next.
#[derive(Clone, Copy)]
pub enum Place {
    Cached,
    Memory,
}

type Run = Box<dyn FnMut(&[u8]) -> u64>;

struct Kernel {
    name: &'static str,
    /// Bits of a value.
    width: u8,
    /// Takes one group of 512 packed values; the sum of what it returns is looked at by nobody, but the compiler cannot know.
    run: Run,
}

fn kernels() -> Vec<Kernel> {
    let simd = Simd::get();
    let range_of = |width: u8| {
        // A tenth of the values passes.
        let hi = (1u32 << width) / 10;
        move |group: &[u8]| {
            let mut mask = [0; GROUP_WORDS];
            range(simd, width, group, 0, hi, &mut mask);
            count_ones(&mask) as u64
        }
    };
    let mut ids = IdSet::new(256);
    (3..256).step_by(7).for_each(|id| ids.insert(id));
    let mut rows = Vec::new();
    vec![
        Kernel { name: "range-4", width: 4, run: Box::new(range_of(4)) },
        Kernel { name: "range-8", width: 8, run: Box::new(range_of(8)) },
        Kernel { name: "range-12", width: 12, run: Box::new(range_of(12)) },
        Kernel { name: "range-16", width: 16, run: Box::new(range_of(16)) },
        Kernel {
            name: "members-8",
            width: 8,
            run: Box::new(move |group| {
                let mut mask = [0; GROUP_WORDS];
                members(simd, 8, group, &ids, &mut mask);
                count_ones(&mask) as u64
            }),
        },
        Kernel {
            name: "sum-24",
            width: 24,
            run: Box::new(move |group| masked_sum(simd, 24, group, &[0x5555_5555_0f0f_00ff; GROUP_WORDS])),
        },
        Kernel {
            name: "unpack-16",
            width: 16,
            run: Box::new(move |group| {
                let mut values = [0; GROUP];
                unpack(simd, 16, group, &mut values);
                u64::from(std::hint::black_box(&values)[7])
            }),
        },
        Kernel {
            name: "select-8",
            width: 8,
            run: Box::new(move |group| {
                let mut mask = [0; GROUP_WORDS];
                range(simd, 8, group, 0, 25, &mut mask);
                rows.clear();
                select::rows(simd, &mask, 0, &mut rows);
                rows.len() as u64
            }),
        },
    ]
}

/// Nanoseconds of `passes` over the memory; `planted` is the share that is gone over once more.
fn time(kernel: &mut Kernel, bytes: &[u8], passes: usize, planted: f64) -> f64 {
    let group = usize::from(kernel.width) * 64;
    let groups = bytes.len() / group;
    let again = (groups as f64 * planted) as usize;
    let started = Instant::now();
    let mut seen = 0u64;
    for _ in 0..passes {
        for packed in bytes.chunks_exact(group).chain(bytes.chunks_exact(group).take(again)) {
            seen = seen.wrapping_add((kernel.run)(packed));
        }
    }
    std::hint::black_box(seen);
    started.elapsed().as_nanos() as f64 * bytes.len() as f64 / (groups * group) as f64
}

/// Part of the groups that a kernel does twice, from `NAME=PERCENT`.
fn planted(text: Option<&str>, kernels: &[Kernel]) -> Result<Option<(String, f64)>> {
    let Some(text) = text else { return Ok(None) };
    let (name, percent) = text.split_once('=').context("--plant must be NAME=PERCENT")?;
    if !kernels.iter().any(|kernel| kernel.name == name) {
        bail!("--plant: there is no kernel {name}; there are {}", names().join(", "));
    }
    Ok(Some((name.to_owned(), percent.parse::<f64>().context("--plant must be NAME=PERCENT")? / 100.0)))
}

pub fn names() -> Vec<&'static str> {
    kernels().iter().map(|kernel| kernel.name).collect()
}

/// Measures on a thread of its own, which stays on one core.
pub fn measure(plant: Option<&str>, rounds: usize, places: &[Place]) -> Result<Value> {
    let machine = describe();
    let kernels = std::thread::scope(|scope| scope.spawn(|| on_one_core(plant, rounds, places)).join())
        .map_err(|_| anyhow!("the measuring thread panicked"))??;
    Ok(json!({ "machine": machine, "kernels": kernels }))
}

fn on_one_core(plant: Option<&str>, rounds: usize, places: &[Place]) -> Result<Value> {
    let mut kernels = kernels();
    let plant = planted(plant, &kernels)?;
    pin(*shard::usable_cpus().last().context("no core to run on")?)?;
    let memory = Pages::random((2 * last_cache_bytes()).max(64 << 20))?;
    let mut found = Map::new();
    let mut limits = Map::new();
    for place in places {
        let (place, bytes, passes, rounds) = match place {
            Place::Cached => ("cached", CACHED, 128, rounds),
            Place::Memory => ("memory", memory.bytes().len(), 1, rounds.div_ceil(60)),
        };
        let (words, bytes) = (&memory.words()[..bytes / 8], &memory.bytes()[..bytes]);
        let read = || {
            let started = Instant::now();
            for _ in 0..passes {
                std::hint::black_box(sum(std::hint::black_box(words)));
            }
            started.elapsed().as_nanos() as f64
        };
        // (reads beside it, over them) of every kernel and round.
        let mut seen = vec![Vec::with_capacity(rounds); kernels.len()];
        for round in 0..=rounds {
            let mut before = read();
            for (kernel, seen) in kernels.iter_mut().zip(&mut seen) {
                let extra = plant.as_ref().filter(|(name, _)| name == kernel.name).map_or(0.0, |(_, share)| *share);
                let taken = time(kernel, bytes, passes, extra);
                let after = read();
                // The first round warms caches and clocks.
                if round > 0 {
                    seen.push((before + after, 2.0 * taken / (before + after)));
                }
                before = after;
            }
        }
        let mut reads: Vec<f64> = seen.iter().map(|seen| fastest_quarter(seen, |s| s.0 / 2.0)).collect();
        let limit = (bytes.len() * passes) as f64 / median(&mut reads) * 1e9;
        limits.insert(place.to_owned(), json!(limit.round()));
        for (kernel, seen) in kernels.iter().zip(&seen) {
            let over = fastest_quarter(seen, |s| s.1);
            let rows = limit / over * 8.0 / f64::from(kernel.width);
            let entry = found.entry(kernel.name).or_insert_with(|| json!({}));
            entry[place] = json!({ "over_limit": over, "rows_per_second": rows.round() });
        }
    }
    Ok(json!({ "limit_bytes_per_second": limits, "each": found }))
}

/// The median of what `of` takes from the quarter whose reads were fastest.
fn fastest_quarter(seen: &[(f64, f64)], of: impl Fn(&(f64, f64)) -> f64) -> f64 {
    let mut calm = seen.to_vec();
    calm.sort_by(|a, b| a.0.total_cmp(&b.0));
    calm.truncate(seen.len().div_ceil(4));
    median(&mut calm.iter().map(of).collect::<Vec<_>>())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

pub fn run(options: &Options) -> Result<()> {
    let found = measure(options.plant.as_deref(), options.rounds.into(), &[Place::Cached, Place::Memory])?;
    println!("{}", serde_json::to_string_pretty(&found)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_is_measured_in_both_places() {
        let found = measure(None, 16, &[Place::Cached, Place::Memory]).unwrap();
        assert_eq!(found["machine"], describe());
        for name in names() {
            for place in ["cached", "memory"] {
                let over = found["kernels"]["each"][name][place]["over_limit"].as_f64().unwrap();
                assert!(over > 0.2 && over < 1000.0, "{name} {place}: {over}");
            }
        }
    }

    #[test]
    fn calm_rounds_count() {
        let mut seen = vec![(10.0, 2.0); 5];
        seen.extend([(15.0, 9.0); 15]);
        assert_eq!(fastest_quarter(&seen, |s| s.1), 2.0);
        assert_eq!(fastest_quarter(&[(1.0, 7.0)], |s| s.1), 7.0);
    }

    #[test]
    fn a_plant_must_name_a_kernel() {
        let kernels = kernels();
        assert_eq!(planted(Some("range-8=20"), &kernels).unwrap(), Some(("range-8".to_owned(), 0.2)));
        assert!(planted(Some("range-9=20"), &kernels).is_err());
        assert!(planted(Some("range-8"), &kernels).is_err());
    }
}
