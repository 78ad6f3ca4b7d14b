//! Runs jobs in a temporary folder and reads segments back as JSON.

use std::path::{Path, PathBuf};

use cluster_ingest::{
    Cancel, Error, InferOptions, IngestJob, IngestOptions, IngestReport, ReadOptions, Source, infer_schema,
};
use cluster_types::{FieldJson, Schema, SchemaJson, TableConfig, TableName, TableType};
use segfmt::fuzzing::decode_column;
use segfmt::{Segment, Value, decimal};
use serde_json::{Value as Json, json};

pub struct Job {
    pub dir: tempfile::TempDir,
    pub sources: Vec<Source>,
    pub schema: Schema,
    pub table_config: TableConfig,
    pub options: IngestOptions,
}

pub fn table_config(time_column: Option<&str>) -> TableConfig {
    let mut config = TableConfig::new(&TableName::parse("t").expect("a name"), TableType::Offline);
    config.segments_config.time_column_name = time_column.map(str::to_owned);
    config
}

/// A schema of dimensions; a type that ends in `[]` is multi-value.
pub fn schema(columns: &[(&str, &str)]) -> Schema {
    let mut json = SchemaJson { schema_name: "t".to_owned(), ..SchemaJson::default() };
    for (name, data_type) in columns {
        let mut field = FieldJson::new(*name, data_type.trim_end_matches("[]"));
        field.single_value_field = !data_type.ends_with("[]");
        json.dimension_field_specs.push(field);
    }
    Schema::new(json).expect("a schema")
}

impl Job {
    pub fn new(sources: Vec<Source>, schema: Schema) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let options = IngestOptions::new("t", dir.path().join("out"), dir.path().join("work"));
        Self { dir, sources, schema, table_config: table_config(None), options }
    }

    /// A job over one file whose schema is inferred.
    pub fn inferred(path: &Path, read: ReadOptions, time_column: Option<&str>) -> Result<Self, Error> {
        let sources = vec![Source::from_path(path)?];
        let infer =
            InferOptions { read: read.clone(), time_column: time_column.map(str::to_owned), skip_bad_rows: false };
        let schema = infer_schema("t", &sources, &infer, &|_| {}, &Cancel::new())?;
        let mut job = Self::new(sources, schema);
        job.options.read = read;
        job.table_config = table_config(time_column);
        Ok(job)
    }

    pub fn run(&self) -> Result<IngestReport, Error> {
        self.run_until(&Cancel::new())
    }

    pub fn run_until(&self, cancel: &Cancel) -> Result<IngestReport, Error> {
        self.ingest().run(&|_| {}, cancel)
    }

    pub fn ingest(&self) -> IngestJob {
        IngestJob {
            sources: self.sources.clone(),
            schema: self.schema.clone(),
            table_config: self.table_config.clone(),
            options: self.options.clone(),
        }
    }

    /// Files below the job's folder.
    pub fn files(&self) -> Vec<PathBuf> {
        fn walk(dir: &Path, out: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
                if entry.path().is_dir() { walk(&entry.path(), out) } else { out.push(entry.path()) }
            }
        }
        let mut out = Vec::new();
        walk(self.dir.path(), &mut out);
        out
    }
}

/// A source whose text is in a file of that name.
pub fn text_source(dir: &Path, name: &str, text: &[u8]) -> Source {
    let path = dir.join(name);
    std::fs::write(&path, text).expect("write the input");
    Source::from_path(path).expect("a known format")
}

/// Columns of a segment as (name, type).
pub fn columns(path: &Path) -> Vec<(String, String)> {
    let file = std::fs::read(path).expect("read the segment");
    let segment = Segment::open(&file, file.len() as u64).expect("open the segment");
    segment
        .columns()
        .iter()
        .map(|c| (c.name().to_owned(), format!("{}{}", c.data_type(), if c.multi_value() { "[]" } else { "" })))
        .collect()
}

/// Rows of a segment, each an object by column name; the segment is verified on the way.
pub fn rows(path: &Path) -> Vec<Json> {
    let file = std::fs::read(path).expect("read the segment");
    let at = |offset: u64, len: usize| Ok(file[offset as usize..offset as usize + len].to_vec());
    segfmt::verify::verify_segment(at, file.len() as u64).expect("a sound segment");
    let segment = Segment::open(&file, file.len() as u64).expect("open the segment");
    let mut rows = vec![json!({}); segment.rows() as usize];
    for column in segment.columns() {
        let decoded = decode_column(&file, column).expect("decode a column");
        for (r, row) in rows.iter_mut().enumerate() {
            row[column.name()] = if decoded.nulls.get(r) {
                // The slot of a null row holds the default, one element where there are many values.
                let slot = decoded.lists.as_ref().map_or(r, |l| l[r] as usize);
                assert_eq!(shown(&decoded.values[slot]), shown(&column.default_null().expect("a default")));
                Json::Null
            } else {
                match &decoded.lists {
                    None => shown(&decoded.values[r]),
                    Some(l) => decoded.values[l[r] as usize..l[r + 1] as usize].iter().map(shown).collect(),
                }
            };
        }
    }
    rows
}

fn shown(value: &Value) -> Json {
    let float = |v: f64| match v {
        v if v.is_nan() => json!("NaN"),
        v if v.is_infinite() => json!(if v > 0.0 { "Infinity" } else { "-Infinity" }),
        v => json!(v),
    };
    match value {
        Value::Int(v) => json!(v),
        Value::Long(v) | Value::Timestamp(v) => json!(v),
        Value::Float(v) => float(f64::from(*v)),
        Value::Double(v) => float(*v),
        Value::BigDecimal(v) => json!(decimal::to_plain_string(v).expect("a decimal")),
        Value::Boolean(v) => json!(v),
        Value::String(v) | Value::Json(v) => json!(v),
        Value::Bytes(v) => json!(v.iter().map(|b| format!("{b:02x}")).collect::<String>()),
    }
}

/// Rows of all segments of a report, in order.
pub fn all_rows(report: &IngestReport) -> Vec<Json> {
    report.segments.iter().flat_map(|s| rows(&s.path)).collect()
}
