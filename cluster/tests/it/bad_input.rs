//! What is malformed, too large or impossible: a clear error, nothing half-loaded, and the node serves on.

use crate::harness::{Node, sample_csv};
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;

fn node() -> Node {
    let node = Node::start();
    node.ingest(&node.file("t.csv", sample_csv(100)), "t", &[]);
    node
}

#[test]
fn sql_that_cannot_be_answered() {
    let node = node();
    let (code, said) = node.failure("SELECT id FORM t");
    assert_eq!(code, 150, "{said}");
    assert!(said.contains("line 1"), "no position: {said}");
    let (code, said) = node.failure("SELECT nam FROM t");
    assert_eq!(code, 710);
    assert!(said.contains("name"), "no hint: {said}");
    let (code, said) = node.failure("SELECT id FROM tt");
    assert_eq!(code, 190);
    assert!(said.contains("`t`") || said.contains("t?"), "no hint: {said}");
    assert!(node.failure("").1.len() > 5);
    assert!(node.failure("DROP TABLE t").0 >= 150);
    let (_, said) = node.failure("SELECT nosuchfunction(id) FROM t");
    assert!(said.to_lowercase().contains("nosuchfunction"), "{said}");
    // The data does not allow it.
    let (code, said) = node.failure("SELECT 9223372036854775807 + id FROM t WHERE id = 1");
    assert_eq!(code, 200, "{said}");
    assert!(node.failure("SELECT 1 / 0").1.to_lowercase().contains("zero"));
    assert!(node.failure("SELECT CAST(name AS INT) FROM t").1.contains("n0"));
    assert_eq!(node.count("t"), Some(100));
}

#[test]
fn sql_that_is_too_long_or_too_deep() {
    let node = node();
    let long = format!("SELECT count(*) FROM t WHERE name = '{}'", "x".repeat(10 << 20));
    assert!(node.failure(&long).1.contains("bytes"));
    let list: Vec<String> = (0..1_500_000).map(|i| i.to_string()).collect();
    let long = format!("SELECT count(*) FROM t WHERE id IN ({})", list.join(","));
    assert!(long.len() > 10_000_000);
    assert!(node.failure(&long).1.contains("bytes"));
    let deep = format!("SELECT {}1{}", "(".repeat(10_000), ")".repeat(10_000));
    assert!(node.failure(&deep).0 >= 150);
    // A long OR is a query like another, or a clear refusal; never a wrong answer.
    let ors: Vec<String> = (0..10_000).map(|i| format!("id = {i}")).collect();
    let answer = node.ask_with(&format!("SELECT count(*) FROM t WHERE {}", ors.join(" OR ")), "timeoutMs=60000");
    let refused = answer["exceptions"][0]["message"].is_string();
    assert!(refused || answer["resultTable"]["rows"] == json!([[100]]), "{answer}");
    // Planning is part of the query's time.
    let ors: Vec<String> = (0..10_000).map(|i| format!("id = {i} OR name = 'n{i}'")).collect();
    let started = std::time::Instant::now();
    let answer = node.ask_with(&format!("SELECT count(*) FROM t WHERE {}", ors.join(" OR ")), "timeoutMs=100");
    assert!(answer["exceptions"][0]["message"].as_str().unwrap().contains("timeoutMs"), "{answer}");
    assert!(started.elapsed() < std::time::Duration::from_secs(3), "{:?}", started.elapsed());
    // More than the body may have is refused before it is read to the end.
    let body = vec![b' '; 17 << 20];
    let reply = node.post_text(&format!("{}/query/sql", node.broker), "application/json", &body);
    assert_eq!(reply.status, 413);
    assert!(reply.json()["exceptions"][0]["message"].as_str().unwrap().contains("bytes"));
    assert_eq!(node.count("t"), Some(100));
}

#[test]
fn requests_that_are_not_requests() {
    let node = node();
    let url = format!("{}/query/sql", node.broker);
    for body in ["", "{", "[]", "null", "{\"sql\": 3}", "{\"nosql\": \"SELECT 1\"}", "\u{0}"] {
        let answer = node.post_text(&url, "application/json", body.as_bytes()).ok();
        assert_eq!(answer["exceptions"][0]["errorCode"], 100, "{body:?}");
    }
    assert_eq!(
        node.post_text(&url, "application/json", b"{\"sql\": \"\xff\"}").ok()["exceptions"][0]["errorCode"],
        100
    );
    assert_eq!(node.get(&url).ok()["exceptions"][0]["errorCode"], 100);
    let (_, said) = node.failure("SET timeoutMs = 0; SELECT 1");
    assert!(said.contains("timeoutMs"), "{said}");
    for path in ["/schemas", "/tables", "/tableConfigs"] {
        for body in ["", "{", "[]", "{}", "{\"schemaName\": \"\"}", "{\"tableName\": \"a/../b\"}"] {
            let reply = node.post_text(&format!("{}{path}", node.controller), "application/json", body.as_bytes());
            assert!(reply.status == 400, "{path} {body:?}: {} {}", reply.status, reply.body);
            assert_eq!(reply.json()["code"], 400);
        }
    }
    assert_eq!(node.post("/pushes?tableName=nope", &json!(null)).status, 404);
    assert_eq!(node.post("/pushes/none/commit", &json!(null)).status, 404);
    assert_eq!(node.get("/segments/t/..%2F..%2Fcatalog").status, 404);
    assert_eq!(node.get("/tables/%00/schema").status, 400);
}

#[test]
fn bytes_that_are_not_http() {
    let node = node();
    let address = node.broker.strip_prefix("http://").unwrap();
    let huge = format!("GET /health HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "a".repeat(200_000));
    let many = format!("GET /health HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-A: b\r\n".repeat(500));
    for bytes in ["\u{0}\u{1}\u{2}garbage\r\n\r\n", "GET\r\n\r\n", &huge, &many] {
        let mut stream = TcpStream::connect(address).unwrap();
        // The node may close before it has read everything.
        let _ = stream.write_all(bytes.as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(node.count("t"), Some(100));
}

#[test]
fn files_that_cannot_be_loaded() {
    let node = node();
    let cases: Vec<(&str, Vec<u8>, &[&str])> = vec![
        ("empty.csv", Vec::new(), &["empty"]),
        ("empty.json", Vec::new(), &["empty"]),
        ("text.csv", b"id,name\n1,\xff\xfe\n".to_vec(), &["line 2", "utf-8"]),
        ("wide.csv", b"id,name\n1,a,extra\n".to_vec(), &["line 2"]),
        ("narrow.csv", b"id,name\n1\n".to_vec(), &["line 2"]),
        ("broken.json", b"{\"id\": 1}\n{\"id\": }\n".to_vec(), &["line 2"]),
        ("tail.json", b"[{\"id\": 1}] trailing".to_vec(), &["tail.json"]),
        ("cut.csv.gz", gzip_cut(), &["cut.csv.gz"]),
        ("no.parquet", b"PAR1 but not really".to_vec(), &["no.parquet"]),
        ("odd.xlsx", b"x".to_vec(), &["odd.xlsx"]),
    ];
    for (name, content, mentions) in cases {
        let said = node.ingest_failure(&node.file(name, content), "bad", &[]).to_lowercase();
        for text in mentions {
            assert!(said.contains(text), "{name}: {text:?} is not in {said}");
        }
        assert!(!said.contains("panicked"), "{name}: {said}");
        assert_eq!(node.get("/tables").ok(), json!({"tables": ["t"]}), "{name} left a table");
    }
    // Columns that the table does not have.
    let said = node.ingest_failure(&node.file("unknown.csv", "id,nam,amount\n1,a,1\n"), "t", &[]);
    assert!(said.contains("nam") && said.contains("name"), "{said}");
    let said = node.ingest_failure(&node.folder().join("absent.csv"), "t", &[]);
    assert!(said.contains("absent.csv"), "{said}");
    assert_eq!(node.count("t"), Some(100));
}

#[test]
fn files_that_are_not_files() {
    let node = node();
    let said = node.ingest_failure(node.folder(), "bad", &[]);
    assert!(said.contains("folder"), "{said}");
    // A pipe has nothing to give a second time.
    let pipe = node.folder().join("pipe.csv");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let said = node.ingest_failure(&pipe, "bad", &[]);
    assert!(said.contains("pipe.csv") && said.contains("not a regular file"), "{said}");
}

#[test]
fn rejected_rows_do_not_overwrite_what_is_read() {
    let node = node();
    let content = "id,name\n1,a\n2\n";
    let file = node.file("rows.csv", content);
    let link = node.folder().join("link.csv");
    std::fs::hard_link(&file, &link).unwrap();
    for rejects in [&file, &link] {
        let said = node.ingest_failure(&file, "new", &["--on-error", &format!("reject={}", rejects.display())]);
        assert!(said.contains("overwritten"), "{said}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), content);
    }
    assert_eq!(node.get("/tables").ok(), json!({"tables": ["t"]}));
}

/// The first half of a gzip file.
fn gzip_cut() -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(sample_csv(10_000).as_bytes()).unwrap();
    let whole = encoder.finish().unwrap();
    whole[..whole.len() / 2].to_vec()
}

#[test]
fn a_query_that_needs_too_much_memory() {
    let node = Node::start_with(&["--query-memory-mib", "2"]);
    node.ingest(&node.file("t.csv", sample_csv(200_000)), "t", &[]);
    let (code, said) = node.failure("SELECT id, count(*), sum(amount) FROM t GROUP BY id ORDER BY 2");
    assert_eq!(code, 245, "{said}");
    assert_eq!(node.count("t"), Some(200_000));
}
