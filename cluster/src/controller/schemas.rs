//! Schemas: made, replaced and dropped.

use super::{Controller, Error, Result};
use cluster_catalog::Body;
use cluster_catalog::command::{DropSchema, PutSchema};
use cluster_catalog::state::SchemaRow;
use cluster_types::{Schema, did_you_mean};
use std::sync::Arc;

impl Controller {
    pub fn schema(&self, name: &str) -> Result<Arc<SchemaRow>> {
        let state = self.state();
        state.schema(name).cloned().ok_or_else(|| {
            Error::not_found("schema", name, did_you_mean(name, state.schemas().map(|row| row.name.as_str())))
        })
    }

    /// Makes a schema, or replaces one. `may_replace`: an existing one may be replaced by one that keeps its columns;
    /// `force`: by any, which makes queries on segments with other columns fail or read defaults.
    pub fn put_schema(&self, schema: &Schema, may_replace: bool, force: bool) -> Result<()> {
        let existing = self.state().schema(schema.name()).cloned();
        if let Some(existing) = &existing {
            if !may_replace {
                return Err(Error::Exists {
                    what: "schema",
                    name: schema.name().to_owned(),
                    advice: "; send it with override=true, or PUT it",
                });
            }
            if !force && let Ok(old) = existing.schema() {
                old.check_evolution(schema)?;
            }
        }
        let if_version = Some(existing.map_or(0, |row| row.version));
        self.propose(Body::PutSchema(PutSchema {
            name: schema.name().to_owned(),
            document: schema.to_json(),
            if_version,
        }))?;
        Ok(())
    }

    pub fn drop_schema(&self, name: &str) -> Result<()> {
        self.schema(name)?;
        self.propose(Body::DropSchema(DropSchema { name: name.to_owned() }))?;
        Ok(())
    }
}
