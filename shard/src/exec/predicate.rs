//! From a condition of the plan to a filter over ids, packed integers and bitmaps.
//!
//! SQL's three values are dealt with once, here: a node is built for "rows where the condition *is* true" or for "rows
//! where it *is* false", so that NOT swaps the two, AND of falses becomes OR, and no kernel knows about NULL.

use crate::error::Result;
use crate::exec::bind::{BoundColumn, Dict, DictEval, substitute};
use crate::exec::filter::{IdTest, Node};
use crate::kernels::set::IdSet;
use crate::source::ColumnKind;
use segfmt::ScalarRef;
use segfmt::value::{normalize_f64, ordered_f64};
use shard_plan::{BoundExpr, CompareOp, Expr, Registry, Scalar};
use std::sync::Arc;

/// More than this many entries are evaluated row by row when the segment has fewer rows than entries.
const EAGER_ENTRIES: u32 = 65_536;

pub(crate) struct Builder<'a> {
    pub columns: &'a [BoundColumn],
    pub registry: &'a Registry,
    pub params: &'a [Scalar],
    pub names: Arc<[String]>,
    pub evals: Vec<DictEval>,
}

/// A copy of an expression in which `change` replaced nodes, parents first.
pub(crate) fn rewrite(expr: &Expr, change: &dyn Fn(&Expr) -> Option<Expr>) -> Expr {
    if let Some(changed) = change(expr) {
        return changed;
    }
    let one = |e: &Expr| Box::new(rewrite(e, change));
    let many = |es: &[Expr]| es.iter().map(|e| rewrite(e, change)).collect::<Vec<_>>();
    match expr {
        Expr::Column { .. } | Expr::Literal(_) | Expr::Param { .. } | Expr::Element { .. } => expr.clone(),
        Expr::Compare { op, left, right } => Expr::Compare { op: *op, left: one(left), right: one(right) },
        Expr::In { expr, list, negated } => Expr::In { expr: one(expr), list: one(list), negated: *negated },
        Expr::Like { expr, pattern, escape, insensitive, negated } => Expr::Like {
            expr: one(expr),
            pattern: pattern.clone(),
            escape: *escape,
            insensitive: *insensitive,
            negated: *negated,
        },
        Expr::And(parts) => Expr::And(many(parts)),
        Expr::Or(parts) => Expr::Or(many(parts)),
        Expr::Not(expr) => Expr::Not(one(expr)),
        Expr::IsNull { expr, negated } => Expr::IsNull { expr: one(expr), negated: *negated },
        Expr::IsDistinct { left, right, negated } => {
            Expr::IsDistinct { left: one(left), right: one(right), negated: *negated }
        }
        // The element belongs to this quantifier: what is replaced outside is replaced in the list only.
        Expr::Quantified { all, list, predicate } => {
            Expr::Quantified { all: *all, list: one(list), predicate: one(predicate) }
        }
        Expr::Case { branches, otherwise, ty } => Expr::Case {
            branches: branches.iter().map(|(w, t)| (rewrite(w, change), rewrite(t, change))).collect(),
            otherwise: otherwise.as_deref().map(one),
            ty: *ty,
        },
        Expr::Cast { expr, to, lenient } => Expr::Cast { expr: one(expr), to: *to, lenient: *lenient },
        Expr::Call { function, version, args, ty } => {
            Expr::Call { function: function.clone(), version: *version, args: many(args), ty: *ty }
        }
    }
}

fn flipped(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Lt => CompareOp::Gt,
        CompareOp::LtEq => CompareOp::GtEq,
        CompareOp::Gt => CompareOp::Lt,
        CompareOp::GtEq => CompareOp::LtEq,
        same => same,
    }
}

fn inverse(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Eq => CompareOp::NotEq,
        CompareOp::NotEq => CompareOp::Eq,
        CompareOp::Lt => CompareOp::GtEq,
        CompareOp::LtEq => CompareOp::Gt,
        CompareOp::Gt => CompareOp::LtEq,
        CompareOp::GtEq => CompareOp::Lt,
    }
}

/// A value in its storage class.
pub(crate) fn stored_form(value: &Scalar) -> Option<ScalarRef<'_>> {
    Some(match value {
        Scalar::Int(v) => ScalarRef::Int(i64::from(*v)),
        Scalar::Long(v) | Scalar::Timestamp(v) => ScalarRef::Int(*v),
        Scalar::Boolean(v) => ScalarRef::Int(i64::from(*v)),
        Scalar::Float(v) => ScalarRef::Float(normalize_f64(f64::from(*v))),
        Scalar::Double(v) => ScalarRef::Float(normalize_f64(*v)),
        Scalar::String(v) | Scalar::Json(v) => ScalarRef::Bytes(v.as_bytes()),
        Scalar::BigDecimal(v) | Scalar::Bytes(v) => ScalarRef::Bytes(v),
        Scalar::Null(_) | Scalar::List(..) => return None,
    })
}

impl Builder<'_> {
    /// Rows where `expr` is `want`.
    pub fn build(&mut self, expr: &Expr, want: bool) -> Result<Node> {
        match expr {
            Expr::And(parts) | Expr::Or(parts) => {
                let nodes = parts.iter().map(|p| self.build(p, want)).collect::<Result<Vec<_>>>()?;
                Ok(if matches!(expr, Expr::And(_)) == want { Node::and(nodes) } else { Node::or(nodes) })
            }
            Expr::Not(inner) => self.build(inner, !want),
            _ => self.leaf(expr, want),
        }
    }

    fn leaf(&mut self, original: &Expr, want: bool) -> Result<Node> {
        let expr = substitute(original, self.columns);
        if let Some(node) = self.native(&expr, want)? {
            return Ok(node);
        }
        let wanted = if want { expr.clone() } else { Expr::Not(Box::new(expr.clone())) };
        let names = self.names.clone();
        let bound = BoundExpr::bind_named(&wanted, self.registry, self.params, &names)?;
        match bound.constant() {
            Some(Scalar::Boolean(value)) => return Ok(Node::Const(*value)),
            Some(Scalar::Null(_)) => return Ok(Node::Const(false)),
            _ => {}
        }
        if let Some(node) = self.per_entry(&expr, want, &names)? {
            return Ok(node);
        }
        Ok(Node::expr(bound))
    }

    /// The value of a constant operand.
    fn value(&self, expr: &Expr) -> Result<Option<Scalar>> {
        match expr {
            Expr::Literal(value) => Ok(Some(value.clone())),
            Expr::Param { .. } => Ok(BoundExpr::bind(expr, self.registry, self.params)?.constant().cloned()),
            _ => Ok(None),
        }
    }

    /// Comparisons that have a kernel.
    fn native(&mut self, expr: &Expr, want: bool) -> Result<Option<Node>> {
        match expr {
            Expr::Compare { op, left, right } => {
                let (column, op, value) = match (&**left, &**right) {
                    (Expr::Column { index, .. }, other) => (*index, *op, self.value(other)?),
                    (other, Expr::Column { index, .. }) => (*index, flipped(*op), self.value(other)?),
                    _ => return Ok(None),
                };
                let Some(value) = value else { return Ok(None) };
                self.compare(column as usize, if want { op } else { inverse(op) }, &value)
            }
            Expr::In { expr, list, negated } => {
                let (Expr::Column { index, .. }, Some(Scalar::List(_, values))) = (&**expr, self.value(list)?) else {
                    return Ok(None);
                };
                self.in_list(*index as usize, &values, *negated == want)
            }
            Expr::IsNull { expr, negated } => {
                let Expr::Column { index, .. } = &**expr else { return Ok(None) };
                let column = &self.columns[*index as usize];
                let null_wanted = *negated != want;
                if !column.nullable {
                    return Ok(Some(Node::Const(!null_wanted)));
                }
                Ok(column.nulls.is_some().then_some(Node::Null { column: *index as usize, negated: !null_wanted }))
            }
            // A BOOLEAN column by itself.
            Expr::Column { index, .. } => self.compare(*index as usize, CompareOp::Eq, &Scalar::Boolean(want)),
            _ => Ok(None),
        }
    }

    fn compare(&self, index: usize, op: CompareOp, value: &Scalar) -> Result<Option<Node>> {
        let column = &self.columns[index];
        if column.ty.multi || value.ty() != column.ty {
            return Ok(None);
        }
        let Some(stored) = stored_form(value) else { return Ok(None) };
        if let Some(dict) = column.single_dict() {
            return Ok(Some(Node::ids(index, id_range(dict, op, stored)?, false)));
        }
        if !matches!(column.kind, ColumnKind::Stored(_)) {
            return Ok(None);
        }
        Ok(match stored {
            ScalarRef::Int(v) => {
                let (lo, hi, negated) = match op {
                    CompareOp::Eq => (v, v, false),
                    CompareOp::NotEq => (v, v, true),
                    CompareOp::Lt if v == i64::MIN => return Ok(Some(Node::Const(false))),
                    CompareOp::Lt => (i64::MIN, v - 1, false),
                    CompareOp::LtEq => (i64::MIN, v, false),
                    CompareOp::Gt if v == i64::MAX => return Ok(Some(Node::Const(false))),
                    CompareOp::Gt => (v + 1, i64::MAX, false),
                    CompareOp::GtEq => (v, i64::MAX, false),
                };
                Some(Node::Ints { column: index, lo, hi, negated })
            }
            ScalarRef::Float(v) => {
                let key = ordered_f64(v);
                let (lo, hi, negated) = match op {
                    CompareOp::Eq => (key, key, false),
                    CompareOp::NotEq => (key, key, true),
                    CompareOp::Lt if key == 0 => return Ok(Some(Node::Const(false))),
                    CompareOp::Lt => (0, key - 1, false),
                    CompareOp::LtEq => (0, key, false),
                    CompareOp::Gt if key == u64::MAX => return Ok(Some(Node::Const(false))),
                    CompareOp::Gt => (key + 1, u64::MAX, false),
                    CompareOp::GtEq => (key, u64::MAX, false),
                };
                Some(Node::Floats { column: index, lo, hi, negated })
            }
            ScalarRef::Bytes(_) => None,
        })
    }

    /// `column IN (values)` when `outside` is false, else NOT IN.
    fn in_list(&self, index: usize, values: &[Scalar], outside: bool) -> Result<Option<Node>> {
        let column = &self.columns[index];
        let Some(dict) = column.single_dict() else { return Ok(None) };
        let mut set = IdSet::new(dict.len());
        let mut null = false;
        for value in values {
            let Some(stored) = stored_form(value) else {
                null = true;
                continue;
            };
            if let Some(id) = dict.cell.borrow_dependent().find(stored).map_err(|e| column.broken(e))? {
                set.insert(id);
            }
        }
        if outside && null {
            return Ok(Some(Node::Const(false)));
        }
        let test = IdTest::from_set(set);
        Ok(Some(Node::ids(index, if outside { test.inverse(dict.len()) } else { test }, false)))
    }

    /// A deterministic condition on one dictionary column: evaluated once per entry.
    fn per_entry(&mut self, expr: &Expr, want: bool, names: &[String]) -> Result<Option<Node>> {
        if let Expr::Quantified { all, list, predicate } = expr {
            let Expr::Column { index, .. } = &**list else { return Ok(None) };
            let column = *index as usize;
            let Some(dict) = self.columns[column].has_dict() else { return Ok(None) };
            if !predicate.columns().is_empty() || !self.worth(dict) {
                return Ok(None);
            }
            let element = rewrite(predicate, &|e| match e {
                Expr::Element { ty } => Some(Expr::Column { index: *index, ty: *ty }),
                _ => None,
            });
            let wanted = if want { element } else { Expr::Not(Box::new(element)) };
            let bound = BoundExpr::bind_named(&wanted, self.registry, self.params, names)?;
            if !bound.is_deterministic() {
                return Ok(None);
            }
            let fallback = self.by_row(expr, want, names)?;
            // "any is false" is "all are false".
            let every = *all == want;
            let cardinality = dict.len();
            return Ok(Some(self.pending(column, cardinality, bound, fallback, Some(every))));
        }
        let wanted = if want { expr.clone() } else { Expr::Not(Box::new(expr.clone())) };
        let bound = BoundExpr::bind_named(&wanted, self.registry, self.params, names)?;
        let Some(column) = bound.single_column().map(|c| c as usize).filter(|_| bound.is_deterministic()) else {
            return Ok(None);
        };
        let Some(dict) = self.columns[column].single_dict() else { return Ok(None) };
        if !self.worth(dict) {
            return Ok(None);
        }
        let cardinality = dict.len();
        let fallback = self.by_row(expr, want, names)?;
        Ok(Some(self.pending(column, cardinality, bound, fallback, None)))
    }

    fn worth(&self, dict: &Dict) -> bool {
        let rows: u64 = (0..dict.column.column().blocks()).map(|b| u64::from(dict.column.column().block_rows(b))).sum();
        dict.len() <= EAGER_ENTRIES || u64::from(dict.len()) <= rows
    }

    fn by_row(&self, expr: &Expr, want: bool, names: &[String]) -> Result<Node> {
        let wanted = if want { expr.clone() } else { Expr::Not(Box::new(expr.clone())) };
        Ok(Node::expr(BoundExpr::bind_named(&wanted, self.registry, self.params, names)?))
    }

    fn pending(
        &mut self,
        column: usize,
        cardinality: u32,
        expr: BoundExpr,
        fallback: Node,
        list: Option<bool>,
    ) -> Node {
        self.evals.push(DictEval::new(column, cardinality, expr, fallback));
        Node::Pending { eval: self.evals.len() - 1, list }
    }
}

/// The ids whose entries compare so with a value.
fn id_range(dict: &Dict, op: CompareOp, value: ScalarRef<'_>) -> Result<IdTest> {
    let dictionary = dict.cell.borrow_dependent();
    let broken = |e| dict.column.broken(0, e);
    let n = dictionary.len();
    let range = |from: u32, to: u32| IdTest::range(from, to, n);
    Ok(match op {
        CompareOp::Eq | CompareOp::NotEq => {
            let equal = dictionary.find(value).map_err(broken)?.map_or(IdTest::None, |id| range(id, id + 1));
            if op == CompareOp::Eq { equal } else { equal.inverse(n) }
        }
        CompareOp::Lt => range(0, dictionary.lower_bound(value).map_err(broken)?),
        CompareOp::LtEq => range(0, dictionary.upper_bound(value).map_err(broken)?),
        CompareOp::Gt => range(dictionary.upper_bound(value).map_err(broken)?, n),
        CompareOp::GtEq => range(dictionary.lower_bound(value).map_err(broken)?, n),
    })
}
