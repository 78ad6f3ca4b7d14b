//! Which path goes to which handler, on either port.

use super::openapi::{self, Document};
use super::{
    AppState, brokers, cluster_configs, cursors, error, health, ingest, instances, leader, query, reload, retention,
    routing, running, schemas, segment_metadata, segments, table_configs, table_metadata, table_views, tables, uploads,
};
use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use axum::{Extension, Router};
use std::sync::Arc;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::SizeAbove;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

/// Answers below this many bytes are not worth compressing: a compressor costs 300 KB of zeros and 0.1 ms, which is more
/// than a small query.
const COMPRESS_ABOVE: u16 = 16 * 1024;

/// The broker's port.
pub fn broker(app: AppState) -> Router {
    let routes = OpenApiRouter::with_openapi(openapi::info("Gamay broker"))
        .routes(routes!(query::sql_post, query::sql_get))
        .routes(routes!(query::query_post, query::query_get))
        .routes(routes!(query::validate))
        .routes(routes!(cursors::list))
        .routes(routes!(cursors::describe, cursors::delete))
        .routes(routes!(cursors::page))
        .routes(routes!(running::cancel))
        .routes(routes!(running::list))
        .routes(routes!(running::cancel_client))
        .routes(routes!(routing::sql))
        .routes(routes!(routing::table))
        .routes(routes!(routing::time_boundary))
        .merge(both());
    finish(routes, app)
}

/// The controller's port.
pub fn controller(app: AppState) -> Router {
    let routes = OpenApiRouter::with_openapi(openapi::info("Gamay controller"))
        .routes(routes!(tables::list, tables::create))
        .routes(routes!(tables::validate))
        .routes(routes!(tables::get, tables::update, tables::drop))
        .routes(routes!(tables::state, tables::set_state))
        .routes(routes!(tables::schema))
        .routes(routes!(table_views::size))
        .routes(routes!(table_metadata::metadata))
        .routes(routes!(table_views::ideal_state))
        .routes(routes!(table_views::external_view))
        .routes(routes!(table_views::segments_status))
        .routes(routes!(table_views::stats))
        .routes(routes!(table_views::servers))
        .routes(routes!(table_views::instances))
        .routes(routes!(brokers::live))
        .routes(routes!(brokers::live_of_table))
        .routes(routes!(brokers::v2_all))
        .routes(routes!(brokers::v2_tables))
        .routes(routes!(brokers::v2_table))
        .routes(routes!(brokers::v2_tenants))
        .routes(routes!(brokers::v2_tenant))
        .routes(routes!(brokers::all))
        .routes(routes!(brokers::tables))
        .routes(routes!(brokers::table))
        .routes(routes!(brokers::tenants))
        .routes(routes!(brokers::tenant))
        .routes(routes!(schemas::list, schemas::create))
        .routes(routes!(schemas::validate))
        .routes(routes!(schemas::info))
        .routes(routes!(schemas::get, schemas::update, schemas::drop))
        .routes(routes!(table_configs::list, table_configs::create))
        .routes(routes!(table_configs::validate))
        .routes(routes!(table_configs::get, table_configs::update, table_configs::drop))
        .routes(routes!(segments::list, segments::drop_all))
        .routes(routes!(segments::select))
        .routes(routes!(segments::drop_listed))
        .routes(routes!(segments::push).layer(DefaultBodyLimit::disable()))
        .routes(routes!(segments::push_v1).layer(DefaultBodyLimit::disable()))
        .routes(routes!(segments::download, segments::drop_one))
        .routes(routes!(segment_metadata::all))
        .routes(routes!(segment_metadata::crc))
        .routes(routes!(segment_metadata::zk_metadata))
        .routes(routes!(segment_metadata::one))
        .routes(routes!(retention::run))
        .routes(routes!(reload::table))
        .routes(routes!(reload::table_v1))
        .routes(routes!(reload::segment))
        .routes(routes!(reload::status))
        .routes(routes!(uploads::begin))
        .routes(routes!(uploads::reserve))
        .routes(routes!(uploads::send).layer(DefaultBodyLimit::disable()))
        .routes(routes!(uploads::commit))
        .routes(routes!(uploads::cancel))
        .routes(routes!(ingest::from_file).layer(DefaultBodyLimit::disable()))
        .routes(routes!(ingest::from_uri))
        .routes(routes!(instances::list))
        .routes(routes!(instances::live))
        .routes(routes!(instances::get))
        .routes(routes!(instances::tenants))
        .routes(routes!(instances::tenant))
        .routes(routes!(instances::tenant_tables))
        .routes(routes!(instances::databases))
        .routes(routes!(instances::cluster_info))
        .routes(routes!(cluster_configs::list, cluster_configs::set))
        .routes(routes!(cluster_configs::drop))
        .routes(routes!(leader::tables))
        .routes(routes!(leader::table))
        .routes(routes!(health::admin))
        .routes(routes!(query::proxy_post, query::proxy_get))
        .routes(routes!(running::list_by_broker))
        .routes(routes!(running::cancel_at_broker))
        .routes(routes!(running::cancel_client))
        .routes(routes!(running::cancel_client_at_broker))
        .merge(both());
    finish(routes, app)
}

/// Paths that are on either port.
fn both() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(health::health))
        .routes(routes!(health::liveness))
        .routes(routes!(health::readiness))
        .routes(routes!(health::version))
        .routes(routes!(health::start_time))
        .routes(routes!(health::uptime))
        .routes(routes!(health::metrics))
}

fn finish(routes: OpenApiRouter<AppState>, app: AppState) -> Router {
    let (router, mut document) = routes.split_for_parts();
    openapi::name_operations(&mut document);
    // Files are limited where they are written, documents and queries where they are read.
    let document_limit = app.limits.document;
    router
        .route("/openapi.json", get(openapi::json))
        .route("/help", get(openapi::help))
        .layer(Extension(Document(Arc::new(document))))
        .fallback(error::no_route)
        .method_not_allowed_fallback(error::no_method)
        .layer(DefaultBodyLimit::max(document_limit))
        .layer(
            CompressionLayer::new()
                .gzip(true)
                .quality(tower_http::CompressionLevel::Fastest)
                .compress_when(SizeAbove::new(COMPRESS_ABOVE)),
        )
        .with_state(app)
}
