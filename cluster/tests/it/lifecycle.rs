//! Starting, stopping, starting again.

use crate::harness::{GAMAY, Node, sample_csv, text};
use std::process::Command;
use std::time::Duration;

#[test]
fn data_is_there_after_a_clean_stop_and_after_a_kill() {
    let mut node = Node::start();
    node.ingest(&node.file("a.csv", sample_csv(1000)), "t", &["--sort", "name"]);
    let question = "SELECT name, count(*), sum(amount) FROM t GROUP BY name ORDER BY name";
    let before = node.rows(question);
    assert_eq!(node.terminate().code(), Some(0));
    node.restart();
    assert_eq!(node.rows(question), before);
    node.kill();
    node.restart();
    assert_eq!(node.rows(question), before);
    node.ingest(&node.file("b.csv", sample_csv(10)), "t", &[]);
    assert_eq!(node.count("t"), Some(1010));
}

#[test]
fn a_locked_folder_names_the_process_that_holds_it() {
    let node = Node::start();
    let output = Command::new(GAMAY)
        .args(["start", "--controller-port", "0", "--broker-port", "0", "--data-dir"])
        .arg(node.data_dir())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains(&format!("process {}", node.pid())) && said.contains("data"), "{said}");
}

#[test]
fn a_port_in_use_is_named_with_its_process() {
    let node = Node::start();
    let dir = tempfile::tempdir().unwrap();
    for (option, url) in [("--controller-port", &node.controller), ("--broker-port", &node.broker)] {
        let port = url.rsplit(':').next().unwrap();
        let other = if option == "--controller-port" { "--broker-port" } else { "--controller-port" };
        let output = Command::new(GAMAY)
            .args(["start", option, port, other, "0", "--data-dir"])
            .arg(dir.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        let said = text(&output.stderr);
        assert!(
            said.contains(port) && said.contains(&format!("process {}", node.pid())) && said.contains(option),
            "{said}"
        );
    }
}

#[test]
fn only_loopback_is_listened_on() {
    let dir = tempfile::tempdir().unwrap();
    let output =
        Command::new(GAMAY).args(["start", "--listen", "0.0.0.0", "--data-dir"]).arg(dir.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("loopback"), "{}", text(&output.stderr));
}

#[test]
fn a_damaged_segment_is_told_and_the_rest_is_served() {
    let mut node = Node::start();
    node.ingest(&node.file("a.csv", sample_csv(100)), "t", &["--rows-per-segment", "50"]);
    node.ingest(&node.file("b.csv", sample_csv(7)), "whole", &[]);
    node.kill();
    // The deep store's object and the served file are one file under two names.
    let segment = walk(&node.data_dir().join("segments")).into_iter().find(|p| p.ends_with("0-0.seg")).unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    let at = bytes.len() - 1;
    bytes[at] ^= 0xff;
    std::fs::write(&segment, bytes).unwrap();
    node.restart();
    let answer = node.ask("SELECT count(*) FROM t");
    assert_eq!(answer["resultTable"]["rows"][0][0], 50, "{answer}");
    assert_eq!((&answer["partialResult"], &answer["exceptions"][0]["errorCode"]), (&true.into(), &305.into()));
    assert_eq!(node.count("whole"), Some(7));
    assert_eq!(node.get("/health/readiness").status, 503);
    assert_eq!(node.get("/health").status, 200);
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    let mut files: Vec<_> = entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect();
    files.sort();
    files
}

#[test]
fn every_way_to_run_answers_alike() {
    let question =
        "SELECT name, count(*), sum(amount), min(id), max(id) FROM t WHERE id % 3 = 1 GROUP BY name ORDER BY name";
    let mut answers = Vec::new();
    for arguments in [
        &["--executor", "threads", "--shards", "1", "--residency", "resident"][..],
        &["--executor", "threads", "--shards", "3", "--residency", "mapped"],
        &["--executor", "threads", "--shards", "2", "--residency", "streamed"],
        &["--executor", "auto", "--shards", "2", "--residency", "streamed"],
        &["--shards", "2", "--loopback-codec"],
    ] {
        let node = Node::start_with(arguments);
        node.ingest(&node.file("t.csv", sample_csv(20_000)), "t", &["--rows-per-segment", "7000"]);
        answers.push((arguments, node.rows(question)));
    }
    for (arguments, answer) in &answers[1..] {
        assert_eq!(*answer, answers[0].1, "{arguments:?}");
    }
}

#[test]
fn a_stop_lets_a_running_query_end() {
    let mut node = Node::start();
    node.ingest(&node.file("t.csv", sample_csv(3000)), "t", &[]);
    let url = format!("{}/query/sql", node.broker);
    let slow = std::thread::spawn(move || {
        let sql = "SELECT count(*) FROM t a JOIN t b ON a.id % 7 = b.id % 7 WHERE a.amount + b.amount > 0";
        let body = serde_json::json!({"sql": sql, "queryOptions": "useMultistageEngine=true"}).to_string();
        let mut reply = ureq::post(&url).header("Content-Type", "application/json").send(body.as_bytes()).unwrap();
        reply.body_mut().read_json::<serde_json::Value>().unwrap()
    });
    // The query runs as soon as it is listed.
    for _ in 0..500 {
        if slow.is_finished()
            || node
                .get("/queries")
                .ok()
                .as_object()
                .unwrap()
                .values()
                .any(|q| q.as_object().is_some_and(|q| !q.is_empty()))
        {
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(node.terminate().code(), Some(0));
    let answer = slow.join().unwrap();
    assert_eq!(answer["exceptions"], serde_json::json!([]), "{answer}");
}
