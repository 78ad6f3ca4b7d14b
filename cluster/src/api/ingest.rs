//! `/ingestFromFile`: a file of rows in, visible segments out.

use super::parameters::in_database;
use super::{ApiError, AppState, receive, uploads};
use crate::controller::ingest::BatchConfig;
use crate::controller::push;
use axum::Json;
use axum::extract::{Query, Request, State};
use serde::Deserialize;
use serde_json::{Value, json};
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
    let config = match parameters.batch_config_map_str.as_deref() {
        None | Some("") => BatchConfig::default(),
        Some(text) => BatchConfig::from_json(text)?,
    };
    let table = match app.controller.table_named(&table_name, None) {
        Ok(table) => table,
        Err(error) => {
            receive::drain(request).await;
            return Err(error.into());
        }
    };
    let folder = app.controller.work().join(format!("ingest-{}", app.controller.next_operation()));
    tokio::fs::create_dir(&folder).await.map_err(|e| ApiError::internal(format!("make a folder for the file: {e}")))?;
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
    uploads::count(&app, &pushed);
    let pushed = pushed?;
    let status = format!("Successfully ingested file into table: {table_name}");
    Ok(Json(json!({"status": status, "segments": pushed.segments, "rows": pushed.rows, "bytes": pushed.bytes})))
}
