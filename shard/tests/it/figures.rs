//! Statistics that Pinot's users read, and that pruning happened.

use crate::plans::{Plans, aggregate};
use crate::shards;
use crate::table::{Rng, Table};
use shard::{Executor, LeafRequest, Residency, SegmentHandle, SegmentKey, TableSnapshot, explain};
use shard_plan::{CompareOp, Expr, LeafPlan, Output, Scalar};
use std::sync::Arc;

#[test]
fn zone_maps_prune_blocks_and_segments_and_the_profile_says_so() {
    let table = Table::random(23, 8192);
    let dir = tempfile::tempdir().unwrap();
    let shards = shards(2, Executor::Threads);
    let mut segments = Vec::new();
    for n in 0..2 {
        let path = dir.path().join(format!("{n}.seg"));
        table.write(n * 4096..(n + 1) * 4096, 1024, &format!("t_{n}"), &path);
        let key = SegmentKey { table_incarnation: 1, ordinal: n as u32, generation: 1 };
        segments.push(SegmentHandle::open(&path, key, Residency::Streamed, &shards).unwrap());
    }
    let snapshot = TableSnapshot::new(segments);
    let plans = Plans { table: &table, rng: Rng::new(1), params: vec![] };
    // `ts` ascends by a second a row: the first 1,500 rows are in two blocks of the first segment.
    let bound = Expr::Literal(Scalar::Timestamp(1_600_000_000_000 + 1_500_000));
    let plan = LeafPlan {
        table: "t".into(),
        columns: table.references(true),
        filter: Some(Expr::Compare { op: CompareOp::Lt, left: plans.column("ts").into(), right: bound.into() }),
        output: Output::Groups {
            keys: vec![],
            aggregates: vec![aggregate("count", vec![], None), aggregate("sum", vec![plans.column("l")], None)],
            limit: None,
        },
        options: Default::default(),
    };
    let lines = explain(&plan, &snapshot).join("\n");
    assert!(lines.contains("filter: ") && lines.contains("segment t_1: 4096 rows, 4 blocks, streamed"), "{lines}");
    let mut request = LeafRequest::new(Arc::new(plan), Arc::from([]), snapshot);
    request.profile = true;
    let stats = shards.run_blocking(request).unwrap().stats;
    assert_eq!((stats.num_docs_scanned, stats.total_docs), (1500, 8192));
    assert_eq!(
        (
            stats.num_segments_queried,
            stats.num_segments_processed,
            stats.num_segments_matched,
            stats.num_segments_pruned_by_value
        ),
        (2, 1, 1, 1)
    );
    assert_eq!((stats.num_blocks_scanned, stats.num_blocks_pruned), (2, 6));
    // The first block passes as a whole by its zone map: only the second is filtered.
    assert_eq!(stats.num_entries_scanned_in_filter, 1024);
    assert_eq!(stats.num_entries_scanned_post_filter, 1500);
    assert!(stats.bytes_read > 0 && stats.cpu_nanos > 0);
    let profile: Vec<String> =
        stats.profile.iter().map(|o| format!("{}: {} ({} -> {})", o.name, o.detail, o.rows_in, o.rows_out)).collect();
    assert!(profile.iter().any(|l| l.starts_with("prune: segment t_1")), "{profile:?}");
    assert!(profile.iter().any(|l| l == "filter:  (2048 -> 1500)"), "{profile:?}");
}
