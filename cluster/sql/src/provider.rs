//! What DataFusion's SQL planner asks us: tables, functions, what operators mean.

use crate::aggregates::NamedAggregate;
use crate::calls::{Arithmetic, Named, NamedCall};
use crate::catalog::TableInfo;
use crate::error::{SqlError, external};
use crate::plan::Profile;
use crate::typing::field;
use datafusion::arrow::datatypes::{DataType as ArrowType, Schema, SchemaRef};
use datafusion::common::TableReference;
use datafusion::common::config::ConfigOptions;
use datafusion::common::{DFSchema, Result as DfResult};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::planner::{
    ContextProvider, ExprPlanner, PlannerResult, RawAggregateExpr, RawBinaryExpr, RawWindowExpr,
};
use datafusion::logical_expr::{
    AggregateUDF, Expr, HigherOrderUDF, ScalarUDF, TableSource, WindowFunctionDefinition, WindowUDF,
};
use datafusion::sql::sqlparser::ast::BinaryOperator;
use shard_plan::{CompareOp, Registry};
use std::sync::Arc;

/// One planning: a snapshot of tables and one profile.
#[derive(Debug)]
pub struct Provider {
    registry: Arc<Registry>,
    profile: Profile,
    tables: Vec<Arc<TableInfo>>,
    options: ConfigOptions,
    planners: Vec<Arc<dyn ExprPlanner>>,
}

impl Provider {
    pub fn new(registry: &Arc<Registry>, profile: Profile, tables: &[Arc<TableInfo>]) -> Provider {
        Provider {
            registry: registry.clone(),
            profile,
            tables: tables.to_vec(),
            options: ConfigOptions::default(),
            planners: vec![Arc::new(Operators { registry: registry.clone(), profile })],
        }
    }
}

impl ContextProvider for Provider {
    fn get_table_source(&self, name: TableReference) -> DfResult<Arc<dyn TableSource>> {
        match self.tables.iter().find(|t| t.name == name.table()) {
            Some(table) => Ok(Arc::new(RawTable::new(table.clone()))),
            None => Err(external(SqlError::new(
                cluster_types::ErrorCode::TableDoesNotExist,
                format!("table {name} does not exist"),
            ))),
        }
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.planners
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        // Where both exist the aggregate is meant; the rewrite has told window functions apart.
        if self.registry.aggregate(name).is_some() || self.get_window_meta(name).is_some() {
            return None;
        }
        NamedCall::find(name, &self.registry, self.profile)
    }

    fn get_higher_order_meta(&self, _name: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        let aggregate = self.registry.aggregate(name)?;
        Some(NamedAggregate::udaf(aggregate, Vec::new(), self.profile))
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        window_function(name)
    }

    fn get_variable_type(&self, _names: &[String]) -> Option<ArrowType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        &self.options
    }

    fn udf_names(&self) -> Vec<String> {
        self.registry.scalar_names().map(str::to_owned).collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.registry.aggregate_names().map(str::to_owned).collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        crate::rewrite::WINDOW_FUNCTIONS.iter().map(|(_, name)| (*name).to_owned()).collect()
    }
}

/// DataFusion's own window functions; aggregates over windows are ours.
fn window_function(name: &str) -> Option<Arc<WindowUDF>> {
    use datafusion::functions_window as w;
    Some(match name {
        "row_number" => w::row_number::row_number_udwf(),
        "rank" => w::rank::rank_udwf(),
        "dense_rank" => w::rank::dense_rank_udwf(),
        "percent_rank" => w::rank::percent_rank_udwf(),
        "cume_dist" => w::cume_dist::cume_dist_udwf(),
        "ntile" => w::ntile::ntile_udwf(),
        "lead" => w::lead_lag::lead_udwf(),
        "lag" => w::lead_lag::lag_udwf(),
        "first_value" => w::nth_value::first_value_udwf(),
        "last_value" => w::nth_value::last_value_udwf(),
        "nth_value" => w::nth_value::nth_value_udwf(),
        _ => return None,
    })
}

/// A raw table while SQL is planned: columns only.
#[derive(Debug)]
pub struct RawTable {
    pub info: Arc<TableInfo>,
    schema: SchemaRef,
}

impl RawTable {
    pub fn new(info: Arc<TableInfo>) -> RawTable {
        let fields: Vec<_> = info.columns.iter().map(|c| field(&c.name, c.ty)).collect();
        RawTable { info, schema: Arc::new(Schema::new(fields)) }
    }
}

impl TableSource for RawTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}

/// Operators become calls of ours: nothing of DataFusion's wraps around or rounds.
#[derive(Debug)]
struct Operators {
    registry: Arc<Registry>,
    profile: Profile,
}

impl ExprPlanner for Operators {
    fn plan_binary_op(&self, expr: RawBinaryExpr, _schema: &DFSchema) -> DfResult<PlannerResult<RawBinaryExpr>> {
        use BinaryOperator as B;
        let (name, named) = match &expr.op {
            B::Plus => ("plus", Named::Arithmetic(Arithmetic::Plus)),
            B::Minus => ("minus", Named::Arithmetic(Arithmetic::Minus)),
            B::Multiply => ("times", Named::Arithmetic(Arithmetic::Times)),
            B::Divide => ("divide", Named::Arithmetic(Arithmetic::Divide)),
            B::Modulo => ("mod", Named::Arithmetic(Arithmetic::Modulo)),
            B::StringConcat => ("concat", Named::Arithmetic(Arithmetic::Concat)),
            B::BitwiseAnd => ("bitand", Named::Arithmetic(Arithmetic::BitAnd)),
            B::BitwiseOr => ("bitor", Named::Arithmetic(Arithmetic::BitOr)),
            B::BitwiseXor => ("bitxor", Named::Arithmetic(Arithmetic::BitXor)),
            B::Eq => ("equals", Named::Compare(CompareOp::Eq)),
            B::NotEq => ("notequals", Named::Compare(CompareOp::NotEq)),
            B::Lt => ("lessthan", Named::Compare(CompareOp::Lt)),
            B::LtEq => ("lessthanorequal", Named::Compare(CompareOp::LtEq)),
            B::Gt => ("greaterthan", Named::Compare(CompareOp::Gt)),
            B::GtEq => ("greaterthanorequal", Named::Compare(CompareOp::GtEq)),
            B::And | B::Or => return Ok(PlannerResult::Original(expr)),
            other => return Err(external(SqlError::validation(format!("operator {other} is not supported")))),
        };
        let udf = NamedCall::udf(name, named, &self.registry, self.profile);
        Ok(PlannerResult::Planned(Expr::ScalarFunction(ScalarFunction::new_udf(udf, vec![expr.left, expr.right]))))
    }

    fn plan_aggregate(&self, mut expr: RawAggregateExpr) -> DfResult<PlannerResult<RawAggregateExpr>> {
        let Some(aggregate) = self.registry.aggregate(expr.func.name()) else {
            return Ok(PlannerResult::Original(expr));
        };
        let (func, args) =
            NamedAggregate::split(aggregate, std::mem::take(&mut expr.args), self.profile).map_err(external)?;
        Ok(PlannerResult::Original(RawAggregateExpr { func, args, ..expr }))
    }

    fn plan_window(&self, mut expr: RawWindowExpr) -> DfResult<PlannerResult<RawWindowExpr>> {
        let WindowFunctionDefinition::AggregateUDF(func) = &expr.func_def else {
            return Ok(PlannerResult::Original(expr));
        };
        let Some(aggregate) = self.registry.aggregate(func.name()) else { return Ok(PlannerResult::Original(expr)) };
        let (func, args) =
            NamedAggregate::split(aggregate, std::mem::take(&mut expr.args), self.profile).map_err(external)?;
        Ok(PlannerResult::Original(RawWindowExpr {
            func_def: WindowFunctionDefinition::AggregateUDF(func),
            args,
            ..expr
        }))
    }
}
