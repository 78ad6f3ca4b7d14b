//! `/responseStore`: the results of queries that were asked with `getCursor=true`, page by page.

use super::extract::{Path, Query};
use super::{ApiError, AppState, query};
use crate::broker::cursors::PAGE_ROWS;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use cluster_types::BrokerResponse;
use serde::Deserialize;
use utoipa::IntoParams;

/// Results that are kept, without rows
#[utoipa::path(get, path = "/responseStore", tag = "ResponseStore", responses((status = 200, description = "an array of answers")))]
pub async fn list(State(app): State<AppState>) -> Json<Vec<BrokerResponse>> {
    Json(app.broker.cursors().list())
}

/// What is kept of a query, without rows
#[utoipa::path(get, path = "/responseStore/{requestId}", tag = "ResponseStore", params(("requestId" = String, Path)),
    responses((status = 200, description = "the answer without `resultTable`"), (status = 404, description = "nothing is kept")))]
pub async fn describe(State(app): State<AppState>, Path(id): Path<String>) -> Result<Json<BrokerResponse>, ApiError> {
    Ok(Json(app.broker.cursors().describe(&id)?))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub struct PageParameters {
    /// The first row, from 0
    offset: Option<u64>,
    /// The most rows (default 10,000)
    num_rows: Option<u64>,
}

/// A page of a query's rows
#[utoipa::path(get, path = "/responseStore/{requestId}/results", tag = "ResponseStore", params(("requestId" = String, Path), PageParameters),
    responses((status = 200, description = "the answer with rows from `offset` on"), (status = 400, description = "offset is behind the last row"),
    (status = 404, description = "nothing is kept")))]
pub async fn page(
    State(app): State<AppState>,
    Path(id): Path<String>,
    Query(parameters): Query<PageParameters>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (offset, rows) = (parameters.offset.unwrap_or(0), parameters.num_rows.unwrap_or(PAGE_ROWS));
    let page = app.broker.cursors().page(&id, offset, rows)?;
    Ok(query::respond(page, &headers))
}

/// Let go of a query's results
#[utoipa::path(delete, path = "/responseStore/{requestId}", tag = "ResponseStore", params(("requestId" = String, Path)),
    responses((status = 200, description = "deleted"), (status = 404, description = "nothing is kept")))]
pub async fn delete(State(app): State<AppState>, Path(id): Path<String>) -> Result<String, ApiError> {
    app.broker.cursors().delete(&id)?;
    Ok(format!("Query Results for {id} deleted."))
}
