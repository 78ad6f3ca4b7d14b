//! What a table is made of: size, ideal state and external view, as Pinot shows them. The views are computed when they are
//! asked for.

use super::extract::{Path, Query, Tables};
use super::parameters::{TypeParameter, in_database};
use super::tables::lower;
use super::{ApiError, AppState};
use crate::server::view::View;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use cluster_catalog::{Segment, Table};
use cluster_types::TableType;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::IntoParams;

/// Bytes of a table and of its segments
#[utoipa::path(get, path = "/tables/{tableName}/size", tag = "Table", params(("tableName" = String, Path)),
    responses((status = 200, description = "sizes"), (status = 404, description = "no such table")))]
pub async fn size(State(app): State<AppState>, tables: Tables) -> Json<Value> {
    let total: u64 = tables.0.iter().map(|table| table.bytes()).sum();
    let mut answer = json!({
        "tableName": tables.0[0].raw_name(),
        "reportedSizeInBytes": total,
        "estimatedSizeInBytes": total,
        "reportedSizePerReplicaInBytes": total,
    });
    let server = app.server_id();
    for (key, half) in [("offlineSegments", TableType::Offline), ("realtimeSegments", TableType::Realtime)] {
        answer[key] = half_of(&tables, half, |table| {
            json!({
                "reportedSizeInBytes": table.bytes(),
                "estimatedSizeInBytes": table.bytes(),
                "missingSegments": 0,
                "reportedSizePerReplicaInBytes": table.bytes(),
                "segments": by_segment(table, |segment| json!({
                    "reportedSizeInBytes": segment.bytes,
                    "estimatedSizeInBytes": segment.bytes,
                    "maxReportedSizePerReplicaInBytes": segment.bytes,
                    "serverInfo": {&server: {"segmentName": &*segment.name, "diskSizeInBytes": segment.bytes}},
                })),
            })
        });
    }
    Json(answer)
}

/// What a closure says of the half of a table that is of a type; null where there is none.
fn half_of(tables: &Tables, half: TableType, say: impl Fn(&Table) -> Value) -> Value {
    tables.0.iter().find(|table| table.table_type() == half).map_or(Value::Null, |table| say(table))
}

/// What a closure says of each segment, by name.
fn by_segment(table: &Table, say: impl Fn(&Segment) -> Value) -> Value {
    Value::Object(table.segments().map(|segment| (segment.name.to_string(), say(segment))).collect())
}

/// Where each segment should be
#[utoipa::path(get, path = "/tables/{tableName}/idealstate", tag = "Table", params(("tableName" = String, Path), TypeParameter),
    responses((status = 200, description = "`{\"OFFLINE\": {segment: {server: state}}}`")))]
pub async fn ideal_state(State(app): State<AppState>, tables: Tables) -> Json<Value> {
    Json(states(&app, &tables, |_, _| "ONLINE"))
}

/// Where each segment is
#[utoipa::path(get, path = "/tables/{tableName}/externalview", tag = "Table", params(("tableName" = String, Path), TypeParameter),
    responses((status = 200, description = "`{\"OFFLINE\": {segment: {server: state}}}`")))]
pub async fn external_view(State(app): State<AppState>, tables: Tables) -> Json<Value> {
    let view = app.controller.server().view();
    let state = |table: &Table, segment: &Segment| match unavailable(&view, table, segment) {
        None => "ONLINE",
        Some(_) => "ERROR",
    };
    Json(states(&app, &tables, state))
}

fn states(app: &AppState, tables: &Tables, state: impl Fn(&Table, &Segment) -> &'static str) -> Value {
    let server = app.server_id();
    let halves = [TableType::Offline, TableType::Realtime].map(|half| {
        let say = |table: &Table| by_segment(table, |segment| json!({&server: state(table, segment)}));
        (half.name().to_owned(), half_of(tables, half, say))
    });
    Value::Object(halves.into_iter().collect())
}

/// Why a segment cannot be asked, if it cannot.
fn unavailable<'a>(view: &'a View, table: &Table, segment: &Segment) -> Option<&'a str> {
    let served = view.table(table.incarnation)?;
    served.unavailable().iter().find(|u| *u.segment == *segment.name).map(|u| u.reason.as_str())
}

/// Whether each segment can be asked
#[utoipa::path(get, path = "/tables/{tableName}/segmentsStatus", tag = "Table", params(("tableName" = String, Path), TypeParameter),
    responses((status = 200, description = "`[{\"segmentName\", \"segmentStatus\": \"GOOD\"}]`")))]
pub async fn segments_status(State(app): State<AppState>, tables: Tables) -> Json<Value> {
    let view = app.controller.server().view();
    let rows = tables.segments().map(|(table, segment)| match unavailable(&view, table, segment) {
        None => json!({"segmentStatus": "GOOD", "segmentName": &*segment.name}),
        Some(reason) => json!({"segmentStatus": "BAD", "segmentName": &*segment.name, "reason": reason}),
    });
    Json(rows.collect())
}

/// When a table was made
#[utoipa::path(get, path = "/tables/{tableName}/stats", tag = "Table", params(("tableName" = String, Path), TypeParameter),
    responses((status = 200, description = "`{\"OFFLINE\": {\"creationTime\"}}`"), (status = 404, description = "no such table")))]
pub async fn stats(tables: Tables) -> Json<Value> {
    let made = |table: &std::sync::Arc<Table>| {
        let time = chrono::DateTime::from_timestamp_millis(table.created_ms).map(|time| time.to_rfc3339());
        (table.table_type().name().to_owned(), json!({"creationTime": time}))
    };
    Json(Value::Object(tables.0.iter().map(made).collect()))
}

/// Which segments each server has
#[utoipa::path(get, path = "/segments/{tableName}/servers", tag = "Segment", params(("tableName" = String, Path), TypeParameter),
    responses((status = 200, description = "`[{\"tableName\", \"serverToSegmentsMap\", \"serverToSegmentsCountMap\"}]`")))]
pub async fn servers(State(app): State<AppState>, tables: Tables) -> Json<Value> {
    let server = app.server_id();
    let rows = tables.0.iter().map(|table| {
        let names: Vec<&str> = table.segments().map(|segment| &*segment.name).collect();
        json!({
            "tableName": table.name,
            "serverToSegmentsCountMap": {&server: names.len()},
            "serverToSegmentsMap": {&server: names},
        })
    });
    Json(rows.collect())
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RoleParameter {
    /// BROKER or SERVER; both where it is left out
    #[serde(rename = "type")]
    role: Option<String>,
}

/// The brokers and servers of a table
#[utoipa::path(get, path = "/tables/{tableName}/instances", tag = "Table", params(("tableName" = String, Path), RoleParameter),
    responses((status = 200, description = "instances by role and type"), (status = 404, description = "no such table")))]
pub async fn instances(
    State(app): State<AppState>,
    Path(name): Path<String>,
    Query(parameter): Query<RoleParameter>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    let tables = app.controller.tables_named(&in_database(&name, &headers)?, None)?;
    let of = |instance: String| -> Value {
        tables.iter().map(|table| json!({"tableType": lower(table.table_type()), "instances": [instance]})).collect()
    };
    let mut answer = Map::from_iter([("tableName".to_owned(), Value::String(name))]);
    let role = parameter.role.unwrap_or_default().to_ascii_lowercase();
    if !matches!(role.as_str(), "" | "broker" | "server") {
        return Err(ApiError::bad_request(format!("type `{role}` is neither BROKER nor SERVER")));
    }
    if role != "server" {
        answer.insert("brokers".to_owned(), of(app.broker_id()));
    }
    if role != "broker" {
        answer.insert("server".to_owned(), of(app.server_id()));
    }
    Ok(Json(Value::Object(answer)))
}
