//! The OpenAPI document, made from the handlers, and a page that lists the paths.

use axum::Json;
use axum::extract::Extension;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse};
use std::fmt::Write;
use std::sync::Arc;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{InfoBuilder, OpenApi, PathItem};

/// What the document says of the whole.
pub fn info(title: &str) -> OpenApi {
    let info = InfoBuilder::new().title(title).version(env!("CARGO_PKG_VERSION"));
    OpenApi::new(
        info.description(Some("Gamay speaks the REST API of Apache Pinot.")).build(),
        utoipa::openapi::Paths::new(),
    )
}

/// The document of one port.
#[derive(Clone)]
pub struct Document(pub Arc<OpenApi>);

pub async fn json(Extension(document): Extension<Document>) -> impl IntoResponse {
    match document.0.to_json() {
        Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => {
            let body = serde_json::json!({"code": 500, "error": error.to_string()});
            (StatusCode::INTERNAL_SERVER_ERROR, Json(body)).into_response()
        }
    }
}

/// Gives every operation an id of its own: handlers of several modules share names such as `list`.
pub fn name_operations(document: &mut OpenApi) {
    for (path, item) in &mut document.paths.paths {
        let parts = path.split(['/', '{', '}']).filter(|part| !part.is_empty());
        let path = parts.collect::<Vec<_>>().join("_");
        let all =
            [("get", &mut item.get), ("post", &mut item.post), ("put", &mut item.put), ("delete", &mut item.delete)];
        for (method, operation) in all {
            if let Some(operation) = operation {
                operation.operation_id = Some(format!("{method}_{path}"));
            }
        }
    }
}

fn operations(item: &PathItem) -> Vec<(&'static str, &Operation)> {
    let all = [("GET", &item.get), ("POST", &item.post), ("PUT", &item.put), ("DELETE", &item.delete)];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_ref()?))).collect()
}

/// A list of paths with a line each.
pub async fn help(Extension(document): Extension<Document>) -> Html<String> {
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let mut page = format!(
        "<!doctype html><meta charset=utf-8><title>{title}</title><style>body{{font:15px/1.5 sans-serif;max-width:70em;margin:2em auto}}\
         td{{padding:0 1em 0 0}}code{{font-size:14px}}</style><h1>{title}</h1><p>Described in <a href=/openapi.json>/openapi.json</a>.</p><table>",
        title = escape(&document.0.info.title)
    );
    for (path, item) in &document.0.paths.paths {
        for (method, operation) in operations(item) {
            let summary = escape(operation.summary.as_deref().unwrap_or_default());
            let row = writeln!(page, "<tr><td>{method}<td><code>{}</code><td>{summary}", escape(path));
            row.expect("writing to a string cannot fail");
        }
    }
    page.push_str("</table>");
    Html(page)
}
