//! The wire form of a leaf request and its answer (E-5).
//!
//! A plan is protobuf (by prost, hand-written, so that no generator runs): tagged, limited in length, depth and number of
//! parts, versioned. Batches of rows and states are Arrow IPC streams in a frame with a checksum. Bytes from outside give
//! an error or a plan that [`LeafPlan::validate`] has accepted, never a panic.
//!
//! ```text
//!   plan   = Plan { version, table, columns, filter?, rows | groups, options }
//!   batch  = "GAMB" | version u32 | length u64 | xxh3 of the stream u64 | Arrow IPC stream     (little-endian)
//! ```

mod batch;
mod expr;
mod message;
mod stream_check;
mod validate;
mod value;

pub use batch::{decode_batches, encode_batches};

use crate::error::{Error, Result};
use crate::leaf::{AggregateCall, ColumnRef, LeafOptions, LeafPlan, Output, SortKey};
use crate::scalar::Scalar;
use message::{Budget, read, undecodable, write};
use prost::Message;

/// Version of the plan encoding. A change of meaning raises it; added tags that may be ignored do not.
pub const PLAN_VERSION: u32 = 1;
/// Longest encoded plan or parameter list.
pub const MAX_PLAN_BYTES: usize = 32 << 20;
/// Most columns, nodes, list elements, aggregates of one plan together.
pub const MAX_RECORDS: usize = 1 << 20;
/// Deepest expression.
pub const MAX_DEPTH: usize = 1_000;
/// Most operands of one node.
pub const MAX_OPERANDS: usize = 1 << 19;

/// The encoded plan.
pub fn encode_leaf(plan: &LeafPlan) -> Vec<u8> {
    let trees = |exprs: &[crate::Expr]| write(exprs.iter().map(|e| message::Tree { nodes: expr::encode(e) }));
    let (mut rows, mut groups) = (None, None);
    match &plan.output {
        Output::Rows { exprs, order, limit } => {
            rows = Some(message::Rows {
                exprs: trees(exprs),
                order: write(order.iter().map(|key| message::Sort {
                    index: key.index,
                    descending: key.descending,
                    nulls_first: key.nulls_first,
                })),
                limit: *limit,
            });
        }
        Output::Groups { keys, aggregates, limit } => {
            let aggregate = |call: &AggregateCall| message::Aggregate {
                function: call.function.clone(),
                version: call.version,
                args: trees(&call.args),
                params: write(call.params.iter().map(value::encode)),
                filter: call.filter.as_ref().map(expr::encode),
                ty: value::type_code(call.ty),
            };
            groups = Some(message::Groups {
                keys: trees(keys),
                aggregates: write(aggregates.iter().map(aggregate)),
                limit: *limit,
            });
        }
    }
    let column = |column: &ColumnRef| message::Column {
        name: column.name.clone(),
        ty: value::type_code(column.ty),
        nulls: column.nulls,
        default: Some(value::encode(&column.default)),
    };
    let skip = |(column, index): &(String, String)| message::SkipIndex { column: column.clone(), index: index.clone() };
    message::Plan {
        version: PLAN_VERSION,
        table: plan.table.clone(),
        columns: write(plan.columns.iter().map(column)),
        filter: plan.filter.as_ref().map(expr::encode),
        rows,
        groups,
        options: Some(message::Options {
            no_star_tree: !plan.options.use_star_tree,
            skip_indexes: write(plan.options.skip_indexes.iter().map(skip)),
            num_groups_limit: plan.options.num_groups_limit,
        }),
    }
    .encode_to_vec()
}

fn limited(bytes: &[u8], version: impl FnOnce() -> Result<u32>) -> Result<()> {
    if bytes.len() > MAX_PLAN_BYTES {
        return Err(Error::Plan(format!(
            "an encoded plan of {} bytes, at most {MAX_PLAN_BYTES} are taken",
            bytes.len()
        )));
    }
    match version()? {
        PLAN_VERSION => Ok(()),
        other => Err(Error::Plan(format!("a plan of version {other}, this node reads version {PLAN_VERSION}"))),
    }
}

/// The plan that `bytes` encode, validated.
pub fn decode_leaf(bytes: &[u8]) -> Result<LeafPlan> {
    let mut plan = message::Plan::default();
    limited(bytes, || {
        plan = message::Plan::decode(bytes).map_err(undecodable)?;
        Ok(plan.version)
    })?;
    let budget = &mut Budget::new();
    let columns = read(&plan.columns, budget, |column: message::Column, budget| {
        let default = column.default.ok_or_else(|| Error::Plan(format!("column {} has no default", column.name)))?;
        Ok(ColumnRef {
            ty: value::type_of(column.ty)?,
            nulls: column.nulls,
            default: value::decode(default, budget)?,
            name: column.name,
        })
    })?;
    let filter = plan.filter.map(|nodes| expr::decode(&nodes, budget)).transpose()?;
    let trees = |bytes: &[u8], budget: &mut Budget| {
        read(bytes, budget, |tree: message::Tree, budget| expr::decode(&tree.nodes, budget))
    };
    let output = match (plan.rows, plan.groups) {
        (Some(rows), None) => Output::Rows {
            exprs: trees(&rows.exprs, budget)?,
            order: read(&rows.order, budget, |key: message::Sort, _| {
                Ok(SortKey { index: key.index, descending: key.descending, nulls_first: key.nulls_first })
            })?,
            limit: rows.limit,
        },
        (None, Some(groups)) => Output::Groups {
            keys: trees(&groups.keys, budget)?,
            aggregates: read(&groups.aggregates, budget, |call: message::Aggregate, budget| {
                Ok(AggregateCall {
                    function: call.function,
                    version: call.version,
                    args: trees(&call.args, budget)?,
                    params: read(&call.params, budget, value::decode)?,
                    filter: call.filter.map(|nodes| expr::decode(&nodes, budget)).transpose()?,
                    ty: value::type_of(call.ty)?,
                })
            })?,
            limit: groups.limit,
        },
        _ => return Err(Error::Plan("an encoded plan answers with rows or with groups, exactly one".into())),
    };
    let options = plan.options.unwrap_or_default();
    let options = LeafOptions {
        use_star_tree: !options.no_star_tree,
        skip_indexes: read(&options.skip_indexes, budget, |skip: message::SkipIndex, _| Ok((skip.column, skip.index)))?,
        num_groups_limit: options.num_groups_limit,
    };
    let plan = LeafPlan { table: plan.table, columns, filter, output, options };
    plan.validate()?;
    Ok(plan)
}

/// The encoded parameters of a request.
pub fn encode_params(params: &[Scalar]) -> Vec<u8> {
    message::Params { version: PLAN_VERSION, values: write(params.iter().map(value::encode)) }.encode_to_vec()
}

/// The parameters that `bytes` encode.
pub fn decode_params(bytes: &[u8]) -> Result<Vec<Scalar>> {
    let mut params = message::Params::default();
    limited(bytes, || {
        params = message::Params::decode(bytes).map_err(undecodable)?;
        Ok(params.version)
    })?;
    read(&params.values, &mut Budget::new(), value::decode)
}
