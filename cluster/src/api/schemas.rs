//! `/schemas`: list, make, replace, drop, check.

use super::extract::{Path, Query};
use super::parameters::in_database;
use super::tables::config_value;
use super::{ApiError, AppState, receive};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use cluster_types::{Role, Schema};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

/// Names of all schemas
#[utoipa::path(get, path = "/schemas", tag = "Schema", responses((status = 200, description = "names")))]
pub async fn list(State(app): State<AppState>) -> Json<Vec<String>> {
    Json(app.controller.state().schemas().map(|row| row.name.clone()).collect())
}

/// All schemas with how many columns of each kind they have
#[utoipa::path(get, path = "/schemas/info", tag = "Schema", responses((status = 200, description = "`{\"schemasInfo\": [...]}`")))]
pub async fn info(State(app): State<AppState>) -> Json<Value> {
    let state = app.controller.state();
    let rows = state.schemas().map(|row| {
        let count = |role: fn(&Role) -> bool| {
            row.schema().map_or(0, |schema| schema.columns().iter().filter(|column| role(&column.role)).count())
        };
        json!({
            "schemaName": row.name,
            "numDimensionFields": count(|role| matches!(role, Role::Dimension)),
            "numMetricFields": count(|role| matches!(role, Role::Metric)),
            "numDateTimeFields": count(|role| matches!(role, Role::DateTime { .. })),
        })
    });
    Json(json!({"schemasInfo": rows.collect::<Value>()}))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PutParameters {
    /// Replace a schema of this name (default true)
    #[serde(rename = "override")]
    replace: Option<String>,
    /// Replace it also by one that lacks or changes columns (default false)
    force: Option<String>,
}

impl PutParameters {
    fn replace(&self) -> bool {
        self.replace.as_deref() != Some("false")
    }

    fn force(&self) -> bool {
        self.force.as_deref() == Some("true")
    }
}

/// Make a schema, or replace it
#[utoipa::path(post, path = "/schemas", tag = "Schema", params(PutParameters), request_body = Value, responses(
    (status = 200, description = "made"), (status = 400, description = "what is wrong with it"),
    (status = 409, description = "it exists, and override=false")))]
pub async fn create(
    State(app): State<AppState>,
    Query(parameters): Query<PutParameters>,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    let body = receive::document(request, app.limits.document).await?;
    let name = app
        .control(move |controller| {
            let schema = Schema::from_json(&body)?;
            controller.put_schema(&schema, parameters.replace(), parameters.force())?;
            Ok::<_, crate::controller::Error>(schema.name().to_owned())
        })
        .await?;
    Ok(Json(json!({"unrecognizedProperties": {}, "status": format!("{name} successfully added")})))
}

/// Check a schema without making it
#[utoipa::path(post, path = "/schemas/validate", tag = "Schema", request_body = Value, responses(
    (status = 200, description = "the schema as it was understood"), (status = 400, description = "what is wrong with it")))]
pub async fn validate(State(app): State<AppState>, request: Request) -> Result<Json<Value>, ApiError> {
    let body = receive::document(request, app.limits.document).await?;
    let schema = Schema::from_json(&body).map_err(|e| ApiError::bad_request(e.to_string()))?;
    Ok(Json(config_value(&schema.to_json())))
}

/// A schema
#[utoipa::path(get, path = "/schemas/{schemaName}", tag = "Schema", params(("schemaName" = String, Path)),
    responses((status = 200, description = "the schema"), (status = 404, description = "no such schema")))]
pub async fn get(
    State(app): State<AppState>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(config_value(app.controller.schema(&in_database(&name, &headers)?)?.document())))
}

/// Replace a schema
#[utoipa::path(put, path = "/schemas/{schemaName}", tag = "Schema", params(("schemaName" = String, Path), PutParameters),
    request_body = Value, responses((status = 200, description = "replaced"), (status = 404, description = "no such schema")))]
pub async fn update(
    State(app): State<AppState>,
    Path(name): Path<String>,
    Query(parameters): Query<PutParameters>,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    let name = in_database(&name, request.headers())?;
    let body = receive::document(request, app.limits.document).await?;
    let answered = name.clone();
    app.control(move |controller| {
        controller.schema(&name)?;
        let schema = Schema::from_json(&body)?;
        if schema.name() != name {
            let message = format!("the body is schema `{}`, not `{name}`", schema.name());
            return Err(crate::controller::Error::Invalid(message));
        }
        controller.put_schema(&schema, true, parameters.force())
    })
    .await?;
    Ok(Json(json!({"unrecognizedProperties": {}, "status": format!("{answered} successfully added")})))
}

/// Drop a schema that no table uses
#[utoipa::path(delete, path = "/schemas/{schemaName}", tag = "Schema", params(("schemaName" = String, Path)), responses(
    (status = 200, description = "dropped"), (status = 404, description = "no such schema"), (status = 409, description = "a table uses it")))]
pub async fn drop(
    State(app): State<AppState>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    let name = in_database(&name, &headers)?;
    let dropped = name.clone();
    app.control(move |controller| controller.drop_schema(&name)).await?;
    Ok(Json(json!({"status": format!("Schema {dropped} deleted")})))
}
