//! `/query/sql`, `/query`, and the controller's `/sql`: a query in, Pinot's answer out.

use super::extract::Query;
use super::parameters::pairs;
use super::{AppState, receive};
use crate::broker::answer::{Answer, Chunks};
use crate::broker::cursors;
use crate::broker::request::{self, QueryRequest};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use cluster_sql::Profile;
use cluster_types::ErrorCode;
use std::convert::Infallible;

const ERROR_CODE: HeaderName = HeaderName::from_static("x-pinot-error-code");
const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
const USE_HTTP_STATUS: HeaderName = HeaderName::from_static("pinot-use-http-status-for-errors");

/// Ask in SQL, Pinot's single-stage reading unless the option useMultistageEngine says otherwise
#[utoipa::path(post, path = "/query/sql", tag = "Query", request_body = serde_json::Value,
    responses((status = 200, description = "rows and statistics, or `exceptions`")))]
pub async fn sql_post(State(app): State<AppState>, request: Request) -> Response {
    post(app, request, Profile::Sse).await
}

/// Ask in SQL (parameters sql, queryOptions, trace)
#[utoipa::path(get, path = "/query/sql", tag = "Query", params(("sql" = String, Query), ("queryOptions" = Option<String>, Query), ("trace" = Option<bool>, Query)),
    responses((status = 200, description = "rows and statistics, or `exceptions`")))]
pub async fn sql_get(
    State(app): State<AppState>,
    parameters: Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Response {
    get(app, parameters, headers, Profile::Sse).await
}

/// Ask in SQL, Pinot's multi-stage reading
#[utoipa::path(post, path = "/query", tag = "Query", request_body = serde_json::Value,
    responses((status = 200, description = "rows and statistics, or `exceptions`")))]
pub async fn query_post(State(app): State<AppState>, request: Request) -> Response {
    post(app, request, Profile::Mse).await
}

/// Ask in SQL, Pinot's multi-stage reading (parameters sql, queryOptions, trace)
#[utoipa::path(get, path = "/query", tag = "Query", params(("sql" = String, Query), ("queryOptions" = Option<String>, Query)),
    responses((status = 200, description = "rows and statistics, or `exceptions`")))]
pub async fn query_get(
    State(app): State<AppState>,
    parameters: Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Response {
    get(app, parameters, headers, Profile::Mse).await
}

/// Ask in SQL through the controller
#[utoipa::path(post, path = "/sql", tag = "Query", request_body = serde_json::Value,
    responses((status = 200, description = "rows and statistics, or `exceptions`")))]
pub async fn proxy_post(State(app): State<AppState>, request: Request) -> Response {
    post(app, request, Profile::Sse).await
}

/// Ask in SQL through the controller (parameters sql, queryOptions, trace)
#[utoipa::path(get, path = "/sql", tag = "Query", params(("sql" = String, Query), ("queryOptions" = Option<String>, Query)),
    responses((status = 200, description = "rows and statistics, or `exceptions`")))]
pub async fn proxy_get(
    State(app): State<AppState>,
    parameters: Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Response {
    get(app, parameters, headers, Profile::Sse).await
}

async fn post(app: AppState, request: Request, profile: Profile) -> Response {
    let headers = request.headers().clone();
    let cursor = pairs(request.uri().query());
    let query = match receive::whole(request.into_body(), app.limits.query).await {
        Ok(body) => QueryRequest::from_json(&body),
        Err(error) => return refused(&app, &headers, error.status, ErrorCode::JsonParsing, &error.message),
    };
    answer(app, query, headers, profile, &cursor).await
}

async fn get(
    app: AppState,
    Query(parameters): Query<Vec<(String, String)>>,
    headers: HeaderMap,
    profile: Profile,
) -> Response {
    let cursor = parameters.clone();
    answer(app, QueryRequest::from_parameters(parameters), headers, profile, &cursor).await
}

async fn answer(
    app: AppState,
    query: Result<QueryRequest, request::Error>,
    headers: HeaderMap,
    profile: Profile,
    parameters: &[(String, String)],
) -> Response {
    let answer = match (query, page_rows(parameters)) {
        (Ok(query), Ok(page_rows)) => {
            let answer = app.broker.answer(query, profile, database(&headers), correlation(&headers)).await;
            match page_rows {
                Some(page_rows) => app.broker.cursors().keep(answer, page_rows),
                None => answer,
            }
        }
        (Err(error), _) | (_, Err(error)) => app.broker.refuse(Answer::error(error.code, error.message)),
    };
    respond(answer, &headers)
}

/// The rows of a page, where the request asks for a cursor: `?getCursor=true&numRows=100`.
fn page_rows(parameters: &[(String, String)]) -> Result<Option<u64>, request::Error> {
    let value = |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    if !value("getCursor").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Ok(None);
    }
    match value("numRows") {
        None | Some("") => Ok(Some(cursors::PAGE_ROWS)),
        Some(text) => match text.parse() {
            Ok(rows @ 1..) => Ok(Some(rows)),
            _ => Err(request::Error {
                code: ErrorCode::JsonParsing,
                message: format!("numRows `{text}` is not a number of rows from 1 on"),
            }),
        },
    }
}

fn refused(app: &AppState, headers: &HeaderMap, status: StatusCode, code: ErrorCode, message: &str) -> Response {
    let mut response = respond(app.broker.refuse(Answer::error(code, message)), headers);
    *response.status_mut() = status;
    response
}

fn database(headers: &HeaderMap) -> Option<String> {
    super::parameters::database(headers).map(str::to_owned)
}

fn correlation(headers: &HeaderMap) -> Option<String> {
    headers.get(CORRELATION_ID).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// Errors are status 200 with `exceptions`, unless the client asks for statuses.
pub fn respond(answer: Answer, request_headers: &HeaderMap) -> Response {
    let error_code = answer.response.error_code_header();
    let wants_status =
        request_headers.get(USE_HTTP_STATUS).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
    let status = match answer.error {
        Some(code) if wants_status => {
            StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
        }
        _ => StatusCode::OK,
    };
    let mut response = Response::new(body(answer.into_chunks()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ERROR_CODE, HeaderValue::from(error_code));
    if let Some(id) = request_headers.get(CORRELATION_ID) {
        headers.insert(CORRELATION_ID, id.clone());
    }
    response
}

/// A small answer goes out with its length, a large one chunk by chunk as the client reads.
fn body(mut chunks: Chunks) -> Body {
    let first = chunks.next().unwrap_or_default();
    if chunks.is_finished() {
        return Body::from(first);
    }
    let all = std::iter::once(first).chain(chunks).map(Ok::<Bytes, Infallible>);
    Body::from_stream(futures_util::stream::iter(all))
}

/// Check that a text is SQL
#[utoipa::path(post, path = "/query/sql/validateSyntax", tag = "Query", request_body = serde_json::Value,
    responses((status = 200, description = "`{\"validationResult\": true}`, or why not")))]
pub async fn validate(State(app): State<AppState>, request: Request) -> axum::Json<serde_json::Value> {
    let query = match receive::whole(request.into_body(), app.limits.query).await {
        Ok(body) => QueryRequest::from_json(&body).map_err(|e| (e.code, e.message)),
        Err(error) => Err((ErrorCode::JsonParsing, error.message)),
    };
    let checked = match query {
        Ok(query) => app.broker.check_syntax(query).await.map_err(|e| (e.code, e.to_string())),
        Err(error) => Err(error),
    };
    axum::Json(match checked {
        Ok(()) => serde_json::json!({"validationResult": true, "errorMessage": null, "errorCode": null}),
        Err((code, message)) => {
            serde_json::json!({"validationResult": false, "errorMessage": message, "errorCode": code.code()})
        }
    })
}
