//! HTTP: Pinot's paths and shapes over the controller and the broker.
//!
//! A handler reads its request, calls one method of the controller or the broker and shapes the answer; it decides nothing.
//! Errors become statuses in [`error`] and nowhere else. The OpenAPI document is made from the handlers ([`openapi`]).

#![allow(unused_qualifications, reason = "what utoipa's macro writes for parameters is qualified")]

pub mod app;
pub mod brokers;
pub mod cluster_configs;
pub mod cursors;
pub mod error;
pub mod extract;
pub mod health;
pub mod ingest;
pub mod instances;
pub mod leader;
pub mod openapi;
pub mod parameters;
pub mod query;
pub mod receive;
pub mod reload;
pub mod retention;
pub mod router;
pub mod routing;
pub mod running;
pub mod schemas;
pub mod segment_metadata;
pub mod segments;
pub mod table_configs;
pub mod table_metadata;
pub mod table_views;
pub mod tables;
pub mod uploads;

pub use app::{App, AppState};
pub use error::ApiError;
