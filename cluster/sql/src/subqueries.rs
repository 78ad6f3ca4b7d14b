//! `[NOT] IN (subquery)` and EXISTS in the forms that decorrelation answers by SQL's three-valued logic.
//!
//! DataFusion makes joins of the subqueries of a WHERE. Right as they are: IN and [NOT] EXISTS joined by AND and OR, and
//! an uncorrelated NOT IN that stands alone. But a mark join knows no NULL, a null-aware anti join no second key, and
//! outside of WHERE nothing becomes a join. Those are written out here, S being the subquery's rows:
//!
//! ```text
//!   x NOT IN (S), a condition   NOT EXISTS(S = x) AND NOT EXISTS(S IS NULL) AND (x IS NOT NULL OR NOT EXISTS(S))
//!   x IN (S), a value           CASE WHEN EXISTS(S = x) THEN true
//!                                    WHEN EXISTS(S IS NULL) OR (x IS NULL AND EXISTS(S)) THEN NULL ELSE false END
//!   EXISTS(S), not in WHERE     (SELECT COUNT(*) FROM S) > 0
//! ```

use crate::aggregates::{BoundAggregate, NamedAggregate};
use crate::error::{SqlError, external};
use crate::plan::Profile;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, ExprSchema, Result as DfResult};
use datafusion::logical_expr::expr::{AggregateFunction, Exists, InSubquery};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Case, Expr, Filter, LogicalPlan, Operator, Projection, Subquery, lit,
};
use datafusion::scalar::ScalarValue;
use shard_plan::Registry;
use std::sync::Arc;

/// The name of a subquery's column inside of what is written here.
const ROW: &str = "gamay_row";
/// The name of a value that is computed below an aggregation.
const VALUE: &str = "gamay_value";

/// Writes the subqueries of one plan node.
pub struct Subqueries<'a> {
    pub registry: &'a Arc<Registry>,
    pub profile: Profile,
    /// The columns in sight of the node.
    pub schema: &'a DFSchema,
    /// The node is a filter, whose EXISTS become joins.
    pub joins: bool,
}

impl Subqueries<'_> {
    pub fn written(&self, expr: Expr) -> DfResult<Expr> {
        if !has_subquery(&expr)? {
            return Ok(expr);
        }
        if self.joins { self.condition(expr, true) } else { self.value(expr) }
    }

    /// Where NULL means the same as false. `alone`: nothing but AND stands above.
    fn condition(&self, expr: Expr, alone: bool) -> DfResult<Expr> {
        if !has_subquery(&expr)? {
            return Ok(expr);
        }
        match expr {
            Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
                let alone = alone && op == Operator::And;
                Ok(join(self.condition(*left, alone)?, op, self.condition(*right, alone)?))
            }
            Expr::IsTrue(inner) => self.condition(*inner, alone),
            Expr::Not(inner) => match *inner {
                Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
                    let flipped = if op == Operator::And { Operator::Or } else { Operator::And };
                    self.condition(join(not(*left), flipped, not(*right)), alone)
                }
                Expr::Not(inner) => self.condition(*inner, alone),
                Expr::InSubquery(inner) => {
                    self.condition(Expr::InSubquery(InSubquery { negated: !inner.negated, ..inner }), alone)
                }
                Expr::Exists(inner) => self.condition(Expr::Exists(Exists { negated: !inner.negated, ..inner }), alone),
                other => Ok(not(self.value(other)?)),
            },
            Expr::InSubquery(subquery) if !subquery.negated => Ok(Expr::InSubquery(subquery)),
            // The anti join compares a constant like a column, but does not see that it is NULL.
            Expr::InSubquery(subquery)
                if alone
                    && subquery.subquery.outer_ref_columns.is_empty()
                    && !matches!(*subquery.expr, Expr::Literal(..)) =>
            {
                Ok(Expr::InSubquery(subquery))
            }
            Expr::InSubquery(InSubquery { expr, subquery, .. }) => {
                let equal = not(self.exists(self.equal(&expr, &subquery)?)?);
                let null = not(self.exists(self.null(&subquery)?)?);
                let rows = not(self.exists(subquery)?);
                Ok(join(join(equal, Operator::And, null), Operator::And, join(expr.is_not_null(), Operator::Or, rows)))
            }
            other => self.value(other),
        }
    }

    /// Where NULL, false and true are three values.
    fn value(&self, expr: Expr) -> DfResult<Expr> {
        expr.transform_up(|e| match e {
            Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
                let found = self.exists(self.equal(&expr, &subquery)?)?;
                let null = self.exists(self.null(&subquery)?)?;
                let rows = self.exists(subquery)?;
                let unknown = join(null, Operator::Or, join(expr.is_null(), Operator::And, rows));
                let branches = [(found, lit(!negated)), (unknown, Expr::Literal(ScalarValue::Boolean(None), None))]
                    .map(|(when, then)| (Box::new(when), Box::new(then)));
                let case =
                    Case { expr: None, when_then_expr: branches.into(), else_expr: Some(Box::new(lit(negated))) };
                Ok(Transformed::yes(Expr::Case(case)))
            }
            Expr::Exists(Exists { subquery, negated }) => {
                let exists = self.exists(subquery)?;
                Ok(Transformed::yes(if negated { not(exists) } else { exists }))
            }
            other => Ok(Transformed::no(other)),
        })
        .map(|t| t.data)
    }

    fn exists(&self, subquery: Subquery) -> DfResult<Expr> {
        if has_one_row(&subquery.subquery) {
            return Ok(lit(true));
        }
        if self.joins {
            return Ok(Expr::Exists(Exists { subquery, negated: false }));
        }
        let count = self
            .registry
            .aggregate("count")
            .ok_or_else(|| external(SqlError::planning("the aggregate count is missing")))?;
        let (named, args) = NamedAggregate::split(count, Vec::new(), self.profile).map_err(external)?;
        let Some(named) = named.inner().downcast_ref::<NamedAggregate>() else {
            return Err(external(SqlError::planning("count was split into something else")));
        };
        let bound = BoundAggregate::udaf(named, &[]).map_err(external)?;
        let count = Expr::AggregateFunction(AggregateFunction::new_udf(bound, args, false, None, Vec::new(), None));
        let plan = LogicalPlan::Aggregate(Aggregate::try_new(subquery.subquery, Vec::new(), vec![count])?);
        let counted = Expr::ScalarSubquery(Subquery { subquery: Arc::new(plan), ..subquery });
        Ok(join(counted, Operator::Gt, lit(0_i64)))
    }

    /// The rows of the subquery that equal `expr`.
    fn equal(&self, expr: &Expr, subquery: &Subquery) -> DfResult<Subquery> {
        let mut outer = subquery.outer_ref_columns.clone();
        let expr = expr
            .clone()
            .transform(|e| match e {
                Expr::Column(column) => {
                    let field = self.schema.field_from_column(&column)?.clone();
                    Ok(Transformed::yes(Expr::OuterReferenceColumn(field, column)))
                }
                other => Ok(Transformed::no(other)),
            })?
            .data;
        expr.apply(|e| {
            if matches!(e, Expr::OuterReferenceColumn(..)) && !outer.contains(e) {
                outer.push(e.clone());
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        let filtered = filtered(subquery, |column| join(column, Operator::Eq, expr))?;
        Ok(Subquery { outer_ref_columns: outer, ..filtered })
    }

    /// The rows of the subquery that are NULL.
    fn null(&self, subquery: &Subquery) -> DfResult<Subquery> {
        filtered(subquery, Expr::is_null)
    }

    /// Subqueries inside of keys and aggregates become columns below the aggregation: only a projection can hold them.
    pub fn below(&self, mut aggregate: Aggregate) -> DfResult<Aggregate> {
        let names = NamePreserver::new_for_projection();
        let mut values = Vec::new();
        for expr in aggregate.group_expr.iter_mut().chain(&mut aggregate.aggr_expr) {
            if !has_subquery(expr)? {
                continue;
            }
            let name = names.save(expr);
            let moved = std::mem::take(expr).transform_down(|e| match e {
                Expr::Exists(_) | Expr::InSubquery(_) | Expr::ScalarSubquery(_) => {
                    let column = format!("{VALUE}{}", values.len());
                    values.push(self.value(e)?.alias(&column));
                    Ok(Transformed::new(Expr::Column(Column::from_name(column)), true, TreeNodeRecursion::Jump))
                }
                other => Ok(Transformed::no(other)),
            })?;
            *expr = name.restore(moved.data);
        }
        if !values.is_empty() {
            let columns = aggregate.input.schema().columns().into_iter().map(Expr::Column);
            let input = Projection::try_new(columns.chain(values).collect(), aggregate.input)?;
            aggregate.input = Arc::new(LogicalPlan::Projection(input));
        }
        Ok(aggregate)
    }
}

/// The rows of a subquery's one column that hold a condition.
fn filtered(subquery: &Subquery, condition: impl FnOnce(Expr) -> Expr) -> DfResult<Subquery> {
    let Some(column) = subquery.subquery.schema().columns().into_iter().next() else {
        return Err(external(SqlError::validation("IN (subquery) needs one column")));
    };
    // Under a name of its own: the outer query may read a table of the same name.
    let renamed = Projection::try_new(vec![Expr::Column(column).alias(ROW)], subquery.subquery.clone())?;
    let condition = condition(Expr::Column(Column::from_name(ROW)));
    let plan = LogicalPlan::Filter(Filter::try_new(condition, Arc::new(LogicalPlan::Projection(renamed)))?);
    Ok(Subquery { subquery: Arc::new(plan), ..subquery.clone() })
}

/// An aggregation without keys has exactly one row, whatever it reads.
fn has_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        LogicalPlan::Projection(projection) => has_one_row(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => has_one_row(&alias.input),
        LogicalPlan::Sort(sort) => has_one_row(&sort.input),
        _ => false,
    }
}

fn has_subquery(expr: &Expr) -> DfResult<bool> {
    expr.exists(|e| Ok(matches!(e, Expr::Exists(_) | Expr::InSubquery(_) | Expr::ScalarSubquery(_))))
}

fn join(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}

fn not(expr: Expr) -> Expr {
    Expr::Not(Box::new(expr))
}
