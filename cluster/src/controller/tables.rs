//! Tables: made, changed and dropped.

use super::retention::retention_ms;
use super::{Controller, Error, Result};
use cluster_catalog::command::{CreateTable, DropSegments, DropTable, SetTableState, UpdateTable};
use cluster_catalog::{Body, Outcome, State, Table};
use cluster_types::{Schema, TableConfig, TableName, TableType, did_you_mean};
use std::sync::Arc;

/// How long the files of a dropped table or segment are kept, as Pinot does, where the table config says nothing.
const DROP_WINDOW_MS: u64 = 7 * 24 * 3600 * 1000;

/// How long the files of a replaced segment are kept: longer than the longest query may read them.
pub const REPLACE_WINDOW_MS: u64 = 15 * 60 * 1000;

/// A config that has been checked against its schema.
#[derive(Debug)]
pub struct CheckedTable {
    pub config: TableConfig,
    pub name: TableName,
    pub schema: String,
    /// What is kept and not acted on, for the reader of the answer.
    pub unrecognized: Vec<(String, Option<&'static str>)>,
}

impl Controller {
    /// The tables that a name means: with type at most one, without the offline and the realtime one.
    pub fn tables_named(&self, name: &str, table_type: Option<TableType>) -> Result<Vec<Arc<Table>>> {
        let state = self.state();
        let parsed = TableName::parse(name)?;
        if let (Some(asked), Some(said)) = (table_type, parsed.table_type())
            && asked != said
        {
            return Err(Error::Invalid(format!("type {asked} does not fit table `{name}`")));
        }
        let found: Vec<_> = state
            .resolve(name)
            .into_iter()
            .filter(|table| table_type.is_none_or(|wanted| table.table_type() == wanted))
            .cloned()
            .collect();
        if found.is_empty() { Err(no_table(&state, name)) } else { Ok(found) }
    }

    /// The one table that a name means.
    pub fn table_named(&self, name: &str, table_type: Option<TableType>) -> Result<Arc<Table>> {
        let mut found = self.tables_named(name, table_type)?;
        if found.len() > 1 {
            return Err(Error::Invalid(format!(
                "table `{name}` has an offline and a realtime half; say which with type="
            )));
        }
        Ok(found.remove(0))
    }

    /// The schema of a table.
    pub fn schema_of(&self, table: &Table) -> Result<Schema> {
        Ok(self.schema(&table.schema)?.schema().map_err(Clone::clone)?.clone())
    }

    /// Checks a table config against `schema`, or against the schema in the catalog that it names.
    pub fn check_table(&self, config: TableConfig, schema: Option<&Schema>) -> Result<CheckedTable> {
        let name = config.name()?;
        if name.table_type() == Some(TableType::Realtime) {
            return Err(Error::Unsupported(format!(
                "table `{name}`: this version does not consume streams yet; make an OFFLINE table and push segments"
            )));
        }
        let schema_name = match schema {
            Some(schema) => schema.name().to_owned(),
            None => config.schema_name()?,
        };
        let stored;
        let schema = match schema {
            Some(schema) => schema,
            None => {
                stored = self.schema(&schema_name)?.schema().map_err(Clone::clone)?.clone();
                &stored
            }
        };
        config.validate(schema)?;
        if let Some(column) = &config.segments_config.time_column_name {
            schema.require("segmentsConfig.timeColumnName", column)?;
        }
        retention_ms(&config)?;
        let unrecognized = config.unrecognized_properties();
        Ok(CheckedTable { config, name, schema: schema_name, unrecognized })
    }

    pub fn create_table(&self, table: &CheckedTable) -> Result<()> {
        let name = table.name.to_string();
        if self.state().table_by_name(&name).is_some() {
            return Err(Error::Exists { what: "table", name, advice: "; PUT it to change it" });
        }
        let document = table.config.to_json();
        self.propose(Body::CreateTable(CreateTable { name, schema: table.schema.clone(), document }))?;
        Ok(())
    }

    pub fn update_table(&self, table: &CheckedTable) -> Result<()> {
        let existing = self.table_named(&table.name.to_string(), None)?;
        if existing.schema != table.schema {
            return Err(Error::Invalid(format!(
                "table `{}` has schema `{}`, which cannot become `{}`",
                table.name, existing.schema, table.schema
            )));
        }
        let document = table.config.to_json();
        self.propose(Body::UpdateTable(UpdateTable { table: existing.incarnation, document, if_version: None }))?;
        Ok(())
    }

    /// Drops a table with its segments. `retention` (`7d`, `0d`) says how long the files are kept.
    pub fn drop_table(&self, table: &Table, retention: Option<&str>) -> Result<()> {
        let window_ms = self.window(table, retention)?;
        self.propose(Body::DropTable(DropTable { table: table.incarnation, window_ms }))?;
        Ok(())
    }

    pub fn set_table_state(&self, table: &Table, enabled: bool) -> Result<()> {
        self.propose(Body::SetTableState(SetTableState { table: table.incarnation, enabled }))?;
        Ok(())
    }

    /// Drops segments by name, or all. Returns how many.
    pub fn drop_segments(&self, table: &Table, names: Option<Vec<String>>, retention: Option<&str>) -> Result<u64> {
        let window_ms = self.window(table, retention)?;
        match self.propose(Body::DropSegments(DropSegments { table: table.incarnation, names, window_ms }))? {
            Outcome::Dropped { segments, .. } => Ok(segments),
            _ => Ok(0),
        }
    }

    pub(super) fn window(&self, table: &Table, retention: Option<&str>) -> Result<u64> {
        let configured = table.config().ok().and_then(|c| c.segments_config.deleted_segments_retention_period.clone());
        match retention.map(str::to_owned).or(configured) {
            None => Ok(DROP_WINDOW_MS),
            Some(text) => parse_period(&text).ok_or_else(|| {
                Error::Invalid(format!("retention `{text}` is not a period such as 7d, 12h, 30m or 0d"))
            }),
        }
    }
}

/// An error that names the table that was probably meant.
pub fn no_table(state: &State, name: &str) -> Error {
    let names: Vec<String> = state.tables().map(|table| table.raw_name()).collect();
    let raw = TableName::parse(name).map_or_else(|_| name.to_owned(), |name| name.raw());
    Error::not_found("table", name, did_you_mean(&raw, names.iter().map(String::as_str)))
}

/// `7d`, `1d12h`, `-1d` (Pinot's way to say: at once), in milliseconds.
fn parse_period(text: &str) -> Option<u64> {
    let text = text.trim();
    if let Some(length) = text.strip_prefix('-') {
        return parse_period(length).map(|_| 0);
    }
    let (mut total, mut digits) = (0u64, String::new());
    for c in text.chars() {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        let unit = match c.to_ascii_lowercase() {
            'd' => 24 * 3600 * 1000,
            'h' => 3600 * 1000,
            'm' => 60 * 1000,
            's' => 1000,
            _ => return None,
        };
        total = total.checked_add(digits.parse::<u64>().ok()?.checked_mul(unit)?)?;
        digits.clear();
    }
    (digits.is_empty() && !text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods() {
        assert_eq!(parse_period("0d"), Some(0));
        assert_eq!(parse_period("1d12h"), Some(36 * 3600 * 1000));
        assert_eq!(parse_period("-1d"), Some(0));
        for bad in ["", "7", "d", "7w", "1d2", "99999999999999999999d"] {
            assert_eq!(parse_period(bad), None, "{bad}");
        }
    }
}
