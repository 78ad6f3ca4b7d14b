//! The controller's REST as Pinot's UI, pinot-admin and curl use it, and what it says to requests that do not fit.

use crate::harness::{Node, Reply, sample_csv};
use serde_json::{Value, json};

fn node() -> Node {
    let node = Node::start();
    node.ingest(&node.file("t.csv", sample_csv(1000)), "t", &["--rows-per-segment", "600"]);
    node
}

#[track_caller]
fn refused(reply: Reply, status: u16, says: &str) {
    assert_eq!(reply.status, status, "{}", reply.body);
    let said = reply.json();
    assert_eq!(said["code"], status, "{said}");
    assert!(said["error"].as_str().unwrap().contains(says), "{said}");
}

#[test]
fn a_request_that_does_not_fit_is_answered_in_json() {
    let node = node();
    refused(node.post_text("/ingestFromFile", "text/csv", b"id\n1\n"), 400, "tableNameWithType");
    refused(node.post("/pushes", &json!(null)), 400, "tableName");
    refused(node.post("/segments/t/delete", &json!({"a": 1})), 400, "sequence");
    refused(node.post_text("/segments/t/delete", "text/plain", b"not JSON"), 400, "body");
    refused(node.get("/tables/%FF/schema"), 400, "UTF-8");
    refused(node.get("/segments/t/select?startTimestamp=yesterday"), 400, "startTimestamp");
    refused(node.get(&format!("{}/responseStore/1/results?offset=-1", node.broker)), 400, "offset");
    // A list of names needs no content type.
    assert_eq!(node.post_text("/segments/t/delete", "text/plain", b"[]").status, 200);
    assert_eq!(node.count("t"), Some(1000));
}

#[test]
fn a_path_may_end_with_a_slash() {
    let node = node();
    for path in ["/tables", "/tables/t", "/segments/t", "/health", "/tables/t/schema"] {
        assert_eq!(node.get(&format!("{path}/")).body, node.get(path).body, "{path}");
    }
    assert_eq!(node.get("/tables/?type=OFFLINE").ok(), json!({"tables": ["t_OFFLINE"]}));
    assert_eq!(node.get("/").status, 404);
}

#[test]
fn the_file_of_a_form_need_not_come_first() {
    let node = node();
    let part =
        |head: &str, content: &str| format!("--x\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n");
    let send = |parts: &[String]| {
        let body = format!("{}--x--\r\n", parts.concat());
        let url = "/ingestFromFile?tableNameWithType=t_OFFLINE&batchConfigMapStr=%7B%22inputFormat%22:%22csv%22%7D";
        node.post_text(url, "multipart/form-data; boundary=x", body.as_bytes())
    };
    let comment = part("name=\"comment\"", "not the file");
    send(&[comment.clone(), part("name=\"data\"; filename=\"a.csv\"", "id,name,amount\n5000,a,1\n")]).ok();
    send(&[comment.clone(), part("name=\"file\"", "id,name,amount\n5001,a,1\n")]).ok();
    refused(send(&[comment]), 400, "`file`");
    assert_eq!(node.count("t"), Some(1002));
}

#[test]
fn documents_may_begin_with_a_byte_order_mark() {
    let node = Node::start();
    let schema =
        format!("\u{feff}{}", json!({"schemaName": "t", "dimensionFieldSpecs": [{"name": "a", "dataType": "INT"}]}));
    node.post_text("/schemas", "application/json", schema.as_bytes()).ok();
    assert_eq!(node.get("/schemas").ok(), json!(["t"]));
}

#[test]
fn instances_are_asked_for_by_role() {
    let node = node();
    let all = node.get("/tables/t/instances").ok();
    assert!(all["brokers"].is_array() && all["server"].is_array(), "{all}");
    let servers = node.get("/tables/t/instances?type=server").ok();
    assert_eq!((servers.get("brokers"), &servers["server"]), (None, &all["server"]));
    assert_eq!(node.get("/tables/t/instances?type=BROKER").ok().get("server"), None);
    refused(node.get("/tables/t/instances?type=minion"), 400, "minion");
}

/// Pinot: "columnLengthMap ... columnCardinalityMap ... columnIndexSizeMap": averages over the segments, of the columns that
/// the parameter `columns` names.
#[test]
fn metadata_tells_of_the_columns_that_are_asked_for() {
    let node = node();
    let metadata = node.get("/tables/t/metadata").ok();
    assert_eq!((&metadata["numRows"], &metadata["columnLengthMap"]), (&json!(1000), &json!({})));
    let metadata = node.get("/tables/t/metadata?columns=*").ok();
    assert_eq!(metadata["columnLengthMap"], json!({"id": 4.0, "name": 2.0, "amount": 8.0}));
    // The ids are all different and so have no dictionary: how many they are is not counted.
    assert_eq!(metadata["columnCardinalityMap"], json!({"name": 10.0}));
    assert!(metadata["columnIndexSizeMap"]["name"]["dictionary"].as_f64().unwrap() > 0.0, "{metadata}");
    let some = node.get("/tables/t/metadata?columns=id&columns=amount").ok();
    assert_eq!(some["columnLengthMap"], json!({"id": 4.0, "amount": 8.0}));
    assert_eq!(some["maxNumMultiValuesMap"], json!({}));
    // As in its segments' own metadata.
    let name = node.get("/segments/t").ok()[0]["OFFLINE"][0].as_str().unwrap().to_owned();
    let columns = node.get(&format!("/segments/t/{name}/metadata?columns=name")).ok()["columns"].clone();
    assert_eq!(columns[0]["cardinality"], 10);
}

#[test]
fn segments_by_server_and_by_time() {
    let node = Node::start();
    for (name, at) in [("a", "2024-01-01 00:00:00"), ("b", "2024-02-01 00:00:00")] {
        let file = node.file(&format!("{name}.csv"), format!("id,at\n1,{at}\n"));
        node.ingest(&file, "t", &["--time-column", "at"]);
    }
    let all = node.get("/segments/t").ok();
    let servers = node.get("/segments/t/servers").ok();
    let (names, counts) = (&servers[0]["serverToSegmentsMap"], &servers[0]["serverToSegmentsCountMap"]);
    assert_eq!(names.as_object().unwrap().values().next(), Some(&all[0]["OFFLINE"]));
    assert_eq!(counts.as_object().unwrap().values().next(), Some(&json!(2)));
    // 2024-01-15
    let select = |query: &str| node.get(&format!("/segments/t/select{query}")).ok()[0]["OFFLINE"].clone();
    assert_eq!(select("?startTimestamp=1705276800000"), json!([all[0]["OFFLINE"][1]]));
    assert_eq!(select("?endTimestamp=1705276800000"), json!([all[0]["OFFLINE"][0]]));
    assert_eq!(select(""), all[0]["OFFLINE"]);
    assert!(node.get("/tables/t/stats").ok()["OFFLINE"]["creationTime"].is_string());
}

#[test]
fn a_reload_opens_what_could_not_be_opened() {
    let mut node = node();
    let reload = |node: &Node, path: &str| {
        let status = node.post(path, &json!(null)).ok()["status"].as_str().unwrap().to_owned();
        let jobs: Value = serde_json::from_str(&status).unwrap();
        let id = jobs["t_OFFLINE"]["reloadJobId"].as_str().unwrap().to_owned();
        let job = node.get(&format!("/segments/segmentReloadStatus/{id}")).ok();
        (job["successCount"].as_u64().unwrap(), job["failureCount"].as_u64().unwrap())
    };
    let (segments, none) = reload(&node, "/segments/t/reload");
    assert!(segments >= 2 && none == 0);
    // A segment whose files are away at the start cannot be asked; back in its place, a reload finds it.
    node.kill();
    let objects = find(&node.data_dir().join("deepstore"));
    let links = find(&node.data_dir().join("segments"));
    let away = node.folder().join("away");
    std::fs::rename(&objects[0], &away).unwrap();
    links.iter().for_each(|link| std::fs::remove_file(link).unwrap());
    node.restart();
    assert_eq!(node.get("/health/readiness").status, 503);
    assert_eq!(reload(&node, "/tables/t/segments/reload"), (segments - 1, 1));
    std::fs::rename(&away, &objects[0]).unwrap();
    let name = node.get("/segments/t").ok()[0]["OFFLINE"][0].as_str().unwrap().to_owned();
    let one = node.post(&format!("/segments/t/{name}/reload"), &json!(null)).ok();
    assert!(one["status"].as_str().unwrap().contains("reload job id"), "{one}");
    assert_eq!(node.get("/health/readiness").status, 200);
    assert_eq!(node.count("t"), Some(1000));
    refused(node.post("/segments/nope/reload", &json!(null)), 404, "nope");
    refused(node.get("/segments/segmentReloadStatus/nope"), 404, "nope");
}

/// All files below a folder.
fn find(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.flat_map(|path| if path.is_dir() { find(&path) } else { vec![path] }).collect();
    files.sort();
    files
}

/// Pinot: `controller.ingestFromURI.allowLocalFileSystem` is false by default.
#[test]
fn files_of_the_host_are_read_once_that_is_allowed() {
    let node = node();
    let file = node.file("more.csv", "id,name,amount\n7000,a,1\n");
    let ingest = |uri: &str| {
        node.post(
            &format!("/ingestFromURI?tableNameWithType=t_OFFLINE&batchConfigMapStr=%7B%7D&sourceURIStr={uri}"),
            &json!(null),
        )
    };
    let uri = format!("file://{}", file.display());
    refused(ingest(&uri), 403, "controller.ingestFromURI.allowLocalFileSystem");
    refused(ingest("s3://bucket/x.csv"), 501, "file://");
    node.post("/cluster/configs", &json!({"controller.ingestFromURI.allowLocalFileSystem": "true"})).ok();
    ingest(&uri).ok();
    assert_eq!(node.count("t"), Some(1001));
    // The file stays, and the same file again replaces itself.
    assert!(file.exists());
    ingest(&uri).ok();
    assert_eq!(node.count("t"), Some(1001));
    refused(ingest("file:///no/such/file.csv"), 400, "/no/such/file.csv");
    refused(ingest(&format!("file://{}", node.folder().display())), 400, "regular file");
    refused(ingest("file://elsewhere/x.csv"), 400, "elsewhere");
    let bad = node.file("bad.csv", "id,name,amount\nx,a,1\n");
    refused(ingest(&format!("file://{}", bad.display())), 400, "bad.csv, line 2");
    node.delete("/cluster/configs/controller.ingestFromURI.allowLocalFileSystem").ok();
    refused(ingest(&uri), 403, "allowLocalFileSystem");
    refused(node.post("/cluster/configs", &json!({"a": [1]})), 400, "`a`");
}

#[test]
fn a_segment_that_is_none_says_what_it_is() {
    let node = node();
    let push = |headers: &[(&str, &str)], body: &[u8]| {
        let mut request = ureq::post(format!("{}/v2/segments?tableName=t", node.controller))
            .config()
            .http_status_as_error(false)
            .build();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = request.send(body).unwrap();
        (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
    };
    let (status, said) =
        push(&[], b"\x1f\x8b\x08 and what follows in a segment of Pinot's, which is a tar.gz of its files......");
    assert!(status == 501 && said.contains("gamay segment build"), "{status} {said}");
    let (status, said) = push(&[], b"");
    assert!(status == 400 && said.contains("not a segment"), "{status} {said}");
    for upload_type in ["URI", "METADATA"] {
        let (status, said) = push(&[("UPLOAD_TYPE", upload_type), ("DOWNLOAD_URI", "file:///x")], b"");
        assert!(status == 501 && said.contains(upload_type), "{status} {said}");
    }
    assert_eq!(push(&[("UPLOAD_TYPE", "BOGUS")], b"").0, 400);
}

/// Pinot: segments go when their end time is more than retentionTimeValue retentionTimeUnits ago.
#[test]
fn retention_takes_little_by_itself_and_much_when_approved() {
    let node = Node::start();
    let schema = json!({"schemaName": "t", "dimensionFieldSpecs": [{"name": "id", "dataType": "INT"}], "dateTimeFieldSpecs":
        [{"name": "at", "dataType": "TIMESTAMP", "format": "TIMESTAMP", "granularity": "1:MILLISECONDS"}]});
    let config = |unit: &str, push_type: &str| {
        json!({"tableName": "t", "tableType": "OFFLINE", "tenants": {}, "tableIndexConfig": {}, "metadata": {}, "segmentsConfig":
            {"timeColumnName": "at", "replication": "1", "retentionTimeUnit": unit, "retentionTimeValue": "3650",
             "segmentPushType": push_type}})
    };
    node.post("/schemas", &schema).ok();
    refused(node.post("/tables", &config("DAYSS", "APPEND")), 400, "retentionTimeUnit");
    node.post("/tables", &config("DAYS", "REFRESH")).ok();
    for (name, year) in [("old", "2001"), ("new", "2200")] {
        node.ingest(&node.file(&format!("{name}.csv"), format!("id,at\n1,{year}-01-01 00:00:00\n")), "t", &[]);
    }
    let run = |query: &str| node.post(&format!("/tables/t/retention{query}"), &json!(null));
    // A table that is refreshed as a whole keeps its segments.
    assert_eq!(run("?approve=true").ok()["status"], "0 segments dropped, their time is over");
    node.put("/tables/t", &config("DAYS", "APPEND")).ok();
    refused(run(""), 409, "1 of the 2 segments");
    assert_eq!(node.count("t"), Some(2));
    assert_eq!(run("?approve=true").ok()["status"], "1 segments dropped, their time is over");
    assert_eq!(node.rows("SELECT at FROM t"), json!([["2200-01-01 00:00:00.0"]]));
    assert_eq!(run("").ok()["status"], "0 segments dropped, their time is over");
    refused(run("?approve=perhaps"), 400, "approve");
}

#[test]
fn what_the_ui_lists() {
    let node = node();
    let tenant = node.get("/tenants/DefaultTenant").ok();
    assert_eq!(tenant["ServerInstances"].as_array().unwrap().len(), 1);
    assert_eq!(node.get("/tenants/DefaultTenant/tables").ok(), json!({"tables": ["t_OFFLINE"]}));
    refused(node.get("/tenants/nope"), 404, "nope");
    let info = node.get("/schemas/info").ok()["schemasInfo"][0].clone();
    let columns: i64 =
        ["numDimensionFields", "numMetricFields", "numDateTimeFields"].iter().map(|k| info[k].as_i64().unwrap()).sum();
    assert_eq!((&info["schemaName"], columns), (&json!("t"), 3));
}
