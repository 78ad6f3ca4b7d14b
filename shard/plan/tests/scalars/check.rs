//! Expressions of literals and calls from text, evaluated as constants and as columns.

use arrow_array::ArrayRef;
use segfmt::DataType;
use shard_plan::cast::{cast_scalar, scalar_to_text};
use shard_plan::eval::value::from_scalars;
use shard_plan::{BoundExpr, Error, Expr, Registry, Result, Scalar, Type, scalar_at, scalar_functions};
use std::iter::Peekable;
use std::str::Chars;
use std::sync::OnceLock;

pub fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(|| {
        let mut registry = Registry::empty();
        scalar_functions::register_all(&mut registry);
        registry
    })
}

pub fn text(s: &str) -> Scalar {
    Scalar::String(s.into())
}

pub fn decimal(s: &str) -> Scalar {
    cast_scalar(&text(s), Type::BIG_DECIMAL).unwrap()
}

pub fn column(index: u32, ty: Type) -> Expr {
    Expr::Column { index, ty }
}

pub fn cast(expr: Expr, to: Type) -> Expr {
    Expr::Cast { expr: expr.into(), to, lenient: false }
}

/// A call with the type that its function resolves to.
pub fn call(name: &str, args: Vec<Expr>) -> Result<Expr> {
    let function = registry().scalar(name).ok_or_else(|| Error::Plan(format!("no function {name}")))?;
    let types: Vec<Type> = args.iter().map(Expr::ty).collect();
    let constants: Vec<Option<Scalar>> = args
        .iter()
        .map(|a| match a {
            Expr::Literal(scalar) => Some(scalar.clone()),
            _ => None,
        })
        .collect();
    let ty = function.resolve(&types, &constants)?.result;
    Ok(Expr::Call { function: function.name().to_owned(), version: function.version(), args, ty })
}

/// Reads `f(1, 2L, 1.5, 'text', ts'...', dec'...', hex'...', [1, 2], NULL, TRUE, g(..))`.
pub fn read(source: &str) -> Result<Expr> {
    let mut chars = source.chars().peekable();
    let expr = term(&mut chars)?;
    skip(&mut chars);
    assert_eq!(chars.next(), None, "rest of {source}");
    Ok(expr)
}

fn skip(chars: &mut Peekable<Chars>) {
    while chars.next_if(|c| c.is_whitespace()).is_some() {}
}

fn list(chars: &mut Peekable<Chars>, end: char) -> Result<Vec<Expr>> {
    let mut out = Vec::new();
    loop {
        skip(chars);
        if chars.next_if_eq(&end).is_some() {
            return Ok(out);
        }
        if !out.is_empty() {
            assert_eq!(chars.next(), Some(','));
        }
        out.push(term(chars)?);
    }
}

fn quoted(chars: &mut Peekable<Chars>) -> String {
    assert_eq!(chars.next(), Some('\''));
    let mut out = String::new();
    loop {
        match chars.next().expect("a closing quote") {
            '\'' if chars.next_if_eq(&'\'').is_some() => out.push('\''),
            '\'' => return out,
            c => out.push(c),
        }
    }
}

fn term(chars: &mut Peekable<Chars>) -> Result<Expr> {
    skip(chars);
    let first = *chars.peek().expect("a term");
    if first == '\'' {
        return Ok(Expr::Literal(text(&quoted(chars))));
    }
    if chars.next_if_eq(&'[').is_some() {
        let items: Vec<Scalar> = list(chars, ']')?
            .into_iter()
            .map(|e| match e {
                Expr::Literal(scalar) => scalar,
                other => panic!("{other:?} in a list"),
            })
            .collect();
        let data = items.iter().find(|v| !v.is_null()).map_or(DataType::Int, |v| v.ty().data);
        return Ok(Expr::Literal(Scalar::List(data, items.into())));
    }
    let mut word = String::new();
    while let Some(c) = chars.next_if(|c| c.is_alphanumeric() || "._+-".contains(*c)) {
        word.push(c);
    }
    let literal = |s| Ok(Expr::Literal(s));
    if chars.peek() == Some(&'\'') {
        let value = text(&quoted(chars));
        let ty = match word.as_str() {
            "ts" => Type::TIMESTAMP,
            "dec" => Type::BIG_DECIMAL,
            "hex" => Type::BYTES,
            "json" => Type::JSON,
            other => panic!("no literal of kind {other}"),
        };
        return literal(cast_scalar(&value, ty)?);
    }
    if chars.next_if_eq(&'(').is_some() {
        return call(&word, list(chars, ')')?);
    }
    match word.as_str() {
        "NULL" => return literal(Scalar::Null(Type::STRING)),
        "TRUE" => return literal(Scalar::Boolean(true)),
        "FALSE" => return literal(Scalar::Boolean(false)),
        "NaN" => return literal(Scalar::Double(f64::NAN)),
        "Infinity" => return literal(Scalar::Double(f64::INFINITY)),
        "-Infinity" => return literal(Scalar::Double(f64::NEG_INFINITY)),
        _ => {}
    }
    if let Some(long) = word.strip_suffix('L') {
        return literal(Scalar::Long(long.parse().unwrap()));
    }
    match (word.parse::<i32>(), word.parse::<i64>()) {
        (Ok(v), _) => literal(Scalar::Int(v)),
        (_, Ok(v)) => literal(Scalar::Long(v)),
        _ => literal(Scalar::Double(word.parse().unwrap_or_else(|_| panic!("number {word}")))),
    }
}

/// The one value of an expression without columns.
pub fn value(expr: &Expr) -> Result<Scalar> {
    let array = BoundExpr::bind(expr, registry(), &[])?.eval(&[], 1)?;
    scalar_at(array.as_ref(), expr.ty(), 0)
}

fn shown(result: Result<Scalar>) -> String {
    match result {
        Ok(Scalar::Null(_)) => "NULL".to_owned(),
        Ok(value) => scalar_to_text(&value),
        Err(e) => format!("error: {e}"),
    }
}

/// Checks a call's answer for literals, and with each argument as a column of (value, NULL, value).
/// An expected `error: x` asks for an error that holds `x`.
pub fn check(source: &str, want: &str) {
    // The failing expression reads otherwise when an argument is a column.
    let agrees = |got: &str, in_expression: bool| match want.strip_prefix("error: ") {
        Some(part) => {
            let part = if in_expression { part } else { part.split(" in ").next().unwrap_or(part) };
            got.starts_with("error: ") && got.contains(part)
        }
        None => got == want,
    };
    let expr = read(source);
    let got = shown(expr.clone().and_then(|e| value(&e)));
    assert!(agrees(&got, true), "{source}\n  got  {got}\n  want {want}");
    let Ok(Expr::Call { function, args, .. }) = expr else { return };
    for (i, arg) in args.iter().enumerate() {
        let Expr::Literal(scalar) = arg else { continue };
        if scalar.is_null() || scalar.ty().multi {
            continue;
        }
        let ty = scalar.ty();
        let mut with_column = args.clone();
        with_column[i] = column(0, ty);
        // Arguments that must be literals refuse a column.
        let Ok(expr) = call(&function, with_column) else { continue };
        let Ok(bound) = BoundExpr::bind(&expr, registry(), &[]) else { continue };
        let input: ArrayRef = from_scalars(ty, &[scalar.clone(), Scalar::Null(ty), scalar.clone()]).unwrap();
        let answers = bound.eval(&[input], 3);
        for row in [0, 2] {
            let got = shown(answers.clone().and_then(|a| scalar_at(a.as_ref(), expr.ty(), row)));
            assert!(agrees(&got, false), "{source}, argument {i} as column, row {row}\n  got  {got}\n  want {want}");
        }
    }
}
