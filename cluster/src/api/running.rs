//! The queries that run now: listed and cancelled, at the broker and through the controller.

use super::extract::{Path, Query};
use super::{ApiError, AppState};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::IntoParams;

/// Running queries by id
#[utoipa::path(get, path = "/queries", tag = "Query", responses((status = 200, description = "`{id: sql}`")))]
pub async fn list(State(app): State<AppState>) -> Json<Value> {
    Json(Value::Object(running(&app)))
}

fn running(app: &AppState) -> Map<String, Value> {
    app.broker.running().list().into_iter().map(|query| (query.id.to_string(), Value::String(query.sql))).collect()
}

/// Running queries by broker and id
#[utoipa::path(get, path = "/queries", tag = "Query", responses((status = 200, description = "`{broker: {id: sql}}`")))]
pub async fn list_by_broker(State(app): State<AppState>) -> Json<Value> {
    Json(json!({app.broker_id(): running(&app)}))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CancelParameters {
    /// true: the id is the one that the client gave with the option clientQueryId
    client: Option<String>,
}

/// Cancel a running query
#[utoipa::path(delete, path = "/query/{id}", tag = "Query", params(("id" = String, Path), CancelParameters),
    responses((status = 200, description = "cancelled"), (status = 404, description = "no such query runs")))]
pub async fn cancel(
    State(app): State<AppState>,
    Path(id): Path<String>,
    Query(parameters): Query<CancelParameters>,
) -> Result<String, ApiError> {
    if parameters.client.as_deref() == Some("true") { cancel_client_id(&app, &id) } else { cancel_id(&app, &id) }
}

/// Cancel a running query of a broker
#[utoipa::path(delete, path = "/query/{brokerId}/{queryId}", tag = "Query", params(("brokerId" = String, Path), ("queryId" = String, Path)),
    responses((status = 200, description = "cancelled"), (status = 404, description = "no such query runs")))]
pub async fn cancel_at_broker(
    State(app): State<AppState>,
    Path((broker, id)): Path<(String, String)>,
) -> Result<String, ApiError> {
    check_broker(&app, &broker)?;
    cancel_id(&app, &id)
}

/// Cancel a running query by the id that its client gave
#[utoipa::path(delete, path = "/clientQuery/{clientQueryId}", tag = "Query", params(("clientQueryId" = String, Path)),
    responses((status = 200, description = "cancelled"), (status = 404, description = "no such query runs")))]
pub async fn cancel_client(State(app): State<AppState>, Path(id): Path<String>) -> Result<String, ApiError> {
    cancel_client_id(&app, &id)
}

/// Cancel a running query of a broker by the id that its client gave
#[utoipa::path(delete, path = "/clientQuery/{brokerId}/{clientQueryId}", tag = "Query",
    params(("brokerId" = String, Path), ("clientQueryId" = String, Path)),
    responses((status = 200, description = "cancelled"), (status = 404, description = "no such query runs")))]
pub async fn cancel_client_at_broker(
    State(app): State<AppState>,
    Path((broker, id)): Path<(String, String)>,
) -> Result<String, ApiError> {
    check_broker(&app, &broker)?;
    cancel_client_id(&app, &id)
}

fn check_broker(app: &AppState, broker: &str) -> Result<(), ApiError> {
    if broker == app.broker_id() {
        Ok(())
    } else {
        Err(ApiError::not_found(format!("broker `{broker}` does not exist")))
    }
}

fn cancel_id(app: &AppState, id: &str) -> Result<String, ApiError> {
    let found = id.parse().is_ok_and(|number| app.broker.running().cancel(number));
    if found {
        Ok(format!("Cancelled query: {id}"))
    } else {
        Err(ApiError::not_found(format!("no query with id {id} runs")))
    }
}

fn cancel_client_id(app: &AppState, id: &str) -> Result<String, ApiError> {
    let found = app.broker.running().cancel_client(id);
    if found {
        Ok(format!("Cancelled client query: {id}"))
    } else {
        Err(ApiError::not_found(format!("no query with client id {id} runs")))
    }
}
