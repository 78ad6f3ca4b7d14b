//! Answers as an aligned table, as CSV or as JSON.

use serde_json::Value;
use std::io::{self, Write};
use unicode_width::UnicodeWidthStr;

/// How rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    #[default]
    Table,
    Csv,
    Json,
}

/// Names and types of columns, and rows of JSON values.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    pub names: &'a [String],
    pub types: &'a [String],
    pub rows: &'a [Vec<Value>],
}

/// A value as a reader expects it: text without quotes, NULL as an empty cell of CSV and the word in a table.
fn plain(value: &Value, null: &str) -> String {
    match value {
        Value::Null => null.to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Prints an aligned table: numbers to the right, control characters as escapes so that a row is one line.
pub fn table(rows: Rows<'_>, out: &mut dyn Write) -> io::Result<()> {
    let shown = |text: String| -> String {
        if text.chars().any(char::is_control) { text.escape_debug().to_string() } else { text }
    };
    let cells: Vec<Vec<String>> =
        rows.rows.iter().map(|row| row.iter().map(|value| shown(plain(value, "NULL"))).collect()).collect();
    let names: Vec<String> = rows.names.iter().cloned().map(shown).collect();
    let width_of = |column: usize| {
        let widest = cells.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max().unwrap_or(0);
        widest.max(names[column].width())
    };
    let widths: Vec<usize> = (0..names.len()).map(width_of).collect();
    let right: Vec<bool> = rows.types.iter().map(|t| is_number(t)).collect();
    line(&names, &widths, &right, out)?;
    let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    writeln!(out, "{}", rules.join("  "))?;
    for row in &cells {
        line(row, &widths, &right, out)?;
    }
    Ok(())
}

fn is_number(data_type: &str) -> bool {
    matches!(data_type, "INT" | "LONG" | "FLOAT" | "DOUBLE" | "BIG_DECIMAL")
}

fn line(cells: &[String], widths: &[usize], right: &[bool], out: &mut dyn Write) -> io::Result<()> {
    let mut text = String::new();
    for (column, cell) in cells.iter().enumerate() {
        if column > 0 {
            text.push_str("  ");
        }
        let padding = " ".repeat(widths.get(column).copied().unwrap_or(0).saturating_sub(cell.width()));
        if right.get(column).copied().unwrap_or(false) {
            text.push_str(&padding);
            text.push_str(cell);
        } else {
            text.push_str(cell);
            text.push_str(&padding);
        }
    }
    writeln!(out, "{}", text.trim_end())
}

/// Prints CSV with a header (RFC 4180, lines end with a line feed).
pub fn csv(rows: Rows<'_>, out: &mut dyn Write) -> io::Result<()> {
    csv_line(rows.names.iter().cloned(), out)?;
    for row in rows.rows {
        csv_line(row.iter().map(|value| plain(value, "")), out)?;
    }
    Ok(())
}

fn csv_line(cells: impl Iterator<Item = String>, out: &mut dyn Write) -> io::Result<()> {
    let quoted = cells.map(|cell| {
        let needs = cell.contains(['"', ',', '\n', '\r']);
        if needs { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
    });
    writeln!(out, "{}", quoted.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn print(with: fn(Rows<'_>, &mut dyn Write) -> io::Result<()>) -> String {
        let names = ["name".to_owned(), "n".to_owned()];
        let types = ["STRING".to_owned(), "LONG".to_owned()];
        let rows =
            vec![vec![json!("é,\"x\""), json!(1)], vec![json!(null), json!(-20)], vec![json!("a\nb"), json!(300)]];
        let mut out = Vec::new();
        with(Rows { names: &names, types: &types, rows: &rows }, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_are_aligned() {
        assert_eq!(
            print(table),
            "name     n\n\
             -----  ---\n\
             é,\"x\"    1\n\
             NULL   -20\n\
             a\\nb   300\n"
        );
    }

    #[test]
    fn csv_is_quoted_where_it_must_be() {
        assert_eq!(print(csv), "name,n\n\"é,\"\"x\"\"\",1\n,-20\n\"a\nb\",300\n");
    }
}
