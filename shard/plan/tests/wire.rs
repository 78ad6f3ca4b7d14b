//! The wire form: every plan survives it, no bytes break it.

use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{Field, Schema};
use proptest::prelude::*;
use segfmt::DataType;
use shard_plan::wire::{
    MAX_DEPTH, MAX_PLAN_BYTES, decode_batches, decode_leaf, decode_params, encode_batches, encode_leaf, encode_params,
};
use shard_plan::{
    AggregateCall, ColumnRef, CompareOp, Error, Expr, LeafOptions, LeafPlan, Output, Scalar, SortKey, Type,
};
use std::sync::Arc;

const TYPES: [DataType; 10] = [
    DataType::Int,
    DataType::Long,
    DataType::Float,
    DataType::Double,
    DataType::BigDecimal,
    DataType::Boolean,
    DataType::Timestamp,
    DataType::String,
    DataType::Json,
    DataType::Bytes,
];

fn single_scalar(data: DataType) -> BoxedStrategy<Scalar> {
    let null = Just(Scalar::Null(Type::single(data)));
    let value = match data {
        DataType::Int => any::<i32>().prop_map(Scalar::Int).boxed(),
        DataType::Long => any::<i64>().prop_map(Scalar::Long).boxed(),
        DataType::Float => (-1e30f32..1e30).prop_map(Scalar::Float).boxed(),
        DataType::Double => (-1e300f64..1e300).prop_map(Scalar::Double).boxed(),
        DataType::BigDecimal => (any::<i64>(), 0..9u32)
            .prop_map(|(v, scale)| {
                Scalar::BigDecimal(segfmt::decimal::parse(&format!("{v}e-{scale}")).expect("a decimal").into())
            })
            .boxed(),
        DataType::Boolean => any::<bool>().prop_map(Scalar::Boolean).boxed(),
        DataType::Timestamp => any::<i64>().prop_map(Scalar::Timestamp).boxed(),
        DataType::String => "\\PC{0,8}".prop_map(|s| Scalar::String(s.into())).boxed(),
        DataType::Json => "[0-9]{1,3}".prop_map(|s| Scalar::Json(s.into())).boxed(),
        DataType::Bytes => prop::collection::vec(any::<u8>(), 0..6).prop_map(|b| Scalar::Bytes(b.into())).boxed(),
    };
    prop_oneof![1 => null, 6 => value].boxed()
}

fn list_scalar(data: DataType) -> BoxedStrategy<Scalar> {
    prop::collection::vec(single_scalar(data), 0..5).prop_map(move |v| Scalar::List(data, v.into())).boxed()
}

fn data() -> impl Strategy<Value = DataType> {
    prop::sample::select(TYPES.to_vec())
}

/// Column `i` is of type `TYPES[i]`, column `10 + i` its multi-value form.
fn columns(names: &[String], nulls: &[bool]) -> BoxedStrategy<Vec<ColumnRef>> {
    let (names, nulls) = (names.to_vec(), nulls.to_vec());
    (0..20usize)
        .map(|i| {
            let (name, nulls) = (names[i % names.len()].clone(), nulls[i % nulls.len()]);
            let ty = Type { data: TYPES[i % 10], multi: i >= 10 };
            single_scalar(ty.data).prop_map(move |default| ColumnRef { name: name.clone(), ty, nulls, default })
        })
        .collect::<Vec<_>>()
        .boxed()
}

fn leaf_expr(data: DataType) -> BoxedStrategy<Expr> {
    let ty = Type::single(data);
    let index = TYPES.iter().position(|t| *t == data).expect("listed") as u32;
    prop_oneof![
        Just(Expr::Column { index, ty }),
        single_scalar(data).prop_map(Expr::Literal),
        (0..9u32).prop_map(move |index| Expr::Param { index, ty }),
    ]
    .boxed()
}

fn typed(depth: u32, data: DataType) -> BoxedStrategy<Expr> {
    if depth == 0 {
        return leaf_expr(data);
    }
    let ty = Type::single(data);
    let call = ("[a-z]{1,6}", 1..3u32, prop::collection::vec(any_expr(depth - 1), 0..3))
        .prop_map(move |(function, version, args)| Expr::Call { function, version, args, ty });
    let case = (
        prop::collection::vec((boolean(depth - 1), typed(depth - 1, data)), 1..3),
        prop::option::of(typed(depth - 1, data)),
    )
        .prop_map(move |(branches, otherwise)| Expr::Case { branches, otherwise: otherwise.map(Box::new), ty });
    let cast = (any_expr(depth - 1), any::<bool>()).prop_map(move |(expr, lenient)| Expr::Cast {
        expr: Box::new(expr),
        to: ty,
        lenient,
    });
    let plain = prop_oneof![leaf_expr(data), call, case, cast];
    if data == DataType::Boolean { prop_oneof![plain, boolean(depth)].boxed() } else { plain.boxed() }
}

fn any_expr(depth: u32) -> BoxedStrategy<Expr> {
    data().prop_flat_map(move |data| typed(depth, data)).boxed()
}

fn boolean(depth: u32) -> BoxedStrategy<Expr> {
    if depth == 0 {
        return leaf_expr(DataType::Boolean);
    }
    let below = depth - 1;
    use CompareOp::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    let pair = move || data().prop_flat_map(move |data| (typed(below, data), typed(below, data)));
    prop_oneof![
        (prop::sample::select(vec![Eq, NotEq, Lt, LtEq, Gt, GtEq]), pair())
            .prop_map(|(op, (left, right))| Expr::Compare { op, left: Box::new(left), right: Box::new(right) }),
        (data().prop_flat_map(move |data| (typed(below, data), list_scalar(data))), any::<bool>()).prop_map(
            |((expr, list), negated)| Expr::In { expr: Box::new(expr), list: Box::new(Expr::Literal(list)), negated }
        ),
        (typed(below, DataType::String), "\\PC{0,6}", prop::option::of(any::<char>()), any::<(bool, bool)>()).prop_map(
            |(expr, pattern, escape, (insensitive, negated))| Expr::Like {
                expr: Box::new(expr),
                pattern,
                escape,
                insensitive,
                negated
            }
        ),
        prop::collection::vec(boolean(below), 0..4).prop_map(Expr::And),
        prop::collection::vec(boolean(below), 0..4).prop_map(Expr::Or),
        boolean(below).prop_map(|e| Expr::Not(Box::new(e))),
        (any_expr(below), any::<bool>()).prop_map(|(e, negated)| Expr::IsNull { expr: Box::new(e), negated }),
        (pair(), any::<bool>()).prop_map(|((l, r), negated)| Expr::IsDistinct {
            left: Box::new(l),
            right: Box::new(r),
            negated
        }),
        (0..10u32, any::<bool>(), any::<bool>()).prop_map(|(i, all, negated)| {
            let data = TYPES[i as usize];
            let element = Expr::Element { ty: Type::single(data) };
            Expr::Quantified {
                all,
                list: Box::new(Expr::Column { index: 10 + i, ty: Type::multi(data) }),
                predicate: Box::new(Expr::IsNull { expr: Box::new(element), negated }),
            }
        }),
    ]
    .boxed()
}

fn call() -> impl Strategy<Value = AggregateCall> {
    (
        "[a-z]{1,8}",
        1..4u32,
        prop::collection::vec(any_expr(1), 0..3),
        prop::collection::vec(data().prop_flat_map(single_scalar), 0..3),
        prop::option::of(boolean(2)),
        (data(), any::<bool>()),
    )
        .prop_map(|(function, version, args, params, filter, (data, multi))| AggregateCall {
            function,
            version,
            args,
            params,
            filter,
            ty: Type { data, multi },
        })
}

fn output() -> impl Strategy<Value = Output> {
    let rows = (
        prop::collection::vec(any_expr(2), 1..4),
        prop::collection::vec((any::<prop::sample::Index>(), any::<(bool, bool)>()), 0..3),
        prop::option::of(any::<u64>()),
    )
        .prop_map(|(exprs, order, limit)| {
            let key = |(index, (descending, nulls_first)): (prop::sample::Index, (bool, bool))| SortKey {
                index: index.index(exprs.len()) as u32,
                descending,
                nulls_first,
            };
            let order = order.into_iter().map(key).collect();
            Output::Rows { exprs, order, limit }
        });
    let groups =
        (prop::collection::vec(any_expr(2), 0..3), prop::collection::vec(call(), 0..3), prop::option::of(any::<u64>()))
            .prop_map(|(keys, aggregates, limit)| Output::Groups { keys, aggregates, limit });
    prop_oneof![rows, groups]
}

fn plan() -> impl Strategy<Value = LeafPlan> {
    let options =
        (any::<bool>(), prop::collection::vec(("[a-z]{1,4}", "[a-z]{1,4}"), 0..3), prop::option::of(any::<u64>()))
            .prop_map(|(use_star_tree, skip_indexes, num_groups_limit)| LeafOptions {
                use_star_tree,
                skip_indexes,
                num_groups_limit,
            });
    (
        "\\PC{0,10}",
        columns(&["a".into(), "Größe".into(), String::new()], &[true, false]),
        prop::option::of(boolean(3)),
        output(),
        options,
    )
        .prop_map(|(table, columns, filter, output, options)| LeafPlan { table, columns, filter, output, options })
}

proptest! {
    #[test]
    fn plans_survive(plan in plan()) {
        prop_assert_eq!(plan.validate().map_err(|e| e.to_string()), Ok(()));
        let bytes = encode_leaf(&plan);
        prop_assert_eq!(decode_leaf(&bytes).map_err(|e| e.to_string()), Ok(plan));
    }

    #[test]
    fn params_survive(params in prop::collection::vec(data().prop_flat_map(|d| prop_oneof![single_scalar(d), list_scalar(d)]), 0..6)) {
        prop_assert_eq!(decode_params(&encode_params(&params)).map_err(|e| e.to_string()), Ok(params));
    }

    /// Changed, cut and repeated bytes are an error or another valid plan.
    #[test]
    fn mutated_plans_do_not_panic(plan in plan(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 1..6)) {
        let mut bytes = encode_leaf(&plan);
        for (at, byte, how) in changes {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match how {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, byte),
                2 => { bytes.remove(at); }
                _ => bytes[at] = byte,
            }
        }
        if let Ok(plan) = decode_leaf(&bytes) {
            prop_assert!(plan.validate().is_ok());
        }
        let _either = decode_params(&bytes);
    }

    #[test]
    fn random_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _either = decode_leaf(&bytes);
        prop_assert!(decode_batches(&bytes, 1 << 20).is_err());
    }

    /// Bytes changed under a right checksum reach the decoder of the stream itself.
    #[test]
    fn mutated_batches_do_not_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4), cut in prop::option::of(any::<prop::sample::Index>())) {
        let batches = sample();
        let mut bytes = encode_batches(&batches[0].schema(), &batches).expect("bytes");
        for (at, byte) in changes {
            let at = 24 + at.index(bytes.len() - 24);
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(24 + cut.index(bytes.len() - 24));
        }
        let length = (bytes.len() - 24) as u64;
        bytes[8..16].copy_from_slice(&length.to_le_bytes());
        let hash = xxhash_rust::xxh3::xxh3_64(&bytes[24..]);
        bytes[16..24].copy_from_slice(&hash.to_le_bytes());
        if let Ok(batches) = decode_batches(&bytes, 1 << 20) {
            for batch in batches {
                for column in batch.columns() {
                    prop_assert!(column.to_data().validate_full().is_ok());
                }
            }
        }
    }
}

fn sample() -> Vec<RecordBatch> {
    let lists = {
        let mut builder = arrow_array::builder::ListBuilder::new(arrow_array::builder::Int64Builder::new());
        builder.append_value([Some(1), None]);
        builder.append_null();
        builder.append_value([Some(7)]);
        builder.finish()
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec![Some("a"), None, Some("größer")])),
        Arc::new(Float64Array::from(vec![1.5, f64::NAN, -0.0])),
        Arc::new(lists),
        Arc::new(
            arrow_array::Decimal128Array::from(vec![Some(1i128 << 100), None, Some(-1)])
                .with_precision_and_scale(38, 0)
                .expect("a sum"),
        ),
    ];
    let fields: Vec<Field> =
        columns.iter().enumerate().map(|(i, c)| Field::new(format!("c{i}"), c.data_type().clone(), true)).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("a batch");
    vec![batch.clone(), batch.slice(1, 2), batch.slice(0, 0)]
}

#[test]
fn batches_survive_and_changes_are_found() {
    let batches = sample();
    let bytes = encode_batches(&batches[0].schema(), &batches).expect("bytes");
    assert_eq!(format!("{:?}", decode_batches(&bytes, 1 << 20).expect("batches")), format!("{batches:?}"));
    assert!(
        decode_batches(&encode_batches(&batches[0].schema(), &[]).expect("bytes"), 1 << 20).expect("none").is_empty()
    );
    assert!(matches!(decode_batches(&bytes, bytes.len() - 1), Err(Error::Memory(_))));
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        assert!(decode_batches(&changed, 1 << 20).is_err(), "byte {at}");
        assert!(decode_batches(&bytes[..at], 1 << 20).is_err(), "cut at {at}");
    }
}

fn counting(filter: Expr) -> LeafPlan {
    LeafPlan {
        table: "t".into(),
        columns: vec![ColumnRef { name: "b".into(), ty: Type::BOOLEAN, nulls: true, default: Scalar::Boolean(false) }],
        filter: Some(filter),
        output: Output::Groups { keys: vec![], aggregates: vec![], limit: None },
        options: LeafOptions::default(),
    }
}

#[test]
fn nesting_is_limited_without_recursion() {
    let nested = |depth: usize| {
        let mut expr = Expr::Column { index: 0, ty: Type::BOOLEAN };
        for _ in 1..depth {
            expr = Expr::Not(Box::new(expr));
        }
        counting(expr)
    };
    assert!(decode_leaf(&encode_leaf(&nested(MAX_DEPTH))).is_ok());
    let error = decode_leaf(&encode_leaf(&nested(MAX_DEPTH + 1))).expect_err("too deep").to_string();
    assert!(error.contains("nested"), "{error}");
    let error = decode_leaf(&encode_leaf(&nested(5_000))).expect_err("too deep").to_string();
    assert!(error.contains("nested"), "{error}");
}

#[test]
fn wide_conditions_pass() {
    let terms =
        (0..10_000).map(|i| Expr::IsNull { expr: Box::new(Expr::Literal(Scalar::Int(i))), negated: false }).collect();
    let plan = counting(Expr::Or(terms));
    assert_eq!(decode_leaf(&encode_leaf(&plan)).expect("a plan"), plan);
}

#[test]
fn inconsistent_plans_are_refused() {
    let b = || Expr::Column { index: 0, ty: Type::BOOLEAN };
    let refused = |plan: LeafPlan, part: &str| {
        let error = decode_leaf(&encode_leaf(&plan)).expect_err(part).to_string();
        assert!(error.contains(part), "{error}");
    };
    refused(counting(Expr::Column { index: 1, ty: Type::BOOLEAN }), "column 1 of 1");
    refused(counting(Expr::Column { index: 0, ty: Type::INT }), "BOOLEAN and INT");
    refused(counting(Expr::Literal(Scalar::Int(1))), "not BOOLEAN");
    refused(counting(Expr::Element { ty: Type::BOOLEAN }), "outside a quantifier");
    let compare =
        Expr::Compare { op: CompareOp::Eq, left: Box::new(b()), right: Box::new(Expr::Literal(Scalar::Int(1))) };
    refused(counting(compare), "a comparison has BOOLEAN and INT");
    refused(counting(Expr::In { expr: Box::new(b()), list: Box::new(b()), negated: false }), "the list of IN");
    refused(counting(Expr::And(vec![Expr::Literal(Scalar::Int(1))])), "an operand of AND or OR");
    let mut plan = counting(b());
    plan.columns[0].default = Scalar::Int(0);
    refused(plan, "its default INT");
    let mut plan = counting(b());
    plan.output = Output::Rows {
        exprs: vec![b()],
        order: vec![SortKey { index: 1, descending: false, nulls_first: false }],
        limit: None,
    };
    refused(plan, "sort key names value 1 of 1");
}

#[test]
fn lengths_and_versions_are_checked_first() {
    let error = decode_leaf(&vec![0; MAX_PLAN_BYTES + 1]).expect_err("too long").to_string();
    assert!(error.contains("at most"), "{error}");
    let mut bytes = encode_leaf(&counting(Expr::Column { index: 0, ty: Type::BOOLEAN }));
    assert_eq!(bytes[..2], [0x08, 0x01]);
    bytes[1] = 9;
    let error = decode_leaf(&bytes).expect_err("another version").to_string();
    assert!(error.contains("version 9"), "{error}");
    // Later tags are skipped: field 900 of bytes.
    bytes[1] = 1;
    bytes.extend_from_slice(&[0xa2, 0x38, 0x02, 1, 2]);
    assert!(decode_leaf(&bytes).is_ok());
}

/// The bytes of one plan and of its parameters, which servers of another build send.
#[test]
fn the_encoding_is_pinned() {
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let plan = counting(Expr::IsNull { expr: Box::new(Expr::Column { index: 0, ty: Type::BOOLEAN }), negated: true });
    assert_eq!(hex(&encode_leaf(&plan)), "08011201741a0c0b0a01621006180122023800220c040801200606080a1001280132003a00");
    assert_eq!(
        hex(&encode_params(&[Scalar::Long(-1), Scalar::List(DataType::Int, Arc::new([Scalar::Int(7)]))])),
        "0801120d0218010962070801120302100e"
    );
    let batch = RecordBatch::try_new(
        Arc::new(Schema::new(vec![Field::new("v", arrow_schema::DataType::Int64, true)])),
        vec![Arc::new(Int64Array::from(vec![1]))],
    );
    assert_eq!(hex(&encode_batches(&batch.expect("a batch").schema(), &[]).expect("bytes")[..8]), "47414d4201000000");
}
