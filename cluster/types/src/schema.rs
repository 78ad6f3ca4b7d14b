//! A schema that has been checked: Pinot's JSON document and the columns that it means.
//!
//! A [`Schema`] cannot be made from a document with an empty or doubled name, an unknown type, a default null value
//! that is none of its type, or a date-time format that cannot be read. Columns of a type that Pinot has and Gamay does
//! not store (MAP, STRUCT, LIST, OPEN_STRUCT, UUID) are kept in the document and listed by [`Schema::unsupported`]: a
//! table on such a schema is refused, never made without the column.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use segfmt::{DataType, Value};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::date_time::{self, DateTimeFormat};
use crate::default_null;
use crate::schema_json::{FieldJson, GranularityJson, SchemaJson, TimeFieldJson};
use crate::suggest::did_you_mean;
use crate::table_name::abbreviate;
use crate::{Error, Result};

/// The largest schema document, in bytes (R-5 bounds a table config likewise).
pub const SCHEMA_BYTES_MAX: usize = 256 * 1024;

/// The longest column name, in bytes.
pub const COLUMN_NAME_BYTES_MAX: usize = 255;

/// The most columns that a schema may have.
pub const COLUMNS_MAX: usize = 10_000;

/// What a column is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// A column to filter and group by.
    Dimension,
    /// A number to aggregate.
    Metric,
    /// A point in time.
    DateTime { format: DateTimeFormat, granularity: Option<String> },
}

/// What happens to a text that is longer than the column's `maxLength`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxLengthExceedStrategy {
    TrimLength,
    Error,
    SubstituteDefaultValue,
    NoAction,
}

/// A column of a schema.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldSpec {
    pub name: String,
    pub data_type: DataType,
    pub multi_value: bool,
    /// What a null row holds in its value slot.
    pub default_null: Value,
    pub not_null: bool,
    pub role: Role,
    /// Characters of a text, bytes of BYTES. `None` where the schema does not say one: then nothing is cut.
    pub max_length: Option<u32>,
    pub max_length_exceed_strategy: MaxLengthExceedStrategy,
    pub transform_function: Option<String>,
}

/// A checked schema. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Schema(Arc<Checked>);

#[derive(Debug)]
struct Checked {
    json: SchemaJson,
    columns: Vec<FieldSpec>,
    /// Position of each column.
    positions: HashMap<String, usize>,
    unsupported: Vec<(String, String)>,
}

impl PartialEq for Schema {
    fn eq(&self, other: &Schema) -> bool {
        self.0.json == other.0.json
    }
}

impl Schema {
    /// Reads and checks a JSON document.
    pub fn from_json(text: &str) -> Result<Schema> {
        crate::json::check_size("schema", text, SCHEMA_BYTES_MAX)?;
        Schema::new(crate::json::parse("schema", text)?)
    }

    /// Checks a document that has been read.
    pub fn new(json: SchemaJson) -> Result<Schema> {
        let mut check =
            Check { schema: &json.schema_name, columns: Vec::new(), unsupported: Vec::new(), problems: Vec::new() };
        check.schema_name();
        check.fields("dimensionFieldSpecs", &json.dimension_field_specs, Kind::Dimension);
        check.fields("metricFieldSpecs", &json.metric_field_specs, Kind::Metric);
        if let Some(time) = &json.time_field_spec {
            check.time_field(time);
        }
        check.fields("dateTimeFieldSpecs", &json.date_time_field_specs, Kind::DateTime);
        check.complex(&json.complex_field_specs);
        check.names_are_unique();
        check.primary_key(&json.primary_key_columns);
        let Check { columns, unsupported, problems, .. } = check;
        Error::collect(problems)?;
        let positions = columns.iter().enumerate().map(|(i, column)| (column.name.clone(), i)).collect();
        Ok(Schema(Arc::new(Checked { json, columns, positions, unsupported })))
    }

    /// The document, in Pinot's order of keys.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(&self.0.json).expect("a schema has only text keys")
    }

    pub fn json(&self) -> &SchemaJson {
        &self.0.json
    }

    pub fn name(&self) -> &str {
        &self.0.json.schema_name
    }

    /// Columns in the order of the document: dimensions, metrics, the legacy time column, date-times.
    pub fn columns(&self) -> &[FieldSpec] {
        &self.0.columns
    }

    pub fn column(&self, name: &str) -> Option<&FieldSpec> {
        self.position(name).map(|i| &self.0.columns[i])
    }

    /// Where a column stands in [`Schema::columns`].
    pub fn position(&self, name: &str) -> Option<usize> {
        self.0.positions.get(name).copied()
    }

    /// The column, or an error that says what `key` asked for and which name was probably meant.
    pub fn require(&self, key: impl Into<String>, name: &str) -> Result<&FieldSpec> {
        self.column(name).ok_or_else(|| Error::UnknownColumn {
            key: key.into(),
            column: abbreviate(name),
            schema: self.name().to_owned(),
            hint: did_you_mean(name, self.0.columns.iter().map(|c| c.name.as_str())).map(str::to_owned),
        })
    }

    /// Names and types of columns that are kept in the document and cannot be stored.
    pub fn unsupported(&self) -> &[(String, String)] {
        &self.0.unsupported
    }

    pub fn primary_key_columns(&self) -> &[String] {
        &self.0.json.primary_key_columns
    }

    /// Nulls follow each column's `notNull` instead of the table's `nullHandlingEnabled`.
    pub fn column_based_null_handling(&self) -> bool {
        self.0.json.enable_column_based_null_handling
    }

    /// Whether `newer` may replace this schema while tables use it. Columns may be added; taking one away, or changing its
    /// type or whether it is multi-value, would make segments lie.
    pub fn check_evolution(&self, newer: &Schema) -> Result<()> {
        let mut problems = Vec::new();
        if newer.name() != self.name() {
            problems.push(Error::invalid(
                "schemaName",
                format!("`{}` cannot replace `{}`", abbreviate(newer.name()), self.name()),
            ));
        }
        for old in self.columns() {
            let problem = match newer.column(&old.name) {
                None => format!("column `{}` is missing; a column in use cannot be taken away", old.name),
                Some(new) if new.data_type != old.data_type => format!(
                    "column `{}` cannot change from {} to {}",
                    old.name,
                    old.data_type.pinot_name(),
                    new.data_type.pinot_name()
                ),
                Some(new) if new.multi_value != old.multi_value => {
                    format!("column `{}` cannot change between single and multi-value", old.name)
                }
                Some(_) => continue,
            };
            problems.push(Error::invalid(format!("schema `{}`", self.name()), problem));
        }
        Error::collect(problems)
    }
}

impl Serialize for Schema {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.0.json.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Schema {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Schema, D::Error> {
        Schema::new(SchemaJson::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Dimension,
    Metric,
    DateTime,
}

/// Types of Pinot that a schema may name and that no segment can hold yet.
const UNSUPPORTED_TYPES: &[&str] = &["MAP", "STRUCT", "LIST", "OPEN_STRUCT", "UUID"];

/// Pinot's names of the types that are stored.
const TYPES: &[&str] =
    &["INT", "LONG", "FLOAT", "DOUBLE", "BIG_DECIMAL", "BOOLEAN", "TIMESTAMP", "STRING", "JSON", "BYTES"];

struct Check<'a> {
    schema: &'a str,
    columns: Vec<FieldSpec>,
    unsupported: Vec<(String, String)>,
    problems: Vec<Error>,
}

impl Check<'_> {
    fn problem(&mut self, key: impl Into<String>, reason: impl Into<String>) {
        // A document of thousands of mistakes needs no longer answer than one of twenty.
        const REPORTED: usize = 20;
        if self.problems.len() < REPORTED {
            self.problems.push(Error::invalid(key, reason));
        }
    }

    fn schema_name(&mut self) {
        match crate::TableName::parse(self.schema) {
            Ok(_) => {}
            Err(Error::TableName { name, reason }) => {
                self.problem("schemaName", format!("`{name}` cannot be the name of a table: {reason}"));
            }
            Err(other) => self.problems.push(other),
        }
    }

    fn fields(&mut self, list: &str, fields: &[FieldJson], kind: Kind) {
        for (i, field) in fields.iter().enumerate() {
            let key = format!("{list}[{i}]");
            if !self.column_name(&key, &field.name) {
                continue;
            }
            let Some(data_type) = self.data_type(&key, &field.name, &field.data_type) else { continue };
            let multi_value = !field.single_value_field;
            if multi_value && kind == Kind::Metric {
                self.problem(
                    format!("{key}.singleValueField"),
                    format!("metric `{}` cannot be multi-value", field.name),
                );
            }
            let metric_type = matches!(
                data_type,
                DataType::Int
                    | DataType::Long
                    | DataType::Float
                    | DataType::Double
                    | DataType::BigDecimal
                    | DataType::Bytes
            );
            if kind == Kind::Metric && !metric_type {
                self.problem(
                    format!("{key}.dataType"),
                    format!("metric `{}` cannot be {}; make it a dimension", field.name, data_type.pinot_name()),
                );
            }
            let role = match kind {
                Kind::Dimension => Role::Dimension,
                Kind::Metric => Role::Metric,
                Kind::DateTime => match self.date_time(&key, field) {
                    Some(role) => role,
                    None => continue,
                },
            };
            self.column(&key, field, data_type, multi_value, role);
        }
    }

    fn column(&mut self, key: &str, field: &FieldJson, data_type: DataType, multi_value: bool, role: Role) {
        let default_null = match &field.default_null_value {
            None => default_null::standard(data_type, role == Role::Metric),
            Some(value) => match default_null::parse(data_type, value) {
                Ok(value) => value,
                Err(reason) => {
                    return self
                        .problem(format!("{key}.defaultNullValue"), format!("column `{}`: {reason}", field.name));
                }
            },
        };
        let strategy = match field.max_length_exceed_strategy.as_deref() {
            None | Some("TRIM_LENGTH") => MaxLengthExceedStrategy::TrimLength,
            Some("ERROR") => MaxLengthExceedStrategy::Error,
            Some("SUBSTITUTE_DEFAULT_VALUE") => MaxLengthExceedStrategy::SubstituteDefaultValue,
            Some("NO_ACTION") => MaxLengthExceedStrategy::NoAction,
            Some(other) => {
                return self.problem(
                    format!("{key}.maxLengthExceedStrategy"),
                    format!(
                        "`{}` is none of TRIM_LENGTH, ERROR, SUBSTITUTE_DEFAULT_VALUE, NO_ACTION",
                        abbreviate(other)
                    ),
                );
            }
        };
        self.columns.push(FieldSpec {
            name: field.name.clone(),
            data_type,
            multi_value,
            default_null,
            not_null: field.not_null,
            role,
            max_length: field.max_length,
            max_length_exceed_strategy: strategy,
            transform_function: field.transform_function.clone(),
        });
    }

    fn date_time(&mut self, key: &str, field: &FieldJson) -> Option<Role> {
        let Some(format) = &field.format else {
            self.problem(format!("{key}.format"), format!("date-time column `{}` has none", field.name));
            return None;
        };
        if let Some(granularity) = &field.granularity
            && let Err(error) = date_time::check_granularity(&format!("{key}.granularity"), granularity)
        {
            self.problems.push(error);
            return None;
        }
        match DateTimeFormat::parse(&format!("{key}.format"), format) {
            Ok(format) => Some(Role::DateTime { format, granularity: field.granularity.clone() }),
            Err(error) => {
                self.problems.push(error);
                None
            }
        }
    }

    /// The column of a `timeFieldSpec` is the outgoing one where there is one, and means what Pinot converts it to.
    fn time_field(&mut self, time: &TimeFieldJson) {
        let key = "timeFieldSpec";
        let spec = time.outgoing_granularity_spec.as_ref().or(time.incoming_granularity_spec.as_ref());
        let Some(GranularityJson { name, data_type, time_type, time_unit_size, time_format, .. }) = spec else {
            return self.problem(key, "it has neither incomingGranularitySpec nor outgoingGranularitySpec");
        };
        if !self.column_name(key, name) {
            return;
        }
        let Some(data_type) = self.data_type(key, name, data_type) else { return };
        let unit = time_type.as_deref().unwrap_or("DAYS");
        let size = time_unit_size.unwrap_or(1);
        let format = format!("{size}:{unit}:{}", time_format.as_deref().unwrap_or("EPOCH"));
        match DateTimeFormat::parse(&format!("{key}.timeFormat"), &format) {
            Err(error) => self.problems.push(error),
            Ok(format) => {
                let field =
                    FieldJson { default_null_value: time.default_null_value.clone(), ..FieldJson::new(name, "") };
                let role = Role::DateTime { format, granularity: Some(format!("{size}:{unit}")) };
                self.column(key, &field, data_type, false, role);
            }
        }
    }

    fn complex(&mut self, fields: &[FieldJson]) {
        for (i, field) in fields.iter().enumerate() {
            let key = format!("complexFieldSpecs[{i}]");
            if self.column_name(&key, &field.name) {
                self.unsupported.push((field.name.clone(), field.data_type.clone()));
            }
        }
    }

    fn column_name(&mut self, key: &str, name: &str) -> bool {
        let reason = if name.is_empty() {
            "it is empty".to_owned()
        } else if name.len() > COLUMN_NAME_BYTES_MAX {
            format!("`{}` is longer than {COLUMN_NAME_BYTES_MAX} bytes", abbreviate(name))
        } else if name.starts_with('$') {
            format!("`{name}` begins with `$`, which is kept for virtual columns")
        } else if name.chars().any(|c| c.is_control()) {
            format!("{name:?} holds a control character")
        } else {
            return true;
        };
        self.problem(format!("{key}.name"), reason);
        false
    }

    fn data_type(&mut self, key: &str, column: &str, name: &str) -> Option<DataType> {
        if let Some(data_type) = DataType::from_pinot_name(name) {
            return Some(data_type);
        }
        if UNSUPPORTED_TYPES.contains(&name) {
            self.unsupported.push((column.to_owned(), name.to_owned()));
            return None;
        }
        let hint =
            did_you_mean(name, TYPES.iter().copied()).map(|n| format!(", did you mean `{n}`?")).unwrap_or_default();
        self.problem(
            format!("{key}.dataType"),
            format!("column `{column}`: `{}` is not a type{hint}", abbreviate(name)),
        );
        None
    }

    fn names_are_unique(&mut self) {
        let mut seen = BTreeSet::new();
        let names: Vec<String> = self
            .columns
            .iter()
            .map(|c| &c.name)
            .chain(self.unsupported.iter().map(|(name, _)| name))
            .cloned()
            .collect();
        if names.len() > COLUMNS_MAX {
            self.problem("schema", format!("it has {} columns, and {COLUMNS_MAX} is the most", names.len()));
        }
        for name in &names {
            if !seen.insert(name) {
                self.problem("schema", format!("column `{name}` is there twice"));
            }
        }
        if names.is_empty() && self.problems.is_empty() {
            self.problem("schema", "it has no columns");
        }
    }

    fn primary_key(&mut self, columns: &[String]) {
        let known: BTreeSet<&str> = self.columns.iter().map(|c| c.name.as_str()).collect();
        for (i, name) in columns.iter().enumerate() {
            if !known.contains(name.as_str()) {
                let hint = did_you_mean(name, self.columns.iter().map(|c| c.name.as_str())).map(str::to_owned);
                self.problems.push(Error::UnknownColumn {
                    key: format!("primaryKeyColumns[{i}]"),
                    column: abbreviate(name),
                    schema: self.schema.to_owned(),
                    hint,
                });
            }
        }
    }
}
