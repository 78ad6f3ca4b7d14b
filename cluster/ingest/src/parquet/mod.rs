//! Parquet, through the `parquet` crate's Arrow reader.
//!
//! Types come from Parquet's own schema (the Arrow schema that some writers embed is not trusted). INT96 timestamps are read
//! as milliseconds, since nanoseconds in 64 bits end in the year 2262. A struct is columns with dots in their names where the
//! schema has such columns, else JSON text. The decoder works on bytes from outside, so a panic inside it is caught at this
//! border and reported as what it is: a file that cannot be read.

mod infer;
mod names;
mod reader;

pub(crate) use infer::infer;
pub(crate) use reader::ParquetReader;

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_schema::{DataType as Arrow, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::Type as Physical;
use parquet::schema::types::SchemaDescriptor;

use crate::error::{Error, Result};
use crate::source::Source;

/// An opened file: its bytes and what its footer says.
pub(crate) struct Opened {
    pub(crate) file: File,
    pub(crate) metadata: ArrowReaderMetadata,
}

impl Opened {
    pub(crate) fn schema(&self) -> &SchemaRef {
        self.metadata.schema()
    }

    pub(crate) fn rows(&self) -> u64 {
        u64::try_from(self.metadata.metadata().file_metadata().num_rows()).unwrap_or(0)
    }
}

pub(crate) fn open(source: &Source) -> Result<Opened> {
    let file = File::open(&source.path).map_err(Error::io("cannot open", &source.path))?;
    if file.metadata().map_err(Error::io("cannot read", &source.path))?.len() == 0 {
        return Err(Error::file(&source.name, "the file is empty (0 bytes)"));
    }
    let metadata = guarded(&source.name, || {
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let plain = ArrowReaderMetadata::load(&file, options.clone())?;
        match without_int96(plain.parquet_schema(), plain.schema()) {
            None => Ok(plain),
            Some(schema) => ArrowReaderMetadata::try_new(Arc::clone(plain.metadata()), options.with_schema(schema)),
        }
    })?;
    let rows = metadata.metadata().file_metadata().num_rows();
    if rows < 0 {
        return Err(Error::file(&source.name, format!("not a readable Parquet file: its footer claims {rows} rows")));
    }
    Ok(Opened { file, metadata })
}

/// Runs the decoder; its errors and panics become an error that names the file.
pub(crate) fn guarded<T>(name: &str, f: impl FnOnce() -> parquet::errors::Result<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(Ok(v)) => Ok(v),
        Ok(Err(e)) => Err(Error::file(name, format!("not a readable Parquet file: {e}"))),
        Err(_) => Err(Error::file(name, "not a readable Parquet file: its pages are damaged (the decoder gave up)")),
    }
}

/// The schema with INT96 leaves as milliseconds, if there are any.
fn without_int96(parquet: &SchemaDescriptor, arrow: &SchemaRef) -> Option<SchemaRef> {
    if !parquet.columns().iter().any(|c| c.physical_type() == Physical::INT96) {
        return None;
    }
    // Leaves come in the same order on both sides.
    let mut leaf = 0;
    let fields: Fields = arrow.fields().iter().map(|f| with_millis(f, parquet, &mut leaf)).collect();
    Some(Arc::new(Schema::new(fields)))
}

fn with_millis(field: &FieldRef, parquet: &SchemaDescriptor, leaf: &mut usize) -> FieldRef {
    let data_type = match field.data_type() {
        Arrow::Struct(fields) => Arrow::Struct(fields.iter().map(|f| with_millis(f, parquet, leaf)).collect()),
        Arrow::List(item) => Arrow::List(with_millis(item, parquet, leaf)),
        Arrow::LargeList(item) => Arrow::LargeList(with_millis(item, parquet, leaf)),
        Arrow::FixedSizeList(item, n) => Arrow::FixedSizeList(with_millis(item, parquet, leaf), *n),
        Arrow::Map(entries, sorted) => Arrow::Map(with_millis(entries, parquet, leaf), *sorted),
        other => {
            let physical = parquet.columns().get(*leaf).map(|c| c.physical_type());
            *leaf += 1;
            if physical == Some(Physical::INT96) { Arrow::Timestamp(TimeUnit::Millisecond, None) } else { other.clone() }
        }
    };
    Arc::new(Field::new(field.name(), data_type, field.is_nullable()).with_metadata(field.metadata().clone()))
}
