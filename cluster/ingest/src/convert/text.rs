//! Text cells (CSV, JSON) to typed columns.

use segfmt::{Bitmap, DataType};

use super::{Misfit, Misfits, Target, scalar};
use crate::batch::{CellKind, TextColumn};
use crate::column::{Column, Data};

pub(super) fn convert(text: &TextColumn, target: &Target, misfits: &mut Misfits) -> Column {
    if target.multi_value {
        return lists(text, target, misfits);
    }
    let rows = text.len();
    let mut data = Data::with_capacity(target.data_type, rows, text.data.len());
    let mut nulls: Option<Bitmap> = None;
    let text_type = matches!(target.data_type, DataType::String | DataType::Bytes);
    let mut scratch = Vec::new();
    for row in 0..rows {
        let (kind, bytes) = text.cell(row);
        if kind == CellKind::Null || (bytes.is_empty() && !text_type && !text.from_json) {
            nulls.get_or_insert_with(|| Bitmap::new(rows)).set(row);
            data.push_value(&target.default_null);
            continue;
        }
        let pushed = match &mut data {
            // The common types without the general function's second look at the type.
            Data::I32(v) => scalar::int(kind, bytes).map(|x| v.push(x)),
            Data::F64(v) => scalar::double(kind, bytes).map(|x| v.push(x)),
            data if target.data_type == DataType::String => {
                data.push_bytes(bytes);
                Ok(())
            }
            data => scalar::push(kind, bytes, target.data_type, data, &mut scratch),
        };
        if let Err(reason) = pushed {
            misfits.push(Misfit { row, reason });
            data.push_value(&target.default_null);
        }
    }
    Column { data, nulls, lists: None }
}

fn lists(text: &TextColumn, target: &Target, misfits: &mut Misfits) -> Column {
    let rows = text.len();
    let mut data = Data::with_capacity(target.data_type, rows, text.data.len());
    let mut offsets = Vec::with_capacity(rows + 1);
    offsets.push(0u32);
    let mut nulls: Option<Bitmap> = None;
    let mut scratch = Vec::new();
    for row in 0..rows {
        let (kind, bytes) = text.cell(row);
        let before = data.len();
        let mut push =
            |kind: CellKind, bytes: &[u8]| scalar::push(kind, bytes, target.data_type, &mut data, &mut scratch);
        let done = match kind {
            CellKind::Null => Ok(()),
            CellKind::List => crate::json::for_each_element(bytes, |kind, element| match kind {
                CellKind::Null => {
                    Err("a NULL inside a list cannot be stored in a multi-value column (declare it JSON)".to_owned())
                }
                kind => push(kind, element),
            }),
            CellKind::Text if target.list_delimiter != 0 && !text.from_json => {
                if bytes.is_empty() {
                    Ok(())
                } else {
                    bytes.split(|c| *c == target.list_delimiter).try_for_each(|part| push(CellKind::Text, part))
                }
            }
            kind => push(kind, bytes),
        };
        if let Err(reason) = done {
            misfits.push(Misfit { row, reason });
            data.truncate(before);
        }
        if data.len() == before {
            nulls.get_or_insert_with(|| Bitmap::new(rows)).set(row);
            data.push_value(&target.default_null);
        }
        offsets.push(u32::try_from(data.len()).expect("a batch is bounded below 4 GiB"));
    }
    Column { data, nulls, lists: Some(offsets) }
}
