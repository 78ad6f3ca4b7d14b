//! Ending a query: by id, by its client's id, by going away, by its time.

use crate::harness::{Node, sample_csv};
use serde_json::{Value, json};
use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Joins every row with every other one: minutes of work.
const ENDLESS: &str = "SELECT count(*) FROM t a JOIN t b ON a.id % 2 = b.id % 2 JOIN t c ON b.id % 2 = c.id % 2 WHERE a.amount + b.amount + c.amount > 1";

fn node() -> Node {
    let node = Node::start_with(&["--query-timeout-ms", "60000"]);
    node.ingest(&node.file("t.csv", sample_csv(20_000)), "t", &[]);
    node
}

fn ask_in_background(node: &Node, options: &str) -> std::thread::JoinHandle<Value> {
    let url = format!("{}/query/sql", node.broker);
    let body = json!({"sql": ENDLESS, "queryOptions": format!("useMultistageEngine=true;{options}")}).to_string();
    std::thread::spawn(move || {
        let mut reply = ureq::post(&url).header("Content-Type", "application/json").send(body.as_bytes()).unwrap();
        reply.body_mut().read_json::<Value>().unwrap()
    })
}

fn running(node: &Node) -> Vec<String> {
    let queries = node.get(&format!("{}/queries", node.broker)).ok();
    queries.as_object().unwrap().keys().cloned().collect()
}

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < end, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn by_id_and_by_the_clients_id() {
    let node = node();
    let asked = ask_in_background(&node, "");
    wait_for("the query's start", || running(&node).len() == 1);
    let id = running(&node).remove(0);
    let listed = node.get("/queries").ok();
    let of_broker = listed.as_object().unwrap().values().next().unwrap();
    assert_eq!(of_broker[&id], ENDLESS);
    assert_eq!(node.delete(&format!("{}/query/{id}", node.broker)).status, 200);
    assert_eq!(asked.join().unwrap()["exceptions"][0]["errorCode"], 503);
    assert!(running(&node).is_empty());
    assert_eq!(node.delete(&format!("{}/query/{id}", node.broker)).status, 404);

    let asked = ask_in_background(&node, "clientQueryId=mine");
    wait_for("the query's start", || running(&node).len() == 1);
    assert_eq!(node.delete(&format!("{}/query/other?client=true", node.broker)).status, 404);
    assert_eq!(node.delete(&format!("{}/query/mine?client=true", node.broker)).status, 200);
    let answer = asked.join().unwrap();
    assert_eq!((&answer["exceptions"][0]["errorCode"], &answer["clientRequestId"]), (&json!(503), &json!("mine")));
}

#[test]
fn a_client_that_goes_away() {
    let node = node();
    let address = node.broker.strip_prefix("http://").unwrap();
    let body = json!({"sql": ENDLESS, "queryOptions": "useMultistageEngine=true"}).to_string();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "POST /query/sql HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    wait_for("the query's start", || running(&node).len() == 1);
    drop(stream);
    wait_for("the query's end", || running(&node).is_empty());
    assert_eq!(node.count("t"), Some(20_000));
}

#[test]
fn time_runs_out() {
    let node = node();
    let started = Instant::now();
    let answer = ask_in_background(&node, "timeoutMs=300").join().unwrap();
    assert_eq!(answer["exceptions"][0]["errorCode"], 250, "{answer}");
    assert!(started.elapsed() < Duration::from_secs(30));
    // The table's own time-out.
    let mut config = node.get("/tables/t").ok()["OFFLINE"].clone();
    config["query"] = json!({"timeoutMs": 200});
    node.put("/tables/t", &config).ok();
    assert_eq!(ask_in_background(&node, "").join().unwrap()["exceptions"][0]["errorCode"], 250);
    assert_eq!(node.count("t"), Some(20_000));
}

#[test]
fn more_queries_than_slots() {
    let node = Node::start_with(&["--queries-max", "1", "--query-timeout-ms", "60000"]);
    node.ingest(&node.file("t.csv", sample_csv(20_000)), "t", &[]);
    let first = ask_in_background(&node, "clientQueryId=first");
    wait_for("the query's start", || running(&node).len() == 1);
    let refused = node.ask_with("SELECT count(*) FROM t", "timeoutMs=100");
    assert_eq!(refused["exceptions"][0]["errorCode"], 211, "{refused}");
    node.delete(&format!("{}/query/first?client=true", node.broker));
    assert_eq!(first.join().unwrap()["exceptions"][0]["errorCode"], 503);
    assert_eq!(node.count("t"), Some(20_000));
}
