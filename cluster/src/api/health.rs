//! Health, version, metrics.

use super::AppState;
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// `OK` while the node serves
#[utoipa::path(get, path = "/health", tag = "Health", responses((status = 200, description = "OK")))]
pub async fn health() -> &'static str {
    "OK"
}

/// `GOOD` while the controller serves
#[utoipa::path(get, path = "/pinot-controller/admin", tag = "Health", responses((status = 200, description = "GOOD")))]
pub async fn admin() -> &'static str {
    "GOOD"
}

/// `OK` when all segments of all tables can be asked
#[utoipa::path(get, path = "/health/readiness", tag = "Health",
    responses((status = 200, description = "OK"), (status = 503, description = "some segments cannot be asked")))]
pub async fn readiness(State(app): State<AppState>) -> impl IntoResponse {
    let view = app.controller.server().view();
    let missing: Vec<String> = view
        .tables()
        .flat_map(|table| {
            table.unavailable().iter().map(move |u| format!("{}/{}: {}", table.table().name, u.segment, u.reason))
        })
        .collect();
    if missing.is_empty() {
        (StatusCode::OK, "OK".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, missing.join("\n"))
    }
}

/// `OK` while the process runs
#[utoipa::path(get, path = "/health/liveness", tag = "Health", responses((status = 200, description = "OK")))]
pub async fn liveness() -> &'static str {
    "OK"
}

/// Versions of the parts
#[utoipa::path(get, path = "/version", tag = "Version", responses((status = 200, description = "`{part: version}`")))]
pub async fn version() -> Json<Value> {
    let version = env!("CARGO_PKG_VERSION");
    Json(json!({"gamay": version, "pinot-controller": version, "pinot-broker": version, "pinot-server": version}))
}

/// When the node started
#[utoipa::path(get, path = "/start-time", tag = "Health", responses((status = 200, description = "ISO 8601")))]
pub async fn start_time(State(app): State<AppState>) -> String {
    chrono::DateTime::<chrono::Utc>::from(app.started).to_rfc3339()
}

/// Seconds since the node started
#[utoipa::path(get, path = "/uptime", tag = "Health", responses((status = 200, description = "a number")))]
pub async fn uptime(State(app): State<AppState>) -> String {
    let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    seconds(SystemTime::now()).saturating_sub(seconds(app.started)).to_string()
}

/// Metrics in Prometheus' format
#[utoipa::path(get, path = "/metrics", tag = "Metrics", responses((status = 200, description = "OpenMetrics text")))]
pub async fn metrics(State(app): State<AppState>) -> impl IntoResponse {
    let view = app.controller.server().view();
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    app.metrics.tables.set(count(view.tables().count()));
    app.metrics.segments.set(count(view.tables().map(|table| table.snapshot().segments.len()).sum()));
    let bytes: u64 = view.tables().map(|table| table.table().bytes()).sum();
    app.metrics.segment_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    app.metrics.queries_running.set(count(app.broker.running().len()));
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], app.metrics.encode())
}
