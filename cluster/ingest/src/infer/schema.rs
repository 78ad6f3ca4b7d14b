//! A Pinot schema out of inferred columns.
//!
//! FLOAT, DOUBLE and BIG_DECIMAL become metrics (a null counts as 0 where nulls are not handled); everything else,
//! multi-values included, becomes a dimension: whole numbers are keys and codes as often as amounts.

use cluster_types::{FieldJson, Schema, SchemaJson};
use segfmt::DataType;

use super::{Inferred, no_columns};
use crate::error::{Error, Result, did_you_mean};

pub(super) fn build(table: &str, columns: Vec<Inferred>, time_column: Option<&str>) -> Result<Schema> {
    if columns.is_empty() {
        return Err(no_columns());
    }
    if let Some(time) = time_column
        && !columns.iter().any(|c| c.name == time)
    {
        let hint = did_you_mean(time, columns.iter().map(|c| c.name.as_str()));
        return Err(Error::Schema(format!("the files have no time column '{time}'{hint}")));
    }
    let mut schema = SchemaJson { schema_name: table.to_owned(), ..SchemaJson::default() };
    for column in columns {
        if time_column == Some(column.name.as_str()) {
            schema.date_time_field_specs.push(date_time(&column)?);
            continue;
        }
        let mut field = FieldJson::new(&column.name, column.data_type.pinot_name());
        field.single_value_field = !column.multi_value;
        let metric = matches!(column.data_type, DataType::Float | DataType::Double | DataType::BigDecimal)
            && !column.multi_value;
        if metric { &mut schema.metric_field_specs } else { &mut schema.dimension_field_specs }.push(field);
    }
    Schema::new(schema).map_err(|e| Error::Schema(e.to_string()))
}

fn date_time(column: &Inferred) -> Result<FieldJson> {
    let (data_type, format) = match column.data_type {
        DataType::Int | DataType::Long => (DataType::Long, "1:MILLISECONDS:EPOCH"),
        _ if column.time_like => (DataType::Timestamp, "TIMESTAMP"),
        other => {
            let reason = format!(
                "column '{}' cannot be the time column: its values are {other}, not timestamps, dates or milliseconds",
                column.name
            );
            return Err(Error::Schema(reason));
        }
    };
    if column.multi_value {
        return Err(Error::Schema(format!(
            "column '{}' cannot be the time column: it has many values a row",
            column.name
        )));
    }
    let mut field = FieldJson::new(&column.name, data_type.pinot_name());
    field.format = Some(format.to_owned());
    field.granularity = Some("1:MILLISECONDS".to_owned());
    Ok(field)
}
