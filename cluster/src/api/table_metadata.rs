//! `/tables/{t}/metadata`: rows, bytes and, for the columns that are asked for, what their segments say of them on average.

use super::extract::Tables;
use super::parameters::{TypeParameter, asked_columns};
use super::{ApiError, AppState};
use crate::controller::Controller;
use axum::Json;
use axum::extract::{RawQuery, State};
use cluster_catalog::Segment;
use segfmt::{Column, RegionKind};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Rows, bytes and segments of a table; `columns=*` or `columns=a&columns=b` adds lengths, cardinalities and index sizes
#[utoipa::path(get, path = "/tables/{tableName}/metadata", tag = "Table",
    params(("tableName" = String, Path), TypeParameter, ("columns" = Option<String>, Query, description = "* or a name; may be repeated")),
    responses((status = 200, description = "metadata; what it says of columns is the average over the segments, as Pinot's"),
    (status = 404, description = "no such table")))]
pub async fn metadata(
    State(app): State<AppState>,
    tables: Tables,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, ApiError> {
    let rows: u64 = tables.0.iter().map(|table| table.rows()).sum();
    let bytes: u64 = tables.0.iter().map(|table| table.bytes()).sum();
    let name = if tables.0.len() == 1 { tables.0[0].name.clone() } else { tables.0[0].raw_name() };
    let segments: Vec<Arc<Segment>> = tables.segments().map(|(_, segment)| segment.clone()).collect();
    let count = segments.len();
    let asked = asked_columns(query.as_deref());
    let columns = app.control(move |controller| Columns::read(controller, &segments, &asked)).await?;
    Ok(Json(json!({
        "tableName": name,
        "diskSizeInBytes": bytes,
        "numSegments": count,
        "numRows": rows,
        "columnLengthMap": columns.length,
        "columnCardinalityMap": columns.cardinality,
        "maxNumMultiValuesMap": columns.multi_values,
        "columnIndexSizeMap": columns.index_bytes,
        "upsertPartitionToServerPrimaryKeyCountMap": {},
    })))
}

/// Averages over segments, by column.
#[derive(Debug, Default)]
struct Columns {
    /// Bytes of a value: its width, or that of the longest value.
    length: BTreeMap<String, f64>,
    cardinality: BTreeMap<String, f64>,
    multi_values: BTreeMap<String, f64>,
    /// By index.
    index_bytes: BTreeMap<String, BTreeMap<&'static str, f64>>,
}

impl Columns {
    fn read(
        controller: &Controller,
        segments: &[Arc<Segment>],
        asked: &[String],
    ) -> Result<Columns, crate::controller::Error> {
        let mut all = Columns::default();
        if asked.is_empty() {
            return Ok(all);
        }
        for segment in segments {
            let footer = controller.footer(segment)?;
            let wanted = |column: &&Column| asked.iter().any(|name| name == "*" || name == column.name());
            footer.columns().iter().filter(wanted).for_each(|column| all.add(column, segments.len() as f64));
        }
        Ok(all)
    }

    fn add(&mut self, column: &Column, segments: f64) {
        let share = |map: &mut BTreeMap<String, f64>, value: f64| {
            *map.entry(column.name().to_owned()).or_default() += value / segments;
        };
        let length = column.data_type().fixed_width().unwrap_or(column.max_len() as usize);
        share(&mut self.length, length as f64);
        if let Some(cardinality) = column.cardinality() {
            share(&mut self.cardinality, f64::from(cardinality));
        }
        if column.multi_value() {
            share(&mut self.multi_values, f64::from(column.max_list()));
        }
        let indexes = self.index_bytes.entry(column.name().to_owned()).or_default();
        for region in column.regions() {
            *indexes.entry(index_name(region.kind)).or_default() += region.len as f64 / segments;
        }
    }
}

/// Pinot's name of the index that a region belongs to.
fn index_name(kind: RegionKind) -> &'static str {
    match kind {
        RegionKind::Pages | RegionKind::Sorted => "forward_index",
        RegionKind::Dictionary | RegionKind::ValueHashes => "dictionary",
        RegionKind::NullBitmap => "nullvalue_vector",
        RegionKind::Inverted => "inverted_index",
        RegionKind::Range => "range_index",
        RegionKind::Bloom => "bloom_filter",
    }
}
