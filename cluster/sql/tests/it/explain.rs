//! EXPLAIN in both profiles, and EXPLAIN ANALYZE.

use crate::common::{World, column, rows, table_info};
use cluster_sql::Profile;
use shard_plan::{Scalar, Type};
use std::sync::Arc;

fn world() -> Arc<World> {
    let mut world = World::new();
    let columns = vec![column("carrier", Type::STRING), column("distance", Type::INT)];
    let text = |s: &str| Scalar::String(s.into());
    world.add(
        table_info("flights", columns),
        vec![vec![text("UA"), text("DL"), text("UA")], vec![Scalar::Int(1), Scalar::Int(2), Scalar::Int(3)]],
    );
    Arc::new(world)
}

const SQL: &str = "SELECT carrier, count(*) FROM flights WHERE distance > 1 GROUP BY carrier ORDER BY 2 DESC LIMIT 3";

#[test]
fn sse_has_operators_with_parents() {
    let world = world();
    let result = world.query(&format!("EXPLAIN PLAN FOR {SQL}"), "", Profile::Sse).unwrap();
    let names: Vec<&str> = result.columns.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["Operator", "Operator_Id", "Parent_Id"]);
    let lines: Vec<String> = rows(&result).iter().map(|r| format!("{:?}", r[0])).collect();
    for (n, part) in ["BROKER_REDUCE", "LEAF(table:flights)", "GROUP_BY(groupKeys:[carrier]", "PROJECT(", "FILTER("]
        .iter()
        .enumerate()
    {
        assert!(lines[n].contains(part), "{lines:#?}");
    }
    assert_eq!(rows(&result)[1][1..], [Scalar::Int(2), Scalar::Int(1)]);
}

#[test]
fn mse_has_the_text_and_the_tree() {
    let world = world();
    let result = world.query(&format!("EXPLAIN PLAN FOR {SQL}"), "", Profile::Mse).unwrap();
    assert_eq!(result.columns[0].name, "SQL");
    assert_eq!(rows(&result)[0][0], Scalar::String(SQL.into()));
    let join =
        "EXPLAIN SELECT a.carrier FROM flights a JOIN flights b ON a.distance = b.distance WHERE a.carrier = 'UA'";
    let result = world.query(join, "", Profile::Mse).unwrap();
    let Scalar::String(plan) = &rows(&result)[0][1] else { panic!() };
    assert!(
        plan.contains("Join") && plan.matches("LEAF(table:flights)").count() == 2 && plan.contains("FILTER("),
        "{plan}"
    );
}

/// A join that only asks whether there is a partner walks all partners of a row: the leaf gives each key once.
#[test]
fn the_keys_of_a_semi_or_anti_join_are_grouped_in_the_leaf() {
    let world = world();
    for condition in [
        "a.carrier IN (SELECT carrier FROM flights)",
        "a.carrier NOT IN (SELECT carrier FROM flights)",
        "EXISTS (SELECT 1 FROM flights b WHERE b.carrier = a.carrier)",
        "NOT EXISTS (SELECT b.distance FROM flights b WHERE b.carrier = a.carrier)",
        "a.distance > 2 OR a.carrier IN (SELECT carrier FROM flights)",
    ] {
        let sql = format!("EXPLAIN SELECT a.distance FROM flights a WHERE {condition}");
        let result = world.query(&sql, "", Profile::Mse).unwrap();
        let Scalar::String(plan) = &rows(&result)[0][1] else { panic!() };
        assert_eq!(plan.matches("DISTINCT(keyColumns:[carrier])").count(), 1, "{condition}: {plan}");
    }
}

#[test]
fn analyze_runs_the_query() {
    let world = world();
    for sql in [SQL, "SELECT a.carrier FROM flights a JOIN flights b ON a.distance = b.distance"] {
        let result = world.query(&format!("EXPLAIN ANALYZE {sql}"), "", Profile::Mse).unwrap();
        let Scalar::String(plan) = &rows(&result)[0][1] else { panic!() };
        assert!(plan.contains("TOTAL(time:") && plan.contains("rows:") && plan.contains("totalDocs:"), "{plan}");
    }
}
