//! The node as Pinot's instances, tenants, databases and cluster.

use super::extract::Path;
use super::{ApiError, AppState, brokers};
use axum::Json;
use axum::extract::State;
use cluster_types::TableName;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// All instances
#[utoipa::path(get, path = "/instances", tag = "Instance", responses((status = 200, description = "`{\"instances\": [...]}`")))]
pub async fn list(State(app): State<AppState>) -> Json<Value> {
    Json(json!({"instances": [app.broker_id(), app.controller_id(), app.server_id()]}))
}

/// Instances that answer
#[utoipa::path(get, path = "/liveinstances", tag = "Instance", responses((status = 200, description = "`{\"instances\": [...]}`")))]
pub async fn live(state: State<AppState>) -> Json<Value> {
    list(state).await
}

/// One instance
#[utoipa::path(get, path = "/instances/{instanceName}", tag = "Instance", params(("instanceName" = String, Path)),
    responses((status = 200, description = "the instance"), (status = 404, description = "no such instance")))]
pub async fn get(State(app): State<AppState>, Path(name): Path<String>) -> Result<Json<Value>, ApiError> {
    let roles = [
        (app.broker_id(), vec!["DefaultTenant_BROKER"]),
        (app.controller_id(), vec!["controller"]),
        (app.server_id(), vec!["DefaultTenant_OFFLINE", "DefaultTenant_REALTIME"]),
    ];
    let Some((id, tags)) = roles.into_iter().find(|(id, _)| *id == name) else {
        return Err(ApiError::not_found(format!("instance `{name}` does not exist; GET /instances lists them")));
    };
    let mut parts = id.rsplitn(2, '_');
    let port = parts.next().unwrap_or_default().to_owned();
    let host = parts.next().and_then(|rest| rest.split_once('_')).map_or("", |(_, host)| host).to_owned();
    Ok(Json(json!({
        "instanceName": id,
        "hostName": host,
        "enabled": true,
        "port": port,
        "tags": tags,
        "pools": null,
        "grpcPort": -1,
        "adminPort": -1,
        "queryServicePort": -1,
        "queryMailboxPort": -1,
        "systemResourceInfo": null,
    })))
}

/// All tenants
#[utoipa::path(get, path = "/tenants", tag = "Tenant", responses((status = 200, description = "names by role")))]
pub async fn tenants() -> Json<Value> {
    Json(json!({"SERVER_TENANTS": ["DefaultTenant"], "BROKER_TENANTS": ["DefaultTenant"]}))
}

/// The instances of a tenant
#[utoipa::path(get, path = "/tenants/{tenantName}", tag = "Tenant", params(("tenantName" = String, Path)),
    responses((status = 200, description = "`{\"ServerInstances\", \"BrokerInstances\"}`"), (status = 404, description = "no such tenant")))]
pub async fn tenant(State(app): State<AppState>, Path(tenant): Path<String>) -> Result<Json<Value>, ApiError> {
    brokers::check_tenant(&tenant)?;
    Ok(Json(json!({
        "tenantName": tenant,
        "ServerInstances": [app.server_id()],
        "BrokerInstances": [app.broker_id()],
    })))
}

/// The tables of a tenant
#[utoipa::path(get, path = "/tenants/{tenantName}/tables", tag = "Tenant", params(("tenantName" = String, Path)),
    responses((status = 200, description = "`{\"tables\": [...]}`"), (status = 404, description = "no such tenant")))]
pub async fn tenant_tables(State(app): State<AppState>, Path(tenant): Path<String>) -> Result<Json<Value>, ApiError> {
    brokers::check_tenant(&tenant)?;
    let names: BTreeSet<String> = app.controller.state().tables().map(|table| table.name.clone()).collect();
    Ok(Json(json!({"tables": names})))
}

/// All databases
#[utoipa::path(get, path = "/databases", tag = "Database", responses((status = 200, description = "names")))]
pub async fn databases(State(app): State<AppState>) -> Json<BTreeSet<String>> {
    let state = app.controller.state();
    let named =
        state.tables().filter_map(|table| TableName::parse(&table.name).ok()).map(|name| name.database().to_owned());
    Json(named.chain(["default".to_owned()]).collect())
}

/// The cluster's name
#[utoipa::path(get, path = "/cluster/info", tag = "Cluster", responses((status = 200, description = "`{\"clusterName\"}`")))]
pub async fn cluster_info(State(app): State<AppState>) -> Json<Value> {
    Json(json!({"clusterName": "gamay", "clusterId": app.controller.state().cluster().to_string()}))
}
