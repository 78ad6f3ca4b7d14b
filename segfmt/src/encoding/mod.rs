//! Pages: the values of one column in one block.
//!
//! A page is a 64-byte header and up to four sections, each on a 64-byte boundary (SPEC.md,
//! "Pages"). The header says which encoding the values have; an encoding never changes under its
//! number.

pub mod chunks;
pub mod floats;
pub mod ids;
pub mod ints;
pub mod lists;
pub mod packed;
pub mod runs;

use crate::buffer::{self, PAGE_ALIGN};
use crate::error::{Error, Result};

/// How the values of a page are laid out. Numbers belong to edition 1 of SPEC.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Encoding {
    /// One dictionary id for every row.
    IdsConstant = 1,
    /// Packed dictionary ids.
    IdsPacked = 2,
    /// Runs of dictionary ids.
    IdsRuns = 3,
    /// One integer for every row.
    IntConstant = 4,
    /// Frame of reference: a base and packed differences to it.
    IntFor = 5,
    /// Packed differences between neighbours, with a checkpoint every 512 rows.
    IntDelta = 6,
    /// One number for every row.
    FloatConstant = 7,
    /// IEEE 754 numbers as they are.
    FloatRaw = 8,
    /// Integers over a power of ten, with exceptions.
    FloatDecimal = 9,
    /// Chunks of byte strings, compressed or not.
    VarChunks = 10,
}

impl Encoding {
    /// The encoding of that number.
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::IdsConstant,
            2 => Self::IdsPacked,
            3 => Self::IdsRuns,
            4 => Self::IntConstant,
            5 => Self::IntFor,
            6 => Self::IntDelta,
            7 => Self::FloatConstant,
            8 => Self::FloatRaw,
            9 => Self::FloatDecimal,
            10 => Self::VarChunks,
            _ => return None,
        })
    }

    /// Name as in SPEC.md.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IdsConstant => "ids-constant",
            Self::IdsPacked => "ids-packed",
            Self::IdsRuns => "ids-runs",
            Self::IntConstant => "int-constant",
            Self::IntFor => "int-for",
            Self::IntDelta => "int-delta",
            Self::FloatConstant => "float-constant",
            Self::FloatRaw => "float-raw",
            Self::FloatDecimal => "float-decimal",
            Self::VarChunks => "var-chunks",
        }
    }
}

/// Bytes of a page header.
pub const PAGE_HEADER: usize = 64;
/// Sections of a page.
pub(crate) const SECTIONS: usize = 3;

/// The fixed start of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageHeader {
    pub encoding: Encoding,
    /// Bits of packed values; element bytes of `FloatRaw`.
    pub width: u8,
    /// Codec of `VarChunks`, decimal exponent of `FloatDecimal`, else 0.
    pub param: u8,
    /// How the lists of a multi-value page are stored (`lists`), 0 for single-value.
    pub lists: u8,
    pub rows: u32,
    pub values: u32,
    /// Base of a frame of reference, smallest delta, constant.
    pub base: u64,
    /// Used bytes of each section; sections follow each other, each padded to 64 bytes.
    pub sections: [u32; SECTIONS],
    /// Width of packed list ends, values of each list when all are equal.
    pub list_param: u32,
}

impl PageHeader {
    pub fn new(encoding: Encoding, rows: u32, values: u32) -> Self {
        Self { encoding, width: 0, param: 0, lists: 0, rows, values, base: 0, sections: [0; SECTIONS], list_param: 0 }
    }

    fn write(&self) -> [u8; PAGE_HEADER] {
        let mut b = [0; PAGE_HEADER];
        b[0] = self.encoding as u8;
        b[1] = self.width;
        b[2] = self.param;
        b[3] = self.lists;
        b[4..8].copy_from_slice(&self.rows.to_le_bytes());
        b[8..12].copy_from_slice(&self.values.to_le_bytes());
        b[12..16].copy_from_slice(&self.list_param.to_le_bytes());
        b[16..24].copy_from_slice(&self.base.to_le_bytes());
        for (i, len) in self.sections.iter().enumerate() {
            b[24 + 4 * i..28 + 4 * i].copy_from_slice(&len.to_le_bytes());
        }
        b
    }

    fn read(b: &[u8]) -> Result<Self> {
        if b.len() < PAGE_HEADER {
            return Err(Error::truncated("page header", PAGE_HEADER as u64, b.len() as u64));
        }
        let encoding =
            Encoding::from_code(b[0]).ok_or_else(|| Error::corrupt(format!("unknown page encoding {}", b[0])))?;
        if !buffer::all_zero(&b[24 + 4 * SECTIONS..PAGE_HEADER]) {
            return Err(Error::corrupt("reserved bytes of the page header are not zero"));
        }
        Ok(Self {
            encoding,
            width: b[1],
            param: b[2],
            lists: b[3],
            rows: buffer::u32_at(b, 4),
            values: buffer::u32_at(b, 8),
            list_param: buffer::u32_at(b, 12),
            base: buffer::u64_at(b, 16),
            sections: std::array::from_fn(|i| buffer::u32_at(b, 24 + 4 * i)),
        })
    }
}

/// Bytes of a page: header, then the sections.
pub(crate) fn build_page(mut header: PageHeader, sections: [&[u8]; SECTIONS]) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(PAGE_HEADER + sections.iter().map(|s| s.len() + PAGE_ALIGN).sum::<usize>());
    for (len, section) in header.sections.iter_mut().zip(&sections) {
        *len = u32::try_from(section.len())
            .map_err(|_| Error::too_large("a page section", section.len() as u64, u64::from(u32::MAX)))?;
    }
    out.extend_from_slice(&header.write());
    for section in sections {
        out.extend_from_slice(section);
        buffer::pad(&mut out, PAGE_ALIGN);
    }
    Ok(out)
}

/// Splits a page into header and sections. Exactly the bytes of the page must be given.
pub(crate) fn split_page(bytes: &[u8]) -> Result<(PageHeader, [&[u8]; SECTIONS])> {
    buffer::check_aligned(bytes, PAGE_ALIGN)?;
    let header = PageHeader::read(bytes)?;
    let mut sections: [&[u8]; SECTIONS] = [&[]; SECTIONS];
    let mut at = PAGE_HEADER as u64;
    for (section, len) in sections.iter_mut().zip(header.sections) {
        let len = u64::from(len);
        *section = buffer::slice(bytes, at, len, "page section")?;
        let padded = len.next_multiple_of(PAGE_ALIGN as u64);
        if !buffer::all_zero(buffer::slice(bytes, at + len, padded - len, "page padding")?) {
            return Err(Error::corrupt("padding inside a page is not zero"));
        }
        at += padded;
    }
    if at != bytes.len() as u64 {
        return Err(Error::corrupt(format!("a page of {} bytes uses {at}", bytes.len())));
    }
    Ok((header, sections))
}
