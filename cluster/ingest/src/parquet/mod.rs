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
        match better_types(&plain) {
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

/// The schema with INT96 leaves as milliseconds, and with strings as dictionaries where the file has them so; `None` where
/// nothing is to change.
fn better_types(plain: &ArrowReaderMetadata) -> Option<SchemaRef> {
    let mut leaf = 0;
    let fields: Fields = plain.schema().fields().iter().map(|f| better_field(f, plain, &mut leaf, true)).collect();
    (&fields != plain.schema().fields()).then(|| Arc::new(Schema::new(fields)))
}

/// Leaves come in the same order on both sides, which is how `leaf` finds the Parquet column.
fn better_field(field: &FieldRef, plain: &ArrowReaderMetadata, leaf: &mut usize, root: bool) -> FieldRef {
    let mut inner = |f: &FieldRef| better_field(f, plain, leaf, false);
    let data_type = match field.data_type() {
        Arrow::Struct(fields) => Arrow::Struct(fields.iter().map(inner).collect()),
        Arrow::List(item) => Arrow::List(inner(item)),
        Arrow::LargeList(item) => Arrow::LargeList(inner(item)),
        Arrow::FixedSizeList(item, n) => Arrow::FixedSizeList(inner(item), *n),
        Arrow::Map(entries, sorted) => Arrow::Map(inner(entries), *sorted),
        other => {
            let column = *leaf;
            *leaf += 1;
            match plain.parquet_schema().columns().get(column).map(|c| c.physical_type()) {
                Some(Physical::INT96) => Arrow::Timestamp(TimeUnit::Millisecond, None),
                Some(Physical::BYTE_ARRAY) if root && other == &Arrow::Utf8 && has_dictionary(plain, column) => {
                    Arrow::Dictionary(Box::new(Arrow::Int32), Box::new(Arrow::Utf8))
                }
                _ => other.clone(),
            }
        }
    };
    Arc::new(Field::new(field.name(), data_type, field.is_nullable()).with_metadata(field.metadata().clone()))
}

/// Whether a column is likely all numbers of dictionary entries: a writer that gave its dictionary up has larger pages.
fn has_dictionary(plain: &ArrowReaderMetadata, column: usize) -> bool {
    /// Above any number's width, with some room for the dictionary itself.
    const BYTES_A_VALUE_MAX: i64 = 6;
    let groups = plain.metadata().row_groups();
    !groups.is_empty()
        && groups.iter().all(|g| {
            g.columns().get(column).is_some_and(|c| {
                c.dictionary_page_offset().is_some()
                    && c.uncompressed_size()
                        <= (c.num_values().saturating_mul(BYTES_A_VALUE_MAX)).saturating_add(1 << 16)
            })
        })
}
