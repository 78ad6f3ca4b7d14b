//! Finds a schema for files that come without one, by looking at all of every file.
//!
//! A type is chosen so that nothing is lost: every value of the column must come back as it was written (numbers by value).
//! So one code with a leading zero makes its column STRING, one integer past 64 bits makes it BIG_DECIMAL, and a text
//! timestamp finer than a millisecond stays STRING. In JSON the quotes are the type: "5" is text. Text that is a full
//! timestamp in every row becomes TIMESTAMP; dates alone stay STRING unless the column is the time column.

mod schema;
mod seen;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cluster_types::Schema;
use segfmt::DataType;

pub(crate) use seen::Seen;

use crate::batch::{BadRow, OnBadRow, RawColumn, ReadOptions, RowReader, Wanted};
use crate::csv::{CsvReader, header};
use crate::error::{Error, Result};
use crate::progress::{Cancel, OnProgress, Phase, Progress};
use crate::source::{Format, Source};
use crate::{json, parquet};

/// A column as found in the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inferred {
    pub(crate) name: String,
    pub(crate) data_type: DataType,
    pub(crate) multi_value: bool,
    /// Every value is NULL: any type would do.
    pub(crate) empty: bool,
    /// All values are timestamps or dates, whatever type was chosen.
    pub(crate) time_like: bool,
}

impl Inferred {
    pub(crate) fn one(name: &str, data_type: DataType) -> Self {
        Self {
            name: name.to_owned(),
            data_type,
            multi_value: false,
            empty: false,
            time_like: data_type == DataType::Timestamp,
        }
    }

    pub(crate) fn seen(name: &str, seen: &Seen, multi_value: bool) -> Self {
        Self {
            name: name.to_owned(),
            data_type: seen.data_type(),
            multi_value,
            empty: seen.is_empty() && !multi_value,
            time_like: seen.time_like(),
        }
    }

    /// The column that holds what both hold.
    fn join(&mut self, other: Inferred) {
        use DataType::{BigDecimal, Double, Float, Int, Long, String};
        if other.empty {
            return;
        }
        if self.empty {
            *self = other;
            return;
        }
        self.multi_value |= other.multi_value;
        self.time_like &= other.time_like;
        let (a, b) = (self.data_type.min(other.data_type), self.data_type.max(other.data_type));
        self.data_type = match (a, b) {
            (a, b) if a == b => a,
            (Int, Long) => Long,
            (Int | Float, Double) => Double,
            (Int | Long, BigDecimal) | (Long, Double) => BigDecimal,
            _ => String,
        };
    }
}

/// What inference needs to know beside the files.
#[derive(Debug, Clone, Default)]
pub struct InferOptions {
    pub read: ReadOptions,
    /// This column becomes the schema's date-time column.
    pub time_column: Option<String>,
    /// Rows that cannot be read are left out here and reported when the files are read for good.
    pub skip_bad_rows: bool,
}

/// A schema named `table` for all columns of all files.
pub fn infer_schema(
    table: &str,
    sources: &[Source],
    options: &InferOptions,
    on_progress: &OnProgress<'_>,
    cancel: &Cancel,
) -> Result<Schema> {
    let mut columns: Vec<Inferred> = Vec::new();
    let mut index: HashMap<String, usize> = HashMap::new();
    let bytes_total = sources.iter().map(Source::file_bytes).sum::<Result<u64>>()?;
    let consumed = Arc::new(AtomicU64::new(0));
    let mut rows_read = 0;
    for source in sources {
        let mut tick = |rows: u64| {
            cancel.check()?;
            rows_read += rows;
            on_progress(&Progress {
                phase: Phase::Infer,
                bytes_read: consumed.load(Ordering::Relaxed),
                bytes_total,
                rows_read,
                rows_built: 0,
                rows_rejected: 0,
            });
            Ok(())
        };
        let mut on_bad_row = |bad: BadRow| if options.skip_bad_rows { Ok(()) } else { Err(bad.error) };
        for column in infer_source(source, options, &consumed, &mut tick, &mut on_bad_row)? {
            match index.get(&column.name) {
                Some(&i) => columns[i].join(column),
                None => {
                    index.insert(column.name.clone(), columns.len());
                    columns.push(column);
                }
            }
        }
    }
    schema::build(table, columns, options.time_column.as_deref())
}

fn infer_source(
    source: &Source,
    options: &InferOptions,
    consumed: &Arc<AtomicU64>,
    tick: &mut dyn FnMut(u64) -> Result<()>,
    on_bad_row: &mut OnBadRow<'_>,
) -> Result<Vec<Inferred>> {
    match source.format {
        Format::Parquet => parquet::infer(source),
        Format::Json | Format::JsonLines => {
            let lines = source.format == Format::JsonLines;
            let mut rows = 0;
            let mut on_record = || {
                rows += 1;
                if rows % 4_096 == 0 { tick(4_096) } else { Ok(()) }
            };
            let stats = json::infer_places(source.open(consumed)?, lines, &options.read, &mut on_record, on_bad_row)?;
            Ok(json::columns(&stats))
        }
        Format::Csv { delimiter } => {
            let names = header(source.open(&Arc::new(AtomicU64::new(0)))?, delimiter, &options.read)?;
            let wanted = Wanted::new(names.clone(), false);
            let mut reader = CsvReader::open(source.open(consumed)?, delimiter, &options.read, &wanted)?;
            let mut seen = vec![Seen::default(); names.len()];
            while let Some(batch) = reader.next_batch(on_bad_row)? {
                tick(batch.rows as u64)?;
                for (column, seen) in batch.columns.iter().zip(&mut seen) {
                    if let RawColumn::Text(text) = column {
                        seen.csv(text);
                    }
                }
            }
            Ok(names.iter().zip(&seen).map(|(name, seen)| Inferred::seen(name, seen, false)).collect())
        }
    }
}

pub(crate) fn no_columns() -> Error {
    Error::Schema("the files have no columns to make a schema of".to_owned())
}
