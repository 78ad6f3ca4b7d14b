//! Builds segments from files and says how fast: `build_segments FILE... [--sort a,b] [--inverted a,b] [--out DIR]
//! [--rows-per-segment N] [--threads N] [--memory-mb N] [--time-column c] [--null-token NA] [--check] [--verify]`.
//!
//! `--check` builds a second time with another number of threads and a small memory and compares digests; `--verify` reads
//! every region and page of the result.

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use cluster_ingest::{Cancel, InferOptions, IngestJob, IngestOptions, Phase, Progress, Source, infer_schema};
use cluster_types::{TableConfig, TableName, TableType};

struct Args {
    files: Vec<PathBuf>,
    sort: Vec<String>,
    inverted: Vec<String>,
    out: Option<PathBuf>,
    rows_per_segment: Option<u64>,
    threads: usize,
    memory_mb: u64,
    time_column: Option<String>,
    null_tokens: Vec<String>,
    check: bool,
    verify: bool,
}

fn args() -> Result<Args, Box<dyn Error>> {
    let mut a = Args {
        files: Vec::new(),
        sort: Vec::new(),
        inverted: Vec::new(),
        out: None,
        rows_per_segment: None,
        threads: 1,
        memory_mb: 512,
        time_column: None,
        null_tokens: Vec::new(),
        check: false,
        verify: false,
    };
    let mut it = std::env::args().skip(1);
    while let Some(arg) = it.next() {
        let mut value = || it.next().ok_or_else(|| format!("{arg} needs a value"));
        let list = |v: String| v.split(',').map(str::to_owned).collect::<Vec<_>>();
        match arg.as_str() {
            "--sort" => a.sort = list(value()?),
            "--inverted" => a.inverted = list(value()?),
            "--out" => a.out = Some(value()?.into()),
            "--rows-per-segment" => a.rows_per_segment = Some(value()?.parse()?),
            "--threads" => a.threads = value()?.parse()?,
            "--memory-mb" => a.memory_mb = value()?.parse()?,
            "--time-column" => a.time_column = Some(value()?),
            "--null-token" => a.null_tokens.push(value()?),
            "--check" => a.check = true,
            "--verify" => a.verify = true,
            _ => a.files.push(arg.into()),
        }
    }
    if a.files.is_empty() { Err("give a file".into()) } else { Ok(a) }
}

fn main() -> Result<(), Box<dyn Error>> {
    let a = args()?;
    let sources = a.files.iter().map(Source::from_path).collect::<Result<Vec<_>, _>>()?;
    let cancel = Cancel::new();
    let start = Instant::now();
    let mut infer = InferOptions { time_column: a.time_column.clone(), ..InferOptions::default() };
    infer.read.null_tokens.clone_from(&a.null_tokens);
    let schema = infer_schema("t", &sources, &infer, &|_| {}, &cancel)?;
    let inferred = start.elapsed();
    for column in schema.columns() {
        println!("  {} {}{}", column.name, column.data_type, if column.multi_value { "[]" } else { "" });
    }
    println!("schema of {} columns inferred in {:.2} s", schema.columns().len(), inferred.as_secs_f64());

    let temporary = tempfile::tempdir()?;
    let out = a.out.clone().unwrap_or_else(|| temporary.path().join("out"));
    let mut table_config = TableConfig::new(&TableName::parse("t")?, TableType::Offline);
    table_config.table_index_config.inverted_index_columns.clone_from(&a.inverted);
    table_config.segments_config.time_column_name.clone_from(&a.time_column);
    let mut options = IngestOptions::new("t", out, temporary.path().join("work"));
    options.sort.clone_from(&a.sort);
    options.rows_per_segment = a.rows_per_segment;
    options.threads = a.threads;
    options.memory_bytes = a.memory_mb << 20;
    options.read.null_tokens.clone_from(&a.null_tokens);
    let mut job = IngestJob { sources, schema, table_config, options };

    let start = Instant::now();
    let build_began = std::sync::OnceLock::new();
    let report = job.run(
        &|p: &Progress| {
            if p.phase == Phase::Build {
                build_began.get_or_init(|| start.elapsed());
            }
        },
        &cancel,
    )?;
    let took = start.elapsed();
    for s in &report.segments {
        println!("  {} rows {} bytes {} time {:?}..{:?}", s.name, s.rows, s.bytes, s.min_time, s.max_time);
    }
    let bytes: u64 = report.segments.iter().map(|s| s.bytes).sum();
    let rows = report.rows.max(1) as f64;
    println!(
        "{} rows in {:.2} s (read {:.2} s): {:.0} rows/s, {:.1} bytes/row (input {:.1})",
        report.rows,
        took.as_secs_f64(),
        build_began.get().map_or(0.0, |d| d.as_secs_f64()),
        rows / took.as_secs_f64(),
        bytes as f64 / rows,
        report.input_bytes as f64 / rows
    );
    if a.verify {
        for s in &report.segments {
            verify(&s.path)?;
        }
        println!("verified");
    }
    if a.check {
        job.options.out_dir = temporary.path().join("again");
        job.options.threads = 3;
        job.options.memory_bytes = 32 << 20;
        let again = job.run(&|_| {}, &cancel)?;
        let digests = |r: &cluster_ingest::IngestReport| r.segments.iter().map(|s| s.digest).collect::<Vec<_>>();
        if digests(&report) != digests(&again) {
            return Err("digests differ between memory sizes and threads".into());
        }
        println!("same digests with 3 threads and 32 MiB");
    }
    Ok(())
}

fn verify(path: &std::path::Path) -> Result<(), Box<dyn Error>> {
    use std::os::unix::fs::FileExt;
    let file = std::fs::File::open(path)?;
    let length = file.metadata()?.len();
    segfmt::verify::verify_segment(
        |offset, len| {
            let mut bytes = vec![0; len];
            file.read_exact_at(&mut bytes, offset)?;
            Ok(bytes)
        },
        length,
    )?;
    Ok(())
}
