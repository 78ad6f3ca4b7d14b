//! Damage, limits, cancellation, neighbours.

use crate::model::{answered, expected};
use crate::plans::{Plans, aggregate, call};
use crate::shards;
use crate::table::{Rng, Table, string};
use shard::memory::Budget;
use shard::{CancelToken, Error, Executor, LeafRequest, Residency, SegmentHandle, SegmentKey, Shards, TableSnapshot};
use shard_plan::{Expr, LeafPlan, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const KEY: SegmentKey = SegmentKey { table_incarnation: 1, ordinal: 0, generation: 1 };

fn count_plan(table: &Table, filter: Option<Expr>) -> LeafPlan {
    LeafPlan {
        table: "t".into(),
        columns: table.references(true),
        filter,
        output: Output::Groups { keys: vec![], aggregates: vec![aggregate("count", vec![], None)], limit: None },
        options: Default::default(),
    }
}

fn request(plan: &LeafPlan, snapshot: &Arc<TableSnapshot>) -> LeafRequest {
    LeafRequest::new(Arc::new(plan.clone()), Arc::from([]), snapshot.clone())
}

/// A regular expression over the raw string column: every row costs.
fn slow_filter(plans: &Plans<'_>) -> Expr {
    call("regexplike", vec![plans.column("t"), Expr::Literal(string("(a|b)*c.*(x+x+)+y$"))])
}

/// One handle many times: as many rows as a test needs, from one small file.
fn repeated(handle: &Arc<SegmentHandle>, times: usize) -> Arc<TableSnapshot> {
    TableSnapshot::new(vec![handle.clone(); times])
}

#[test]
fn a_damaged_page_is_an_error_that_names_it_and_nothing_else_suffers() {
    let table = Table::random(5, 4000);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("damaged.seg");
    table.write(0..4000, 512, "damaged", &path);
    for executor in [Executor::Threads, Executor::Auto] {
        let shards = shards(2, executor);
        let good = SegmentHandle::open(&path, KEY, Residency::Streamed, &shards).unwrap();
        let page = good.segment().unwrap().column("t").unwrap().page(3);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[page.offset as usize + 70] ^= 0x10;
        let damaged = dir.path().join("copy.seg");
        std::fs::write(&damaged, &bytes).unwrap();

        let error = SegmentHandle::open(&damaged, KEY, Residency::Resident, &shards).unwrap_err().to_string();
        assert!(
            error.contains("copy.seg")
                && error.contains("\"t\"")
                && error.contains("block 3")
                && error.contains("checksum"),
            "{error}"
        );

        let streamed = SegmentHandle::open(&damaged, KEY, Residency::Streamed, &shards).unwrap();
        let plans = Plans { table: &table, rng: Rng::new(1), params: vec![] };
        let like = |name: &str| Expr::Like {
            expr: plans.column(name).into(),
            pattern: "%a%".into(),
            escape: None,
            insensitive: false,
            negated: false,
        };
        let error = shards
            .run_blocking(request(&count_plan(&table, Some(like("t"))), &TableSnapshot::new(vec![streamed.clone()])))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("copy.seg")
                && error.contains("column t, block 3")
                && error.contains(&page.offset.to_string()),
            "{error}"
        );
        // Other columns of the same file, and the undamaged file, still answer.
        for handle in [streamed, good] {
            let plan = count_plan(&table, Some(like("s")));
            let answer = shards.run_blocking(request(&plan, &TableSnapshot::new(vec![handle]))).unwrap();
            assert_eq!(answered(&plan, &answer), expected(&table, &plan, &[]));
        }
    }
}

#[test]
fn a_truncated_file_is_an_error() {
    let table = Table::random(6, 3000);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cut.seg");
    table.write(0..3000, 512, "cut", &path);
    let shards = shards(1, Executor::Threads);
    let bytes = std::fs::read(&path).unwrap();
    for keep in [0, 1, 63, 64, 4096, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..keep]).unwrap();
        for residency in [Residency::Resident, Residency::Streamed, Residency::Mapped(Default::default())] {
            assert!(SegmentHandle::open(&path, KEY, residency, &shards).is_err(), "{keep} bytes, {residency:?}");
        }
    }
}

#[test]
fn a_query_past_its_memory_limit_ends_with_the_limit_and_the_operator() {
    let table = Table::random(9, 60_000);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.seg");
    table.write(0..60_000, 65_536, "t", &path);
    let shards = shards(2, Executor::Threads);
    let handle = SegmentHandle::open(&path, KEY, Residency::Resident, &shards).unwrap();
    let plans = Plans { table: &table, rng: Rng::new(1), params: vec![] };
    let mut plan = count_plan(&table, None);
    plan.output = Output::Groups {
        keys: vec![plans.column("ts"), plans.column("t")],
        aggregates: vec![aggregate("count", vec![], None)],
        limit: None,
    };
    let snapshot = TableSnapshot::new(vec![handle]);
    let mut limited = request(&plan, &snapshot);
    limited.budget = Budget::new(2 << 20);
    match shards.run_blocking(limited) {
        Err(Error::Memory { limit, operator, .. }) => assert_eq!((limit, operator), (2 << 20, "group by")),
        other => panic!("{other:?}"),
    }
    assert_eq!(answered(&plan, &shards.run_blocking(request(&plan, &snapshot)).unwrap()).len(), 60_000);
}

#[test]
fn a_deadline_and_a_cancellation_end_a_query_and_free_what_it_held() {
    let table = Table::random(13, 20_000);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.seg");
    table.write(0..20_000, 65_536, "t", &path);
    let shards = shards(2, Executor::Threads);
    let handle = SegmentHandle::open(&path, KEY, Residency::Resident, &shards).unwrap();
    let plans = Plans { table: &table, rng: Rng::new(1), params: vec![] };
    let plan = count_plan(&table, Some(slow_filter(&plans)));
    let snapshot = repeated(&handle, 2000);

    let mut late = request(&plan, &snapshot);
    late.deadline = Instant::now() + Duration::from_millis(20);
    assert!(matches!(shards.run_blocking(late), Err(Error::Deadline { .. })));

    let cancelled = request(&plan, &snapshot);
    let token: CancelToken = cancelled.cancel.clone();
    let runner = shards.clone();
    let running = std::thread::spawn(move || runner.run_blocking(cancelled));
    std::thread::sleep(Duration::from_millis(30));
    token.cancel();
    assert!(matches!(running.join().unwrap(), Err(Error::Cancelled)));
    drop(snapshot);
    // The workers let go of the snapshot: only this test's handle is left.
    let waited = Instant::now();
    while Arc::strong_count(&handle) > 1 {
        assert!(
            waited.elapsed() < Duration::from_secs(5),
            "the cancelled query still holds {} handles",
            Arc::strong_count(&handle) - 1
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn dropping_the_future_cancels_the_query() {
    let table = Table::random(17, 20_000);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.seg");
    table.write(0..20_000, 65_536, "t", &path);
    let shards = shards(1, Executor::Threads);
    let handle = SegmentHandle::open(&path, KEY, Residency::Resident, &shards).unwrap();
    let plans = Plans { table: &table, rng: Rng::new(1), params: vec![] };
    let slow = request(&count_plan(&table, Some(slow_filter(&plans))), &repeated(&handle, 2000));
    let token = slow.cancel.clone();
    let mut future = Box::pin(shards.run(slow));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(future.as_mut().poll(&mut context).is_pending());
    drop(future);
    assert!(token.is_cancelled());
}

/// Small queries are answered while a long one runs: counted, not timed.
#[test]
fn a_long_query_does_not_hold_back_small_ones() {
    let table = Table::random(19, 20_000);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.seg");
    table.write(0..20_000, 65_536, "t", &path);
    for executor in [Executor::Threads, Executor::Auto] {
        let shards: Shards = shards(1, executor);
        let handle = SegmentHandle::open(&path, KEY, Residency::Resident, &shards).unwrap();
        let plans = Plans { table: &table, rng: Rng::new(1), params: vec![] };
        let long = request(&count_plan(&table, Some(slow_filter(&plans))), &repeated(&handle, 400));
        let token = long.cancel.clone();
        let done = Arc::new(AtomicBool::new(false));
        let (runner, flag) = (shards.clone(), done.clone());
        let running = std::thread::spawn(move || {
            let outcome = runner.run_blocking(long);
            flag.store(true, Ordering::SeqCst);
            outcome
        });
        let small = count_plan(&table, Some(Expr::IsNull { expr: plans.column("i").into(), negated: true }));
        let snapshot = TableSnapshot::new(vec![handle.clone()]);
        let expected = expected(&table, &small, &[]);
        let mut answered_meanwhile = 0;
        for _ in 0..50 {
            let answer = shards.run_blocking(request(&small, &snapshot)).unwrap();
            assert_eq!(answered(&small, &answer), expected);
            answered_meanwhile += usize::from(!done.load(Ordering::SeqCst));
        }
        token.cancel();
        let _ = running.join().unwrap();
        // In turn on one shard, all fifty would come after the long one.
        assert!(
            answered_meanwhile >= 25,
            "{answered_meanwhile} of 50 small queries were answered while the long one ran"
        );
    }
}

#[test]
fn a_dead_shard_says_why() {
    use shard::rt::task::{Class, Progress, Slice, Work};
    struct Dies;
    impl Work for Dies {
        fn name(&self) -> &'static str {
            "dies"
        }

        fn run(&mut self, _: &Slice<'_>) -> Progress {
            panic!("on purpose");
        }
    }
    for executor in [Executor::Threads, Executor::Auto] {
        let (sender, receiver) = std::sync::mpsc::channel();
        let options = shard::ShardOptions {
            shards: 1,
            executor,
            on_shard_death: Some(Arc::new(move |shard, reason: &str| sender.send((shard, reason.to_owned())).unwrap())),
            ..shard::ShardOptions::default()
        };
        let shards = Shards::start(options, crate::registry()).unwrap();
        shards.submit(0, Class::Load, Box::new(Dies));
        assert_eq!(receiver.recv_timeout(Duration::from_secs(10)).unwrap(), (0, "on purpose".to_owned()));
    }
}

#[test]
fn the_report_says_what_was_chosen() {
    let threads = shards(1, Executor::Threads);
    assert!(threads.report()[0].starts_with("executor: threads (configured), 1 shards"), "{:?}", threads.report());
    assert!(threads.report().iter().any(|l| l.starts_with("kernels: ")));
    let auto = shards(2, Executor::Auto);
    let line = &auto.report()[0];
    assert!(line.starts_with("executor: glommio, 2 shards") || line.contains("because"), "{line}");
    assert_eq!(auto.metrics().len(), 2);
    let plan = count_plan(&Table::random(1, 1), None);
    let empty = shards(1, Executor::Threads).run_blocking(request(&plan, &TableSnapshot::new(vec![]))).unwrap();
    assert_eq!(answered(&plan, &empty), [" # Long(0)"]);
}
