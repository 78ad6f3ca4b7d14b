//! What a push goes into: the table that is there, or one that is made for it.

use super::client::{Client, encode};
use super::ingest::IngestArgs;
use anyhow::{Context, Result, bail};
use cluster_ingest::{Cancel, InferOptions, OnProgress, Source, infer_schema};
use cluster_types::{Schema, TableConfig, TableName, TableType};
use serde_json::{Value, json};
use std::fs;

/// A table, there or to be made.
#[derive(Debug)]
pub struct TablePlan {
    /// Without type.
    pub raw_name: String,
    pub schema: Schema,
    pub config: TableConfig,
    pub exists: bool,
    /// The documents differ from those that are there.
    pub changed: bool,
    /// The schema was made by looking at the files.
    pub inferred: bool,
}

impl TablePlan {
    /// Asks the controller what is there and fills in what is missing.
    pub fn make(
        args: &IngestArgs,
        controller: &Client,
        sources: &[Source],
        on_progress: &OnProgress<'_>,
        cancel: &Cancel,
    ) -> Result<TablePlan> {
        let name = TableName::parse(&args.table)?;
        if name.table_type() == Some(TableType::Realtime) {
            bail!("table `{}` would consume a stream; files are pushed into OFFLINE tables", args.table);
        }
        let raw_name = name.raw();
        let given_schema = read_document(args.schema.as_deref(), Schema::from_json)?;
        let given_config = read_document(args.table_config.as_deref(), TableConfig::from_json)?;
        let changed = given_schema.is_some() || given_config.is_some();
        let found = controller.get(&format!("/tableConfigs/{}", encode(&raw_name)))?;
        if found.status == 404 {
            let known = given_schema.map_or_else(|| known_schema(controller, &raw_name), |schema| Ok(Some(schema)))?;
            let inferred = known.is_none();
            let schema = match known {
                Some(schema) => schema,
                None => infer(args, &raw_name, sources, on_progress, cancel)?,
            };
            if schema.name() != raw_name {
                bail!(
                    "the schema is called `{}`, and a table's schema has the table's name, `{raw_name}`",
                    schema.name()
                );
            }
            let config = given_config.unwrap_or_else(|| default_config(&name, &schema, args));
            check_name(&config, &raw_name)?;
            config.validate(&schema)?;
            return Ok(TablePlan { raw_name, schema, config, exists: false, changed: true, inferred });
        }
        let documents = found.success()?;
        let schema = given_schema.map_or_else(|| Schema::from_json(&documents["schema"].to_string()), Ok)?;
        let config = given_config.map_or_else(|| TableConfig::from_json(&documents["offline"].to_string()), Ok)?;
        check_name(&config, &raw_name)?;
        config.validate(&schema)?;
        Ok(TablePlan { raw_name, schema, config, exists: true, changed, inferred: false })
    }

    /// Makes the table, or changes it, where that is needed.
    pub fn apply(&self, controller: &Client) -> Result<()> {
        if !self.changed {
            return Ok(());
        }
        let schema: Value = serde_json::from_str(&self.schema.to_json()).context("write the schema")?;
        let config: Value = serde_json::from_str(&self.config.to_json()).context("write the table config")?;
        let body = json!({"tableName": self.raw_name, "schema": schema, "offline": config});
        let sent = if self.exists {
            controller.put(&format!("/tableConfigs/{}", encode(&self.raw_name)), &body)
        } else {
            controller.post("/tableConfigs", &body)
        };
        sent?
            .success()
            .with_context(|| format!("{} table `{}`", if self.exists { "change" } else { "make" }, self.raw_name))?;
        Ok(())
    }

    /// Takes back a table that this run made and could not fill.
    pub fn take_back(&self, controller: &Client) -> Result<()> {
        if !self.exists {
            controller.delete(&format!("/tables/{}?type=OFFLINE&retention=0d", encode(&self.raw_name)))?.success()?;
            controller.delete(&format!("/schemas/{}", encode(&self.raw_name)))?.success()?;
        }
        Ok(())
    }

    /// Lines that show the columns, for a reader.
    pub fn describe(&self) -> String {
        let width = self.schema.columns().iter().map(|c| c.name.chars().count()).max().unwrap_or(0);
        let line = |column: &cluster_types::FieldSpec| {
            let array = if column.multi_value { "_ARRAY" } else { "" };
            format!("  {:width$}  {}{array}", column.name, column.data_type.pinot_name())
        };
        let lines: Vec<String> = self.schema.columns().iter().map(line).collect();
        lines.join("\n")
    }
}

fn read_document<T>(path: Option<&std::path::Path>, parse: fn(&str) -> cluster_types::Result<T>) -> Result<Option<T>> {
    let Some(path) = path else { return Ok(None) };
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    parse(&text).map(Some).with_context(|| path.display().to_string())
}

/// A schema of the table's name may be there before the table is.
fn known_schema(controller: &Client, raw_name: &str) -> Result<Option<Schema>> {
    let found = controller.get(&format!("/schemas/{}", encode(raw_name)))?;
    if found.status == 404 {
        return Ok(None);
    }
    Ok(Some(Schema::from_json(&found.success()?.to_string())?))
}

fn infer(
    args: &IngestArgs,
    raw_name: &str,
    sources: &[Source],
    on_progress: &OnProgress<'_>,
    cancel: &Cancel,
) -> Result<Schema> {
    let options = InferOptions {
        read: args.read_options(),
        time_column: args.time_column.clone(),
        skip_bad_rows: args.on_error()?.is_some(),
    };
    Ok(infer_schema(raw_name, sources, &options, on_progress, cancel)?)
}

/// Standard nulls, the time column and the sort order that were asked for; the rest is Pinot's default.
fn default_config(name: &TableName, schema: &Schema, args: &IngestArgs) -> TableConfig {
    let mut config = TableConfig::new(name, TableType::Offline);
    config.table_index_config.null_handling_enabled = Some(true);
    config.table_index_config.sorted_column = args.sort.clone();
    config.segments_config.time_column_name = args.time_column.clone().filter(|column| schema.column(column).is_some());
    config
}

fn check_name(config: &TableConfig, raw_name: &str) -> Result<()> {
    let said = config.name()?;
    if said.raw() != raw_name {
        bail!("the table config is of table `{said}`, not of `{raw_name}`");
    }
    if said.table_type() != Some(TableType::Offline) {
        bail!("the table config is of a {} table; files are pushed into OFFLINE tables", config.table_type);
    }
    Ok(())
}
