//! `/ingestFromFile` and `/ingestFromURI`: a file of rows in, visible segments out.

use super::extract::Query;
use super::parameters::in_database;
use super::{ApiError, AppState, receive, uploads};
use crate::controller::ingest::BatchConfig;
use crate::controller::push;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::PathBuf;
use utoipa::IntoParams;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub struct FileParameters {
    /// The table with its type, for example t_OFFLINE
    table_name_with_type: String,
    /// How to read the file, as JSON: {"inputFormat": "csv", "recordReader.prop.delimiter": "|"}
    batch_config_map_str: Option<String>,
}

/// Ingest a file of rows
///
/// The file is the body, or the part `file` of a form: CSV, JSON (lines or an array), Parquet, also packed with gzip or zstd.
/// A bad row fails the whole file and is named with its line and column. The answer comes when the rows are visible.
#[utoipa::path(post, path = "/ingestFromFile", tag = "Ingestion", params(FileParameters),
    request_body(content = Vec<u8>, content_type = "multipart/form-data"), responses(
    (status = 200, description = "the rows are visible"), (status = 400, description = "what is wrong and where"),
    (status = 404, description = "no such table")))]
pub async fn from_file(
    State(app): State<AppState>,
    Query(parameters): Query<FileParameters>,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    let table_name = in_database(&parameters.table_name_with_type, request.headers())?;
    let config = batch_config(parameters.batch_config_map_str.as_deref())?;
    let table = match app.controller.table_named(&table_name, None) {
        Ok(table) => table,
        Err(error) => {
            receive::drain(request).await;
            return Err(error.into());
        }
    };
    let folder = work_folder(&app).await?;
    let path = folder.join("input");
    let pushed = match receive::file(request, &path, app.limits.file).await {
        Err(error) => Err(error),
        Ok(name) => {
            let folder = folder.clone();
            app.control(move |controller| controller.ingest_file(&table, &path, name.as_deref(), &config, &folder))
                .await
        }
    };
    push::discard(&folder);
    answer(&app, pushed, &format!("file into table: {table_name}"))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub struct UriParameters {
    /// The table with its type, for example t_OFFLINE
    table_name_with_type: String,
    /// How to read the file, as JSON; keys of other file systems are let pass
    batch_config_map_str: Option<String>,
    /// file:///PATH, a file of the controller's host
    #[serde(rename = "sourceURIStr")]
    source_uri_str: String,
}

/// Ingest a file that the controller can read
///
/// Only after the cluster config `controller.ingestFromURI.allowLocalFileSystem` was set to true.
#[utoipa::path(post, path = "/ingestFromURI", tag = "Ingestion", params(UriParameters), responses(
    (status = 200, description = "the rows are visible"), (status = 400, description = "what is wrong and where"),
    (status = 403, description = "files of the host are not read"), (status = 404, description = "no such table"),
    (status = 501, description = "a scheme that is not file")))]
pub async fn from_uri(
    State(app): State<AppState>,
    Query(parameters): Query<UriParameters>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    let table_name = in_database(&parameters.table_name_with_type, &headers)?;
    let config = batch_config(parameters.batch_config_map_str.as_deref())?;
    let table = app.controller.table_named(&table_name, None)?;
    let path = app.controller.local_source(&parameters.source_uri_str, app.limits.file)?;
    let folder = work_folder(&app).await?;
    let build_in = folder.clone();
    let pushed = app
        .control(move |controller| {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            controller.ingest_file(&table, &path, name.as_deref(), &config, &build_in)
        })
        .await;
    push::discard(&folder);
    answer(&app, pushed, &format!("file: {} into table: {table_name}", parameters.source_uri_str))
}

fn batch_config(text: Option<&str>) -> Result<BatchConfig, ApiError> {
    match text {
        None | Some("") => Ok(BatchConfig::default()),
        Some(text) => Ok(BatchConfig::from_json(text)?),
    }
}

/// A folder for one ingest; what cannot be removed afterwards goes at the next start.
async fn work_folder(app: &AppState) -> Result<PathBuf, ApiError> {
    let folder = app.controller.work().join(format!("ingest-{}", app.controller.next_operation()));
    tokio::fs::create_dir(&folder).await.map_err(|e| ApiError::internal(format!("make a folder for the file: {e}")))?;
    Ok(folder)
}

fn answer(app: &AppState, pushed: Result<push::Pushed, ApiError>, what: &str) -> Result<Json<Value>, ApiError> {
    uploads::count(app, &pushed);
    let pushed = pushed?;
    let status = format!("Successfully ingested {what}");
    Ok(Json(json!({"status": status, "segments": pushed.segments, "rows": pushed.rows, "bytes": pushed.bytes})))
}
