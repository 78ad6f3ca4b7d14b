//! Whether the gate can be trusted here: how often it cries over nothing, and how often it misses a planted slowdown.

use crate::gate::{Judged, baseline, disturbed, judge};
use crate::kernels::{self, Place};
use anyhow::Result;
use clap::Args;
use serde_json::Value;

#[derive(Args)]
pub struct Options {
    /// Clean runs and as many planted ones, after as many for the baseline.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(5..))]
    runs: u16,
    /// How much more work the planted kernel does, in percent; the kernels take turns.
    #[arg(long, default_value_t = 20)]
    percent: u16,
    #[arg(long, default_value_t = 480)]
    rounds: u16,
}

/// Measurements that must agree before an alarm is one.
const REPEATS: usize = 3;
/// Measurements until one is undisturbed.
const TRIES: usize = 12;

/// The figures that regressed: an alarm must repeat, as it would be asked to before somebody looks for its cause. `None` where
/// the machine was never quiet enough to tell.
fn verdict(known: &Value, measure: impl Fn() -> Result<Value>) -> Result<Option<Vec<Judged>>> {
    let mut runs = Vec::new();
    let mut found = None;
    for _ in 0..TRIES {
        let run = measure()?;
        if !disturbed(known, &run) {
            runs.push(run);
            let regressed: Vec<_> = judge(known, &runs)?.into_iter().filter(Judged::regressed).collect();
            let done = regressed.is_empty() || runs.len() == REPEATS;
            found = Some(regressed);
            if done {
                break;
            }
        }
    }
    Ok(found)
}

/// Prints both error rates; whether both are zero.
pub fn run(options: &Options) -> Result<bool> {
    let rounds = usize::from(options.rounds);
    let clean = || kernels::measure(None, rounds, &[Place::Cached]);
    let known = baseline(&(0..options.runs).map(|_| clean()).collect::<Result<Vec<_>>>()?)?;
    let (mut false_alarms, mut missed, mut undecided) = (0, 0, 0);
    let names = kernels::names();
    for n in 0..usize::from(options.runs) {
        match verdict(&known, clean)? {
            None => undecided += 1,
            Some(found) => {
                if let Some(worst) = found.first() {
                    false_alarms += 1;
                    println!("false alarm in clean run {n}: {} is {:.3}, was {:.3}", worst.name, worst.is, worst.was);
                }
            }
        }
        let name = names[n % names.len()];
        let plant = format!("{name}={}", options.percent);
        match verdict(&known, || kernels::measure(Some(&plant), rounds, &[Place::Cached]))? {
            None => undecided += 1,
            Some(found) if found.iter().any(|judged| judged.name.contains(name)) => {}
            Some(_) => {
                missed += 1;
                println!("missed: {plant} in planted run {n}");
            }
        }
    }
    println!("clean runs with an alarm: {false_alarms} of {}", options.runs);
    println!("planted slowdowns of {} % missed: {missed} of {}", options.percent, options.runs);
    println!("undecided, because the machine was never quiet: {undecided} of {}", 2 * options.runs);
    Ok(false_alarms + missed + undecided == 0)
}
