//! Schemas and table configs as Pinot's users write them.

mod schema;
mod table_config;
