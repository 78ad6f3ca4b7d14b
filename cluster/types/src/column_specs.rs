//! What schema and table config together ask of each column: encoding, indexes, partitioning.
//!
//! A table config names columns in a dozen places, in an old form (lists in `tableIndexConfig`) and a new one
//! (`fieldConfigList[].indexes`). They are added up here, once, so that nothing else reads them. A name that is not in the
//! schema, or two places that contradict each other, is an error.

use std::collections::BTreeSet;

use segfmt::{BloomSpec, Codec, ColumnSpec, EncodingHint, PartitionFunction, PartitionSpec};
use serde_json::Value as Json;

use crate::schema::{FieldSpec, Role, Schema};
use crate::suggest::did_you_mean;
use crate::table_config::{FieldConfig, TableConfig};
use crate::table_name::abbreviate;
use crate::{Error, Result};

/// Pinot's default rate of false positives.
const BLOOM_FPP: f64 = 0.05;

/// The smallest filter that the writer makes.
const BLOOM_BYTES_MIN: u32 = 32;

/// Indexes that a field config may name, in Pinot's old and new spelling.
const INDEXES: &[&str] = &[
    "forward",
    "dictionary",
    "null",
    "inverted",
    "range",
    "bloom",
    "sorted",
    "fst",
    "ifst",
    "json",
    "text",
    "h3",
    "vector",
    "timestamp",
    "open_struct",
];

/// Those of them that segments do not hold yet.
const INDEXES_NOT_BUILT: &[&str] = &["fst", "ifst", "json", "text", "h3", "vector", "timestamp", "open_struct"];

impl TableConfig {
    /// Checks the config against its schema.
    pub fn validate(&self, schema: &Schema) -> Result<()> {
        Derive::new(self, schema).map(drop)
    }

    /// What the segment writer is asked for each column, in the schema's order.
    pub fn column_specs(&self, schema: &Schema) -> Result<Vec<ColumnSpec>> {
        Derive::new(self, schema).map(|derive| derive.columns)
    }

    /// What the config asks for that is kept and not acted on, one line each.
    pub fn notes(&self, schema: &Schema) -> Vec<String> {
        let mut notes = Vec::new();
        for field in &self.field_config_list {
            for index in field.asked_indexes().filter(|i| INDEXES_NOT_BUILT.contains(&i.as_str())) {
                notes.push(format!(
                    "fieldConfigList: the {index} index of column `{}` is kept in the config and not built; queries scan instead",
                    field.name
                ));
            }
        }
        for key in ["starTreeIndexConfigs", "jsonIndexColumns", "jsonIndexConfigs", "multiColumnTextIndexConfig"] {
            let asked = match self.table_index_config.other.get(key) {
                None | Some(Json::Null) => false,
                Some(Json::Array(list)) => !list.is_empty(),
                Some(Json::Object(map)) => !map.is_empty(),
                Some(_) => true,
            };
            if asked {
                notes.push(format!("tableIndexConfig.{key} is kept in the config and not built; queries scan instead"));
            }
        }
        if self.table_index_config.other.get("enableDefaultStarTree") == Some(&Json::Bool(true)) {
            notes
                .push("tableIndexConfig.enableDefaultStarTree is kept in the config; no star-tree is built".to_owned());
        }
        for key in ["upsertConfig", "dedupConfig", "tierConfigs", "task"] {
            if self.other.get(key).is_some_and(|v| !v.is_null()) {
                notes.push(format!("{key} is kept in the config and not acted on"));
            }
        }
        for field in schema.columns().iter().filter(|f| f.transform_function.is_some()) {
            notes.push(format!("schema: the transformFunction of column `{}` is kept and not run", field.name));
        }
        notes
    }
}

impl FieldConfig {
    /// Indexes of the old and the new form, in lower case; a new-form entry that says `disabled` or `enabled: false` is none.
    fn asked_indexes(&self) -> impl Iterator<Item = String> + '_ {
        let old = self.index_types.iter().chain(&self.index_type).map(|name| name.to_ascii_lowercase());
        let new =
            self.indexes.iter().filter(|(_, options)| is_enabled(options)).map(|(name, _)| name.to_ascii_lowercase());
        old.chain(new)
    }
}

fn is_enabled(options: &Json) -> bool {
    let says = |key: &str, word: bool| {
        options.get(key).is_some_and(|v| {
            v.as_bool() == Some(word)
                || v.as_str().is_some_and(|s| s.eq_ignore_ascii_case(if word { "true" } else { "false" }))
        })
    };
    !options.is_null() && !says("disabled", true) && !says("enabled", false)
}

struct Derive<'a> {
    config: &'a TableConfig,
    schema: &'a Schema,
    columns: Vec<ColumnSpec>,
    /// Where a column was asked to be raw or to have a dictionary, for errors.
    said: Vec<Option<(String, EncodingHint)>>,
    problems: Vec<Error>,
}

impl<'a> Derive<'a> {
    fn new(config: &'a TableConfig, schema: &'a Schema) -> Result<Derive<'a>> {
        let columns: Vec<ColumnSpec> = schema.columns().iter().map(plain).collect();
        let said = vec![None; columns.len()];
        let mut derive = Derive { config, schema, columns, said, problems: Vec::new() };
        derive.names();
        derive.unsupported_columns();
        derive.time_column();
        derive.encodings();
        derive.indexes();
        derive.partitions();
        derive.field_configs();
        derive.contradictions();
        Error::collect(std::mem::take(&mut derive.problems))?;
        Ok(derive)
    }

    fn problem(&mut self, key: impl Into<String>, reason: impl Into<String>) {
        self.problems.push(Error::invalid(key, reason));
    }

    /// Position of a column that a key names; a wrong name is a problem.
    fn position(&mut self, key: impl Into<String>, name: &str) -> Option<usize> {
        match self.schema.require(key, name) {
            Ok(_) => self.schema.position(name),
            Err(error) => {
                self.problems.push(error);
                None
            }
        }
    }

    fn names(&mut self) {
        if let Err(error) = self.config.name().and_then(|_| self.config.replication().map(drop)) {
            self.problems.push(error);
        }
    }

    fn unsupported_columns(&mut self) {
        for (name, data_type) in self.schema.unsupported() {
            self.problems.push(Error::invalid(
                format!("schema `{}`", self.schema.name()),
                format!(
                    "column `{name}` has type {data_type}, which segments cannot hold; take it out or store it as JSON"
                ),
            ));
        }
    }

    fn time_column(&mut self) {
        let key = "segmentsConfig.timeColumnName";
        let Some(name) = self.config.segments_config.time_column_name.as_deref().filter(|n| !n.is_empty()) else {
            return;
        };
        let Some(i) = self.position(key, name) else { return };
        if !matches!(self.schema.columns()[i].role, Role::DateTime { .. }) {
            self.problem(key, format!("column `{name}` is not one of dateTimeFieldSpecs"));
        }
    }

    fn say(&mut self, i: usize, key: String, encoding: EncodingHint) {
        match &self.said[i] {
            Some((earlier, other)) if std::mem::discriminant(other) != std::mem::discriminant(&encoding) => {
                let reason =
                    format!("it contradicts {earlier}, which asks for another encoding of `{}`", self.columns[i].name);
                self.problem(key, reason);
            }
            _ => {
                self.said[i] = Some((key, encoding));
                self.columns[i].encoding = encoding;
            }
        }
    }

    fn encodings(&mut self) {
        let indexing = &self.config.table_index_config;
        for (n, name) in indexing.no_dictionary_columns.iter().enumerate() {
            let key = format!("tableIndexConfig.noDictionaryColumns[{n}]");
            if let Some(i) = self.position(key.as_str(), name) {
                let codec = self.default_compression(i);
                self.say(i, key, EncodingHint::Raw { codec });
            }
        }
        for (name, codec) in &indexing.no_dictionary_config {
            let key = format!("tableIndexConfig.noDictionaryConfig.{name}");
            if let Some(i) = self.position(key.as_str(), name)
                && let Some(codec) = self.compression(&key, codec)
            {
                self.say(i, key, EncodingHint::Raw { codec });
            }
        }
    }

    /// Pinot's default: LZ4 for dimensions, nothing for metrics.
    fn default_compression(&self, i: usize) -> Codec {
        if self.schema.columns()[i].role == Role::Metric { Codec::PassThrough } else { Codec::Lz4 }
    }

    fn compression(&mut self, key: &str, codec: &str) -> Option<Codec> {
        match codec.to_ascii_uppercase().as_str() {
            "PASS_THROUGH" => Some(Codec::PassThrough),
            // Snappy and GZIP trade the same things as LZ4 and ZSTANDARD, which are what segments hold.
            "LZ4" | "LZ4_WITH_LENGTH" | "SNAPPY" | "DELTA" | "DELTADELTA" => Some(Codec::Lz4),
            "ZSTANDARD" | "GZIP" => Some(Codec::Zstd),
            _ => {
                let known = ["PASS_THROUGH", "SNAPPY", "ZSTANDARD", "LZ4", "GZIP", "DELTA", "DELTADELTA"];
                let hint = did_you_mean(codec, known).map(|n| format!(", did you mean `{n}`?")).unwrap_or_default();
                self.problem(key, format!("`{}` is not a codec that segments hold{hint}", abbreviate(codec)));
                None
            }
        }
    }

    fn indexes(&mut self) {
        let indexing = &self.config.table_index_config;
        let list = |key: &str, names: &[String]| -> Vec<(String, String)> {
            names.iter().enumerate().map(|(n, name)| (format!("tableIndexConfig.{key}[{n}]"), name.clone())).collect()
        };
        for (key, name) in list("sortedColumn", &indexing.sorted_column) {
            if let Some(i) = self.position(key.as_str(), &name)
                && self.columns[i].multi_value
            {
                self.problem(key, format!("column `{name}` is multi-value and cannot be sorted by"));
            }
        }
        for (key, name) in list("invertedIndexColumns", &indexing.inverted_index_columns) {
            if let Some(i) = self.position(key, &name) {
                self.columns[i].inverted = true;
            }
        }
        for (key, name) in list("rangeIndexColumns", &indexing.range_index_columns) {
            if let Some(i) = self.position(key, &name) {
                self.columns[i].range = true;
            }
        }
        for (key, name) in list("bloomFilterColumns", &indexing.bloom_filter_columns) {
            if let Some(i) = self.position(key, &name) {
                self.columns[i].bloom = Some(BloomSpec { fpp: BLOOM_FPP, max_bytes: u32::MAX });
            }
        }
        for (name, bloom) in &indexing.bloom_filter_configs {
            let key = format!("tableIndexConfig.bloomFilterConfigs.{name}");
            if let Some(i) = self.position(key.as_str(), name) {
                self.bloom(i, &key, bloom.fpp, bloom.max_size_in_bytes);
            }
        }
    }

    fn bloom(&mut self, i: usize, key: &str, fpp: Option<f64>, max_bytes: Option<u32>) {
        let fpp = fpp.unwrap_or(BLOOM_FPP);
        if fpp > 0.0 && fpp < 1.0 {
            // Pinot's 0 is no limit.
            let max_bytes = max_bytes.filter(|bytes| *bytes > 0).unwrap_or(u32::MAX).max(BLOOM_BYTES_MIN);
            self.columns[i].bloom = Some(BloomSpec { fpp, max_bytes });
        } else {
            self.problem(format!("{key}.fpp"), format!("{fpp} is not between 0 and 1"));
        }
    }

    fn partitions(&mut self) {
        let Some(partitioning) = &self.config.table_index_config.segment_partition_config else { return };
        for (name, partition) in &partitioning.column_partition_map {
            let key = format!("tableIndexConfig.segmentPartitionConfig.columnPartitionMap.{name}");
            let Some(i) = self.position(key.as_str(), name) else { continue };
            let Some(function) = PartitionFunction::from_pinot_name(&partition.function_name) else {
                let given = &partition.function_name;
                let hint = did_you_mean(given, PartitionFunction::ALL.iter().map(|f| f.pinot_name()))
                    .map(|n| format!(", did you mean `{n}`?"))
                    .unwrap_or_default();
                self.problem(
                    format!("{key}.functionName"),
                    format!("`{}` is not a partition function that segments can name{hint}", abbreviate(given)),
                );
                continue;
            };
            if !function.accepts(self.columns[i].data_type) {
                let data_type = self.columns[i].data_type;
                self.problem(
                    format!("{key}.functionName"),
                    format!("{} does not take values of type {data_type}", function.pinot_name()),
                );
                continue;
            }
            match partition.num_partitions {
                Some(partitions) if (1..=1_000_000).contains(&partitions) => {
                    self.columns[i].partition = Some(PartitionSpec { function, partitions });
                }
                other => {
                    let given = other.map_or("nothing".to_owned(), |n| n.to_string());
                    self.problem(format!("{key}.numPartitions"), format!("{given} is not a number from 1 to 1000000"));
                }
            }
        }
    }

    fn field_configs(&mut self) {
        let mut seen = BTreeSet::new();
        for (n, field) in self.config.field_config_list.iter().enumerate() {
            let key = format!("fieldConfigList[{n}]");
            if !seen.insert(&field.name) {
                self.problem(format!("{key}.name"), format!("column `{}` is there twice", abbreviate(&field.name)));
                continue;
            }
            if let Some(i) = self.position(format!("{key}.name"), &field.name) {
                self.field_config(&key, i, field);
            }
        }
    }

    fn field_config(&mut self, key: &str, i: usize, field: &FieldConfig) {
        let forward = field.indexes.get("forward").cloned().unwrap_or(Json::Null);
        let text_of = |name: &str| forward.get(name).and_then(Json::as_str).map(str::to_owned);
        let codec = field
            .compression_codec
            .clone()
            .or_else(|| text_of("compressionCodec"))
            .or_else(|| text_of("chunkCompressionType"));
        let codec = match &codec {
            // Compression of dictionary ids: the packed layout stands for it.
            Some(codec) if codec.eq_ignore_ascii_case("MV_ENTRY_DICT") => None,
            Some(codec) => match self.compression(&format!("{key}.compressionCodec"), codec) {
                Some(codec) => Some(codec),
                None => return,
            },
            None => None,
        };
        let no_dictionary = field.indexes.get("dictionary").is_some_and(|d| !is_enabled(d));
        let encoding = field.encoding_type.clone().or_else(|| text_of("encodingType"));
        let raw = EncodingHint::Raw { codec: codec.unwrap_or_else(|| self.default_compression(i)) };
        match encoding.as_deref().map(str::to_ascii_uppercase).as_deref() {
            Some("RAW") => self.say(i, format!("{key}.encodingType"), raw),
            _ if no_dictionary => self.say(i, format!("{key}.indexes.dictionary"), raw),
            Some("DICTIONARY") => self.say(i, format!("{key}.encodingType"), EncodingHint::Dictionary),
            // The column was made raw elsewhere, and this says how.
            None => {
                if let (Some(codec), EncodingHint::Raw { .. }) = (codec, self.columns[i].encoding) {
                    self.columns[i].encoding = EncodingHint::Raw { codec };
                }
            }
            Some(_) => {
                let given = encoding.unwrap_or_default();
                self.problem(
                    format!("{key}.encodingType"),
                    format!("`{}` is neither DICTIONARY nor RAW", abbreviate(&given)),
                );
            }
        }
        for index in field.asked_indexes() {
            match index.as_str() {
                "inverted" => self.columns[i].inverted = true,
                "range" => self.columns[i].range = true,
                "bloom" => {
                    let options = field.indexes.get("bloom").cloned().unwrap_or(Json::Null);
                    let max_bytes =
                        options.get("maxSizeInBytes").and_then(Json::as_u64).and_then(|b| u32::try_from(b).ok());
                    self.bloom(
                        i,
                        &format!("{key}.indexes.bloom"),
                        options.get("fpp").and_then(Json::as_f64),
                        max_bytes,
                    );
                }
                other if INDEXES.contains(&other) => {}
                other => {
                    let hint = did_you_mean(other, INDEXES.iter().copied())
                        .map(|n| format!(", did you mean `{n}`?"))
                        .unwrap_or_default();
                    self.problem(format!("{key}.indexes"), format!("`{}` is not an index{hint}", abbreviate(other)));
                }
            }
        }
    }

    /// An inverted index lists rows by dictionary id.
    fn contradictions(&mut self) {
        for i in 0..self.columns.len() {
            if !self.columns[i].inverted {
                continue;
            }
            match self.columns[i].encoding {
                EncodingHint::Raw { .. } => {
                    let place = self.said[i].as_ref().map(|(key, _)| key.clone()).unwrap_or_default();
                    let name = self.columns[i].name.clone();
                    self.problem(
                        place,
                        format!(
                            "column `{name}` has an inverted index, which needs a dictionary; take one of both away"
                        ),
                    );
                }
                EncodingHint::Auto | EncodingHint::Dictionary => self.columns[i].encoding = EncodingHint::Dictionary,
            }
        }
    }
}

fn plain(field: &FieldSpec) -> ColumnSpec {
    ColumnSpec {
        multi_value: field.multi_value,
        default_null: field.default_null.clone(),
        ..ColumnSpec::new(field.name.as_str(), field.data_type)
    }
}
