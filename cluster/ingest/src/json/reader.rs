//! Reads a JSON file in batches of text columns, and looks at all of it for inference.

use std::collections::HashMap;

use super::places::{PlaceId, PlaceStats};
use super::scan::{DEPTH_MAX, Fault, Scanner};
use crate::batch::{
    BATCH_BYTES, BATCH_ROWS_MAX, BadRow, Batch, CellKind, OnBadRow, RawColumn, ReadOptions, RowReader, TextColumn,
    Wanted,
};
use crate::error::{Error, Place, Result};
use crate::source::{Input, Window};

/// Receives the keys and values of records.
trait Sink {
    /// A record begins, perhaps one that began before and was not wholly there.
    fn start(&mut self);
    /// What to do with the value of a key in the open object.
    fn key(&mut self, key: &[u8]) -> Result<Next, Misfit>;
    /// A value that [`Next::Cell`] asked for, or one of [`Next::Object`] that is no object.
    fn value(&mut self, kind: CellKind, bytes: &[u8]) -> Result<(), Misfit>;
    fn open(&mut self);
    fn close(&mut self);
}

enum Next {
    Skip,
    Cell,
    Object,
}

/// A record that is JSON and still cannot be taken.
struct Misfit {
    column: Option<String>,
    reason: String,
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
struct Records {
    window: Window,
    framing: Framing,
    lines_asked: bool,
    scratch: Vec<u8>,
    key: Vec<u8>,
    /// Records that began, the bad ones too.
    records: u64,
}

enum Found {
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
    fn new(input: Input, lines: bool, options: &ReadOptions) -> Result<Self> {
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

    fn next(&mut self, sink: &mut dyn Sink, on_bad_row: &mut OnBadRow<'_>) -> Result<Found> {
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

/// Where the keys of an object go, when the columns are known.
#[derive(Default)]
struct Node {
    keys: Vec<(Box<[u8]>, Target)>,
    by_key: HashMap<Box<[u8]>, usize>,
    /// Where in `keys` the next key is likely to be.
    next: usize,
}

#[derive(Clone, Copy)]
enum Target {
    Column(usize),
    Node(usize),
}

/// Up to so many dots in a column's name, each may be in a key or divide two; in longer names (the ways double with each dot)
/// all are in one key, or all divide.
const DOTS_IN_KEYS_MAX: usize = 8;

struct Columns {
    wanted: Wanted,
    nodes: Vec<Node>,
    columns: Vec<TextColumn>,
    rows: usize,
    /// Open objects: node, and the length of `prefix` before it.
    open: Vec<(usize, usize)>,
    /// Name of the open object, with a dot behind it.
    prefix: Vec<u8>,
    pending: Option<Target>,
    pending_key: Vec<u8>,
}

impl Columns {
    fn new(wanted: &Wanted) -> Self {
        let mut columns = Self {
            wanted: wanted.clone(),
            nodes: vec![Node::default()],
            columns: Vec::new(),
            rows: 0,
            open: vec![(0, 0)],
            prefix: Vec::new(),
            pending: None,
            pending_key: Vec::new(),
        };
        for (i, name) in wanted.names().iter().enumerate() {
            let dots = memchr::memchr_iter(b'.', name.as_bytes()).count();
            columns.add(0, name.as_bytes(), i, if dots <= DOTS_IN_KEYS_MAX { dots } else { 1 });
        }
        columns.fresh();
        columns
    }

    /// A name is a key here, and behind each of its dots it may go on inside an object.
    /// `cuts` is how many of the dots may be the first to divide keys.
    fn add(&mut self, node: usize, name: &[u8], column: usize, cuts: usize) {
        self.link(node, name, Target::Column(column));
        for dot in memchr::memchr_iter(b'.', name).take(cuts) {
            let child = match self.nodes[node].by_key.get(&name[..dot]).map(|i| self.nodes[node].keys[*i].1) {
                Some(Target::Node(child)) => child,
                // A key that is itself a column is taken whole.
                Some(Target::Column(_)) => continue,
                None => {
                    self.nodes.push(Node::default());
                    let child = self.nodes.len() - 1;
                    self.link(node, &name[..dot], Target::Node(child));
                    child
                }
            };
            self.add(child, &name[dot + 1..], column, cuts);
        }
    }

    fn link(&mut self, node: usize, key: &[u8], target: Target) {
        let node = &mut self.nodes[node];
        match node.by_key.get(key) {
            Some(&i) => {
                if let Target::Column(_) = target {
                    node.keys[i].1 = target;
                }
            }
            None => {
                node.by_key.insert(key.into(), node.keys.len());
                node.keys.push((key.into(), target));
            }
        }
    }

    fn fresh(&mut self) -> Vec<TextColumn> {
        let empty =
            (0..self.wanted.names().len()).map(|_| TextColumn { from_json: true, ..TextColumn::default() }).collect();
        self.rows = 0;
        std::mem::replace(&mut self.columns, empty)
    }

    fn full_name(&self, key: &[u8]) -> String {
        String::from_utf8_lossy(&[self.prefix.as_slice(), key].concat()).into_owned()
    }

    fn end_record(&mut self) {
        for column in &mut self.columns {
            if column.len() == self.rows {
                column.push(CellKind::Null, b"");
            }
        }
        self.rows += 1;
    }
}

impl Sink for Columns {
    fn start(&mut self) {
        self.open.truncate(1);
        self.prefix.clear();
        self.nodes[0].next = 0;
        // A record that is read again, or was set aside, left its cells.
        let rows = self.rows;
        self.columns.iter_mut().for_each(|c| c.truncate(rows));
    }

    fn key(&mut self, key: &[u8]) -> Result<Next, Misfit> {
        let (node, _) = *self.open.last().expect("the record itself is open");
        let node = &mut self.nodes[node];
        let likely = node.keys.get(node.next).filter(|(k, _)| k.as_ref() == key).map(|_| node.next);
        let Some(i) = likely.or_else(|| node.by_key.get(key).copied()) else {
            if self.wanted.ignore_unknown {
                return Ok(Next::Skip);
            }
            let name = self.full_name(key);
            let hint = crate::error::did_you_mean(&name, self.wanted.names().iter().map(String::as_str));
            return Err(Misfit { column: Some(name), reason: format!("the schema has no such column{hint}") });
        };
        node.next = i + 1;
        let target = node.keys[i].1;
        self.pending = Some(target);
        self.pending_key.clear();
        self.pending_key.extend_from_slice(key);
        match target {
            Target::Column(c) if self.columns[c].len() > self.rows => {
                let name = self.wanted.names()[c].clone();
                Err(Misfit { column: Some(name), reason: "the record gives this column twice".to_owned() })
            }
            Target::Column(_) => Ok(Next::Cell),
            Target::Node(_) => Ok(Next::Object),
        }
    }

    fn value(&mut self, kind: CellKind, bytes: &[u8]) -> Result<(), Misfit> {
        match self.pending {
            Some(Target::Column(c)) => {
                self.columns[c].push(kind, bytes);
                Ok(())
            }
            _ if kind == CellKind::Null || self.wanted.ignore_unknown => Ok(()),
            _ => {
                let name = self.full_name(&self.pending_key);
                let reason = format!(
                    "expected an object (the schema has columns '{name}.…'), found {}",
                    crate::error::Shown(bytes)
                );
                Err(Misfit { column: Some(name), reason })
            }
        }
    }

    fn open(&mut self) {
        if let Some(Target::Node(node)) = self.pending {
            self.open.push((node, self.prefix.len()));
            self.prefix.extend_from_slice(&self.pending_key);
            self.prefix.push(b'.');
            self.nodes[node].next = 0;
        }
    }

    fn close(&mut self) {
        if let Some((_, length)) = self.open.pop() {
            self.prefix.truncate(length);
        }
    }
}

pub(crate) struct JsonReader {
    records: Records,
    columns: Columns,
}

impl JsonReader {
    pub(crate) fn open(input: Input, lines: bool, options: &ReadOptions, wanted: &Wanted) -> Result<Self> {
        Ok(Self { records: Records::new(input, lines, options)?, columns: Columns::new(wanted) })
    }
}

impl RowReader for JsonReader {
    fn next_batch(&mut self, on_bad_row: &mut OnBadRow<'_>) -> Result<Option<Batch>> {
        let first_row = self.records.records;
        let mut lines = Vec::new();
        let mut held = 0;
        while lines.len() < BATCH_ROWS_MAX && held < BATCH_BYTES {
            match self.records.next(&mut self.columns, on_bad_row)? {
                Found::End => break,
                Found::Bad => {}
                Found::Record { line, bytes } => {
                    self.columns.end_record();
                    lines.push(line);
                    held += bytes;
                }
            }
        }
        if lines.is_empty() {
            return Ok(None);
        }
        let columns = self.columns.fresh().into_iter().map(RawColumn::Text).collect();
        Ok(Some(Batch { rows: lines.len(), first_row, lines, columns }))
    }
}

/// Fills the tree of places.
struct Stats {
    stats: PlaceStats,
    open: Vec<PlaceId>,
    pending: Option<PlaceId>,
}

impl Sink for Stats {
    fn start(&mut self) {
        self.open.truncate(1);
        self.stats.start_object(0);
    }

    fn key(&mut self, key: &[u8]) -> Result<Next, Misfit> {
        let parent = *self.open.last().expect("the record itself is open");
        self.pending = self.stats.child(parent, key);
        // An empty name could not be asked for in SQL.
        if key.is_empty() && parent == 0 {
            return Err(Misfit { column: None, reason: "a key is empty, and a column needs a name".to_owned() });
        }
        Ok(if self.pending.is_some() { Next::Object } else { Next::Skip })
    }

    fn value(&mut self, kind: CellKind, bytes: &[u8]) -> Result<(), Misfit> {
        let Some(id) = self.pending else { return Ok(()) };
        let place = &mut self.stats.places[id];
        match kind {
            CellKind::Json => place.nested = true,
            CellKind::List => {
                place.list = true;
                let (mut seen, mut with_null) = (std::mem::take(&mut place.seen), false);
                let elements = super::for_each_element(bytes, |kind, element| {
                    with_null |= kind == CellKind::Null;
                    seen.json(kind, element);
                    Ok(())
                });
                place.seen = seen;
                place.list_with_null |= with_null;
                elements.map_err(|reason| Misfit { column: Some(place.key.clone()), reason })?;
            }
            kind => {
                place.scalar |= kind != CellKind::Null;
                place.seen.json(kind, bytes);
            }
        }
        Ok(())
    }

    fn open(&mut self) {
        if let Some(id) = self.pending {
            self.stats.places[id].object = true;
            self.stats.start_object(id);
            self.open.push(id);
        }
    }

    fn close(&mut self) {
        self.open.pop();
    }
}

/// Looks at every value of a file. Bad records are left to the reader that follows, or to `on_bad_row`.
pub(crate) fn infer_places(
    input: Input,
    lines: bool,
    options: &ReadOptions,
    on_record: &mut dyn FnMut() -> Result<()>,
    on_bad_row: &mut OnBadRow<'_>,
) -> Result<PlaceStats> {
    let mut records = Records::new(input, lines, options)?;
    let mut sink = Stats { stats: PlaceStats::new(), open: vec![0], pending: None };
    loop {
        if let Found::End = records.next(&mut sink, on_bad_row)? {
            return Ok(sink.stats);
        }
        on_record()?;
    }
}
