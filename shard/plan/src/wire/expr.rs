//! Expressions on the wire: their nodes in post-order, so that neither side recurses and bytes cannot overflow a stack.

use super::message::{Budget, Node, read, write};
use super::value::{self, type_code, type_of};
use super::{MAX_DEPTH, MAX_OPERANDS};
use crate::error::{Error, Result};
use crate::expr::{CompareOp, Expr};

const COLUMN: u32 = 1;
const LITERAL: u32 = 2;
const PARAM: u32 = 3;
const COMPARE: u32 = 4;
const IN: u32 = 5;
const LIKE: u32 = 6;
const AND: u32 = 7;
const OR: u32 = 8;
const NOT: u32 = 9;
const IS_NULL: u32 = 10;
const IS_DISTINCT: u32 = 11;
const QUANTIFIED: u32 = 12;
const ELEMENT: u32 = 13;
const CASE: u32 = 14;
const CAST: u32 = 15;
const CALL: u32 = 16;

/// `negated`; of a quantifier `all`; of a cast `lenient`; of a case "has ELSE".
const FLAG: u32 = 1;
/// Of LIKE.
const INSENSITIVE: u32 = 2;

/// The nodes of `expr` as records.
pub(super) fn encode(expr: &Expr) -> Vec<u8> {
    let mut order = Vec::new();
    let mut waiting = vec![expr];
    // Parents before operands, last operand first; reversed it is post-order.
    while let Some(next) = waiting.pop() {
        order.push(next);
        waiting.extend(next.children());
    }
    write(order.into_iter().rev().map(node))
}

fn node(expr: &Expr) -> Node {
    let mut node = Node { arity: expr.children().len() as u32, ..Node::default() };
    let flag = |set: bool| if set { FLAG } else { 0 };
    match expr {
        Expr::Column { index, ty } => (node.kind, node.index, node.ty) = (COLUMN, *index, type_code(*ty)),
        Expr::Literal(scalar) => (node.kind, node.literal) = (LITERAL, Some(value::encode(scalar))),
        Expr::Param { index, ty } => (node.kind, node.index, node.ty) = (PARAM, *index, type_code(*ty)),
        Expr::Compare { op, .. } => (node.kind, node.index) = (COMPARE, op_code(*op)),
        Expr::In { negated, .. } => (node.kind, node.flags) = (IN, flag(*negated)),
        Expr::Like { pattern, escape, insensitive, negated, .. } => {
            node.kind = LIKE;
            node.text.clone_from(pattern);
            node.escape = escape.map(u32::from);
            node.flags = flag(*negated) | if *insensitive { INSENSITIVE } else { 0 };
        }
        Expr::And(_) => node.kind = AND,
        Expr::Or(_) => node.kind = OR,
        Expr::Not(_) => node.kind = NOT,
        Expr::IsNull { negated, .. } => (node.kind, node.flags) = (IS_NULL, flag(*negated)),
        Expr::IsDistinct { negated, .. } => (node.kind, node.flags) = (IS_DISTINCT, flag(*negated)),
        Expr::Quantified { all, .. } => (node.kind, node.flags) = (QUANTIFIED, flag(*all)),
        Expr::Element { ty } => (node.kind, node.ty) = (ELEMENT, type_code(*ty)),
        Expr::Case { otherwise, ty, .. } => {
            (node.kind, node.ty, node.flags) = (CASE, type_code(*ty), flag(otherwise.is_some()));
        }
        Expr::Cast { to, lenient, .. } => (node.kind, node.ty, node.flags) = (CAST, type_code(*to), flag(*lenient)),
        Expr::Call { function, version, ty, .. } => {
            node.kind = CALL;
            node.text.clone_from(function);
            node.version = *version;
            node.ty = type_code(*ty);
        }
    }
    node
}

fn op_code(op: CompareOp) -> u32 {
    match op {
        CompareOp::Eq => 1,
        CompareOp::NotEq => 2,
        CompareOp::Lt => 3,
        CompareOp::LtEq => 4,
        CompareOp::Gt => 5,
        CompareOp::GtEq => 6,
    }
}

fn op_of(code: u32) -> Result<CompareOp> {
    use CompareOp::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    match code {
        1 => Ok(Eq),
        2 => Ok(NotEq),
        3 => Ok(Lt),
        4 => Ok(LtEq),
        5 => Ok(Gt),
        6 => Ok(GtEq),
        _ => Err(Error::Plan(format!("no comparison has the code {code}"))),
    }
}

/// The expression that records of nodes make.
pub(super) fn decode(bytes: &[u8], budget: &mut Budget) -> Result<Expr> {
    // Complete expressions with their depths; a node takes its operands from the end.
    let mut done: Vec<(Expr, usize)> = Vec::new();
    read(bytes, budget, |node: Node, budget| {
        let arity = node.arity as usize;
        if arity > done.len() || arity > MAX_OPERANDS {
            return Err(Error::Plan(format!("an expression node has {arity} operands, {} are there", done.len())));
        }
        let operands = done.split_off(done.len() - arity);
        let depth = operands.iter().map(|(_, depth)| *depth).max().unwrap_or(0) + 1;
        if depth > MAX_DEPTH {
            return Err(Error::Plan(format!("an expression is nested more than {MAX_DEPTH} deep")));
        }
        let expr = build(node, operands.into_iter().map(|(expr, _)| expr).collect(), budget)?;
        done.push((expr, depth));
        Ok(())
    })?;
    match (done.pop(), done.len()) {
        (Some((expr, _)), 0) => Ok(expr),
        (_, left) => Err(Error::Plan(format!("an encoded expression leaves {left} operands over"))),
    }
}

fn build(node: Node, operands: Vec<Expr>, budget: &mut Budget) -> Result<Expr> {
    let flag = node.flags & FLAG != 0;
    let count = operands.len();
    let mut operands = operands.into_iter();
    let wrong = || Error::Plan(format!("an expression node of kind {} has {count} operands", node.kind));
    let mut one = || operands.next().map(Box::new).ok_or_else(wrong);
    let expr = match node.kind {
        COLUMN => Expr::Column { index: node.index, ty: type_of(node.ty)? },
        LITERAL => {
            let literal = node.literal.clone().ok_or_else(|| Error::Plan("a literal without a value".into()))?;
            Expr::Literal(value::decode(literal, budget)?)
        }
        PARAM => Expr::Param { index: node.index, ty: type_of(node.ty)? },
        COMPARE => Expr::Compare { op: op_of(node.index)?, left: one()?, right: one()? },
        IN => Expr::In { expr: one()?, list: one()?, negated: flag },
        LIKE => Expr::Like {
            expr: one()?,
            pattern: node.text.clone(),
            escape: node
                .escape
                .map(|c| char::from_u32(c).ok_or_else(|| Error::Plan(format!("{c} is not an escape character"))))
                .transpose()?,
            insensitive: node.flags & INSENSITIVE != 0,
            negated: flag,
        },
        AND => return Ok(Expr::And(operands.collect())),
        OR => return Ok(Expr::Or(operands.collect())),
        NOT => Expr::Not(one()?),
        IS_NULL => Expr::IsNull { expr: one()?, negated: flag },
        IS_DISTINCT => Expr::IsDistinct { left: one()?, right: one()?, negated: flag },
        QUANTIFIED => Expr::Quantified { all: flag, list: one()?, predicate: one()? },
        ELEMENT => Expr::Element { ty: type_of(node.ty)? },
        CASE => {
            let branches = (0..count / 2).map(|_| Ok((*one()?, *one()?))).collect::<Result<Vec<_>>>()?;
            let otherwise = if flag { Some(one()?) } else { None };
            Expr::Case { branches, otherwise, ty: type_of(node.ty)? }
        }
        CAST => Expr::Cast { expr: one()?, to: type_of(node.ty)?, lenient: flag },
        CALL => {
            let (function, version, ty) = (node.text, node.version, type_of(node.ty)?);
            return Ok(Expr::Call { function, version, args: operands.collect(), ty });
        }
        kind => return Err(Error::Plan(format!("no expression node has the kind {kind}"))),
    };
    match operands.next() {
        None => Ok(expr),
        Some(_) => Err(wrong()),
    }
}
