//! Where the lists of a multi-value page end.

use super::packed::{Packed, bits_for, pack};
use crate::error::{Error, Result};

/// Single-value page: no lists.
pub(crate) const NONE: u8 = 0;
/// Every row has the same number of values.
pub(crate) const FIXED: u8 = 1;
/// Packed ends.
pub(crate) const ENDS: u8 = 2;

/// Lists of the rows of a page.
#[derive(Debug, Clone, Copy)]
pub enum ListPage<'a> {
    /// Every row has `len` values.
    Fixed {
        /// Values of a row.
        len: u32,
        /// Number of rows.
        rows: usize,
    },
    /// Value after the last of each row, not descending.
    Ends(Packed<'a>),
}

impl<'a> ListPage<'a> {
    pub(crate) fn parse(mode: u8, param: u32, rows: u32, values: u32, section: &'a [u8]) -> Result<Option<Self>> {
        let rows = rows as usize;
        match mode {
            NONE => Ok(None),
            FIXED => {
                if u64::from(param) * rows as u64 != u64::from(values) {
                    return Err(Error::corrupt(format!("{rows} lists of {param} values, but {values} values")));
                }
                Ok(Some(Self::Fixed { len: param, rows }))
            }
            ENDS => {
                let width = u8::try_from(param).ok().filter(|w| *w <= 32);
                let width = width.ok_or_else(|| Error::corrupt(format!("list ends of {param} bits")))?;
                let ends = Packed::new(width, rows, section)?;
                // Checked here, once, so that ranges are in bounds for whoever reads them.
                let mut last = 0;
                let mut buf = [0; 512];
                let mut at = 0;
                while at < rows {
                    let n = (rows - at).min(buf.len());
                    ends.decode_u32(at..at + n, &mut buf[..n]);
                    for end in &buf[..n] {
                        if *end < last {
                            return Err(Error::corrupt("list ends descend"));
                        }
                        last = *end;
                    }
                    at += n;
                }
                if last != values {
                    return Err(Error::corrupt(format!("lists end at value {last} of {values}")));
                }
                Ok(Some(Self::Ends(ends)))
            }
            other => Err(Error::corrupt(format!("unknown list layout {other}"))),
        }
    }

    /// Number of rows.
    pub const fn rows(&self) -> usize {
        match self {
            Self::Fixed { rows, .. } => *rows,
            Self::Ends(p) => p.len(),
        }
    }

    /// Values of a row, as a range of value numbers in the page.
    ///
    /// # Panics
    /// When `row` is past the end.
    pub fn range(&self, row: usize) -> std::ops::Range<usize> {
        match self {
            Self::Fixed { len, rows } => {
                assert!(row < *rows, "row {row} of {rows}");
                let len = *len as usize;
                row * len..(row + 1) * len
            }
            Self::Ends(p) => {
                let start = if row == 0 { 0 } else { p.get(row - 1) as usize };
                start..p.get(row) as usize
            }
        }
    }

    /// `rows + 1` offsets of rows `range` into value numbers of the page.
    ///
    /// # Panics
    /// When the range is past the end.
    pub fn offsets(&self, range: std::ops::Range<usize>, out: &mut Vec<u32>) {
        out.clear();
        assert!(range.end <= self.rows(), "rows {range:?} of {}", self.rows());
        match self {
            Self::Fixed { len, .. } => out.extend((range.start..=range.end).map(|r| r as u32 * len)),
            Self::Ends(p) => {
                out.push(if range.start == 0 { 0 } else { p.get(range.start - 1) as u32 });
                out.resize(range.len() + 1, 0);
                p.decode_u32(range, &mut out[1..]);
            }
        }
    }

    pub(crate) fn padding_is_zero(&self) -> bool {
        match self {
            Self::Fixed { .. } => true,
            Self::Ends(p) => p.padding_is_zero(),
        }
    }
}

/// Layout, parameter and section for `offsets` (rows + 1, any base).
pub(crate) fn encode(offsets: &[u32]) -> (u8, u32, Vec<u8>) {
    let base = offsets.first().copied().unwrap_or(0);
    let first = offsets.get(1).map_or(0, |e| e - base);
    if offsets.windows(2).all(|w| w[1] - w[0] == first) {
        return (FIXED, first, Vec::new());
    }
    let total = offsets.last().map_or(0, |e| e - base);
    let width = bits_for(u64::from(total));
    let mut out = Vec::new();
    pack(offsets.len() - 1, width, |i| u64::from(offsets[i + 1] - base), &mut out);
    (ENDS, u32::from(width), out)
}
