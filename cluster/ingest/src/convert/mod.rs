//! Makes columns of the schema's types out of what a reader yields. Strict: a value that its type cannot hold exactly is an
//! error that names file, line (or row), column, value and type; nothing becomes NULL or zero because it did not parse.
//!
//! Rules: a number fits an integer column when it is whole (`1.0`, `1e2`); BOOLEAN takes true, false, 1, 0; TIMESTAMP takes
//! text (see `timestamp`), a date alone, or milliseconds since 1970; BYTES takes hexadecimal text; JSON takes valid JSON
//! text; STRING takes anything as written. A quoted empty CSV cell is NULL where the type is not text. A multi-value takes a
//! JSON array, a Parquet list, or a CSV cell cut at `;`; one value alone is a list of one; an empty list is NULL (as in
//! Pinot); a NULL inside a list is an error.

mod arrow;
mod arrow_json;
mod length;
mod scalar;
mod text;

use cluster_types::{FieldSpec, MaxLengthExceedStrategy};
use segfmt::{DataType, Value};

use crate::batch::{BadRow, Batch, OnBadRow, RawColumn};
use crate::column::{Chunk, Column, Loc, gather};
use crate::error::{Error, Place, Result};
use crate::intern::Interner;

/// What one column is to become.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) data_type: DataType,
    pub(crate) multi_value: bool,
    pub(crate) default_null: Value,
    pub(crate) list_delimiter: u8,
    pub(crate) max_length: Option<u32>,
    pub(crate) max_length_exceed: MaxLengthExceedStrategy,
}

impl Target {
    /// Whether the column's strings may be numbered.
    pub(crate) fn is_strings(&self) -> bool {
        let bytes =
            matches!(self.data_type, DataType::String | DataType::Json | DataType::Bytes | DataType::BigDecimal);
        bytes && !self.multi_value
    }

    pub(crate) fn new(field: &FieldSpec, list_delimiter: u8) -> Self {
        Self {
            name: field.name.clone(),
            data_type: field.data_type,
            multi_value: field.multi_value,
            default_null: field.default_null.clone(),
            list_delimiter,
            max_length: field.max_length,
            max_length_exceed: field.max_length_exceed_strategy,
        }
    }
}

/// A row that a column could not take, and why.
#[derive(Debug)]
pub(super) struct Misfit {
    pub(super) row: usize,
    pub(super) reason: String,
}

/// Misfits of one column kept at most: a batch has no more rows than that, and the first is what a strict push shows.
pub(super) type Misfits = Vec<Misfit>;

/// Turns a batch into a chunk. Rows with a misfit go to `on_bad_row` and are left out.
/// `interners` has one for each column whose strings are to be numbered.
pub(crate) fn convert(
    batch: &Batch,
    targets: &[Target],
    interners: &mut [Option<Interner>],
    file: &str,
    on_bad_row: &mut OnBadRow<'_>,
) -> Result<Chunk> {
    let mut columns = Vec::with_capacity(targets.len());
    let mut bad: Vec<(usize, usize, String)> = Vec::new();
    for (i, ((raw, target), interner)) in batch.columns.iter().zip(targets).zip(interners).enumerate() {
        let mut misfits = Misfits::new();
        let mut column = match raw {
            RawColumn::Missing => {
                Column::all_null(target.data_type, target.multi_value, &target.default_null, batch.rows)
            }
            RawColumn::Text(text) => text::convert(text, target, &mut misfits),
            RawColumn::Arrow(array) => arrow::convert(array, target, interner.as_mut(), &mut misfits),
        };
        length::apply(&mut column, target, &mut misfits);
        if let Some(interner) = interner {
            column.data = interner.column(column.data);
        }
        columns.push(column);
        bad.extend(misfits.into_iter().map(|m| (m.row, i, m.reason)));
    }
    if bad.is_empty() {
        return Ok(Chunk { rows: batch.rows, columns });
    }
    bad.sort();
    let mut good = vec![true; batch.rows];
    for (row, column, reason) in bad {
        if !std::mem::replace(&mut good[row], false) {
            continue;
        }
        let place = Place {
            file: file.to_owned(),
            line: batch.lines.get(row).copied(),
            row: Some(batch.first_row + row as u64 + 1),
            column: Some(targets[column].name.clone()),
        };
        on_bad_row(BadRow { error: Error::data(place, reason), text: row_text(batch, row) })?;
    }
    let locs: Vec<Loc> = (0..batch.rows).filter(|r| good[*r]).map(|r| Loc::new(0, r)).collect();
    let columns = columns.iter().zip(targets).map(|(c, t)| gather(&[c], &locs, t.data_type)).collect();
    Ok(Chunk { rows: locs.len(), columns })
}

/// The row's cells, tab between them, for the file of rows set aside.
fn row_text(batch: &Batch, row: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for (i, column) in batch.columns.iter().enumerate() {
        if i > 0 {
            out.push(b'\t');
        }
        match column {
            RawColumn::Missing => {}
            RawColumn::Text(t) => out.extend_from_slice(t.cell(row).1),
            RawColumn::Arrow(a) => {
                if let Err(reason) = arrow_json::write(a, row, &mut out) {
                    out.extend_from_slice(reason.as_bytes());
                }
            }
        }
    }
    out
}
