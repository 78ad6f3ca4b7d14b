//! What a broker knows of routes: read by Trino and Spark.

use super::extract::Path;
use super::parameters::pairs;
use super::{ApiError, AppState};
use crate::controller::tables::no_table;
use axum::Json;
use axum::extract::{RawQuery, State};
use serde_json::{Map, Value, json};

/// Which server a broker asks for which segments of a table
#[utoipa::path(get, path = "/debug/routingTable/{tableName}", tag = "Routing", params(("tableName" = String, Path)),
    responses((status = 200, description = "`{\"t_OFFLINE\": {\"Server_h_p\": [segment]}}`"), (status = 404, description = "no such table")))]
pub async fn table(State(app): State<AppState>, Path(name): Path<String>) -> Result<Json<Value>, ApiError> {
    routes(&app, &name).map(Json)
}

fn routes(app: &AppState, name: &str) -> Result<Value, ApiError> {
    let view = app.controller.server().view();
    let tables = view.state().resolve(name);
    if tables.is_empty() {
        return Err(no_table(view.state(), name).into());
    }
    let mut answer = Map::new();
    for table in tables {
        let broken = view.table(table.incarnation).map(|served| served.unavailable()).unwrap_or_default();
        let names = table.segments().map(|segment| &*segment.name);
        let names: Vec<&str> = names.filter(|name| !broken.iter().any(|u| u.segment == **name)).collect();
        answer.insert(table.name.clone(), json!({app.server_id(): names}));
    }
    Ok(Value::Object(answer))
}

/// Which server a broker asks for which segments for a query
#[utoipa::path(get, path = "/debug/routingTable/sql", tag = "Routing", params(("query" = String, Query)),
    responses((status = 200, description = "as for a table"), (status = 404, description = "no such table")))]
pub async fn sql(State(app): State<AppState>, RawQuery(query): RawQuery) -> Result<Json<Value>, ApiError> {
    let sql = pairs(query.as_deref()).into_iter().find(|(key, _)| key == "query").map(|(_, value)| value);
    let sql = sql.ok_or_else(|| ApiError::bad_request("the request has no parameter `query`"))?;
    let tables = app.broker.tables_of(&sql).await.map_err(|e| ApiError::bad_request(e.to_string()))?;
    let mut answer = Map::new();
    for table in tables {
        if let Value::Object(routes) = routes(&app, &table)? {
            answer.extend(routes);
        }
    }
    Ok(Json(Value::Object(answer)))
}

/// Up to which time a hybrid table is asked offline; 404 for a table that is not hybrid
#[utoipa::path(get, path = "/debug/timeBoundary/{tableName}", tag = "Routing", params(("tableName" = String, Path)),
    responses((status = 404, description = "the table has no time boundary")))]
pub async fn time_boundary(State(app): State<AppState>, Path(name): Path<String>) -> ApiError {
    let state = app.controller.state();
    if state.resolve(&name).is_empty() {
        return no_table(&state, &name).into();
    }
    ApiError::not_found(format!("table `{name}` is not hybrid and has no time boundary"))
}
