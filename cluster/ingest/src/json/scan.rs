//! Finds JSON values in a buffer, without building them.

use crate::batch::CellKind;

/// Nesting of one value at most.
pub(super) const DEPTH_MAX: usize = 512;

/// What is wrong, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) offset: usize,
    pub(super) reason: &'static str,
    /// The buffer ended inside the value: more bytes may cure it.
    pub(super) ended: bool,
}

/// A value found: what it is and where its bytes are (a string's without its quotes).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) kind: CellKind,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) escaped: bool,
}

impl Cell {
    pub(super) fn bytes<'a>(&self, text: &'a [u8], scratch: &'a mut Vec<u8>) -> Result<&'a [u8], Fault> {
        if !self.escaped {
            return Ok(&text[self.start..self.end]);
        }
        scratch.clear();
        unescape(text, self.start, self.end, scratch)?;
        Ok(scratch)
    }
}

pub(super) struct Scanner<'a> {
    pub(super) text: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    #[inline]
    pub(super) fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn fault<T>(&self, reason: &'static str) -> Result<T, Fault> {
        Err(Fault { offset: self.at, reason, ended: self.at >= self.text.len() })
    }

    pub(super) fn expect(&mut self, byte: u8) -> Result<(), Fault> {
        if self.peek() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        self.fault(match byte {
            b'[' => "expected '['",
            b'{' => "expected '{'",
            b':' => "expected ':' after a key",
            _ => "expected a quoted key",
        })
    }

    /// A string, from its opening quote.
    pub(super) fn string(&mut self) -> Result<Cell, Fault> {
        self.expect(b'"')?;
        let start = self.at;
        let mut escaped = false;
        loop {
            let rest = &self.text[self.at..];
            let Some(offset) = rest.iter().position(|&c| c == b'"' || c == b'\\' || c < 0x20) else {
                self.at = self.text.len();
                return self.fault("a string is not closed");
            };
            self.at += offset;
            match self.text[self.at] {
                b'"' => {
                    let end = self.at;
                    self.at += 1;
                    return Ok(Cell { kind: CellKind::Text, start, end, escaped });
                }
                b'\\' => {
                    escaped = true;
                    if self.at + 2 > self.text.len() {
                        self.at = self.text.len();
                        return self.fault("a string is not closed");
                    }
                    if !matches!(self.text[self.at + 1], b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' | b'u')
                    {
                        return self.fault("unknown escape in a string");
                    }
                    self.at += 2;
                }
                _ => return self.fault("a line end or control character inside a string"),
            }
        }
    }

    fn number(&mut self) -> Result<Cell, Fault> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let whole = self.digits();
        if whole == 0 {
            return self.fault("not a JSON value");
        }
        if whole > 1 && self.text[self.at - whole] == b'0' {
            self.at = start;
            return self.fault("a number cannot begin with 0");
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return self.fault("a number has no digit behind its point");
            }
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            if self.digits() == 0 {
                return self.fault("a number has no digit in its exponent");
            }
        }
        Ok(Cell { kind: CellKind::Number, start, end: self.at, escaped: false })
    }

    fn digits(&mut self) -> usize {
        let n = self.text[self.at..].iter().take_while(|c| c.is_ascii_digit()).count();
        self.at += n;
        n
    }

    fn literal(&mut self, word: &'static [u8], kind: CellKind) -> Result<Cell, Fault> {
        let rest = &self.text[self.at..];
        if rest.starts_with(word) {
            let start = self.at;
            self.at += word.len();
            return Ok(Cell { kind, start, end: self.at, escaped: false });
        }
        if word.starts_with(rest) {
            self.at = self.text.len();
        }
        self.fault("not a JSON value")
    }

    /// The value here, whatever it is.
    pub(super) fn cell(&mut self) -> Result<Cell, Fault> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal(b"true", CellKind::True),
            Some(b'f') => self.literal(b"false", CellKind::False),
            Some(b'n') => self.literal(b"null", CellKind::Null),
            Some(b'[' | b'{') => self.nested(),
            Some(_) => self.fault("not a JSON value"),
            None => self.fault("the text ends where a value is expected"),
        }
    }

    pub(super) fn skip_value(&mut self) -> Result<(), Fault> {
        self.cell().map(drop)
    }

    /// An object or array: checked to its end, without recursion.
    fn nested(&mut self) -> Result<Cell, Fault> {
        let start = self.at;
        let mut kind = if self.text[self.at] == b'[' { CellKind::List } else { CellKind::Json };
        let mut open: Vec<u8> = Vec::new();
        loop {
            // At the start of a value.
            self.skip_space();
            match self.peek() {
                Some(c @ (b'[' | b'{')) => {
                    if open.len() >= DEPTH_MAX {
                        return Err(Fault {
                            offset: self.at,
                            reason: "values are nested deeper than 512 levels",
                            ended: false,
                        });
                    }
                    if !open.is_empty() {
                        kind = CellKind::Json;
                    }
                    open.push(c);
                    self.at += 1;
                    self.skip_space();
                    if self.peek() == Some(closing(c)) {
                        // Closed below.
                    } else if c == b'{' {
                        self.key()?;
                        continue;
                    } else {
                        continue;
                    }
                }
                _ => {
                    let cell = self.cell()?;
                    self.check_escapes(&cell)?;
                }
            }
            // Behind a value, or before the end of an empty one.
            loop {
                self.skip_space();
                let Some(&c) = open.last() else {
                    return Ok(Cell { kind, start, end: self.at, escaped: false });
                };
                match self.peek() {
                    Some(b',') => {
                        self.at += 1;
                        self.skip_space();
                        if c == b'{' {
                            self.key()?;
                        }
                        break;
                    }
                    Some(end) if end == closing(c) => {
                        self.at += 1;
                        open.pop();
                        if open.is_empty() {
                            return Ok(Cell { kind, start, end: self.at, escaped: false });
                        }
                    }
                    _ if c == b'{' => return self.fault("expected ',' or '}' in an object"),
                    _ => return self.fault("expected ',' or ']' in an array"),
                }
            }
        }
    }

    /// A key and its colon.
    pub(super) fn key(&mut self) -> Result<Cell, Fault> {
        let key = self.string()?;
        self.check_escapes(&key)?;
        self.skip_space();
        self.expect(b':')?;
        Ok(key)
    }

    fn check_escapes(&self, cell: &Cell) -> Result<(), Fault> {
        if cell.escaped && cell.kind == CellKind::Text {
            unescape(self.text, cell.start, cell.end, &mut Vec::new())
        } else {
            Ok(())
        }
    }
}

fn closing(open: u8) -> u8 {
    if open == b'[' { b']' } else { b'}' }
}

fn hex4(text: &[u8], at: usize, end: usize) -> Result<u32, Fault> {
    let fault = Fault { offset: at, reason: "a \\u escape needs four hexadecimal digits", ended: false };
    let digits = text.get(at..at + 4).filter(|_| at + 4 <= end).ok_or(fault)?;
    digits.iter().try_fold(0, |v, c| (*c as char).to_digit(16).map(|d| v * 16 + d).ok_or(fault))
}

/// Resolves the escapes of `text[start..end]`.
fn unescape(text: &[u8], start: usize, end: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
    let mut at = start;
    while at < end {
        let plain = memchr::memchr(b'\\', &text[at..end]).unwrap_or(end - at);
        out.extend_from_slice(&text[at..at + plain]);
        at += plain;
        if at >= end {
            break;
        }
        let escape = at;
        at += 2;
        out.push(match text[escape + 1] {
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let mut code = hex4(text, at, end)?;
                at += 4;
                if (0xD800..0xDC00).contains(&code) && text.get(at..at + 2) == Some(b"\\u") && at + 2 < end {
                    let low = hex4(text, at + 2, end)?;
                    if (0xDC00..0xE000).contains(&low) {
                        code = 0x1_0000 + ((code - 0xD800) << 10) + (low - 0xDC00);
                        at += 6;
                    }
                }
                let Some(c) = char::from_u32(code) else {
                    return Err(Fault { offset: escape, reason: "half of a surrogate pair in a string", ended: false });
                };
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            other => other,
        });
    }
    Ok(())
}
