//! What kinds of values a column was seen to hold, and the type that keeps them all.

use segfmt::DataType;

use crate::batch::{CellKind, TextColumn};
use crate::number::{Look, look, trim};
use crate::timestamp;

/// A set of kinds. Joining is a union, so the order of rows does not matter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen(u16);

const INT: u16 = 1;
const LONG: u16 = 1 << 1;
const WIDE_LONG: u16 = 1 << 2;
const BIG_INTEGER: u16 = 1 << 3;
const FRACTION: u16 = 1 << 4;
const LONG_FRACTION: u16 = 1 << 5;
const BARE_EXPONENT: u16 = 1 << 6;
const SPECIAL: u16 = 1 << 7;
const BOOLEAN: u16 = 1 << 8;
const TIMESTAMP: u16 = 1 << 9;
const FINE_TIMESTAMP: u16 = 1 << 10;
const DATE: u16 = 1 << 11;
const TEXT: u16 = 1 << 12;

const INTEGERS: u16 = INT | LONG | WIDE_LONG | BIG_INTEGER;
const FRACTIONS: u16 = FRACTION | LONG_FRACTION | BARE_EXPONENT | SPECIAL;
const TIMESTAMPS: u16 = TIMESTAMP | FINE_TIMESTAMP;

impl Seen {
    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn number(look: Look) -> u16 {
        match look {
            Look::Int => INT,
            Look::Long => LONG,
            Look::WideLong => WIDE_LONG,
            Look::BigInteger => BIG_INTEGER,
            Look::Fraction => FRACTION,
            Look::LongFraction => LONG_FRACTION,
            Look::BareExponent => BARE_EXPONENT,
            Look::Special => SPECIAL,
            Look::Code | Look::Other => TEXT,
        }
    }

    fn time(bytes: &[u8]) -> u16 {
        match timestamp::timestamp(bytes) {
            Some(t) if t.finer => FINE_TIMESTAMP,
            Some(_) => TIMESTAMP,
            None if timestamp::date(bytes).is_some() => DATE,
            None => TEXT,
        }
    }

    /// Adds all cells of a CSV column.
    pub(crate) fn csv(&mut self, text: &TextColumn) {
        for row in 0..text.len() {
            if self.0 & TEXT != 0 {
                return;
            }
            let (kind, bytes) = text.cell(row);
            if kind == CellKind::Null {
                continue;
            }
            self.0 |= match Self::number(look(bytes)) {
                TEXT => {
                    let b = trim(bytes);
                    if b.eq_ignore_ascii_case(b"true") || b.eq_ignore_ascii_case(b"false") {
                        BOOLEAN
                    } else {
                        Self::time(b)
                    }
                }
                number => number,
            };
        }
    }

    /// Adds a scalar of JSON.
    pub(crate) fn json(&mut self, kind: CellKind, bytes: &[u8]) {
        self.0 |= match kind {
            CellKind::Null => 0,
            CellKind::True | CellKind::False => BOOLEAN,
            // A JSON number is no code, however its exponent is written.
            CellKind::Number => match Self::number(look(bytes)) {
                BARE_EXPONENT => FRACTION,
                number => number,
            },
            CellKind::Text if self.0 & TEXT == 0 => Self::time(bytes),
            CellKind::Text | CellKind::Json | CellKind::List => TEXT,
        };
    }

    /// Timestamps and dates only.
    pub(crate) fn time_like(self) -> bool {
        self.0 != 0 && self.0 & !(TIMESTAMPS | DATE) == 0
    }

    pub(crate) fn data_type(self) -> DataType {
        let s = self.0;
        let only = |set: u16| s != 0 && s & !set == 0;
        if only(BOOLEAN) {
            return DataType::Boolean;
        }
        if only(TIMESTAMP) {
            return DataType::Timestamp;
        }
        if only(INTEGERS) {
            return match s {
                _ if s & BIG_INTEGER != 0 => DataType::BigDecimal,
                INT => DataType::Int,
                _ => DataType::Long,
            };
        }
        if !only(INTEGERS | FRACTIONS) {
            return DataType::String;
        }
        // `12E4` among plain integers is a code as likely as a number.
        if s & FRACTIONS == BARE_EXPONENT && s & INTEGERS != 0 {
            return DataType::String;
        }
        if s & (WIDE_LONG | BIG_INTEGER | LONG_FRACTION) == 0 {
            return DataType::Double;
        }
        // A double would drop digits, and a decimal has no NaN.
        if s & SPECIAL == 0 { DataType::BigDecimal } else { DataType::String }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv(cells: &[&str]) -> DataType {
        let mut text = TextColumn::default();
        cells.iter().for_each(|c| text.push(if c.is_empty() { CellKind::Null } else { CellKind::Text }, c.as_bytes()));
        let mut seen = Seen::default();
        seen.csv(&text);
        seen.data_type()
    }

    #[test]
    fn types_that_lose_nothing() {
        use DataType::{BigDecimal, Boolean, Double, Int, Long, String, Timestamp};
        for (cells, want) in [
            (&["1", "", "-5"][..], Int),
            (&["1", "3000000000"], Long),
            (&["1", "9223372036854775808"], BigDecimal),
            (&["1", "00391"], String),
            (&["0.5", "NaN", "inf", "-Infinity"], Double),
            (&["0.5", "7"], Double),
            (&["0.5", "9007199254740993"], BigDecimal),
            (&["NaN", "9007199254740993"], String),
            (&["0.12345678901234567890"], BigDecimal),
            (&["true", "FALSE"], Boolean),
            (&["true", "1"], String),
            (&["12E4", "13"], String),
            (&["1e5", "0.5"], Double),
            (&["1e5"], Double),
            (&["2024-01-01 00:00:00", "2024-01-01T00:00:00.25Z"], Timestamp),
            (&["2024-01-01 00:00:00", "2024-01-01 00:00:00.123456"], String),
            (&["2024-01-01"], String),
            (&["2024-01-01", "2024-01-01 00:00:00"], String),
            (&["", ""], String),
            (&["+49", "1"], String),
            (&["a", "1"], String),
        ] {
            assert_eq!(csv(cells), want, "{cells:?}");
        }
    }
}
