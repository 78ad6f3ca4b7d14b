//! HTTP: Pinot's paths and shapes over the controller and the broker.
//!
//! A handler reads its request, calls one method of the controller or the broker and shapes the answer; it decides nothing.
//! Errors become statuses in [`error`] and nowhere else. The OpenAPI document is made from the handlers ([`openapi`]).

#![allow(unused_qualifications, reason = "what utoipa's macro writes for parameters is qualified")]

pub mod app;
pub mod error;
pub mod parameters;
pub mod query;
pub mod running;
pub mod routing;
pub mod tables;
pub mod table_views;
pub mod schemas;
pub mod table_configs;
pub mod segments;
pub mod segment_metadata;
pub mod uploads;
pub mod ingest;
pub mod receive;
pub mod instances;
pub mod brokers;
pub mod leader;
pub mod health;
pub mod openapi;
pub mod router;

pub use app::{App, AppState};
pub use error::ApiError;
