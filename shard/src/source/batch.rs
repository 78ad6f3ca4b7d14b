//! A table in memory, as Arrow batches: for tests, and the shape that consuming segments will have.

use super::{ColumnHandle, ColumnKind, RowSource};
use crate::error::Result;
use arrow_array::{Array, ArrayRef};
use shard_plan::{Error as PlanError, Type};
use std::collections::HashMap;
use std::sync::Arc;

/// Columns of equal length, cut into blocks.
#[derive(Debug)]
pub struct BatchSource {
    name: String,
    rows: u64,
    rows_per_block: u32,
    columns: HashMap<String, ColumnHandle>,
}

impl BatchSource {
    /// `rows_per_block` is a multiple of 512. Column arrays have the Arrow form of their type.
    pub fn new(
        name: impl Into<String>,
        rows_per_block: u32,
        columns: Vec<(String, Type, ArrayRef)>,
    ) -> Result<BatchSource> {
        let bad = |what: String| PlanError::Plan(what);
        if rows_per_block == 0 || !rows_per_block.is_multiple_of(512) {
            return Err(bad(format!("blocks of {rows_per_block} rows; they are a multiple of 512")).into());
        }
        let rows = columns.first().map_or(0, |(_, _, a)| a.len());
        let mut by_name = HashMap::new();
        for (name, ty, array) in columns {
            if array.len() != rows || *array.data_type() != ty.arrow() {
                return Err(bad(format!(
                    "column {name} is {} values of {}, expected {rows} of {ty}",
                    array.len(),
                    array.data_type()
                ))
                .into());
            }
            let blocks: Vec<ArrayRef> = (0..rows)
                .step_by(rows_per_block as usize)
                .map(|start| array.slice(start, (rows - start).min(rows_per_block as usize)))
                .collect();
            let has_nulls = array.null_count() > 0;
            by_name.insert(name, ColumnHandle { ty, kind: ColumnKind::Arrays(blocks.into()), has_nulls });
        }
        Ok(BatchSource { name: name.into(), rows: rows as u64, rows_per_block, columns: by_name })
    }

    /// The same as a shared source.
    pub fn shared(self) -> Arc<dyn RowSource> {
        Arc::new(self)
    }
}

impl RowSource for BatchSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn rows(&self) -> u64 {
        self.rows
    }

    fn rows_per_block(&self) -> u32 {
        self.rows_per_block
    }

    fn column(&self, name: &str) -> Option<ColumnHandle> {
        self.columns.get(name).cloned()
    }
}
