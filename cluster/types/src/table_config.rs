//! A table config as Pinot's users write it.
//!
//! All of Pinot's keys are taken. Keys that the engine acts on are typed; the others, and keys that no one knows, are kept
//! and written back. What is kept but not acted on is said by [`TableConfig::notes`], so that nobody waits for an index
//! that is not built.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::suggest::did_you_mean;
use crate::{Error, Result, TableName, TableType, lenient};

/// The largest table config, in bytes.
pub const TABLE_CONFIG_BYTES_MAX: usize = 256 * 1024;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableConfig {
    /// As it was written, with or without type; [`TableConfig::name`] is the parsed form.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub table_name: String,
    #[serde(default = "TableConfig::default_type")]
    pub table_type: TableType,
    #[serde(default, deserialize_with = "lenient::optional_boolean", skip_serializing_if = "Option::is_none")]
    pub is_dim_table: Option<bool>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub segments_config: SegmentsConfig,
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub tenants: Map<String, Value>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub table_index_config: IndexingConfig,
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub metadata: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<QuotaConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing: Option<RoutingConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<QueryConfig>,
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub field_config_list: Vec<FieldConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingestion_config: Option<IngestionConfig>,
    /// Pinot's keys without a typed form here (`task`, `upsertConfig`, `tierConfigs`, ...) and unknown ones.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Keys of Pinot's table config that are kept in [`TableConfig::other`].
const OTHER_TABLE_KEYS: &[&str] = &[
    "isMaterializedView",
    "task",
    "instanceAssignmentConfigMap",
    "instancePartitionsMap",
    "segmentAssignmentConfigMap",
    "upsertConfig",
    "dedupConfig",
    "dimensionTableConfig",
    "tierConfigs",
    "tunerConfigs",
    "tableSamplers",
    "description",
    "tags",
    "tagOverrideConfig",
];

const TABLE_KEYS: &[&str] = &[
    "tableName",
    "tableType",
    "isDimTable",
    "segmentsConfig",
    "tenants",
    "tableIndexConfig",
    "metadata",
    "quota",
    "routing",
    "query",
    "fieldConfigList",
    "ingestionConfig",
];

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SegmentsConfig {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_column_name: Option<String>,
    /// Pinot writes it as a text.
    #[serde(default, deserialize_with = "lenient::optional_text", skip_serializing_if = "Option::is_none")]
    pub replication: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_time_unit: Option<String>,
    #[serde(default, deserialize_with = "lenient::optional_text", skip_serializing_if = "Option::is_none")]
    pub retention_time_value: Option<String>,
    #[serde(default, deserialize_with = "lenient::optional_text", skip_serializing_if = "Option::is_none")]
    pub deleted_segments_retention_period: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_name: Option<String>,
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IndexingConfig {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_mode: Option<String>,
    #[serde(default, deserialize_with = "lenient::optional_boolean", skip_serializing_if = "Option::is_none")]
    pub null_handling_enabled: Option<bool>,
    #[serde(default, deserialize_with = "lenient::texts", skip_serializing_if = "Vec::is_empty")]
    pub sorted_column: Vec<String>,
    #[serde(default, deserialize_with = "lenient::texts", skip_serializing_if = "Vec::is_empty")]
    pub inverted_index_columns: Vec<String>,
    #[serde(default, deserialize_with = "lenient::texts", skip_serializing_if = "Vec::is_empty")]
    pub range_index_columns: Vec<String>,
    #[serde(default, deserialize_with = "lenient::texts", skip_serializing_if = "Vec::is_empty")]
    pub bloom_filter_columns: Vec<String>,
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub bloom_filter_configs: BTreeMap<String, BloomFilterConfig>,
    #[serde(default, deserialize_with = "lenient::texts", skip_serializing_if = "Vec::is_empty")]
    pub no_dictionary_columns: Vec<String>,
    /// Old form: column to codec.
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub no_dictionary_config: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment_partition_config: Option<SegmentPartitionConfig>,
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BloomFilterConfig {
    #[serde(default, deserialize_with = "lenient::optional_number", skip_serializing_if = "Option::is_none")]
    pub fpp: Option<f64>,
    #[serde(default, deserialize_with = "lenient::optional_number", skip_serializing_if = "Option::is_none")]
    pub max_size_in_bytes: Option<u32>,
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SegmentPartitionConfig {
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub column_partition_map: BTreeMap<String, ColumnPartitionConfig>,
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ColumnPartitionConfig {
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub function_name: String,
    #[serde(default, deserialize_with = "lenient::optional_number", skip_serializing_if = "Option::is_none")]
    pub num_partitions: Option<u32>,
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Encoding and indexes of one column.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldConfig {
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding_type: Option<String>,
    /// Old form: one index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index_type: Option<String>,
    #[serde(default, deserialize_with = "lenient::texts", skip_serializing_if = "Vec::is_empty")]
    pub index_types: Vec<String>,
    /// New form: index name to its options.
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "Map::is_empty")]
    pub indexes: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression_codec: Option<String>,
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QuotaConfig {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<String>,
    #[serde(default, deserialize_with = "lenient::optional_text", skip_serializing_if = "Option::is_none")]
    pub max_queries_per_second: Option<String>,
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoutingConfig {
    #[serde(default, deserialize_with = "lenient::texts", skip_serializing_if = "Vec::is_empty")]
    pub segment_pruner_types: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_selector_type: Option<String>,
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryConfig {
    #[serde(default, deserialize_with = "lenient::optional_number", skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    #[serde(default, deserialize_with = "lenient::optional_number", skip_serializing_if = "Option::is_none")]
    pub max_query_response_size_bytes: Option<u64>,
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "Option::is_none")]
    pub expression_override_map: Option<BTreeMap<String, String>>,
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IngestionConfig {
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub transform_configs: Vec<TransformConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter_config: Option<FilterConfig>,
    #[serde(default, deserialize_with = "lenient::optional_boolean", skip_serializing_if = "Option::is_none")]
    pub continue_on_error: Option<bool>,
    #[serde(default, deserialize_with = "lenient::optional_boolean", skip_serializing_if = "Option::is_none")]
    pub row_time_value_check: Option<bool>,
    #[serde(default, deserialize_with = "lenient::optional_boolean", skip_serializing_if = "Option::is_none")]
    pub segment_time_value_check: Option<bool>,
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransformConfig {
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub column_name: String,
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub transform_function: String,
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FilterConfig {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter_function: Option<String>,
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl TableConfig {
    fn default_type() -> TableType {
        TableType::Offline
    }

    /// A config with nothing but a name and a type.
    pub fn new(name: &TableName, table_type: TableType) -> TableConfig {
        TableConfig {
            table_name: name.with_type(table_type).to_string(),
            table_type,
            is_dim_table: None,
            segments_config: SegmentsConfig { replication: Some("1".to_owned()), ..SegmentsConfig::default() },
            tenants: Map::new(),
            table_index_config: IndexingConfig { load_mode: Some("MMAP".to_owned()), ..IndexingConfig::default() },
            metadata: Map::new(),
            quota: None,
            routing: None,
            query: None,
            field_config_list: Vec::new(),
            ingestion_config: None,
            other: Map::new(),
        }
    }

    /// Reads a JSON document and checks what does not depend on a schema.
    pub fn from_json(text: &str) -> Result<TableConfig> {
        crate::json::check_size("table config", text, TABLE_CONFIG_BYTES_MAX)?;
        let config: TableConfig = crate::json::parse("table config", text)?;
        config.name()?;
        config.replication()?;
        Ok(config)
    }

    /// The document, `tableName` with its type as Pinot stores it.
    pub fn to_json(&self) -> String {
        let named = match self.name() {
            Ok(name) => TableConfig { table_name: name.to_string(), ..self.clone() },
            Err(_) => self.clone(),
        };
        serde_json::to_string_pretty(&named).expect("a table config has only text keys")
    }

    /// The table's name with its type. A type in `tableName` must be that of `tableType`.
    pub fn name(&self) -> Result<TableName> {
        let name = TableName::parse(&self.table_name)?;
        match name.table_type() {
            Some(table_type) if table_type != self.table_type => Err(Error::invalid(
                "tableType",
                format!("{} does not fit tableName `{}`", self.table_type, self.table_name),
            )),
            _ => Ok(name.with_type(self.table_type)),
        }
    }

    /// The name of the schema: the table's own, without type, unless `segmentsConfig.schemaName` says another.
    pub fn schema_name(&self) -> Result<String> {
        match &self.segments_config.schema_name {
            Some(name) if !name.is_empty() => Ok(name.clone()),
            _ => Ok(self.name()?.raw()),
        }
    }

    /// Copies of each segment; 1 where nothing is said.
    pub fn replication(&self) -> Result<u32> {
        match &self.segments_config.replication {
            None => Ok(1),
            Some(text) => match text.trim().parse() {
                Ok(count) if (1..=1_000).contains(&count) => Ok(count),
                _ => Err(Error::invalid(
                    "segmentsConfig.replication",
                    format!("`{}` is not a number from 1 to 1000", crate::table_name::abbreviate(text)),
                )),
            },
        }
    }

    /// The field config of a column.
    pub fn field_config(&self, column: &str) -> Option<&FieldConfig> {
        self.field_config_list.iter().find(|f| f.name == column)
    }

    /// Keys at any typed level that no version of Pinot known here has, as paths, each with the key that was probably meant.
    /// Pinot answers them as `unrecognizedProperties`.
    pub fn unrecognized_properties(&self) -> Vec<(String, Option<&'static str>)> {
        let mut found = Vec::new();
        for key in self.other.keys().filter(|k| !OTHER_TABLE_KEYS.contains(&k.as_str())) {
            let known = TABLE_KEYS.iter().chain(OTHER_TABLE_KEYS).copied();
            found.push((format!("/{key}"), did_you_mean(key, known)));
        }
        for key in self.table_index_config.other.keys().filter(|k| !OTHER_INDEXING_KEYS.contains(&k.as_str())) {
            let known = INDEXING_KEYS.iter().chain(OTHER_INDEXING_KEYS).copied();
            found.push((format!("/tableIndexConfig/{key}"), did_you_mean(key, known)));
        }
        for key in self.segments_config.other.keys().filter(|k| !OTHER_SEGMENTS_KEYS.contains(&k.as_str())) {
            let known = SEGMENTS_KEYS.iter().chain(OTHER_SEGMENTS_KEYS).copied();
            found.push((format!("/segmentsConfig/{key}"), did_you_mean(key, known)));
        }
        found
    }
}

const INDEXING_KEYS: &[&str] = &[
    "loadMode",
    "nullHandlingEnabled",
    "sortedColumn",
    "invertedIndexColumns",
    "rangeIndexColumns",
    "bloomFilterColumns",
    "bloomFilterConfigs",
    "noDictionaryColumns",
    "noDictionaryConfig",
    "segmentPartitionConfig",
];

const OTHER_INDEXING_KEYS: &[&str] = &[
    "aggregateMetrics",
    "autoGeneratedInvertedIndex",
    "columnMajorSegmentBuilderEnabled",
    "columnMinMaxValueGeneratorMode",
    "compressionStatsEnabled",
    "createInvertedIndexDuringSegmentGeneration",
    "enableDefaultStarTree",
    "enableDynamicStarTreeCreation",
    "jsonIndexColumns",
    "jsonIndexConfigs",
    "multiColumnTextIndexConfig",
    "noDictionaryCardinalityRatioThreshold",
    "noDictionarySizeRatioThreshold",
    "onHeapDictionaryColumns",
    "optimizeDictionary",
    "optimizeDictionaryForMetrics",
    "optimizeDictionaryType",
    "optimizeNoDictStatsCollection",
    "rangeIndexVersion",
    "segmentFormatVersion",
    "segmentNameGeneratorType",
    "skipSegmentPreprocess",
    "starTreeIndexConfigs",
    "streamConfigs",
    "tierOverwrites",
    "varLengthDictionaryColumns",
];

const SEGMENTS_KEYS: &[&str] = &[
    "timeColumnName",
    "replication",
    "retentionTimeUnit",
    "retentionTimeValue",
    "deletedSegmentsRetentionPeriod",
    "schemaName",
];

const OTHER_SEGMENTS_KEYS: &[&str] = &[
    "allowNullTimeValue",
    "assignmentStrategy",
    "completionConfig",
    "crypterClassName",
    "deleteFromDeepStoreOnRetention",
    "hybridTableRetentionStrategy",
    "minimizeDataMovement",
    "peerSegmentDownloadScheme",
    "replicaGroupStrategyConfig",
    "replicasPerPartition",
    "segmentAssignmentStrategy",
    "segmentPushFrequency",
    "segmentPushType",
    "timeType",
    "untrackedSegmentsDeletionBatchSize",
    "untrackedSegmentsDeletionEnabled",
    "untrackedSegmentsRetentionTimeUnit",
    "untrackedSegmentsRetentionTimeValue",
];
