//! Reads a CSV file in batches of text columns.

use super::scan::{Field, LineEnd, Problem, Scan, scan};
use crate::batch::{
    BATCH_BYTES, BATCH_ROWS_MAX, BadRow, Batch, CellKind, OnBadRow, RawColumn, ReadOptions, RowReader, TextColumn,
    Wanted,
};
use crate::error::{Error, Place, Result, Shown};
use crate::source::{Input, Window};

/// More columns than this are taken for a file that is no CSV.
const COLUMNS_MAX: usize = 10_000;

pub(crate) struct CsvReader {
    window: Window,
    delimiter: u8,
    line_end: LineEnd,
    null_tokens: Vec<Vec<u8>>,
    header: Vec<String>,
    /// For each column of the file, the wanted column that takes it.
    targets: Vec<Option<usize>>,
    wanted: Wanted,
    fields: Vec<Field>,
    scratch: Vec<u8>,
    rows_read: u64,
}

/// The column names of a file.
pub(crate) fn header(input: Input, delimiter: u8, options: &ReadOptions) -> Result<Vec<String>> {
    Ok(CsvReader::start(input, delimiter, options)?.header)
}

impl CsvReader {
    pub(crate) fn open(input: Input, delimiter: u8, options: &ReadOptions, wanted: &Wanted) -> Result<Self> {
        let mut reader = Self::start(input, delimiter, options)?;
        for name in &reader.header {
            let target = wanted.index.get(name).copied();
            if target.is_none() && !wanted.ignore_unknown {
                return Err(wanted.unknown(Place::line(reader.window.name(), 1), name));
            }
            reader.targets.push(target);
        }
        reader.wanted = wanted.clone();
        Ok(reader)
    }

    fn start(input: Input, delimiter: u8, options: &ReadOptions) -> Result<Self> {
        let delimiter = options.delimiter.unwrap_or(delimiter);
        if matches!(delimiter, b'"' | b'\r' | b'\n') || !delimiter.is_ascii() {
            return Err(Error::Option {
                option: "delimiter",
                reason: format!("{} cannot separate cells", Shown(&[delimiter])),
            });
        }
        let mut reader = Self {
            window: Window::new(input, options.record_bytes_max),
            delimiter,
            line_end: LineEnd::Unknown,
            null_tokens: options.null_tokens.iter().map(|t| t.as_bytes().to_vec()).collect(),
            header: Vec::new(),
            targets: Vec::new(),
            wanted: Wanted::new(Vec::new(), true),
            fields: Vec::new(),
            scratch: Vec::new(),
            rows_read: 0,
        };
        reader.window.skip_mark()?;
        reader.read_header()?;
        Ok(reader)
    }

    fn read_header(&mut self) -> Result<()> {
        let record = loop {
            let Some(record) = self.next_record()? else {
                return Err(Error::file(self.window.name(), "the file has no header line"));
            };
            if !self.is_blank() {
                break record;
            }
            self.window.consume(record.len, record.newlines);
        };
        let line = self.window.line;
        if let Some((place, reason)) = self.fault(&record, None) {
            return Err(Error::data(place, reason));
        }
        if self.fields.len() > COLUMNS_MAX {
            let reason = format!("the header has {} columns, more than {COLUMNS_MAX}", self.fields.len());
            return Err(Error::data(Place::line(self.window.name(), line), reason));
        }
        let mut seen = std::collections::HashMap::new();
        for (i, field) in self.fields.iter().enumerate() {
            let bytes = field.bytes(&self.window.bytes()[..record.len], &mut self.scratch);
            let mut name = String::from_utf8(bytes.to_vec()).expect("the record was checked to be UTF-8");
            if name.is_empty() {
                name = format!("column_{}", i + 1);
            }
            if let Some(first) = seen.insert(name.clone(), i + 1) {
                let reason = format!("the header names this column twice (columns {first} and {})", i + 1);
                return Err(Error::data(Place::line(self.window.name(), line).column(&name), reason));
            }
            self.header.push(name);
        }
        self.window.consume(record.len, record.newlines);
        Ok(())
    }

    /// Brings the next record into the window and its cells into `self.fields`.
    fn next_record(&mut self) -> Result<Option<Record>> {
        loop {
            let bytes = self.window.bytes();
            if bytes.is_empty() && self.window.at_eof() {
                return Ok(None);
            }
            match scan(bytes, self.window.at_eof(), self.delimiter, &mut self.line_end, &mut self.fields) {
                Scan::More => self.window.fill()?,
                Scan::Record { len, problem } => {
                    let newlines = self.newlines(&bytes[..len]);
                    return Ok(Some(Record { len, newlines, problem }));
                }
            }
        }
    }

    fn newlines(&self, bytes: &[u8]) -> u64 {
        let end = if self.line_end == LineEnd::Cr { b'\r' } else { b'\n' };
        memchr::memchr_iter(end, bytes).count() as u64
    }

    fn is_blank(&self) -> bool {
        matches!(self.fields.as_slice(), [f] if f.start == f.end && !f.quoted)
    }

    /// What is wrong with the record in the window, if anything.
    fn fault(&self, record: &Record, width: Option<usize>) -> Option<(Place, String)> {
        let bytes = &self.window.bytes()[..record.len];
        let line_at = |offset: usize| self.window.line + self.newlines(&bytes[..offset]);
        let at = |offset: usize| {
            let mut place = Place::line(self.window.name(), line_at(offset));
            // The cell of an offset is the last one that starts at or before it (its opening quote counts).
            let cell =
                self.fields.iter().rposition(|f| f.start.saturating_sub(usize::from(f.quoted)) <= offset).unwrap_or(0);
            place.column = self.header.get(cell).cloned();
            place
        };
        if let Some(Problem::Unclosed(offset)) = record.problem {
            return Some((at(offset), "the quote that opens here is never closed".to_owned()));
        }
        if let Err(e) = simdutf8::compat::from_utf8(bytes) {
            let offset = e.valid_up_to();
            let cell = self.fields.iter().find(|f| offset >= f.start && offset < f.end);
            let shown = cell.map_or(bytes, |f| &bytes[f.start..f.end]);
            return Some((at(offset), format!("not valid UTF-8: {}", Shown(shown))));
        }
        if let Some(Problem::AfterQuote(offset)) = record.problem {
            let rest = &bytes[offset..];
            let end = rest.iter().position(|c| matches!(c, b'\r' | b'\n')).unwrap_or(rest.len());
            return Some((at(offset), format!("text follows a closing quote: {}", Shown(&rest[..end]))));
        }
        let width = width?;
        if self.fields.len() != width {
            let mut place = Place::line(self.window.name(), self.window.line);
            let found = self.fields.len();
            // Name the column where the row parts from the header: the first that is missing, or the last known one.
            place.column = self.header.get(found.min(width - 1)).cloned();
            let cells = if found == 1 { "cell" } else { "cells" };
            let what = if found < width {
                "this column and what follows have no value"
            } else {
                "there are cells behind this column"
            };
            return Some((place, format!("the row has {found} {cells}, the header {width}: {what}")));
        }
        None
    }
}

struct Record {
    len: usize,
    newlines: u64,
    problem: Option<Problem>,
}

impl RowReader for CsvReader {
    fn next_batch(&mut self, on_bad_row: &mut OnBadRow<'_>) -> Result<Option<Batch>> {
        let width = self.header.len();
        let mut columns: Vec<Option<TextColumn>> = self.wanted.names().iter().map(|_| None).collect();
        for target in self.targets.iter().flatten() {
            columns[*target] = Some(TextColumn::default());
        }
        let mut lines = Vec::new();
        let first_row = self.rows_read;
        let mut bytes_held = 0;
        while lines.len() < BATCH_ROWS_MAX && bytes_held < BATCH_BYTES {
            let Some(record) = self.next_record()? else { break };
            if self.is_blank() && width > 1 {
                self.window.consume(record.len, record.newlines);
                continue;
            }
            self.rows_read += 1;
            if let Some((place, reason)) = self.fault(&record, Some(width)) {
                let text = self.window.bytes()[..record.len].to_vec();
                on_bad_row(BadRow { error: Error::data(place, reason), text })?;
                self.window.consume(record.len, record.newlines);
                continue;
            }
            let bytes = &self.window.bytes()[..record.len];
            for (field, target) in self.fields.iter().zip(&self.targets) {
                let Some(column) = target.and_then(|t| columns[t].as_mut()) else { continue };
                let cell = field.bytes(bytes, &mut self.scratch);
                let null = !field.quoted && (cell.is_empty() || self.null_tokens.iter().any(|t| t == cell));
                if null {
                    column.push(CellKind::Null, b"");
                } else {
                    column.push(CellKind::Text, cell);
                }
            }
            bytes_held += record.len;
            lines.push(self.window.line);
            self.window.consume(record.len, record.newlines);
        }
        let rows = lines.len();
        if rows == 0 {
            return Ok(None);
        }
        let columns = columns.into_iter().map(|c| c.map_or(RawColumn::Missing, RawColumn::Text)).collect();
        Ok(Some(Batch { rows, first_row, lines, columns }))
    }
}
