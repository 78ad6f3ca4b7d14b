//! Expressions: names, literals, operators and SQL's special forms.

use super::chain::{balanced, flatten};
use super::{CAST, DECIMAL, MAX_EXPRESSION_DEPTH, PARAM, Rewriter, TRY_CAST, name_of};
use crate::error::{Result, SqlError};
use crate::scope::{Aliases, resolve};
use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, CaseWhen, CastKind, CeilFloorKind, DataType, DateTimeField, ExactNumberInfo, Expr,
    Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, Interval, Spanned,
    Subscript, TrimWhereField, UnaryOperator, Value, ValueWithSpan,
};

impl Rewriter<'_> {
    pub(crate) fn enter(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_EXPRESSION_DEPTH {
            return Err(SqlError::parsing(format!(
                "syntax error: an expression or query is nested more than {MAX_EXPRESSION_DEPTH} deep; write it flatter"
            )));
        }
        Ok(())
    }

    pub(crate) fn leave(&mut self) {
        self.depth -= 1;
    }

    /// A WHERE clause: literals that are compared with a column are marked as parameters (E-3).
    pub(crate) fn condition(&mut self, expr: &mut Expr) -> Result<()> {
        if let Some((op, mut operands)) = flatten(expr) {
            for operand in &mut operands {
                self.condition(operand)?;
            }
            *expr = balanced(op, operands);
            return Ok(());
        }
        match expr {
            Expr::Nested(inner) => {
                self.enter()?;
                self.condition(inner)?;
                self.leave();
                return Ok(());
            }
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => {
                self.enter()?;
                self.condition(expr)?;
                self.leave();
                return Ok(());
            }
            Expr::BinaryOp { left, op, right } if is_comparison(op) => {
                if is_column(left) {
                    self.mark(right);
                } else if is_column(right) {
                    self.mark(left);
                }
            }
            Expr::Between { expr, low, high, .. } if is_column(expr) => {
                self.mark(low);
                self.mark(high);
            }
            Expr::InList { expr, list, .. } if is_column(expr) && list.len() > 1 && list.iter().all(is_literal) => {
                // The whole list is one parameter: its first element carries the mark.
                self.mark(&mut list[0]);
            }
            _ => {}
        }
        self.expr(expr, Aliases::None)
    }

    /// Wraps a literal into its mark, if the fingerprint took it out.
    fn mark(&mut self, expr: &mut Expr) {
        let (value, negated) = match expr {
            Expr::Value(value) => (value, false),
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match expr.as_mut() {
                Expr::Value(value) => (value, true),
                _ => return,
            },
            _ => return,
        };
        let start = value.span.start;
        let Some(ordinal) = self.literals.get(&(start.line, start.column)) else { return };
        let negated = if negated { "-" } else { "+" };
        let args = vec![number(*ordinal), text(negated), expr.clone()];
        *expr = call(PARAM, args, expr.span());
    }

    pub(crate) fn expr(&mut self, expr: &mut Expr, aliases: Aliases) -> Result<()> {
        if let Some((op, mut operands)) = flatten(expr) {
            self.enter()?;
            for operand in &mut operands {
                self.expr(operand, aliases)?;
            }
            self.leave();
            *expr = balanced(op, operands);
            return Ok(());
        }
        self.enter()?;
        let span = expr.span();
        self.node(expr, aliases).map_err(|e| e.at(span.start.line, span.start.column))?;
        self.leave();
        Ok(())
    }

    fn each<'e>(&mut self, exprs: impl IntoIterator<Item = &'e mut Expr>, aliases: Aliases) -> Result<()> {
        exprs.into_iter().try_for_each(|e| self.expr(e, aliases))
    }

    fn node(&mut self, expr: &mut Expr, aliases: Aliases) -> Result<()> {
        let span = expr.span();
        quantified_as_in(expr);
        match expr {
            Expr::Identifier(ident) => {
                if ident.quote_style.is_none()
                    && self.is_clock(&ident.value)
                    && resolve(&self.scopes, std::slice::from_ref(ident), aliases).is_err()
                {
                    *expr = self.now_timestamp(span);
                    return Ok(());
                }
                *expr = resolve(&self.scopes, std::slice::from_ref(ident), aliases)?;
                Ok(())
            }
            Expr::CompoundIdentifier(parts) => {
                *expr = resolve(&self.scopes, parts, aliases)?;
                Ok(())
            }
            Expr::Value(value) => match literal(value)? {
                Some(replaced) => {
                    *expr = replaced;
                    Ok(())
                }
                None => Ok(()),
            },
            Expr::Nested(inner) => {
                self.expr(inner, aliases)?;
                *expr = std::mem::replace(inner, Expr::value(Value::Null));
                Ok(())
            }
            Expr::BinaryOp { left, op, right } => {
                if let (BinaryOperator::Plus | BinaryOperator::Minus, Expr::Interval(interval)) = (&*op, right.as_ref())
                {
                    let negative = *op == BinaryOperator::Minus;
                    let (unit, count) = interval_parts(interval, negative)?;
                    self.expr(left, aliases)?;
                    let left = std::mem::replace(left.as_mut(), Expr::value(Value::Null));
                    *expr = call("timestampadd", vec![text(&unit), signed(count), left], span);
                    return Ok(());
                }
                self.each([left.as_mut(), right.as_mut()], aliases)
            }
            Expr::UnaryOp {
                op: op @ (UnaryOperator::Minus | UnaryOperator::Plus | UnaryOperator::Not),
                expr: inner,
            } => {
                // The parser of numbers sees the sign, so that the least LONG has a literal.
                if matches!(inner.as_ref(), Expr::Value(v) if matches!(&v.value, Value::Number(n, _) if n == "9223372036854775808"))
                {
                    return Ok(());
                }
                self.expr(inner, aliases)?;
                // The planner knows no sign of a BIG_DECIMAL; a literal keeps its sign.
                if *op == UnaryOperator::Minus && !matches!(inner.as_ref(), Expr::Value(_) | Expr::Interval(_)) {
                    *expr = call("negate", vec![take(inner)], span);
                }
                Ok(())
            }
            Expr::IsNull(e)
            | Expr::IsNotNull(e)
            | Expr::IsTrue(e)
            | Expr::IsFalse(e)
            | Expr::IsNotTrue(e)
            | Expr::IsNotFalse(e)
            | Expr::IsUnknown(e)
            | Expr::IsNotUnknown(e) => self.expr(e, aliases),
            Expr::IsDistinctFrom(a, b) | Expr::IsNotDistinctFrom(a, b) => self.each([a.as_mut(), b.as_mut()], aliases),
            Expr::InList { expr: value, list, negated } => {
                if let Expr::Tuple(parts) = value.as_ref() {
                    let rows = tuple_in(parts, list, *negated)?;
                    *expr = rows;
                    return self.expr(expr, aliases);
                }
                self.expr(value, aliases)?;
                self.each(list, aliases)
            }
            Expr::InSubquery { expr, subquery, .. } => {
                self.expr(expr, aliases)?;
                self.subquery(subquery).map(drop)
            }
            Expr::Exists { subquery, .. } => self.subquery(subquery).map(drop),
            Expr::Subquery(subquery) => {
                let outputs = self.subquery(subquery)?;
                if outputs.len() != 1 {
                    return Err(SqlError::validation(format!(
                        "a scalar subquery has one column, this one has {}",
                        outputs.len()
                    )));
                }
                Ok(())
            }
            Expr::Between { expr, low, high, .. } => self.each([expr.as_mut(), low.as_mut(), high.as_mut()], aliases),
            Expr::Like { expr, pattern, any, .. } | Expr::ILike { expr, pattern, any, .. } => {
                if *any {
                    return Err(SqlError::validation("LIKE ANY is not supported; write several LIKE joined by OR"));
                }
                self.each([expr.as_mut(), pattern.as_mut()], aliases)
            }
            Expr::SimilarTo { negated, expr: value, pattern, .. }
            | Expr::RLike { negated, expr: value, pattern, .. } => {
                let negated = *negated;
                let args = vec![take(value), take(pattern)];
                let mut matched = call("regexplike", args, span);
                self.node(&mut matched, aliases)?;
                *expr = negate(negated, matched);
                Ok(())
            }
            Expr::Cast { kind, expr: value, data_type, format, array } => {
                if format.is_some() || *array {
                    return Err(SqlError::validation("CAST with FORMAT or ARRAY is not supported"));
                }
                let lenient = matches!(kind, CastKind::TryCast | CastKind::SafeCast);
                self.expr(value, aliases)?;
                *expr = cast(take(value), data_type, lenient, span)?;
                Ok(())
            }
            Expr::Extract { field, expr: value, .. } => {
                self.expr(value, aliases)?;
                *expr = extract(field, take(value), span)?;
                Ok(())
            }
            Expr::Ceil { expr: value, field } => self.rounding("ceil", value, field, aliases, span).map(|e| *expr = e),
            Expr::Floor { expr: value, field } => {
                self.rounding("floor", value, field, aliases, span).map(|e| *expr = e)
            }
            Expr::Position { expr: needle, r#in } => {
                self.each([needle.as_mut(), r#in.as_mut()], aliases)?;
                // POSITION counts from 1 and says 0 for absent; strpos from 0 and -1.
                let found = call("strpos", vec![take(r#in), take(needle)], span);
                *expr = Expr::BinaryOp { left: Box::new(found), op: BinaryOperator::Plus, right: Box::new(number(1)) };
                Ok(())
            }
            Expr::Substring { expr: value, substring_from, substring_for, shorthand, .. } => {
                let mut args = vec![take(value)];
                match (substring_from.as_mut(), substring_for.as_mut()) {
                    (Some(from), length) => {
                        args.push(take(from));
                        args.extend(length.map(|l| take(l)));
                    }
                    (None, Some(length)) => args.extend([number(1), take(length)]),
                    (None, None) => return Err(SqlError::validation("SUBSTRING needs a start")),
                }
                self.each(&mut args, aliases)?;
                *expr = call(if *shorthand { "substr" } else { "substring" }, args, span);
                Ok(())
            }
            Expr::Trim { trim_where, trim_what, expr: value, trim_characters } => {
                let name = match trim_where {
                    None | Some(TrimWhereField::Both) => "trim",
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                };
                let mut args = vec![take(value)];
                args.extend(trim_what.as_mut().map(|w| take(w)));
                args.extend(trim_characters.take().into_iter().flatten());
                self.each(&mut args, aliases)?;
                *expr = call(name, args, span);
                Ok(())
            }
            Expr::Overlay { expr: value, overlay_what, overlay_from, overlay_for } => {
                let mut args = vec![take(value), take(overlay_what), take(overlay_from)];
                args.extend(overlay_for.as_mut().map(|f| take(f)));
                self.each(&mut args, aliases)?;
                *expr = call("overlay", args, span);
                Ok(())
            }
            Expr::TypedString(typed) => {
                let value = Expr::Value(typed.value.clone());
                *expr = cast(value, &typed.data_type, false, span)?;
                Ok(())
            }
            Expr::Function(_) => self.function(expr, aliases),
            Expr::Case { operand, conditions, else_result, .. } => {
                if let Some(operand) = operand.take() {
                    for CaseWhen { condition, .. } in conditions.iter_mut() {
                        let right = Box::new(take(condition));
                        *condition = Expr::BinaryOp { left: operand.clone(), op: BinaryOperator::Eq, right };
                    }
                }
                for CaseWhen { condition, result } in conditions {
                    self.each([condition, result], aliases)?;
                }
                self.each(else_result.as_deref_mut(), aliases)
            }
            Expr::GroupingSets(sets) | Expr::Cube(sets) | Expr::Rollup(sets) => {
                sets.iter_mut().try_for_each(|set| self.each(set, aliases))
            }
            Expr::Array(array) => {
                let mut args = std::mem::take(&mut array.elem);
                self.each(&mut args, aliases)?;
                *expr = call("array", args, span);
                Ok(())
            }
            Expr::CompoundFieldAccess { root, access_chain } => {
                self.expr(root, aliases)?;
                let mut value = take(root);
                for access in access_chain {
                    let AccessExpr::Subscript(Subscript::Index { index }) = access else {
                        return Err(SqlError::validation(format!("{access} is not supported; write column['key']")));
                    };
                    self.expr(index, aliases)?;
                    value = call("item", vec![value, take(index)], span);
                }
                *expr = value;
                Ok(())
            }
            Expr::Interval(_) => {
                Err(SqlError::validation("an INTERVAL can only be added to a time or subtracted from one"))
            }
            other => Err(SqlError::validation(format!("not supported: {other}"))),
        }
    }

    fn rounding(
        &mut self,
        name: &str,
        value: &mut Box<Expr>,
        field: &CeilFloorKind,
        aliases: Aliases,
        span: datafusion::sql::sqlparser::tokenizer::Span,
    ) -> Result<Expr> {
        self.expr(value, aliases)?;
        match field {
            CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) => Ok(call(name, vec![take(value)], span)),
            CeilFloorKind::DateTimeField(unit) if name == "floor" => {
                Ok(call("datetrunc", vec![text(&unit.to_string()), take(value)], span))
            }
            other => Err(SqlError::validation(format!("{name} with {other:?} is not supported"))),
        }
    }
}

pub(crate) fn take(expr: &mut Expr) -> Expr {
    std::mem::replace(expr, Expr::value(Value::Null))
}

fn is_comparison(op: &BinaryOperator) -> bool {
    matches!(
        op,
        BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq
    )
}

fn is_column(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
}

fn is_literal(expr: &Expr) -> bool {
    match expr {
        Expr::Value(value) => matches!(value.value, Value::Number(..) | Value::SingleQuotedString(_)),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => matches!(expr.as_ref(), Expr::Value(_)),
        _ => false,
    }
}

/// A literal that the planner would round is handed on as a decimal's text.
fn literal(value: &ValueWithSpan) -> Result<Option<Expr>> {
    match &value.value {
        Value::Number(digits, _) => {
            let significant = digits.bytes().filter(u8::is_ascii_digit).skip_while(|b| *b == b'0').count();
            let exponent = digits.contains(['e', 'E']);
            let exact = digits.parse::<i64>().is_ok() || exponent || (digits.contains('.') && significant <= 15);
            Ok((!exact).then(|| call(DECIMAL, vec![text(digits)], value.span)))
        }
        Value::SingleQuotedString(_) | Value::Boolean(_) | Value::Null => Ok(None),
        Value::Placeholder(name) => {
            Err(SqlError::validation(format!("{name} is a placeholder; send the value itself")))
        }
        other => Err(SqlError::validation(format!("a literal of this form is not supported: {other}"))),
    }
}

pub(crate) fn text(value: &str) -> Expr {
    Expr::value(Value::SingleQuotedString(value.to_owned()))
}

pub(crate) fn number(value: u32) -> Expr {
    Expr::value(Value::Number(value.to_string(), false))
}

fn signed(value: i64) -> Expr {
    let digits = Expr::value(Value::Number(value.unsigned_abs().to_string(), false));
    if value < 0 { Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(digits) } } else { digits }
}

fn negate(negated: bool, expr: Expr) -> Expr {
    if negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(expr) } } else { expr }
}

/// A call of a scalar function.
pub(crate) fn call(name: &str, args: Vec<Expr>, span: datafusion::sql::sqlparser::tokenizer::Span) -> Expr {
    let args = args.into_iter().map(|a| FunctionArg::Unnamed(FunctionArgExpr::Expr(a))).collect();
    Expr::Function(Function {
        name: name_of(Ident { value: name.to_owned(), quote_style: Some('"'), span }),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// `x = ANY (subquery)` is IN, `x <> ALL (subquery)` NOT IN.
fn quantified_as_in(expr: &mut Expr) {
    let (left, right, negated) = match expr {
        Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => (left, right, false),
        Expr::AllOp { left, compare_op: BinaryOperator::NotEq, right } => (left, right, true),
        _ => return,
    };
    if matches!(right.as_ref(), Expr::Subquery(_))
        && let Expr::Subquery(subquery) = take(right)
    {
        *expr = Expr::InSubquery { expr: Box::new(take(left)), subquery, negated };
    }
}

fn tuple_in(parts: &[Expr], rows: &[Expr], negated: bool) -> Result<Expr> {
    let mut any = Vec::with_capacity(rows.len());
    for row in rows {
        let Expr::Tuple(values) = row else {
            return Err(SqlError::validation(format!("{row} in the IN list is no row of {} values", parts.len())));
        };
        if values.len() != parts.len() {
            return Err(SqlError::validation(format!(
                "a row of the IN list has {} values, not {}",
                values.len(),
                parts.len()
            )));
        }
        let all = parts
            .iter()
            .zip(values)
            .map(|(l, r)| Expr::BinaryOp {
                left: Box::new(l.clone()),
                op: BinaryOperator::Eq,
                right: Box::new(r.clone()),
            })
            .collect();
        any.push(balanced(BinaryOperator::And, all));
    }
    Ok(negate(negated, balanced(BinaryOperator::Or, any)))
}

/// Our type's name for a type of SQL or Pinot.
pub(crate) fn type_name(data_type: &DataType) -> Result<&'static str> {
    Ok(match data_type {
        DataType::Int(_)
        | DataType::Integer(_)
        | DataType::SmallInt(_)
        | DataType::TinyInt(_)
        | DataType::Int4(_)
        | DataType::Int2(_) => "INT",
        DataType::BigInt(_) | DataType::Int8(_) | DataType::Int64 => "LONG",
        DataType::Float(_) | DataType::Real | DataType::Float4 => "FLOAT",
        DataType::Double(_) | DataType::DoublePrecision | DataType::Float8 | DataType::Float64 => "DOUBLE",
        DataType::Boolean | DataType::Bool => "BOOLEAN",
        DataType::Timestamp(..) | DataType::Datetime(_) => "TIMESTAMP",
        DataType::Varchar(_)
        | DataType::Text
        | DataType::String(_)
        | DataType::Char(_)
        | DataType::CharVarying(_)
        | DataType::CharacterVarying(_)
        | DataType::Nvarchar(_)
        | DataType::Character(_) => "STRING",
        DataType::JSON => "JSON",
        DataType::Bytes(_) | DataType::Varbinary(_) | DataType::Binary(_) | DataType::Blob(_) | DataType::Bytea => {
            "BYTES"
        }
        DataType::Decimal(ExactNumberInfo::None)
        | DataType::Numeric(ExactNumberInfo::None)
        | DataType::BigDecimal(_)
        | DataType::BigNumeric(_)
        | DataType::Dec(ExactNumberInfo::None) => "BIG_DECIMAL",
        other => {
            let name = other.to_string().to_uppercase();
            ["LONG", "INT", "BIG_DECIMAL", "JSON", "BYTES", "STRING", "DOUBLE", "FLOAT", "BOOLEAN", "TIMESTAMP"]
                .into_iter()
                .find(|n| *n == name)
                .ok_or_else(|| SqlError::validation(format!(
                    "{other} is not a type; use INT, LONG, FLOAT, DOUBLE, BIG_DECIMAL, DECIMAL(p,s), BOOLEAN, TIMESTAMP, STRING, JSON or BYTES"
                )))?
        }
    })
}

fn cast(
    value: Expr,
    data_type: &DataType,
    lenient: bool,
    span: datafusion::sql::sqlparser::tokenizer::Span,
) -> Result<Expr> {
    let name = if lenient { TRY_CAST } else { CAST };
    match data_type {
        DataType::Decimal(info) | DataType::Numeric(info) | DataType::Dec(info) if *info != ExactNumberInfo::None => {
            let (precision, scale) = match info {
                ExactNumberInfo::Precision(p) => (*p, 0),
                ExactNumberInfo::PrecisionAndScale(p, s) => (*p, u64::try_from(*s).unwrap_or(0)),
                ExactNumberInfo::None => (0, 0),
            };
            let (Ok(precision), Ok(scale)) = (u32::try_from(precision), u32::try_from(scale)) else {
                return Err(SqlError::validation(format!("{data_type} has too many digits")));
            };
            if lenient {
                return Err(SqlError::validation(format!(
                    "TRY_CAST to {data_type} is not supported; cast to BIG_DECIMAL"
                )));
            }
            Ok(call("casttodecimal", vec![value, number(precision), number(scale)], span))
        }
        DataType::Date => {
            let moment = call(name, vec![value, text("TIMESTAMP")], span);
            Ok(call(CAST, vec![call("datetrunc", vec![text("DAY"), moment], span), text("TIMESTAMP")], span))
        }
        other => Ok(call(name, vec![value, text(type_name(other)?)], span)),
    }
}

fn extract(field: &DateTimeField, value: Expr, span: datafusion::sql::sqlparser::tokenizer::Span) -> Result<Expr> {
    let name = match field.to_string().to_uppercase().as_str() {
        "YEAR" | "YEARS" => "year",
        "QUARTER" => "quarter",
        "MONTH" | "MONTHS" => "month",
        "WEEK" | "WEEKS" | "ISOWEEK" => "week",
        "ISOYEAR" => "yearofweek",
        "DAY" | "DAYS" | "DAYOFMONTH" => "dayofmonth",
        "DOW" | "DAYOFWEEK" | "ISODOW" => "dayofweek",
        "DOY" | "DAYOFYEAR" => "dayofyear",
        "HOUR" | "HOURS" => "hour",
        "MINUTE" | "MINUTES" => "minute",
        "SECOND" | "SECONDS" => "second",
        "MILLISECOND" | "MILLISECONDS" => "millisecond",
        "EPOCH" => "toepochseconds",
        other => return Err(SqlError::validation(format!("EXTRACT({other} FROM ...) is not supported"))),
    };
    Ok(call(name, vec![value], span))
}

fn interval_parts(interval: &Interval, negative: bool) -> Result<(String, i64)> {
    let wrong = || SqlError::validation(format!("{interval} is not supported; write INTERVAL '1' DAY"));
    let value = match interval.value.as_ref() {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => text.clone(),
            Value::Number(digits, _) => digits.clone(),
            _ => return Err(wrong()),
        },
        _ => return Err(wrong()),
    };
    let mut words = value.split_whitespace();
    let count: i64 = words.next().and_then(|w| w.parse().ok()).ok_or_else(wrong)?;
    let unit = match (&interval.leading_field, words.next()) {
        (Some(field), None) => field.to_string(),
        (None, Some(unit)) => unit.to_owned(),
        _ => return Err(wrong()),
    };
    let unit = unit.to_uppercase();
    Ok((unit.strip_suffix('S').unwrap_or(&unit).to_owned(), if negative { -count } else { count }))
}
