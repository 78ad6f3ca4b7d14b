//! JSON text of a value of an Arrow array: how lists of lists, maps and structs are stored.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::DataType as Arrow;

/// Appends the JSON of `array[row]`. Binary is hexadecimal text, NaN and the infinities are strings, a map is an object.
pub(super) fn write(array: &ArrayRef, row: usize, out: &mut Vec<u8>) -> Result<(), String> {
    if array.is_null(row) {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    match array.data_type() {
        Arrow::Struct(fields) => {
            let a = array.as_struct();
            out.push(b'{');
            for (i, (field, column)) in fields.iter().zip(a.columns()).enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                crate::json::write_string(field.name(), out);
                out.push(b':');
                write(column, row, out)?;
            }
            out.push(b'}');
        }
        Arrow::List(_) => list(&array.as_list::<i32>().value(row), out)?,
        Arrow::LargeList(_) => list(&array.as_list::<i64>().value(row), out)?,
        Arrow::FixedSizeList(..) => list(&array.as_fixed_size_list().value(row), out)?,
        Arrow::ListView(_) => list(&array.as_list_view::<i32>().value(row), out)?,
        Arrow::LargeListView(_) => list(&array.as_list_view::<i64>().value(row), out)?,
        Arrow::Map(..) => {
            let entries = array.as_map().value(row);
            out.push(b'{');
            for i in 0..entries.len() {
                if i > 0 {
                    out.push(b',');
                }
                crate::json::write_string(&text(entries.column(0), i)?, out);
                out.push(b':');
                write(entries.column(1), i, out)?;
            }
            out.push(b'}');
        }
        Arrow::Boolean => out.extend_from_slice(if array.as_boolean().value(row) { b"true" } else { b"false" }),
        t if t.is_numeric() => {
            let shown = text(array, row)?;
            // JSON has no NaN and no infinity.
            if crate::number::look(shown.as_bytes()) == crate::number::Look::Special {
                crate::json::write_string(&shown, out);
            } else {
                out.extend_from_slice(shown.as_bytes());
            }
        }
        _ => crate::json::write_string(&text(array, row)?, out),
    }
    Ok(())
}

fn list(items: &ArrayRef, out: &mut Vec<u8>) -> Result<(), String> {
    out.push(b'[');
    for i in 0..items.len() {
        if i > 0 {
            out.push(b',');
        }
        write(items, i, out)?;
    }
    out.push(b']');
    Ok(())
}

fn text(array: &ArrayRef, row: usize) -> Result<String, String> {
    let options = FormatOptions::default();
    ArrayFormatter::try_new(array.as_ref(), &options)
        .and_then(|formatter| formatter.value(row).try_to_string())
        .map_err(|e| format!("the value cannot be shown as text: {e}"))
}
