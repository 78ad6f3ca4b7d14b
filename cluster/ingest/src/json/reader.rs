//! Reads a JSON file in batches of text columns, and looks at all of it for inference.

use super::columns::Columns;
use super::places::{PlaceId, PlaceStats};
use super::records::{Found, Misfit, Next, Records, Sink};
use crate::batch::{BATCH_BYTES, BATCH_ROWS_MAX, Batch, CellKind, OnBadRow, RawColumn, ReadOptions, RowReader, Wanted};
use crate::error::Result;
use crate::source::Input;

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
