//! Retention on demand, and the approval of a run that would take much.

use super::extract::{Query, Tables};
use super::parameters::TypeParameter;
use super::{ApiError, AppState};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};
use utoipa::IntoParams;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ApproveParameter {
    /// true: also if more than 5 % of the table's segments go (default false)
    approve: Option<bool>,
}

/// Drop the segments of a table whose time is over
///
/// The node does this each hour by itself, and stops where more than 5 % of a table's segments would go at once.
#[utoipa::path(post, path = "/tables/{tableName}/retention", tag = "Table", params(("tableName" = String, Path), TypeParameter, ApproveParameter),
    responses((status = 200, description = "how many went"), (status = 404, description = "no such table"),
    (status = 409, description = "more than 5 % would go, and approve is not true")))]
pub async fn run(
    State(app): State<AppState>,
    Tables(tables): Tables,
    Query(parameter): Query<ApproveParameter>,
) -> Result<Json<Value>, ApiError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
    let approved = parameter.approve == Some(true);
    let dropped = app
        .control(move |controller| {
            tables.iter().map(|table| controller.expire(table, now_ms, approved)).sum::<Result<u64, _>>()
        })
        .await?;
    Ok(Json(json!({"status": format!("{dropped} segments dropped, their time is over")})))
}
