//! `/tableConfigs`: schema and table config together.

use super::extract::{Path, Tables};
use super::parameters::in_database;
use super::tables::{config_value, unrecognized};
use super::{ApiError, AppState, receive};
use crate::controller::tables::CheckedTable;
use crate::controller::{Controller, Error, Result};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use cluster_types::{Schema, TableConfig, TableType};
use serde_json::{Value, json};

/// Raw names of tables that have a config
#[utoipa::path(get, path = "/tableConfigs", tag = "Table", responses((status = 200, description = "names")))]
pub async fn list(State(app): State<AppState>) -> Json<Vec<String>> {
    let mut names: Vec<_> = app.controller.state().tables().map(|table| table.raw_name()).collect();
    names.sort();
    names.dedup();
    Json(names)
}

/// A table's schema and configs
#[utoipa::path(get, path = "/tableConfigs/{tableName}", tag = "Table", params(("tableName" = String, Path)), responses(
    (status = 200, description = "`{\"tableName\", \"schema\", \"offline\"}`"), (status = 404, description = "no such table")))]
pub async fn get(State(app): State<AppState>, Tables(tables): Tables) -> std::result::Result<Json<Value>, ApiError> {
    let schema = app.controller.schema(&tables[0].schema)?;
    let mut answer = json!({"tableName": tables[0].raw_name(), "schema": config_value(schema.document())});
    for table in tables {
        answer[super::tables::lower(table.table_type())] = config_value(table.document());
    }
    Ok(Json(answer))
}

/// Schema and config of a request, checked against each other.
struct Checked {
    schema: Schema,
    table: CheckedTable,
}

fn check(controller: &Controller, body: &str) -> Result<Checked> {
    let value: Value = serde_json::from_str(body).map_err(|e| Error::Invalid(format!("the body is not JSON: {e}")))?;
    let part = |key: &str| value.get(key).filter(|part| !part.is_null());
    let schema = part("schema").ok_or_else(|| Error::Invalid("the body has no `schema`".to_owned()))?;
    let schema = Schema::from_json(&schema.to_string())?;
    if part("realtime").is_some() {
        return Err(Error::Unsupported("`realtime`: this version does not consume streams yet".to_owned()));
    }
    let config = part("offline").ok_or_else(|| Error::Invalid("the body has no `offline` table config".to_owned()))?;
    let table = controller.check_table(TableConfig::from_json(&config.to_string())?, Some(&schema))?;
    if let Some(name) = part("tableName").and_then(Value::as_str)
        && name != table.name.raw()
    {
        return Err(Error::Invalid(format!("tableName `{name}` does not fit the config of table `{}`", table.name)));
    }
    if table.name.raw() != schema.name() {
        return Err(Error::Invalid(format!(
            "schema `{}` must have the name of its table, `{}`",
            schema.name(),
            table.name.raw()
        )));
    }
    Ok(Checked { schema, table })
}

/// Make a table with its schema
#[utoipa::path(post, path = "/tableConfigs", tag = "Table", request_body = Value, responses(
    (status = 200, description = "made"), (status = 400, description = "what is wrong"), (status = 409, description = "the table exists")))]
pub async fn create(State(app): State<AppState>, request: Request) -> std::result::Result<Json<Value>, ApiError> {
    let body = receive::document(request, app.limits.document).await?;
    let answer = app
        .control(move |controller| {
            let checked = check(controller, &body)?;
            if controller.state().table_by_name(&checked.table.name.to_string()).is_some() {
                let name = checked.table.name.to_string();
                return Err(Error::Exists { what: "table", name, advice: "; PUT it to change it" });
            }
            controller.put_schema(&checked.schema, true, false)?;
            controller.create_table(&checked.table)?;
            let status = format!("TableConfigs {} successfully added", checked.table.name.raw());
            Ok(json!({"unrecognizedProperties": unrecognized(&checked.table), "status": status}))
        })
        .await?;
    Ok(Json(answer))
}

/// Change a table and its schema
#[utoipa::path(put, path = "/tableConfigs/{tableName}", tag = "Table", params(("tableName" = String, Path)), request_body = Value,
    responses((status = 200, description = "changed"), (status = 404, description = "no such table")))]
pub async fn update(
    State(app): State<AppState>,
    Path(name): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> std::result::Result<Json<Value>, ApiError> {
    let body = receive::document(request, app.limits.document).await?;
    let name = in_database(&name, &headers)?;
    let answer = app
        .control(move |controller| {
            controller.table_named(&name, Some(TableType::Offline))?;
            let checked = check(controller, &body)?;
            if checked.table.name.raw() != name {
                return Err(Error::Invalid(format!(
                    "the body is of table `{}`, not of `{name}`",
                    checked.table.name.raw()
                )));
            }
            controller.put_schema(&checked.schema, true, false)?;
            controller.update_table(&checked.table)?;
            let status = format!("TableConfigs updated for {name}");
            Ok(json!({"unrecognizedProperties": unrecognized(&checked.table), "status": status}))
        })
        .await?;
    Ok(Json(answer))
}

/// Drop a table and its schema
#[utoipa::path(delete, path = "/tableConfigs/{tableName}", tag = "Table", params(("tableName" = String, Path)),
    responses((status = 200, description = "dropped"), (status = 404, description = "no such table")))]
pub async fn drop(
    State(app): State<AppState>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> std::result::Result<Json<Value>, ApiError> {
    let name = in_database(&name, &headers)?;
    let dropped = name.clone();
    app.control(move |controller| {
        let tables = controller.tables_named(&name, None)?;
        tables.iter().try_for_each(|table| controller.drop_table(table, None))?;
        controller.drop_schema(&tables[0].schema)
    })
    .await?;
    Ok(Json(json!({"status": format!("Deleted TableConfigs: {dropped}")})))
}

/// Check a table and its schema without making them
#[utoipa::path(post, path = "/tableConfigs/validate", tag = "Table", request_body = Value, responses(
    (status = 200, description = "the documents as they were understood"), (status = 400, description = "what is wrong")))]
pub async fn validate(State(app): State<AppState>, request: Request) -> std::result::Result<Json<Value>, ApiError> {
    let body = receive::document(request, app.limits.document).await?;
    let checked = app.control(move |controller| check(controller, &body)).await?;
    Ok(Json(json!({
        "unrecognizedProperties": unrecognized(&checked.table),
        "tableName": checked.table.name.raw(),
        "schema": config_value(&checked.schema.to_json()),
        "offline": config_value(&checked.table.config.to_json()),
    })))
}
