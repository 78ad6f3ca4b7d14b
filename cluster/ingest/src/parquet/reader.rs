//! Reads a Parquet file in batches of Arrow arrays.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, make_array};
use arrow_buffer::NullBuffer;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::names::{Path, resolve};
use super::{Opened, guarded, open};
use crate::batch::{BATCH_BYTES, BATCH_ROWS_MAX, Batch, OnBadRow, RawColumn, RowReader, Wanted};
use crate::error::{Error, Place, Result};
use crate::source::Source;

pub(crate) struct ParquetReader {
    source: Source,
    reader: ParquetRecordBatchReader,
    /// For each wanted column its place, the first step being a column of the batches.
    places: Vec<Option<Path>>,
    rows_read: u64,
    rows: u64,
    file_bytes: u64,
    consumed: Arc<AtomicU64>,
    counted: u64,
}

impl ParquetReader {
    pub(crate) fn open(source: &Source, wanted: &Wanted, consumed: &Arc<AtomicU64>) -> Result<Self> {
        let opened = open(source)?;
        let mut places = resolve(opened.schema().fields(), wanted, &source.name)?;
        let mut roots: Vec<usize> = places.iter().flatten().map(|p| p.0[0]).collect();
        roots.sort_unstable();
        roots.dedup();
        for place in places.iter_mut().flatten() {
            place.0[0] = roots.binary_search(&place.0[0]).expect("every place's root is in the list");
        }
        let (rows, file_bytes) = (opened.rows(), source.file_bytes()?);
        let reader = batches(&source.name, opened, &roots)?;
        Ok(Self {
            source: source.clone(),
            reader,
            places,
            rows_read: 0,
            rows,
            file_bytes,
            consumed: Arc::clone(consumed),
            counted: 0,
        })
    }

    /// The column whose pages cannot be read, found by reading each alone.
    fn blame(&self, error: Error) -> Error {
        let Error::File { file, reason } = &error else { return error };
        let Ok(opened) = open(&self.source) else { return error };
        let names: Vec<String> = opened.schema().fields().iter().map(|f| f.name().clone()).collect();
        for (root, name) in names.iter().enumerate() {
            let reads =
                open(&self.source).and_then(|o| batches(&self.source.name, o, &[root])).and_then(|mut reader| {
                    while guarded(&self.source.name, || reader.next().transpose().map_err(Into::into))?.is_some() {}
                    Ok(())
                });
            if reads.is_err() {
                return Error::data(Place::file(file).column(name), reason.clone());
            }
        }
        error
    }
}

fn batches(name: &str, opened: Opened, roots: &[usize]) -> Result<ParquetRecordBatchReader> {
    guarded(name, || {
        let meta = Arc::clone(opened.metadata.metadata());
        let mask = ProjectionMask::roots(opened.metadata.parquet_schema(), roots.iter().copied());
        // Long values make short batches, so that a batch of large texts stays in bounds.
        let bytes: i64 = meta.row_groups().iter().map(|g| g.total_byte_size()).sum();
        let row_bytes = usize::try_from(bytes / meta.file_metadata().num_rows().max(1)).unwrap_or(0).max(1);
        let rows = (4 * BATCH_BYTES / row_bytes).clamp(16, BATCH_ROWS_MAX);
        ParquetRecordBatchReaderBuilder::new_with_metadata(opened.file, opened.metadata)
            .with_projection(mask)
            .with_batch_size(rows)
            .build()
    })
}

impl RowReader for ParquetReader {
    fn next_batch(&mut self, _: &mut OnBadRow<'_>) -> Result<Option<Batch>> {
        let next = guarded(&self.source.name, || self.reader.next().transpose().map_err(Into::into));
        let batch: RecordBatch = match next {
            Ok(Some(batch)) => batch,
            Ok(None) if self.rows_read != self.rows => {
                let reason = format!(
                    "not a readable Parquet file: its footer promises {} rows, its pages hold {}",
                    self.rows, self.rows_read
                );
                return Err(Error::file(&self.source.name, reason));
            }
            Ok(None) => return Ok(None),
            Err(e) => return Err(self.blame(e)),
        };
        let first_row = self.rows_read;
        self.rows_read += batch.num_rows() as u64;
        let done = (u128::from(self.file_bytes) * u128::from(self.rows_read) / u128::from(self.rows.max(1))) as u64;
        self.consumed.fetch_add(done.saturating_sub(self.counted), Ordering::Relaxed);
        self.counted = self.counted.max(done);
        let columns = self
            .places
            .iter()
            .map(|place| match place {
                None => Ok(RawColumn::Missing),
                Some(path) => at(&batch, path).map(RawColumn::Arrow).map_err(|e| Error::file(&self.source.name, e)),
            })
            .collect::<Result<_>>()?;
        Ok(Some(Batch { rows: batch.num_rows(), first_row, lines: Vec::new(), columns }))
    }
}

/// The array at a place; a child of a null struct is null.
fn at(batch: &RecordBatch, path: &Path) -> Result<ArrayRef, String> {
    let mut array = ArrayRef::clone(batch.column(path.0[0]));
    for &child in &path.0[1..] {
        let parent = array.as_struct();
        let inner = ArrayRef::clone(parent.column(child));
        let nulls = NullBuffer::union(parent.nulls(), inner.nulls());
        array = if parent.nulls().is_none() {
            inner
        } else {
            make_array(
                inner
                    .to_data()
                    .into_builder()
                    .nulls(nulls)
                    .build()
                    .map_err(|e| format!("a struct cannot be read: {e}"))?,
            )
        };
    }
    Ok(array)
}
