//! A DataFusion expression, after the analyzer, as one of ours for a leaf or a reduce.

use crate::calls::BoundCall;
use crate::lower::{PARAM_KEY, compare_op, mark_of};
use crate::plan::ParamSlot;
use crate::typing::{scalar_of, type_of};
use datafusion::common::DFSchema;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use datafusion::scalar::ScalarValue;
use shard_plan::{Expr as Ir, Scalar, Type};

/// Where the columns of an expression come from, and the parameters found.
pub struct Converter<'a> {
    pub schema: &'a DFSchema,
    /// The expression behind each column of `schema`.
    pub outputs: &'a [Ir],
    /// `None` keeps parameters as literals.
    pub params: Option<&'a mut Vec<ParamSlot>>,
}

impl Converter<'_> {
    /// `None` when only DataFusion can evaluate it.
    pub fn convert(&mut self, expr: &Expr) -> Option<Ir> {
        match expr {
            Expr::Alias(alias) => self.convert(&alias.expr),
            Expr::Column(column) => self.outputs.get(self.schema.maybe_index_of_column(column)?).cloned(),
            Expr::Literal(value, metadata) => {
                let scalar = scalar_of(value)?;
                if let Some(mark) = metadata.as_ref().and_then(|m| m.inner().get(PARAM_KEY)) {
                    let ty = scalar.ty();
                    if let Some(index) = self.slot(mark, ty, false) {
                        return Some(Ir::Param { index, ty });
                    }
                }
                Some(Ir::Literal(scalar))
            }
            Expr::ScalarFunction(call) => {
                let bound = call.func.inner().downcast_ref::<BoundCall>()?;
                let args = call.args.iter().map(|a| self.convert(a)).collect::<Option<Vec<_>>>()?;
                substitute(&bound.template, &args)
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => self.binary(left, *op, right),
            Expr::Not(inner) => Some(Ir::Not(Box::new(self.convert(inner)?))),
            Expr::IsNull(inner) | Expr::IsUnknown(inner) => self.is_null(inner, false),
            Expr::IsNotNull(inner) | Expr::IsNotUnknown(inner) => self.is_null(inner, true),
            Expr::IsTrue(inner) => self.is_boolean(inner, true, true),
            Expr::IsNotTrue(inner) => self.is_boolean(inner, true, false),
            Expr::IsFalse(inner) => self.is_boolean(inner, false, true),
            Expr::IsNotFalse(inner) => self.is_boolean(inner, false, false),
            Expr::InList(list) => self.in_list(&list.expr, &list.list, list.negated),
            Expr::Case(case) => {
                let branches = case
                    .when_then_expr
                    .iter()
                    .map(|(when, then)| {
                        let when = match &case.expr {
                            Some(operand) => {
                                let (left, right) = (self.convert(operand)?, self.convert(when)?);
                                equal(left, right)?
                            }
                            None => self.convert(when)?,
                        };
                        Some((when, self.convert(then)?))
                    })
                    .collect::<Option<Vec<_>>>()?;
                let otherwise = match &case.else_expr {
                    Some(e) => Some(Box::new(self.convert(e)?)),
                    None => None,
                };
                let ty = branches.first()?.1.ty();
                // A bare NULL takes the type of the others.
                let retype = |e: Ir| if e.ty() == ty { Some(e) } else { null_as(e, ty) };
                let branches = branches.into_iter().map(|(w, t)| Some((w, retype(t)?))).collect::<Option<Vec<_>>>()?;
                let otherwise = match otherwise {
                    Some(e) => Some(Box::new(retype(*e)?)),
                    None => None,
                };
                Some(Ir::Case { branches, otherwise, ty })
            }
            Expr::Cast(cast) => self.cast(&cast.expr, type_of(&cast.field).ok()??, false),
            Expr::TryCast(cast) => self.cast(&cast.expr, type_of(&cast.field).ok()??, true),
            _ => None,
        }
    }

    fn cast(&mut self, inner: &Expr, to: Type, lenient: bool) -> Option<Ir> {
        let inner = self.convert(inner)?;
        Some(if inner.ty() == to { inner } else { Ir::Cast { expr: Box::new(inner), to, lenient } })
    }

    fn is_null(&mut self, inner: &Expr, negated: bool) -> Option<Ir> {
        Some(Ir::IsNull { expr: Box::new(self.convert(inner)?), negated })
    }

    fn is_boolean(&mut self, inner: &Expr, value: bool, same: bool) -> Option<Ir> {
        let left = Box::new(self.convert(inner)?);
        if left.ty() != Type::BOOLEAN {
            return None;
        }
        Some(Ir::IsDistinct { left, right: Box::new(Ir::Literal(Scalar::Boolean(value))), negated: same })
    }

    fn binary(&mut self, left: &Expr, op: Operator, right: &Expr) -> Option<Ir> {
        if matches!(op, Operator::And | Operator::Or) {
            let mut parts = Vec::new();
            for side in [left, right] {
                match (self.convert(side)?, op) {
                    (Ir::And(inner), Operator::And) | (Ir::Or(inner), Operator::Or) => parts.extend(inner),
                    (other, _) => parts.push(other),
                }
            }
            return Some(if op == Operator::And { Ir::And(parts) } else { Ir::Or(parts) });
        }
        let (mut left, mut right) = (self.convert(left)?, self.convert(right)?);
        if left.ty() != right.ty() {
            // Only an untyped NULL may differ.
            let (l, r) = (left.ty(), right.ty());
            (left, right) = match (&left, &right) {
                (Ir::Literal(v), _) if v.is_null() => (null_as(left, r)?, right),
                (_, Ir::Literal(v)) if v.is_null() => (left, null_as(right, l)?),
                _ if same_form(l, r) => (left, right),
                _ => return None,
            };
        }
        let (left, right) = (Box::new(left), Box::new(right));
        match op {
            Operator::IsDistinctFrom => Some(Ir::IsDistinct { left, right, negated: false }),
            Operator::IsNotDistinctFrom => Some(Ir::IsDistinct { left, right, negated: true }),
            other => Some(Ir::Compare { op: compare_op(other)?, left, right }),
        }
    }

    fn in_list(&mut self, value: &Expr, list: &[Expr], negated: bool) -> Option<Ir> {
        let value = Box::new(self.convert(value)?);
        let ty = value.ty();
        if let Some(Expr::Literal(_, Some(metadata))) = list.first()
            && let Some(mark) = metadata.inner().get(PARAM_KEY)
            && let Some(index) = self.slot(mark, ty, true)
        {
            let list = Box::new(Ir::Param { index, ty: Type::multi(ty.data) });
            return Some(Ir::In { expr: value, list, negated });
        }
        let literals: Option<Vec<Scalar>> = list
            .iter()
            .map(|e| match e {
                Expr::Literal(ScalarValue::Null, _) => Some(Scalar::Null(ty)),
                Expr::Literal(value, _) => scalar_of(value).and_then(|s| {
                    if s.is_null() {
                        Some(Scalar::Null(ty))
                    } else if same_form(s.ty(), ty) {
                        Some(s)
                    } else {
                        None
                    }
                }),
                _ => None,
            })
            .collect();
        if let Some(literals) = literals {
            let list = Box::new(Ir::Literal(Scalar::List(ty.data, literals.into())));
            return Some(Ir::In { expr: value, list, negated });
        }
        let any = list.iter().map(|e| equal(value.as_ref().clone(), self.convert(e)?)).collect::<Option<Vec<_>>>()?;
        let any = if any.len() == 1 { any.into_iter().next()? } else { Ir::Or(any) };
        Some(if negated { Ir::Not(Box::new(any)) } else { any })
    }

    fn slot(&mut self, mark: &str, ty: Type, list: bool) -> Option<u32> {
        let mark = mark_of(mark)?;
        let slot = ParamSlot { literal: mark.literal, negated: mark.negated, ty, list };
        let params = self.params.as_deref_mut()?;
        let index = match params.iter().position(|p| *p == slot) {
            Some(index) => index,
            None => {
                params.push(slot);
                params.len() - 1
            }
        };
        u32::try_from(index).ok()
    }
}

/// STRING and JSON compare as texts.
fn same_form(a: Type, b: Type) -> bool {
    a == b || a.arrow() == b.arrow()
}

fn equal(left: Ir, right: Ir) -> Option<Ir> {
    let (l, r) = (left.ty(), right.ty());
    let (left, right) = if same_form(l, r) {
        (left, right)
    } else if matches!(&right, Ir::Literal(v) if v.is_null()) {
        let right = null_as(right, l)?;
        (left, right)
    } else {
        return None;
    };
    Some(Ir::Compare { op: shard_plan::CompareOp::Eq, left: Box::new(left), right: Box::new(right) })
}

fn null_as(expr: Ir, ty: Type) -> Option<Ir> {
    match expr {
        Ir::Literal(value) if value.is_null() => Some(Ir::Literal(Scalar::Null(ty))),
        other if same_form(other.ty(), ty) => Some(other),
        _ => None,
    }
}

/// The template with its columns replaced by `args`.
pub fn substitute(template: &Ir, args: &[Ir]) -> Option<Ir> {
    map_columns(template, &mut |index, _| args.get(index as usize).cloned())
}

/// The expression with every column replaced by what `replace` makes of it.
pub fn map_columns(expr: &Ir, replace: &mut dyn FnMut(u32, Type) -> Option<Ir>) -> Option<Ir> {
    let mut each = |e: &Ir| map_columns(e, replace);
    let mut boxed = |e: &Ir| each(e).map(Box::new);
    Some(match expr {
        Ir::Column { index, ty } => return replace(*index, *ty),
        Ir::Literal(_) | Ir::Param { .. } | Ir::Element { .. } => expr.clone(),
        Ir::Compare { op, left, right } => Ir::Compare { op: *op, left: boxed(left)?, right: boxed(right)? },
        Ir::In { expr, list, negated } => Ir::In { expr: boxed(expr)?, list: boxed(list)?, negated: *negated },
        Ir::Like { expr, pattern, escape, insensitive, negated } => Ir::Like {
            expr: boxed(expr)?,
            pattern: pattern.clone(),
            escape: *escape,
            insensitive: *insensitive,
            negated: *negated,
        },
        Ir::And(parts) => Ir::And(parts.iter().map(each).collect::<Option<_>>()?),
        Ir::Or(parts) => Ir::Or(parts.iter().map(each).collect::<Option<_>>()?),
        Ir::Not(inner) => Ir::Not(boxed(inner)?),
        Ir::IsNull { expr, negated } => Ir::IsNull { expr: boxed(expr)?, negated: *negated },
        Ir::IsDistinct { left, right, negated } => {
            Ir::IsDistinct { left: boxed(left)?, right: boxed(right)?, negated: *negated }
        }
        Ir::Quantified { all, list, predicate } => {
            Ir::Quantified { all: *all, list: boxed(list)?, predicate: boxed(predicate)? }
        }
        Ir::Case { branches, otherwise, ty } => {
            let branches = branches.iter().map(|(w, t)| Some((each(w)?, each(t)?))).collect::<Option<Vec<_>>>()?;
            let otherwise = match otherwise {
                Some(e) => Some(Box::new(each(e)?)),
                None => None,
            };
            Ir::Case { branches, otherwise, ty: *ty }
        }
        Ir::Cast { expr, to, lenient } => Ir::Cast { expr: boxed(expr)?, to: *to, lenient: *lenient },
        Ir::Call { function, version, args, ty } => Ir::Call {
            function: function.clone(),
            version: *version,
            args: args.iter().map(each).collect::<Option<_>>()?,
            ty: *ty,
        },
    })
}
