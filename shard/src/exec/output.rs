//! The output of a plan, bound once per query: expressions, aggregates, the columns of the answer.

use crate::error::Result;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType as ArrowType, Field, Schema};
use shard_plan::merge::BoundAggregate;
use shard_plan::{BoundExpr, Error as PlanError, LeafPlan, Output, Registry, Scalar, SortKey};
use std::sync::Arc;

/// What the scan makes of passing rows.
#[derive(Debug)]
pub(crate) enum BoundOutput {
    Rows { exprs: Vec<BoundExpr>, order: Vec<SortKey>, limit: Option<u64> },
    Groups(BoundGroups),
}

#[derive(Debug)]
pub(crate) struct BoundGroups {
    pub keys: Vec<BoundExpr>,
    /// Arrow types of the keys; of the elements for multi-value keys, which expand.
    pub key_types: Vec<ArrowType>,
    pub aggregates: Vec<BoundAggregate>,
    pub args: Vec<Vec<BoundExpr>>,
    pub filters: Vec<Option<BoundExpr>>,
    pub limit: Option<u64>,
}

impl BoundOutput {
    pub fn bind(plan: &LeafPlan, registry: &Registry, params: &[Scalar]) -> Result<BoundOutput> {
        let names: Vec<String> = plan.columns.iter().map(|c| c.name.clone()).collect();
        let bind = |e: &shard_plan::Expr| BoundExpr::bind_named(e, registry, params, &names);
        Ok(match &plan.output {
            Output::Rows { exprs, order, limit } => {
                let exprs = exprs.iter().map(bind).collect::<Result<Vec<_>, _>>()?;
                if let Some(key) = order.iter().find(|k| k.index as usize >= exprs.len()) {
                    return Err(
                        PlanError::Plan(format!("a sort key names value {} of {}", key.index, exprs.len())).into()
                    );
                }
                BoundOutput::Rows { exprs, order: order.clone(), limit: *limit }
            }
            Output::Groups { keys, aggregates, limit } => {
                let keys = keys.iter().map(bind).collect::<Result<Vec<_>, _>>()?;
                BoundOutput::Groups(BoundGroups {
                    key_types: keys.iter().map(|k| k.ty().element().arrow()).collect(),
                    keys,
                    args: aggregates
                        .iter()
                        .map(|a| a.args.iter().map(bind).collect::<Result<Vec<_>, _>>())
                        .collect::<Result<Vec<_>, _>>()?,
                    filters: aggregates
                        .iter()
                        .map(|a| a.filter.as_ref().map(bind).transpose())
                        .collect::<Result<Vec<_>, _>>()?,
                    aggregates: aggregates
                        .iter()
                        .map(|a| BoundAggregate::bind(a, registry))
                        .collect::<Result<Vec<_>, _>>()?,
                    limit: *limit,
                })
            }
        })
    }

    /// Columns of the answer.
    pub fn schema(&self) -> Arc<Schema> {
        let fields: Vec<Field> = match self {
            BoundOutput::Rows { exprs, .. } => {
                exprs.iter().enumerate().map(|(i, e)| Field::new(format!("column{i}"), e.ty().arrow(), true)).collect()
            }
            BoundOutput::Groups(groups) => {
                let keys =
                    groups.key_types.iter().enumerate().map(|(i, ty)| Field::new(format!("key{i}"), ty.clone(), true));
                let states = groups.aggregates.iter().enumerate().flat_map(|(i, a)| {
                    a.state_fields()
                        .iter()
                        .map(move |f| Field::new(format!("state{i}.{}", f.name()), f.data_type().clone(), true))
                });
                keys.chain(states).collect()
            }
        };
        Arc::new(Schema::new(fields))
    }

    /// Columns as a batch of the answer.
    pub fn batch(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
        let fields: Vec<Field> = self
            .schema()
            .fields()
            .iter()
            .zip(&columns)
            .map(|(f, c)| Field::new(f.name().clone(), c.data_type().clone(), true))
            .collect();
        RecordBatch::try_new_with_options(
            Arc::new(Schema::new(fields)),
            columns,
            &RecordBatchOptions::new().with_row_count(Some(rows)),
        )
        .map_err(|e| PlanError::Plan(format!("the answer's columns do not fit together: {e}")).into())
    }

    /// Whether each row costs an evaluation that may be slow (regexps, casts): vectors must be short then (E-16).
    pub fn is_slow(&self) -> bool {
        let computed = |e: &BoundExpr| e.is_fallible();
        match self {
            BoundOutput::Rows { exprs, .. } => exprs.iter().any(computed),
            BoundOutput::Groups(g) => {
                g.keys.iter().any(computed)
                    || g.args.iter().flatten().any(computed)
                    || g.filters.iter().flatten().any(computed)
            }
        }
    }
}
