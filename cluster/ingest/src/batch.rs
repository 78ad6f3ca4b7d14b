//! What readers yield: rows of one file as columns, before the schema's types are applied.
//!
//! Text formats keep every cell as it was written (the digits of a number, the escapes of a string resolved) with its
//! kind, because only the schema, known for the whole file, says what a cell becomes. Formats with types of their own
//! yield Arrow arrays. Avro, ORC and others join by implementing [`RowReader`] with one of the two.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::ArrayRef;

use crate::error::{Error, Result, did_you_mean};

/// What a cell of a text format is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum CellKind {
    Null,
    /// A string, or a CSV cell.
    Text,
    /// A JSON number, its digits as written.
    Number,
    True,
    False,
    /// A JSON object, or an array that holds objects or arrays: its text as written.
    Json,
    /// A JSON array of scalars: its text as written.
    List,
}

/// Cells of one column: their bytes one after the other.
#[derive(Debug, Default)]
pub struct TextColumn {
    pub kinds: Vec<CellKind>,
    /// End of each cell in `data`; a record's limit keeps a batch far below 4 GiB.
    pub ends: Vec<u32>,
    pub data: Vec<u8>,
    /// A string is one value here, while a CSV cell may hold several with a delimiter between them.
    pub from_json: bool,
}

impl TextColumn {
    #[inline]
    pub fn push(&mut self, kind: CellKind, bytes: &[u8]) {
        self.data.extend_from_slice(bytes);
        self.kinds.push(kind);
        self.ends.push(u32::try_from(self.data.len()).expect("a batch is bounded below 4 GiB"));
    }

    #[inline]
    pub fn cell(&self, row: usize) -> (CellKind, &[u8]) {
        let start = if row == 0 { 0 } else { self.ends[row - 1] as usize };
        (self.kinds[row], &self.data[start..self.ends[row] as usize])
    }

    pub fn len(&self) -> usize {
        self.kinds.len()
    }

    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    pub(crate) fn truncate(&mut self, rows: usize) {
        if rows < self.len() {
            self.kinds.truncate(rows);
            self.ends.truncate(rows);
            self.data.truncate(self.ends.last().map_or(0, |&e| e as usize));
        }
    }
}

#[derive(Debug)]
pub enum RawColumn {
    /// The file does not have this column: all NULL.
    Missing,
    Text(TextColumn),
    Arrow(ArrayRef),
}

/// Rows of one file, with the columns that were asked for, in that order.
#[derive(Debug)]
pub struct Batch {
    pub rows: usize,
    /// Rows of the file before this batch (rows set aside count).
    pub first_row: u64,
    /// Physical line on which each row starts; empty for formats without lines.
    pub lines: Vec<u64>,
    pub columns: Vec<RawColumn>,
}

/// Rows in a batch, at most.
pub const BATCH_ROWS_MAX: usize = 16_384;
/// A batch ends after the row that takes its cells past this many bytes.
pub(crate) const BATCH_BYTES: usize = 4 << 20;

/// A row that a reader could not read, or whose values do not fit the schema.
#[derive(Debug)]
pub struct BadRow {
    pub error: Error,
    /// The row as it is in the file, where the format can say.
    pub text: Vec<u8>,
}

/// Where bad rows go: an `Err` stops the read, `Ok` skips the row.
pub type OnBadRow<'a> = dyn FnMut(BadRow) -> Result<()> + 'a;

/// Reads one file in batches.
pub trait RowReader: Send {
    /// The next rows, or `None` at the end of the file.
    fn next_batch(&mut self, on_bad_row: &mut OnBadRow<'_>) -> Result<Option<Batch>>;
}

/// How text is read.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// CSV: cells without quotes that are NULL, beside the empty one.
    pub null_tokens: Vec<String>,
    /// CSV: overrules the delimiter that the format has.
    pub delimiter: Option<u8>,
    /// CSV: separates the values of a multi-value cell.
    pub list_delimiter: u8,
    /// Longest record, in bytes.
    pub record_bytes_max: usize,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { null_tokens: Vec::new(), delimiter: None, list_delimiter: b';', record_bytes_max: 64 << 20 }
    }
}

/// Which columns a reader is to yield, and what to do about others that the file has.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub(crate) names: Arc<[String]>,
    pub(crate) index: Arc<HashMap<String, usize>>,
    pub(crate) ignore_unknown: bool,
}

impl Wanted {
    pub fn new(names: Vec<String>, ignore_unknown: bool) -> Self {
        let index = names.iter().enumerate().map(|(i, n)| (n.clone(), i)).collect();
        Self { names: names.into(), index: Arc::new(index), ignore_unknown }
    }

    pub fn names(&self) -> &[String] {
        &self.names
    }

    pub(crate) fn unknown(&self, place: crate::error::Place, name: &str) -> Error {
        let hint = did_you_mean(name, self.names.iter().map(String::as_str));
        Error::data(place.column(name), format!("the schema has no such column{hint}"))
    }
}
