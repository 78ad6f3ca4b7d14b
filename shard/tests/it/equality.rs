//! One plan, one answer: whatever holds the bytes, however many shards, wherever segments and blocks are cut.

use crate::model::{answered, columns, expected};
use crate::plans::{Plans, aggregate};
use crate::table::{Rng, Table};
use crate::{registry, shards, shards_and_caller};
use proptest::prelude::*;
use shard::exec::selection;
use shard::{Advice, BatchSource, Executor, LeafRequest, Residency, SegmentHandle, SegmentKey, Shards, TableSnapshot};
use shard_plan::{LeafPlan, Output, Scalar};
use std::sync::{Arc, OnceLock};

/// Shards are made once per process: both executors, one shard and several; the last ones take over from the caller's
/// thread, early or hardly ever.
fn all_shards() -> &'static [Shards] {
    static SHARDS: OnceLock<Vec<Shards>> = OnceLock::new();
    SHARDS.get_or_init(|| {
        [(1, Executor::Threads), (3, Executor::Threads), (1, Executor::Auto), (4, Executor::Auto)]
            .into_iter()
            .map(|(count, executor)| shards(count, executor))
            .chain(
                [5, 1_000_000]
                    .map(|micros| shards_and_caller(2, Executor::Threads, std::time::Duration::from_micros(micros))),
            )
            .collect()
    })
}

fn key(ordinal: usize) -> SegmentKey {
    SegmentKey { table_incarnation: 1, ordinal: ordinal as u32, generation: 1 }
}

/// Cuts of a table into segments, each in a different form.
fn cut(
    table: &Table,
    pieces: usize,
    block_rows: u32,
    residency: Residency,
    shards: &Shards,
    dir: &std::path::Path,
) -> Arc<TableSnapshot> {
    let per = table.rows.div_ceil(pieces).max(1);
    let mut segments = Vec::new();
    for (n, start) in (0..table.rows).step_by(per).enumerate() {
        let path = dir.join(format!("{n}-{block_rows}.seg"));
        table.write(start..(start + per).min(table.rows), block_rows, &format!("t_{n}"), &path);
        segments.push(SegmentHandle::open(&path, key(n), residency, shards).unwrap());
    }
    TableSnapshot::new(segments)
}

fn in_memory(table: &Table, plan: &LeafPlan) -> Arc<TableSnapshot> {
    let mut plan = plan.clone();
    plan.columns.iter_mut().for_each(|c| c.nulls = true);
    let arrays = columns(table, &plan);
    let columns = plan.columns.iter().zip(arrays).map(|(c, a)| (c.name.clone(), c.ty, a)).collect();
    let source = BatchSource::new("memory", 1024, columns).unwrap().shared();
    TableSnapshot::new(vec![SegmentHandle::over(source, key(0))])
}

fn check(
    plan: &LeafPlan,
    params: &[Scalar],
    snapshot: &Arc<TableSnapshot>,
    shards: &Shards,
    expected: &[String],
    what: &str,
) -> Result<(), TestCaseError> {
    let request = LeafRequest::new(Arc::new(plan.clone()), params.into(), snapshot.clone());
    let answer = shards.run_blocking(request).map_err(|e| TestCaseError::fail(format!("{what}: {e}\n{plan:#?}")))?;
    let got = answered(plan, &answer);
    prop_assert!(
        got == expected,
        "{what}: {} rows, expected {}; first difference: {:?}\n{plan:#?}\n{params:?}",
        got.len(),
        expected.len(),
        got.iter().zip(expected).find(|(a, b)| a != b)
    );
    prop_assert_eq!(answer.stats.total_docs, snapshot.rows());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn every_way_to_run_a_plan_gives_the_answer_of_the_model(seed: u64, rows in prop_oneof![1usize..40, 500usize..9000], pieces in 1usize..4, block in 1u32..5) {
        let table = Table::random(seed, rows);
        let dir = tempfile::tempdir().unwrap();
        let all = all_shards();
        let snapshots: Vec<(String, &Shards, Arc<TableSnapshot>)> = [Residency::Resident, Residency::Mapped(Advice::Normal), Residency::Streamed, Residency::Streamed, Residency::Resident, Residency::Resident]
            .into_iter()
            .zip(all)
            .enumerate()
            .map(|(i, (residency, shards))| {
                let dir = dir.path().join(i.to_string());
                std::fs::create_dir(&dir).unwrap();
                (format!("{residency:?} on {shards:?}"), shards, cut(&table, pieces, block * 512, residency, shards, &dir))
            })
            .collect();
        for n in 0..10u64 {
            let mut plans = Plans { table: &table, rng: Rng::new(seed.wrapping_add(n)), params: vec![] };
            let plan = plans.plan();
            let params = plans.params;
            let expected = expected(&table, &plan, &params);
            for (what, shards, snapshot) in &snapshots {
                check(&plan, &params, snapshot, shards, &expected, what)?;
            }
            check(&plan, &params, &in_memory(&table, &plan), &all[1], &expected, "in memory")?;
        }
    }

    #[test]
    fn an_unordered_limit_gives_that_many_rows_of_the_whole_answer(seed: u64, rows in 1usize..9000, limit in 0u64..3000) {
        let table = Table::random(seed, rows);
        let dir = tempfile::tempdir().unwrap();
        for shards in [&all_shards()[0], &all_shards()[2]] {
            let snapshot = cut(&table, 3, 512, Residency::Resident, shards, dir.path());
            let mut plans = Plans { table: &table, rng: Rng::new(seed), params: vec![] };
            let filter = plans.filter(1);
            let exprs = vec![plans.column("ts"), plans.column("s")];
            let params: Arc<[Scalar]> = plans.params.clone().into();
            let mut plan = LeafPlan {
                table: "t".into(),
                columns: table.references(true),
                filter: Some(filter),
                output: Output::Rows { exprs: exprs.clone(), order: vec![], limit: None },
                options: Default::default(),
            };
            let whole = expected(&table, &plan, &params);
            plan.output = Output::Rows { exprs, order: vec![], limit: Some(limit) };
            let answer = shards.run_blocking(LeafRequest::new(Arc::new(plan.clone()), params, snapshot)).unwrap();
            let got = answered(&plan, &answer);
            prop_assert_eq!(got.len() as u64, limit.min(whole.len() as u64));
            let mut rest = whole.clone();
            for row in got {
                let at = rest.binary_search(&row);
                prop_assert!(at.is_ok(), "{row} is not a row of the unlimited answer, or is there too often");
                rest.remove(at.unwrap());
            }
        }
    }
}

#[test]
fn distinct_with_a_limit_gives_distinct_groups() {
    let table = Table::random(7, 8000);
    let dir = tempfile::tempdir().unwrap();
    let shards = &all_shards()[1];
    let snapshot = cut(&table, 3, 512, Residency::Resident, shards, dir.path());
    let plans = Plans { table: &table, rng: Rng::new(1), params: vec![] };
    for name in ["u", "t"] {
        let output = |limit| Output::Groups { keys: vec![plans.column(name)], aggregates: vec![], limit };
        let mut plan = LeafPlan {
            table: "t".into(),
            columns: table.references(true),
            filter: None,
            output: output(None),
            options: Default::default(),
        };
        let whole = expected(&table, &plan, &[]);
        plan.output = output(Some(7));
        let answer =
            shards.run_blocking(LeafRequest::new(Arc::new(plan.clone()), Arc::from([]), snapshot.clone())).unwrap();
        let got = answered(&plan, &answer);
        assert_eq!(got.len(), 7.min(whole.len()), "{name}");
        assert!(got.windows(2).all(|w| w[0] != w[1]) && got.iter().all(|row| whole.contains(row)), "{name}: {got:?}");
    }
}

#[test]
fn columns_that_a_segment_lacks_and_virtual_columns_are_constants() {
    let table = Table::random(3, 2000);
    let dir = tempfile::tempdir().unwrap();
    let shards = &all_shards()[1];
    let snapshot = cut(&table, 2, 512, Residency::Resident, shards, dir.path());
    let reference = |name: &str, default: Scalar| shard_plan::ColumnRef {
        name: name.into(),
        ty: default.ty(),
        nulls: true,
        default,
    };
    let columns = vec![
        reference("newer", Scalar::Int(42)),
        reference("$segmentName", crate::table::string("")),
        reference("$docId", Scalar::Int(0)),
        reference("$hostName", crate::table::string("")),
    ];
    let column = |i: u32| shard_plan::Expr::Column { index: i, ty: columns[i as usize].ty };
    let plan = LeafPlan {
        table: "t".into(),
        filter: Some(shard_plan::Expr::Compare {
            op: shard_plan::CompareOp::Eq,
            left: column(1).into(),
            right: shard_plan::Expr::Literal(crate::table::string("t_1")).into(),
        }),
        output: Output::Groups {
            keys: vec![column(1), column(0), column(3)],
            aggregates: vec![
                crate::plans::aggregate("count", vec![], None),
                crate::plans::aggregate("max", vec![column(2)], None),
            ],
            limit: None,
        },
        columns: columns.clone(),
        options: Default::default(),
    };
    let answer = shards.run_blocking(LeafRequest::new(Arc::new(plan.clone()), Arc::from([]), snapshot)).unwrap();
    assert_eq!(answered(&plan, &answer), [r#"String("t_1") | Int(42) | String("localhost") # Long(1000) # Int(999)"#]);
    assert_eq!((answer.stats.num_segments_pruned_by_value, answer.stats.num_segments_processed), (1, 1));
}

#[test]
fn a_limit_on_groups_keeps_that_many_and_says_so() {
    let table = Table::random(11, 6000);
    let dir = tempfile::tempdir().unwrap();
    let shards = &all_shards()[1];
    let snapshot = cut(&table, 2, 512, Residency::Resident, shards, dir.path());
    let plans = Plans { table: &table, rng: Rng::new(1), params: vec![] };
    for key in ["run", "ts"] {
        let mut plan = LeafPlan {
            table: "t".into(),
            columns: table.references(true),
            filter: None,
            output: Output::Groups {
                keys: vec![plans.column(key)],
                aggregates: vec![crate::plans::aggregate("count", vec![], None)],
                limit: None,
            },
            options: Default::default(),
        };
        plan.options.num_groups_limit = Some(3);
        let answer =
            shards.run_blocking(LeafRequest::new(Arc::new(plan.clone()), Arc::from([]), snapshot.clone())).unwrap();
        assert_eq!(answered(&plan, &answer).len(), 3, "{key}");
        assert!(answer.stats.num_groups_limit_reached, "{key}");
    }
}

#[test]
fn masks_of_short_vectors_have_no_bits_past_the_end() {
    for len in [1, 63, 64, 65, 4095, 4096] {
        assert_eq!(selection::first(len).iter().map(|w| w.count_ones() as usize).sum::<usize>(), len);
    }
    assert!(registry().aggregate("count").is_some());
}

/// More groups than one table holds: they are spread over parts, and every worker merges some of them.
#[test]
fn very_many_groups_are_merged_by_all_workers() {
    let table = Table::random(77, 90_000);
    let plans = Plans { table: &table, rng: Rng::new(1), params: vec![] };
    for (shards, keys) in
        all_shards().iter().zip([vec!["ts"], vec!["ts", "s"], vec!["ts"], vec!["ts", "i"], vec!["ts", "s"], vec!["ts"]])
    {
        let dir = tempfile::tempdir().unwrap();
        // Every second segment once more: those groups come from several workers.
        let once = cut(&table, 6, 2048, Residency::Resident, shards, dir.path());
        let mut segments = once.segments.clone();
        segments.extend(once.segments.iter().step_by(2).cloned());
        let plan = LeafPlan {
            table: "t".into(),
            columns: table.references(true),
            filter: None,
            output: Output::Groups {
                keys: keys.iter().map(|k| plans.column(k)).collect(),
                aggregates: vec![aggregate("count", vec![], None), aggregate("sum", vec![plans.column("l")], None)],
                limit: None,
            },
            options: Default::default(),
        };
        let request = LeafRequest::new(Arc::new(plan.clone()), Arc::from([]), TableSnapshot::new(segments));
        let answer = shards.run_blocking(request).unwrap();
        let groups: usize = answer.batches.iter().map(|b| b.num_rows()).sum();
        let found = answered(&plan, &answer);
        assert_eq!(groups, found.len(), "a group came twice");
        let mut twice = expected(&table, &plan, &[]);
        assert_eq!(found.len(), twice.len());
        // Keys and their number agree; counts say which segments were there twice.
        let key = |line: &String| line.split(" # ").next().unwrap_or_default().to_owned();
        let count = |line: &String| line.split(" # ").nth(1).unwrap_or_default().to_owned();
        twice.sort();
        assert_eq!(found.iter().map(key).collect::<Vec<_>>(), twice.iter().map(key).collect::<Vec<_>>());
        assert!(found.iter().zip(&twice).any(|(f, t)| count(f) != count(t)));
        assert!(found.iter().zip(&twice).any(|(f, t)| f == t));
    }
}
