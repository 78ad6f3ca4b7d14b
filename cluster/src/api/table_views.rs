//! What a table is made of: size, metadata, ideal state and external view, as Pinot shows them. The views are computed when
//! they are asked for.

use super::parameters::{TypeParameter, in_database};
use super::tables::lower;
use super::{ApiError, AppState};
use crate::server::view::View;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use cluster_catalog::Table;
use cluster_types::TableType;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Bytes of a table and of its segments
#[utoipa::path(get, path = "/tables/{tableName}/size", tag = "Table", params(("tableName" = String, Path)),
    responses((status = 200, description = "sizes"), (status = 404, description = "no such table")))]
pub async fn size(
    State(app): State<AppState>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    let tables = app.controller.tables_named(&in_database(&name, &headers)?, None)?;
    let total: u64 = tables.iter().map(|table| table.bytes()).sum();
    let half = |table_type: TableType| {
        let Some(table) = tables.iter().find(|table| table.table_type() == table_type) else { return Value::Null };
        let segments: Map<String, Value> = table
            .segments()
            .map(|segment| {
                let server =
                    json!({app.server_id(): {"segmentName": &*segment.name, "diskSizeInBytes": segment.bytes}});
                let sizes = json!({
                    "reportedSizeInBytes": segment.bytes,
                    "estimatedSizeInBytes": segment.bytes,
                    "maxReportedSizePerReplicaInBytes": segment.bytes,
                    "serverInfo": server,
                });
                (segment.name.to_string(), sizes)
            })
            .collect();
        json!({
            "reportedSizeInBytes": table.bytes(),
            "estimatedSizeInBytes": table.bytes(),
            "missingSegments": 0,
            "reportedSizePerReplicaInBytes": table.bytes(),
            "segments": segments,
        })
    };
    Ok(Json(json!({
        "tableName": tables[0].raw_name(),
        "reportedSizeInBytes": total,
        "estimatedSizeInBytes": total,
        "reportedSizePerReplicaInBytes": total,
        "offlineSegments": half(TableType::Offline),
        "realtimeSegments": half(TableType::Realtime),
    })))
}

/// Rows, bytes and segments of a table
#[utoipa::path(get, path = "/tables/{tableName}/metadata", tag = "Table", params(("tableName" = String, Path), TypeParameter),
    responses((status = 200, description = "metadata"), (status = 404, description = "no such table")))]
pub async fn metadata(
    State(app): State<AppState>,
    Path(name): Path<String>,
    Query(parameter): Query<TypeParameter>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    let tables = app.controller.tables_named(&in_database(&name, &headers)?, parameter.parse()?)?;
    let name = if tables.len() == 1 { tables[0].name.clone() } else { tables[0].raw_name() };
    Ok(Json(json!({
        "tableName": name,
        "diskSizeInBytes": tables.iter().map(|table| table.bytes()).sum::<u64>(),
        "numSegments": tables.iter().map(|table| table.segment_count()).sum::<usize>(),
        "numRows": tables.iter().map(|table| table.rows()).sum::<u64>(),
        "columnLengthMap": {},
        "columnCardinalityMap": {},
        "maxNumMultiValuesMap": {},
        "columnIndexSizeMap": {},
        "upsertPartitionToServerPrimaryKeyCountMap": {},
    })))
}

/// Where each segment should be
#[utoipa::path(get, path = "/tables/{tableName}/idealstate", tag = "Table", params(("tableName" = String, Path), TypeParameter),
    responses((status = 200, description = "`{\"OFFLINE\": {segment: {server: state}}}`")))]
pub async fn ideal_state(
    State(app): State<AppState>,
    Path(name): Path<String>,
    Query(parameter): Query<TypeParameter>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    let tables = app.controller.tables_named(&in_database(&name, &headers)?, parameter.parse()?)?;
    Ok(Json(by_type(&tables, |_, _| json!({app.server_id(): "ONLINE"}))))
}

/// Where each segment is
#[utoipa::path(get, path = "/tables/{tableName}/externalview", tag = "Table", params(("tableName" = String, Path), TypeParameter),
    responses((status = 200, description = "`{\"OFFLINE\": {segment: {server: state}}}`")))]
pub async fn external_view(
    State(app): State<AppState>,
    Path(name): Path<String>,
    Query(parameter): Query<TypeParameter>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    let tables = app.controller.tables_named(&in_database(&name, &headers)?, parameter.parse()?)?;
    let view = app.controller.server().view();
    Ok(Json(by_type(&tables, |table, segment| {
        let broken = unavailable(&view, table, segment).is_some();
        json!({app.server_id(): if broken { "ERROR" } else { "ONLINE" }})
    })))
}

fn by_type(tables: &[Arc<Table>], state: impl Fn(&Table, &str) -> Value) -> Value {
    let mut answer = Map::new();
    for table_type in [TableType::Offline, TableType::Realtime] {
        let table = tables.iter().find(|table| table.table_type() == table_type);
        let half = table.map_or(Value::Null, |table| {
            Value::Object(table.segments().map(|s| (s.name.to_string(), state(table, &s.name))).collect())
        });
        answer.insert(table_type.name().to_owned(), half);
    }
    Value::Object(answer)
}

/// Why a segment cannot be asked, if it cannot.
fn unavailable<'a>(view: &'a View, table: &Table, segment: &str) -> Option<&'a str> {
    let served = view.table(table.incarnation)?;
    served.unavailable().iter().find(|u| u.segment == segment).map(|u| u.reason.as_str())
}

/// Whether each segment can be asked
#[utoipa::path(get, path = "/tables/{tableName}/segmentsStatus", tag = "Table", params(("tableName" = String, Path), TypeParameter),
    responses((status = 200, description = "`[{\"segmentName\", \"segmentStatus\": \"GOOD\"}]`")))]
pub async fn segments_status(
    State(app): State<AppState>,
    Path(name): Path<String>,
    Query(parameter): Query<TypeParameter>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    let tables = app.controller.tables_named(&in_database(&name, &headers)?, parameter.parse()?)?;
    let view = app.controller.server().view();
    let rows = tables.iter().flat_map(|table| table.segments().map(move |segment| (table, segment)));
    let rows = rows.map(|(table, segment)| match unavailable(&view, table, &segment.name) {
        None => json!({"segmentStatus": "GOOD", "segmentName": &*segment.name}),
        Some(reason) => json!({"segmentStatus": "BAD", "segmentName": &*segment.name, "reason": reason}),
    });
    Ok(Json(rows.collect()))
}

/// The brokers and servers of a table
#[utoipa::path(get, path = "/tables/{tableName}/instances", tag = "Table", params(("tableName" = String, Path), TypeParameter),
    responses((status = 200, description = "instances by role and type"), (status = 404, description = "no such table")))]
pub async fn instances(
    State(app): State<AppState>,
    Path(name): Path<String>,
    Query(parameter): Query<TypeParameter>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    let tables = app.controller.tables_named(&in_database(&name, &headers)?, parameter.parse()?)?;
    let of = |instance: String| -> Vec<Value> {
        tables.iter().map(|table| json!({"tableType": lower(table.table_type()), "instances": [instance]})).collect()
    };
    Ok(Json(json!({"tableName": name, "brokers": of(app.broker_id()), "server": of(app.server_id())})))
}
