//! Results by cursor: Pinot's `getCursor` and `/responseStore`.

use crate::harness::{Node, sample_csv};
use serde_json::{Value, json};

fn node() -> Node {
    let node = Node::start();
    node.ingest(&node.file("t.csv", sample_csv(2500)), "t", &["--rows-per-segment", "700"]);
    node
}

fn ids(answer: &Value) -> Vec<i64> {
    answer["resultTable"]["rows"].as_array().unwrap().iter().map(|row| row[0].as_i64().unwrap()).collect()
}

#[test]
fn a_result_is_fetched_page_by_page() {
    let node = node();
    let sql = "SELECT id, name FROM t ORDER BY id LIMIT 2000";
    for door in ["query/sql", "query"] {
        let url = format!("{}/{door}?getCursor=true&numRows=600", node.broker);
        let first = node.post(&url, &json!({"sql": sql})).ok();
        assert_eq!(first["exceptions"], json!([]), "{first}");
        assert_eq!(
            (&first["offset"], &first["numRows"], &first["numRowsResultSet"]),
            (&json!(0), &json!(600), &json!(2000))
        );
        let mut all = ids(&first);
        let id = first["requestId"].as_str().unwrap().to_owned();
        let address = format!("http://{}:{}", first["brokerHost"].as_str().unwrap(), first["brokerPort"]);
        assert_eq!(address, node.broker);
        let expires = first["expirationTimeMs"].as_u64().unwrap() - first["submissionTimeMs"].as_u64().unwrap();
        assert_eq!(expires / 60_000, 60);
        while all.len() < 2000 {
            let page = format!("{address}/responseStore/{id}/results?offset={}&numRows=600", all.len());
            let page = node.get(&page).ok();
            assert_eq!(page["resultTable"]["dataSchema"], first["resultTable"]["dataSchema"]);
            assert_eq!(page["offset"], all.len());
            assert_eq!(page["numRows"], ids(&page).len());
            all.extend(ids(&page));
        }
        assert_eq!(all, (0..2000).collect::<Vec<i64>>());
        // The Java client ends its paths with a slash.
        let described = node.get(&format!("{address}/responseStore/{id}/")).ok();
        assert_eq!((&described["requestId"], described.get("resultTable")), (&json!(id), None));
        let listed = node.get(&format!("{address}/responseStore")).ok();
        assert!(listed.as_array().unwrap().iter().any(|kept| kept["requestId"] == json!(id)), "{listed}");
        let behind = node.get(&format!("{address}/responseStore/{id}/results?offset=2000"));
        assert!(behind.status == 400 && behind.body.contains("2000"), "{}", behind.body);
        let deleted = node.delete(&format!("{address}/responseStore/{id}/"));
        assert!(deleted.status == 200 && deleted.body.contains(&id), "{}", deleted.body);
        assert_eq!(node.get(&format!("{address}/responseStore/{id}/results")).status, 404);
        assert_eq!(node.delete(&format!("{address}/responseStore/{id}")).status, 404);
    }
}

#[test]
fn a_cursor_shows_the_moment_of_its_query() {
    let node = node();
    let url = format!(
        "{}/query/sql?sql=SELECT%20id%20FROM%20t%20ORDER%20BY%20id%20LIMIT%2010&getCursor=true&numRows=4",
        node.broker
    );
    let first = node.get(&url).ok();
    assert_eq!(ids(&first), [0, 1, 2, 3]);
    node.delete("/tables/t").ok();
    let id = first["requestId"].as_str().unwrap();
    let rest = node.get(&format!("{}/responseStore/{id}/results?offset=4", node.broker)).ok();
    assert_eq!(ids(&rest), [4, 5, 6, 7, 8, 9]);
}

#[test]
fn what_cannot_be_a_cursor() {
    let node = node();
    let ask =
        |query: &str, sql: &str| node.post(&format!("{}/query/sql?{query}", node.broker), &json!({"sql": sql})).ok();
    for rows in ["0", "-1", "many"] {
        let answer = ask(&format!("getCursor=true&numRows={rows}"), "SELECT 1");
        assert_eq!(answer["exceptions"][0]["errorCode"], 100, "{rows}: {answer}");
    }
    let failed = ask("getCursor=true", "SELECT nope FROM t");
    assert_eq!(failed["exceptions"][0]["errorCode"], 710);
    assert!(failed.get("numRows").is_none(), "{failed}");
    let plain = ask("getCursor=false&numRows=1", "SELECT id FROM t LIMIT 5");
    assert_eq!((ids(&plain).len(), plain.get("offset")), (5, None));
    let empty = ask("getCursor=true", "SELECT id FROM t WHERE id < 0");
    assert_eq!((&empty["numRows"], ids(&empty).len()), (&json!(0), 0));
    assert_eq!(node.get(&format!("{}/responseStore", node.broker)).ok().as_array().unwrap().len(), 1);
}
