//! Whether the gate can be trusted here: how often it cries over nothing, and how often it misses a planted slowdown.

use crate::gate::{Judged, baseline, judge};
use crate::kernels;
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
    #[arg(long, default_value_t = 320)]
    rounds: u16,
}

/// The figures that regressed, by a first measurement and, where that alarms, a second one: an alarm must repeat.
fn verdict(known: &Value, measure: impl Fn() -> Result<Value>) -> Result<Vec<Judged>> {
    let regressed = |runs: &[Value]| -> Result<Vec<Judged>> {
        Ok(judge(known, runs)?.into_iter().filter(Judged::regressed).collect())
    };
    let first = measure()?;
    let found = regressed(std::slice::from_ref(&first))?;
    if found.is_empty() { Ok(found) } else { regressed(&[first, measure()?]) }
}

/// Prints both error rates; whether both are zero.
pub fn run(options: &Options) -> Result<bool> {
    let rounds = usize::from(options.rounds);
    let clean = || kernels::measure(None, rounds);
    let known = baseline(&(0..options.runs).map(|_| clean()).collect::<Result<Vec<_>>>()?)?;
    let (mut false_alarms, mut missed) = (0, 0);
    let names = kernels::names();
    for n in 0..usize::from(options.runs) {
        let found = verdict(&known, clean)?;
        if let Some(worst) = found.first() {
            false_alarms += 1;
            println!("false alarm in clean run {n}: {} is {:.3}, was {:.3}", worst.name, worst.is, worst.was);
        }
        let name = names[n % names.len()];
        let plant = format!("{name}={}", options.percent);
        let found = verdict(&known, || kernels::measure(Some(&plant), rounds))?;
        if !found.iter().any(|judged| judged.name.contains(name)) {
            missed += 1;
            println!("missed: {plant} in planted run {n}");
        }
    }
    println!("clean runs with an alarm: {false_alarms} of {}", options.runs);
    println!("planted slowdowns of {} % missed: {missed} of {}", options.percent, options.runs);
    Ok(false_alarms == 0 && missed == 0)
}
