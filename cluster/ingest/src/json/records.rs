//! Finds the records of a JSON file and hands their keys and values to a sink.

use super::scan::{DEPTH_MAX, Fault, Scanner};
use crate::batch::{BadRow, CellKind, OnBadRow, ReadOptions};
use crate::error::{Error, Place, Result};
use crate::source::{Input, Window};

/// Receives the keys and values of records.
pub(super) trait Sink {
    /// A record begins, perhaps one that began before and was not wholly there.
    fn start(&mut self);
    /// What to do with the value of a key in the open object.
    fn key(&mut self, key: &[u8]) -> Result<Next, Misfit>;
    /// A value that [`Next::Cell`] asked for, or one of [`Next::Object`] that is no object.
    fn value(&mut self, kind: CellKind, bytes: &[u8]) -> Result<(), Misfit>;
    fn open(&mut self);
    fn close(&mut self);
}

pub(super) enum Next {
    Skip,
    Cell,
    Object,
}

/// A record that is JSON and still cannot be taken.
pub(super) struct Misfit {
    pub(super) column: Option<String>,
    pub(super) reason: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Framing {
    Unknown,
    /// One record a line.
    Lines,
    /// Records with white space between.
    Sequence,
    /// In an array.
    Array,
    /// Behind the array.
    Done,
}

/// Finds the records of a file.
pub(super) struct Records {
    window: Window,
    framing: Framing,
    lines_asked: bool,
    scratch: Vec<u8>,
    key: Vec<u8>,
    /// Records that began, the bad ones too.
    pub(super) records: u64,
}

pub(super) enum Found {
    End,
    /// The record that begins on this line was given to the sink.
    Record {
        line: u64,
        bytes: usize,
    },
    /// A record that was set aside.
    Bad,
}

impl Records {
    pub(super) fn new(input: Input, lines: bool, options: &ReadOptions) -> Result<Self> {
        let mut window = Window::new(input, options.record_bytes_max);
        window.skip_mark()?;
        Ok(Self {
            window,
            framing: Framing::Unknown,
            lines_asked: lines,
            scratch: Vec::new(),
            key: Vec::new(),
            records: 0,
        })
    }

    fn consume(&mut self, n: usize) {
        let newlines = memchr::memchr_iter(b'\n', &self.window.bytes()[..n]).count();
        self.window.consume(n, newlines as u64);
    }

    /// Drops white space; the next byte, or none at the end of the file.
    fn skip_space(&mut self) -> Result<Option<u8>> {
        loop {
            let bytes = self.window.bytes();
            let n = bytes.iter().take_while(|c| matches!(c, b' ' | b'\t' | b'\n' | b'\r')).count();
            let next = bytes.get(n).copied();
            self.consume(n);
            if next.is_some() || self.window.at_eof() {
                return Ok(next);
            }
            self.window.fill()?;
        }
    }

    fn error_here(&self, reason: impl Into<String>) -> Error {
        Error::data(Place::line(self.window.name(), self.window.line), reason)
    }

    /// Goes to the start of the next record.
    fn advance(&mut self) -> Result<bool> {
        let next = self.skip_space()?;
        if self.framing == Framing::Unknown {
            match next {
                None => return Err(Error::file(self.window.name(), "the file holds no JSON, only white space")),
                Some(b'[') => {
                    self.framing = Framing::Array;
                    self.consume(1);
                    return self.advance();
                }
                Some(_) => self.framing = if self.lines_asked { Framing::Lines } else { Framing::Sequence },
            }
        }
        match (self.framing, next) {
            (Framing::Lines | Framing::Sequence | Framing::Done, None) => Ok(false),
            (Framing::Array, None) => Err(self.error_here("the array is not closed: the file ends before ']'")),
            (Framing::Done, Some(_)) => Err(self.error_here("there is text behind the ']' that ends the array")),
            (Framing::Array, Some(b']')) => {
                self.consume(1);
                self.framing = Framing::Done;
                self.advance()
            }
            _ => Ok(true),
        }
    }

    /// Behind a record of an array: its comma, or the array's end.
    fn separator(&mut self) -> Result<()> {
        match self.skip_space()? {
            Some(b',') => {
                self.consume(1);
                if self.skip_space()? == Some(b']') {
                    return Err(self.error_here("expected a record behind ','"));
                }
                Ok(())
            }
            Some(b']') => Ok(()),
            None => Err(self.error_here("the array is not closed: the file ends before ']'")),
            Some(_) => Err(self.error_here("expected ',' or ']' behind a record of the array")),
        }
    }

    pub(super) fn next(&mut self, sink: &mut dyn Sink, on_bad_row: &mut OnBadRow<'_>) -> Result<Found> {
        if !self.advance()? {
            return Ok(Found::End);
        }
        self.records += 1;
        let line = self.window.line;
        // The record's bytes: its line where a record is a line; else what the parser takes.
        let limit = if self.framing == Framing::Lines { Some(self.line_length()?) } else { None };
        loop {
            let bytes = self.window.bytes();
            let text = &bytes[..limit.unwrap_or(bytes.len())];
            let mut misfit = None;
            let mut scanner = Scanner::new(text);
            sink.start();
            let mut parsed = record(&mut scanner, sink, &mut misfit, &mut self.scratch, &mut self.key);
            if parsed.is_ok() && self.framing == Framing::Lines {
                scanner.skip_space();
                if scanner.at < text.len() {
                    parsed = Err(Fault {
                        offset: scanner.at,
                        reason: "there is text behind the record on its line",
                        ended: false,
                    });
                }
            }
            let end = scanner.at;
            match parsed {
                Err(fault) if fault.ended && limit.is_none() && !self.window.at_eof() => self.window.fill()?,
                Err(fault) => {
                    let at = line + newlines(&text[..fault.offset.min(text.len())]);
                    let mut reason = fault.reason.to_owned();
                    if fault.ended && limit.is_some() {
                        reason.push_str("; the line ends inside the record");
                    } else if fault.ended {
                        reason.push_str("; the file ends inside the record");
                    }
                    if at != line {
                        reason.push_str(&format!(" (the record begins on line {line})"));
                    }
                    let error = Error::data(Place::line(self.window.name(), at), reason);
                    if self.framing == Framing::Array {
                        // What follows cannot be told apart any more.
                        return Err(error);
                    }
                    let from = fault.offset.min(text.len());
                    let length = match limit {
                        Some(n) => n,
                        None => from + self.rest_of_line(from)?,
                    };
                    let text = self.window.bytes()[..length].to_vec();
                    on_bad_row(BadRow { error, text })?;
                    self.consume(length);
                    return Ok(Found::Bad);
                }
                Ok(()) => {
                    let taken = &text[..end];
                    let mut problem = misfit.map(|(offset, m)| (offset, m.column, m.reason));
                    if let Err(e) = simdutf8::compat::from_utf8(taken) {
                        let from = e.valid_up_to();
                        let shown = crate::error::Shown(&taken[from.saturating_sub(20)..(from + 20).min(taken.len())])
                            .to_string();
                        problem = Some((from, None, format!("not valid UTF-8: {shown}")));
                    }
                    let bad = problem.map(|(offset, column, reason)| {
                        let mut place = Place::line(self.window.name(), line + newlines(&taken[..offset]));
                        place.column = column;
                        BadRow { error: Error::data(place, reason), text: taken.to_vec() }
                    });
                    let found = match bad {
                        Some(bad) => {
                            on_bad_row(bad)?;
                            Found::Bad
                        }
                        None => Found::Record { line, bytes: end },
                    };
                    self.consume(limit.unwrap_or(end));
                    if self.framing == Framing::Array {
                        self.separator()?;
                    }
                    return Ok(found);
                }
            }
        }
    }

    /// Bytes up to the end of the line, without its line end.
    fn line_length(&mut self) -> Result<usize> {
        self.rest_of_line(0)
    }

    fn rest_of_line(&mut self, from: usize) -> Result<usize> {
        let mut searched = from.min(self.window.bytes().len());
        let from = searched;
        loop {
            let bytes = self.window.bytes();
            if let Some(n) = memchr::memchr(b'\n', &bytes[searched..]) {
                return Ok(searched + n - from);
            }
            searched = bytes.len();
            if self.window.at_eof() {
                return Ok(searched - from);
            }
            self.window.fill()?;
        }
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

/// Takes one record. The first misfit is kept and the rest of the record still parsed, so that the next one can be found.
fn record(
    scanner: &mut Scanner<'_>,
    sink: &mut dyn Sink,
    misfit: &mut Option<(usize, Misfit)>,
    scratch: &mut Vec<u8>,
    key: &mut Vec<u8>,
) -> Result<(), Fault> {
    if scanner.peek() != Some(b'{') {
        let at = scanner.at;
        scanner.skip_value()?;
        *misfit = Some((at, Misfit { column: None, reason: "the record is not an object".to_owned() }));
        return Ok(());
    }
    let mut depth = 0;
    scanner.at += 1;
    let mut fresh = true;
    loop {
        scanner.skip_space();
        if scanner.peek() == Some(b'}') {
            scanner.at += 1;
            if depth == 0 {
                return Ok(());
            }
            depth -= 1;
            fresh = false;
            sink.close();
            continue;
        }
        if !fresh {
            if scanner.peek() != Some(b',') {
                let ended = scanner.at >= scanner.text.len();
                return Err(Fault { offset: scanner.at, reason: "expected ',' or '}' in an object", ended });
            }
            scanner.at += 1;
            scanner.skip_space();
        }
        fresh = false;
        let key_at = scanner.at;
        let cell = scanner.key()?;
        let name = cell.bytes(scanner.text, key)?;
        let next = match sink.key(name) {
            Ok(next) => next,
            Err(m) => {
                misfit.get_or_insert((key_at, m));
                Next::Skip
            }
        };
        scanner.skip_space();
        if matches!(next, Next::Object) && scanner.peek() == Some(b'{') {
            depth += 1;
            if depth > DEPTH_MAX {
                return Err(Fault {
                    offset: scanner.at,
                    reason: "values are nested deeper than 512 levels",
                    ended: false,
                });
            }
            sink.open();
            scanner.at += 1;
            fresh = true;
            continue;
        }
        let value_at = scanner.at;
        let cell = scanner.cell()?;
        let bytes = cell.bytes(scanner.text, scratch)?;
        if !matches!(next, Next::Skip)
            && let Err(m) = sink.value(cell.kind, if cell.kind == CellKind::Null { b"" } else { bytes })
        {
            misfit.get_or_insert((value_at, m));
        }
    }
}
