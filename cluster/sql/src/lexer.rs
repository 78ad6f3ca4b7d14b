//! One pass over the bytes of a query: words, literals and marks, without white space and comments.
//!
//! What must happen before the parser runs on this: cutting off `SET` and `OPTION(...)`, the depth guard, and the
//! fingerprint of the plan cache. It knows quotes and comments, nothing of grammar.

use crate::error::{Result, SqlError};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A name or keyword, unquoted.
    Word,
    /// `"name"` or `` `name` ``, quotes included.
    Quoted,
    /// `'text'`, quotes included.
    Text,
    Number,
    /// One byte of punctuation.
    Mark(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
}

impl Token {
    pub fn text<'s>(&self, sql: &'s str) -> &'s str {
        &sql[self.start..self.end]
    }

    pub fn is_word(&self, sql: &str, word: &str) -> bool {
        self.kind == Kind::Word && self.text(sql).eq_ignore_ascii_case(word)
    }

    pub fn is_mark(&self, mark: u8) -> bool {
        self.kind == Kind::Mark(mark)
    }
}

/// Line and column (from 1, in characters) of a byte offset.
pub fn position(sql: &str, offset: usize) -> (u64, u64) {
    let mut end = offset.min(sql.len());
    while !sql.is_char_boundary(end) {
        end -= 1;
    }
    let before = &sql[..end];
    let line = before.bytes().filter(|b| *b == b'\n').count() as u64 + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() as u64 + 1;
    (line, column)
}

/// Byte offset of a line and column as the parser counts them.
pub fn offset(sql: &str, line: u64, column: u64) -> Option<usize> {
    let mut start = 0;
    for _ in 1..line {
        start += sql.get(start..)?.find('\n')? + 1;
    }
    let line_text = sql.get(start..)?;
    let skip = usize::try_from(column).ok()?.checked_sub(1)?;
    let within = line_text
        .char_indices()
        .map(|(i, _)| i)
        .nth(skip)
        .or((skip == line_text.chars().count()).then_some(line_text.len()))?;
    Some(start + within)
}

/// The tokens of `sql`, in order.
pub fn tokens(sql: &str) -> Result<Vec<Token>> {
    let bytes = sql.as_bytes();
    let mut found = Vec::with_capacity(bytes.len() / 4);
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let byte = bytes[at];
        let kind = match byte {
            b' ' | b'\t' | b'\r' | b'\n' | 0x0c => {
                at += 1;
                continue;
            }
            b'-' if bytes.get(at + 1) == Some(&b'-') => {
                at = bytes[at..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |n| at + n);
                continue;
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                at = comment_end(sql, at)?;
                continue;
            }
            b'\'' => {
                at = quoted_end(sql, at, b'\'')?;
                Kind::Text
            }
            b'"' | b'`' => {
                at = quoted_end(sql, at, byte)?;
                Kind::Quoted
            }
            b'0'..=b'9' => {
                at = number_end(bytes, at);
                Kind::Number
            }
            b'.' if bytes.get(at + 1).is_some_and(u8::is_ascii_digit) && !follows_name(&found, at) => {
                at = number_end(bytes, at);
                Kind::Number
            }
            b'A'..=b'Z' | b'a'..=b'z' | b'_' | b'$' | 0x80.. => {
                while at < bytes.len()
                    && (bytes[at].is_ascii_alphanumeric() || matches!(bytes[at], b'_' | b'$' | 0x80..))
                {
                    at += 1;
                }
                Kind::Word
            }
            mark => {
                at += 1;
                Kind::Mark(mark)
            }
        };
        found.push(Token { kind, start, end: at });
    }
    Ok(found)
}

/// `t.1` is no number after a name.
fn follows_name(found: &[Token], at: usize) -> bool {
    found.last().is_some_and(|t| t.end == at && matches!(t.kind, Kind::Word | Kind::Quoted))
}

fn number_end(bytes: &[u8], mut at: usize) -> usize {
    let digits = |mut at: usize| {
        while at < bytes.len() && bytes[at].is_ascii_digit() {
            at += 1;
        }
        at
    };
    at = digits(at);
    if bytes.get(at) == Some(&b'.') {
        at = digits(at + 1);
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        if bytes.get(at + 1 + sign).is_some_and(u8::is_ascii_digit) {
            at = digits(at + 1 + sign);
        }
    }
    at
}

/// A doubled quote stands for itself.
fn quoted_end(sql: &str, start: usize, quote: u8) -> Result<usize> {
    let bytes = sql.as_bytes();
    let mut at = start + 1;
    while let Some(n) = bytes[at..].iter().position(|b| *b == quote) {
        at += n + 1;
        if bytes.get(at) != Some(&quote) {
            return Ok(at);
        }
        at += 1;
    }
    let (line, column) = position(sql, start);
    let what = if quote == b'\'' { "text" } else { "quoted name" };
    Err(SqlError::parsing(format!("syntax error: the {what} has no closing quote")).at(line, column))
}

/// Comments nest.
fn comment_end(sql: &str, start: usize) -> Result<usize> {
    let bytes = sql.as_bytes();
    let (mut at, mut depth) = (start + 2, 1usize);
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"*/" => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return Ok(at);
                }
            }
            b"/*" => {
                depth += 1;
                at += 2;
            }
            _ => at += 1,
        }
    }
    let (line, column) = position(sql, start);
    Err(SqlError::parsing("syntax error: the comment has no end").at(line, column))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sql: &str) -> Vec<&str> {
        tokens(sql).unwrap().iter().map(|t| t.text(sql)).collect()
    }

    #[test]
    fn quotes_and_comments_hide_everything() {
        assert_eq!(texts("a /* ' ; */ 'it''s; --' -- x 'y\n ;\"b\"\"c\""), ["a", "'it''s; --'", ";", "\"b\"\"c\""]);
        assert_eq!(texts("1.5e-3 .5 t.x $docId"), ["1.5e-3", ".5", "t", ".", "x", "$docId"]);
        assert_eq!(texts("/* a /* b */ c */ d"), ["d"]);
    }

    #[test]
    fn open_ends_are_errors_with_a_position() {
        let error = tokens("SELECT 1\nFROM 'x").unwrap_err();
        assert_eq!(error.position.map(|p| (p.line, p.column)), Some((2, 6)));
        assert!(tokens("SELECT /* x").is_err());
    }

    #[test]
    fn positions_count_characters() {
        let sql = "é\nüß x";
        let at = sql.find('x').unwrap();
        assert_eq!(position(sql, at), (2, 4));
        assert_eq!(offset(sql, 2, 4), Some(at));
    }
}
