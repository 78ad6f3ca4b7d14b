//! Plans and errors of the front end: what is pushed into leaves, what is refused and how it is said.

use crate::common::{World, column, default_of, rows, table_info};
use cluster_sql::{Body, Profile, SqlError};
use cluster_types::ErrorCode;
use shard_plan::{Expr, LeafPlan, Output, ReducePlan, Scalar, Type};
use std::sync::Arc;

fn flights() -> Arc<World> {
    let mut world = World::new();
    let columns = vec![
        column("carrier", Type::STRING),
        column("distance", Type::INT),
        column("flights", Type::LONG),
        column("delay", Type::DOUBLE),
        column("flight_ts", Type::TIMESTAMP),
        column("tags", Type::multi(segfmt::DataType::String)),
        column("$segmentName", Type::STRING),
        column("geo.city", Type::STRING),
    ];
    let text = |s: &str| Scalar::String(s.into());
    let list = |s: &[&str]| Scalar::List(segfmt::DataType::String, s.iter().map(|s| text(s)).collect());
    let values = vec![
        vec![text("UA"), text("DL"), text("UA"), text("AA")],
        vec![Scalar::Int(10), Scalar::Int(20), Scalar::Null(Type::INT), Scalar::Int(40)],
        vec![Scalar::Long(1), Scalar::Long(2), Scalar::Long(3), Scalar::Long(4)],
        vec![Scalar::Double(0.5), Scalar::Double(1.5), Scalar::Double(2.5), Scalar::Null(Type::DOUBLE)],
        vec![Scalar::Timestamp(0), Scalar::Timestamp(86_400_000), Scalar::Timestamp(1), Scalar::Timestamp(2)],
        vec![list(&["a"]), list(&["a", "b"]), list(&["b"]), list(&["c"])],
        vec![text("s1"), text("s1"), text("s2"), text("s2")],
        vec![text("Rome"), text("Oslo"), text("Rome"), text("Bonn")],
    ];
    world.add(table_info("flights", columns), values);
    Arc::new(world)
}

fn leaf(world: &World, sql: &str, profile: Profile) -> (Arc<LeafPlan>, Arc<ReducePlan>) {
    let planned = world.planner.plan(&world.request(sql, "", profile), world).unwrap_or_else(|e| panic!("{sql}: {e}"));
    match &planned.plan.body {
        Body::Leaf { leaf, reduce } => (leaf.clone(), reduce.clone()),
        Body::Above { plan, .. } => panic!("{sql} is no leaf:\n{}", plan.display_indent()),
    }
}

fn refused(world: &Arc<World>, sql: &str) -> SqlError {
    match world.query(sql, "", Profile::Mse) {
        Ok(result) => panic!("{sql} gave {:?}", rows(&result)),
        Err(error) => error,
    }
}

fn answer(world: &Arc<World>, sql: &str) -> Vec<Vec<Scalar>> {
    rows(&world.query(sql, "", Profile::Mse).unwrap_or_else(|e| panic!("{sql}: {e}")))
}

fn long(v: i64) -> Scalar {
    Scalar::Long(v)
}

fn text(v: &str) -> Scalar {
    Scalar::String(v.into())
}

#[test]
fn group_by_is_one_leaf() {
    let world = flights();
    let (leaf, reduce) = leaf(
        &world,
        "SELECT carrier, count(*) FROM flights WHERE distance > 5 GROUP BY carrier ORDER BY 2 DESC LIMIT 3",
        Profile::Mse,
    );
    assert_eq!(leaf.table, "flights");
    assert_eq!(leaf.columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["distance", "carrier"]);
    assert!(matches!(&leaf.filter, Some(Expr::Compare { right, .. }) if matches!(**right, Expr::Param { .. })));
    assert!(
        matches!(&leaf.output, Output::Groups { keys, aggregates, .. } if keys.len() == 1 && aggregates.len() == 1)
    );
    assert_eq!(reduce.names, ["carrier", "count(*)"]);
    assert_eq!((reduce.limit, reduce.order[0].index, reduce.order[0].descending), (Some(3), 1, true));
}

#[test]
fn derived_tables_over_one_table_fold_into_the_leaf() {
    let world = flights();
    let sql = "SELECT c, SUM(d) AS total FROM (SELECT carrier AS c, distance + 1 AS d, delay FROM flights WHERE delay < 9) q \
               WHERE d > 11 GROUP BY c HAVING SUM(d) > 0 ORDER BY total DESC";
    leaf(&world, sql, Profile::Mse);
    assert_eq!(answer(&world, sql), [[text("DL"), long(21)]]);
}

#[test]
fn profiles_differ_in_limit_sum_and_division() {
    let world = flights();
    let (_, reduce) = leaf(&world, "SELECT carrier FROM flights", Profile::Sse);
    assert_eq!(reduce.limit, Some(10));
    let (_, reduce) = leaf(&world, "SELECT carrier FROM flights", Profile::Mse);
    assert_eq!(reduce.limit, None);
    for (profile, sum, quotient) in
        [(Profile::Sse, Type::DOUBLE, Scalar::Double(3.5)), (Profile::Mse, Type::LONG, Scalar::Int(3))]
    {
        let result = world.query("SELECT SUM(distance) FROM flights", "", profile).unwrap();
        assert_eq!(result.columns[0].ty, sum);
        let result = world.query("SELECT 7 / 2 FROM flights LIMIT 1", "", profile).unwrap();
        assert_eq!(rows(&result)[0][0], quotient);
    }
    // The text's own option decides.
    let result =
        world.query("SET useMultistageEngine=true; SELECT SUM(distance) FROM flights", "", Profile::Sse).unwrap();
    assert_eq!(result.columns[0].ty, Type::LONG);
}

#[test]
fn null_modes() {
    let world = flights();
    let sql = "SELECT carrier FROM flights WHERE distance < 0";
    assert_eq!(answer(&world, sql).len(), 0);
    let placeholder = world.query(sql, "enableNullHandling=false", Profile::Mse).unwrap();
    assert_eq!(rows(&placeholder), [[text("UA")]]);
    assert_eq!(default_of(Type::INT), Scalar::Int(i32::MIN));
}

/// Pinot, nulls off: `AggregationFunction`s start from 0 for sums and counts, +Infinity for MIN, -Infinity for MAX; AVG,
/// MINMAXRANGE, PERCENTILE, MODE and the variances answer -Infinity over no rows.
#[test]
fn aggregates_over_no_rows_where_nulls_are_off() {
    let world = flights();
    let sql = "SELECT COUNT(*), SUM(distance), MIN(delay), MAX(delay), AVG(distance), MINMAXRANGE(delay), PERCENTILE(delay, 50), \
               MODE(delay), DISTINCTCOUNT(carrier), STDDEVPOP(delay), MIN(distance), SUM(distance) + 1 \
               FROM flights WHERE carrier = 'none'";
    let standard = rows(&world.query(sql, "", Profile::Mse).unwrap());
    let nulls = standard[0].iter().filter(|v| v.is_null()).count();
    assert_eq!(nulls, 10, "all but the counts: {standard:?}");
    let placeholder = rows(&world.query(sql, "enableNullHandling=false", Profile::Mse).unwrap());
    let (low, high) = (Scalar::Double(f64::NEG_INFINITY), Scalar::Double(f64::INFINITY));
    let [zero, most, one] = [Scalar::Long(0), Scalar::Int(i32::MAX), Scalar::Long(1)];
    let want = [&zero, &zero, &high, &low, &low, &low, &low, &low, &zero, &low, &most, &one];
    assert_eq!(placeholder[0].iter().collect::<Vec<_>>(), want);
    // The same for a group whose FILTER lets nothing through, and in HAVING.
    let sql = "SELECT carrier, MAX(delay) FILTER (WHERE flights > 99) AS m FROM flights GROUP BY carrier \
               HAVING MAX(delay) FILTER (WHERE flights > 99) < 0 ORDER BY m, carrier LIMIT 1";
    assert_eq!(answer(&world, sql).len(), 0);
    let placeholder = rows(&world.query(sql, "enableNullHandling=false", Profile::Mse).unwrap());
    assert_eq!(placeholder, [[text("AA"), low]]);
}

#[test]
fn names_in_any_case_and_columns_of_the_client() {
    let world = flights();
    let result = world
        .query("SELECT CARRIER, Flights.Distance, \"geo.city\", count(*), SUM(flights) AS \"S x\", distance + 1 FROM FLIGHTS_OFFLINE GROUP BY 1, 2, 3 ORDER BY 1, 2 LIMIT 1", "", Profile::Mse)
        .unwrap();
    let names: Vec<&str> = result.columns.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["carrier", "distance", "geo.city", "count(*)", "S x", "plus(distance,1)"]);
    let result = world.query("SELECT * FROM flights LIMIT 1", "", Profile::Mse).unwrap();
    assert_eq!(result.columns.len(), 7, "virtual columns are not in *");
    let result = world.query("SELECT $segmentName FROM flights WHERE $segmentName = 's1'", "", Profile::Mse).unwrap();
    assert_eq!(result.rows(), 2);
    let result = world
        .query(
            "SELECT count(*) AS 'metric' FROM flights GROUP BY carrier ORDER BY 'metric' DESC;\n\nSET timeoutMs=1000;",
            "",
            Profile::Mse,
        )
        .unwrap();
    assert_eq!(rows(&result)[0][0], long(2));
}

#[test]
fn unknown_things_are_named_with_their_place() {
    let world = flights();
    let error = refused(&world, "SELECT carrier,\n  distanze FROM flights");
    assert_eq!(error.code, ErrorCode::UnknownColumn);
    assert_eq!(error.to_string(), "unknown column distanze; did you mean distance? at line 2, column 3");
    let error = refused(&world, "SELECT 1 FROM flihgts");
    assert_eq!(error.code, ErrorCode::TableDoesNotExist);
    assert!(error.to_string().contains("did you mean flights?"), "{error}");
    let error = refused(&world, "SELECT cuont(*) FROM flights");
    assert_eq!(error.code, ErrorCode::QueryValidation);
    assert!(error.to_string().contains("did you mean count?"), "{error}");
    let error = refused(&world, "SELEC carrier FROM flights");
    assert_eq!(error.code, ErrorCode::SqlParsing);
    assert_eq!(error.position.map(|p| (p.line, p.column)), Some((1, 1)));
    let error = refused(&world, "SELECT carrier FROM flights WHERE (distance > 5");
    assert_eq!(error.code, ErrorCode::SqlParsing);
}

#[test]
fn hostile_texts_end_in_an_answer_or_an_error() {
    let world = flights();
    let ors = (0..10_000).map(|n| format!("distance = {n}")).collect::<Vec<_>>().join(" OR ");
    assert_eq!(answer(&world, &format!("SELECT count(*) FROM flights WHERE {ors}")), [[long(3)]]);
    let nested = format!("SELECT {}1{} FROM flights", "(".repeat(10_000), ")".repeat(10_000));
    let error = refused(&world, &nested);
    assert_eq!(error.code, ErrorCode::SqlParsing);
    assert!(error.message.contains("nested 10000 deep"), "{error}");
    for (prefix, one) in [("NOT ", "true"), ("- ", "1"), ("NOT (", "true"), ("-(", "1")] {
        let close = ")".repeat(if prefix.ends_with('(') { 10_000 } else { 0 });
        let error = refused(&world, &format!("SELECT {}{one}{close} FROM flights", prefix.repeat(10_000)));
        assert!(error.message.contains("deep, the limit is 200") && error.position.is_some(), "{prefix}: {error}");
    }
    let long_sum = format!("SELECT 1{} FROM flights", " + 1".repeat(20_000));
    assert_eq!(refused(&world, &long_sum).code, ErrorCode::SqlParsing);
    let nots = format!("SELECT count(*) FROM flights WHERE {} distance = 1", "NOT ".repeat(20_000));
    assert_eq!(refused(&world, &nots).code, ErrorCode::SqlParsing);
    let huge = format!("SELECT '{}' FROM flights", "x".repeat(10 << 20));
    let error = refused(&world, &huge);
    assert!(error.message.contains("bytes long"), "{error}");
    let unions = vec!["SELECT 1"; 5_000].join(" UNION ALL ");
    assert_eq!(refused(&world, &unions).code, ErrorCode::SqlParsing);
    let subqueries = |depth: usize| {
        let inner = "SELECT carrier FROM flights WHERE carrier IN (".repeat(depth);
        format!("SELECT count(*) FROM flights WHERE carrier IN ({inner}'UA'{})", ")".repeat(depth))
    };
    assert_eq!(answer(&world, &subqueries(10)).len(), 1);
    let error = refused(&world, &subqueries(60));
    assert!(error.message.contains("subqueries inside of expressions are nested more than 16 deep"), "{error}");
}

#[test]
fn multi_value_predicates_and_groups() {
    let world = flights();
    assert_eq!(answer(&world, "SELECT count(*) FROM flights WHERE tags = 'a'"), [[long(2)]]);
    assert_eq!(answer(&world, "SELECT count(*) FROM flights WHERE tags <> 'a'"), [[long(2)]], "<> means all");
    assert_eq!(answer(&world, "SELECT count(*) FROM flights WHERE tags IN ('b', 'c')"), [[long(3)]]);
    assert_eq!(answer(&world, "SELECT count(*) FROM flights WHERE tags NOT IN ('b', 'c')"), [[long(1)]]);
    assert_eq!(answer(&world, "SELECT count(*) FROM flights WHERE tags LIKE 'b%'"), [[long(2)]]);
    assert_eq!(
        answer(&world, "SELECT tags, count(*) FROM flights GROUP BY tags ORDER BY tags"),
        [[text("a"), long(2)], [text("b"), long(2)], [text("c"), long(1)]]
    );
}

#[test]
fn select_without_from() {
    let world = flights();
    let result = world.query("SELECT 1 AS test_column, 'x' AS t, 2.5, NULL", "", Profile::Sse).unwrap();
    assert_eq!(result.columns[0].ty, Type::INT);
    assert_eq!(rows(&result)[0][..3], [Scalar::Int(1), text("x"), Scalar::Double(2.5)]);
    assert_eq!(rows(&result)[0][3], Scalar::Null(Type::STRING));
}

#[test]
fn the_clock_is_read_once_a_query_and_never_cached() {
    let world = flights();
    let sql = "SELECT now() - ago('PT1H'), now() = now() FROM flights LIMIT 1";
    assert_eq!(answer(&world, sql), [[long(3_600_000), Scalar::Boolean(true)]]);
    let request = world.request(sql, "", Profile::Mse);
    assert!(!world.planner.plan(&request, world.as_ref()).unwrap().cached);
    assert!(!world.planner.plan(&request, world.as_ref()).unwrap().cached);
}

#[test]
fn a_leaf_that_only_counts_rows() {
    let world = flights();
    assert_eq!(answer(&world, "SELECT count(*) FROM flights a CROSS JOIN flights b"), [[long(16)]]);
    assert_eq!(answer(&world, "SELECT count(*) FROM (SELECT carrier FROM flights GROUP BY carrier) q"), [[long(3)]]);
}

#[test]
fn overflow_names_the_expression() {
    let world = flights();
    let error = refused(&world, "SELECT flights + 9223372036854775807 FROM flights");
    assert_eq!(error.code, ErrorCode::QueryExecution);
    assert!(error.message.contains("plus") || error.message.contains('+'), "{error}");
    let error = refused(
        &world,
        "SELECT a.flights * 9223372036854775807 FROM flights a JOIN flights b ON a.flights = b.flights",
    );
    assert_eq!(error.code, ErrorCode::QueryExecution, "{error}");
}

#[test]
fn joins_push_filters_and_aggregates_into_leaves() {
    let world = flights();
    let sql = "SELECT a.carrier, b.n FROM flights a JOIN (SELECT carrier, count(*) AS n FROM flights WHERE distance > 15 GROUP BY carrier) b \
               ON a.carrier = b.carrier WHERE a.delay > 1 ORDER BY 1";
    let planned = world.planner.plan(&world.request(sql, "", Profile::Mse), world.as_ref()).unwrap();
    let leaves = planned.plan.leaves();
    assert_eq!(leaves.len(), 2);
    assert!(leaves.iter().all(|l| l.filter.is_some()), "{leaves:?}");
    assert!(leaves.iter().any(|l| matches!(l.output, Output::Groups { .. })));
    assert_eq!(answer(&world, sql), [[text("DL"), long(1)]]);
}

#[test]
fn every_benchmark_query_is_one_leaf() {
    let mut world = World::new();
    let table = |columns: &str| {
        columns
            .split_whitespace()
            .map(|c| {
                let (name, ty) = c.split_once(':').unwrap();
                column(name, Type::single(segfmt::DataType::from_pinot_name(ty).unwrap()))
            })
            .collect::<Vec<_>>()
    };
    let tables = [
        ("flights", "origin:STRING destination:STRING delay:INT distance:INT flight_ts:TIMESTAMP"),
        (
            "nycflights",
            "carrier:STRING dep_delay:DOUBLE arr_delay:DOUBLE distance:INT tailnum:STRING dest:STRING origin:STRING month:INT hour:INT",
        ),
        (
            "hits",
            "adv_engine_id:INT resolution_width:INT bytes_sent:LONG load_ms:INT duration_ms:INT revenue:DOUBLE user_id:LONG search_phrase:STRING region_id:INT url:STRING counter_id:INT event_time:TIMESTAMP is_refresh:INT watch_id:LONG",
        ),
        (
            "lineorder_flat",
            "lo_extendedprice:INT lo_discount:INT d_year:INT lo_quantity:INT d_yearmonthnum:INT d_weeknuminyear:INT lo_revenue:INT p_brand:STRING p_category:STRING s_region:STRING c_nation:STRING s_nation:STRING c_region:STRING c_city:STRING s_city:STRING d_yearmonth:STRING lo_supplycost:INT p_mfgr:STRING",
        ),
    ];
    for (name, columns) in tables {
        let columns = table(columns);
        let empty = vec![Vec::new(); columns.len()];
        world.add(table_info(name, columns), empty);
    }
    let world = Arc::new(world);
    let mut count = 0;
    for file in ["flights", "hits", "ssb_flat"] {
        let path = format!("{}/tests/queries/{file}.sql", env!("CARGO_MANIFEST_DIR"));
        for sql in std::fs::read_to_string(path).unwrap().lines().filter(|l| !l.trim().is_empty()) {
            for profile in [Profile::Sse, Profile::Mse] {
                leaf(&world, sql, profile);
                world.query(sql, "", profile).unwrap_or_else(|e| panic!("{sql}: {e}"));
            }
            count += 1;
        }
    }
    assert_eq!(count, 44);
}
