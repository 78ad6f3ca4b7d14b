//! Groups, merges, sorts and whole reduces against models.

#[path = "common/columns.rs"]
mod columns;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray, UInt32Array};
use arrow_schema::{DataType as ArrowType, Field, Schema};
use columns::{TYPES, column, registry};
use proptest::prelude::*;
use shard_plan::group::{GroupTable, NO_GROUP};
use shard_plan::memory::MemoryBudget;
use shard_plan::merge::{BoundAggregate, GroupMerger, Groups};
use shard_plan::reduce::ReduceInput;
use shard_plan::reduce_exec::Reducer;
use shard_plan::sort::{SortOptions, TopK, sort_indices};
use shard_plan::{AggregateCall, CompareOp, Error, Expr, ReducePlan, Scalar, SortKey, Type};
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering as Atomic};

fn call(function: &str, args: Vec<Expr>, ty: Type) -> AggregateCall {
    AggregateCall { function: function.into(), version: 1, args, params: vec![], filter: None, ty }
}

fn col(index: u32, ty: Type) -> Expr {
    Expr::Column { index, ty }
}

fn key(index: u32, descending: bool, nulls_first: bool) -> SortKey {
    SortKey { index, descending, nulls_first }
}

fn batch(columns: Vec<ArrayRef>) -> RecordBatch {
    let fields: Vec<Field> =
        columns.iter().enumerate().map(|(i, c)| Field::new(format!("c{i}"), c.data_type().clone(), true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("a batch")
}

/// What a leaf would send: keys and states of the rows.
fn leaf(keys: Vec<ArrayRef>, calls: &[AggregateCall], args: &[Vec<ArrayRef>], rows: usize) -> RecordBatch {
    let registry = registry();
    let bound: Vec<BoundAggregate> = calls.iter().map(|c| BoundAggregate::bind(c, &registry).expect("bound")).collect();
    let types: Vec<ArrowType> = keys.iter().map(|k| k.data_type().clone()).collect();
    let mut groups = Groups::new(&types, &bound).expect("groups");
    groups.update(&keys, args, &vec![None; calls.len()], rows).expect("an update");
    batch(groups.states().expect("states"))
}

fn groups_plan(keys: Vec<Type>, aggregates: Vec<AggregateCall>) -> ReducePlan {
    let mut output: Vec<Expr> = keys.iter().enumerate().map(|(i, ty)| col(i as u32, *ty)).collect();
    output.extend(aggregates.iter().enumerate().map(|(i, a)| col((keys.len() + i) as u32, a.ty)));
    ReducePlan {
        names: (0..output.len()).map(|i| format!("o{i}")).collect(),
        visible: output.len(),
        input: ReduceInput::Groups { keys, aggregates },
        having: None,
        output,
        order: vec![],
        offset: 0,
        limit: None,
    }
}

#[test]
fn no_keys_and_no_input_is_one_row_of_empty_states() {
    let calls = vec![
        call("count", vec![], Type::LONG),
        call("sum", vec![col(0, Type::INT)], Type::DOUBLE),
        call("min", vec![col(0, Type::INT)], Type::INT),
        call("distinctcount", vec![col(0, Type::INT)], Type::INT),
    ];
    let reducer = Reducer::new(&groups_plan(vec![], calls), &registry(), &[]).expect("a reducer");
    let answer = reducer.finish().expect("an answer");
    assert_eq!(answer.num_rows(), 1);
    assert_eq!(answer.column(0).as_primitive::<Int64Type>().value(0), 0);
    assert!(answer.column(1).is_null(0) && answer.column(2).is_null(0));
    assert_eq!(answer.column(3).as_primitive::<Int32Type>().value(0), 0);
}

#[test]
fn keys_without_input_are_no_rows() {
    for keys in [vec![Type::STRING], vec![Type::INT, Type::STRING]] {
        let plan = groups_plan(keys, vec![call("count", vec![], Type::LONG)]);
        assert_eq!(
            Reducer::new(&plan, &registry(), &[]).expect("a reducer").finish().expect("an answer").num_rows(),
            0
        );
    }
}

/// The case `topn-03-offset-over-groups` and its neighbours: groups ordered by a sum that may be NULL.
#[test]
fn having_order_offset_and_limit() {
    let g: ArrayRef = Arc::new(StringArray::from(vec![
        Some("a"),
        Some("a"),
        Some("b"),
        Some("b"),
        Some("c"),
        Some("c"),
        Some("d"),
        Some("d"),
        Some("e"),
        Some("e"),
        None,
        None,
    ]));
    let v: ArrayRef = Arc::new(Int32Array::from(vec![
        Some(10),
        None,
        Some(30),
        Some(30),
        None,
        None,
        Some(20),
        Some(10),
        Some(40),
        Some(5),
        Some(25),
        None,
    ]));
    let calls = vec![call("sum", vec![col(1, Type::INT)], Type::LONG), call("count", vec![], Type::LONG)];
    let input = leaf(vec![g.clone()], &calls, &[vec![v.clone()], vec![]], 12);
    let run = |change: &dyn Fn(&mut ReducePlan)| {
        let mut plan = groups_plan(vec![Type::STRING], calls.clone());
        change(&mut plan);
        let mut reducer = Reducer::new(&plan, &registry(), &[Scalar::Long(20)]).expect("a reducer");
        reducer.push(input.slice(0, 2)).expect("a push");
        reducer.push(input.slice(2, 4)).expect("a push");
        let answer = reducer.finish().expect("an answer");
        let keys = answer.column(0).as_string::<i32>().iter().map(|k| k.unwrap_or("NULL").to_owned());
        keys.zip(answer.column(1).as_primitive::<Int64Type>().iter()).collect::<Vec<_>>()
    };
    let own = |rows: &[(&str, Option<i64>)]| rows.iter().map(|(k, v)| ((*k).to_owned(), *v)).collect::<Vec<_>>();
    let found = run(&|plan| {
        plan.order = vec![key(0, true, false)];
        (plan.offset, plan.limit) = (1, Some(2));
    });
    assert_eq!(found, own(&[("d", Some(30)), ("c", None)]));
    let found = run(&|plan| {
        plan.order = vec![key(1, true, false), key(0, false, false)];
        plan.limit = Some(3);
    });
    assert_eq!(found, own(&[("b", Some(60)), ("e", Some(45)), ("d", Some(30))]));
    let found = run(&|plan| {
        plan.order = vec![key(1, true, true)];
        plan.limit = Some(2);
    });
    assert_eq!(found, own(&[("c", None), ("b", Some(60))]));
    // HAVING sum > ? drops NULL; a hidden output orders.
    let found = run(&|plan| {
        plan.having = Some(Expr::Compare {
            op: CompareOp::Gt,
            left: Box::new(col(1, Type::LONG)),
            right: Box::new(Expr::Param { index: 0, ty: Type::LONG }),
        });
        plan.output.swap(1, 2);
        plan.output.swap(0, 1);
        plan.output = vec![col(0, Type::STRING), col(1, Type::LONG), col(1, Type::LONG)];
        (plan.visible, plan.names) = (2, vec!["same".into(), "same".into()]);
        plan.order = vec![key(2, false, false)];
    });
    assert_eq!(found, own(&[("NULL", Some(25)), ("d", Some(30)), ("e", Some(45)), ("b", Some(60))]));
    assert!(run(&|plan| (plan.offset, plan.limit) = (100, Some(5))).is_empty());
    assert_eq!(run(&|plan| plan.limit = Some(4)).len(), 4);
}

#[test]
fn rows_are_ordered_and_cut() {
    let values: ArrayRef =
        Arc::new(Float64Array::from(vec![Some(1.0), None, Some(f64::NAN), Some(-0.0), Some(0.0), Some(f64::INFINITY)]));
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..6));
    let plan = |order, offset, limit| ReducePlan {
        input: ReduceInput::Rows { types: vec![Type::DOUBLE, Type::LONG] },
        having: None,
        output: vec![col(1, Type::LONG), col(0, Type::DOUBLE)],
        names: vec!["id".into()],
        visible: 1,
        order,
        offset,
        limit,
    };
    let run = |plan: ReducePlan| {
        let mut reducer = Reducer::new(&plan, &registry(), &[]).expect("a reducer");
        let all = batch(vec![values.clone(), ids.clone()]);
        for part in [all.slice(0, 2), all.slice(2, 0), all.slice(2, 4)] {
            reducer.push(part).expect("a push");
        }
        reducer.finish().expect("an answer").column(0).as_primitive::<Int64Type>().values().to_vec()
    };
    assert_eq!(run(plan(vec![key(1, false, true)], 0, None)), vec![1, 3, 4, 0, 5, 2]);
    assert_eq!(run(plan(vec![key(1, true, false)], 0, Some(2))), vec![2, 5]);
    assert_eq!(run(plan(vec![key(1, true, false)], 1, Some(2))), vec![5, 0]);
    assert_eq!(run(plan(vec![key(1, true, false), key(0, true, false)], 3, Some(9))), vec![4, 3, 1]);
    assert_eq!(run(plan(vec![], 0, Some(3))).len(), 3);
    assert_eq!(run(plan(vec![], 4, Some(3))).len(), 2);
    assert!(run(plan(vec![], 0, Some(0))).is_empty());
    assert!(run(plan(vec![key(1, false, false)], u64::MAX, Some(u64::MAX))).is_empty());
}

#[test]
fn an_unordered_limit_is_satisfied_early() {
    let plan = ReducePlan {
        input: ReduceInput::Rows { types: vec![Type::LONG] },
        having: None,
        output: vec![col(0, Type::LONG)],
        names: vec!["v".into()],
        visible: 1,
        order: vec![],
        offset: 1,
        limit: Some(3),
    };
    let mut reducer = Reducer::new(&plan, &registry(), &[]).expect("a reducer");
    assert!(!reducer.is_satisfied());
    reducer.push(batch(vec![Arc::new(Int64Array::from_iter_values(0..10))])).expect("a push");
    assert!(reducer.is_satisfied());
    assert_eq!(reducer.finish().expect("an answer").num_rows(), 3);
}

#[test]
fn batches_of_another_shape_are_errors() {
    let plan = groups_plan(vec![Type::STRING], vec![call("count", vec![], Type::LONG)]);
    let mut reducer = Reducer::new(&plan, &registry(), &[]).expect("a reducer");
    let strings: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    assert!(matches!(reducer.push(batch(vec![strings.clone()])), Err(Error::Plan(_))));
    assert!(matches!(reducer.push(batch(vec![strings.clone(), strings])), Err(Error::Plan(_))));
    let wrong = groups_plan(vec![], vec![call("sum", vec![col(0, Type::STRING)], Type::LONG)]);
    assert!(matches!(Reducer::new(&wrong, &registry(), &[]), Err(Error::Signature(_))));
    let old = groups_plan(vec![], vec![AggregateCall { version: 7, ..call("count", vec![], Type::LONG) }]);
    assert!(matches!(Reducer::new(&old, &registry(), &[]), Err(Error::Plan(_))));
}

#[derive(Debug)]
struct Limited {
    held: AtomicUsize,
    limit: usize,
}

impl MemoryBudget for Limited {
    fn reserve(&self, bytes: usize) -> shard_plan::Result<()> {
        if self.held.load(Atomic::Relaxed) + bytes > self.limit {
            return Err(Error::Memory(format!("the query holds more than {} bytes", self.limit)));
        }
        self.held.fetch_add(bytes, Atomic::Relaxed);
        Ok(())
    }

    fn release(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Atomic::Relaxed);
    }
}

#[test]
fn the_budget_ends_a_query_and_gets_everything_back() {
    let calls = vec![call("count", vec![], Type::LONG)];
    let input = leaf(vec![Arc::new(Int64Array::from_iter_values(0..50_000))], &calls, &[vec![]], 50_000);
    for (limit, fits) in [(100 << 20, true), (1 << 20, false)] {
        let budget = Arc::new(Limited { held: AtomicUsize::new(0), limit });
        let plan = groups_plan(vec![Type::LONG], calls.clone());
        let mut reducer = Reducer::with_budget(&plan, &registry(), &[], budget.clone()).expect("a reducer");
        let pushed = reducer.push(input.clone());
        assert_eq!(pushed.is_ok(), fits, "{pushed:?}");
        if !fits {
            assert!(matches!(pushed, Err(Error::Memory(_))));
        } else {
            assert!(budget.held.load(Atomic::Relaxed) > 50_000 * 16);
        }
        drop(reducer);
        assert_eq!(budget.held.load(Atomic::Relaxed), 0);
    }
}

#[test]
fn the_groups_limit_acts_only_when_set() {
    let calls = vec![call("count", vec![], Type::LONG)];
    let keys: [ArrayRef; 3] = [
        Arc::new(Int64Array::from(vec![Some(1), None, Some(2), Some(1), Some(3), None])),
        Arc::new(StringArray::from(vec![Some("1"), None, Some("2"), Some("1"), Some("3"), None])),
        Arc::new(Float64Array::from(vec![Some(1.0), None, Some(2.0), Some(1.0), Some(3.0), None])),
    ];
    for key in keys {
        for both in [false, true] {
            let (columns, types) = if both { (vec![key.clone(), key.clone()], 2) } else { (vec![key.clone()], 1) };
            let ty = match key.data_type() {
                ArrowType::Int64 => Type::LONG,
                ArrowType::Utf8 => Type::STRING,
                _ => Type::DOUBLE,
            };
            let input = leaf(columns, &calls, &[vec![]], 6);
            let plan = groups_plan(vec![ty; types], calls.clone());
            for (limit, groups, reached) in [(Some(2), 2, true), (Some(4), 4, false), (None, 4, false)] {
                let mut reducer = Reducer::new(&plan, &registry(), &[]).expect("a reducer");
                if let Some(limit) = limit {
                    reducer.limit_groups(limit).expect("a limit");
                }
                // Twice: rows of known groups are still counted past the limit.
                reducer.push(input.clone()).expect("a push");
                reducer.push(input.clone()).expect("a push");
                assert_eq!(reducer.groups_limit_reached(), reached);
                let answer = reducer.finish().expect("an answer");
                assert_eq!(answer.num_rows(), groups);
                assert_eq!(answer.column(types).as_primitive::<Int64Type>().value(0), 4);
            }
        }
    }
}

/// More rows than a top keeps: what sorts after its worst row is dropped on the way.
#[test]
fn a_long_stream_keeps_its_top() {
    let mut values: Vec<i64> = (0..100_000).map(|i| (i * 7919) % 100_003).collect();
    let mut top = TopK::new(&[ArrowType::Int64], &[key(0, true, false)], 25).expect("a top");
    let mut largest = 0;
    for part in values.chunks(1000) {
        top.push(&[Arc::new(Int64Array::from(part.to_vec())) as ArrayRef]).expect("a push");
        largest = largest.max(top.size());
    }
    assert!(largest < 200_000, "{largest} bytes held for 25 rows");
    let found = top.finish().expect("rows").expect("some");
    values.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!(found[0].as_primitive::<Int64Type>().values().to_vec(), values[..25]);
}

/// Past 100,000 rows the merge is partitioned: the same groups, whatever the step.
#[test]
fn a_large_merge_is_the_small_ones_answer() {
    let calls = vec![call("sum", vec![col(1, Type::LONG)], Type::LONG), call("count", vec![], Type::LONG)];
    let registry = registry();
    let types = [Type::LONG, Type::STRING];
    let mut merger = GroupMerger::new(&types, &calls, &registry).expect("a merger");
    let mut model: HashMap<(i64, String), (i64, i64)> = HashMap::new();
    for part in 0..6i64 {
        let rows = 40_000;
        let ids: Vec<i64> = (0..rows).map(|i| (i * 7919 + part * 31) % 30_011).collect();
        let names: Vec<String> = ids.iter().map(|id| format!("name{}", id % 977)).collect();
        for (id, name) in ids.iter().zip(&names) {
            let entry = model.entry((*id, name.clone())).or_default();
            *entry = (entry.0 + id * part, entry.1 + 1);
        }
        let values: ArrayRef = Arc::new(Int64Array::from_iter_values(ids.iter().map(|id| id * part)));
        let keys: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(ids)), Arc::new(StringArray::from(names))];
        merger.push(leaf(keys, &calls, &[vec![values], vec![]], rows as usize).columns()).expect("a push");
        // Some merged in steps before the rest comes.
        while part % 2 == 0 && !merger.step(5000).expect("a step") {}
    }
    let mut steps = 0;
    while !merger.step(1000).expect("a step") {
        steps += 1;
    }
    assert!(steps > 29, "{steps} steps are not bounded work");
    let groups = merger.groups();
    let mut parts = Vec::new();
    merger
        .finish(|columns, _| {
            parts.push(columns);
            Ok(())
        })
        .expect("groups");
    let columns = shard_plan::sort::concat(&parts).expect("columns");
    let names = columns[1].as_string::<i32>();
    let mut found = HashMap::new();
    for row in 0..groups {
        let number = |i: usize| columns[i].as_primitive::<Int64Type>().value(row);
        found.insert((number(0), names.value(row).to_owned()), (number(2), number(3)));
    }
    assert_eq!(found.len(), groups);
    assert_eq!(found, model);
}

fn cell() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![1 => Just(None), 5 => (-6i64..6).prop_map(Some)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Equal key rows and only they share a group, in order of first appearance, for keys of every type.
    #[test]
    fn groups_are_distinct_rows(rows in prop::collection::vec((cell(), cell()), 0..80), cut in any::<prop::sample::Index>()) {
        let first: Vec<Option<i64>> = rows.iter().map(|r| r.0).collect();
        let second: Vec<Option<i64>> = rows.iter().map(|r| r.1).collect();
        let cut = if rows.is_empty() { 0 } else { cut.index(rows.len()) };
        for (n, data) in TYPES.into_iter().enumerate() {
            let other = TYPES[(n * 3 + 1) % TYPES.len()];
            for keys in [vec![column(data, &first)], vec![column(data, &first), column(other, &second)]] {
                let types: Vec<ArrowType> = keys.iter().map(|k| k.data_type().clone()).collect();
                let mut table = GroupTable::new(&types).expect("a table");
                let (mut ids, mut all) = (Vec::new(), Vec::new());
                for (from, len) in [(0, cut), (cut, rows.len() - cut)] {
                    let part: Vec<ArrayRef> = keys.iter().map(|k| k.slice(from, len)).collect();
                    table.assign(&part, len, &mut ids).expect("ids");
                    all.extend_from_slice(&ids);
                }
                let text = |keys: &[ArrayRef], row: usize| keys.iter().map(|k| format!("{:?}", k.slice(row, 1))).collect::<String>();
                let mut model: Vec<String> = Vec::new();
                let expected: Vec<u32> = (0..rows.len()).map(|row| {
                    let text = text(&keys, row);
                    let id = model.iter().position(|m| *m == text).unwrap_or_else(|| { model.push(text); model.len() - 1 });
                    id as u32
                }).collect();
                prop_assert_eq!(&all, &expected);
                let back = table.keys().expect("keys");
                prop_assert_eq!((0..table.len()).map(|row| text(&back, row)).collect::<Vec<_>>(), model);
                prop_assert!(!all.contains(&NO_GROUP));
            }
        }
    }

    /// Sorts and streamed tops against a comparison by hand.
    #[test]
    fn sorts_are_the_models(rows in prop::collection::vec((cell(), cell()), 0..120), descending in any::<(bool, bool)>(), nulls_first in any::<(bool, bool)>(), limit in 0usize..130) {
        let first: Vec<Option<i64>> = rows.iter().map(|r| r.0).collect();
        let second: Vec<Option<i64>> = rows.iter().map(|r| r.1).collect();
        let order = |a: Option<i64>, b: Option<i64>, descending: bool, nulls_first: bool| match (a, b) {
            (None, None) => Ordering::Equal,
            (None, _) => if nulls_first { Ordering::Less } else { Ordering::Greater },
            (_, None) => if nulls_first { Ordering::Greater } else { Ordering::Less },
            (Some(a), Some(b)) => if descending { b.cmp(&a) } else { a.cmp(&b) },
        };
        let mut expected: Vec<u32> = (0..rows.len() as u32).collect();
        expected.sort_by(|a, b| {
            let (a, b) = (rows[*a as usize], rows[*b as usize]);
            order(a.0, b.0, descending.0, nulls_first.0).then(order(a.1, b.1, descending.1, nulls_first.1))
        });
        expected.truncate(limit);
        use segfmt::DataType::{BigDecimal, Double, Int, Long, Timestamp};
        for (a, b) in [(Int, BigDecimal), (BigDecimal, Double), (Timestamp, Long)] {
            let columns = [column(a, &first), column(b, &second)];
            let options = [
                SortOptions { descending: descending.0, nulls_first: nulls_first.0 },
                SortOptions { descending: descending.1, nulls_first: nulls_first.1 },
            ];
            let keys = [(columns[0].clone(), options[0]), (columns[1].clone(), options[1])];
            prop_assert_eq!(sort_indices(&keys, Some(limit)).expect("an order"), UInt32Array::from(expected.clone()));
            let ids: ArrayRef = Arc::new(UInt32Array::from_iter_values(0..rows.len() as u32));
            let types = [ArrowType::UInt32, columns[0].data_type().clone(), columns[1].data_type().clone()];
            let keys = [key(1, descending.0, nulls_first.0), key(2, descending.1, nulls_first.1)];
            let mut top = TopK::new(&types, &keys, limit).expect("a top");
            for from in (0..rows.len()).step_by(17) {
                let len = 17.min(rows.len() - from);
                top.push(&[ids.slice(from, len), columns[0].slice(from, len), columns[1].slice(from, len)]).expect("a push");
            }
            let found = top.finish().expect("rows").map_or_else(Vec::new, |c| c[0].as_primitive::<arrow_array::types::UInt32Type>().values().to_vec());
            prop_assert_eq!(&found, &expected);
        }
    }

    /// Rows cut over leaves, their states reduced: the answer of a model.
    #[test]
    fn reduces_are_the_models(rows in prop::collection::vec((cell(), cell(), 0..3usize), 0..100)) {
        let calls = vec![
            call("sum", vec![col(1, Type::INT)], Type::DOUBLE),
            call("count", vec![col(1, Type::INT)], Type::LONG),
            call("max", vec![col(1, Type::INT)], Type::INT),
        ];
        let mut plan = groups_plan(vec![Type::INT], calls.clone());
        plan.order = vec![key(0, false, true)];
        let mut reducer = Reducer::new(&plan, &registry(), &[]).expect("a reducer");
        for part in 0..3 {
            let of: Vec<_> = rows.iter().filter(|r| r.2 == part).collect();
            let keys = column(segfmt::DataType::Int, &of.iter().map(|r| r.0).collect::<Vec<_>>());
            let values = column(segfmt::DataType::Int, &of.iter().map(|r| r.1).collect::<Vec<_>>());
            reducer.push(leaf(vec![keys], &calls, &[vec![values.clone()], vec![values.clone()], vec![values]], of.len())).expect("a push");
        }
        let mut model: BTreeMap<Option<i64>, (Option<i64>, i64, Option<i64>)> = BTreeMap::new();
        for (key, value, _) in &rows {
            let entry = model.entry(*key).or_default();
            if let Some(value) = value {
                *entry = (Some(entry.0.unwrap_or(0) + value), entry.1 + 1, Some(entry.2.map_or(*value, |m| m.max(*value))));
            }
        }
        let answer = reducer.finish().expect("an answer");
        let found: Vec<_> = (0..answer.num_rows()).map(|row| {
            let int = |i: usize| { let c = answer.column(i).as_primitive::<Int32Type>(); c.is_valid(row).then(|| i64::from(c.value(row))) };
            let sum = answer.column(1).as_primitive::<Float64Type>();
            let sum = sum.is_valid(row).then(|| sum.value(row) as i64);
            (int(0), (sum, answer.column(2).as_primitive::<Int64Type>().value(row), int(3)))
        }).collect();
        prop_assert_eq!(found, model.into_iter().collect::<Vec<_>>());
    }
}
