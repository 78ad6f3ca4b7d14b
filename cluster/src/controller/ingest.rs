//! Files that are sent to the controller: built into segments here and pushed.

use super::push::{Pushed, SegmentFile};
use super::{Controller, Error, Result};
use crate::file_push;
use cluster_catalog::{PushMode, Table};
use cluster_ingest::{Cancel, Format, IngestJob, IngestOptions, ReadOptions, SegmentNames, Source};
use segfmt::Identity;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Pinot's `batchConfigMapStr`: how a file is to be read.
#[derive(Debug, Clone, Default)]
pub struct BatchConfig(BTreeMap<String, String>);

/// The keys that are understood. Others are Pinot's for its own readers and file systems; they are let pass.
const FORMAT: &str = "inputFormat";
const POSTFIX: &str = "segmentNameGenerator.configs.segment.name.postfix";
const DELIMITER: &str = "recordReader.prop.delimiter";
const LIST_DELIMITER: &str = "recordReader.prop.multiValueDelimiter";
const NULL_STRING: &str = "recordReader.prop.nullStringValue";
const IGNORE_UNKNOWN: &str = "ignoreUnknownColumns";

impl BatchConfig {
    /// Reads a JSON object of strings.
    pub fn from_json(text: &str) -> Result<BatchConfig> {
        let value: serde_json::Value =
            serde_json::from_str(text).map_err(|e| Error::Invalid(format!("batchConfigMapStr is not JSON: {e}")))?;
        let serde_json::Value::Object(map) = value else {
            return Err(Error::Invalid("batchConfigMapStr is not a JSON object".to_owned()));
        };
        let plain = |value: serde_json::Value| match value {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        Ok(BatchConfig(map.into_iter().map(|(key, value)| (key, plain(value))).collect()))
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn format(&self) -> Result<Option<Format>> {
        let Some(name) = self.get(FORMAT) else { return Ok(None) };
        match name.to_ascii_lowercase().as_str() {
            "csv" => Ok(Some(Format::CSV)),
            "tsv" => Ok(Some(Format::TSV)),
            "json" => Ok(Some(Format::Json)),
            "parquet" => Ok(Some(Format::Parquet)),
            _ => Err(Error::Unsupported(format!("inputFormat `{name}` is none of csv, tsv, json, parquet"))),
        }
    }

    fn byte(&self, key: &str) -> Result<Option<u8>> {
        match self.get(key) {
            None => Ok(None),
            Some(text) => match text.as_bytes() {
                [byte] => Ok(Some(*byte)),
                b"\\t" => Ok(Some(b'\t')),
                _ => Err(Error::Invalid(format!("{key} `{text}` is not one byte"))),
            },
        }
    }

    fn read_options(&self) -> Result<ReadOptions> {
        let mut options = ReadOptions { delimiter: self.byte(DELIMITER)?, ..ReadOptions::default() };
        if let Some(byte) = self.byte(LIST_DELIMITER)? {
            options.list_delimiter = byte;
        }
        options.null_tokens.extend(self.get(NULL_STRING).map(str::to_owned));
        Ok(options)
    }
}

/// Pinot's cluster config that lets `/ingestFromURI` read files of the controller's host; false where nothing is set, because
/// whoever reaches the controller would read with its rights.
pub const ALLOW_LOCAL_FILES: &str = "controller.ingestFromURI.allowLocalFileSystem";

impl Controller {
    /// The file that `/ingestFromURI` may read: a regular one of this host, of `limit` bytes at most.
    pub fn local_source(&self, uri: &str, limit: u64) -> Result<PathBuf> {
        let (scheme, rest) = uri.split_once("://").unwrap_or(("", uri));
        if !scheme.eq_ignore_ascii_case("file") {
            return Err(Error::Unsupported(format!(
                "sourceURIStr `{uri}` does not begin with file://, the one scheme that is read"
            )));
        }
        let allowed = self.state().configs().any(|(key, value)| key == ALLOW_LOCAL_FILES && value == "true");
        if !allowed {
            return Err(Error::Forbidden(format!(
                "files of the controller's host are not read, because the cluster config `{ALLOW_LOCAL_FILES}` is not true; set it \
                 with POST /cluster/configs, or send the file to /ingestFromFile"
            )));
        }
        // file:///x and file://localhost/x are the same file; any other host is not this one.
        let path = rest.strip_prefix("localhost").unwrap_or(rest);
        if !path.starts_with('/') {
            return Err(Error::Invalid(format!("sourceURIStr `{uri}` is not file:///PATH")));
        }
        let path = PathBuf::from(path);
        let metadata = fs::metadata(&path).map_err(|e| Error::Invalid(format!("read {}: {e}", path.display())))?;
        if !metadata.is_file() {
            return Err(Error::Invalid(format!("{} is not a regular file", path.display())));
        }
        if metadata.len() > limit {
            return Err(Error::TooLarge { what: path.display().to_string(), limit });
        }
        Ok(path)
    }

    /// Builds segments of a file in `folder` and makes them visible. A segment of the same name (the same file under the
    /// same postfix) is replaced.
    pub fn ingest_file(
        &self,
        table: &Table,
        file: &Path,
        name: Option<&str>,
        config: &BatchConfig,
        folder: &Path,
    ) -> Result<Pushed> {
        let schema = self.schema_of(table)?;
        let format = config.format()?;
        let name = name.unwrap_or("the request's body");
        let source = Source::named(file, name, format)?;
        let sources = vec![source];
        let fingerprint = file_push::fingerprint(&sources).map_err(Error::io("read", file))?;
        let raw = table.raw_name();
        let mut names = SegmentNames::of_table(&raw);
        match config.get(POSTFIX) {
            Some(postfix) => names.postfix = Some(postfix.to_owned()),
            None => names.prefix = file_push::name_prefix(&raw, &fingerprint),
        }
        let reserved = self.reserve(table, file_push::names(&names, file_push::segments_at_most(&sources, None)))?;
        let (ordinal, generation) = reserved[0];
        let mut options = IngestOptions::new(&raw, folder.join("segments"), folder.join("spill"));
        options.read = config.read_options()?;
        options.ignore_unknown = config.get(IGNORE_UNKNOWN) == Some("true");
        options.names = names;
        options.identity = Identity {
            cluster_id: self.state().cluster().0,
            table_incarnation: table.incarnation.0,
            ordinal: ordinal.0,
            generation: generation.0,
            schema_version: u32::try_from(self.schema(&table.schema)?.version).unwrap_or(u32::MAX),
            index_version: u32::try_from(table.config_version).unwrap_or(u32::MAX),
            ..Identity::default()
        };
        let job = IngestJob { sources, schema, table_config: table.config()?.clone(), options };
        let report = job.run(&|_| {}, &Cancel::new())?;
        if report.segments.is_empty() {
            return Ok(Pushed { segments: 0, rows: 0, bytes: 0, replaced: 0 });
        }
        let files = report.segments.into_iter().map(|built| SegmentFile { name: built.name, path: built.path });
        self.push(table, files.collect(), PushMode::ReplaceByName)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_pinot() {
        let config = BatchConfig::from_json(
            r#"{"inputFormat":"CSV","recordReader.prop.delimiter":"|","segmentNameGenerator.configs.segment.name.postfix":"7_0","x":3}"#,
        )
        .unwrap();
        assert_eq!(config.format().unwrap(), Some(Format::CSV));
        assert_eq!(config.read_options().unwrap().delimiter, Some(b'|'));
        assert_eq!(config.get(POSTFIX), Some("7_0"));
        assert!(BatchConfig::from_json("[]").is_err());
        let avro = BatchConfig::from_json(r#"{"inputFormat":"avro","recordReader.prop.delimiter":"||"}"#).unwrap();
        assert!(avro.format().is_err() && avro.read_options().is_err());
    }
}
