//! What the planner asks of the catalog: tables by name, with what their schema and config say.

use crate::error::Result;
use cluster_types::{Schema, TableConfig};
use segfmt::Value;
use shard_plan::{Scalar, Type};
use std::fmt::Debug;
use std::sync::Arc;

/// Finds tables. One value is one snapshot: two calls with one name give the same versions.
pub trait TableCatalog: Send + Sync {
    /// The table with this name: raw, with a type suffix, with a database before a dot; in any case.
    /// `None` when there is none.
    fn table(&self, name: &str) -> Result<Option<Arc<TableInfo>>>;
    /// Raw names of all tables, for "did you mean".
    fn table_names(&self) -> Vec<String>;
}

/// A table as queries see it. Immutable.
#[derive(Debug, Clone, PartialEq)]
pub struct TableInfo {
    /// Raw name, as the catalog spells it.
    pub name: String,
    pub columns: Vec<ColumnInfo>,
    /// Standard SQL nulls by the table's own word: `enableColumnBasedNullHandling` or `nullHandlingEnabled`.
    /// `None` leaves it to the cluster's default.
    pub null_handling: Option<bool>,
    /// Nulls are per column (`notNull`), not per table.
    pub column_based_nulls: bool,
    /// Part of the plan cache's key: a new version makes new plans.
    pub version: u64,
    /// `query.timeoutMs` of the table config.
    pub timeout_ms: Option<u64>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ColumnInfo {
    pub name: String,
    pub ty: Type,
    pub not_null: bool,
    /// The default null value; of one element for a multi-value column.
    pub default: Scalar,
}

/// The columns that every table has, hidden from `*`.
const VIRTUAL: [(&str, Type, Scalar); 8] = [
    ("$docId", Type::INT, Scalar::Int(0)),
    ("$partitionId", Type::STRING, Scalar::Null(Type::STRING)),
    ("$hostName", Type::STRING, Scalar::Null(Type::STRING)),
    ("$segmentName", Type::STRING, Scalar::Null(Type::STRING)),
    ("$creationTime", Type::LONG, Scalar::Long(0)),
    ("$startTime", Type::LONG, Scalar::Long(0)),
    ("$endTime", Type::LONG, Scalar::Long(0)),
    ("$totalDocs", Type::INT, Scalar::Int(0)),
];

impl TableInfo {
    /// `version` must change with the schema or the config. `config` is the offline or the realtime one.
    pub fn from_schema(name: &str, schema: &Schema, config: Option<&TableConfig>, version: u64) -> TableInfo {
        let mut columns: Vec<ColumnInfo> = schema
            .columns()
            .iter()
            .map(|field| ColumnInfo {
                name: field.name.clone(),
                ty: Type { data: field.data_type, multi: field.multi_value },
                not_null: field.not_null,
                default: scalar_of(&field.default_null),
            })
            .collect();
        for (name, ty, default) in VIRTUAL {
            if !columns.iter().any(|c| c.name.eq_ignore_ascii_case(name)) {
                columns.push(ColumnInfo { name: name.to_owned(), ty, not_null: true, default });
            }
        }
        let column_based_nulls = schema.column_based_null_handling();
        let by_table = config.and_then(|c| c.table_index_config.null_handling_enabled);
        TableInfo {
            name: name.to_owned(),
            columns,
            null_handling: if column_based_nulls { Some(true) } else { by_table },
            column_based_nulls,
            version,
            timeout_ms: config.and_then(|c| c.query.as_ref()).and_then(|q| q.timeout_ms),
        }
    }

    /// A column by name: exactly, else in any case.
    pub fn column(&self, name: &str) -> Option<&ColumnInfo> {
        self.columns
            .iter()
            .find(|c| c.name == name)
            .or_else(|| self.columns.iter().find(|c| c.name.eq_ignore_ascii_case(name)))
    }
}

fn scalar_of(value: &Value) -> Scalar {
    match value {
        Value::Int(v) => Scalar::Int(*v),
        Value::Long(v) => Scalar::Long(*v),
        Value::Float(v) => Scalar::Float(*v),
        Value::Double(v) => Scalar::Double(*v),
        Value::BigDecimal(v) => Scalar::BigDecimal(v.as_slice().into()),
        Value::Boolean(v) => Scalar::Boolean(*v),
        Value::Timestamp(v) => Scalar::Timestamp(*v),
        Value::String(v) => Scalar::String(v.as_str().into()),
        Value::Json(v) => Scalar::Json(v.as_str().into()),
        Value::Bytes(v) => Scalar::Bytes(v.as_slice().into()),
    }
}
