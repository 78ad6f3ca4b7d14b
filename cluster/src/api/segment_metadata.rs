//! What a segment is made of, under Pinot's keys.

use super::extract::{Path, Tables};
use super::parameters::{TypeParameter, asked_columns, in_database};
use super::{ApiError, AppState};
use crate::segment_value;
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use cluster_catalog::{Segment, Table};
use segfmt::RegionKind;
use segfmt::stats::RowSet;
use serde_json::{Map, Value, json};

/// Metadata of all segments of a table, by name
#[utoipa::path(get, path = "/segments/{tableName}/metadata", tag = "Segment", params(("tableName" = String, Path), TypeParameter),
    responses((status = 200, description = "`{segment: {...}}`"), (status = 404, description = "no such table")))]
pub async fn all(tables: Tables) -> Json<Value> {
    let rows = tables.segments().map(|(table, segment)| (segment.name.to_string(), summary(table, segment).into()));
    Json(Value::Object(rows.collect()))
}

/// Metadata of a segment; `columns=*` or `columns=a&columns=b` adds what its footer says of columns
#[utoipa::path(get, path = "/segments/{tableName}/{segmentName}/metadata", tag = "Segment",
    params(("tableName" = String, Path), ("segmentName" = String, Path), ("columns" = Option<String>, Query, description = "* or a name; may be repeated")),
    responses((status = 200, description = "metadata"), (status = 404, description = "no such segment")))]
pub async fn one(
    State(app): State<AppState>,
    Path((table, segment)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    let (table, segment) = app.segment(&in_database(&table, &headers)?, &segment)?;
    let mut answer = summary(&table, &segment);
    let wanted = asked_columns(query.as_deref());
    if wanted.is_empty() {
        return Ok(Json(Value::Object(answer)));
    }
    let (columns, indexes) = app
        .control(move |controller| {
            let footer = controller.footer(&segment)?;
            let asked = |name: &str| wanted.iter().any(|w| w == "*" || w == name);
            let failed = |source| crate::controller::Error::Segment { name: segment.name.to_string(), source };
            let (mut columns, mut indexes) = (Vec::new(), Map::new());
            for column in footer.columns().iter().filter(|column| asked(column.name())) {
                columns.push(column_metadata(column).map_err(failed)?);
                indexes.insert(column.name().to_owned(), index_metadata(column));
            }
            Ok::<_, crate::controller::Error>((columns, indexes))
        })
        .await?;
    answer.insert("columns".to_owned(), Value::Array(columns));
    answer.insert("indexes".to_owned(), Value::Object(indexes));
    Ok(Json(Value::Object(answer)))
}

fn summary(table: &Table, segment: &Segment) -> Map<String, Value> {
    let time = |ms: Option<i64>| ms.map_or(Value::Null, Value::from);
    let value = json!({
        "segmentName": &*segment.name,
        "segment.name": &*segment.name,
        "segment.table.name": table.name,
        "segment.crc": segment.digest,
        "segment.creation.time": segment.created_ms.to_string(),
        "segment.push.time": segment.pushed_ms.to_string(),
        "segment.total.docs": segment.rows.to_string(),
        "segment.size.in.bytes": segment.bytes.to_string(),
        "segment.start.time": time(segment.min_time_ms),
        "segment.end.time": time(segment.max_time_ms),
        "segment.time.unit": "MILLISECONDS",
        "segment.download.url": segment.key.to_string(),
        "ordinal": segment.ordinal.0,
        "generation": segment.generation.0,
        "schemaVersion": segment.schema_version,
        "indexVersion": segment.index_version,
    });
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn column_metadata(column: &segfmt::Column) -> segfmt::Result<Value> {
    let bound =
        |value: Option<segfmt::Value>| value.map_or(Value::Null, |value| Value::String(segment_value::text(&value)));
    Ok(json!({
        "columnName": column.name(),
        "dataType": column.data_type().pinot_name(),
        "singleValue": !column.multi_value(),
        "cardinality": column.cardinality(),
        "hasDictionary": column.has_dictionary(),
        "sorted": column.is_sorted(),
        "hasNulls": column.has_nulls(),
        "nullRows": column.null_rows(),
        "minValue": bound(column.min(RowSet::NonNull)?),
        "maxValue": bound(column.max(RowSet::NonNull)?),
        "maxNumberOfMultiValues": column.max_list(),
        "columnMaxLength": column.max_len(),
        "encodedBytes": column.encoded_bytes(),
    }))
}

fn index_metadata(column: &segfmt::Column) -> Value {
    let has = |kind| if column.region(kind).is_some() { "YES" } else { "NO" };
    json!({
        "dictionary": if column.has_dictionary() { "YES" } else { "NO" },
        "forward-index": "YES",
        "inverted-index": has(RegionKind::Inverted),
        "range-index": has(RegionKind::Range),
        "bloom-filter": has(RegionKind::Bloom),
        "null-value-vector-reader": has(RegionKind::NullBitmap),
    })
}

/// Digests of all segments, by name
#[utoipa::path(get, path = "/segments/{tableName}/crc", tag = "Segment", params(("tableName" = String, Path)),
    responses((status = 200, description = "`{segment: digest}`"), (status = 404, description = "no such table")))]
pub async fn crc(tables: Tables) -> Json<Value> {
    let rows = tables.segments().map(|(_, segment)| (segment.name.to_string(), segment.digest.clone().into()));
    Json(Value::Object(rows.collect()))
}

/// What the catalog knows of all segments, by name
#[utoipa::path(get, path = "/segments/{tableName}/zkmetadata", tag = "Segment", params(("tableName" = String, Path)),
    responses((status = 200, description = "`{segment: {...}}`"), (status = 404, description = "no such table")))]
pub async fn zk_metadata(tables: Tables) -> Json<Value> {
    all(tables).await
}
