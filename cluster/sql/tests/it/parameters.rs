//! A plan with values bound again answers as a plan made afresh (E-3).

use crate::common::{World, column, rows, table_info};
use cluster_sql::{Planner, PlannerOptions, Profile};
use proptest::prelude::*;
use shard_plan::{Scalar, Type};
use std::sync::Arc;

fn world() -> World {
    let mut world = World::new();
    let columns = vec![
        column("i", Type::INT),
        column("l", Type::LONG),
        column("d", Type::DOUBLE),
        column("s", Type::STRING),
        column("t", Type::TIMESTAMP),
    ];
    let n = 60i64;
    let values = vec![
        (0..n).map(|k| if k % 7 == 0 { Scalar::Null(Type::INT) } else { Scalar::Int((k % 11) as i32 - 3) }).collect(),
        (0..n).map(|k| Scalar::Long((k * 37) % 23 - 5)).collect(),
        (0..n).map(|k| Scalar::Double((k % 9) as f64 / 2.0)).collect(),
        (0..n).map(|k| Scalar::String(format!("{}", k % 6).into())).collect(),
        (0..n).map(|k| Scalar::Timestamp(k * 3_600_000)).collect(),
    ];
    world.add(table_info("t", columns), values);
    world
}

fn literal() -> impl Strategy<Value = String> {
    prop_oneof![
        (-6i64..12).prop_map(|v| v.to_string()),
        (-6i64..12).prop_map(|v| format!("{v}.0")),
        (-6i64..12).prop_map(|v| format!("{v}.5")),
        (0i64..7).prop_map(|v| format!("'{v}'")),
        Just("5000000000".to_owned()),
        (0u32..24).prop_map(|h| format!("'1970-01-02 {h:02}:00:00'")),
    ]
}

fn predicate() -> impl Strategy<Value = String> {
    let column = prop_oneof![Just("i"), Just("l"), Just("d"), Just("s"), Just("t")];
    let op = prop_oneof![Just("="), Just("<>"), Just("<"), Just("<="), Just(">"), Just(">=")];
    prop_oneof![
        (column.clone(), op.clone(), literal()).prop_map(|(c, o, v)| format!("{c} {o} {v}")),
        (column.clone(), op, literal()).prop_map(|(c, o, v)| format!("{v} {o} {c}")),
        (column.clone(), literal(), literal()).prop_map(|(c, a, b)| format!("{c} BETWEEN {a} AND {b}")),
        (column.clone(), prop::collection::vec(literal(), 1..5))
            .prop_map(|(c, v)| format!("{c} IN ({})", v.join(", "))),
        (column, prop::collection::vec(literal(), 1..5))
            .prop_map(|(c, v)| format!("NOT {c} NOT IN ({})", v.join(", "))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn bound_again_is_planned_afresh(pairs in prop::collection::vec((predicate(), predicate()), 1..6)) {
        let warm = Arc::new(world());
        for (a, b) in pairs {
            let sql = format!("SELECT i, l, s FROM t WHERE {a} OR {b} ORDER BY l, i, s");
            let request = warm.request(&sql, "", Profile::Mse);
            let cold = Planner::with_options(warm.registry.clone(), PlannerOptions { cache_entries: 0, ..PlannerOptions::default() });
            let fresh = cold.plan(&request, warm.as_ref()).and_then(|p| warm.run(&p)).map(|r| rows(&r));
            let bound = warm.planner.plan(&request, warm.as_ref()).and_then(|p| warm.run(&p)).map(|r| rows(&r));
            match (fresh, bound) {
                (Ok(fresh), Ok(bound)) => prop_assert_eq!(fresh, bound, "{}", sql),
                (Err(fresh), Err(bound)) => prop_assert_eq!(fresh.code, bound.code, "{}", sql),
                (fresh, bound) => prop_assert!(false, "{sql}: {fresh:?} / {bound:?}"),
            }
        }
    }
}

#[test]
fn one_shape_one_plan() {
    let world = Arc::new(world());
    let plan = |sql: &str| world.planner.plan(&world.request(sql, "", Profile::Mse), world.as_ref()).unwrap();
    let first = plan("SELECT count(*) FROM t WHERE i = 5 AND s IN ('1', '2')");
    let second = plan("SELECT count(*) FROM t /* other values */ WHERE i = -2 AND s IN ('3','4','5')");
    assert!(!first.cached);
    let third = plan("SELECT count(*) FROM t WHERE i = 7 AND s IN ('3', '4', '5')");
    assert!(third.cached);
    assert!(Arc::ptr_eq(&first.plan, &third.plan));
    assert_eq!(third.params[0], Scalar::Int(7));
    assert!(!second.cached, "a minus is part of the shape");
    // A literal that is no operand of a comparison with a column stays in the key.
    let ten = plan("SELECT i FROM t WHERE i = 1 LIMIT 10");
    let five = plan("SELECT i FROM t WHERE i = 1 LIMIT 5");
    assert!(!five.cached && !Arc::ptr_eq(&ten.plan, &five.plan));
    assert!(plan("SELECT i FROM t WHERE i = 3 LIMIT 5").cached);
}

#[test]
fn a_new_version_of_a_table_makes_a_new_plan() {
    let mut before = world();
    let sql = "SELECT i FROM t WHERE i = 1";
    let planner = Planner::new(before.registry.clone());
    assert!(!planner.plan(&before.request(sql, "", Profile::Mse), &before).unwrap().cached);
    assert!(planner.plan(&before.request(sql, "", Profile::Mse), &before).unwrap().cached);
    let table = before.tables.remove("t").unwrap();
    let mut info = table.info.as_ref().clone();
    info.version += 1;
    before.add(info, table.columns);
    assert!(!planner.plan(&before.request(sql, "", Profile::Mse), &before).unwrap().cached);
}

#[test]
fn the_cache_is_bounded() {
    let world = world();
    let options = PlannerOptions { cache_entries: 3, ..PlannerOptions::default() };
    let planner = Planner::with_options(world.registry.clone(), options);
    for n in 0..20 {
        planner.plan(&world.request(&format!("SELECT i FROM t LIMIT {n}"), "", Profile::Mse), &world).unwrap();
    }
    assert_eq!(planner.cached_plans(), 3);
    assert!(planner.plan(&world.request("SELECT i FROM t LIMIT 19", "", Profile::Mse), &world).unwrap().cached);
}
