//! `/tables`: list, make, change, drop.

use super::extract::{Path, Query, Tables};
use super::parameters::{DropParameters, TypeParameter, database, in_database, parse_type};
use super::{ApiError, AppState, receive};
use crate::controller::tables::CheckedTable;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use cluster_types::{TableConfig, TableName, TableType};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use utoipa::IntoParams;

/// Names of all tables: raw ones, or with their type where a type is asked for
#[utoipa::path(get, path = "/tables", tag = "Table", params(TypeParameter), responses((status = 200, description = "`{\"tables\": [...]}`")))]
pub async fn list(
    State(app): State<AppState>,
    Query(parameter): Query<TypeParameter>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    let wanted = parameter.parse()?;
    let state = app.controller.state();
    let database = database(&headers);
    let names: BTreeSet<String> = state
        .tables()
        .filter(|table| wanted.is_none_or(|wanted| table.table_type() == wanted))
        .filter(|table| {
            database.is_none_or(|wanted| TableName::parse(&table.name).is_ok_and(|name| name.database() == wanted))
        })
        .map(|table| if wanted.is_some() { table.name.clone() } else { table.raw_name() })
        .collect();
    Ok(Json(json!({"tables": names})))
}

/// Make a table from its config
#[utoipa::path(post, path = "/tables", tag = "Table", request_body = Value, responses(
    (status = 200, description = "made"), (status = 400, description = "the config does not fit its schema"),
    (status = 409, description = "the table exists")))]
pub async fn create(State(app): State<AppState>, request: Request) -> Result<Json<Value>, ApiError> {
    let body = receive::document(request, app.limits.document).await?;
    let (name, unrecognized) = app
        .control(move |controller| {
            let table = controller.check_table(TableConfig::from_json(&body)?, None)?;
            controller.create_table(&table)?;
            Ok::<_, crate::controller::Error>((table.name.to_string(), unrecognized(&table)))
        })
        .await?;
    Ok(Json(json!({"unrecognizedProperties": unrecognized, "status": format!("Table {name} successfully added")})))
}

/// Check a table config without making the table
#[utoipa::path(post, path = "/tables/validate", tag = "Table", request_body = Value, responses(
    (status = 200, description = "the config as it was understood"), (status = 400, description = "what is wrong with it")))]
pub async fn validate(State(app): State<AppState>, request: Request) -> Result<Json<Value>, ApiError> {
    let body = receive::document(request, app.limits.document).await?;
    let table = app.control(move |controller| controller.check_table(TableConfig::from_json(&body)?, None)).await?;
    let mut answer = Map::new();
    answer.insert(table.config.table_type.name().to_owned(), config_value(&table.config.to_json()));
    answer.insert("unrecognizedProperties".to_owned(), unrecognized(&table));
    Ok(Json(Value::Object(answer)))
}

/// A table's config, by type
#[utoipa::path(get, path = "/tables/{tableName}", tag = "Table", params(("tableName" = String, Path), TypeParameter), responses(
    (status = 200, description = "`{\"OFFLINE\": {...}}`"), (status = 404, description = "no such table")))]
pub async fn get(tables: Tables) -> Json<Value> {
    let configs = tables.0.iter().map(|table| (table.table_type().name().to_owned(), config_value(table.document())));
    Json(Value::Object(configs.collect()))
}

/// Change a table's config
#[utoipa::path(put, path = "/tables/{tableName}", tag = "Table", params(("tableName" = String, Path)), request_body = Value,
    responses((status = 200, description = "changed"), (status = 404, description = "no such table")))]
pub async fn update(
    State(app): State<AppState>,
    Path(name): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    let body = receive::document(request, app.limits.document).await?;
    let name = in_database(&name, &headers)?;
    let answer = app
        .control(move |controller| {
            let table = controller.check_table(TableConfig::from_json(&body)?, None)?;
            if TableName::parse(&name)?.raw() != table.name.raw() {
                let message = format!("the config is of table `{}`, not of `{name}`", table.name);
                return Err(crate::controller::Error::Invalid(message));
            }
            controller.update_table(&table)?;
            Ok(json!({"unrecognizedProperties": unrecognized(&table), "status": format!("Table config updated for {name}")}))
        })
        .await?;
    Ok(Json(answer))
}

/// Drop a table and its segments
#[utoipa::path(delete, path = "/tables/{tableName}", tag = "Table", params(("tableName" = String, Path), DropParameters),
    responses((status = 200, description = "dropped"), (status = 404, description = "no such table")))]
pub async fn drop(
    State(app): State<AppState>,
    Path(name): Path<String>,
    Query(parameters): Query<DropParameters>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    let name = in_database(&name, &headers)?;
    let table_type = parse_type(parameters.table_type.as_deref())?;
    let dropped = app
        .control(move |controller| {
            let tables = controller.tables_named(&name, table_type)?;
            tables.iter().try_for_each(|table| controller.drop_table(table, parameters.retention.as_deref()))?;
            Ok::<_, crate::controller::Error>(tables.iter().map(|table| table.name.clone()).collect::<Vec<_>>())
        })
        .await?;
    Ok(Json(json!({"status": format!("Tables: [{}] deleted", dropped.join(", "))})))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StateParameters {
    /// OFFLINE or REALTIME
    #[serde(rename = "type")]
    table_type: Option<String>,
    /// enable or disable
    state: Option<String>,
}

/// Whether queries may use a table
#[utoipa::path(get, path = "/tables/{tableName}/state", tag = "Table", params(("tableName" = String, Path), TypeParameter),
    responses((status = 200, description = "`{\"state\": \"enabled\"}`")))]
pub async fn state(
    State(app): State<AppState>,
    Path(name): Path<String>,
    Query(parameter): Query<TypeParameter>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    let table = app.controller.table_named(&in_database(&name, &headers)?, parameter.parse()?)?;
    Ok(Json(json!({"state": if table.enabled { "enabled" } else { "disabled" }})))
}

/// Let queries use a table, or keep them out
#[utoipa::path(put, path = "/tables/{tableName}/state", tag = "Table", params(("tableName" = String, Path), StateParameters),
    responses((status = 200, description = "changed")))]
pub async fn set_state(
    State(app): State<AppState>,
    Path(name): Path<String>,
    Query(parameters): Query<StateParameters>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    let enabled = match parameters.state.as_deref() {
        Some("enable") => true,
        Some("disable") => false,
        other => {
            return Err(ApiError::bad_request(format!(
                "state `{}` is neither enable nor disable",
                other.unwrap_or_default()
            )));
        }
    };
    let (name, table_type) = (in_database(&name, &headers)?, parse_type(parameters.table_type.as_deref())?);
    let name = app
        .control(move |controller| {
            let table = controller.table_named(&name, table_type)?;
            controller.set_table_state(&table, enabled)?;
            Ok::<_, crate::controller::Error>(table.name.clone())
        })
        .await?;
    Ok(Json(
        json!({"status": format!("Request to {} table '{name}' is successful", if enabled { "enable" } else { "disable" })}),
    ))
}

/// The schema of a table
#[utoipa::path(get, path = "/tables/{tableName}/schema", tag = "Table", params(("tableName" = String, Path)),
    responses((status = 200, description = "the schema"), (status = 404, description = "no such table")))]
pub async fn schema(State(app): State<AppState>, tables: Tables) -> Result<Json<Value>, ApiError> {
    let row = app.controller.schema(&tables.0[0].schema)?;
    Ok(Json(config_value(row.document())))
}

/// A document of the catalog as JSON. What was taken into the catalog was JSON then.
pub fn config_value(document: &str) -> Value {
    serde_json::from_str(document).unwrap_or_else(|_| Value::String(document.to_owned()))
}

/// Keys that no one knows, as Pinot answers them.
pub fn unrecognized(table: &CheckedTable) -> Value {
    let entries = table.unrecognized.iter().map(|(path, hint)| {
        let note = hint.map_or_else(|| "kept".to_owned(), |hint| format!("kept; did you mean `{hint}`?"));
        (path.clone(), Value::String(note))
    });
    Value::Object(entries.collect())
}

/// `OFFLINE` as Pinot writes it inside answers: lower case.
pub fn lower(table_type: TableType) -> String {
    table_type.name().to_lowercase()
}
