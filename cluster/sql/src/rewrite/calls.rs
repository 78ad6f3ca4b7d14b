//! Calls of functions, aggregates and window functions.

use super::Rewriter;
use super::expr::{call, number, take, text, type_name};
use crate::error::{Result, SqlError};
use crate::scope::{Aliases, closest};
use datafusion::sql::sqlparser::ast::{
    CaseWhen, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArguments, Ident, Spanned, UnaryOperator, Value, WindowSpec, WindowType,
    helpers::attached_token::AttachedToken,
};
use datafusion::sql::sqlparser::tokenizer::Span;
use shard_plan::function::canonical_name;

/// DataFusion's window functions that are Pinot's too, by canonical name.
pub const WINDOW_FUNCTIONS: &[(&str, &str)] = &[
    ("rownumber", "row_number"),
    ("rank", "rank"),
    ("denserank", "dense_rank"),
    ("percentrank", "percent_rank"),
    ("cumedist", "cume_dist"),
    ("ntile", "ntile"),
    ("lead", "lead"),
    ("lag", "lag"),
    ("firstvalue", "first_value"),
    ("lastvalue", "last_value"),
    ("nthvalue", "nth_value"),
];

/// Functions whose first argument is a unit that may stand without quotes.
const UNIT_FIRST: &[&str] = &["timestampadd", "timestampdiff", "dateadd", "datediff", "datetrunc"];

impl Rewriter<'_> {
    /// `CURRENT_TIMESTAMP` and its kin, without brackets.
    pub(crate) fn is_clock(&self, name: &str) -> bool {
        ["CURRENT_TIMESTAMP", "LOCALTIMESTAMP"].iter().any(|n| n.eq_ignore_ascii_case(name))
    }

    pub(crate) fn now_timestamp(&mut self, span: Span) -> Expr {
        self.volatile = true;
        let ms = Expr::value(Value::Number(self.now_ms.to_string(), false));
        call(super::CAST, vec![ms, text("TIMESTAMP")], span)
    }

    pub(crate) fn function(&mut self, expr: &mut Expr, aliases: Aliases) -> Result<()> {
        let span = expr.span();
        let Expr::Function(function) = expr else { return Ok(()) };
        let written = function.name.to_string();
        let place = function.name.span().start;
        let name = canonical_name(written.trim_matches(|c| c == '"' || c == '`'));
        // Written by this pass itself.
        if matches!(written.trim_matches('"'), super::PARAM | super::CAST | super::TRY_CAST | super::DECIMAL) {
            return self.arguments(function, aliases);
        }
        match name.as_str() {
            "now" if arguments(function).is_some_and(<[FunctionArg]>::is_empty) => {
                self.volatile = true;
                *expr = Expr::value(Value::Number(self.now_ms.to_string(), false));
                return Ok(());
            }
            // The period counts from the query's own clock, the same on every server.
            "ago" if arguments(function).is_some_and(|args| args.len() == 1) => {
                self.volatile = true;
                let now = Expr::value(Value::Number(self.now_ms.to_string(), false));
                if let FunctionArguments::List(list) = &mut function.args {
                    list.args.push(FunctionArg::Unnamed(FunctionArgExpr::Expr(now)));
                }
            }
            "currenttimestamp" | "localtimestamp" => {
                *expr = self.now_timestamp(span);
                return Ok(());
            }
            "coalesce" | "ifnull" | "nvl" | "nullif" if self.registry.scalar(&name).is_none() => {
                *expr = conditional(&name, function)?;
                return self.expr(expr, aliases);
            }
            "if" if self.registry.scalar(&name).is_none() => {
                *expr = conditional(&name, function)?;
                return self.expr(expr, aliases);
            }
            "cast" => {
                // cast(x, 'LONG'): Pinot's form of the call.
                let args = expressions(function)?;
                if let [value, Expr::Value(to)] = args.as_slice()
                    && let Value::SingleQuotedString(to) = &to.value
                {
                    let to = type_name(&datafusion::sql::sqlparser::ast::DataType::Custom(
                        super::name_of(Ident::new(to.to_uppercase())),
                        Vec::new(),
                    ))?;
                    let mut value = value.clone();
                    self.expr(&mut value, aliases)?;
                    *expr = call(super::CAST, vec![value, text(to)], span);
                    return Ok(());
                }
            }
            _ => {}
        }
        if UNIT_FIRST.contains(&name.as_str())
            && let FunctionArguments::List(list) = &mut function.args
            && let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(first))) = list.args.first_mut()
            && let Expr::Identifier(unit) = &*first
            && unit.quote_style.is_none()
        {
            *first = text(&unit.value.to_uppercase());
        }
        let (name, percent) = self.known_name(&name, &written, function).map_err(|e| e.at(place.line, place.column))?;
        if let Some(percent) = percent
            && let FunctionArguments::List(list) = &mut function.args
        {
            list.args.push(FunctionArg::Unnamed(FunctionArgExpr::Expr(number(percent))));
        }
        let name = distinct_form(name, function)?;
        within_group(&name, function)?;
        if let Some(filter) = &mut function.filter {
            self.expr(filter, aliases)?;
        }
        match &mut function.over {
            Some(WindowType::WindowSpec(spec)) => self.window_spec(spec)?,
            Some(WindowType::NamedWindow(window)) => {
                *window = crate::scope::quoted(&window.value.to_lowercase(), window);
            }
            None => {}
        }
        for order in &mut function.within_group {
            self.expr(&mut order.expr, aliases)?;
        }
        function.name = super::name_of(Ident { value: name, quote_style: Some('"'), span: function.name.span() });
        self.arguments(function, aliases)
    }

    fn arguments(&mut self, function: &mut Function, aliases: Aliases) -> Result<()> {
        match &mut function.args {
            FunctionArguments::List(list) => {
                for clause in &mut list.clauses {
                    match clause {
                        FunctionArgumentClause::OrderBy(keys) => {
                            for key in keys {
                                self.expr(&mut key.expr, aliases)?;
                            }
                        }
                        FunctionArgumentClause::IgnoreOrRespectNulls(_) => {}
                        other => return Err(SqlError::validation(format!("{other} in a call is not supported"))),
                    }
                }
                for arg in &mut list.args {
                    match arg {
                        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => self.expr(expr, aliases)?,
                        other => {
                            return Err(SqlError::validation(format!("{}({other}) is not supported", function.name)));
                        }
                    }
                }
                Ok(())
            }
            FunctionArguments::None => Ok(()),
            FunctionArguments::Subquery(_) => {
                Err(SqlError::validation("a query as argument needs brackets of its own"))
            }
        }
    }

    pub(crate) fn window_spec(&mut self, spec: &mut WindowSpec) -> Result<()> {
        if let Some(name) = &mut spec.window_name {
            *name = crate::scope::quoted(&name.value.to_lowercase(), name);
        }
        for expr in &mut spec.partition_by {
            self.expr(expr, Aliases::None)?;
        }
        for key in &mut spec.order_by {
            self.expr(&mut key.expr, Aliases::None)?;
        }
        Ok(())
    }

    /// The planner's name of a function, and the percentile of `percentile95(x)`.
    fn known_name(&mut self, name: &str, written: &str, function: &mut Function) -> Result<(String, Option<u32>)> {
        let is_window = function.over.is_some();
        if let Some((_, known)) = WINDOW_FUNCTIONS.iter().find(|(ours, _)| *ours == name) {
            if is_window {
                return Ok(((*known).to_owned(), None));
            }
            if self.registry.aggregate(name).is_none() {
                return Err(SqlError::validation(format!("{written} is a window function and needs OVER (...)")));
            }
        }
        if name == "count" {
            if let FunctionArguments::List(list) = &mut function.args
                && let [FunctionArg::Unnamed(FunctionArgExpr::Wildcard | FunctionArgExpr::QualifiedWildcard(_))] =
                    list.args.as_slice()
            {
                list.args.clear();
            }
            return Ok(("count".to_owned(), None));
        }
        if let Some(aggregate) = self.registry.aggregate(name) {
            return Ok((aggregate.name().to_owned(), None));
        }
        if is_window {
            return Err(SqlError::validation(format!("{written} is neither a window function nor an aggregate")));
        }
        if let Some(scalar) = self.registry.scalar(name) {
            return Ok((scalar.name().to_owned(), None));
        }
        // PERCENTILE95(x), PERCENTILETDIGEST99(x), with MV behind.
        let (base, multi) = match name.strip_suffix("mv") {
            Some(base) => (base, "mv"),
            None => (name, ""),
        };
        let stem = base.trim_end_matches(|c: char| c.is_ascii_digit());
        if stem.starts_with("percentile")
            && stem.len() < base.len()
            && let Ok(percent @ 0..=100) = base[stem.len()..].parse::<u32>()
            && let Some(aggregate) = self.registry.aggregate(&format!("{stem}{multi}"))
        {
            return Ok((aggregate.name().to_owned(), Some(percent)));
        }
        let known = self
            .registry
            .scalar_names()
            .chain(self.registry.aggregate_names())
            .chain(WINDOW_FUNCTIONS.iter().map(|(n, _)| *n));
        let hint = match closest(name, known) {
            Some(near) => format!("; did you mean {near}?"),
            None => String::new(),
        };
        Err(SqlError::validation(format!("unknown function {written}{hint}")))
    }
}

fn arguments(function: &Function) -> Option<&[FunctionArg]> {
    match &function.args {
        FunctionArguments::List(list) => Some(&list.args),
        _ => None,
    }
}

fn expressions(function: &Function) -> Result<Vec<Expr>> {
    arguments(function)
        .unwrap_or_default()
        .iter()
        .map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr.clone()),
            other => Err(SqlError::validation(format!("{}({other}) is not supported", function.name))),
        })
        .collect()
}

/// `COUNT(DISTINCT x)` as `distinctcount(x)`, and its kin.
fn distinct_form(name: String, function: &mut Function) -> Result<String> {
    let FunctionArguments::List(list) = &mut function.args else { return Ok(name) };
    if list.duplicate_treatment != Some(DuplicateTreatment::Distinct) {
        list.duplicate_treatment = None;
        return Ok(name);
    }
    let renamed = match name.as_str() {
        "count" => "distinctcount",
        "sum" => "distinctsum",
        "avg" => "distinctavg",
        "min" | "max" | "mode" | "minmaxrange" | "distinctcount" | "distinctsum" | "distinctavg" | "boolor"
        | "booland" => name.as_str(),
        other => return Err(SqlError::validation(format!("{other}(DISTINCT ...) is not supported"))),
    };
    if renamed == "distinctcount" && list.args.is_empty() {
        return Err(SqlError::validation("COUNT(DISTINCT *) is not supported; name the columns"));
    }
    list.duplicate_treatment = None;
    Ok(renamed.to_owned())
}

/// `PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY x)` as `percentile(x, 50)`.
fn within_group(name: &str, function: &mut Function) -> Result<()> {
    if function.within_group.is_empty() {
        return Ok(());
    }
    Err(SqlError::validation(format!("{name} WITHIN GROUP is not supported; write PERCENTILE(x, 95)")))
}

/// COALESCE, NULLIF and IF as CASE.
fn conditional(name: &str, function: &Function) -> Result<Expr> {
    let mut args = expressions(function)?;
    let wrong = |n: &str| SqlError::validation(format!("{name} takes {n} arguments"));
    let case = |branches: Vec<(Expr, Expr)>, otherwise: Option<Expr>| Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: branches.into_iter().map(|(condition, result)| CaseWhen { condition, result }).collect(),
        else_result: otherwise.map(Box::new),
    };
    match name {
        "if" => {
            let [condition, then, otherwise] = args.as_mut_slice() else { return Err(wrong("3")) };
            Ok(case(vec![(take(condition), take(then))], Some(take(otherwise))))
        }
        "nullif" => {
            let [left, right] = args.as_mut_slice() else { return Err(wrong("2")) };
            let equal = Expr::BinaryOp {
                left: Box::new(left.clone()),
                op: datafusion::sql::sqlparser::ast::BinaryOperator::Eq,
                right: Box::new(take(right)),
            };
            let different = Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(Expr::IsTrue(Box::new(equal))) };
            Ok(case(vec![(different, take(left))], None))
        }
        _ => {
            let Some(last) = args.pop() else { return Err(wrong("1 or more")) };
            let branches = args.into_iter().map(|a| (Expr::IsNotNull(Box::new(a.clone())), a)).collect::<Vec<_>>();
            Ok(if branches.is_empty() { last } else { case(branches, Some(last)) })
        }
    }
}
