//! `/pushes`: several segments sent one by one that become visible together. What `gamay ingest` uses.
//!
//! ```text
//!   POST   /pushes?tableName=t_OFFLINE&mode=append          -> {"pushId", "clusterId", "tableIncarnation", "schemaVersion"}
//!   POST   /pushes/{pushId}/reserve      ["seg_0", ...]     -> {"slots": [{"name", "ordinal", "generation"}]}
//!   PUT    /pushes/{pushId}/segments/{name}   (the file)
//!   POST   /pushes/{pushId}/commit                          -> {"segments", "rows", "bytes", "replaced"}
//!   DELETE /pushes/{pushId}
//! ```

use super::extract::{Path, Query};
use super::parameters::in_database;
use super::{ApiError, AppState, receive};
use crate::controller::push::{Pushed, SegmentFile};
use crate::metrics::{PushLabels, PushOutcome};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use cluster_catalog::PushMode;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub struct BeginParameters {
    /// The table, with or without its type
    table_name: String,
    /// append: the names must be new (default); replaceByName: a name that is there gets a new generation; replaceAll: all
    /// segments of the table go
    mode: Option<String>,
}

pub fn parse_mode(text: Option<&str>) -> Result<PushMode, ApiError> {
    match text {
        None | Some("append") => Ok(PushMode::Append),
        Some("replaceByName") => Ok(PushMode::ReplaceByName),
        Some("replaceAll") => Ok(PushMode::ReplaceAll),
        Some(other) => {
            Err(ApiError::bad_request(format!("mode `{other}` is none of append, replaceByName, replaceAll")))
        }
    }
}

/// Open a push
#[utoipa::path(post, path = "/pushes", tag = "Push", params(BeginParameters), responses(
    (status = 200, description = "the push and what its segments carry"), (status = 404, description = "no such table")))]
pub async fn begin(
    State(app): State<AppState>,
    Query(parameters): Query<BeginParameters>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    let mode = parse_mode(parameters.mode.as_deref())?;
    let name = in_database(&parameters.table_name, &headers)?;
    let answer = app
        .control(move |controller| {
            let table = controller.table_named(&name, None)?;
            let id = controller.next_operation().to_string();
            controller.uploads().begin(id.clone(), table.incarnation, mode)?;
            Ok::<_, crate::controller::Error>(json!({
                "pushId": id,
                "tableName": table.name,
                "clusterId": controller.state().cluster().to_string(),
                "tableIncarnation": table.incarnation.0,
                "schemaVersion": controller.schema(&table.schema)?.version,
                "indexVersion": table.config_version,
            }))
        })
        .await?;
    Ok(Json(answer))
}

/// Reserve the numbers that segments carry in their footers
#[utoipa::path(post, path = "/pushes/{pushId}/reserve", tag = "Push", params(("pushId" = String, Path)), request_body = Vec<String>,
    responses((status = 200, description = "`{\"slots\": [{\"name\", \"ordinal\", \"generation\"}]}`")))]
pub async fn reserve(
    State(app): State<AppState>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    let names: Vec<String> = receive::json(request, app.limits.document).await?;
    let answer = app
        .control(move |controller| {
            let upload = controller.uploads().get(&id)?;
            let state = controller.state();
            let table = state.table(upload.table).ok_or_else(|| dropped(&id))?;
            let slots = controller.reserve(table, names.clone())?;
            let slots = names.iter().zip(slots).map(
                |(name, (ordinal, generation))| json!({"name": name, "ordinal": ordinal.0, "generation": generation.0}),
            );
            Ok::<_, crate::controller::Error>(json!({"slots": slots.collect::<Vec<_>>()}))
        })
        .await?;
    Ok(Json(answer))
}

fn dropped(id: &str) -> crate::controller::Error {
    crate::controller::Error::Invalid(format!("the table of push `{id}` has been dropped"))
}

/// Send a segment of a push
#[utoipa::path(put, path = "/pushes/{pushId}/segments/{segmentName}", tag = "Push",
    params(("pushId" = String, Path), ("segmentName" = String, Path)),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"), responses((status = 200, description = "received")))]
pub async fn send(
    State(app): State<AppState>,
    Path((id, name)): Path<(String, String)>,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    let path = app.controller.uploads().receive(&id)?;
    receive::file(request, &path, app.limits.file).await?;
    app.controller.uploads().received(&id, name.clone(), path)?;
    Ok(Json(json!({"status": format!("segment {name} received")})))
}

/// Make the segments of a push visible, all of them or none
#[utoipa::path(post, path = "/pushes/{pushId}/commit", tag = "Push", params(("pushId" = String, Path)), responses(
    (status = 200, description = "`{\"segments\", \"rows\", \"bytes\", \"replaced\"}`"), (status = 400, description = "a segment is damaged or does not fit"),
    (status = 409, description = "a segment of that name exists")))]
pub async fn commit(State(app): State<AppState>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let pushed = app
        .control(move |controller| {
            let upload = controller.uploads().take(&id)?;
            let files =
                upload.segments().map(|(name, path)| SegmentFile { name: name.to_owned(), path: path.to_owned() });
            let state = controller.state();
            let table = state.table(upload.table).cloned().ok_or_else(|| dropped(&id));
            let pushed = table.and_then(|table| controller.push(&table, files.collect(), upload.mode));
            controller.uploads().finish(&upload);
            pushed
        })
        .await;
    count(&app, &pushed);
    Ok(Json(shown(pushed?)))
}

/// Counts a push.
pub fn count(app: &AppState, pushed: &Result<Pushed, ApiError>) {
    let outcome = match pushed {
        Ok(pushed) => {
            app.metrics.rows_pushed.inc_by(pushed.rows);
            PushOutcome::ok
        }
        Err(_) => PushOutcome::error,
    };
    app.metrics.pushes.get_or_create(&PushLabels { outcome }).inc();
}

pub fn shown(pushed: Pushed) -> Value {
    json!({"segments": pushed.segments, "rows": pushed.rows, "bytes": pushed.bytes, "replaced": pushed.replaced})
}

/// Cancel a push
#[utoipa::path(delete, path = "/pushes/{pushId}", tag = "Push", params(("pushId" = String, Path)),
    responses((status = 200, description = "cancelled"), (status = 404, description = "no such push")))]
pub async fn cancel(State(app): State<AppState>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let cancelled = id.clone();
    app.control(move |controller| controller.uploads().cancel(&id)).await?;
    Ok(Json(json!({"status": format!("push {cancelled} cancelled")})))
}
