//! Plans above the leaves: DataFusion's optimizer, then every maximal part over one table becomes a leaf.

use crate::catalog::TableInfo;
use crate::error::{Result, from_datafusion};
use crate::extract::Extractor;
use crate::leaf_table::LeafTable;
use crate::plan::LeafQuery;
use cluster_types::ErrorCode;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{Column, ExprSchema, JoinType, Result as DfResult};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, TableScanBuilder};
use datafusion::optimizer::analyzer::AnalyzerRule;
use datafusion::optimizer::analyzer::type_coercion::TypeCoercion;
use datafusion::optimizer::{Optimizer, OptimizerContext};
use shard_plan::LeafOptions;
use std::sync::Arc;

/// Optimizes the plan and puts leaves into it.
pub fn over_leaves(
    plan: LogicalPlan,
    nulls: &dyn Fn(&TableInfo, &str) -> bool,
    options: &LeafOptions,
    leaves: &mut Vec<Arc<LeafQuery>>,
) -> Result<LogicalPlan> {
    let failed = |e| from_datafusion(e, ErrorCode::QueryPlanning);
    // Our analyzer typed the expressions; this adds what only DataFusion knows: window frames and the like.
    let plan = TypeCoercion::new().analyze(plan, &ConfigOptions::default()).map_err(failed)?;
    let context = OptimizerContext::new().with_skip_failing_rules(false).with_max_passes(4);
    let plan = Optimizer::new().optimize(plan, &context, |_, _| {}).map_err(failed)?;
    let plan = plan.transform_up_with_subqueries(each_key_once).map_err(failed)?.data;
    plan.transform_down_with_subqueries(|node| leaf_of(node, nulls, options, leaves)).map(|t| t.data).map_err(failed)
}

/// A join that asks only whether there is a partner needs each key once, and DataFusion's walks all partners of a row: over
/// many rows of few keys that is their product. Grouped, the keys come from the leaf's group-by.
fn each_key_once(node: LogicalPlan) -> DfResult<Transformed<LogicalPlan>> {
    let LogicalPlan::Join(mut join) = node else { return Ok(Transformed::no(node)) };
    let asks = matches!(join.join_type, JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark);
    if !asks || join.filter.is_some() || join.on.is_empty() {
        return Ok(Transformed::no(LogicalPlan::Join(join)));
    }
    let mut keys: Vec<Column> = Vec::new();
    for (_, right) in &join.on {
        keys.extend(right.column_refs().into_iter().cloned());
    }
    keys.sort();
    keys.dedup();
    let schema = join.right.schema();
    for key in &keys {
        // A list as a group key would be taken apart.
        if matches!(schema.field_from_column(key)?.data_type(), DataType::List(_)) {
            return Ok(Transformed::no(LogicalPlan::Join(join)));
        }
    }
    let keys: Vec<Expr> = keys.into_iter().map(Expr::Column).collect();
    join.right = Arc::new(LogicalPlan::Aggregate(Aggregate::try_new(join.right, keys, Vec::new())?));
    Ok(Transformed::yes(LogicalPlan::Join(join)))
}

fn leaf_of(
    node: LogicalPlan,
    nulls: &dyn Fn(&TableInfo, &str) -> bool,
    options: &LeafOptions,
    leaves: &mut Vec<Arc<LeafQuery>>,
) -> DfResult<Transformed<LogicalPlan>> {
    let Some(leaf) = (Extractor { params: None }).leaf(&node) else { return Ok(Transformed::no(node)) };
    let types = leaf.types();
    let mut names = node.schema().fields().iter().map(|f| f.name().clone()).collect();
    // `types` stays empty then, and the operator drops the constant.
    let Some((leaf, reduce)) = leaf.with_a_column(&mut names).finish(names, nulls, options.clone()) else {
        return Ok(Transformed::no(node));
    };
    let number = leaves.len();
    let query = Arc::new(LeafQuery { number, leaf: Arc::new(leaf), reduce: Arc::new(reduce), types });
    leaves.push(query.clone());
    let schema = node.schema().clone();
    let source = provider_as_source(Arc::new(LeafTable::new(query, schema.inner().clone())));
    let mut scan = TableScanBuilder::new(format!("leaf_{number}"), source).build()?;
    // Above, the columns keep the qualifiers that they had.
    scan.projected_schema = schema;
    Ok(Transformed::new(LogicalPlan::TableScan(scan), true, TreeNodeRecursion::Jump))
}
