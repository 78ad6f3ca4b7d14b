//! What an unnamed output column is called: Pinot's text of its expression, `count(*)`, `sum(x)`, `plus(a,b)`.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, UnaryOperator, Value,
};
use shard_plan::function::canonical_name;

/// Clients show the name and Trino matches it in lower case; nobody reads more of it than this.
const MAX_NAME: usize = 4096;

/// The name of `expr`, as the user wrote it (before any rewrite).
pub fn output_name(expr: &Expr) -> String {
    let mut name = text(expr);
    if name.len() > MAX_NAME {
        let mut end = MAX_NAME;
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        name.truncate(end);
        name.push_str("...");
    }
    name
}

fn text(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(ident) => ident.value.clone(),
        Expr::CompoundIdentifier(parts) => parts.last().map(|p| p.value.clone()).unwrap_or_default(),
        Expr::Nested(inner) => text(inner),
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(s) => format!("'{}'", s.replace('\'', "''")),
            other => other.to_string().to_lowercase(),
        },
        Expr::BinaryOp { left, op, right } => match operator_name(op) {
            Some(name) => format!("{name}({},{})", text(left), text(right)),
            None => expr.to_string(),
        },
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => format!("not({})", text(expr)),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } if matches!(expr.as_ref(), Expr::Value(_)) => {
            format!("-{}", text(expr))
        }
        Expr::IsNull(inner) => format!("is_null({})", text(inner)),
        Expr::IsNotNull(inner) => format!("is_not_null({})", text(inner)),
        Expr::Cast { expr, data_type, .. } => format!("cast({},'{data_type}')", text(expr)),
        Expr::Function(function) => function_text(function),
        other => other.to_string(),
    }
}

fn function_text(function: &Function) -> String {
    let name = canonical_name(&function.name.to_string());
    let mut out = match &function.args {
        FunctionArguments::List(list) => {
            let args: Vec<String> = list.args.iter().map(argument_text).collect();
            let distinct = match &list.duplicate_treatment {
                Some(datafusion::sql::sqlparser::ast::DuplicateTreatment::Distinct) => "distinct ",
                _ => "",
            };
            // Pinot turns COUNT(DISTINCT x) into distinctcount(x) before it names it.
            match (name.as_str(), distinct.is_empty()) {
                ("count", false) => format!("distinctcount({})", args.join(",")),
                ("sum", false) => format!("distinctsum({})", args.join(",")),
                ("avg", false) => format!("distinctavg({})", args.join(",")),
                _ => format!("{name}({distinct}{})", args.join(",")),
            }
        }
        _ => format!("{name}()"),
    };
    if let Some(filter) = &function.filter {
        out.push_str(&format!(" FILTER(WHERE {filter})"));
    }
    if let Some(over) = &function.over {
        out.push_str(&format!(" OVER {}", over_text(over)));
    }
    out
}

fn over_text(over: &datafusion::sql::sqlparser::ast::WindowType) -> String {
    match over {
        datafusion::sql::sqlparser::ast::WindowType::WindowSpec(spec) => format!("({spec})"),
        datafusion::sql::sqlparser::ast::WindowType::NamedWindow(name) => name.value.clone(),
    }
}

fn argument_text(arg: &FunctionArg) -> String {
    match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => text(expr),
        other => other.to_string(),
    }
}

fn operator_name(op: &BinaryOperator) -> Option<&'static str> {
    Some(match op {
        BinaryOperator::Plus => "plus",
        BinaryOperator::Minus => "minus",
        BinaryOperator::Multiply => "times",
        BinaryOperator::Divide => "divide",
        BinaryOperator::Modulo => "mod",
        BinaryOperator::StringConcat => "concat",
        BinaryOperator::Eq => "equals",
        BinaryOperator::NotEq => "not_equals",
        BinaryOperator::Lt => "less_than",
        BinaryOperator::LtEq => "less_than_or_equal",
        BinaryOperator::Gt => "greater_than",
        BinaryOperator::GtEq => "greater_than_or_equal",
        BinaryOperator::And => "and",
        BinaryOperator::Or => "or",
        _ => return None,
    })
}
