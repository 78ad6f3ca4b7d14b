//! The one pass over a logical plan that writes types, profile and null mode into it (E-2).

use crate::calls::Expand;
use crate::coerce::unify;
use crate::error::{Result, SqlError, external, from_datafusion};
use crate::lower::Lowering;
use crate::plan::Profile;
use crate::subqueries::Subqueries;
use crate::typing::{type_of, type_of_arrow};
use cluster_types::ErrorCode;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, DFSchema, Result as DfResult};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, ExprSchemable, Join, LogicalPlan, Projection, Union, Values,
};
use shard_plan::{Registry, Type};
use std::sync::Arc;

/// Types a whole plan, subqueries included.
pub fn analyze(registry: &Arc<Registry>, profile: Profile, plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| analyze_node(registry, profile, node).map(Transformed::yes))
        .map(|t| t.data)
        .map_err(|e| from_datafusion(e, ErrorCode::QueryPlanning))
}

fn analyze_node(registry: &Arc<Registry>, profile: Profile, plan: LogicalPlan) -> DfResult<LogicalPlan> {
    match &plan {
        // LIMIT's numbers are DataFusion's own; scans and the like have no expressions of ours.
        LogicalPlan::Limit(_) | LogicalPlan::TableScan(_) | LogicalPlan::EmptyRelation(_) => {
            return plan.recompute_schema();
        }
        LogicalPlan::Values(_) => return values(registry, profile, plan),
        _ => {}
    }
    let schema = merge_schema(&plan.inputs());
    let lowering = Lowering { registry, profile, schema: &schema };
    let joins = matches!(plan, LogicalPlan::Filter(_));
    let subqueries = Subqueries { registry, profile, schema: &schema, joins };
    let in_place = !matches!(plan, LogicalPlan::Aggregate(_) | LogicalPlan::Join(_));
    let names = NamePreserver::new(&plan);
    let plan = plan
        .map_expressions(|expr| {
            let name = names.save(&expr);
            let lowered = lowering.lower(expr)?;
            let written = if in_place { subqueries.written(lowered)? } else { lowered };
            Ok(Transformed::yes(name.restore(written)))
        })?
        .data;
    let plan = match plan {
        LogicalPlan::Join(join) => LogicalPlan::Join(join_keys(join, &lowering)?),
        LogicalPlan::Union(union) => union_types(registry, profile, union)?,
        LogicalPlan::Aggregate(aggregate) => LogicalPlan::Aggregate(expand_keys(subqueries.below(aggregate)?)?),
        LogicalPlan::Distinct(Distinct::All(input)) => distinct(input)?,
        other => other,
    };
    let plan = plan.recompute_schema()?;
    match plan {
        LogicalPlan::Window(_) => own_types(plan),
        LogicalPlan::Filter(filter) => {
            if let Some(ty) = lowering.typed(filter.predicate.clone()).map_err(external)?.ty
                && ty != Type::BOOLEAN
            {
                return Err(external(SqlError::validation(format!(
                    "WHERE needs a condition, not a {ty}: {}",
                    filter.predicate
                ))));
            }
            Ok(LogicalPlan::Filter(filter))
        }
        other => Ok(other),
    }
}

/// GROUP BY a multi-value key takes its elements apart (E-4).
fn expand_keys(mut aggregate: Aggregate) -> DfResult<Aggregate> {
    let schema = aggregate.input.schema().clone();
    aggregate.group_expr = aggregate
        .group_expr
        .into_iter()
        .map(|key| {
            if matches!(key, Expr::GroupingSet(_)) {
                return Ok(key);
            }
            let (_, field) = key.to_field(&schema)?;
            match type_of(&field).map_err(external)? {
                Some(ty) if ty.multi => {
                    let (qualifier, name) = key.qualified_name();
                    Ok(Expand::of(key.unalias(), ty.element()).alias_qualified(qualifier, name))
                }
                _ => Ok(key),
            }
        })
        .collect::<DfResult<Vec<_>>>()?;
    Ok(aggregate)
}

/// DISTINCT over multi-value columns groups by their elements.
fn distinct(input: Arc<LogicalPlan>) -> DfResult<LogicalPlan> {
    let mut multi = false;
    for field in input.schema().fields() {
        multi |= type_of(field).map_err(external)?.is_some_and(|ty| ty.multi);
    }
    if !multi {
        return Ok(LogicalPlan::Distinct(Distinct::All(input)));
    }
    let keys = input.schema().columns().into_iter().map(Expr::Column).collect();
    Ok(LogicalPlan::Aggregate(expand_keys(Aggregate::try_new(input, keys, Vec::new())?)?))
}

/// Rows of VALUES have the types that the planner gave their columns.
fn values(registry: &Arc<Registry>, profile: Profile, plan: LogicalPlan) -> DfResult<LogicalPlan> {
    let LogicalPlan::Values(values) = plan else { return Ok(plan) };
    let schema = DFSchema::empty();
    let lowering = Lowering { registry, profile, schema: &schema };
    let rows = values
        .values
        .into_iter()
        .map(|row| {
            row.into_iter()
                .zip(values.schema.fields())
                .map(|(expr, field)| {
                    let lowered = lowering.lower(expr)?;
                    let ty = type_of(field).map_err(external)?.unwrap_or(Type::STRING);
                    lowering.typed(lowered).and_then(|t| lowering.cast(t, ty)).map_err(external)
                })
                .collect::<DfResult<Vec<_>>>()
        })
        .collect::<DfResult<Vec<_>>>()?;
    Ok(LogicalPlan::Values(Values { schema: values.schema, values: rows }))
}

/// Keys of an equality join in one type.
fn join_keys(mut join: Join, lowering: &Lowering<'_>) -> DfResult<Join> {
    join.on = join
        .on
        .into_iter()
        .map(|(left, right)| {
            let pair = lowering.typed(left).and_then(|l| Ok((l, lowering.typed(right)?)));
            let (left, right, _) = pair.and_then(|(l, r)| lowering.pair(l, r)).map_err(external)?;
            Ok((left, right))
        })
        .collect::<DfResult<Vec<_>>>()?;
    Ok(join)
}

/// The sides of a UNION in common types.
fn union_types(registry: &Arc<Registry>, profile: Profile, union: Union) -> DfResult<LogicalPlan> {
    let width = union.inputs.first().map_or(0, |p| p.schema().fields().len());
    let mut common: Vec<Option<Type>> = vec![None; width];
    for input in &union.inputs {
        for (n, field) in input.schema().fields().iter().enumerate() {
            let ty = type_of(field).map_err(external)?;
            common[n] = unify(common[n], ty).ok_or_else(|| {
                let names = [common[n], ty].map(|t| t.map_or_else(|| "NULL".to_owned(), |t| t.to_string()));
                external(SqlError::validation(format!(
                    "column {} of the set operation is {} on one side and {} on the other; CAST one",
                    n + 1,
                    names[0],
                    names[1]
                )))
            })?;
        }
    }
    let types: Vec<Type> = common.into_iter().map(|t| t.unwrap_or(Type::STRING)).collect();
    let inputs = union
        .inputs
        .into_iter()
        .map(|input| cast_columns(registry, profile, input, &types).map(Arc::new).map_err(external))
        .collect::<DfResult<Vec<_>>>()?;
    Ok(LogicalPlan::Union(Union::try_new(inputs)?))
}

/// The plan with its columns cast to `types`, names unchanged.
pub fn cast_columns(
    registry: &Arc<Registry>,
    profile: Profile,
    plan: Arc<LogicalPlan>,
    types: &[Type],
) -> Result<LogicalPlan> {
    let schema = plan.schema().clone();
    let mut same = true;
    for (field, ty) in schema.fields().iter().zip(types) {
        same &= type_of(field)? == Some(*ty);
    }
    if same {
        return Ok(Arc::unwrap_or_clone(plan));
    }
    let lowering = Lowering { registry, profile, schema: &schema };
    let exprs = schema
        .iter()
        .zip(types)
        .map(|((qualifier, field), ty)| {
            let column = Expr::Column(Column::new(qualifier.cloned(), field.name()));
            let typed = lowering.typed(column.clone())?;
            let cast = lowering.cast(typed, *ty)?;
            Ok(if cast == column { cast } else { cast.alias_qualified(qualifier.cloned(), field.name()) })
        })
        .collect::<Result<Vec<_>>>()?;
    Projection::try_new(exprs, plan)
        .map(LogicalPlan::Projection)
        .map_err(|e| from_datafusion(e, ErrorCode::QueryPlanning))
}

/// Window functions count as UInt64; the columns above are LONG.
fn own_types(plan: LogicalPlan) -> DfResult<LogicalPlan> {
    let schema = plan.schema().clone();
    let mut changed = false;
    let exprs = schema
        .iter()
        .map(|(qualifier, field)| {
            let column = Expr::Column(Column::new(qualifier.cloned(), field.name()));
            match type_of_arrow(field.data_type()).map_err(external)? {
                Some(ty) if ty.arrow() != *field.data_type() && !ty.multi => {
                    changed = true;
                    let cast = datafusion::logical_expr::cast(column, ty.arrow());
                    Ok(cast.alias_qualified(qualifier.cloned(), field.name()))
                }
                _ => Ok(column),
            }
        })
        .collect::<DfResult<Vec<_>>>()?;
    if !changed {
        return Ok(plan);
    }
    Projection::try_new(exprs, Arc::new(plan)).map(LogicalPlan::Projection)
}
