//! CSV and TSV.
//!
//! Rules, where files differ: the first line that is not blank names the columns; a cell may be quoted with `"` (a quote
//! inside is doubled; delimiters and line ends inside are data); a quote elsewhere than at a cell's start is data; text after
//! a closing quote is an error. Lines end with LF or CRLF (or with CR alone where the header line does; otherwise a lone CR
//! is data). An empty cell without quotes is NULL, a quoted one the empty string. A blank line is skipped, except in a file
//! of one column, where it is a NULL. A column without a name is `column_N`; a name that comes twice is an error.

mod reader;
mod scan;

pub(crate) use reader::{CsvReader, header};
