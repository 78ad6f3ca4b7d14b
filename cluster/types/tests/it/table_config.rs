use cluster_types::{Error, Schema, TableConfig, TableName, TableType};
use proptest::prelude::*;
use segfmt::{BloomSpec, Codec, ColumnSpec, EncodingHint, PartitionFunction, PartitionSpec};
use serde_json::json;

fn schema() -> Schema {
    Schema::from_json(
        &json!({
            "schemaName": "flights",
            "dimensionFieldSpecs": [
                {"name": "carrier", "dataType": "STRING"}, {"name": "origin", "dataType": "STRING"},
                {"name": "tags", "dataType": "STRING", "singleValueField": false}, {"name": "flight", "dataType": "INT"}],
            "metricFieldSpecs": [{"name": "distance", "dataType": "LONG"}],
            "dateTimeFieldSpecs": [
                {"name": "time_hour", "dataType": "TIMESTAMP", "format": "TIMESTAMP", "granularity": "1:HOURS"}]
        })
        .to_string(),
    )
    .unwrap()
}

fn config(mut rest: serde_json::Value) -> Result<TableConfig, Error> {
    let config = rest.as_object_mut().unwrap();
    config.entry("tableName").or_insert(json!("flights"));
    config.entry("tableType").or_insert(json!("OFFLINE"));
    TableConfig::from_json(&rest.to_string())
}

fn settings(rest: serde_json::Value) -> Vec<ColumnSpec> {
    config(rest).unwrap().column_specs(&schema()).unwrap()
}

fn of<'a>(settings: &'a [ColumnSpec], column: &str) -> &'a ColumnSpec {
    settings.iter().find(|s| s.name == column).unwrap()
}

fn problem(rest: serde_json::Value) -> String {
    match config(rest) {
        Ok(config) => config.validate(&schema()).unwrap_err().to_string(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn configs_in_use_fit_their_schemas_and_come_back() {
    for (schema, config) in [
        (include_str!("data/flights.schema.json"), include_str!("data/flights.table.json")),
        (include_str!("data/hits.schema.json"), include_str!("data/hits.table.json")),
        (include_str!("data/lineorder_flat.schema.json"), include_str!("data/lineorder_flat.table.json")),
        (include_str!("data/nycflights.schema.json"), include_str!("data/nycflights.table.json")),
    ] {
        let schema = Schema::from_json(schema).unwrap();
        let parsed = TableConfig::from_json(config).unwrap();
        parsed.validate(&schema).unwrap();
        assert_eq!(parsed.unrecognized_properties(), []);
        assert_eq!(parsed.schema_name().unwrap(), schema.name());
        let mut given: serde_json::Value = serde_json::from_str(config).unwrap();
        given["tableName"] = json!(parsed.name().unwrap().to_string());
        let written: serde_json::Value = serde_json::from_str(&parsed.to_json()).unwrap();
        assert_eq!(written, given);
    }
}

#[test]
fn what_is_not_built_is_said() {
    let schema = Schema::from_json(include_str!("data/hits.schema.json")).unwrap();
    let config = TableConfig::from_json(include_str!("data/hits.table.json")).unwrap();
    let notes = config.notes(&schema);
    assert!(notes.iter().any(|n| n.contains("timestamp index of column `event_time`")), "{notes:?}");
    assert!(notes.iter().any(|n| n.contains("starTreeIndexConfigs")), "{notes:?}");
    let plain = TableConfig::new(&TableName::parse("hits").unwrap(), TableType::Offline);
    assert_eq!(plain.notes(&schema), Vec::<String>::new());
}

#[test]
fn names() {
    let name = |name: &str| config(json!({"tableName": name})).map(|c| c.name().unwrap().to_string());
    assert_eq!(name("flights").unwrap(), "flights_OFFLINE");
    assert_eq!(name("flights_OFFLINE").unwrap(), "flights_OFFLINE");
    assert_eq!(name("db.flights").unwrap(), "db.flights_OFFLINE");
    assert!(name("flights_REALTIME").unwrap_err().to_string().contains("tableType"));
    assert!(name("a b").is_err());
    assert!(TableConfig::from_json("{}").is_err());
}

#[test]
fn old_and_new_form_mean_the_same() {
    let old = settings(json!({"tableIndexConfig": {
        "invertedIndexColumns": ["carrier"], "rangeIndexColumns": ["flight"], "bloomFilterColumns": ["origin"],
        "noDictionaryColumns": ["distance"]}}));
    let new = settings(json!({"fieldConfigList": [
        {"name": "carrier", "indexes": {"inverted": {"enabled": "true"}}},
        {"name": "flight", "indexTypes": ["RANGE"]},
        {"name": "origin", "indexes": {"bloom": {}}},
        {"name": "distance", "encodingType": "RAW"}]}));
    assert_eq!(old, new);
    assert!(of(&old, "carrier").inverted && of(&old, "carrier").encoding == EncodingHint::Dictionary);
    assert!(of(&old, "flight").range && of(&old, "flight").encoding == EncodingHint::Auto);
    assert_eq!(of(&old, "origin").bloom, Some(BloomSpec { fpp: 0.05, max_bytes: u32::MAX }));
    assert_eq!(of(&old, "distance").encoding, EncodingHint::Raw { codec: Codec::PassThrough });
}

#[test]
fn codecs_bloom_options_and_partitions() {
    let settings = settings(json!({
        "tableIndexConfig": {
            "noDictionaryColumns": ["carrier", "origin"],
            "bloomFilterConfigs": {"flight": {"fpp": 0.01, "maxSizeInBytes": "1024", "loadOnHeap": true}},
            "segmentPartitionConfig": {"columnPartitionMap": {"flight": {"functionName": "murmur", "numPartitions": 8}}}},
        "fieldConfigList": [{"name": "carrier", "compressionCodec": "ZSTANDARD"}, {"name": "tags", "indexes": {"inverted": {"disabled": true}}}]
    }));
    assert_eq!(of(&settings, "carrier").encoding, EncodingHint::Raw { codec: Codec::Zstd });
    assert_eq!(of(&settings, "origin").encoding, EncodingHint::Raw { codec: Codec::Lz4 });
    assert_eq!(of(&settings, "flight").bloom, Some(BloomSpec { fpp: 0.01, max_bytes: 1024 }));
    assert_eq!(
        of(&settings, "flight").partition,
        Some(PartitionSpec { function: PartitionFunction::Murmur, partitions: 8 })
    );
    assert!(!of(&settings, "tags").inverted);
}

#[test]
fn wrong_configs_are_refused_with_key_value_and_a_better_name() {
    let check = |rest: serde_json::Value, parts: &[&str]| {
        let message = problem(rest);
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    };
    let indexing = |indexing: serde_json::Value| json!({"tableIndexConfig": indexing});
    let field = |field: serde_json::Value| json!({"fieldConfigList": [field]});
    check(
        indexing(json!({"invertedIndexColumns": ["origin", "carier"]})),
        &["tableIndexConfig.invertedIndexColumns[1]", "`carier`", "schema `flights`", "did you mean `carrier`?"],
    );
    check(indexing(json!({"sortedColumn": ["tags"]})), &["tableIndexConfig.sortedColumn[0]", "multi-value"]);
    check(
        indexing(json!({"invertedIndexColumns": ["carrier"], "noDictionaryColumns": ["carrier"]})),
        &["noDictionaryColumns[0]", "inverted index", "dictionary"],
    );
    check(
        indexing(json!({"bloomFilterConfigs": {"carrier": {"fpp": 1.5}}})),
        &["tableIndexConfig.bloomFilterConfigs.carrier.fpp", "1.5"],
    );
    check(
        indexing(
            json!({"segmentPartitionConfig": {"columnPartitionMap": {"carrier": {"functionName": "Murmer", "numPartitions": 8}}}}),
        ),
        &["columnPartitionMap.carrier.functionName", "`Murmer`", "did you mean `Murmur`?"],
    );
    check(
        indexing(json!({"segmentPartitionConfig": {"columnPartitionMap": {"carrier": {"functionName": "Murmur"}}}})),
        &["columnPartitionMap.carrier.numPartitions", "nothing"],
    );
    check(
        indexing(
            json!({"segmentPartitionConfig": {"columnPartitionMap": {"carrier": {"functionName": "Modulo", "numPartitions": 2}}}}),
        ),
        &["functionName", "Modulo", "STRING"],
    );
    check(indexing(json!({"rangeIndexColumns": 7})), &["tableIndexConfig.rangeIndexColumns"]);
    check(
        json!({"segmentsConfig": {"timeColumnName": "time_our"}}),
        &["segmentsConfig.timeColumnName", "did you mean `time_hour`?"],
    );
    check(
        json!({"segmentsConfig": {"timeColumnName": "flight"}}),
        &["segmentsConfig.timeColumnName", "dateTimeFieldSpecs"],
    );
    check(json!({"segmentsConfig": {"replication": "many"}}), &["segmentsConfig.replication", "`many`"]);
    check(json!({"tableType": "ONLINE"}), &["tableType", "ONLINE"]);
    check(
        field(json!({"name": "carrier", "encodingType": "PACKED"})),
        &["fieldConfigList[0].encodingType", "`PACKED`"],
    );
    check(
        field(json!({"name": "carrier", "encodingType": "RAW", "compressionCodec": "ZSTANDART"})),
        &["fieldConfigList[0].compressionCodec", "did you mean `ZSTANDARD`?"],
    );
    check(
        field(json!({"name": "carrier", "indexes": {"invertd": {}}})),
        &["fieldConfigList[0].indexes", "did you mean `inverted`?"],
    );
    check(field(json!({"name": "nobody"})), &["fieldConfigList[0].name", "`nobody`"]);
    check(
        json!({"tableIndexConfig": {"noDictionaryColumns": ["carrier"]}, "fieldConfigList": [{"name": "carrier", "encodingType": "DICTIONARY"}]}),
        &["fieldConfigList[0].encodingType", "contradicts tableIndexConfig.noDictionaryColumns[0]"],
    );
    check(
        json!({"tableIndexConfig": {"invertedIndexColumns": ["x"], "rangeIndexColumns": ["y"]}}),
        &["invertedIndexColumns[0]", "rangeIndexColumns[0]"],
    );
}

#[test]
fn columns_that_cannot_be_stored_keep_a_table_from_being_made() {
    let schema = Schema::from_json(
        &json!({"schemaName": "t", "dimensionFieldSpecs": [{"name": "a", "dataType": "INT"}],
                "complexFieldSpecs": [{"name": "m", "dataType": "MAP"}]})
        .to_string(),
    )
    .unwrap();
    let message = config(json!({"tableName": "t"})).unwrap().validate(&schema).unwrap_err().to_string();
    assert!(message.contains("`m`") && message.contains("MAP"), "{message}");
}

#[test]
fn unknown_keys_are_kept_and_named() {
    let config = config(json!({
        "tableIndxConfig": {"a": 1}, "upsertConfig": {"mode": "NONE"}, "tableIndexConfig": {"sortedColumns": ["carrier"]},
        "segmentsConfig": {"replicaton": "1", "segmentPushType": "APPEND"}}))
    .unwrap();
    assert_eq!(
        config.unrecognized_properties(),
        [
            ("/tableIndxConfig".to_owned(), Some("tableIndexConfig")),
            ("/tableIndexConfig/sortedColumns".to_owned(), Some("sortedColumn")),
            ("/segmentsConfig/replicaton".to_owned(), Some("replication")),
        ]
    );
    let written: serde_json::Value = serde_json::from_str(&config.to_json()).unwrap();
    assert_eq!(written["tableIndxConfig"], json!({"a": 1}));
    assert_eq!(written["tableIndexConfig"]["sortedColumns"], json!(["carrier"]));
    assert_eq!(written["upsertConfig"], json!({"mode": "NONE"}));
}

#[test]
fn a_config_is_bounded() {
    let large = json!({"description": "x".repeat(300_000)});
    assert!(matches!(config(large), Err(Error::TooLarge { limit: 262_144, .. })));
    assert!(TableConfig::from_json(&"[".repeat(100_000)).is_err());
}

proptest! {
    #[test]
    fn hostile_configs_do_not_panic(column in "\\PC{0,12}", index in "[a-z_]{0,10}", codec in "[A-Z_]{0,12}", number in any::<f64>()) {
        let rest = json!({
            "tableIndexConfig": {"invertedIndexColumns": [column], "bloomFilterConfigs": {"carrier": {"fpp": number}}},
            "fieldConfigList": [{"name": column, "indexes": {index: {"fpp": number, "enabled": codec}}, "compressionCodec": codec}]});
        if let Ok(config) = config(rest) {
            let _ = config.column_specs(&schema());
            let _ = config.notes(&schema());
        }
    }
}
