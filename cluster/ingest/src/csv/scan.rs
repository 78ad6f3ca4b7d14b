//! Finds the cells of one CSV record in a buffer.

/// One cell: where its bytes are (quotes left out), and how they were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) quoted: bool,
    /// Holds doubled quotes, which stand for one.
    pub(super) escaped: bool,
}

impl Field {
    /// The cell's bytes; `scratch` is used where doubled quotes must go.
    pub(super) fn bytes<'a>(&self, record: &'a [u8], scratch: &'a mut Vec<u8>) -> &'a [u8] {
        let raw = &record[self.start..self.end];
        if !self.escaped {
            return raw;
        }
        scratch.clear();
        let mut rest = raw;
        while let Some(at) = rest.iter().position(|c| *c == b'"') {
            scratch.extend_from_slice(&rest[..=at]);
            rest = rest.get(at + 2..).unwrap_or(&[]);
        }
        scratch.extend_from_slice(rest);
        scratch
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineEnd {
    /// Not seen yet.
    Unknown,
    /// LF, or CR and LF.
    Lf,
    /// CR alone.
    Cr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scan {
    /// The record goes on behind the buffer.
    More,
    /// A record of so many bytes, its line end included.
    Record { len: usize, problem: Option<Problem> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Problem {
    /// Text behind a closing quote, at this offset.
    AfterQuote(usize),
    /// A quote that is never closed opened at this offset.
    Unclosed(usize),
}

/// Scans the record at the start of `bytes`; `eof` says that nothing follows them.
pub(super) fn scan(bytes: &[u8], eof: bool, delimiter: u8, line_end: &mut LineEnd, fields: &mut Vec<Field>) -> Scan {
    fields.clear();
    let mut problem = None;
    let mut at = 0;
    loop {
        // At the start of a cell.
        let mut quoted = None;
        if bytes.get(at) == Some(&b'"') {
            match quoted_cell(bytes, at, eof) {
                Quoted::More => return Scan::More,
                Quoted::Unclosed => {
                    fields.push(Field { start: at + 1, end: bytes.len(), quoted: true, escaped: false });
                    return Scan::Record { len: bytes.len(), problem: Some(Problem::Unclosed(at)) };
                }
                Quoted::Closed { end, escaped } => {
                    quoted = Some(Field { start: at + 1, end, quoted: true, escaped });
                    at = end + 1;
                }
            }
        }
        let from = at;
        let end = loop {
            let Some(offset) = bytes[at..].iter().position(|&c| c == delimiter || c == b'\n' || c == b'\r') else {
                if !eof {
                    return Scan::More;
                }
                at = bytes.len();
                break at;
            };
            at += offset;
            if bytes[at] != b'\r' {
                break at;
            }
            match (bytes.get(at + 1), *line_end) {
                (None, _) if !eof => return Scan::More,
                (_, LineEnd::Cr) | (Some(b'\n') | None, _) => break at,
                (Some(_), LineEnd::Unknown) => {
                    *line_end = LineEnd::Cr;
                    break at;
                }
                (Some(_), LineEnd::Lf) => at += 1,
            }
        };
        match quoted {
            Some(field) => {
                if end != from && problem.is_none() {
                    problem = Some(Problem::AfterQuote(from));
                }
                fields.push(field);
            }
            None => fields.push(Field { start: from, end, quoted: false, escaped: false }),
        }
        let Some(&stop) = bytes.get(at) else {
            return Scan::Record { len: at, problem };
        };
        at += 1;
        if stop == delimiter {
            continue;
        }
        if stop == b'\r' && *line_end != LineEnd::Cr && bytes.get(at) == Some(&b'\n') {
            at += 1;
        }
        if *line_end == LineEnd::Unknown {
            *line_end = LineEnd::Lf;
        }
        return Scan::Record { len: at, problem };
    }
}

enum Quoted {
    More,
    Unclosed,
    /// `end` is where the closing quote is.
    Closed {
        end: usize,
        escaped: bool,
    },
}

fn quoted_cell(bytes: &[u8], open: usize, eof: bool) -> Quoted {
    let mut escaped = false;
    let mut at = open + 1;
    loop {
        let Some(offset) = memchr::memchr(b'"', &bytes[at..]) else {
            return if eof { Quoted::Unclosed } else { Quoted::More };
        };
        at += offset;
        match bytes.get(at + 1) {
            Some(b'"') => {
                escaped = true;
                at += 2;
            }
            None if !eof => return Quoted::More,
            _ => return Quoted::Closed { end: at, escaped },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &str) -> Vec<Vec<String>> {
        let mut rest = text.as_bytes();
        let mut line_end = LineEnd::Unknown;
        let (mut fields, mut scratch, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        while !rest.is_empty() {
            // Every cut of the record asks for more, and the whole gives the same as the rest of the file.
            let Scan::Record { len, problem } = scan(rest, true, b',', &mut line_end, &mut fields) else {
                panic!("more at the end")
            };
            assert_eq!(problem, None);
            rows.push(
                fields
                    .iter()
                    .map(|f| String::from_utf8(f.bytes(rest, &mut scratch).to_vec()).expect("utf-8"))
                    .collect(),
            );
            rest = &rest[len..];
        }
        rows
    }

    #[test]
    fn line_ends_and_quotes() {
        assert_eq!(cells("a,b\r\n1,2\r\n"), [["a", "b"], ["1", "2"]]);
        assert_eq!(cells("a,b\r1,2\r3,4"), [["a", "b"], ["1", "2"], ["3", "4"]]);
        assert_eq!(cells("a,b\n1\r2,3\n"), [["a", "b"], ["1\r2", "3"]]);
        assert_eq!(cells("\"a\",\"b \"\"x\"\"\n,\"\n,y\n"), [["a", "b \"x\"\n,"], ["", "y"]]);
        assert_eq!(cells("a\"b,c\"\n"), [["a\"b", "c\""]]);
        assert_eq!(cells("a,\n"), [["a", ""]]);
    }

    #[test]
    fn problems() {
        let mut fields = Vec::new();
        assert_eq!(
            scan(b"\"a\"x,b\n", true, b',', &mut LineEnd::Lf, &mut fields),
            Scan::Record { len: 7, problem: Some(Problem::AfterQuote(3)) }
        );
        assert_eq!(
            scan(b"1,\"a\nb", true, b',', &mut LineEnd::Lf, &mut fields),
            Scan::Record { len: 6, problem: Some(Problem::Unclosed(2)) }
        );
        assert_eq!(scan(b"1,\"a\nb", false, b',', &mut LineEnd::Lf, &mut fields), Scan::More);
        assert_eq!(scan(b"1,\"a\"", false, b',', &mut LineEnd::Lf, &mut fields), Scan::More);
        assert_eq!(scan(b"1,2\r", false, b',', &mut LineEnd::Lf, &mut fields), Scan::More);
    }
}
