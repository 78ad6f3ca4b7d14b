//! What every part that runs a plan takes for granted, checked once where the plan arrives.

use super::MAX_DEPTH;
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::leaf::{AggregateCall, ColumnRef, LeafPlan, Output};
use crate::types::Type;

impl LeafPlan {
    /// Checks that indexes are in range and types consistent.
    pub fn validate(&self) -> Result<()> {
        for column in &self.columns {
            if column.default.ty() != column.ty.element() {
                return Err(bad(format!(
                    "column {} is {}, its default {}",
                    column.name,
                    column.ty,
                    column.default.ty()
                )));
            }
        }
        let check = |expr: &Expr| {
            shallow(expr)?;
            Checker { columns: &self.columns, element: None }.check(expr)
        };
        let condition = |what: &str, expr: &Expr| {
            check(expr)?;
            boolean(what, expr)
        };
        if let Some(filter) = &self.filter {
            condition("the filter", filter)?;
        }
        match &self.output {
            Output::Rows { exprs, order, .. } => {
                exprs.iter().try_for_each(check)?;
                if let Some(key) = order.iter().find(|key| key.index as usize >= exprs.len()) {
                    return Err(bad(format!("a sort key names value {} of {}", key.index, exprs.len())));
                }
            }
            Output::Groups { keys, aggregates, .. } => {
                keys.iter().try_for_each(check)?;
                for AggregateCall { args, filter, function, .. } in aggregates {
                    args.iter().try_for_each(check)?;
                    if let Some(filter) = filter {
                        condition(&format!("the FILTER of {function}"), filter)?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn bad(what: String) -> Error {
    Error::Plan(what)
}

/// No deeper than what recursion may visit; finds out without recursion.
fn shallow(expr: &Expr) -> Result<()> {
    let mut waiting = vec![(expr, 1)];
    while let Some((expr, depth)) = waiting.pop() {
        if depth > MAX_DEPTH {
            return Err(bad(format!("an expression is nested more than {MAX_DEPTH} deep")));
        }
        waiting.extend(expr.children().into_iter().map(|child| (child, depth + 1)));
    }
    Ok(())
}

fn boolean(what: &str, expr: &Expr) -> Result<()> {
    match expr.ty() {
        Type::BOOLEAN => Ok(()),
        other => Err(bad(format!("{what} is {other}, not BOOLEAN"))),
    }
}

fn same(what: &str, left: Type, right: Type) -> Result<()> {
    if left == right { Ok(()) } else { Err(bad(format!("{what} has {left} and {right}"))) }
}

/// Checks one expression; `element` is the type that [`Expr::Element`] has here.
struct Checker<'a> {
    columns: &'a [ColumnRef],
    element: Option<Type>,
}

impl Checker<'_> {
    fn check(&self, expr: &Expr) -> Result<()> {
        if let Expr::Quantified { list, predicate, .. } = expr {
            self.check(list)?;
            if !list.ty().multi {
                return Err(bad(format!("a quantifier over {}, which is no list", list.ty())));
            }
            Checker { columns: self.columns, element: Some(list.ty().element()) }.check(predicate)?;
            return boolean("the predicate of a quantifier", predicate);
        }
        for child in expr.children() {
            self.check(child)?;
        }
        match expr {
            Expr::Column { index, ty } => match self.columns.get(*index as usize) {
                None => Err(bad(format!("an expression names column {index} of {}", self.columns.len()))),
                Some(column) => same(&format!("column {}", column.name), column.ty, *ty),
            },
            Expr::Element { ty } => match self.element {
                None => Err(bad("an element outside a quantifier".into())),
                Some(element) => same("an element", element, *ty),
            },
            Expr::Compare { left, right, .. } => same("a comparison", left.ty(), right.ty()),
            Expr::IsDistinct { left, right, .. } => same("IS DISTINCT FROM", left.ty(), right.ty()),
            Expr::In { expr, list, .. } => {
                if !matches!(**list, Expr::Literal(_) | Expr::Param { .. }) {
                    return Err(bad("the list of IN is neither a literal nor a parameter".into()));
                }
                let ty = expr.ty();
                same("IN", Type::multi(ty.data), list.ty())?;
                if ty.multi { Err(bad(format!("IN over {ty}, which is a list"))) } else { Ok(()) }
            }
            Expr::Like { expr, .. } => match expr.ty() {
                Type::STRING | Type::JSON => Ok(()),
                other => Err(bad(format!("LIKE over {other}"))),
            },
            Expr::And(parts) | Expr::Or(parts) => {
                parts.iter().try_for_each(|part| boolean("an operand of AND or OR", part))
            }
            Expr::Not(expr) => boolean("the operand of NOT", expr),
            Expr::Case { branches, otherwise, ty } => {
                for (when, then) in branches {
                    boolean("a WHEN", when)?;
                    same("CASE", *ty, then.ty())?;
                }
                otherwise.iter().try_for_each(|expr| same("CASE", *ty, expr.ty()))
            }
            Expr::Literal(_)
            | Expr::Param { .. }
            | Expr::IsNull { .. }
            | Expr::Quantified { .. }
            | Expr::Cast { .. }
            | Expr::Call { .. } => Ok(()),
        }
    }
}
