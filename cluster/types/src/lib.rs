//! Ids, configs and answers that every role of a cluster shares.
//!
//! Names at the edge are Pinot's: schemas, table configs and the broker's answer are its JSON, read as leniently as it
//! reads them and written in its order. Numbers inside are ours ([`ids`], R-1). What can be known without a segment, a
//! file or a network is checked here, with errors that name the key, the value and the name that was probably meant.
//!
//! In reading order: [`ids`], [`table_name`], [`schema`], [`table_config`] (with [`TableConfig::column_specs`], what both
//! together ask of the segment writer), [`response`], [`error_code`].

#![forbid(unsafe_code)]

mod column_specs;
pub mod date_time;
pub mod default_null;
mod error;
pub mod error_code;
pub mod hex;
pub mod ids;
mod json;
mod lenient;
pub mod response;
pub mod schema;
pub mod schema_json;
pub mod suggest;
pub mod table_config;
pub mod table_name;

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
