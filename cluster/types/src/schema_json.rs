//! A schema as Pinot writes it in JSON: read leniently, written in the order and with the omissions of Pinot's `GET`.
//! [`crate::Schema`] is what has been checked.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::lenient;

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SchemaJson {
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub schema_name: String,
    #[serde(default, deserialize_with = "lenient::boolean")]
    pub enable_column_based_null_handling: bool,
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub dimension_field_specs: Vec<FieldJson>,
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub metric_field_specs: Vec<FieldJson>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_field_spec: Option<TimeFieldJson>,
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub date_time_field_specs: Vec<FieldJson>,
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub complex_field_specs: Vec<FieldJson>,
    #[serde(default, deserialize_with = "lenient::texts", skip_serializing_if = "Vec::is_empty")]
    pub primary_key_columns: Vec<String>,
    /// Keys that this version does not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// One column. Keys that Pinot leaves out where they hold the default are left out here too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldJson {
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub name: String,
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub data_type: String,
    #[serde(default = "yes", deserialize_with = "yes_unless_said", skip_serializing_if = "is_yes")]
    pub single_value_field: bool,
    #[serde(default, deserialize_with = "lenient::optional_number", skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length_exceed_strategy: Option<String>,
    #[serde(default, deserialize_with = "lenient::boolean", skip_serializing_if = "is_no")]
    pub not_null: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_null_value: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granularity: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transform_function: Option<String>,
    /// Keys that this version does not know, for example `childFieldSpecs` of a complex column.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl FieldJson {
    pub fn new(name: impl Into<String>, data_type: impl Into<String>) -> FieldJson {
        FieldJson {
            name: name.into(),
            data_type: data_type.into(),
            single_value_field: true,
            max_length: None,
            max_length_exceed_strategy: None,
            not_null: false,
            default_null_value: None,
            format: None,
            granularity: None,
            transform_function: None,
            other: Map::new(),
        }
    }
}

/// The one time column of old schemas: as it comes in and, where it differs, as it is stored.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TimeFieldJson {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incoming_granularity_spec: Option<GranularityJson>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outgoing_granularity_spec: Option<GranularityJson>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_null_value: Option<Value>,
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GranularityJson {
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub name: String,
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub data_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_type: Option<String>,
    #[serde(default, deserialize_with = "lenient::optional_number", skip_serializing_if = "Option::is_none")]
    pub time_unit_size: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_format: Option<String>,
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

fn yes() -> bool {
    true
}

fn is_yes(value: &bool) -> bool {
    *value
}

fn is_no(value: &bool) -> bool {
    !*value
}

fn yes_unless_said<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(lenient::optional_boolean(deserializer)?.unwrap_or(true))
}
