//! Ids, configs and answers that every role of a cluster shares.
//!
//! Names at the edge are Pinot's: schemas, table configs and the broker's answer are its JSON, read as leniently as it
//! reads them and written in its order. Numbers inside are ours ([`ids`], R-1). What can be known without a segment, a
//! file or a network is checked here, with errors that name the key, the value and the name that was probably meant.
//!
//! In reading order: [`ids`], [`table_name`], [`schema`], [`table_config`] (with [`TableConfig::column_specs`], what both
//! together ask of the segment writer), [`response`], [`error_code`].

#![forbid(unsafe_code)]

pub mod ids;
pub mod table_name;
pub mod schema_json;
pub mod schema;
pub mod date_time;
pub mod default_null;
pub mod table_config;
mod column_specs;
pub mod response;
pub mod error_code;
pub mod suggest;
pub mod hex;
mod error;
mod json;
mod lenient;

pub use date_time::{DateTimeFormat, TimeUnit};
pub use error::{Error, Result};
pub use error_code::ErrorCode;
pub use ids::{ClusterId, Generation, OperationId, SegmentOrdinal, TableIncarnation, TableVersion};
pub use response::{BrokerResponse, DataSchema, QueryException, ResultTable};
pub use schema::{FieldSpec, MaxLengthExceedStrategy, Role, Schema};
pub use schema_json::{FieldJson, SchemaJson};
pub use suggest::did_you_mean;
pub use table_config::TableConfig;
pub use table_name::{TableName, TableType};
