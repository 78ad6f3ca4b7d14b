use cluster_types::{DateTimeFormat, Error, Role, Schema, TimeUnit};
use proptest::prelude::*;
use segfmt::{DataType, Value};
use serde_json::json;

fn schema(json: serde_json::Value) -> Result<Schema, Error> {
    Schema::from_json(&json.to_string())
}

/// The message of the only or first problem.
fn problem(json: serde_json::Value) -> String {
    schema(json).unwrap_err().to_string()
}

#[test]
fn schemas_in_use_come_back_as_they_are() {
    for (name, text, columns) in [
        ("flights", include_str!("data/flights.schema.json"), 5),
        ("hits", include_str!("data/hits.schema.json"), 24),
        ("lineorder_flat", include_str!("data/lineorder_flat.schema.json"), 0),
        ("nycflights", include_str!("data/nycflights.schema.json"), 19),
    ] {
        let schema = Schema::from_json(text).unwrap();
        assert_eq!(schema.name(), name);
        let given: serde_json::Value = serde_json::from_str(text).unwrap();
        let count: usize = given.as_object().unwrap().values().filter_map(|v| v.as_array()).map(Vec::len).sum();
        assert_eq!(schema.columns().len(), count, "{name}");
        assert!(columns == 0 || columns == count, "{name}: {count}");
        let written: serde_json::Value = serde_json::from_str(&schema.to_json()).unwrap();
        for (key, value) in given.as_object().unwrap() {
            let empty = value.as_array().is_some_and(Vec::is_empty);
            assert!(empty || written.get(key) == Some(value), "{name}: {key}");
        }
        assert_eq!(Schema::from_json(&schema.to_json()).unwrap(), schema);
    }
}

#[test]
fn written_in_pinots_order_without_defaults() {
    let text = r#"{
        "primaryKeyColumns": ["a"], "futureKey": {"x": 1},
        "dateTimeFieldSpecs": [{"granularity": "1:DAYS", "format": "1:DAYS:EPOCH", "dataType": "INT", "name": "d"}],
        "metricFieldSpecs": null,
        "dimensionFieldSpecs": [
            {"name": "a", "dataType": "INT", "singleValueField": true, "notNull": false, "newKey": "kept"},
            {"dataType": "STRING", "singleValueField": "false", "name": "b", "maxLength": "1024", "notNull": true}],
        "schemaName": "t"}"#;
    let written = Schema::from_json(text).unwrap().to_json();
    let compact: serde_json::Value = serde_json::from_str(&written).unwrap();
    assert_eq!(
        compact.to_string(),
        concat!(
            r#"{"schemaName":"t","enableColumnBasedNullHandling":false,"dimensionFieldSpecs":["#,
            r#"{"name":"a","dataType":"INT","newKey":"kept"},"#,
            r#"{"name":"b","dataType":"STRING","singleValueField":false,"maxLength":1024,"notNull":true}],"#,
            r#""dateTimeFieldSpecs":[{"name":"d","dataType":"INT","format":"1:DAYS:EPOCH","granularity":"1:DAYS"}],"#,
            r#""primaryKeyColumns":["a"],"futureKey":{"x":1}}"#
        )
    );
}

#[test]
fn roles_types_and_default_nulls() {
    let schema = schema(json!({
        "schemaName": "t",
        "dimensionFieldSpecs": [
            {"name": "i", "dataType": "INT"}, {"name": "l", "dataType": "LONG"}, {"name": "f", "dataType": "FLOAT"},
            {"name": "d", "dataType": "DOUBLE"}, {"name": "s", "dataType": "STRING", "singleValueField": false},
            {"name": "b", "dataType": "BYTES"}, {"name": "o", "dataType": "BOOLEAN"}, {"name": "t", "dataType": "TIMESTAMP"},
            {"name": "j", "dataType": "JSON"}, {"name": "n", "dataType": "BIG_DECIMAL"},
            {"name": "own", "dataType": "INT", "defaultNullValue": "-1"}],
        "metricFieldSpecs": [
            {"name": "mi", "dataType": "INT"}, {"name": "ml", "dataType": "LONG"}, {"name": "md", "dataType": "DOUBLE"},
            {"name": "mb", "dataType": "BYTES"}, {"name": "mn", "dataType": "BIG_DECIMAL"}]
    }))
    .unwrap();
    let null = |name: &str| schema.column(name).unwrap().default_null.clone();
    let zero = || Value::BigDecimal(segfmt::decimal::parse("0").unwrap());
    assert_eq!(null("i"), Value::Int(i32::MIN));
    assert_eq!(null("l"), Value::Long(i64::MIN));
    assert_eq!(null("f"), Value::Float(f32::NEG_INFINITY));
    assert_eq!(null("d"), Value::Double(f64::NEG_INFINITY));
    assert_eq!(null("s"), Value::String("null".into()));
    assert_eq!(null("b"), Value::Bytes(vec![]));
    assert_eq!(null("o"), Value::Boolean(false));
    assert_eq!(null("t"), Value::Timestamp(0));
    assert_eq!(null("j"), Value::Json("null".into()));
    assert_eq!(null("n"), zero());
    assert_eq!(null("own"), Value::Int(-1));
    assert_eq!(null("mi"), Value::Int(0));
    assert_eq!(null("ml"), Value::Long(0));
    assert_eq!(null("md"), Value::Double(0.0));
    assert_eq!(null("mb"), Value::Bytes(vec![]));
    assert_eq!(null("mn"), zero());
    assert!(schema.column("s").unwrap().multi_value);
    assert_eq!(schema.column("mi").unwrap().role, Role::Metric);
    assert_eq!(schema.column("i").unwrap().role, Role::Dimension);
}

#[test]
fn the_legacy_time_column() {
    let schema = schema(json!({
        "schemaName": "t",
        "timeFieldSpec": {
            "incomingGranularitySpec": {"name": "in", "dataType": "LONG", "timeType": "MILLISECONDS"},
            "outgoingGranularitySpec": {"name": "out", "dataType": "INT", "timeType": "DAYS", "timeUnitSize": 2}}
    }))
    .unwrap();
    let column = schema.column("out").unwrap();
    assert_eq!(column.data_type, DataType::Int);
    let format = DateTimeFormat::Epoch { size: 2, unit: TimeUnit::Days };
    assert_eq!(column.role, Role::DateTime { format, granularity: Some("2:DAYS".into()) });
    assert!(schema.column("in").is_none());
}

#[test]
fn types_that_cannot_be_stored_are_kept_and_listed() {
    let schema = schema(json!({
        "schemaName": "t",
        "dimensionFieldSpecs": [{"name": "a", "dataType": "INT"}, {"name": "u", "dataType": "UUID"}],
        "complexFieldSpecs": [{"name": "m", "dataType": "MAP", "childFieldSpecs": {"key": {"name": "key"}}}]
    }))
    .unwrap();
    assert_eq!(schema.unsupported(), [("u".into(), "UUID".into()), ("m".into(), "MAP".into())]);
    assert!(schema.to_json().contains("childFieldSpecs"));
}

#[test]
fn wrong_schemas_are_refused_with_key_and_value() {
    let dimension = |field: serde_json::Value| json!({"schemaName": "t", "dimensionFieldSpecs": [field]});
    let check = |json: serde_json::Value, parts: &[&str]| {
        let message = problem(json);
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    };
    check(dimension(json!({"name": "a", "dataType": "INTEGER"})), &["dimensionFieldSpecs[0].dataType", "INTEGER"]);
    check(dimension(json!({"name": "a", "dataType": "STRNG"})), &["STRNG", "did you mean `STRING`?"]);
    check(dimension(json!({"name": "", "dataType": "INT"})), &["dimensionFieldSpecs[0].name", "empty"]);
    check(dimension(json!({"name": "$docId", "dataType": "INT"})), &["$docId", "virtual"]);
    check(
        dimension(json!({"name": "a", "dataType": "INT", "defaultNullValue": "x"})),
        &["defaultNullValue", "`x`", "INT"],
    );
    check(
        dimension(json!({"name": "a", "dataType": "INT", "singleValueField": 3})),
        &["singleValueField", "true or false"],
    );
    check(json!({"schemaName": "t"}), &["no columns"]);
    check(
        json!({"schemaName": "a b", "dimensionFieldSpecs": [{"name": "a", "dataType": "INT"}]}),
        &["schemaName", "`a b`"],
    );
    check(
        json!({"schemaName": "t", "metricFieldSpecs": [{"name": "a", "dataType": "STRING"}]}),
        &["metricFieldSpecs[0].dataType", "STRING"],
    );
    check(
        json!({"schemaName": "t", "dateTimeFieldSpecs": [{"name": "a", "dataType": "INT", "format": "daily"}]}),
        &["dateTimeFieldSpecs[0].format", "`daily`"],
    );
    check(
        json!({"schemaName": "t", "dimensionFieldSpecs": [{"name": "a", "dataType": "INT"}, {"name": "a", "dataType": "INT"}]}),
        &["column `a` is there twice"],
    );
    check(
        json!({"schemaName": "t", "dimensionFieldSpecs": [{"name": "carrier", "dataType": "INT"}], "primaryKeyColumns": ["carier"]}),
        &["primaryKeyColumns[0]", "`carier`", "did you mean `carrier`?"],
    );
    let not_json = Schema::from_json("{\"schemaName\": }").unwrap_err().to_string();
    assert!(not_json.contains("line 1 column 16"), "{not_json}");
    let large = format!("{{\"schemaName\": \"{}\"}}", "x".repeat(300_000));
    assert!(matches!(Schema::from_json(&large), Err(Error::TooLarge { .. })));
}

#[test]
fn evolution_adds_columns_and_takes_none() {
    let with = |columns: serde_json::Value| schema(json!({"schemaName": "t", "dimensionFieldSpecs": columns})).unwrap();
    let old = with(json!([{"name": "a", "dataType": "INT"}]));
    assert_eq!(
        old.check_evolution(&with(json!([{"name": "a", "dataType": "INT"}, {"name": "b", "dataType": "LONG"}]))),
        Ok(())
    );
    for (columns, part) in [
        (json!([{"name": "b", "dataType": "INT"}]), "`a` is missing"),
        (json!([{"name": "a", "dataType": "LONG"}]), "from INT to LONG"),
        (json!([{"name": "a", "dataType": "INT", "singleValueField": false}]), "multi-value"),
    ] {
        let message = old.check_evolution(&with(columns)).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }
}

proptest! {
    /// Whatever text comes, the answer is a schema or an error.
    #[test]
    fn hostile_texts_do_not_panic(text in "\\PC{0,200}") {
        let _ = Schema::from_json(&text);
    }

    #[test]
    fn hostile_fields_do_not_panic(name in "\\PC{0,20}", data_type in "[A-Z_]{0,12}", format in "[A-Z0-9:|yMd ]{0,40}", default in "\\PC{0,20}") {
        let field = json!({"name": name, "dataType": data_type, "format": format, "defaultNullValue": default, "granularity": format});
        let _ = schema(json!({"schemaName": "t", "dimensionFieldSpecs": [field.clone()], "dateTimeFieldSpecs": [field]}));
    }

    #[test]
    fn what_is_read_is_written_and_read_the_same(
        names in proptest::collection::btree_set("[a-z]{1,8}", 1..10),
        seed in any::<u64>(),
    ) {
        let types = ["INT", "LONG", "FLOAT", "DOUBLE", "BIG_DECIMAL", "BOOLEAN", "TIMESTAMP", "STRING", "JSON", "BYTES"];
        let fields: Vec<_> = names.iter().enumerate().map(|(i, name)| {
            let bits = seed.rotate_left(i as u32 * 7);
            json!({"name": name, "dataType": types[(bits % 10) as usize], "singleValueField": bits & 16 == 0, "notNull": bits & 32 == 0})
        }).collect();
        let schema = schema(json!({"schemaName": "t", "dimensionFieldSpecs": fields})).unwrap();
        let again = Schema::from_json(&schema.to_json()).unwrap();
        prop_assert_eq!(again.columns(), schema.columns());
        prop_assert_eq!(again, schema);
    }
}
