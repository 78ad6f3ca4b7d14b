//! Numbers of selected rows on plain vectors: what aggregates with a kernel of their own are fed from.

use crate::error::Result;
use crate::exec::decode::{self, Scratch};
use crate::exec::fast::column_ids;
use crate::exec::filter::Input;
use crate::exec::selection::{Selection, Vector};
use segfmt::{Page, PageValues, Physical};

/// Drops the values of null rows, and their groups.
pub(crate) fn without_nulls<'g, T: Copy>(
    input: &Input<'_>,
    column: usize,
    selection: &Selection,
    groups: &'g [u32],
    values: &mut Vec<T>,
    kept: &'g mut Vec<u32>,
) -> &'g [u32] {
    let Some(words) = &input.columns[column].nulls else { return groups };
    kept.clear();
    kept.resize(groups.len(), 0);
    let mut n = 0;
    // Every value is written, and overwritten where it is null: a branch would be guessed wrong at each null.
    for (i, (row, group)) in selection.rows.iter().zip(groups).enumerate() {
        let row = input.first_row + u64::from(*row);
        values[n] = values[i];
        kept[n] = *group;
        n += usize::from(words[(row / 64) as usize] >> (row % 64) & 1 == 0);
    }
    values.truncate(n);
    kept.truncate(n);
    kept
}

/// The selected values of an integer column.
pub(crate) fn load_integers(
    input: &Input<'_>,
    column: usize,
    vector: Vector,
    selection: &Selection,
    scratch: &mut Scratch,
    ids: &mut Vec<u32>,
    out: &mut Vec<i64>,
) -> Result<()> {
    let bound = &input.columns[column];
    match input.blocks[column].page().map(Page::values) {
        Some(PageValues::Ints(page)) => decode::ints(page, &selection.rows, &mut scratch.ids, out),
        Some(PageValues::Ids(_)) => {
            column_ids(column, input, vector, selection, ids);
            let dictionary = bound.dict()?.cell.borrow_dependent();
            out.clear();
            if let Some(values) = dictionary.as_i32() {
                out.extend(ids.iter().map(|id| i64::from(values[*id as usize])));
            } else if let Some(values) = dictionary.as_i64() {
                out.extend(ids.iter().map(|id| values[*id as usize]));
            }
        }
        _ => out.clear(),
    }
    Ok(())
}

/// The selected values of a numeric column as doubles.
pub(crate) fn load_doubles(
    input: &Input<'_>,
    column: usize,
    vector: Vector,
    selection: &Selection,
    scratch: &mut Scratch,
    (ids, integers): (&mut Vec<u32>, &mut Vec<i64>),
    out: &mut Vec<f64>,
) -> Result<()> {
    let bound = &input.columns[column];
    match input.blocks[column].page().map(Page::values) {
        Some(PageValues::Floats(page)) => decode::floats(page, &selection.rows, out),
        Some(PageValues::Ids(_)) if bound.ty.data.physical() == Physical::Float => {
            column_ids(column, input, vector, selection, ids);
            let dictionary = bound.dict()?.cell.borrow_dependent();
            out.clear();
            if let Some(values) = dictionary.as_f64() {
                out.extend(ids.iter().map(|id| values[*id as usize]));
            } else if let Some(values) = dictionary.as_f32() {
                out.extend(ids.iter().map(|id| f64::from(values[*id as usize])));
            }
        }
        _ => {
            load_integers(input, column, vector, selection, scratch, ids, integers)?;
            out.clear();
            out.extend(integers.iter().map(|v| *v as f64));
        }
    }
    Ok(())
}
