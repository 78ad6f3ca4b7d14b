//! The expressions' half of the analyzer pass (E-2): every node gets its type, and what is ours becomes ours.
//!
//! In: what SQL said ([`NamedCall`]s, untyped literals). Out: [`BoundCall`]s, comparisons of equal types, CASE and AND/OR,
//! which DataFusion's executor and the leaf extraction both understand.

use crate::calls::{Arithmetic, BoundCall, Named, NamedCall, cast_target, narrow, operand};
use crate::coerce::{Mark, Typed, comparison, unify};
use crate::error::{Result, SqlError, external};
use crate::plan::Profile;
use crate::typing::{literal_of, scalar_of, type_of};
use datafusion::common::metadata::FieldMetadata;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result as DfResult};
use datafusion::logical_expr::expr::{Case, InList, InSubquery, Like, ScalarFunction};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, GroupingSet, Operator};
use datafusion::scalar::ScalarValue;
use shard_plan::eval::scalar_text;
use shard_plan::{CompareOp, Expr as Ir, Registry, Scalar, Type, cast_scalar};
use std::collections::BTreeMap;
use std::sync::Arc;

mod aggregates;

/// Metadata key of a literal that is a parameter: `+3`, `-3`.
pub const PARAM_KEY: &str = "gamay.param";

/// Lowers the expressions of one plan node.
pub struct Lowering<'a> {
    pub registry: &'a Arc<Registry>,
    pub profile: Profile,
    /// The columns in sight.
    pub schema: &'a DFSchema,
}

/// A template being built: arguments that are not literals become its columns.
#[derive(Default)]
struct Template {
    args: Vec<Expr>,
}

impl Template {
    /// The operand, as a value of `ty`.
    fn operand(&mut self, value: &Typed, ty: Type) -> Result<Ir> {
        if let Some(literal) = &value.literal {
            return Ok(Ir::Literal(as_type(literal, ty)?));
        }
        let Some(own) = value.ty else { return Ok(Ir::Literal(Scalar::Null(ty))) };
        let index = match self.args.iter().position(|a| *a == value.expr) {
            Some(index) => index,
            None => {
                self.args.push(value.expr.clone());
                self.args.len() - 1
            }
        };
        let index = u32::try_from(index).map_err(|_| SqlError::planning("a call with too many arguments"))?;
        let column = Ir::Column { index, ty: own };
        Ok(if own == ty { column } else { Ir::Cast { expr: Box::new(column), to: ty, lenient: false } })
    }

    fn call(self, name: &str, ir: Ir, deterministic: bool, registry: &Arc<Registry>) -> Expr {
        let udf = BoundCall::udf(name, ir, deterministic, registry);
        Expr::ScalarFunction(ScalarFunction::new_udf(udf, self.args))
    }
}

/// A literal's value in another type.
fn as_type(value: &Scalar, ty: Type) -> Result<Scalar> {
    if value.is_null() {
        return Ok(Scalar::Null(ty));
    }
    if value.ty() == ty {
        return Ok(value.clone());
    }
    let text = || format!("CAST({} AS {ty})", scalar_text(value));
    cast_scalar(value, ty).map_err(|e| e.in_expression(text).into())
}

impl Lowering<'_> {
    pub fn lower(&self, expr: Expr) -> DfResult<Expr> {
        if let Expr::GroupingSet(set) = expr {
            return self.grouping_set(set).map(Expr::GroupingSet);
        }
        expr.transform_up(|e| self.node(e).map(Transformed::yes).map_err(external)).map(|t| t.data)
    }

    /// Names inside grouping sets are the aggregate's output names.
    fn grouping_set(&self, set: GroupingSet) -> DfResult<GroupingSet> {
        let each = |exprs: Vec<Expr>| {
            exprs
                .into_iter()
                .map(|e| {
                    let name = e.qualified_name();
                    let lowered = self.lower(e)?;
                    Ok(if lowered.qualified_name() == name { lowered } else { lowered.alias_qualified(name.0, name.1) })
                })
                .collect::<DfResult<Vec<_>>>()
        };
        Ok(match set {
            GroupingSet::Rollup(exprs) => GroupingSet::Rollup(each(exprs)?),
            GroupingSet::Cube(exprs) => GroupingSet::Cube(each(exprs)?),
            GroupingSet::GroupingSets(sets) => {
                GroupingSet::GroupingSets(sets.into_iter().map(each).collect::<DfResult<_>>()?)
            }
        })
    }

    pub fn typed(&self, expr: Expr) -> Result<Typed> {
        if let Expr::Literal(value, metadata) = &expr {
            let literal = if value.is_null() && matches!(value, ScalarValue::Null) { None } else { scalar_of(value) };
            let param = metadata.as_ref().and_then(|m| m.inner().get(PARAM_KEY)).and_then(|m| mark_of(m));
            let ty = literal.as_ref().map(Scalar::ty);
            return Ok(Typed { expr, ty, literal, param });
        }
        let (_, field) = expr
            .to_field(self.schema)
            .map_err(|e| crate::error::from_datafusion(e, cluster_types::ErrorCode::QueryValidation))?;
        Ok(Typed { ty: type_of(&field)?, expr, literal: None, param: None })
    }

    /// The value as an expression of type `ty`.
    pub fn cast(&self, value: Typed, ty: Type) -> Result<Expr> {
        match (&value.literal, value.ty) {
            (Some(literal), _) => Ok(parameter(as_type(literal, ty)?, value.param)),
            (None, None) => literal_of(&Scalar::Null(ty)).map(|v| Expr::Literal(v, None)),
            (None, Some(own)) if own == ty => Ok(value.expr),
            (None, Some(_)) => {
                let mut template = Template::default();
                let ir = template.operand(&value, ty)?;
                Ok(template.call("cast", ir, true, self.registry))
            }
        }
    }

    fn node(&self, expr: Expr) -> Result<Expr> {
        match expr {
            Expr::Literal(value, metadata) => match scalar_of(&value) {
                Some(scalar) if !value.is_null() => Ok(Expr::Literal(literal_of(&narrow(scalar))?, metadata)),
                _ => Ok(Expr::Literal(value, metadata)),
            },
            Expr::ScalarFunction(call) => match call.func.inner().downcast_ref::<NamedCall>() {
                Some(named) => self.call(&named.named, call.func.name(), call.args.clone()),
                None => Ok(Expr::ScalarFunction(call)),
            },
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => self.binary(*left, op, *right),
            Expr::Between(between) => {
                let value = self.typed(*between.expr)?;
                let low = self.typed(*between.low)?;
                let high = self.typed(*between.high)?;
                self.between(value, low, high, between.negated)
            }
            Expr::InList(InList { expr, list, negated }) => self.in_list(*expr, list, negated),
            Expr::Like(like) => self.like(like),
            Expr::Not(inner) => Ok(Expr::Not(Box::new(self.boolean(*inner, "NOT")?))),
            Expr::Negative(inner) => self.negative(*inner),
            Expr::Case(case) => self.case(case),
            Expr::Cast(cast) => {
                let to = type_of(&cast.field)?.unwrap_or(Type::STRING);
                let value = self.typed(*cast.expr)?;
                self.cast(Typed { param: None, ..value }, to)
            }
            Expr::AggregateFunction(function) => self.aggregate(function),
            Expr::WindowFunction(function) => self.window(*function),
            Expr::InSubquery(subquery) => self.in_subquery(subquery),
            other => Ok(other),
        }
    }

    fn boolean(&self, expr: Expr, place: &str) -> Result<Expr> {
        let value = self.typed(expr)?;
        match value.ty {
            None => self.cast(value, Type::BOOLEAN),
            Some(Type::BOOLEAN) => Ok(value.expr),
            Some(other) => {
                Err(SqlError::validation(format!("{place} needs a condition, not a {other}: {}", value.expr)))
            }
        }
    }

    fn binary(&self, left: Expr, op: Operator, right: Expr) -> Result<Expr> {
        match op {
            Operator::And | Operator::Or => {
                let name = if op == Operator::And { "AND" } else { "OR" };
                let (left, right) = (self.boolean(left, name)?, self.boolean(right, name)?);
                Ok(Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right))))
            }
            Operator::IsDistinctFrom | Operator::IsNotDistinctFrom => {
                let (left, right) = (self.typed(left)?, self.typed(right)?);
                let (left, right, _) = self.pair(left, right)?;
                Ok(Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right))))
            }
            other => match compare_op(other) {
                Some(op) => self.compare(op, self.typed(left)?, self.typed(right)?),
                None => Err(SqlError::validation(format!("operator {other} is not supported"))),
            },
        }
    }

    /// Both sides in the type that they are compared as.
    pub fn pair(&self, mut left: Typed, mut right: Typed) -> Result<(Expr, Expr, Type)> {
        let chosen = comparison(&left, &right)?;
        if let Some(value) = chosen.literal {
            let side = if right.literal.is_some() { &mut right } else { &mut left };
            (side.literal, side.ty, side.param) = (Some(value.clone()), Some(value.ty()), None);
        }
        Ok((self.cast(left, chosen.ty)?, self.cast(right, chosen.ty)?, chosen.ty))
    }

    fn compare(&self, op: CompareOp, left: Typed, right: Typed) -> Result<Expr> {
        let multi = |t: &Typed| t.ty.is_some_and(|ty| ty.multi);
        if multi(&left) && !multi(&right) {
            return self.quantified(op == CompareOp::NotEq, left, |this, template, element| {
                this.element_compare(template, op, element, &right)
            });
        }
        if multi(&right) && !multi(&left) {
            return self.compare(flipped(op), right, left);
        }
        let (left, right, _) = self.pair(left, right)?;
        Ok(Expr::BinaryExpr(BinaryExpr::new(Box::new(left), operator(op), Box::new(right))))
    }

    /// `any` or `all` elements of a multi-value expression (E-4).
    fn quantified(
        &self,
        all: bool,
        list: Typed,
        predicate: impl FnOnce(&Self, &mut Template, Type) -> Result<Ir>,
    ) -> Result<Expr> {
        let ty = list.ty.unwrap_or(Type::STRING);
        let mut template = Template::default();
        let column = template.operand(&list, ty)?;
        let predicate = predicate(self, &mut template, ty.element())?;
        let ir = Ir::Quantified { all, list: Box::new(column), predicate: Box::new(predicate) };
        Ok(template.call(if all { "all" } else { "any" }, ir, true, self.registry))
    }

    fn element_compare(&self, template: &mut Template, op: CompareOp, element: Type, right: &Typed) -> Result<Ir> {
        let stand_in = Typed { expr: right.expr.clone(), ty: Some(element), literal: None, param: None };
        let mut right = Typed { param: None, ..right.clone() };
        let chosen = comparison(&stand_in, &right)?;
        if let Some(value) = chosen.literal {
            right.literal = Some(value);
        }
        let left = Ir::Element { ty: element };
        let left =
            if element == chosen.ty { left } else { Ir::Cast { expr: Box::new(left), to: chosen.ty, lenient: false } };
        Ok(Ir::Compare { op, left: Box::new(left), right: Box::new(template.operand(&right, chosen.ty)?) })
    }

    fn between(&self, value: Typed, low: Typed, high: Typed, negated: bool) -> Result<Expr> {
        if value.ty.is_some_and(|ty| ty.multi) {
            return self.quantified(negated, value, |this, template, element| {
                let bounds = if negated { [CompareOp::Lt, CompareOp::Gt] } else { [CompareOp::GtEq, CompareOp::LtEq] };
                let low = this.element_compare(template, bounds[0], element, &low)?;
                let high = this.element_compare(template, bounds[1], element, &high)?;
                Ok(if negated { Ir::Or(vec![low, high]) } else { Ir::And(vec![low, high]) })
            });
        }
        let (ops, join) = if negated {
            ([CompareOp::Lt, CompareOp::Gt], Operator::Or)
        } else {
            ([CompareOp::GtEq, CompareOp::LtEq], Operator::And)
        };
        let low = self.compare(ops[0], value.clone(), low)?;
        let high = self.compare(ops[1], value, high)?;
        Ok(Expr::BinaryExpr(BinaryExpr::new(Box::new(low), join, Box::new(high))))
    }

    fn in_list(&self, expr: Expr, list: Vec<Expr>, negated: bool) -> Result<Expr> {
        let value = self.typed(expr)?;
        let list = list.into_iter().map(|e| self.typed(e)).collect::<Result<Vec<_>>>()?;
        let multi = value.ty.is_some_and(|ty| ty.multi);
        let of = value.ty.map(Type::element);
        // The left side without its expression, which may be long.
        let stand_in = Typed { expr: Expr::Literal(ScalarValue::Null, None), ty: of, literal: None, param: None };
        let mut common = of;
        // Whether the types alone, not the values, decided how the list is compared.
        let mut by_type = true;
        let mut elements = Vec::with_capacity(list.len());
        for mut element in list {
            let chosen = comparison(&stand_in, &element)?;
            if let Some(replaced) = chosen.literal {
                by_type = false;
                // An integer is never equal to a fraction.
                let fraction = matches!(replaced, Scalar::Double(v) if v.fract() != 0.0);
                if of == Some(Type::LONG) && fraction {
                    continue;
                }
                (element.ty, element.literal, element.param) = (Some(replaced.ty()), Some(replaced), None);
            }
            common = unify(common, Some(chosen.ty)).ok_or_else(|| {
                SqlError::validation(format!("the IN list mixes types that cannot be compared: {}", element.expr))
            })?;
            elements.push(element);
        }
        let common = common.unwrap_or(Type::STRING);
        if !by_type && let Some(first) = elements.first_mut() {
            first.param = None;
        }
        if multi {
            return self.quantified(negated, value, |_, _, element| {
                let left = Ir::Element { ty: element };
                let left = if element == common {
                    left
                } else {
                    Ir::Cast { expr: Box::new(left), to: common, lenient: false }
                };
                let scalars = elements
                    .iter()
                    .map(|e| match (&e.literal, e.ty) {
                        (Some(literal), _) => as_type(literal, common),
                        (None, None) => Ok(Scalar::Null(common)),
                        (None, Some(_)) => Err(SqlError::validation("IN on a multi-value column takes literals only")),
                    })
                    .collect::<Result<Vec<_>>>()?;
                let list = Ir::Literal(Scalar::List(common.data, scalars.into()));
                Ok(Ir::In { expr: Box::new(left), list: Box::new(list), negated })
            });
        }
        let value = self.cast(value, common)?;
        let list = elements.into_iter().map(|e| self.cast(e, common)).collect::<Result<Vec<_>>>()?;
        Ok(Expr::InList(InList { expr: Box::new(value), list, negated }))
    }

    fn like(&self, like: Like) -> Result<Expr> {
        let value = self.typed(*like.expr)?;
        let pattern = self.typed(*like.pattern)?;
        for side in [&value, &pattern] {
            if let Some(ty) = side.ty
                && !matches!(ty.data, segfmt::DataType::String | segfmt::DataType::Json)
            {
                return Err(SqlError::validation(format!("LIKE compares texts, not a {ty}: {}", side.expr)));
            }
        }
        let Some(pattern) = &pattern.literal else {
            if pattern.ty.is_none() {
                return Ok(Expr::Literal(ScalarValue::Boolean(None), None));
            }
            if like.escape_char.is_some() || value.ty.is_some_and(|ty| ty.multi) {
                return Err(SqlError::validation(
                    "LIKE with ESCAPE or on a multi-value column takes a literal pattern",
                ));
            }
            let like = Like { expr: Box::new(value.expr), pattern: Box::new(pattern.expr), ..like };
            return Ok(Expr::Like(like));
        };
        let (Scalar::String(pattern) | Scalar::Json(pattern)) = pattern else {
            return Ok(Expr::Literal(ScalarValue::Boolean(None), None));
        };
        let ir = |expr: Ir| Ir::Like {
            expr: Box::new(expr),
            pattern: pattern.to_string(),
            escape: like.escape_char,
            insensitive: like.case_insensitive,
            negated: like.negated,
        };
        let ty = value.ty.unwrap_or(Type::STRING);
        if ty.multi {
            return self.quantified(like.negated, value, |_, _, element| Ok(ir(Ir::Element { ty: element })));
        }
        let mut template = Template::default();
        let column = template.operand(&value, ty)?;
        Ok(template.call("like", ir(column), true, self.registry))
    }

    fn negative(&self, inner: Expr) -> Result<Expr> {
        let value = self.typed(inner)?;
        if let Some(literal) = &value.literal {
            let folded = match literal {
                Scalar::Int(v) => Some(v.checked_neg().map_or(Scalar::Long(-i64::from(*v)), Scalar::Int)),
                Scalar::Long(v) => v.checked_neg().map(Scalar::Long),
                Scalar::Double(v) => Some(Scalar::Double(segfmt::value::normalize_f64(-v))),
                _ => None,
            };
            if let Some(folded) = folded {
                return Ok(Expr::Literal(literal_of(&narrow(folded))?, None));
            }
        }
        let function = self.function("negate")?;
        self.function_call(&function, vec![value])
    }

    fn function(&self, name: &str) -> Result<Arc<dyn shard_plan::ScalarFn>> {
        self.registry.scalar(name).cloned().ok_or_else(|| SqlError::planning(format!("function {name} is missing")))
    }

    fn call(&self, named: &Named, name: &str, args: Vec<Expr>) -> Result<Expr> {
        let mut args = args.into_iter().map(|a| self.typed(a)).collect::<Result<Vec<_>>>()?;
        let wrong = || SqlError::planning(format!("{name} was called with {} arguments", args.len()));
        match named {
            Named::Compare(op) => {
                let [left, right] =
                    <[Typed; 2]>::try_from(args).map_err(|_| SqlError::planning("a comparison has two sides"))?;
                self.compare(*op, left, right)
            }
            Named::Cast { lenient } => {
                let to = cast_target(args.get(1).and_then(|a| a.literal.as_ref()))?;
                let value = args.swap_remove(0);
                if value.ty == Some(to) {
                    return Ok(value.expr);
                }
                if let (Some(literal), false) = (&value.literal, *lenient) {
                    return Ok(Expr::Literal(literal_of(&as_type(literal, to)?)?, None)).map(|e| self.keep_json(e, to));
                }
                let mut template = Template::default();
                let own = value.ty.unwrap_or(to);
                let column = template.operand(&value, own)?;
                let ir = Ir::Cast { expr: Box::new(column), to, lenient: *lenient };
                Ok(template.call("cast", ir, true, self.registry))
            }
            Named::Decimal => match args.first().and_then(|a| a.literal.as_ref()) {
                Some(text @ Scalar::String(_)) => {
                    let exact = cast_scalar(text, Type::BIG_DECIMAL)?;
                    Ok(Expr::Literal(literal_of(&exact)?, None))
                }
                _ => Err(wrong()),
            },
            Named::Param => {
                let [ordinal, sign, value] = args.as_slice() else { return Err(wrong()) };
                let (Some(Scalar::Int(ordinal)), Some(Scalar::String(sign))) = (&ordinal.literal, &sign.literal) else {
                    return Err(wrong());
                };
                match (&value.expr, &value.literal) {
                    (Expr::Literal(literal, _), Some(_)) => {
                        let metadata = BTreeMap::from([(PARAM_KEY.to_owned(), format!("{sign}{ordinal}"))]);
                        Ok(Expr::Literal(literal.clone(), Some(FieldMetadata::from(metadata))))
                    }
                    _ => Ok(value.expr.clone()),
                }
            }
            Named::Arithmetic(op) => self.arithmetic(*op, args),
            Named::Function(function) => self.function_call(function, args),
        }
    }

    /// A JSON literal has to go through a call to keep its type.
    fn keep_json(&self, literal: Expr, ty: Type) -> Expr {
        match (&literal, ty) {
            (Expr::Literal(value, _), Type::JSON) => match scalar_of(value) {
                Some(Scalar::String(text)) => {
                    Template::default().call("cast", Ir::Literal(Scalar::Json(text)), true, self.registry)
                }
                _ => literal,
            },
            _ => literal,
        }
    }

    fn arithmetic(&self, op: Arithmetic, mut args: Vec<Typed>) -> Result<Expr> {
        for arg in &mut args {
            if let Some(ty) = arg.ty
                && operand(op, ty) != ty
            {
                let wanted = operand(op, ty);
                *arg = self.typed(self.cast(arg.clone(), wanted)?)?;
            }
        }
        let types = argument_types(&args);
        let function = op.function(self.registry, &types, self.profile)?.clone();
        self.function_call(&function, args)
    }

    fn function_call(&self, function: &Arc<dyn shard_plan::ScalarFn>, args: Vec<Typed>) -> Result<Expr> {
        let types = argument_types(&args);
        let constants: Vec<Option<Scalar>> = args.iter().map(|a| a.literal.clone()).collect();
        let signature = function.resolve(&types, &constants)?;
        let mut template = Template::default();
        let operands =
            args.iter().zip(&signature.args).map(|(arg, ty)| template.operand(arg, *ty)).collect::<Result<Vec<_>>>()?;
        let ir = Ir::Call {
            function: function.name().to_owned(),
            version: function.version(),
            args: operands,
            ty: signature.result,
        };
        Ok(template.call(function.name(), ir, function.flags().deterministic, self.registry))
    }

    fn case(&self, case: Case) -> Result<Expr> {
        if case.expr.is_some() {
            return Err(SqlError::planning("a simple CASE was not rewritten"));
        }
        let mut branches = Vec::with_capacity(case.when_then_expr.len());
        let mut common = None;
        let mut join = |ty: Option<Type>| -> Result<()> {
            common = unify(common, ty).ok_or_else(|| {
                let names = [common, ty].map(|t| t.map_or_else(|| "NULL".to_owned(), |t| t.to_string()));
                SqlError::validation(format!("the branches of CASE mix types {} and {}; CAST them", names[0], names[1]))
            })?;
            Ok(())
        };
        for (when, then) in case.when_then_expr {
            let then = self.typed(*then)?;
            join(then.ty)?;
            branches.push((self.boolean(*when, "WHEN")?, then));
        }
        let otherwise = case.else_expr.map(|e| self.typed(*e)).transpose()?;
        if let Some(otherwise) = &otherwise {
            join(otherwise.ty)?;
        }
        let ty = common.unwrap_or(Type::STRING);
        let when_then_expr = branches
            .into_iter()
            .map(|(when, then)| Ok((Box::new(when), Box::new(self.cast(then, ty)?))))
            .collect::<Result<Vec<_>>>()?;
        let else_expr = otherwise.map(|e| self.cast(e, ty)).transpose()?.map(Box::new);
        Ok(Expr::Case(Case { expr: None, when_then_expr, else_expr }))
    }

    fn in_subquery(&self, mut subquery: InSubquery) -> Result<Expr> {
        let value = self.typed(*subquery.expr)?;
        let plan = subquery.subquery.subquery.clone();
        let Some(field) = plan.schema().fields().first() else {
            return Err(SqlError::validation("IN (subquery) needs one column"));
        };
        let inner = Typed { expr: value.expr.clone(), ty: type_of(field)?, literal: None, param: None };
        let chosen = comparison(&value, &inner)?;
        if inner.ty != Some(chosen.ty) {
            let cast = crate::analyze::cast_columns(self.registry, self.profile, plan, &[chosen.ty])?;
            subquery.subquery.subquery = Arc::new(cast);
        }
        let mut value = Typed { param: None, ..value };
        if let Some(replaced) = chosen.literal {
            (value.ty, value.literal) = (Some(replaced.ty()), Some(replaced));
        }
        subquery.expr = Box::new(self.cast(value, chosen.ty)?);
        Ok(Expr::InSubquery(subquery))
    }
}

/// An untyped NULL takes the type of the first argument that has one.
fn argument_types(args: &[Typed]) -> Vec<Type> {
    let default = args.iter().find_map(|a| a.ty).unwrap_or(Type::STRING);
    args.iter().map(|a| a.ty.unwrap_or(default)).collect()
}

fn parameter(value: Scalar, mark: Option<Mark>) -> Expr {
    let metadata = mark.map(|m| {
        let sign = if m.negated { '-' } else { '+' };
        FieldMetadata::from(BTreeMap::from([(PARAM_KEY.to_owned(), format!("{sign}{}", m.literal))]))
    });
    match literal_of(&value) {
        Ok(literal) => Expr::Literal(literal, metadata),
        // Only a NULL of a type without an Arrow form fails, and every type has one.
        Err(_) => Expr::Literal(ScalarValue::Null, None),
    }
}

/// Reads `+3` or `-3`.
pub fn mark_of(text: &str) -> Option<Mark> {
    let (sign, ordinal) = text.split_at_checked(1)?;
    Some(Mark { literal: ordinal.parse().ok()?, negated: sign == "-" })
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

fn operator(op: CompareOp) -> Operator {
    match op {
        CompareOp::Eq => Operator::Eq,
        CompareOp::NotEq => Operator::NotEq,
        CompareOp::Lt => Operator::Lt,
        CompareOp::LtEq => Operator::LtEq,
        CompareOp::Gt => Operator::Gt,
        CompareOp::GtEq => Operator::GtEq,
    }
}

/// Our comparison for DataFusion's, if it is one.
pub fn compare_op(op: Operator) -> Option<CompareOp> {
    Some(match op {
        Operator::Eq => CompareOp::Eq,
        Operator::NotEq => CompareOp::NotEq,
        Operator::Lt => CompareOp::Lt,
        Operator::LtEq => CompareOp::LtEq,
        Operator::Gt => CompareOp::Gt,
        Operator::GtEq => CompareOp::GtEq,
        _ => return None,
    })
}
