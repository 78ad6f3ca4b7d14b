//! Rows set down in temporary files.
//!
//! The folder lives as long as the job and goes with it, however the job ends. Its size is bounded. A run keeps its chunks
//! with their columns apart, so that one column of many chunks can be read alone. The bytes are this machine's own order:
//! nobody else reads them.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_buffer::ToByteSlice;
use segfmt::{Bitmap, DataType};

use crate::column::{Chunk, Column, Data};
use crate::error::{Error, Result};
use crate::intern::Dict;

pub(crate) struct SpillDir {
    dir: tempfile::TempDir,
    bytes: AtomicU64,
    limit: u64,
    next: AtomicU64,
}

impl SpillDir {
    pub(crate) fn create(parent: &Path, limit: u64) -> Result<Arc<Self>> {
        std::fs::create_dir_all(parent).map_err(Error::io("cannot make the work folder", parent))?;
        let dir = tempfile::Builder::new()
            .prefix("spill-")
            .tempdir_in(parent)
            .map_err(Error::io("cannot make a spill folder in", parent))?;
        Ok(Arc::new(Self { dir, bytes: AtomicU64::new(0), limit, next: AtomicU64::new(0) }))
    }

    fn charge(&self, bytes: u64) -> Result<()> {
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > self.limit {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Err(Error::SpillLimit { limit: self.limit });
        }
        Ok(())
    }
}

/// Where a column of a chunk lies in the file.
#[derive(Debug, Clone, Copy)]
struct Part {
    offset: u64,
    values: u32,
    /// Bytes of a byte column's values.
    data: u64,
    has_nulls: bool,
    has_lists: bool,
    numbered: bool,
}

#[derive(Debug)]
struct ChunkParts {
    rows: usize,
    parts: Vec<Part>,
    bytes: u64,
}

/// Rows in one temporary file, chunk after chunk. The file goes when the run is dropped.
pub(crate) struct Run {
    dir: Arc<SpillDir>,
    path: PathBuf,
    file: File,
    types: Arc<[DataType]>,
    /// What the numbers of a column's strings mean.
    dicts: Vec<Option<Arc<Dict>>>,
    chunks: Vec<ChunkParts>,
    rows: u64,
    bytes: u64,
    buffer: Vec<u8>,
}

impl Run {
    pub(crate) fn create(dir: &Arc<SpillDir>, types: &Arc<[DataType]>) -> Result<Self> {
        let path = dir.dir.path().join(format!("run-{}", dir.next.fetch_add(1, Ordering::Relaxed)));
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(Error::io("cannot make", &path))?;
        Ok(Self {
            dir: Arc::clone(dir),
            path,
            file,
            types: Arc::clone(types),
            dicts: vec![None; types.len()],
            chunks: Vec::new(),
            rows: 0,
            bytes: 0,
            buffer: Vec::new(),
        })
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    pub(crate) fn chunk_count(&self) -> usize {
        self.chunks.len()
    }

    pub(crate) fn chunk_rows(&self, chunk: usize) -> usize {
        self.chunks[chunk].rows
    }

    /// Bytes of the byte strings that a column of a chunk holds as they are.
    pub(crate) fn string_bytes(&self, chunk: usize, column: usize) -> u64 {
        self.chunks[chunk].parts[column].data
    }

    /// Bytes of the largest chunk.
    pub(crate) fn chunk_bytes_max(&self) -> u64 {
        self.chunks.iter().map(|c| c.bytes).max().unwrap_or(0)
    }

    pub(crate) fn append(&mut self, chunk: &Chunk) -> Result<()> {
        self.buffer.clear();
        let mut parts = Vec::with_capacity(chunk.columns.len());
        for (column, dict) in chunk.columns.iter().zip(&mut self.dicts) {
            if let Data::Ids { dict: of_column, .. } = &column.data {
                dict.get_or_insert_with(|| Arc::clone(of_column));
            }
            parts.push(put(column, self.bytes, &mut self.buffer));
        }
        let bytes = self.buffer.len() as u64;
        self.dir.charge(bytes)?;
        self.bytes += bytes;
        self.rows += chunk.rows as u64;
        self.file.write_all(&self.buffer).map_err(Error::io("cannot write", &self.path))?;
        self.chunks.push(ChunkParts { rows: chunk.rows, parts, bytes });
        Ok(())
    }

    /// Ends writing: many runs may wait to be merged, each with its write buffer otherwise.
    pub(crate) fn seal(mut self) -> Self {
        self.buffer = Vec::new();
        self
    }

    pub(crate) fn read_chunk(&self, chunk: usize) -> Result<Chunk> {
        let columns = (0..self.types.len()).map(|c| self.read_column(chunk, c)).collect::<Result<_>>()?;
        Ok(Chunk { rows: self.chunks[chunk].rows, columns })
    }

    pub(crate) fn read_column(&self, chunk: usize, column: usize) -> Result<Column> {
        let rows = self.chunks[chunk].rows;
        let part = self.chunks[chunk].parts[column];
        let values = part.values as usize;
        let mut at = part.offset;
        let mut take = |bytes: usize| -> Result<Vec<u8>> {
            let mut out = vec![0; bytes];
            self.file.read_exact_at(&mut out, at).map_err(Error::io("cannot read back", &self.path))?;
            at += bytes as u64;
            Ok(out)
        };
        let nulls = if part.has_nulls {
            Some(Bitmap::from_words(numbers(&take(rows.div_ceil(64) * 8)?, u64::from_ne_bytes), rows))
        } else {
            None
        };
        let lists = if part.has_lists { Some(numbers(&take((rows + 1) * 4)?, u32::from_ne_bytes)) } else { None };
        if part.numbered {
            let dict = self.dicts[column].as_ref().expect("a numbered part was appended with its strings");
            let data = Data::Ids { ids: numbers(&take(values * 4)?, u32::from_ne_bytes), dict: Arc::clone(dict) };
            return Ok(Column { data, nulls, lists });
        }
        let data = match self.types[column] {
            DataType::Int => Data::I32(numbers(&take(values * 4)?, i32::from_ne_bytes)),
            DataType::Long | DataType::Timestamp => Data::I64(numbers(&take(values * 8)?, i64::from_ne_bytes)),
            DataType::Float => Data::F32(numbers(&take(values * 4)?, f32::from_ne_bytes)),
            DataType::Double => Data::F64(numbers(&take(values * 8)?, f64::from_ne_bytes)),
            DataType::Boolean => Data::Bool(take(values)?),
            DataType::BigDecimal | DataType::String | DataType::Json | DataType::Bytes => {
                let lengths = take(values * 4)?;
                let mut offsets = Vec::with_capacity(values + 1);
                let mut end = 0u64;
                offsets.push(0);
                for l in lengths.as_chunks::<4>().0 {
                    end += u64::from(u32::from_ne_bytes(*l));
                    offsets.push(end);
                }
                Data::Bytes { offsets, data: take(usize::try_from(part.data).expect("a chunk fits memory"))? }
            }
        };
        Ok(Column { data, nulls, lists })
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // The folder's removal catches what cannot be removed here.
        let _ = std::fs::remove_file(&self.path);
        self.dir.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

fn numbers<const N: usize, T>(bytes: &[u8], f: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|b| f(*b)).collect()
}

fn put(column: &Column, base: u64, out: &mut Vec<u8>) -> Part {
    let offset = base + out.len() as u64;
    if let Some(nulls) = &column.nulls {
        out.extend_from_slice(nulls.words().to_byte_slice());
    }
    if let Some(lists) = &column.lists {
        out.extend_from_slice(lists.to_byte_slice());
    }
    let mut data_bytes = 0;
    match &column.data {
        Data::I32(v) => out.extend_from_slice(v.to_byte_slice()),
        Data::I64(v) => out.extend_from_slice(v.to_byte_slice()),
        Data::F32(v) => out.extend_from_slice(v.to_byte_slice()),
        Data::F64(v) => out.extend_from_slice(v.to_byte_slice()),
        Data::Bool(v) => out.extend_from_slice(v),
        Data::Bytes { offsets, data } => {
            for pair in offsets.windows(2) {
                let length = u32::try_from(pair[1] - pair[0]).expect("a record is bounded below 4 GiB");
                out.extend_from_slice(&length.to_ne_bytes());
            }
            out.extend_from_slice(data);
            data_bytes = data.len() as u64;
        }
        Data::Ids { ids, .. } => out.extend_from_slice(ids.to_byte_slice()),
    }
    Part {
        offset,
        values: u32::try_from(column.data.len()).expect("a chunk is bounded below 4 GiB"),
        data: data_bytes,
        has_nulls: column.nulls.is_some(),
        has_lists: column.lists.is_some(),
        numbered: matches!(column.data, Data::Ids { .. }),
    }
}
