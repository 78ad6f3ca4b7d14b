//! Chains of AND and OR, flattened and rebuilt as balanced trees: neither the planner's stack nor its time depends on how
//! long they are.

use super::expr::take;
use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Value};

/// The operands of a chain of one of AND and OR, however it is bracketed; `None` when it is no chain.
pub(super) fn flatten(expr: &mut Expr) -> Option<(BinaryOperator, Vec<Expr>)> {
    let op = match expr {
        Expr::BinaryOp { op: op @ (BinaryOperator::And | BinaryOperator::Or), .. } => op.clone(),
        _ => return None,
    };
    let mut operands = Vec::new();
    let mut waiting = vec![take(expr)];
    while let Some(next) = waiting.pop() {
        match next {
            Expr::BinaryOp { left, op: inner, right } if inner == op => {
                waiting.push(*right);
                waiting.push(*left);
            }
            Expr::Nested(inner) if matches!(inner.as_ref(), Expr::BinaryOp { op: o, .. } if *o == op) => {
                waiting.push(*inner)
            }
            other => operands.push(other),
        }
    }
    Some((op, operands))
}

/// A balanced tree over the operands, so that ten thousand of them are 14 deep.
pub(super) fn balanced(op: BinaryOperator, mut operands: Vec<Expr>) -> Expr {
    while operands.len() > 1 {
        let mut next = Vec::with_capacity(operands.len().div_ceil(2));
        let mut pairs = operands.into_iter();
        while let Some(left) = pairs.next() {
            next.push(match pairs.next() {
                Some(right) => Expr::BinaryOp { left: Box::new(left), op: op.clone(), right: Box::new(right) },
                None => left,
            });
        }
        operands = next;
    }
    operands.pop().unwrap_or_else(|| Expr::value(Value::Null))
}
