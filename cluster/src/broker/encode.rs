//! Values of Arrow columns as Pinot's JSON, written without a value in between.
//!
//! | type | JSON |
//! |---|---|
//! | INT, LONG | exact integers |
//! | FLOAT, DOUBLE | the shortest digits that read back as the same value; `"NaN"`, `"Infinity"`, `"-Infinity"` |
//! | BOOLEAN | `true`, `false` |
//! | BIG_DECIMAL | its plain digits, as a string |
//! | TIMESTAMP | `"yyyy-MM-dd HH:mm:ss.S"`, at least one digit of the fraction, in UTC |
//! | STRING, JSON | a string |
//! | BYTES | lower-case hex, as a string |
//! | multi-value | an array |

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use chrono::{DateTime, Datelike, Timelike};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("column {column} of the answer has type {found}, which has no JSON form")]
    Type { column: usize, found: DataType },
    #[error("a BIG_DECIMAL of the answer is damaged")]
    Decimal(#[source] segfmt::Error),
}

/// Writes the rows of one batch, each as `[...]`, separated by commas.
pub struct RowEncoder<'a> {
    columns: Vec<Column<'a>>,
    rows: usize,
}

impl<'a> RowEncoder<'a> {
    pub fn new(batch: &'a RecordBatch) -> Result<RowEncoder<'a>, Error> {
        let columns = batch.columns().iter().enumerate();
        let columns = columns.map(|(index, array)| Column::new(index, array)).collect::<Result<_, _>>()?;
        Ok(RowEncoder { columns, rows: batch.num_rows() })
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Appends row `row`.
    pub fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<(), Error> {
        out.push(b'[');
        for (index, column) in self.columns.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            column.write(row, out)?;
        }
        out.push(b']');
        Ok(())
    }
}

struct Column<'a> {
    array: &'a ArrayRef,
    kind: Kind,
    /// The elements of a multi-value column.
    elements: Option<Box<Column<'a>>>,
}

#[derive(Clone, Copy)]
enum Kind {
    Null,
    Int,
    Long,
    Float,
    Double,
    Boolean,
    Timestamp,
    Text,
    Bytes,
    Decimal,
    List,
}

impl<'a> Column<'a> {
    fn new(index: usize, array: &'a ArrayRef) -> Result<Column<'a>, Error> {
        let kind = match array.data_type() {
            DataType::Null => Kind::Null,
            DataType::Int32 => Kind::Int,
            DataType::Int64 => Kind::Long,
            DataType::Float32 => Kind::Float,
            DataType::Float64 => Kind::Double,
            DataType::Boolean => Kind::Boolean,
            DataType::Timestamp(TimeUnit::Millisecond, None) => Kind::Timestamp,
            DataType::Utf8 => Kind::Text,
            DataType::Binary => Kind::Bytes,
            DataType::LargeBinary => Kind::Decimal,
            DataType::List(_) => Kind::List,
            found => return Err(Error::Type { column: index, found: found.clone() }),
        };
        let elements = match kind {
            Kind::List => Some(Box::new(Column::new(index, array.as_list::<i32>().values())?)),
            _ => None,
        };
        Ok(Column { array, kind, elements })
    }

    fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<(), Error> {
        if self.array.is_null(row) {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        match self.kind {
            Kind::Null => out.extend_from_slice(b"null"),
            Kind::Int => integer(i64::from(self.array.as_primitive::<Int32Type>().value(row)), out),
            Kind::Long => integer(self.array.as_primitive::<Int64Type>().value(row), out),
            Kind::Float => float(self.array.as_primitive::<Float32Type>().value(row), out),
            Kind::Double => float(self.array.as_primitive::<Float64Type>().value(row), out),
            Kind::Boolean => {
                let value = self.array.as_boolean().value(row);
                out.extend_from_slice(if value { b"true" } else { b"false" });
            }
            Kind::Timestamp => {
                let ms = self.array.as_primitive::<TimestampMillisecondType>().value(row);
                out.push(b'"');
                timestamp(ms, out);
                out.push(b'"');
            }
            Kind::Text => text(self.array.as_string::<i32>().value(row), out),
            Kind::Bytes => {
                out.push(b'"');
                for byte in self.array.as_binary::<i32>().value(row) {
                    const DIGITS: &[u8; 16] = b"0123456789abcdef";
                    out.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
                }
                out.push(b'"');
            }
            Kind::Decimal => {
                let value = self.array.as_binary::<i64>().value(row);
                out.push(b'"');
                out.extend_from_slice(segfmt::decimal::to_plain_string(value).map_err(Error::Decimal)?.as_bytes());
                out.push(b'"');
            }
            Kind::List => {
                let elements = self.elements.as_ref().expect("a list column was made with its elements");
                let offsets = self.array.as_list::<i32>().value_offsets();
                out.push(b'[');
                for (i, element) in (offsets[row]..offsets[row + 1]).enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    elements.write(usize::try_from(element).expect("list offsets are not negative"), out)?;
                }
                out.push(b']');
            }
        }
        Ok(())
    }
}

fn integer(value: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn float<F: ryu::Float + Into<f64>>(value: F, out: &mut Vec<u8>) {
    let wide: f64 = value.into();
    if wide.is_finite() {
        out.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
    } else if wide.is_nan() {
        out.extend_from_slice(b"\"NaN\"");
    } else {
        out.extend_from_slice(if wide > 0.0 { b"\"Infinity\"" } else { b"\"-Infinity\"" });
    }
}

/// `yyyy-MM-dd HH:mm:ss.S`, as `java.sql.Timestamp` writes it: the fraction without trailing zeros, at least one digit.
/// Instants that no calendar holds are written as their milliseconds.
fn timestamp(ms: i64, out: &mut Vec<u8>) {
    let Some(utc) = DateTime::from_timestamp_millis(ms) else { return integer(ms, out) };
    let year = utc.year();
    if year < 0 {
        out.push(b'-');
    }
    digits(year.unsigned_abs(), 4, out);
    for (separator, value) in
        [(b'-', utc.month()), (b'-', utc.day()), (b' ', utc.hour()), (b':', utc.minute()), (b':', utc.second())]
    {
        out.push(separator);
        digits(value, 2, out);
    }
    out.push(b'.');
    digits(utc.timestamp_subsec_millis(), 3, out);
    for _ in 0..2 {
        if out.last() == Some(&b'0') {
            out.pop();
        }
    }
}

fn digits(value: u32, width: usize, out: &mut Vec<u8>) {
    let mut buffer = itoa::Buffer::new();
    let text = buffer.format(value);
    out.extend(std::iter::repeat_n(b'0', width.saturating_sub(text.len())));
    out.extend_from_slice(text.as_bytes());
}

/// A JSON string: only what JSON demands is escaped.
pub fn text(value: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = value.as_bytes();
    let mut clean_from = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if *byte >= 0x20 && *byte != b'"' && *byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[clean_from..at]);
        clean_from = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            other => out.extend_from_slice(format!("\\u{other:04x}").as_bytes()),
        }
    }
    out.extend_from_slice(&bytes[clean_from..]);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::builder::{Int32Builder, ListBuilder};
    use arrow_array::{
        BinaryArray, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, LargeBinaryArray, StringArray,
        TimestampMillisecondArray, UInt8Array,
    };
    use arrow_schema::{Field, Schema};
    use std::sync::Arc;

    fn encode(array: impl Array + 'static) -> Vec<String> {
        let schema = Schema::new(vec![Field::new("c", array.data_type().clone(), true)]);
        let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(array)]).unwrap();
        let encoder = RowEncoder::new(&batch).unwrap();
        let row = |row| {
            let mut out = Vec::new();
            encoder.write(row, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        (0..encoder.rows()).map(row).collect()
    }

    #[test]
    fn integers_are_exact() {
        assert_eq!(
            encode(Int64Array::from(vec![Some(i64::MIN), Some(9_007_199_254_740_993), None])),
            ["[-9223372036854775808]", "[9007199254740993]", "[null]"]
        );
        assert_eq!(encode(Int32Array::from(vec![i32::MIN])), ["[-2147483648]"]);
    }

    #[test]
    fn floats_have_the_shortest_digits() {
        let doubles = vec![1.0, 0.1, -2.5, 1e21, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 5e-324];
        assert_eq!(
            encode(Float64Array::from(doubles)),
            ["[1.0]", "[0.1]", "[-2.5]", "[1e21]", "[\"NaN\"]", "[\"Infinity\"]", "[\"-Infinity\"]", "[5e-324]"]
        );
        assert_eq!(encode(Float32Array::from(vec![0.1f32, 16_777_216.0])), ["[0.1]", "[16777216.0]"]);
    }

    #[test]
    fn timestamps_as_java_writes_them() {
        let values = vec![0, 1_000_000_000_123, 120, -1, -62_135_596_800_000, i64::MAX];
        assert_eq!(
            encode(TimestampMillisecondArray::from(values)),
            [
                "[\"1970-01-01 00:00:00.0\"]",
                "[\"2001-09-09 01:46:40.123\"]",
                "[\"1970-01-01 00:00:00.12\"]",
                "[\"1969-12-31 23:59:59.999\"]",
                "[\"0001-01-01 00:00:00.0\"]",
                "[\"9223372036854775807\"]"
            ]
        );
    }

    #[test]
    fn text_bytes_booleans_decimals_and_lists() {
        assert_eq!(encode(StringArray::from(vec!["a\"b\\c\n\u{1}é😀"])), ["[\"a\\\"b\\\\c\\n\\u0001é😀\"]"]);
        assert_eq!(encode(BinaryArray::from_vec(vec![b"\x00\xff\x1a"])), ["[\"00ff1a\"]"]);
        assert_eq!(encode(BooleanArray::from(vec![true, false])), ["[true]", "[false]"]);
        let decimal = segfmt::decimal::parse("-1200.050").unwrap();
        assert_eq!(encode(LargeBinaryArray::from_vec(vec![&decimal])), ["[\"-1200.05\"]"]);
        let mut lists = ListBuilder::new(Int32Builder::new());
        lists.append_value([Some(1), None, Some(3)]);
        lists.append_value([]);
        lists.append_null();
        assert_eq!(encode(lists.finish()), ["[[1,null,3]]", "[[]]", "[null]"]);
    }

    #[test]
    fn a_type_without_json_form_is_refused() {
        let schema = Schema::new(vec![Field::new("c", DataType::UInt8, false)]);
        let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(UInt8Array::from(vec![1]))]).unwrap();
        assert!(matches!(RowEncoder::new(&batch), Err(Error::Type { column: 0, .. })));
    }
}
