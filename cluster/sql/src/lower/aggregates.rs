//! Aggregates and windows: the named ones become bound ones, their arguments get the types that those take.

use super::{Lowering, argument_types};
use crate::aggregates::{BoundAggregate, NamedAggregate};
use crate::error::{Result, SqlError};
use datafusion::logical_expr::expr::{AggregateFunction, WindowFunction};
use datafusion::logical_expr::{AggregateUDF, Expr, WindowFunctionDefinition};
use std::sync::Arc;

impl Lowering<'_> {
    pub(super) fn aggregate(&self, mut function: AggregateFunction) -> Result<Expr> {
        let Some(named) = function.func.inner().downcast_ref::<NamedAggregate>() else {
            return Ok(Expr::AggregateFunction(function));
        };
        let (func, args) = self.bound_aggregate(named, std::mem::take(&mut function.params.args))?;
        if let Some(filter) = function.params.filter.take() {
            function.params.filter = Some(Box::new(self.boolean(*filter, "FILTER")?));
        }
        (function.func, function.params.args) = (func, args);
        Ok(Expr::AggregateFunction(function))
    }

    fn bound_aggregate(&self, named: &NamedAggregate, args: Vec<Expr>) -> Result<(Arc<AggregateUDF>, Vec<Expr>)> {
        let args = args.into_iter().map(|a| self.typed(a)).collect::<Result<Vec<_>>>()?;
        let bound = BoundAggregate::udaf(named, &argument_types(&args))?;
        if named.counts_rows {
            return Ok((bound, args.into_iter().map(|a| a.expr).collect()));
        }
        let wanted = match bound.inner().downcast_ref::<BoundAggregate>() {
            Some(bound) => bound.args.clone(),
            None => return Err(SqlError::planning("an aggregate was bound to something else")),
        };
        let args = args.into_iter().zip(wanted).map(|(arg, ty)| self.cast(arg, ty)).collect::<Result<Vec<_>>>()?;
        Ok((bound, args))
    }

    pub(super) fn window(&self, mut function: WindowFunction) -> Result<Expr> {
        if let WindowFunctionDefinition::AggregateUDF(udaf) = &function.fun
            && let Some(named) = udaf.inner().downcast_ref::<NamedAggregate>()
        {
            let (func, args) = self.bound_aggregate(named, std::mem::take(&mut function.params.args))?;
            (function.fun, function.params.args) = (WindowFunctionDefinition::AggregateUDF(func), args);
        }
        if let Some(filter) = function.params.filter.take() {
            function.params.filter = Some(Box::new(self.boolean(*filter, "FILTER")?));
        }
        Ok(Expr::WindowFunction(Box::new(function)))
    }
}
