//! What a segment is made of, under Pinot's keys.

use super::parameters::{TypeParameter, in_database};
use super::{ApiError, AppState};
use crate::controller::push;
use crate::segment_value;
use axum::Json;
use axum::extract::{Path, Query, RawQuery, State};
use axum::http::HeaderMap;
use cluster_catalog::{Segment, Table};
use segfmt::RegionKind;
use segfmt::stats::RowSet;
use serde_json::{Map, Value, json};

/// Metadata of all segments of a table, by name
#[utoipa::path(get, path = "/segments/{tableName}/metadata", tag = "Segment", params(("tableName" = String, Path), TypeParameter),
    responses((status = 200, description = "`{segment: {...}}`"), (status = 404, description = "no such table")))]
pub async fn all(
    State(app): State<AppState>,
    Path(name): Path<String>,
    Query(parameter): Query<TypeParameter>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    let tables = app.controller.tables_named(&in_database(&name, &headers)?, parameter.parse()?)?;
    let rows = tables.iter().flat_map(|table| table.segments().map(move |segment| (table, segment)));
    Ok(Json(Value::Object(
        rows.map(|(table, segment)| (segment.name.to_string(), Value::Object(summary(table, segment)))).collect(),
    )))
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
    let wanted: Vec<String> =
        parameters(query.as_deref()).into_iter().filter(|(key, _)| key == "columns").map(|(_, v)| v).collect();
    if wanted.is_empty() {
        return Ok(Json(Value::Object(answer)));
    }
    let (columns, indexes) = app
        .control(move |controller| {
            let path = controller.deep_store().path(&segment.key)?;
            let (footer, _) = push::open(&path, &segment.name)?;
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

/// Pairs of a query string; a part that is not UTF-8 once decoded is left out.
pub fn parameters(query: Option<&str>) -> Vec<(String, String)> {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        let bytes = text.as_bytes();
        let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
        while at < bytes.len() {
            let hex =
                bytes.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
            match (bytes[at], hex) {
                (b'%', Some(byte)) => {
                    out.push(byte);
                    at += 3;
                }
                (byte, _) => {
                    out.push(byte);
                    at += 1;
                }
            }
        }
        String::from_utf8(out).ok()
    };
    let parts = query.unwrap_or_default().split('&').filter(|part| !part.is_empty());
    parts
        .filter_map(|part| {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            Some((decode(key)?, decode(value)?))
        })
        .collect()
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
pub async fn crc(
    State(app): State<AppState>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    let tables = app.controller.tables_named(&in_database(&name, &headers)?, None)?;
    let rows = tables.iter().flat_map(|table| table.segments());
    Ok(Json(Value::Object(rows.map(|s| (s.name.to_string(), Value::String(s.digest.clone()))).collect())))
}

/// What the catalog knows of all segments, by name
#[utoipa::path(get, path = "/segments/{tableName}/zkmetadata", tag = "Segment", params(("tableName" = String, Path)),
    responses((status = 200, description = "`{segment: {...}}`"), (status = 404, description = "no such table")))]
pub async fn zk_metadata(
    app: State<AppState>,
    name: Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    all(app, name, Query(TypeParameter::default()), headers).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        let expected = [("columns", "*"), ("columns", "a b"), ("x", "ü"), ("y", ""), ("z", "100%")];
        let expected = expected.map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(parameters(Some("columns=*&columns=a+b&x=%C3%BC&&y&z=100%&bad=%FF")), expected);
        assert!(parameters(None).is_empty());
    }
}
