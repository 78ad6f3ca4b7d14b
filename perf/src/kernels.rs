//! The scan's kernels beside the machine's limit, in a second: the measurement that the regression gate is proved with.
//!
//! Each round times a plain read of the memory and then every kernel on memory of the same size, so that a change of the
//! clock or a neighbour's load touches both; a kernel's figure is the median over the rounds of its time per byte over the
//! read's. 256 KiB of packed values lie in the core's own cache, where only the core's work counts; 64 MiB past the shared
//! cache show what a scan of memory gets.

use crate::machine::{Pages, describe, last_cache_bytes, pin, sum};
use anyhow::{Context, Result, bail};
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
    /// Rounds on cached memory; on main memory a sixteenth as many.
    #[arg(long, default_value_t = 320, value_parser = clap::value_parser!(u16).range(16..))]
    rounds: u16,
}

struct Kernel {
    name: &'static str,
    /// Bits of a value.
    width: u8,
    /// Takes one group of 512 packed values; the sum of what it returns is looked at by nobody, but the compiler cannot know.
    run: Box<dyn FnMut(&[u8]) -> u64>,
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

pub fn measure(plant: Option<&str>, rounds: usize) -> Result<Value> {
    let mut kernels = kernels();
    let plant = planted(plant, &kernels)?;
    pin(*shard::usable_cpus().last().context("no core to run on")?)?;
    let memory = Pages::random((2 * last_cache_bytes()).max(64 << 20))?;
    let mut found = Map::new();
    let mut limits = Map::new();
    for (place, bytes, passes, rounds) in
        [("cached", 256 << 10, 8, rounds), ("memory", memory.bytes().len(), 1, rounds.div_ceil(40))]
    {
        let (words, bytes) = (&memory.words()[..bytes / 8], &memory.bytes()[..bytes]);
        let mut limit = Vec::with_capacity(rounds);
        let mut over = vec![Vec::with_capacity(rounds); kernels.len()];
        for round in 0..=rounds {
            let started = Instant::now();
            for _ in 0..passes {
                std::hint::black_box(sum(std::hint::black_box(words)));
            }
            let read = started.elapsed().as_nanos() as f64;
            for (kernel, over) in kernels.iter_mut().zip(&mut over) {
                let extra = plant.as_ref().filter(|(name, _)| name == kernel.name).map_or(0.0, |(_, share)| *share);
                let taken = time(kernel, bytes, passes, extra);
                // The first round warms caches and clocks.
                if round > 0 {
                    over.push(taken / read);
                }
            }
            if round > 0 {
                limit.push((bytes.len() * passes) as f64 / read * 1e9);
            }
        }
        let limit = median(&mut limit);
        limits.insert(place.to_owned(), json!(limit.round()));
        for (kernel, over) in kernels.iter().zip(&mut over) {
            let over = median(over);
            let rows = limit / over * 8.0 / f64::from(kernel.width);
            let entry = found.entry(kernel.name).or_insert_with(|| json!({}));
            entry[place] = json!({ "over_limit": over, "rows_per_second": rows.round() });
        }
    }
    Ok(json!({ "machine": describe(), "kernels": { "limit_bytes_per_second": limits, "each": found } }))
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

pub fn run(options: &Options) -> Result<()> {
    let found = measure(options.plant.as_deref(), options.rounds.into())?;
    println!("{}", serde_json::to_string_pretty(&found)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_is_measured_in_both_places() {
        // On a thread of its own: measuring keeps its thread on one core.
        let found = std::thread::spawn(|| measure(None, 16)).join().unwrap().unwrap();
        for name in names() {
            for place in ["cached", "memory"] {
                let over = found["kernels"]["each"][name][place]["over_limit"].as_f64().unwrap();
                assert!(over > 0.2 && over < 1000.0, "{name} {place}: {over}");
            }
        }
    }

    #[test]
    fn a_plant_must_name_a_kernel() {
        let kernels = kernels();
        assert_eq!(planted(Some("range-8=20"), &kernels).unwrap(), Some(("range-8".to_owned(), 0.2)));
        assert!(planted(Some("range-9=20"), &kernels).is_err());
        assert!(planted(Some("range-8"), &kernels).is_err());
    }
}
