//! Plans above the leaves: DataFusion's optimizer, then every maximal part over one table becomes a leaf.

use crate::catalog::TableInfo;
use crate::error::{Result, from_datafusion};
use crate::extract::Extractor;
use crate::leaf_table::LeafTable;
use crate::plan::LeafQuery;
use cluster_types::ErrorCode;
use datafusion::common::Result as DfResult;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{LogicalPlan, TableScanBuilder};
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
    plan.transform_down_with_subqueries(|node| leaf_of(node, nulls, options, leaves)).map(|t| t.data).map_err(failed)
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
