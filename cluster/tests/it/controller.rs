//! The controller's REST: Pinot's shapes.

use crate::harness::{Node, sample_csv};
use serde_json::{Value, json};

fn schema(name: &str) -> Value {
    json!({"schemaName": name, "dimensionFieldSpecs": [{"name": "id", "dataType": "INT"}, {"name": "name", "dataType": "STRING"}],
        "metricFieldSpecs": [{"name": "amount", "dataType": "DOUBLE"}]})
}

fn config(name: &str) -> Value {
    json!({"tableName": format!("{name}_OFFLINE"), "tableType": "OFFLINE", "segmentsConfig": {"schemaName": name, "replication": "1",
        "segmentPushType": "APPEND"}, "tenants": {}, "tableIndexConfig": {"loadMode": "MMAP", "nullHandlingEnabled": true},
        "metadata": {}, "quota": {"storage": "1G"}, "somethingNew": {"kept": [1, 2]}})
}

fn made() -> Node {
    let node = Node::start();
    node.post("/schemas?override=true", &schema("t")).ok();
    node.post("/tables", &config("t")).ok();
    node
}

fn form(content: &[u8], file_name: &str) -> (String, Vec<u8>) {
    let boundary = "----gamay-test-boundary";
    let mut body = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{file_name}\"\r\nContent-Type: application/octet-stream\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(content);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}

#[test]
fn health_and_versions() {
    let node = Node::start();
    for base in [&node.controller, &node.broker] {
        assert_eq!(node.get(&format!("{base}/health")).body, "OK");
        assert_eq!(node.get(&format!("{base}/health/liveness")).body, "OK");
        assert_eq!(node.get(&format!("{base}/health/readiness")).status, 200);
        let document = node.get(&format!("{base}/openapi.json")).ok();
        assert!(document["openapi"].as_str().unwrap().starts_with("3."));
        assert!(node.get(&format!("{base}/help")).body.contains("/health"));
    }
    assert_eq!(node.get("/pinot-controller/admin").body, "GOOD");
    assert!(node.get("/version").ok()["gamay"].is_string());
    assert_eq!(node.get("/tenants").ok()["BROKER_TENANTS"], json!(["DefaultTenant"]));
    assert_eq!(node.get("/databases").ok(), json!(["default"]));
    let paths = node.get("/openapi.json").ok()["paths"].clone();
    for path in [
        "/tables",
        "/tables/{tableName}/schema",
        "/schemas",
        "/ingestFromFile",
        "/v2/segments",
        "/tableConfigs/validate",
    ] {
        assert!(paths.get(path).is_some(), "{path} is not described");
    }
    let missing = node.get("/no/such/path");
    assert_eq!((missing.status, missing.json()["code"].clone()), (404, json!(404)));
    assert_eq!(node.delete("/health").status, 405);
}

#[test]
fn metrics_count_queries_and_rows() {
    let node = Node::start();
    node.ingest(&node.file("t.csv", sample_csv(25)), "t", &[]);
    node.rows("SELECT count(*) FROM t");
    let text = node.get(&format!("{}/metrics", node.broker)).body;
    assert!(text.contains("gamay_rows_pushed_total 25"), "{text}");
    assert!(text.contains("gamay_query_duration_seconds_count{outcome=\"ok\"} 1"), "{text}");
    assert!(text.contains("gamay_tables 1") && text.contains("gamay_segments 1"), "{text}");
}

#[test]
fn schemas_are_made_changed_and_dropped() {
    let node = Node::start();
    assert_eq!(node.get("/schemas").ok(), json!([]));
    assert_eq!(node.post("/schemas", &schema("t")).ok()["status"], "t successfully added");
    assert_eq!(node.get("/schemas/t").ok()["dimensionFieldSpecs"][1]["name"], "name");
    assert_eq!(node.post("/schemas?override=false", &schema("t")).status, 409);
    let mut wider = schema("t");
    wider["dimensionFieldSpecs"].as_array_mut().unwrap().push(json!({"name": "more", "dataType": "LONG"}));
    node.put("/schemas/t", &wider).ok();
    // A column may come, not go.
    let refused = node.put("/schemas/t", &schema("t"));
    assert_eq!(refused.status, 400);
    assert!(refused.body.contains("more"), "{}", refused.body);
    assert_eq!(node.put("/schemas/other", &schema("other")).status, 404);
    let wrong = node.post(
        "/schemas/validate",
        &json!({"schemaName": "x", "dimensionFieldSpecs": [{"name": "a", "dataType": "STRNG"}]}),
    );
    assert_eq!(wrong.status, 400);
    assert!(wrong.body.contains("STRING"), "no hint: {}", wrong.body);
    node.post("/tables", &config("t")).ok();
    assert_eq!(node.delete("/schemas/t").status, 409);
    node.delete("/tables/t").ok();
    node.delete("/schemas/t").ok();
    assert_eq!(node.get("/schemas/t").status, 404);
}

#[test]
fn tables_are_made_changed_and_dropped() {
    let node = Node::start();
    assert_eq!(node.post("/tables", &config("t")).status, 404, "a table without a schema");
    node.post("/schemas", &schema("t")).ok();
    let made = node.post("/tables", &config("t")).ok();
    assert_eq!(made["status"], "Table t_OFFLINE successfully added");
    assert!(made["unrecognizedProperties"].get("/somethingNew").is_some(), "{made}");
    assert_eq!(node.post("/tables", &config("t")).status, 409);
    // Unknown keys are kept.
    let found = node.get("/tables/t").ok();
    assert_eq!(found["OFFLINE"]["somethingNew"], json!({"kept": [1, 2]}));
    assert_eq!(found["OFFLINE"]["quota"]["storage"], "1G");
    assert_eq!(node.get("/tables?type=offline").ok(), json!({"tables": ["t_OFFLINE"]}));
    assert_eq!(node.get("/tables?type=hybrid").status, 400);
    let mut changed = config("t");
    changed["query"] = json!({"timeoutMs": 1234});
    node.put("/tables/t", &changed).ok();
    assert_eq!(node.get("/tables/t").ok()["OFFLINE"]["query"]["timeoutMs"], 1234);
    let mut bad = config("t");
    bad["tableIndexConfig"]["invertedIndexColumns"] = json!(["nam"]);
    let refused = node.put("/tables/t", &bad);
    assert_eq!(refused.status, 400);
    assert!(refused.body.contains("`name`"), "no hint: {}", refused.body);
    // A disabled table is not asked.
    node.put("/tables/t/state?type=OFFLINE&state=disable", &json!({})).ok();
    assert_eq!(node.failure("SELECT count(*) FROM t").0, 191);
    node.put("/tables/t/state?type=OFFLINE&state=enable", &json!({})).ok();
    assert_eq!(node.count("t"), Some(0));
    let mut realtime = config("t");
    realtime["tableType"] = json!("REALTIME");
    realtime["tableName"] = json!("t_REALTIME");
    assert_eq!(node.post("/tables", &realtime).status, 501);
    assert_eq!(node.delete("/tables/t?type=offline&retention=0d").ok()["status"], "Tables: [t_OFFLINE] deleted");
    assert_eq!(node.get("/tables/t").status, 404);
    assert_eq!(node.failure("SELECT count(*) FROM t").0, 190);
}

#[test]
fn table_configs_are_schema_and_config() {
    let node = Node::start();
    let both = json!({"tableName": "t", "schema": schema("t"), "offline": config("t")});
    assert_eq!(node.post("/tableConfigs/validate", &both).ok()["tableName"], "t");
    assert_eq!(node.get("/tableConfigs").ok(), json!([]));
    node.post("/tableConfigs", &both).ok();
    assert_eq!(node.post("/tableConfigs", &both).status, 409);
    let found = node.get("/tableConfigs/t").ok();
    assert_eq!((&found["schema"]["schemaName"], &found["offline"]["tableName"]), (&json!("t"), &json!("t_OFFLINE")));
    let mut changed = both.clone();
    changed["schema"]["dimensionFieldSpecs"].as_array_mut().unwrap().push(json!({"name": "x", "dataType": "LONG"}));
    node.put("/tableConfigs/t", &changed).ok();
    assert_eq!(node.rows("SELECT x FROM t"), json!([]));
    node.delete("/tableConfigs/t").ok();
    assert_eq!(node.get("/schemas").ok(), json!([]));
}

#[test]
fn files_are_ingested_by_the_controller() {
    let node = made();
    let ingest = |content: &[u8], name: &str, batch: &Value| {
        let (content_type, body) = form(content, name);
        let batch: String = url_encode(&batch.to_string());
        node.post_text(
            &format!("/ingestFromFile?tableNameWithType=t_OFFLINE&batchConfigMapStr={batch}"),
            &content_type,
            &body,
        )
    };
    let postfix = "segmentNameGenerator.configs.segment.name.postfix";
    ingest(b"{\"id\":1,\"name\":\"a\"}\n{\"id\":2}\n", "data.json", &json!({"inputFormat": "json", postfix: "1_0"}))
        .ok();
    ingest(b"{\"id\":3,\"name\":null}\n", "data.json", &json!({"inputFormat": "json", postfix: "1_1"})).ok();
    ingest(b"id|name|amount\n4|d|1.5\n", "x.csv", &json!({"inputFormat": "csv", "recordReader.prop.delimiter": "|"}))
        .ok();
    assert_eq!(node.rows("SELECT id, name FROM t ORDER BY id"), json!([[1, "a"], [2, null], [3, null], [4, "d"]]));
    // The same file under the same name replaces itself.
    ingest(b"id|name|amount\n4|d|1.5\n", "x.csv", &json!({"inputFormat": "csv", "recordReader.prop.delimiter": "|"}))
        .ok();
    assert_eq!(node.count("t"), Some(4));
    let bad = ingest(b"id,name,amount\n5,e,1\nsix,f,2\n", "bad.csv", &json!({"inputFormat": "csv"}));
    assert_eq!(bad.status, 400);
    assert!(bad.body.contains("line 3") && bad.body.contains("id") && bad.body.contains("bad.csv"), "{}", bad.body);
    assert_eq!(node.count("t"), Some(4));
    assert_eq!(ingest(b"x", "x.avro", &json!({"inputFormat": "avro"})).status, 501);
    // A body that is the file itself.
    let url = "/ingestFromFile?tableNameWithType=t_OFFLINE&batchConfigMapStr=%7B%22inputFormat%22%3A%22csv%22%7D";
    node.post_text(url, "text/csv", b"id,name,amount\n6,f,2\n").ok();
    assert_eq!(node.count("t"), Some(5));
    assert_eq!(node.post_text("/ingestFromFile?tableNameWithType=nope_OFFLINE", "text/csv", b"id\n1\n").status, 404);
}

fn url_encode(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02X}")).collect()
}

#[test]
fn segments_are_pushed_shown_and_dropped() {
    let node = made();
    let file = node.file("rows.csv", sample_csv(100));
    let out = node.folder().join("built");
    let built = node.gamay(&[
        "segment",
        "build",
        file.to_str().unwrap(),
        "-t",
        "t",
        "--out",
        out.to_str().unwrap(),
        "--json",
        "--schema",
        node.file("schema.json", schema("t").to_string()).to_str().unwrap(),
        "--rows-per-segment",
        "50",
    ]);
    assert!(built.status.success(), "{}", crate::harness::text(&built.stderr));
    let built: Value = serde_json::from_slice(&built.stdout).unwrap();
    assert_eq!(built.as_array().unwrap().len(), 2);
    for segment in built.as_array().unwrap() {
        let bytes = std::fs::read(segment["path"].as_str().unwrap()).unwrap();
        node.post_text("/v2/segments?tableName=t&tableType=OFFLINE", "application/octet-stream", &bytes).ok();
    }
    assert_eq!(node.count("t"), Some(100));
    // The same segment again is a new generation of it.
    let first = std::fs::read(built[0]["path"].as_str().unwrap()).unwrap();
    let (content_type, body) = form(&first, "t_0");
    node.post_text("/segments?tableName=t", &content_type, &body).ok();
    assert_eq!(node.count("t"), Some(100));
    assert_eq!(
        node.post_text("/v2/segments?tableName=t&allowRefresh=false", "application/octet-stream", &first).status,
        409
    );

    let names = node.get("/segments/t").ok()[0]["OFFLINE"].clone();
    assert_eq!(names, json!([built[0]["name"], built[1]["name"]]));
    let name = names[0].as_str().unwrap();
    let metadata = node.get(&format!("/segments/t_OFFLINE/{name}/metadata?columns=*")).ok();
    assert_eq!(metadata["segment.total.docs"], "50");
    assert_eq!(metadata["columns"].as_array().unwrap().len(), 3);
    assert_eq!(metadata["indexes"]["name"]["forward-index"], "YES");
    assert_eq!(node.get("/segments/t/metadata").ok().as_object().unwrap().len(), 2);
    assert_eq!(node.get(&format!("/segments/t/{name}x/metadata")).status, 404);
    let size = node.get("/tables/t/size").ok();
    assert_eq!(size["offlineSegments"]["segments"].as_object().unwrap().len(), 2);
    assert!(size["reportedSizeInBytes"].as_u64().unwrap() > 100);
    let metadata = node.get("/tables/t/metadata").ok();
    assert_eq!((&metadata["numRows"], &metadata["numSegments"]), (&json!(100), &json!(2)));
    assert_eq!(node.get("/tables/t/idealstate").ok(), node.get("/tables/t/externalview").ok());
    assert!(node.get("/tables/t/segmentsStatus").ok().as_array().unwrap().iter().all(|s| s["segmentStatus"] == "GOOD"));
    // What is downloaded is what was pushed.
    let downloaded =
        ureq::get(format!("{}/segments/t/{name}", node.controller)).call().unwrap().into_body().read_to_vec().unwrap();
    assert_eq!(downloaded, first);

    node.delete(&format!("/segments/t_OFFLINE/{name}")).ok();
    assert_eq!(node.count("t"), Some(50));
    node.delete("/segments/t?type=OFFLINE").ok();
    assert_eq!(node.count("t"), Some(0));
}

#[test]
fn a_damaged_or_foreign_segment_is_refused() {
    let node = made();
    let file = node.file("rows.csv", sample_csv(1000));
    let out = node.folder().join("built");
    let schema_file = node.file("schema.json", schema("t").to_string());
    let build = |schema: &str, out: &str| {
        let output = node.gamay(&[
            "segment",
            "build",
            file.to_str().unwrap(),
            "-t",
            "t",
            "--out",
            out,
            "--json",
            "--schema",
            schema,
        ]);
        assert!(output.status.success(), "{}", crate::harness::text(&output.stderr));
        let built: Value = serde_json::from_slice(&output.stdout).unwrap();
        std::fs::read(built[0]["path"].as_str().unwrap()).unwrap()
    };
    let good = build(schema_file.to_str().unwrap(), out.to_str().unwrap());
    let push = |bytes: &[u8]| node.post_text("/v2/segments?tableName=t", "application/octet-stream", bytes);
    for at in (0..good.len()).step_by(good.len() / 40) {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        let reply = push(&bad);
        assert_eq!(reply.status, 400, "byte {at} of {} flipped: {}", good.len(), reply.body);
    }
    for end in [0, 10, good.len() / 2, good.len() - 1] {
        assert_eq!(push(&good[..end]).status, 400, "cut at {end}");
    }
    assert_eq!(node.count("t"), Some(0));
    let mut other = schema("t");
    other["dimensionFieldSpecs"][0]["dataType"] = json!("LONG");
    let foreign = build(
        node.file("other.json", other.to_string()).to_str().unwrap(),
        node.folder().join("other").to_str().unwrap(),
    );
    let reply = push(&foreign);
    assert_eq!(reply.status, 400);
    assert!(reply.body.contains("LONG") && reply.body.contains("INT"), "{}", reply.body);
    push(&good).ok();
    assert_eq!(node.count("t"), Some(1000));
}

#[test]
fn leaders_and_limits() {
    let node = made();
    let leaders = node.get("/leader/tables").ok();
    let entries = leaders["leadControllerEntryMap"].as_object().unwrap();
    assert_eq!(entries.len(), 24);
    let led: Vec<&Value> = entries.values().flat_map(|e| e["tableNames"].as_array().unwrap()).collect();
    assert_eq!(led, [&json!("t_OFFLINE")]);
    // A document of 3 MB is more than is taken.
    let long = json!({"schemaName": "x".repeat(3 << 20)});
    assert_eq!(node.post("/schemas", &long).status, 413);
    assert_eq!(node.post("/tables", &long).status, 413);
    assert_eq!(node.get("/tables").status, 200);
}
