//! `/cluster/configs`: settings of the whole cluster, by Pinot's keys.

use super::extract::Path;
use super::{ApiError, AppState, receive};
use axum::Json;
use axum::extract::{Request, State};
use serde_json::{Map, Value, json};

/// Cluster configs
#[utoipa::path(get, path = "/cluster/configs", tag = "Cluster", responses((status = 200, description = "`{key: value}`")))]
pub async fn list(State(app): State<AppState>) -> Json<Value> {
    let state = app.controller.state();
    Json(Value::Object(state.configs().map(|(key, value)| (key.to_owned(), Value::from(value))).collect()))
}

/// Set cluster configs
#[utoipa::path(post, path = "/cluster/configs", tag = "Cluster", request_body = Value, responses(
    (status = 200, description = "set"), (status = 400, description = "the body is not an object of keys and values")))]
pub async fn set(State(app): State<AppState>, request: Request) -> Result<Json<Value>, ApiError> {
    let configs: Map<String, Value> = receive::json(request, app.limits.document).await?;
    let mut texts = Vec::with_capacity(configs.len());
    for (key, value) in configs {
        let text = match value {
            Value::String(text) => text,
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            _ => {
                return Err(ApiError::bad_request(format!(
                    "the value of `{key}` is not a text, a number, true or false"
                )));
            }
        };
        texts.push((key, text));
    }
    app.control(move |controller| texts.into_iter().try_for_each(|(key, text)| controller.set_config(key, Some(text))))
        .await?;
    Ok(Json(json!({"status": "Updated cluster config."})))
}

/// Take a cluster config back
#[utoipa::path(delete, path = "/cluster/configs/{configName}", tag = "Cluster", params(("configName" = String, Path)),
    responses((status = 200, description = "taken back")))]
pub async fn drop(State(app): State<AppState>, Path(key): Path<String>) -> Result<Json<Value>, ApiError> {
    let dropped = key.clone();
    app.control(move |controller| controller.set_config(key, None)).await?;
    Ok(Json(json!({"status": format!("Deleted cluster config: {dropped}")})))
}
