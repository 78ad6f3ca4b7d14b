//! From an error to an HTTP status: the one place.

use crate::controller;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use cluster_catalog::Rejection;
use serde_json::json;

/// A controller's error answer: `{"code": 404, "error": "..."}`.
#[derive(Debug)]
pub struct ApiError {
    pub status: StatusCode,
    pub message: String,
}

impl ApiError {
    pub fn new(status: StatusCode, message: impl Into<String>) -> ApiError {
        ApiError { status, message: message.into() }
    }

    pub fn bad_request(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::BAD_REQUEST, message)
    }

    pub fn not_found(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::NOT_FOUND, message)
    }

    pub fn too_large(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    pub fn internal(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }
}

impl From<controller::Error> for ApiError {
    fn from(error: controller::Error) -> ApiError {
        use controller::Error;
        let status = match &error {
            Error::NotFound { .. } => StatusCode::NOT_FOUND,
            Error::Exists { .. } => StatusCode::CONFLICT,
            Error::Invalid(_) | Error::Document(_) | Error::Segment { .. } | Error::Ingest(_) => {
                StatusCode::BAD_REQUEST
            }
            Error::Forbidden(_) => StatusCode::FORBIDDEN,
            Error::Unsupported(_) => StatusCode::NOT_IMPLEMENTED,
            Error::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Error::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
            Error::Catalog(error) => of_catalog(error),
            Error::DeepStore(_) | Error::Open { .. } | Error::Io { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        };
        ApiError::new(status, crate::error_chain(&error))
    }
}

impl From<crate::broker::cursors::Error> for ApiError {
    fn from(error: crate::broker::cursors::Error) -> ApiError {
        use crate::broker::cursors::Error;
        let status = match error {
            Error::Unknown(_) => StatusCode::NOT_FOUND,
            Error::Offset { .. } => StatusCode::BAD_REQUEST,
        };
        ApiError::new(status, error.to_string())
    }
}

fn of_catalog(error: &cluster_catalog::Error) -> StatusCode {
    use cluster_catalog::Error;
    match error {
        Error::Rejected(rejection) => match rejection {
            Rejection::NoSchema { .. }
            | Rejection::NoTable { .. }
            | Rejection::NoSegment { .. }
            | Rejection::NoPush { .. } => StatusCode::NOT_FOUND,
            Rejection::SchemaInUse { .. }
            | Rejection::SchemaVersion { .. }
            | Rejection::TableExists { .. }
            | Rejection::TableVersion { .. }
            | Rejection::SegmentExists { .. }
            | Rejection::OldGeneration { .. }
            | Rejection::KeyTaken { .. }
            | Rejection::NeedsApproval { .. } => StatusCode::CONFLICT,
            _ => StatusCode::BAD_REQUEST,
        },
        Error::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Error::Poisoned { .. } => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if self.status.is_server_error() {
            tracing::error!(status = self.status.as_u16(), message = %self.message, "request failed");
        }
        let body = json!({"code": self.status.as_u16(), "error": self.message});
        (self.status, Json(body)).into_response()
    }
}

/// The answer where no route fits.
pub async fn no_route(method: axum::http::Method, uri: axum::http::Uri) -> ApiError {
    ApiError::not_found(format!("there is no {method} {}; /help lists what there is", uri.path()))
}

/// The answer where the path is known and the method is not.
pub async fn no_method(method: axum::http::Method, uri: axum::http::Uri) -> ApiError {
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, format!("{method} is not for {}; /help lists what is", uri.path()))
}
