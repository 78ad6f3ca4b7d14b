//! Which brokers serve a table, in both shapes that clients ask for.

use super::extract::{Path, Query, Tables};
use super::parameters::database;
use super::{ApiError, AppState};
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use cluster_types::TableName;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use utoipa::IntoParams;

fn broker(app: &AppState) -> Value {
    let address = app.broker_address;
    json!({"instanceName": app.broker_id(), "host": address.ip().to_string(), "port": address.port()})
}

/// Names under which clients look a table up: raw, and with its type.
fn lookup_names(app: &AppState, headers: &HeaderMap) -> BTreeSet<String> {
    let wanted = database(headers);
    let state = app.controller.state();
    let tables = state.tables().filter(|table| table.enabled);
    let tables = tables.filter(|table| {
        wanted.is_none_or(|wanted| TableName::parse(&table.name).is_ok_and(|n| n.database() == wanted))
    });
    tables.flat_map(|table| [table.raw_name(), table.name.clone()]).collect()
}

fn by_table(app: &AppState, headers: &HeaderMap, broker: Value) -> Map<String, Value> {
    lookup_names(app, headers).into_iter().map(|name| (name, json!([broker]))).collect()
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TablesParameter {
    /// Only these, comma-separated; all where it is left out
    tables: Option<String>,
}

/// Live brokers by table
#[utoipa::path(get, path = "/tables/livebrokers", tag = "Table", params(TablesParameter),
    responses((status = 200, description = "`{table: [{\"host\", \"port\", \"instanceName\"}]}`")))]
pub async fn live(
    State(app): State<AppState>,
    Query(parameter): Query<TablesParameter>,
    headers: HeaderMap,
) -> Json<Value> {
    let mut map = by_table(&app, &headers, broker(&app));
    if let Some(tables) = parameter.tables.filter(|tables| !tables.is_empty()) {
        let wanted: Vec<&str> = tables.split(',').map(str::trim).collect();
        map.retain(|name, _| wanted.contains(&name.as_str()));
    }
    Json(Value::Object(map))
}

/// Live brokers of a table
#[utoipa::path(get, path = "/tables/{tableName}/livebrokers", tag = "Table", params(("tableName" = String, Path)),
    responses((status = 200, description = "ids"), (status = 404, description = "no such table")))]
pub async fn live_of_table(State(app): State<AppState>, _: Tables) -> Json<Value> {
    Json(json!([app.broker_id()]))
}

/// Brokers by tenant and by table
#[utoipa::path(get, path = "/v2/brokers", tag = "Broker", responses((status = 200, description = "`{\"tenants\", \"tables\"}`")))]
pub async fn v2_all(State(app): State<AppState>, headers: HeaderMap) -> Json<Value> {
    Json(json!({"tenants": {"DefaultTenant": [broker(&app)]}, "tables": by_table(&app, &headers, broker(&app))}))
}

/// Brokers by table
#[utoipa::path(get, path = "/v2/brokers/tables", tag = "Broker", params(("state" = Option<String>, Query, description = "ONLINE or OFFLINE")),
    responses((status = 200, description = "`{table: [{\"host\", \"port\", \"instanceName\"}]}`")))]
pub async fn v2_tables(State(app): State<AppState>, headers: HeaderMap) -> Json<Value> {
    Json(Value::Object(by_table(&app, &headers, broker(&app))))
}

/// Brokers of a table
#[utoipa::path(get, path = "/v2/brokers/tables/{tableName}", tag = "Broker", params(("tableName" = String, Path)),
    responses((status = 200, description = "brokers"), (status = 404, description = "no such table")))]
pub async fn v2_table(State(app): State<AppState>, _: Tables) -> Json<Value> {
    Json(json!([broker(&app)]))
}

/// Brokers by tenant
#[utoipa::path(get, path = "/v2/brokers/tenants", tag = "Broker", responses((status = 200, description = "`{tenant: [broker]}`")))]
pub async fn v2_tenants(State(app): State<AppState>) -> Json<Value> {
    Json(json!({"DefaultTenant": [broker(&app)]}))
}

/// Brokers of a tenant
#[utoipa::path(get, path = "/v2/brokers/tenants/{tenantName}", tag = "Broker", params(("tenantName" = String, Path)),
    responses((status = 200, description = "brokers"), (status = 404, description = "no such tenant")))]
pub async fn v2_tenant(State(app): State<AppState>, Path(tenant): Path<String>) -> Result<Json<Value>, ApiError> {
    check_tenant(&tenant)?;
    Ok(Json(json!([broker(&app)])))
}

pub fn check_tenant(tenant: &str) -> Result<(), ApiError> {
    if tenant == "DefaultTenant" {
        Ok(())
    } else {
        Err(ApiError::not_found(format!("tenant `{tenant}` does not exist")))
    }
}

/// Ids of brokers by tenant and by table
#[utoipa::path(get, path = "/brokers", tag = "Broker", responses((status = 200, description = "`{\"tenants\", \"tables\"}`")))]
pub async fn all(State(app): State<AppState>, headers: HeaderMap) -> Json<Value> {
    Json(
        json!({"tenants": {"DefaultTenant": [app.broker_id()]}, "tables": by_table(&app, &headers, app.broker_id().into())}),
    )
}

/// Ids of brokers by table
#[utoipa::path(get, path = "/brokers/tables", tag = "Broker", responses((status = 200, description = "`{table: [id]}`")))]
pub async fn tables(State(app): State<AppState>, headers: HeaderMap) -> Json<Value> {
    Json(Value::Object(by_table(&app, &headers, app.broker_id().into())))
}

/// Ids of the brokers of a table
#[utoipa::path(get, path = "/brokers/tables/{tableName}", tag = "Broker", params(("tableName" = String, Path)),
    responses((status = 200, description = "ids"), (status = 404, description = "no such table")))]
pub async fn table(State(app): State<AppState>, _: Tables) -> Json<Value> {
    Json(json!([app.broker_id()]))
}

/// Ids of brokers by tenant
#[utoipa::path(get, path = "/brokers/tenants", tag = "Broker", responses((status = 200, description = "`{tenant: [id]}`")))]
pub async fn tenants(State(app): State<AppState>) -> Json<Value> {
    Json(json!({"DefaultTenant": [app.broker_id()]}))
}

/// Ids of the brokers of a tenant
#[utoipa::path(get, path = "/brokers/tenants/{tenantName}", tag = "Broker", params(("tenantName" = String, Path)),
    responses((status = 200, description = "ids"), (status = 404, description = "no such tenant")))]
pub async fn tenant(State(app): State<AppState>, Path(tenant): Path<String>) -> Result<Json<Value>, ApiError> {
    check_tenant(&tenant)?;
    Ok(Json(json!([app.broker_id()])))
}
