//! Table names: `t`, `t_OFFLINE`, `t_REALTIME`, each with an optional database before a dot.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Where a table's segments come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TableType {
    /// Pushed in whole segments.
    Offline,
    /// Consumed from a stream.
    Realtime,
}

impl TableType {
    pub fn name(self) -> &'static str {
        match self {
            TableType::Offline => "OFFLINE",
            TableType::Realtime => "REALTIME",
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            TableType::Offline => "_OFFLINE",
            TableType::Realtime => "_REALTIME",
        }
    }
}

impl fmt::Display for TableType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for TableType {
    type Err = Error;

    /// Pinot's REST parameters take any case.
    fn from_str(text: &str) -> Result<TableType> {
        match text.to_ascii_uppercase().as_str() {
            "OFFLINE" => Ok(TableType::Offline),
            "REALTIME" => Ok(TableType::Realtime),
            _ => Err(Error::invalid("tableType", format!("`{text}` is neither OFFLINE nor REALTIME"))),
        }
    }
}

/// A table's name taken apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    database: Option<String>,
    raw: String,
    table_type: Option<TableType>,
}

/// The database of a name without one.
pub const DEFAULT_DATABASE: &str = "default";

/// The longest name, in bytes.
pub const NAME_BYTES_MAX: usize = 255;

impl TableName {
    /// Takes `t`, `t_OFFLINE`, `t_REALTIME`, `db.t`, `db.t_OFFLINE` apart. `default.t` is `t`.
    pub fn parse(name: &str) -> Result<TableName> {
        let refuse = |reason: &str| Err(Error::TableName { name: abbreviate(name), reason: reason.to_owned() });
        if name.is_empty() {
            return refuse("it is empty");
        }
        if name.len() > NAME_BYTES_MAX {
            return refuse("it is longer than 255 bytes");
        }
        let (database, rest) = match name.split_once('.') {
            Some((database, rest)) => (Some(database), rest),
            None => (None, name),
        };
        let (raw, table_type) = [TableType::Offline, TableType::Realtime]
            .into_iter()
            .find_map(|t| rest.strip_suffix(t.suffix()).map(|raw| (raw, Some(t))))
            .unwrap_or((rest, None));
        if raw.is_empty() || database == Some("") {
            return refuse("a part of it is empty");
        }
        let allowed = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '$');
        if let Some(bad) = raw.chars().chain(database.unwrap_or("").chars()).find(|c| !allowed(*c)) {
            return refuse(&format!(
                "it holds {bad:?}, and only letters, digits, `_`, `-`, `$` and one `.` behind a database are allowed"
            ));
        }
        Ok(TableName {
            database: database.filter(|d| *d != DEFAULT_DATABASE).map(str::to_owned),
            raw: raw.to_owned(),
            table_type,
        })
    }

    /// The same name in `database`, where it does not say one itself.
    pub fn in_database(mut self, database: &str) -> Result<TableName> {
        if self.database.is_none() && !database.is_empty() && database != DEFAULT_DATABASE {
            let name = TableName::parse(&format!("{database}.{}", self.raw))?;
            self.database = name.database;
        }
        Ok(self)
    }

    pub fn with_type(&self, table_type: TableType) -> TableName {
        TableName { table_type: Some(table_type), ..self.clone() }
    }

    pub fn database(&self) -> &str {
        self.database.as_deref().unwrap_or(DEFAULT_DATABASE)
    }

    /// The type that the name says, if it says one.
    pub fn table_type(&self) -> Option<TableType> {
        self.table_type
    }

    /// Without type, with the database where it is not the default one: what a schema and a query call the table.
    pub fn raw(&self) -> String {
        match &self.database {
            Some(database) => format!("{database}.{}", self.raw),
            None => self.raw.clone(),
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(database) = &self.database {
            write!(f, "{database}.")?;
        }
        f.write_str(&self.raw)?;
        self.table_type.map_or(Ok(()), |t| f.write_str(t.suffix()))
    }
}

impl FromStr for TableName {
    type Err = Error;

    fn from_str(name: &str) -> Result<TableName> {
        TableName::parse(name)
    }
}

/// The start of a text that may be very long, for an error message.
pub(crate) fn abbreviate(text: &str) -> String {
    const SHOWN: usize = 80;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_name() {
        let check = |name: &str, database: &str, raw: &str, table_type: Option<TableType>| {
            let parsed = TableName::parse(name).unwrap();
            assert_eq!((parsed.database(), parsed.raw().as_str(), parsed.table_type()), (database, raw, table_type));
            assert_eq!(TableName::parse(&parsed.to_string()), Ok(parsed));
        };
        check("flights", "default", "flights", None);
        check("flights_OFFLINE", "default", "flights", Some(TableType::Offline));
        check("air.flights_REALTIME", "air", "air.flights", Some(TableType::Realtime));
        check("default.flights", "default", "flights", None);
        check("a_OFFLINE_REALTIME", "default", "a_OFFLINE", Some(TableType::Realtime));
        check("größe-1$", "default", "größe-1$", None);
    }

    #[test]
    fn refused_names() {
        for bad in ["", "_OFFLINE", ".t", "db.", "a.b.c", "a b", "a/b", "../x", "a\0", "a\"b", &"x".repeat(256)] {
            assert!(TableName::parse(bad).is_err(), "{bad:?}");
        }
        let error = TableName::parse("a/b").unwrap_err().to_string();
        assert!(error.contains("`a/b`") && error.contains("'/'"), "{error}");
    }

    #[test]
    fn the_database_of_a_header_applies_where_the_name_has_none() {
        let name = |text: &str| TableName::parse(text).unwrap().in_database("air").unwrap().to_string();
        assert_eq!(name("t_OFFLINE"), "air.t_OFFLINE");
        assert_eq!(name("sea.t"), "sea.t");
        assert!(TableName::parse("t").unwrap().in_database("a b").is_err());
    }
}
