//! `gamay segment`: segment files without a node.

use super::sql::grouped;
use super::table_print::{self, Rows};
use crate::controller::push;
use crate::segment_value;
use anyhow::{Context, Result, bail};
use cluster_ingest::{Cancel, InferOptions, IngestJob, IngestOptions, ReadOptions, Source, infer_schema};
use cluster_types::{Schema, TableConfig, TableName, TableType, hex};
use segfmt::{RegionKind, RowSet};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Build, look into and check segment files
#[derive(Debug, clap::Args)]
pub struct SegmentArgs {
    #[command(subcommand)]
    command: SegmentCommand,
}

#[derive(Debug, clap::Subcommand)]
enum SegmentCommand {
    /// Build segment files from files of rows
    Build(BuildArgs),
    /// Show what a segment file holds
    Inspect(InspectArgs),
    /// Read every byte of segment files and check it; exit code 1 if one is damaged
    Verify(VerifyArgs),
}

#[derive(Debug, clap::Args)]
struct BuildArgs {
    /// Files of rows
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The table that the segments are for
    #[arg(long, short = 't')]
    table: String,
    /// Folder for the segment files; made when it is missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Schema (Pinot's JSON) instead of one made from the files
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// Table config (Pinot's JSON)
    #[arg(long, value_name = "FILE")]
    table_config: Option<PathBuf>,
    /// Columns to sort the rows by
    #[arg(long, value_delimiter = ',', value_name = "COLUMN,...")]
    sort: Vec<String>,
    /// A text that means NULL in CSV, beside the empty cell; may be repeated
    #[arg(long, value_name = "TEXT")]
    null_token: Vec<String>,
    /// Rows of a segment
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..4_294_967_295))]
    rows_per_segment: Option<u64>,
    /// Print the outcome as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct InspectArgs {
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct VerifyArgs {
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: SegmentArgs) -> Result<()> {
    match args.command {
        SegmentCommand::Build(args) => build(args),
        SegmentCommand::Inspect(args) => inspect(args),
        SegmentCommand::Verify(args) => verify(args),
    }
}

fn build(args: BuildArgs) -> Result<()> {
    let name = TableName::parse(&args.table)?;
    let raw = name.raw();
    let sources = args.files.iter().map(Source::from_path).collect::<Result<Vec<_>, _>>()?;
    let read = ReadOptions { null_tokens: args.null_token.clone(), ..ReadOptions::default() };
    let read_text = |path: &Path| fs::read_to_string(path).with_context(|| format!("read {}", path.display()));
    let schema = match &args.schema {
        Some(path) => Schema::from_json(&read_text(path)?).with_context(|| path.display().to_string())?,
        None => {
            let options = InferOptions { read: read.clone(), time_column: None, skip_bad_rows: false };
            infer_schema(&raw, &sources, &options, &|_| {}, &Cancel::new())?
        }
    };
    let config = match &args.table_config {
        Some(path) => TableConfig::from_json(&read_text(path)?).with_context(|| path.display().to_string())?,
        None => TableConfig::new(&name, TableType::Offline),
    };
    config.validate(&schema)?;
    let spill = tempfile::Builder::new().prefix("gamay-segment-").tempdir().context("make a temporary folder")?;
    let mut options = IngestOptions::new(&raw, &args.out, spill.path());
    options.sort = args.sort;
    options.rows_per_segment = args.rows_per_segment;
    options.threads = std::thread::available_parallelism().map_or(1, usize::from);
    options.read = read;
    let report = IngestJob { sources, schema, table_config: config, options }.run(&|_| {}, &Cancel::new())?;
    if report.segments.is_empty() {
        bail!("the files hold no rows");
    }
    if args.json {
        let segments = report.segments.iter().map(|segment| {
            json!({"name": segment.name, "path": segment.path, "rows": segment.rows, "bytes": segment.bytes, "digest": hex::encode(&segment.digest)})
        });
        println!("{}", serde_json::to_string_pretty(&segments.collect::<Vec<_>>())?);
    } else {
        for segment in &report.segments {
            println!("{}  {} rows  {} bytes", segment.path.display(), grouped(segment.rows), grouped(segment.bytes));
        }
    }
    Ok(())
}

fn inspect(args: InspectArgs) -> Result<()> {
    let name = args.file.display().to_string();
    let (segment, bytes) = push::open(&args.file, &name)?;
    let info = segment.info();
    let columns = segment.columns().iter().map(describe).collect::<segfmt::Result<Vec<_>>>()?;
    if args.json {
        let shown = json!({
            "name": info.name,
            "table": info.table,
            "rows": segment.rows(),
            "bytes": bytes,
            "blocks": segment.blocks(),
            "edition": segment.edition(),
            "digest": hex::encode(&segment.digest()),
            "sortColumns": info.sort_columns,
            "timeColumn": info.time_column,
            "identity": {
                "clusterId": hex::encode(&info.identity.cluster_id),
                "tableIncarnation": info.identity.table_incarnation,
                "ordinal": info.identity.ordinal,
                "generation": info.identity.generation,
                "schemaVersion": info.identity.schema_version,
                "indexVersion": info.identity.index_version,
            },
            "columns": columns.iter().map(|(row, indexes)| json!({
                "name": row[0], "type": row[1], "cardinality": row[2], "encodedBytes": row[3], "nullRows": row[4],
                "min": row[5], "max": row[6], "indexes": indexes,
            })).collect::<Vec<_>>(),
        });
        println!("{}", serde_json::to_string_pretty(&shown)?);
        return Ok(());
    }
    println!("segment {} of table {}", info.name, info.table);
    println!(
        "{} rows in {} blocks, {} bytes, edition {}",
        grouped(segment.rows()),
        segment.blocks(),
        grouped(bytes),
        segment.edition()
    );
    println!("digest {}", hex::encode(&segment.digest()));
    if !info.sort_columns.is_empty() {
        println!("sorted by {}", info.sort_columns.join(", "));
    }
    println!();
    let names = ["column", "type", "cardinality", "bytes", "nulls", "min", "max", "indexes"].map(str::to_owned);
    let types = ["STRING", "STRING", "LONG", "LONG", "LONG", "STRING", "STRING", "STRING"].map(str::to_owned);
    let rows: Vec<Vec<Value>> = columns
        .into_iter()
        .map(|(mut row, indexes)| {
            row.push(Value::String(indexes.join(" ")));
            row
        })
        .collect();
    table_print::table(Rows { names: &names, types: &types, rows: &rows }, &mut io::stdout().lock())?;
    Ok(())
}

/// Name, type, cardinality, bytes, nulls, min, max; and the kinds of its indexes.
fn describe(column: &segfmt::Column) -> segfmt::Result<(Vec<Value>, Vec<&'static str>)> {
    let array = if column.multi_value() { "_ARRAY" } else { "" };
    let bound = |value: Option<segfmt::Value>| {
        value.map_or(Value::Null, |value| Value::String(shorten(&segment_value::text(&value))))
    };
    let row = vec![
        Value::String(column.name().to_owned()),
        Value::String(format!("{}{array}", column.data_type().pinot_name())),
        column.cardinality().map_or(Value::Null, Value::from),
        Value::from(column.encoded_bytes()),
        Value::from(column.null_rows()),
        bound(column.min(RowSet::NonNull)?),
        bound(column.max(RowSet::NonNull)?),
    ];
    let kinds = [
        (column.has_dictionary(), "dictionary"),
        (column.is_sorted(), "sorted"),
        (column.region(RegionKind::Inverted).is_some(), "inverted"),
        (column.region(RegionKind::Range).is_some(), "range"),
        (column.region(RegionKind::Bloom).is_some(), "bloom"),
    ];
    Ok((row, kinds.into_iter().filter(|(there, _)| *there).map(|(_, kind)| kind).collect()))
}

fn shorten(text: &str) -> String {
    const SHOWN: usize = 24;
    match text.char_indices().nth(SHOWN) {
        Some((cut, _)) => format!("{}...", &text[..cut]),
        None => text.to_owned(),
    }
}

fn verify(args: VerifyArgs) -> Result<()> {
    let checked: Vec<(&PathBuf, Result<segfmt::verify::Report>)> =
        args.files.iter().map(|path| (path, verify_file(path))).collect();
    if args.json {
        let shown = checked.iter().map(|(path, report)| match report {
            Ok(report) => json!({"path": path, "intact": true, "rows": report.rows, "bytes": report.bytes, "digest": hex::encode(&report.digest)}),
            Err(error) => json!({"path": path, "intact": false, "error": format!("{error:#}")}),
        });
        println!("{}", serde_json::to_string_pretty(&shown.collect::<Vec<_>>())?);
    } else {
        for (path, report) in &checked {
            match report {
                Ok(report) => println!(
                    "{}: intact ({} rows, {} pages, {} bytes)",
                    path.display(),
                    grouped(report.rows),
                    grouped(report.pages),
                    grouped(report.bytes)
                ),
                Err(error) => println!("{}: damaged: {error:#}", path.display()),
            }
        }
    }
    let damaged = checked.iter().filter(|(_, report)| report.is_err()).count();
    if damaged == 0 { Ok(()) } else { bail!("{damaged} of {} segment files are damaged", checked.len()) }
}

fn verify_file(path: &Path) -> Result<segfmt::verify::Report> {
    let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    let bytes = file.metadata().with_context(|| format!("read the size of {}", path.display()))?.len();
    let read_at = |offset: u64, len: usize| push::read_exact_at(&file, offset, len);
    Ok(segfmt::verify::verify_segment(read_at, bytes)?)
}
