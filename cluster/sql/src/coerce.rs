//! Which type two sides are compared as, and which type several values share (E-2).
//!
//! A literal follows the column: `'2024-01-01'` beside a TIMESTAMP is a time, `5.0` beside a LONG is 5, `42` beside a STRING
//! is `'42'`. Two LONG are never compared as DOUBLE, and no text of a column is silently read as a number.

use crate::error::{Result, SqlError};
use datafusion::logical_expr::Expr;
use segfmt::DataType;
use shard_plan::{Scalar, Type, cast_scalar};

/// An expression with what coercion looks at.
#[derive(Debug, Clone)]
pub struct Typed {
    pub expr: Expr,
    /// `None` for an untyped NULL.
    pub ty: Option<Type>,
    /// Its value, when it is a literal.
    pub literal: Option<Scalar>,
    /// The parameter that the literal is.
    pub param: Option<Mark>,
}

/// A literal's place in the fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    pub literal: u32,
    pub negated: bool,
}

/// How two operands of a comparison are brought together.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    pub ty: Type,
    /// What a literal side becomes when its value takes part in the choice; then it is no parameter.
    pub literal: Option<Scalar>,
}

fn rank(data: DataType) -> u8 {
    match data {
        DataType::Int => 0,
        DataType::Long => 1,
        DataType::Float => 2,
        DataType::Double => 3,
        _ => 4,
    }
}

/// The wider of two numeric types.
fn wider(a: Type, b: Type) -> Type {
    use DataType::{BigDecimal, Double, Float};
    match (a.data, b.data) {
        (x, y) if x == y => a,
        // A decimal beside a binary fraction is compared as one.
        (BigDecimal, Float | Double) | (Float | Double, BigDecimal) => Type::DOUBLE,
        (Float, DataType::Int | DataType::Long) | (DataType::Int | DataType::Long, Float) => Type::DOUBLE,
        (x, y) if rank(x) > rank(y) => a,
        _ => b,
    }
}

/// The common type of values that stand in one column: branches of CASE, sides of UNION.
pub fn unify(a: Option<Type>, b: Option<Type>) -> Option<Option<Type>> {
    let (Some(a), Some(b)) = (a, b) else { return Some(a.or(b)) };
    if a == b {
        return Some(Some(a));
    }
    if a.is_numeric() && b.is_numeric() {
        return Some(Some(wider(a, b)));
    }
    match (a.data, b.data) {
        (DataType::String, DataType::Json) | (DataType::Json, DataType::String) if a.multi == b.multi => {
            Some(Some(Type { data: DataType::String, multi: a.multi }))
        }
        _ => None,
    }
}

/// How `left` and `right` are compared.
pub fn comparison(left: &Typed, right: &Typed) -> Result<Comparison> {
    let plain = |ty| Ok(Comparison { ty, literal: None });
    let (Some(l), Some(r)) = (left.ty, right.ty) else {
        return plain(left.ty.or(right.ty).unwrap_or(Type::STRING));
    };
    if l == r {
        return plain(l);
    }
    if let (Some(value), None) = (&right.literal, &left.literal) {
        return with_literal(l, value);
    }
    if let (Some(value), None) = (&left.literal, &right.literal) {
        return with_literal(r, value);
    }
    if l.is_numeric() && r.is_numeric() {
        return plain(wider(l, r));
    }
    match (l.data, r.data) {
        _ if l.multi || r.multi => Err(incomparable(l, r)),
        (DataType::String, DataType::Json) | (DataType::Json, DataType::String) => plain(Type::STRING),
        (DataType::Timestamp, DataType::Long | DataType::Int)
        | (DataType::Long | DataType::Int, DataType::Timestamp) => plain(Type::LONG),
        (DataType::Timestamp, DataType::String) | (DataType::String, DataType::Timestamp) => plain(Type::TIMESTAMP),
        (DataType::Boolean, DataType::Int) | (DataType::Int, DataType::Boolean) => plain(Type::INT),
        // Two literals: 'abc' = 5.
        _ => match (&left.literal, &right.literal) {
            (Some(_), Some(value)) if l.data == DataType::String => with_literal(l, value),
            (Some(value), Some(_)) if r.data == DataType::String => with_literal(r, value),
            _ => Err(incomparable(l, r)),
        },
    }
}

fn incomparable(l: Type, r: Type) -> SqlError {
    SqlError::validation(format!("cannot compare {l} with {r}; CAST one side"))
}

/// A column (or any expression) of type `ty` beside a literal.
fn with_literal(ty: Type, value: &Scalar) -> Result<Comparison> {
    let plain = |ty| Ok(Comparison { ty, literal: None });
    let replaced = |value: Scalar| Ok(Comparison { ty: value.ty(), literal: Some(value) });
    let of = value.ty();
    if value.is_null() {
        return plain(ty);
    }
    match (ty.data, value) {
        _ if ty.multi => Err(incomparable(ty, of)),
        (DataType::Int, Scalar::Double(_)) => plain(Type::DOUBLE),
        (DataType::Int, Scalar::Long(_)) => plain(Type::LONG),
        (DataType::Long, Scalar::Double(v)) => match whole(*v) {
            Some(whole) => replaced(Scalar::Long(whole)),
            None if v.is_finite() && v.fract() == 0.0 => replaced(cast_scalar(value, Type::BIG_DECIMAL)?),
            // A fraction is below 2^53, where a DOUBLE tells all integers apart.
            None => replaced(value.clone()),
        },
        (DataType::Int | DataType::Long, Scalar::BigDecimal(_)) => plain(Type::BIG_DECIMAL),
        (DataType::Long, Scalar::Int(_)) => plain(Type::LONG),
        (DataType::Float, Scalar::Double(v)) if (*v as f32).is_finite() || !v.is_finite() => {
            replaced(Scalar::Float(segfmt::value::normalize_f32(*v as f32)))
        }
        (DataType::Float, Scalar::BigDecimal(_)) => replaced(cast_scalar(value, Type::DOUBLE)?),
        (DataType::Float, Scalar::Int(_) | Scalar::Long(_) | Scalar::Double(_)) => plain(Type::DOUBLE),
        (DataType::Double, Scalar::Int(_) | Scalar::Long(_) | Scalar::Float(_)) => plain(Type::DOUBLE),
        (DataType::Double, Scalar::BigDecimal(_)) => replaced(cast_scalar(value, Type::DOUBLE)?),
        (DataType::BigDecimal, Scalar::Int(_) | Scalar::Long(_) | Scalar::Double(_) | Scalar::Float(_)) => {
            plain(Type::BIG_DECIMAL)
        }
        (DataType::Json, Scalar::String(_)) => plain(Type::STRING),
        (DataType::Timestamp | DataType::Bytes | DataType::Boolean, Scalar::String(_)) => plain(ty),
        (DataType::Timestamp, Scalar::Int(_) | Scalar::Long(_)) => {
            let long = cast_scalar(value, Type::LONG)?;
            replaced(cast_scalar(&long, Type::TIMESTAMP)?)
        }
        (DataType::Boolean, Scalar::Int(v @ (0 | 1))) => replaced(Scalar::Boolean(*v == 1)),
        (
            DataType::Int | DataType::Long | DataType::Float | DataType::Double | DataType::BigDecimal,
            Scalar::String(text),
        ) => with_literal_or_same(ty, &number(text, ty)?),
        (
            DataType::String | DataType::Json,
            Scalar::Int(_) | Scalar::Long(_) | Scalar::Double(_) | Scalar::BigDecimal(_),
        ) => replaced(cast_scalar(value, Type::STRING)?),
        // A computed text beside a literal of another type.
        (DataType::String, Scalar::Timestamp(_)) => plain(Type::TIMESTAMP),
        _ => Err(incomparable(ty, of)),
    }
}

fn with_literal_or_same(ty: Type, value: &Scalar) -> Result<Comparison> {
    let chosen = if value.ty() == ty { Comparison { ty, literal: None } } else { with_literal(ty, value)? };
    Ok(match chosen.literal {
        Some(_) => chosen,
        None => Comparison { ty: chosen.ty, literal: Some(cast_scalar(value, chosen.ty)?) },
    })
}

/// The number that a text beside a numeric column stands for.
fn number(text: &str, ty: Type) -> Result<Scalar> {
    let trimmed = text.trim();
    if let Ok(v) = trimmed.parse::<i32>() {
        return Ok(Scalar::Int(v));
    }
    if let Ok(v) = trimmed.parse::<i64>() {
        return Ok(Scalar::Long(v));
    }
    if ty.data == DataType::BigDecimal
        && let Ok(v) = cast_scalar(&Scalar::String(trimmed.into()), Type::BIG_DECIMAL)
    {
        return Ok(v);
    }
    match trimmed.parse::<f64>() {
        Ok(v) => Ok(Scalar::Double(segfmt::value::normalize_f64(v))),
        Err(_) => Err(SqlError::validation(format!("'{text}' is compared with a value of type {ty} and is no number"))),
    }
}

fn whole(v: f64) -> Option<i64> {
    // 2^63 itself is no LONG.
    (v.fract() == 0.0 && (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&v)).then_some(v as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::scalar::ScalarValue;

    fn side(ty: Type, literal: Option<Scalar>) -> Typed {
        Typed { expr: Expr::Literal(ScalarValue::Null, None), ty: Some(ty), literal, param: None }
    }

    fn column(ty: Type) -> Typed {
        side(ty, None)
    }

    fn literal(value: Scalar) -> Typed {
        side(value.ty(), Some(value))
    }

    #[test]
    fn a_literal_follows_the_column() {
        let long = column(Type::LONG);
        assert_eq!(comparison(&long, &literal(Scalar::Double(5.0))).unwrap().literal, Some(Scalar::Long(5)));
        assert_eq!(comparison(&long, &literal(Scalar::Double(5.5))).unwrap().ty, Type::DOUBLE);
        assert_eq!(comparison(&long, &literal(Scalar::Double(1e30))).unwrap().ty, Type::BIG_DECIMAL);
        assert_eq!(comparison(&column(Type::INT), &literal(Scalar::Double(5.5))).unwrap().ty, Type::DOUBLE);
        let text = comparison(&column(Type::STRING), &literal(Scalar::Int(42))).unwrap();
        assert_eq!(text.literal, Some(Scalar::String("42".into())));
        assert_eq!(
            comparison(&column(Type::TIMESTAMP), &literal(Scalar::String("x".into()))).unwrap().ty,
            Type::TIMESTAMP
        );
        assert_eq!(
            comparison(&column(Type::INT), &literal(Scalar::String("7".into()))).unwrap().literal,
            Some(Scalar::Int(7))
        );
        assert!(comparison(&column(Type::INT), &literal(Scalar::String("abc".into()))).is_err());
    }

    #[test]
    fn columns_keep_their_precision_or_are_refused() {
        assert_eq!(comparison(&column(Type::LONG), &column(Type::INT)).unwrap().ty, Type::LONG);
        assert_eq!(comparison(&column(Type::BIG_DECIMAL), &column(Type::LONG)).unwrap().ty, Type::BIG_DECIMAL);
        assert!(comparison(&column(Type::STRING), &column(Type::INT)).is_err());
        assert!(comparison(&column(Type::multi(DataType::Int)), &column(Type::INT)).is_err());
    }
}
