//! From [`Expr`] to a node tree that can run.

use super::in_set::InSet;
use super::like::Like;
use super::node::{Context, Kind, Node};
use super::text::expr_text;
use crate::cast::{can_cast, is_infallible};
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::function::{Datum, Registry};
use crate::scalar::Scalar;
use crate::types::Type;
use std::sync::Arc;

/// Deepest nesting, AND and OR chains counted as one level. Evaluation recurses, and a shard's stack is 2 MiB.
const MAX_DEPTH: usize = 700;

/// # Errors
/// When the expression is nested deeper than evaluation can follow. Needs no stack of its own.
pub(super) fn check_depth(expr: &Expr) -> Result<()> {
    let mut open: Vec<(&Expr, usize)> = vec![(expr, 1)];
    while let Some((expr, depth)) = open.pop() {
        if depth > MAX_DEPTH {
            return Err(Error::Signature(format!(
                "the expression is nested more than {MAX_DEPTH} levels deep: split it or use IN, AND, OR lists"
            )));
        }
        for child in expr.children() {
            let chain = matches!((expr, child), (Expr::And(_), Expr::And(_)) | (Expr::Or(_), Expr::Or(_)));
            open.push((child, if chain { depth } else { depth + 1 }));
        }
    }
    Ok(())
}

/// The terms of nested ANDs (or ORs) in reading order.
fn flatten(expr: &Expr) -> Vec<&Expr> {
    let conjunction = matches!(expr, Expr::And(_));
    let mut open = vec![expr];
    let mut terms = Vec::new();
    while let Some(expr) = open.pop() {
        match expr {
            Expr::And(parts) if conjunction => open.extend(parts.iter().rev()),
            Expr::Or(parts) if !conjunction => open.extend(parts.iter().rev()),
            term => terms.push(term),
        }
    }
    terms
}

pub(super) struct Binder<'a> {
    pub registry: &'a Registry,
    pub params: &'a [Scalar],
    pub names: &'a [String],
}

fn constant(scalar: Scalar) -> Node {
    let ty = scalar.ty();
    Node { kind: Kind::Const(scalar), ty, fallible: false, deterministic: true, columns: Vec::new(), element: false }
}

/// A node that reads one input.
fn input(kind: Kind, ty: Type, columns: Vec<u32>, element: bool) -> Node {
    Node { kind, ty, fallible: false, deterministic: true, columns, element }
}

/// A BOOLEAN node over one child.
#[inline(never)]
fn over_one(inner: Node, kind: &dyn Fn(Box<Node>) -> Kind) -> Node {
    let traits = traits(Type::BOOLEAN, &[&inner]);
    node(kind(inner.into()), traits)
}

fn value_of(node: &Node) -> Option<&Scalar> {
    match &node.kind {
        Kind::Const(scalar) => Some(scalar),
        _ => None,
    }
}

/// A node over children: what it reads and whether it may fail follow from them.
fn traits(ty: Type, children: &[&Node]) -> Traits {
    let mut columns: Vec<u32> = children.iter().flat_map(|c| c.columns.iter().copied()).collect();
    columns.sort_unstable();
    columns.dedup();
    Traits {
        ty,
        fallible: children.iter().any(|c| c.fallible),
        deterministic: children.iter().all(|c| c.deterministic),
        element: children.iter().any(|c| c.element),
        columns,
    }
}

struct Traits {
    ty: Type,
    fallible: bool,
    deterministic: bool,
    element: bool,
    columns: Vec<u32>,
}

fn node(kind: Kind, traits: Traits) -> Node {
    let Traits { ty, fallible, deterministic, element, columns } = traits;
    fold(Node { kind, ty, fallible, deterministic, columns, element })
}

/// A node without inputs becomes its value. One that fails stays: it is an error only if a row asks for it.
fn fold(node: Node) -> Node {
    if !node.deterministic || !node.columns.is_empty() || node.element {
        return node;
    }
    let cx = Context { columns: &[], element: None, rows: 1 };
    let folded = node.eval(&cx).and_then(|datum| match datum {
        Datum::Scalar(scalar) => Ok(scalar),
        Datum::Array(array) => super::scalar_at(array.as_ref(), node.ty, 0),
    });
    match folded {
        Ok(scalar) => constant(scalar),
        Err(_) => node,
    }
}

impl Binder<'_> {
    /// Dispatch only: binding recurses, and a frame that held the locals of every kind would bound the depth.
    pub(super) fn bind(&self, expr: &Expr) -> Result<Node> {
        match expr {
            Expr::Column { index, ty } => Ok(input(Kind::Column(*index), *ty, vec![*index], false)),
            Expr::Element { ty } => Ok(input(Kind::Element, *ty, Vec::new(), true)),
            Expr::Literal(scalar) => Ok(constant(scalar.clone())),
            Expr::Param { index, ty } => self.bind_param(*index, *ty),
            Expr::Compare { op, left, right } => {
                self.bind_pair(left, right, &|left, right| Kind::Compare { op: *op, left, right })
            }
            Expr::IsDistinct { left, right, negated } => {
                self.bind_pair(left, right, &|left, right| Kind::IsDistinct { left, right, negated: *negated })
            }
            Expr::In { expr, list, negated } => self.bind_in(expr, list, *negated),
            Expr::Like { expr, pattern, escape, insensitive, negated } => {
                self.bind_like(expr, Like::new(pattern, *escape, *insensitive), *negated)
            }
            Expr::And(_) | Expr::Or(_) => self.bind_terms(expr),
            Expr::Not(expr) => self.condition(expr).map(|inner| over_one(inner, &Kind::Not)),
            Expr::IsNull { expr, negated } => {
                self.bind(expr).map(|inner| over_one(inner, &|expr| Kind::IsNull { expr, negated: *negated }))
            }
            Expr::Quantified { all, list, predicate } => self.bind_quantified(*all, list, predicate),
            Expr::Case { branches, otherwise, ty } => self.bind_case(branches, otherwise.as_deref(), *ty),
            Expr::Cast { expr: inner, to, lenient } => self.bind_cast(inner, *to, *lenient, expr),
            Expr::Call { function, version, args, ty } => self.bind_call(expr, function, *version, args, *ty),
        }
    }

    #[inline(never)]
    fn bind_param(&self, index: u32, ty: Type) -> Result<Node> {
        let Some(scalar) = self.params.get(index as usize) else {
            return Err(Error::Plan(format!("parameter {index} is not bound ({} are)", self.params.len())));
        };
        if scalar.is_null() {
            return Ok(constant(Scalar::Null(ty)));
        }
        if scalar.ty() != ty {
            return Err(Error::Plan(format!("parameter {index} is a {}, the plan asks for {ty}", scalar.ty())));
        }
        Ok(constant(scalar.clone()))
    }

    #[inline(never)]
    fn bind_pair(&self, left: &Expr, right: &Expr, kind: &dyn Fn(Box<Node>, Box<Node>) -> Kind) -> Result<Node> {
        let (left, right) = self.pair(left, right)?;
        let traits = traits(Type::BOOLEAN, &[&left, &right]);
        Ok(node(kind(left.into(), right.into()), traits))
    }

    #[inline(never)]
    fn bind_like(&self, expr: &Expr, like: Result<Like>, negated: bool) -> Result<Node> {
        let inner = self.bind(expr)?;
        if !matches!(inner.ty, Type::STRING | Type::JSON) {
            return Err(Error::Signature(format!("LIKE takes a STRING, got {}", inner.ty)));
        }
        let like = like?;
        Ok(over_one(inner, &move |expr| Kind::Like { expr, like: like.clone(), negated }))
    }

    #[inline(never)]
    fn bind_quantified(&self, all: bool, list: &Expr, predicate: &Expr) -> Result<Node> {
        let list = self.bind(list)?;
        let predicate = self.condition(predicate)?;
        if !list.ty.multi {
            return Err(Error::Plan(format!("any()/all() over {}, which has no elements", list.ty)));
        }
        let mut traits = traits(Type::BOOLEAN, &[&list, &predicate]);
        traits.element = list.element;
        Ok(node(Kind::Quantified { all, list: list.into(), predicate: predicate.into() }, traits))
    }

    #[inline(never)]
    fn bind_cast(&self, inner: &Expr, to: Type, lenient: bool, source: &Expr) -> Result<Node> {
        let inner = self.bind(inner)?;
        match value_of(&inner) {
            Some(Scalar::Null(_)) => Ok(constant(Scalar::Null(to))),
            _ => self.cast(inner, to, lenient, source),
        }
    }

    fn text(&self, expr: &Expr) -> Arc<str> {
        expr_text(expr, self.names).into()
    }

    #[inline(never)]
    fn condition(&self, expr: &Expr) -> Result<Node> {
        let bound = self.bind(expr)?;
        match &bound.kind {
            Kind::Const(Scalar::Null(_)) => Ok(constant(Scalar::Null(Type::BOOLEAN))),
            _ if bound.ty == Type::BOOLEAN => Ok(bound),
            _ => Err(Error::Plan(format!("{} is a {}, a condition is BOOLEAN", self.text(expr), bound.ty))),
        }
    }

    /// Both sides of a comparison, of one type; a NULL literal takes the type of the other side.
    #[inline(never)]
    fn pair(&self, left: &Expr, right: &Expr) -> Result<(Node, Node)> {
        let (a, b) = (self.bind(left)?, self.bind(right)?);
        if a.ty == b.ty {
            return Ok((a, b));
        }
        match (value_of(&a), value_of(&b)) {
            (Some(Scalar::Null(_)), _) => Ok((constant(Scalar::Null(b.ty)), b)),
            (_, Some(Scalar::Null(_))) => {
                let ty = a.ty;
                Ok((a, constant(Scalar::Null(ty))))
            }
            _ => Err(Error::Plan(format!(
                "{} ({}) is compared with {} ({}) without a conversion",
                self.text(left),
                a.ty,
                self.text(right),
                b.ty
            ))),
        }
    }

    #[inline(never)]
    fn bind_in(&self, expr: &Expr, list: &Expr, negated: bool) -> Result<Node> {
        let inner = self.bind(expr)?;
        let list = self.bind(list)?;
        let Some(values) = value_of(&list) else {
            return Err(Error::Plan("the list of IN must be constant".to_owned()));
        };
        if let Scalar::List(data, _) = values
            && Type::single(*data) != inner.ty
        {
            return Err(Error::Plan(format!("{} ({}) IN a list of {}", self.text(expr), inner.ty, data)));
        }
        let set = InSet::new(values)?;
        let traits = traits(Type::BOOLEAN, &[&inner]);
        Ok(node(Kind::In { expr: inner.into(), set, negated }, traits))
    }

    #[inline(never)]
    fn bind_terms(&self, expr: &Expr) -> Result<Node> {
        let conjunction = matches!(expr, Expr::And(_));
        let mut terms = Vec::new();
        for term in flatten(expr) {
            let term = self.condition(term)?;
            match value_of(&term) {
                // The neutral value adds nothing; the other one decides.
                Some(Scalar::Boolean(v)) if *v == conjunction => {}
                Some(Scalar::Boolean(v)) => return Ok(constant(Scalar::Boolean(*v))),
                _ => terms.push(term),
            }
        }
        // Cheap terms that cannot fail first: they spare rows to those that can. The order within each is kept.
        terms.sort_by_key(|t| t.fallible);
        if terms.is_empty() {
            return Ok(constant(Scalar::Boolean(conjunction)));
        }
        if terms.len() == 1 {
            return Ok(terms.remove(0));
        }
        let traits = traits(Type::BOOLEAN, &terms.iter().collect::<Vec<_>>());
        Ok(node(if conjunction { Kind::And(terms) } else { Kind::Or(terms) }, traits))
    }

    #[inline(never)]
    fn bind_case(&self, branches: &[(Expr, Expr)], otherwise: Option<&Expr>, ty: Type) -> Result<Node> {
        let typed = |expr: &Expr| -> Result<Node> {
            let bound = self.bind(expr)?;
            match &bound.kind {
                Kind::Const(Scalar::Null(_)) => Ok(constant(Scalar::Null(ty))),
                _ if bound.ty == ty => Ok(bound),
                _ => Err(Error::Plan(format!("{} is a {} in a CASE of {ty}", self.text(expr), bound.ty))),
            }
        };
        let branches = branches
            .iter()
            .map(|(when, then)| Ok((self.condition(when)?, typed(then)?)))
            .collect::<Result<Vec<_>>>()?;
        let otherwise = otherwise.map(typed).transpose()?;
        let children: Vec<&Node> = branches.iter().flat_map(|(w, t)| [w, t]).chain(&otherwise).collect();
        let traits = traits(ty, &children);
        Ok(node(Kind::Case { branches, otherwise: otherwise.map(Box::new) }, traits))
    }

    /// A conversion, where one is needed.
    #[inline(never)]
    fn cast(&self, inner: Node, to: Type, lenient: bool, source: &Expr) -> Result<Node> {
        if inner.ty == to {
            return Ok(inner);
        }
        if !can_cast(inner.ty, to) {
            return Err(Error::Signature(format!("cannot cast {} to {to} in {}", inner.ty, self.text(source))));
        }
        let mut traits = traits(to, &[&inner]);
        traits.fallible |= !lenient && !is_infallible(inner.ty, to);
        Ok(node(Kind::Cast { expr: inner.into(), lenient, text: self.text(source) }, traits))
    }

    #[inline(never)]
    fn bind_call(&self, expr: &Expr, function: &str, version: u32, args: &[Expr], ty: Type) -> Result<Node> {
        let bound = args.iter().map(|a| self.bind(a)).collect::<Result<Vec<_>>>()?;
        self.finish_call(expr, function, version, bound, ty)
    }

    #[inline(never)]
    fn finish_call(&self, expr: &Expr, function: &str, version: u32, bound: Vec<Node>, ty: Type) -> Result<Node> {
        let function = self.registry.scalar_at(function, version)?;
        let types: Vec<Type> = bound.iter().map(|a| a.ty).collect();
        let constants: Vec<Option<Scalar>> = bound.iter().map(|a| value_of(a).cloned()).collect();
        let signature = function.resolve(&types, &constants)?;
        if signature.result != ty {
            return Err(Error::Plan(format!("{} returns {}, the plan says {ty}", self.text(expr), signature.result)));
        }
        if signature.args.len() != bound.len() {
            return Err(Error::Plan(format!("{} takes {} arguments", function.name(), signature.args.len())));
        }
        let bound = bound
            .into_iter()
            .zip(&signature.args)
            .map(|(arg, to)| match &arg.kind {
                Kind::Const(Scalar::Null(_)) => Ok(constant(Scalar::Null(*to))),
                _ => self.cast(arg, *to, false, expr),
            })
            .collect::<Result<Vec<Node>>>()?;
        let constants: Vec<Option<Scalar>> = bound.iter().map(|a| value_of(a).cloned()).collect();
        let flags = function.flags();
        let kernel = function.bind(&signature.args, &constants)?;
        let mut traits = traits(ty, &bound.iter().collect::<Vec<_>>());
        traits.fallible = true;
        traits.deterministic &= flags.deterministic;
        Ok(node(Kind::Call { kernel, strict: flags.strict, args: bound, text: self.text(expr) }, traits))
    }
}
