//! The regression gate: a run against a baseline of its machine class.
//!
//! Only ratios are compared, to a peer or to a limit that was measured in the same run, each so that less is better. A baseline
//! holds the median and the spread of several runs; a figure is a regression where it is above the median by more than that
//! figure's own noise allows. Where several runs are judged together, the best of each figure counts: a regression shows in
//! every run, a disturbance does not.

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// No figure is taken to be more exact than this. Beside a build on both cores, kernels were seen 8 % off in three tries.
const FLOOR: f64 = 0.1;
/// How many spreads a figure may be above its median. The spread is the median deviation, scaled to a standard deviation.
const SPREADS: f64 = 5.0;
/// And how many times as far above it as the worst run of the baseline was; but one disturbed run must not make it blind.
const WORST: f64 = 1.25;
const WORST_MAX: f64 = 0.15;
/// A figure whose bound is past this does not show a slowdown of 20 %, and is told apart.
const BLUNT: f64 = 0.19;
/// The share of the quiet machine's limit below which kernels are not judged; with a neighbour on its core it is near 0.73.
const QUIET: f64 = 0.85;
const RUNS_MIN: usize = 5;

#[derive(Args)]
pub struct GateOptions {
    /// A baseline, or a folder that may have one for this machine class.
    baseline: PathBuf,
    /// Runs of `perf/bench.py` or `gamay-perf kernels`; of several the best figures count.
    #[arg(required = true)]
    runs: Vec<PathBuf>,
}

#[derive(Args)]
pub struct BaselineOptions {
    /// Runs of one build on one machine, at least five.
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// Folder of baselines; the file is named after the machine class.
    #[arg(long, default_value = "perf/baselines")]
    dir: PathBuf,
}

/// Ratios of a run by name; less is better.
fn figures(run: &Value) -> BTreeMap<String, f64> {
    let mut found = BTreeMap::new();
    let mut add = |name: String, value: Option<f64>| {
        if let Some(value) = value.filter(|v| v.is_finite() && *v > 0.0) {
            found.insert(name, value);
        }
    };
    for (kernel, places) in run["kernels"]["each"].as_object().into_iter().flatten() {
        add(format!("kernel {kernel} over the limit"), places["cached"]["over_limit"].as_f64());
    }
    // Ratios change with the number of rows.
    let scale =
        run["scale"].as_f64().filter(|scale| *scale != 1.0).map_or(String::new(), |scale| format!(" x {scale}"));
    for (suite, measured) in run["suites"].as_object().into_iter().flatten() {
        let suite = format!("{suite}{scale}");
        for measure in ["in_turn", "back_to_back"] {
            let said = measure.replace('_', " ");
            for query in measured["queries"].as_array().into_iter().flatten() {
                let median = |engine: &str| query[measure][engine]["median_ms"].as_f64();
                let ratio = median("gamay").zip(median("duckdb")).map(|(ours, theirs)| ours / theirs);
                add(format!("{suite} {} {said}, of DuckDB", query["name"].as_str().unwrap_or("?")), ratio);
            }
            for (peer, ratio) in measured[format!("ratios_{measure}")].as_object().into_iter().flatten() {
                if peer != "gamay http" {
                    add(format!("{suite} geomean {said}, of {peer}"), ratio["ratio"].as_f64().map(|r| 1.0 / r));
                }
            }
        }
        for load in measured["load"]["runs"].as_array().into_iter().flatten() {
            let canned = load["canned"]["qps"].as_f64().zip(load["qps"].as_f64()).map(|(limit, ours)| limit / ours);
            add(format!("{suite} load of {} clients, canned answers over ours", load["clients"]), canned);
        }
    }
    found
}

/// The cached limit of a run.
fn limit(run: &Value) -> Option<f64> {
    run["kernels"]["limit_bytes_per_second"]["cached"].as_f64()
}

/// Whether the limit itself was far below what it is on a quiet machine: kernels measured then say nothing.
pub fn disturbed(baseline: &Value, run: &Value) -> bool {
    baseline["limit"].as_f64().zip(limit(run)).is_some_and(|(calm, seen)| seen < QUIET * calm)
}

/// Figures of a run, without those of kernels that were disturbed.
fn quiet_figures(baseline: &Value, run: &Value) -> BTreeMap<String, f64> {
    let mut found = figures(run);
    if disturbed(baseline, run) {
        found.retain(|name, _| !name.starts_with("kernel "));
    }
    found
}

fn class(run: &Value) -> Result<(String, u64)> {
    let machine = &run["machine"];
    match (machine["cpu"].as_str(), machine["cores"].as_u64()) {
        (Some(cpu), Some(cores)) => Ok((cpu.to_owned(), cores)),
        _ => bail!("the run does not say its machine's cpu and cores"),
    }
}

/// What the baseline of a run's machine class is called.
fn file_name(run: &Value) -> Result<String> {
    let (cpu, cores) = class(run)?;
    let words: Vec<_> = cpu.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    Ok(format!("{}-{cores}-cores.json", words.join("-").to_ascii_lowercase()))
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}

/// Median, spread and worst of every figure that enough runs have.
pub fn baseline(runs: &[Value]) -> Result<Value> {
    if runs.len() < RUNS_MIN {
        bail!("{} runs say too little about noise; give at least {RUNS_MIN} of the same build", runs.len());
    }
    let (cpu, cores) = class(&runs[0])?;
    let mut all: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let calm = json!({ "limit": runs.iter().filter_map(limit).reduce(f64::max) });
    for run in runs {
        if class(run)? != (cpu.clone(), cores) {
            bail!("the runs are of different machine classes");
        }
        quiet_figures(&calm, run).into_iter().for_each(|(name, value)| all.entry(name).or_default().push(value));
    }
    let mut kept = Map::new();
    for (name, mut values) in all.into_iter().filter(|(_, values)| values.len() >= RUNS_MIN) {
        let middle = median(&mut values);
        let mut deviations: Vec<f64> = values.iter().map(|v| (v - middle).abs()).collect();
        let spread = 1.4826 * median(&mut deviations) / middle;
        let worst = values.iter().copied().fold(middle, f64::max) / middle - 1.0;
        kept.insert(name, json!({ "median": middle, "spread": spread, "worst": worst }));
    }
    if kept.is_empty() {
        bail!("no figure is in {RUNS_MIN} of the runs, or the machine was never quiet");
    }
    Ok(
        json!({ "machine": { "cpu": cpu, "cores": cores }, "runs": runs.len(), "limit": calm["limit"], "figures": kept }),
    )
}

/// One figure of a run beside its baseline.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    pub name: String,
    pub was: f64,
    pub is: f64,
    /// By what share of `was` it may be above it.
    pub bound: f64,
}

impl Judged {
    pub fn regressed(&self) -> bool {
        self.is > self.was * (1.0 + self.bound)
    }

    fn line(&self) -> String {
        let change = (self.is / self.was - 1.0) * 100.0;
        format!("{:<56} {:>9.4} {:>9.4} {change:>+8.1} % {:>7.1} %", self.name, self.was, self.is, self.bound * 100.0)
    }
}

/// All figures that baseline and runs share.
pub fn judge(baseline: &Value, runs: &[Value]) -> Result<Vec<Judged>> {
    let want = class(baseline).context("baseline")?;
    let mut best: BTreeMap<String, f64> = BTreeMap::new();
    for run in runs {
        let have = class(run)?;
        if have != want {
            bail!(
                "the baseline is of {} with {} cores, the run of {} with {}; make a baseline for this machine",
                want.0,
                want.1,
                have.0,
                have.1
            );
        }
        for (name, value) in quiet_figures(baseline, run) {
            best.entry(name).and_modify(|b| *b = b.min(value)).or_insert(value);
        }
    }
    let known = baseline["figures"].as_object().context("the baseline has no figures")?;
    let judged: Vec<Judged> = known
        .iter()
        .filter_map(|(name, noise)| {
            let part = |key: &str| noise[key].as_f64().unwrap_or(0.0);
            let bound = FLOOR.max(SPREADS * part("spread")).max((WORST * part("worst")).min(WORST_MAX));
            Some(Judged { name: name.clone(), was: noise["median"].as_f64()?, is: *best.get(name)?, bound })
        })
        .collect();
    if judged.is_empty() && !runs.iter().all(|run| disturbed(baseline, run)) {
        bail!("run and baseline have no figure in common");
    }
    Ok(judged)
}

pub fn read(path: &Path) -> Result<Value> {
    let text = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is no JSON", path.display()))
}

/// Prints what was judged; whether all is well.
pub fn gate(options: &GateOptions) -> Result<bool> {
    let runs = options.runs.iter().map(|path| read(path)).collect::<Result<Vec<_>>>()?;
    let mut path = options.baseline.clone();
    if path.is_dir() {
        path.push(file_name(&runs[0])?);
        if !path.exists() {
            println!(
                "{} is not there, so nothing was compared; make it with `gamay-perf baseline` from five runs",
                path.display()
            );
            return Ok(true);
        }
    }
    let known = read(&path)?;
    let judged = judge(&known, &runs)?;
    let all_disturbed = runs.iter().all(|run| disturbed(&known, run));
    if all_disturbed {
        let percent = QUIET * 100.0;
        println!(
            "kernels were not judged: the limit itself was below {percent:.0} % of the baseline's; run again in quiet"
        );
    }
    let (bad, good): (Vec<_>, Vec<_>) = judged.into_iter().partition(Judged::regressed);
    let blunt = good.iter().filter(|j| j.bound > BLUNT).count();
    println!("{:<56} {:>9} {:>9} {:>10} {:>9}", "figure (less is better)", "was", "is", "change", "allowed");
    let mut by_change = good.clone();
    by_change.sort_by(|a, b| (b.is / b.was).total_cmp(&(a.is / a.was)));
    bad.iter().for_each(|j| println!("{}   REGRESSION", j.line()));
    by_change.iter().take(10).for_each(|j| println!("{}", j.line()));
    println!("{} figures, {} regressed; {blunt} are too noisy to show 20 %", bad.len() + good.len(), bad.len());
    Ok(bad.is_empty() && !all_disturbed)
}

pub fn make_baseline(options: &BaselineOptions) -> Result<()> {
    let runs = options.runs.iter().map(|path| read(path)).collect::<Result<Vec<_>>>()?;
    let made = baseline(&runs)?;
    let path = options.dir.join(file_name(&made)?);
    std::fs::create_dir_all(&options.dir).with_context(|| format!("make {}", options.dir.display()))?;
    let text = serde_json::to_string_pretty(&made)? + "\n";
    std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    println!("{}: {} figures of {} runs", path.display(), made["figures"].as_object().map_or(0, Map::len), runs.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run with one kernel and one query beside DuckDB.
    fn run(kernel: f64, query: f64) -> Value {
        json!({
            "machine": { "cpu": "x", "cores": 2 },
            "kernels": { "each": { "range-8": { "cached": { "over_limit": kernel } } } },
            "suites": { "ssb": { "queries": [{ "name": "Q1", "in_turn": {
                "gamay": { "median_ms": query }, "duckdb": { "median_ms": 10.0 } } }] } },
        })
    }

    /// Ten runs whose kernel varies by a percent and whose query by a tenth.
    fn steady() -> Value {
        let runs: Vec<_> =
            (0..10).map(|n| run(2.0 + 0.02 * f64::from(n % 3 - 1), 1.0 + 0.1 * f64::from(n % 3 - 1))).collect();
        baseline(&runs).unwrap()
    }

    fn regressed(runs: &[Value]) -> Vec<String> {
        judge(&steady(), runs).unwrap().into_iter().filter(Judged::regressed).map(|j| j.name).collect()
    }

    #[test]
    fn noise_sets_the_bound() {
        assert!(regressed(&[run(2.0, 1.0)]).is_empty());
        assert!(regressed(&[run(2.05, 1.1)]).is_empty());
        assert_eq!(regressed(&[run(2.4, 1.0)]), ["kernel range-8 over the limit"]);
        // The query's own noise hides a fifth, but not twice as much.
        assert!(regressed(&[run(2.0, 1.2)]).is_empty());
        assert_eq!(regressed(&[run(2.0, 2.0)]), ["ssb Q1 in turn, of DuckDB"]);
        // Faster is never a regression.
        assert!(regressed(&[run(0.5, 0.1)]).is_empty());
    }

    #[test]
    fn kernels_of_a_disturbed_run_are_not_judged() {
        let with_limit = |kernel: f64, limit: f64| {
            let mut run = run(kernel, 1.0);
            run["kernels"]["limit_bytes_per_second"] = json!({ "cached": limit });
            run
        };
        let mut runs = vec![with_limit(2.0, 100.0); 6];
        runs.extend(vec![with_limit(3.0, 70.0); 6]);
        let known = baseline(&runs).unwrap();
        let alarms = |run: Value| judge(&known, &[run]).unwrap().iter().filter(|j| j.regressed()).count();
        assert_eq!(
            (alarms(with_limit(3.0, 70.0)), alarms(with_limit(2.0, 98.0)), alarms(with_limit(2.4, 98.0))),
            (0, 0, 1)
        );
        assert_eq!(judge(&known, &[with_limit(3.0, 70.0)]).unwrap().len(), 1, "the query stays");
        assert!(disturbed(&known, &with_limit(3.0, 70.0)) && !disturbed(&known, &with_limit(3.0, 95.0)));
    }

    #[test]
    fn a_baseline_is_named_after_its_class() {
        let machine = json!({ "machine": { "cpu": "AMD EPYC (Milan) family 25, model 1", "cores": 2 } });
        assert_eq!(file_name(&machine).unwrap(), "amd-epyc-milan-family-25-model-1-2-cores.json");
        assert!(file_name(&json!({})).is_err());
    }

    #[test]
    fn one_disturbed_run_does_not_blind_the_baseline() {
        let runs: Vec<_> = (0..10).map(|n| run(if n == 3 { 9.0 } else { 2.0 + 0.001 * f64::from(n) }, 1.0)).collect();
        let known = baseline(&runs).unwrap();
        let alarms = |kernel: f64| judge(&known, &[run(kernel, 1.0)]).unwrap().iter().filter(|j| j.regressed()).count();
        assert_eq!((alarms(2.2), alarms(2.4)), (0, 1));
    }

    #[test]
    fn scales_are_told_apart() {
        let mut small = run(2.0, 5.0);
        small["scale"] = json!(0.1);
        assert_eq!(figures(&small).keys().last().unwrap(), "ssb x 0.1 Q1 in turn, of DuckDB");
        assert!(regressed(&[small]).is_empty());
    }

    #[test]
    fn the_best_of_several_runs_counts() {
        assert!(regressed(&[run(3.0, 1.0), run(2.0, 3.0)]).is_empty());
        assert_eq!(regressed(&[run(3.0, 1.0), run(2.4, 1.0)]).len(), 1);
    }

    #[test]
    fn other_machines_and_thin_baselines_are_refused() {
        let mut other = run(2.0, 1.0);
        other["machine"]["cores"] = json!(8);
        assert!(judge(&steady(), &[other.clone()]).unwrap_err().to_string().contains("make a baseline"));
        assert!(baseline(&[run(2.0, 1.0)]).is_err());
        assert!(baseline(&[run(2.0, 1.0), run(2.0, 1.0), run(2.0, 1.0), run(2.0, 1.0), other]).is_err());
        assert!(judge(&steady(), &[json!({ "machine": { "cpu": "x", "cores": 2 } })]).is_err());
    }
}
