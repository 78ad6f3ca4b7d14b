//! NULL logic, which rows are evaluated, error texts, depth, folding.

use crate::check::{call, cast, column, registry, text};
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, Int32Array, ListArray, StringArray};
use segfmt::DataType;
use shard_plan::{BoundExpr, CompareOp, Expr, Result, Scalar, Type, expr_text};
use std::sync::Arc;

fn compare(op: CompareOp, left: Expr, right: Expr) -> Expr {
    Expr::Compare { op, left: left.into(), right: right.into() }
}

fn int(v: i32) -> Expr {
    Expr::Literal(Scalar::Int(v))
}

fn x() -> Expr {
    column(0, Type::INT)
}

fn ints(values: &[Option<i32>]) -> ArrayRef {
    Arc::new(Int32Array::from(values.to_vec()))
}

fn bools(expr: &Expr, columns: &[ArrayRef]) -> Result<Vec<Option<bool>>> {
    let rows = columns[0].len();
    let array = BoundExpr::bind_named(expr, registry(), &[], &["x".to_owned()])?.eval(columns, rows)?;
    Ok(array.as_boolean().iter().collect())
}

/// `10 / x > 2`
fn risky() -> Expr {
    compare(CompareOp::Gt, call("intdiv", vec![int(10), x()]).unwrap(), int(2))
}

#[test]
fn rows_that_are_decided_are_not_evaluated() {
    let input = [ints(&[Some(0), Some(2), Some(9), None])];
    let not_zero = compare(CompareOp::NotEq, x(), int(0));
    let zero = compare(CompareOp::Eq, x(), int(0));
    let want = vec![Some(false), Some(true), Some(false), None];
    assert_eq!(bools(&Expr::And(vec![not_zero.clone(), risky()]), &input).unwrap(), want);
    // The order of terms does not matter: those that cannot fail go first.
    assert_eq!(bools(&Expr::And(vec![risky(), not_zero.clone()]), &input).unwrap(), want);
    assert_eq!(bools(&Expr::Or(vec![risky(), zero]), &input).unwrap(), vec![Some(true), Some(true), Some(false), None]);
    let case = Expr::Case {
        branches: vec![(not_zero, call("intdiv", vec![int(10), x()]).unwrap())],
        otherwise: Some(int(-1).into()),
        ty: Type::INT,
    };
    let array = BoundExpr::bind(&case, registry(), &[]).unwrap().eval(&input, 4).unwrap();
    assert_eq!(
        array.as_primitive::<Int32Type>().iter().collect::<Vec<_>>(),
        vec![Some(-1), Some(5), Some(1), Some(-1)]
    );
    let error = bools(&risky(), &input).unwrap_err().to_string();
    assert_eq!(error, "division by zero in 10 / x");
}

#[test]
fn a_filter_does_not_evaluate_rows_that_are_null_already() {
    // x > 5 is NULL for the first row, so the failing cast of that row cannot matter.
    let s = column(1, Type::STRING);
    let filter =
        Expr::And(vec![compare(CompareOp::Gt, x(), int(5)), compare(CompareOp::Eq, cast(s, Type::INT), int(1))]);
    let columns: [ArrayRef; 2] = [ints(&[None, Some(9)]), Arc::new(StringArray::from(vec!["bad", "1"]))];
    let bound = BoundExpr::bind(&filter, registry(), &[]).unwrap();
    assert_eq!(bound.eval_filter(&columns, 2).unwrap(), BooleanArray::from(vec![false, true]));
    assert!(bound.eval(&columns, 2).unwrap_err().to_string().contains("cannot cast 'bad' to INT in CAST(#1 AS INT)"));
}

#[test]
fn case_takes_the_first_true_branch() {
    let branch = |op, v, then: &str| (compare(op, x(), int(v)), Expr::Literal(text(then)));
    let case = Expr::Case {
        branches: vec![
            branch(CompareOp::Lt, 0, "negative"),
            branch(CompareOp::Lt, 10, "small"),
            branch(CompareOp::Lt, 10, "never"),
        ],
        otherwise: None,
        ty: Type::STRING,
    };
    let array = BoundExpr::bind(&case, registry(), &[])
        .unwrap()
        .eval(&[ints(&[Some(5), Some(-1), None, Some(50)])], 4)
        .unwrap();
    let got: Vec<_> = array.as_string::<i32>().iter().collect();
    assert_eq!(got, vec![Some("small"), Some("negative"), None, None]);
}

#[test]
fn in_lists_with_nulls() {
    let list = |items: &[Option<i32>]| {
        let items = items.iter().map(|v| v.map_or(Scalar::Null(Type::INT), Scalar::Int)).collect();
        Expr::Literal(Scalar::List(DataType::Int, items))
    };
    let is_in = |items: &[Option<i32>], negated| Expr::In { expr: x().into(), list: list(items).into(), negated };
    let input = [ints(&[Some(5), Some(6), None])];
    assert_eq!(bools(&is_in(&[Some(5), None], false), &input).unwrap(), vec![Some(true), None, None]);
    assert_eq!(bools(&is_in(&[Some(5), None], true), &input).unwrap(), vec![Some(false), None, None]);
    assert_eq!(bools(&is_in(&[Some(5), Some(7)], true), &input).unwrap(), vec![Some(false), Some(true), None]);
    assert_eq!(bools(&is_in(&[], false), &input).unwrap(), vec![Some(false), Some(false), None]);
    // Each form of the set: bitmap, sorted, hashed.
    for step in [1, 1_000_000, 3] {
        let n = if step == 3 { 200_000 } else { 12 };
        let items: Vec<Option<i32>> = (0..n).map(|i| Some(i * step)).collect();
        let got =
            bools(&is_in(&items, false), &[ints(&[Some(0), Some(step), Some(-1), Some(11 * step), Some(i32::MIN)])])
                .unwrap();
        assert_eq!(got, [true, true, false, true, false].map(Some), "step {step}");
    }
}

#[test]
fn floats_in_comparisons_and_lists() {
    let d = column(0, Type::DOUBLE);
    let values: ArrayRef = Arc::new(Float64Array::from(vec![0.0, -0.0, f64::NAN, -f64::NAN, f64::INFINITY, -1.5]));
    let against = |op, v: f64| {
        bools(&compare(op, d.clone(), Expr::Literal(Scalar::Double(v))), std::slice::from_ref(&values)).unwrap()
    };
    let yes = |bits: [u8; 6]| bits.map(|b| Some(b == 1)).to_vec();
    assert_eq!(against(CompareOp::GtEq, 0.0), yes([1, 1, 1, 1, 1, 0]));
    assert_eq!(against(CompareOp::Eq, 0.0), yes([1, 1, 0, 0, 0, 0]));
    assert_eq!(against(CompareOp::Eq, f64::NAN), yes([0, 0, 1, 1, 0, 0]));
    assert_eq!(against(CompareOp::Lt, f64::NAN), yes([1, 1, 0, 0, 1, 1]));
    assert_eq!(against(CompareOp::Gt, f64::INFINITY), yes([0, 0, 1, 1, 0, 0]));
    let list = Scalar::List(DataType::Double, [Scalar::Double(-0.0), Scalar::Double(f64::NAN)].into());
    let is_in = Expr::In { expr: d.into(), list: Expr::Literal(list).into(), negated: false };
    assert_eq!(bools(&is_in, &[values]).unwrap(), yes([1, 1, 1, 1, 0, 0]));
}

#[test]
fn quantifiers_over_lists() {
    let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(vec![
        Some(vec![Some(9), Some(9)]), // sliced off
        Some(vec![Some(1), Some(5)]),
        Some(vec![]),
        Some(vec![None, Some(1)]),
        Some(vec![None, Some(7)]),
        None,
    ]));
    let lists = lists.slice(1, 5);
    let limit = ints(&[Some(3), Some(3), Some(3), Some(3), Some(3)]);
    let quantified = |all, predicate: Expr| Expr::Quantified {
        all,
        list: column(0, Type::multi(DataType::Int)).into(),
        predicate: predicate.into(),
    };
    let element = || Expr::Element { ty: Type::INT };
    for predicate in [
        compare(CompareOp::Gt, element(), int(3)),
        // The same limit from a column of the row.
        compare(CompareOp::Gt, element(), column(1, Type::INT)),
    ] {
        let columns = [lists.clone(), limit.clone()];
        let any = bools(&quantified(false, predicate.clone()), &columns).unwrap();
        assert_eq!(any, vec![Some(true), Some(false), None, Some(true), None]);
        let all = bools(&quantified(true, predicate), &columns).unwrap();
        assert_eq!(all, vec![Some(false), Some(true), Some(false), None, None]);
    }
}

#[test]
fn distinct_from_knows_null() {
    let expr = |negated| Expr::IsDistinct { left: x().into(), right: column(1, Type::INT).into(), negated };
    let columns = [ints(&[Some(1), Some(1), None, None]), ints(&[Some(1), Some(2), Some(1), None])];
    assert_eq!(bools(&expr(false), &columns).unwrap(), [false, true, true, false].map(Some));
    assert_eq!(bools(&expr(true), &columns).unwrap(), [true, false, false, true].map(Some));
}

#[test]
fn constants_fold_and_failing_ones_wait_for_a_row() {
    let bound = BoundExpr::bind(&call("plus", vec![int(1), int(2)]).unwrap(), registry(), &[]).unwrap();
    assert_eq!(bound.constant(), Some(&Scalar::Int(3)));
    let fails = call("divide", vec![int(1), int(0)]).unwrap();
    let bound = BoundExpr::bind(&fails, registry(), &[]).unwrap();
    assert_eq!(bound.constant(), None);
    assert_eq!(bound.eval(&[], 1).unwrap_err().to_string(), "division by zero in 1 / 0");
    // Never reached: no row is left.
    let guarded = Expr::And(vec![
        compare(CompareOp::Lt, x(), int(0)),
        compare(CompareOp::Gt, fails, Expr::Literal(Scalar::Double(0.0))),
    ]);
    assert_eq!(bools(&guarded, &[ints(&[Some(1)])]).unwrap(), vec![Some(false)]);
}

#[test]
fn parameters_are_checked() {
    let param = Expr::Param { index: 0, ty: Type::INT };
    let expr = compare(CompareOp::Eq, x(), param);
    let bound = BoundExpr::bind(&expr, registry(), &[Scalar::Int(2)]).unwrap();
    assert_eq!(bound.eval_filter(&[ints(&[Some(2), Some(3)])], 2).unwrap(), BooleanArray::from(vec![true, false]));
    assert_eq!(bound.single_column(), Some(0));
    assert!(bound.is_deterministic());
    for (params, part) in [(vec![], "parameter 0 is not bound"), (vec![text("2")], "parameter 0 is a STRING")] {
        assert!(BoundExpr::bind(&expr, registry(), &params).unwrap_err().to_string().contains(part));
    }
}

#[test]
fn bad_inputs_are_errors() {
    let bound = BoundExpr::bind(&x(), registry(), &[]).unwrap();
    assert!(bound.eval(&[], 1).is_err());
    let wrong: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    assert!(bound.eval(&[wrong], 1).is_err());
    assert!(bound.eval(&[ints(&[Some(1)])], 2).is_err());
    assert!(bound.eval_filter(&[ints(&[Some(1)])], 1).is_err());
    let mixed = compare(CompareOp::Eq, x(), Expr::Literal(text("a")));
    assert!(BoundExpr::bind(&mixed, registry(), &[]).unwrap_err().to_string().contains("without a conversion"));
}

/// On a stack as small as a shard's.
fn on_small_stack(f: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(2 << 20).spawn(f).unwrap().join().unwrap();
}

#[test]
fn wide_and_deep_expressions() {
    on_small_stack(|| {
        let equals = |v| compare(CompareOp::Eq, x(), int(v));
        let wide = Expr::Or((0..10_000).map(|i| equals(i * 2)).collect());
        let input = [ints(&[Some(19_998), Some(1)])];
        assert_eq!(bools(&wide, &input).unwrap(), vec![Some(true), Some(false)]);
        // The parser's left-deep chain of ORs.
        let chain = (1..10_000).fold(equals(0), |left, i| Expr::Or(vec![left, equals(i * 2)]));
        assert_eq!(bools(&chain, &input).unwrap(), vec![Some(true), Some(false)]);
        let deep = |n| (0..n).fold(x(), |e, _| call("plus", vec![e, int(1)]).unwrap());
        let sum = BoundExpr::bind(&deep(600), registry(), &[]).unwrap().eval(&[ints(&[Some(1)])], 1).unwrap();
        assert_eq!(sum.as_primitive::<Int32Type>().value(0), 601);
        let not = (0..5_000).fold(equals(1), |e, _| Expr::Not(e.into()));
        let error = BoundExpr::bind(&not, registry(), &[]).unwrap_err().to_string();
        assert!(error.contains("nested more than 700 levels deep"), "{error}");
    });
}

#[test]
fn expressions_as_text() {
    let names = ["x".to_owned()];
    let product = call("times", vec![call("plus", vec![x(), int(1)]).unwrap(), int(2)]).unwrap();
    assert_eq!(expr_text(&product, &names), "(x + 1) * 2");
    let like = Expr::Like {
        expr: column(1, Type::STRING).into(),
        pattern: "a'%".into(),
        escape: None,
        insensitive: false,
        negated: true,
    };
    let both = Expr::And(vec![compare(CompareOp::GtEq, cast(x(), Type::LONG), Expr::Literal(Scalar::Long(3))), like]);
    assert_eq!(expr_text(&both, &names), "(CAST(x AS LONG) >= 3) AND (#1 NOT LIKE 'a''%')");
    let long = Expr::Or((0..1000).map(|i| compare(CompareOp::Eq, x(), int(i))).collect());
    let text = expr_text(&long, &names);
    assert!(text.len() < 300 && text.ends_with("..."), "{text}");
}
