//! kill -9 at any moment of a push: afterwards the push is there wholly or not at all.

use crate::harness::{Node, sample_csv};
use std::time::Duration;

/// The points of a push in order; up to which of them nothing is visible.
const POINTS: [(&str, bool); 5] = [
    ("push.verified", false),
    ("push.reserved", false),
    ("push.stored", false),
    ("push.opened", false),
    ("push.committed", true),
];

#[test]
fn a_crash_at_each_point() {
    let mut node = Node::start();
    node.ingest(&node.file("before.csv", sample_csv(10)), "t", &[]);
    let mut expected = 10;
    for (number, (point, visible)) in POINTS.into_iter().enumerate() {
        node.kill();
        node.restart_with(&[("GAMAY_CRASH_POINT", point)]);
        assert_eq!(node.count("t"), Some(expected), "before the crash at {point}");
        let rows = 100 + number;
        let file = node.file(&format!("{number}.csv"), sample_csv(rows));
        let output = node.gamay(&["ingest", file.to_str().unwrap(), "--table", "t", "--rows-per-segment", "30"]);
        assert!(!output.status.success(), "the node answered although it died at {point}");
        node.wait(Duration::from_secs(30));
        node.restart();
        if visible {
            expected += rows as i64;
        }
        assert_eq!(node.count("t"), Some(expected), "after the crash at {point}");
        // The same push again: refused if it is there, done if it is not.
        let again = node.gamay(&["ingest", file.to_str().unwrap(), "--table", "t", "--rows-per-segment", "30"]);
        assert_eq!(again.status.success(), !visible, "{point}: {}", crate::harness::text(&again.stderr));
        if !visible {
            expected += rows as i64;
        }
        assert_eq!(node.count("t"), Some(expected), "after pushing again, {point}");
    }
}

#[test]
fn kills_at_any_time() {
    let mut node = Node::start();
    node.ingest(&node.file("0.csv", sample_csv(10)), "t", &[]);
    let mut expected = 10;
    for round in 1..=8u64 {
        let rows = 2_000;
        // Every round has its own content, so that a push that is there already is never taken for the new one.
        let file = node.file(&format!("{round}.csv"), format!("{}{},x,0.5\n", sample_csv(rows - 1), 1_000_000 + round));
        let mut push =
            node.gamay_command(&["ingest", file.to_str().unwrap(), "--table", "t", "--rows-per-segment", "300"]);
        let mut push = push.stderr(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(round * round * 6));
        node.kill();
        let acknowledged = push.wait().unwrap().success();
        node.restart();
        let found = node.count("t").unwrap();
        let whole = expected + rows as i64;
        assert!(
            found == whole || (found == expected && !acknowledged),
            "round {round}: {found} rows, {expected} before"
        );
        expected = found;
    }
}
