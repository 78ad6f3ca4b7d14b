//! Comparisons, logic and LIKE against models that look at one row, or one character, at a time.

use crate::check::{call, column, registry};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, Float64Array, Int32Array, Int64Array, StringArray};
use proptest::prelude::*;
use shard_plan::eval::like::Like;
use shard_plan::{BoundExpr, CompareOp, Expr, Scalar, Type};
use std::cmp::Ordering;
use std::sync::Arc;

const OPS: [CompareOp; 6] =
    [CompareOp::Eq, CompareOp::NotEq, CompareOp::Lt, CompareOp::LtEq, CompareOp::Gt, CompareOp::GtEq];

fn holds(op: CompareOp, order: Ordering) -> bool {
    match op {
        CompareOp::Eq => order.is_eq(),
        CompareOp::NotEq => order.is_ne(),
        CompareOp::Lt => order.is_lt(),
        CompareOp::LtEq => order.is_le(),
        CompareOp::Gt => order.is_gt(),
        CompareOp::GtEq => order.is_ge(),
    }
}

/// NaN greatest and equal to itself, zeros equal.
fn order(a: f64, b: f64) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        _ => a.partial_cmp(&b).unwrap(),
    }
}

fn float() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        prop::sample::select(vec![0.0, -0.0, f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.0, -1.0])
    ]
}

fn evaluate(expr: &Expr, columns: &[ArrayRef]) -> Vec<Option<bool>> {
    let rows = columns[0].len();
    let array = BoundExpr::bind(expr, registry(), &[]).unwrap().eval(columns, rows).unwrap();
    array.as_boolean().iter().collect()
}

/// A condition over three INT columns, and its value for one row by SQL's truth tables.
#[derive(Debug, Clone)]
enum Condition {
    Compare(CompareOp, u32, i32),
    IsNull(u32),
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
}

impl Condition {
    fn expr(&self) -> Expr {
        match self {
            Condition::Compare(op, c, v) => Expr::Compare {
                op: *op,
                left: column(*c, Type::INT).into(),
                right: Expr::Literal(Scalar::Int(*v)).into(),
            },
            Condition::IsNull(c) => Expr::IsNull { expr: column(*c, Type::INT).into(), negated: false },
            Condition::And(parts) => Expr::And(parts.iter().map(Condition::expr).collect()),
            Condition::Or(parts) => Expr::Or(parts.iter().map(Condition::expr).collect()),
            Condition::Not(inner) => Expr::Not(inner.expr().into()),
        }
    }

    fn row(&self, row: &[Option<i32>]) -> Option<bool> {
        match self {
            Condition::Compare(op, c, v) => row[*c as usize].map(|x| holds(*op, x.cmp(v))),
            Condition::IsNull(c) => Some(row[*c as usize].is_none()),
            Condition::And(parts) => chain(parts, row, false),
            Condition::Or(parts) => chain(parts, row, true),
            Condition::Not(inner) => inner.row(row).map(|v| !v),
        }
    }
}

/// AND and OR: `decides` wins, else NULL.
fn chain(parts: &[Condition], row: &[Option<i32>], decides: bool) -> Option<bool> {
    let parts: Vec<Option<bool>> = parts.iter().map(|p| p.row(row)).collect();
    if parts.contains(&Some(decides)) {
        Some(decides)
    } else if parts.contains(&None) {
        None
    } else {
        Some(!decides)
    }
}

fn condition() -> impl Strategy<Value = Condition> {
    let leaf = prop_oneof![
        (prop::sample::select(OPS.to_vec()), 0u32..3, -2i32..3).prop_map(|(op, c, v)| Condition::Compare(op, c, v)),
        (0u32..3).prop_map(Condition::IsNull),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Condition::And),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Condition::Or),
            inner.prop_map(|c| Condition::Not(c.into())),
        ]
    })
}

/// LIKE by trying every length of every `%`.
fn backtrack(text: &[char], pattern: &[char], escape: Option<char>) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((c, rest)) if Some(*c) == escape => {
            text.first() == rest.first() && !rest.is_empty() && backtrack(&text[1..], &rest[1..], escape)
        }
        Some(('%', rest)) => (0..=text.len()).any(|n| backtrack(&text[n..], rest, escape)),
        Some(('_', rest)) => !text.is_empty() && backtrack(&text[1..], rest, escape),
        Some((c, rest)) => text.first() == Some(c) && backtrack(&text[1..], rest, escape),
    }
}

proptest! {
    #[test]
    fn logic_follows_the_truth_tables(
        condition in condition(),
        rows in prop::collection::vec(prop::array::uniform3(prop::option::of(-2i32..3)), 1..80),
    ) {
        let columns: Vec<ArrayRef> = (0..3)
            .map(|c| Arc::new(rows.iter().map(|r| r[c]).collect::<Int32Array>()) as ArrayRef)
            .collect();
        let want: Vec<Option<bool>> = rows.iter().map(|r| condition.row(r)).collect();
        prop_assert_eq!(evaluate(&condition.expr(), &columns), want.clone());
        let filter = BoundExpr::bind(&condition.expr(), registry(), &[]).unwrap().eval_filter(&columns, rows.len()).unwrap();
        let passing: Vec<bool> = filter.iter().map(|v| v == Some(true)).collect();
        prop_assert_eq!(passing, want.iter().map(|v| *v == Some(true)).collect::<Vec<_>>());
    }

    #[test]
    fn floats_compare_in_the_total_order(
        rows in prop::collection::vec((prop::option::of(float()), prop::option::of(float())), 1..70),
        constant in float(),
    ) {
        let a: ArrayRef = Arc::new(rows.iter().map(|r| r.0).collect::<Float64Array>());
        let b: ArrayRef = Arc::new(rows.iter().map(|r| r.1).collect::<Float64Array>());
        for op in OPS {
            let columns = Expr::Compare { op, left: column(0, Type::DOUBLE).into(), right: column(1, Type::DOUBLE).into() };
            let want: Vec<_> = rows.iter().map(|(x, y)| Some(holds(op, order((*x)?, (*y)?)))).collect();
            prop_assert_eq!(evaluate(&columns, &[a.clone(), b.clone()]), want);
            let literal = Expr::Literal(Scalar::Double(constant));
            let right = Expr::Compare { op, left: column(0, Type::DOUBLE).into(), right: literal.clone().into() };
            let want: Vec<_> = rows.iter().map(|(x, _)| Some(holds(op, order((*x)?, constant)))).collect();
            prop_assert_eq!(evaluate(&right, std::slice::from_ref(&a)), want);
            let left = Expr::Compare { op, left: literal.into(), right: column(0, Type::DOUBLE).into() };
            let want: Vec<_> = rows.iter().map(|(x, _)| Some(holds(op, order(constant, (*x)?)))).collect();
            prop_assert_eq!(evaluate(&left, std::slice::from_ref(&a)), want);
        }
    }

    #[test]
    fn texts_compare_by_bytes(rows in prop::collection::vec(("\\PC{0,3}", "\\PC{0,3}"), 1..40)) {
        let a: ArrayRef = Arc::new(rows.iter().map(|r| Some(&r.0)).collect::<StringArray>());
        let b: ArrayRef = Arc::new(rows.iter().map(|r| Some(&r.1)).collect::<StringArray>());
        for op in OPS {
            let expr = Expr::Compare { op, left: column(0, Type::STRING).into(), right: column(1, Type::STRING).into() };
            let want: Vec<_> = rows.iter().map(|(x, y)| Some(holds(op, x.as_bytes().cmp(y.as_bytes())))).collect();
            prop_assert_eq!(evaluate(&expr, &[a.clone(), b.clone()]), want);
        }
    }

    #[test]
    fn like_agrees_with_backtracking(pattern in "[ab%_!é]{0,8}", text in "[abé\n%_]{0,10}", escaped in any::<bool>()) {
        let escape = escaped.then_some('!');
        let chars = |s: &str| s.chars().collect::<Vec<_>>();
        let dangling = escaped && {
            let mut open = false;
            pattern.chars().for_each(|c| open = c == '!' && !open);
            open
        };
        match Like::new(&pattern, escape, false) {
            Err(_) => prop_assert!(dangling),
            Ok(like) => {
                prop_assert!(!dangling);
                prop_assert_eq!(like.matches(&text), backtrack(&chars(&text), &chars(&pattern), escape));
                let upper = Like::new(&pattern.to_uppercase(), escape, true).unwrap();
                prop_assert_eq!(upper.matches(&text), like.matches(&text));
                prop_assert!(!like.matches(&text) || text.starts_with(like.prefix()));
            }
        }
    }

    #[test]
    fn integer_arithmetic_is_exact_or_an_error(a in any::<i64>(), b in prop_oneof![any::<i64>(), -3i64..4], narrow in any::<bool>()) {
        let (x, y) = if narrow { (i64::from(a as i32), i64::from(b as i32)) } else { (a, b) };
        for (name, exact) in [
            ("plus", Some(i128::from(x) + i128::from(y))),
            ("minus", Some(i128::from(x) - i128::from(y))),
            ("times", Some(i128::from(x) * i128::from(y))),
            ("intdiv", i128::from(x).checked_div(i128::from(y))),
            ("mod", i128::from(x).checked_rem(i128::from(y))),
        ] {
            let ty = if narrow { Type::INT } else { Type::LONG };
            let expr = call(name, vec![column(0, ty), column(1, ty)]).unwrap();
            // The second row is NULL over values that would overflow: it must not fail.
            let columns: Vec<ArrayRef> = if narrow {
                vec![
                    Arc::new(Int32Array::new(vec![x as i32, i32::MAX].into(), Some(vec![true, false].into()))),
                    Arc::new(Int32Array::from(vec![y as i32, i32::MAX])),
                ]
            } else {
                vec![
                    Arc::new(Int64Array::new(vec![x, i64::MAX].into(), Some(vec![true, false].into()))),
                    Arc::new(Int64Array::from(vec![y, i64::MAX])),
                ]
            };
            let got = BoundExpr::bind(&expr, registry(), &[]).unwrap().eval(&columns, 2);
            let fits = exact.filter(|v| if narrow { i32::try_from(*v).is_ok() } else { i64::try_from(*v).is_ok() });
            match (got, fits) {
                (Ok(array), Some(want)) => {
                    let first = if narrow {
                        i128::from(array.as_primitive::<Int32Type>().value(0))
                    } else {
                        i128::from(array.as_primitive::<Int64Type>().value(0))
                    };
                    prop_assert_eq!(first, want, "{} {} {}", x, name, y);
                    prop_assert!(array.is_null(1));
                }
                (Err(_), None) => {}
                (got, want) => prop_assert!(false, "{x} {name} {y}: {got:?}, exactly {want:?}"),
            }
        }
    }
}

#[test]
fn like_with_many_wildcards_is_fast_enough_to_finish() {
    let like = Like::new("%a%a%a%a%a%a%a%a%a%a%a%b", None, false).unwrap();
    assert!(!like.matches(&"a".repeat(400)));
    assert!(like.matches(&("a".repeat(399) + "b")));
    let like = Like::new("%a_%a_%a_%a_%a_%a_%a_%a_%b", None, false).unwrap();
    assert!(!like.matches(&"a".repeat(4_000)));
}
