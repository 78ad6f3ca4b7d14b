//! Dictionary ids of one block.

use std::ops::Range;

use super::packed::{Packed, id_width, pack, packed_bytes};
use super::runs::{self, Runs};
use super::{Encoding, PageHeader, SECTIONS};
use crate::error::{Error, Result};

/// Ids of a page, in one of three forms. Ids come from outside: whoever uses one as an index
/// checks it against the dictionary, or asks [`IdPage::check`] once when the page arrives.
#[derive(Debug, Clone, Copy)]
pub enum IdPage<'a> {
    /// Every value has this id.
    Constant {
        /// The id.
        id: u32,
        /// Number of values.
        len: usize,
    },
    /// Packed ids.
    Packed(Packed<'a>),
    /// Runs of equal ids.
    Runs(Runs<'a>),
}

impl<'a> IdPage<'a> {
    pub(crate) fn parse(header: &PageHeader, sections: [&'a [u8]; SECTIONS]) -> Result<Self> {
        let len = header.values as usize;
        Ok(match header.encoding {
            Encoding::IdsConstant => {
                let id = u32::try_from(header.base)
                    .map_err(|_| Error::corrupt(format!("constant id {} does not fit 32 bits", header.base)))?;
                Self::Constant { id, len }
            }
            Encoding::IdsPacked if header.width > 32 => {
                return Err(Error::corrupt(format!("ids of {} bits", header.width)));
            }
            Encoding::IdsPacked => Self::Packed(Packed::new(header.width, len, sections[1])?),
            Encoding::IdsRuns => Self::Runs(Runs::parse(sections[1], sections[2], len)?),
            other => return Err(Error::corrupt(format!("{} is no encoding of ids", other.name()))),
        })
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::Constant { len, .. } => *len,
            Self::Packed(p) => p.len(),
            Self::Runs(r) => r.ends().last().map_or(0, |e| *e as usize),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Id of one value.
    ///
    /// # Panics
    /// When `i >= len`.
    pub fn get(&self, i: usize) -> u32 {
        match self {
            Self::Constant { id, len } => {
                assert!(i < *len, "value {i} of {len}");
                *id
            }
            Self::Packed(p) => p.get(i) as u32,
            Self::Runs(r) => r.ids()[r.run_of(i)],
        }
    }

    /// Ids of values `range` into `out`, whose length must be that of the range.
    ///
    /// # Panics
    /// When the range is past the end or the lengths differ.
    pub fn decode(&self, range: Range<usize>, out: &mut [u32]) {
        assert_eq!(range.len(), out.len());
        assert!(range.end <= self.len(), "values {range:?} of {}", self.len());
        match self {
            Self::Constant { id, .. } => out.fill(*id),
            Self::Packed(p) => p.decode_u32(range, out),
            Self::Runs(r) => {
                let mut run = r.run_of(range.start);
                let mut at = range.start;
                while at < range.end {
                    let end = (r.ends()[run] as usize).min(range.end);
                    out[at - range.start..end - range.start].fill(r.ids()[run]);
                    at = end;
                    run += 1;
                }
            }
        }
    }

    /// Fails when an id is not below `cardinality` or the padding is not zero: the check for
    /// pages that arrive.
    ///
    /// # Errors
    /// [`Error::Corrupt`].
    pub fn check(&self, cardinality: u32) -> Result<()> {
        let bad = |id: u32| Err(Error::corrupt(format!("id {id} in a dictionary of {cardinality} entries")));
        match self {
            Self::Constant { id, len } if *len > 0 && *id >= cardinality => bad(*id),
            Self::Constant { .. } => Ok(()),
            Self::Packed(p) => {
                if !p.padding_is_zero() {
                    return Err(Error::corrupt("padding of packed ids is not zero"));
                }
                // A width that cannot exceed the dictionary needs no pass over the values.
                if p.mask() < u64::from(cardinality) {
                    return Ok(());
                }
                let mut buf = [0; 512];
                let mut at = 0;
                while at < p.len() {
                    let n = (p.len() - at).min(buf.len());
                    p.decode_u32(at..at + n, &mut buf[..n]);
                    let max = buf[..n].iter().copied().max().unwrap_or(0);
                    if max >= cardinality {
                        return bad(max);
                    }
                    at += n;
                }
                Ok(())
            }
            Self::Runs(r) => r.ids().iter().find(|id| **id >= cardinality).map_or(Ok(()), |id| bad(*id)),
        }
    }
}

/// Header and sections 1 and 2 of the smallest form of these ids.
pub(crate) fn encode(ids: &[u32], rows: u32) -> (PageHeader, Vec<u8>, Vec<u8>) {
    let mut header = PageHeader::new(Encoding::IdsConstant, rows, ids.len() as u32);
    let run_count = runs::count(ids);
    if run_count <= 1 {
        header.base = u64::from(ids.first().copied().unwrap_or(0));
        return (header, Vec::new(), Vec::new());
    }
    let width = id_width(ids.iter().copied().max().unwrap_or(0));
    if run_count * 8 < packed_bytes(width, ids.len()) {
        header.encoding = Encoding::IdsRuns;
        let (ends, values) = runs::encode(ids);
        return (header, ends, values);
    }
    header.encoding = Encoding::IdsPacked;
    header.width = width;
    let mut out = Vec::new();
    pack(ids.len(), width, |i| u64::from(ids[i]), &mut out);
    (header, out, Vec::new())
}
