//! Reloading segments, and how a reload went.

use super::extract::{Path, Tables};
use super::parameters::{TypeParameter, in_database};
use super::{ApiError, AppState};
use crate::controller::reload::Reload;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde_json::{Map, Value, json};

/// Reload the segments of a table
///
/// Changes of schema and config show without it, and segments do not change. What a reload does is to open again, from the
/// deep store, the segments that could not be opened. A new index is in the segments that are built from then on.
#[utoipa::path(post, path = "/segments/{tableName}/reload", tag = "Segment", params(("tableName" = String, Path), TypeParameter),
    responses((status = 200, description = "`{\"status\": \"{table: {reloadJobId}}\"}`"), (status = 404, description = "no such table")))]
pub async fn table(State(app): State<AppState>, Tables(tables): Tables) -> Result<Json<Value>, ApiError> {
    let reloads = app
        .control(move |controller| {
            Ok::<_, crate::controller::Error>(
                tables.iter().map(|table| controller.reload(table, None)).collect::<Vec<_>>(),
            )
        })
        .await?;
    let messages: Map<String, Value> = reloads.iter().map(|reload| (reload.table.clone(), message(reload))).collect();
    Ok(Json(json!({"status": Value::Object(messages).to_string()})))
}

/// Reload the segments of a table (the older path)
#[utoipa::path(post, path = "/tables/{tableName}/segments/reload", tag = "Segment", params(("tableName" = String, Path), TypeParameter),
    responses((status = 200, description = "as for /segments/{tableName}/reload"), (status = 404, description = "no such table")))]
pub async fn table_v1(state: State<AppState>, tables: Tables) -> Result<Json<Value>, ApiError> {
    table(state, tables).await
}

fn message(reload: &Reload) -> Value {
    json!({"numMessagesSent": "1", "reloadJobId": reload.id, "reloadJobMetaZKStorageStatus": "SUCCESS"})
}

/// Reload a segment
#[utoipa::path(post, path = "/segments/{tableName}/{segmentName}/reload", tag = "Segment",
    params(("tableName" = String, Path), ("segmentName" = String, Path)),
    responses((status = 200, description = "`{\"status\"}` with the job's id"), (status = 404, description = "no such segment")))]
pub async fn segment(
    State(app): State<AppState>,
    Path((table, segment)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    let (table, segment) = app.segment(&in_database(&table, &headers)?, &segment)?;
    let reload = app
        .control(move |controller| Ok::<_, crate::controller::Error>(controller.reload(&table, Some(&segment))))
        .await?;
    let status =
        format!("Submitted reload job id: {}, sent 1 reload messages. Job meta ZK storage status: SUCCESS", reload.id);
    Ok(Json(json!({"status": status})))
}

/// How a reload went
#[utoipa::path(get, path = "/segments/segmentReloadStatus/{jobId}", tag = "Segment", params(("jobId" = String, Path)),
    responses((status = 200, description = "`{totalSegmentCount, successCount, failureCount}`"), (status = 404, description = "no such job")))]
pub async fn status(State(app): State<AppState>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let reload = app.controller.reloaded(&id)?;
    Ok(Json(json!({
        "totalSegmentCount": reload.segments,
        "successCount": reload.segments - reload.failed,
        "failureCount": reload.failed,
        "totalServersQueried": 1,
        "totalServerCallsFailed": 0,
        "timeElapsedInMinutes": 0.0,
        "estimatedTimeRemainingInMinutes": 0.0,
        "metadata": {
            "jobId": reload.id,
            "tableName": reload.table,
            "jobType": "RELOAD_SEGMENT",
            "submissionTimeMs": reload.submitted_ms.to_string(),
        },
    })))
}
