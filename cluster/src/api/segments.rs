//! `/segments` and `/v2/segments`: list, push, download, drop.

use super::extract::{Path, Query, Tables};
use super::parameters::{DropParameters, TypeParameter, in_database, parse_type};
use super::{ApiError, AppState, receive, uploads};
use crate::controller::push::{self, SegmentFile};
use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use cluster_catalog::{PushMode, Segment};
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

/// Names of a table's segments, by type
#[utoipa::path(get, path = "/segments/{tableName}", tag = "Segment", params(("tableName" = String, Path), TypeParameter),
    responses((status = 200, description = "`[{\"OFFLINE\": [...]}]`"), (status = 404, description = "no such table")))]
pub async fn list(tables: Tables) -> Json<Value> {
    named_lists(&tables, |_| true)
}

/// Names of segments by type, as Pinot lists them.
fn named_lists(tables: &Tables, wanted: impl Fn(&Segment) -> bool) -> Json<Value> {
    let lists = tables.0.iter().map(|table| {
        let names = table.segments().filter(|segment| wanted(segment)).map(|segment| &*segment.name);
        json!({table.table_type().name(): names.collect::<Vec<_>>()})
    });
    Json(lists.collect())
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub struct SelectParameters {
    /// UTC milliseconds; segments that end before are left out
    start_timestamp: Option<i64>,
    /// UTC milliseconds; segments that begin then or later are left out
    end_timestamp: Option<i64>,
    /// true: also segments that begin before `startTimestamp` or end after `endTimestamp` are left out
    exclude_overlapping: Option<bool>,
}

/// Names of a table's segments of a time range, by type
#[utoipa::path(get, path = "/segments/{tableName}/select", tag = "Segment", params(("tableName" = String, Path), TypeParameter, SelectParameters),
    responses((status = 200, description = "`[{\"OFFLINE\": [...]}]`"), (status = 404, description = "no such table")))]
pub async fn select(tables: Tables, Query(range): Query<SelectParameters>) -> Json<Value> {
    let from = range.start_timestamp.unwrap_or(i64::MIN);
    let to = range.end_timestamp.unwrap_or(i64::MAX);
    let everything = range.start_timestamp.is_none() && range.end_timestamp.is_none();
    named_lists(&tables, |segment| match (segment.min_time_ms, segment.max_time_ms) {
        (Some(min), Some(max)) if range.exclude_overlapping == Some(true) => min >= from && max < to,
        (Some(min), Some(max)) => max >= from && min < to,
        _ => everything,
    })
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub struct PushParameters {
    /// The table; the one that the segment names where it is left out
    table_name: Option<String>,
    /// OFFLINE
    table_type: Option<String>,
    /// Whether a segment of that name may be replaced (default true)
    allow_refresh: Option<String>,
}

/// Push one segment file
///
/// The body is a segment as `gamay segment build` writes it, plain or as a part of a form. Every byte is verified before it
/// becomes visible. A segment of the same name is replaced.
#[utoipa::path(post, path = "/v2/segments", tag = "Segment", params(PushParameters),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"), responses(
    (status = 200, description = "visible"), (status = 400, description = "damaged, or it does not fit the table's schema"),
    (status = 404, description = "no such table")))]
pub async fn push(
    State(app): State<AppState>,
    Query(parameters): Query<PushParameters>,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    check_upload_type(request.headers())?;
    let headers = request.headers().clone();
    let id = app.controller.next_operation().to_string();
    let folder = app.controller.work().join(format!("segment-{id}"));
    tokio::fs::create_dir(&folder)
        .await
        .map_err(|e| ApiError::internal(format!("make a folder for the segment: {e}")))?;
    let path = folder.join("0.seg");
    let received = receive::file(request, &path, app.limits.file).await;
    let pushed = match received {
        Err(error) => Err(error),
        Ok(_) => push_file(&app, parameters, &headers, path).await,
    };
    push::discard(&folder);
    uploads::count(&app, &pushed.as_ref().map(|(_, _, pushed)| *pushed).map_err(|e| ApiError::new(e.status, "")));
    let (segment, table, _) = pushed?;
    Ok(Json(json!({"status": format!("Successfully uploaded segment: {segment} of table: {table}")})))
}

async fn push_file(
    app: &AppState,
    parameters: PushParameters,
    headers: &HeaderMap,
    path: std::path::PathBuf,
) -> Result<(String, String, push::Pushed), ApiError> {
    let table_type = parse_type(parameters.table_type.as_deref())?;
    let asked = parameters.table_name.as_deref().map(|name| in_database(name, headers)).transpose()?;
    let mode =
        if parameters.allow_refresh.as_deref() == Some("false") { PushMode::Append } else { PushMode::ReplaceByName };
    app.control(move |controller| {
        let (segment, _) = push::open(&path, "of the request")?;
        let info = segment.info();
        let table = controller.table_named(asked.as_deref().unwrap_or(&info.table), table_type)?;
        let file = SegmentFile { name: info.name.clone(), path };
        let pushed = controller.push(&table, vec![file], mode)?;
        Ok::<_, crate::controller::Error>((info.name.clone(), table.name.clone(), pushed))
    })
    .await
}

/// Push one segment file (the older path)
#[utoipa::path(post, path = "/segments", tag = "Segment", params(PushParameters),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, description = "visible"), (status = 400, description = "damaged, or it does not fit")))]
pub async fn push_v1(
    app: State<AppState>,
    parameters: Query<PushParameters>,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    push(app, parameters, request).await
}

fn check_upload_type(headers: &HeaderMap) -> Result<(), ApiError> {
    match headers.get("upload_type").map(|value| value.to_str().unwrap_or_default().to_ascii_uppercase()).as_deref() {
        None | Some("SEGMENT") => Ok(()),
        Some(other) if !matches!(other, "URI" | "METADATA") => {
            Err(ApiError::bad_request(format!("UPLOAD_TYPE `{other}` is none of SEGMENT, URI, METADATA")))
        }
        Some(other) => Err(ApiError::new(
            axum::http::StatusCode::NOT_IMPLEMENTED,
            format!("UPLOAD_TYPE {other} is not taken; send the segment itself (UPLOAD_TYPE: SEGMENT)"),
        )),
    }
}

/// Download a segment file
#[utoipa::path(get, path = "/segments/{tableName}/{segmentName}", tag = "Segment",
    params(("tableName" = String, Path), ("segmentName" = String, Path)),
    responses((status = 200, description = "the file"), (status = 404, description = "no such segment")))]
pub async fn download(
    State(app): State<AppState>,
    Path((table, segment)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (_, segment) = app.segment(&in_database(&table, &headers)?, &segment)?;
    let path = app.controller.deep_store().path(&segment.key).map_err(crate::controller::Error::from)?;
    let open = tokio::fs::File::open(&path).await;
    let file =
        open.map_err(|e| ApiError::internal(format!("open segment `{}` in the deep store: {e}", segment.name)))?;
    let mut response = Response::new(Body::from_stream(futures_util::stream::unfold(file, next_chunk).fuse()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(segment.bytes));
    if let Ok(value) =
        HeaderValue::from_str(&format!("attachment; filename=\"{}.seg\"", segment.name.replace('"', "_")))
    {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

async fn next_chunk(mut file: tokio::fs::File) -> Option<(std::io::Result<bytes::Bytes>, tokio::fs::File)> {
    use tokio::io::AsyncReadExt;
    let mut buffer = bytes::BytesMut::with_capacity(256 * 1024);
    match file.read_buf(&mut buffer).await {
        Ok(0) => None,
        Ok(_) => Some((Ok(buffer.freeze()), file)),
        Err(error) => Some((Err(error), file)),
    }
}

/// Drop a segment
#[utoipa::path(delete, path = "/segments/{tableName}/{segmentName}", tag = "Segment",
    params(("tableName" = String, Path), ("segmentName" = String, Path), DropParameters),
    responses((status = 200, description = "dropped"), (status = 404, description = "no such segment")))]
pub async fn drop_one(
    State(app): State<AppState>,
    Path((table, segment)): Path<(String, String)>,
    Query(parameters): Query<DropParameters>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    let table = in_database(&table, &headers)?;
    app.segment(&table, &segment)?;
    drop_named(&app, table, Some(vec![segment]), parameters).await?;
    Ok(Json(json!({"status": "Segment deleted"})))
}

/// Drop all segments of a table
#[utoipa::path(delete, path = "/segments/{tableName}", tag = "Segment", params(("tableName" = String, Path), DropParameters),
    responses((status = 200, description = "dropped"), (status = 404, description = "no such table")))]
pub async fn drop_all(
    State(app): State<AppState>,
    Path(table): Path<String>,
    Query(parameters): Query<DropParameters>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    let table = in_database(&table, &headers)?;
    let (name, _) = drop_named(&app, table, None, parameters).await?;
    Ok(Json(json!({"status": format!("All segments of table {name} deleted")})))
}

/// Drop the segments that the body lists
#[utoipa::path(post, path = "/segments/{tableName}/delete", tag = "Segment", params(("tableName" = String, Path), DropParameters),
    request_body = Vec<String>, responses((status = 200, description = "dropped"), (status = 404, description = "no such segment")))]
pub async fn drop_listed(
    State(app): State<AppState>,
    Path(table): Path<String>,
    Query(parameters): Query<DropParameters>,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    let table = in_database(&table, request.headers())?;
    let names = receive::json(request, app.limits.document).await?;
    let (_, count) = drop_named(&app, table, Some(names), parameters).await?;
    Ok(Json(json!({"status": format!("Deleted {count} segments")})))
}

async fn drop_named(
    app: &AppState,
    table: String,
    names: Option<Vec<String>>,
    parameters: DropParameters,
) -> Result<(String, u64), ApiError> {
    let table_type = parse_type(parameters.table_type.as_deref())?;
    app.control(move |controller| {
        let table = controller.table_named(&table, table_type)?;
        let count = controller.drop_segments(&table, names, parameters.retention.as_deref())?;
        Ok::<_, crate::controller::Error>((table.name.clone(), count))
    })
    .await
}
