//! `gamay tables` and `gamay health`: what a node has and whether it serves.

use super::client::{self, Client, encode};
use super::sql::grouped;
use super::table_print::{self, Rows};
use anyhow::{Result, bail};
use serde_json::{Value, json};
use std::io;

/// List tables with their rows, segments and bytes
#[derive(Debug, clap::Args)]
pub struct TablesArgs {
    /// Address of the controller; GAMAY_CONTROLLER sets the default
    #[arg(long, default_value_t = client::controller_address())]
    controller: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn tables(args: TablesArgs) -> Result<()> {
    let controller = Client::controller(&args.controller)?;
    let names = controller.get("/tables")?.success()?;
    let mut found = Vec::new();
    for name in names["tables"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        found.push(controller.get(&format!("/tables/{}/metadata", encode(name)))?.success()?);
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
        return Ok(());
    }
    let number = |table: &Value, key: &str| Value::String(grouped(table[key].as_u64().unwrap_or(0)));
    let row = |table: &Value| {
        vec![
            table["tableName"].clone(),
            number(table, "numRows"),
            number(table, "numSegments"),
            number(table, "diskSizeInBytes"),
        ]
    };
    let rows: Vec<Vec<Value>> = found.iter().map(row).collect();
    let names = ["table", "rows", "segments", "bytes"].map(str::to_owned);
    let types = ["STRING", "LONG", "LONG", "LONG"].map(str::to_owned);
    table_print::table(Rows { names: &names, types: &types, rows: &rows }, &mut io::stdout().lock())?;
    Ok(())
}

/// Say whether a node serves; exit code 1 if it does not
#[derive(Debug, clap::Args)]
pub struct HealthArgs {
    /// Address of the controller; GAMAY_CONTROLLER sets the default
    #[arg(long, default_value_t = client::controller_address())]
    controller: String,
    /// Address of the broker; GAMAY_BROKER sets the default
    #[arg(long, default_value_t = client::broker_address())]
    broker: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn health(args: HealthArgs) -> Result<()> {
    let clients = [("controller", Client::controller(&args.controller)?), ("broker", Client::broker(&args.broker)?)];
    let mut lines = Vec::new();
    for (role, client) in &clients {
        let said = client.get("/health/readiness").and_then(|answer| answer.success());
        let (healthy, text) = match said {
            Ok(text) => (true, text.as_str().unwrap_or("OK").to_owned()),
            Err(error) => (false, format!("{error:#}")),
        };
        lines.push((role, client.base(), healthy, text));
    }
    if args.json {
        let roles = lines
            .iter()
            .map(|(role, url, healthy, text)| json!({"role": role, "url": url, "healthy": healthy, "message": text}));
        println!("{}", serde_json::to_string_pretty(&roles.collect::<Vec<_>>())?);
    } else {
        lines.iter().for_each(|(role, url, _, text)| println!("{role} {url}: {text}"));
    }
    if lines.iter().all(|(_, _, healthy, _)| *healthy) { Ok(()) } else { bail!("the node does not serve") }
}
