//! Raw integers of one block: INT, LONG, TIMESTAMP, BOOLEAN without a dictionary.

use std::ops::Range;

use super::packed::{GROUP, Packed, bits_for, pack, packed_bytes};
use super::{Encoding, PageHeader, SECTIONS};
use crate::buffer;
use crate::error::{Error, Result};

/// Integers of a page.
#[derive(Debug, Clone, Copy)]
pub enum IntPage<'a> {
    /// Every value is this one.
    Constant {
        /// The value.
        value: i64,
        /// Number of values.
        len: usize,
    },
    /// Frame of reference: value = base + difference (wrapping).
    For {
        /// Smallest value of the page.
        base: i64,
        /// Differences to the base.
        packed: Packed<'a>,
    },
    /// Differences between neighbours.
    Delta(DeltaPage<'a>),
}

/// Value `i` of group `g` = checkpoint `g` + the sum of (min_delta + packed) over the values
/// `1..=i` of the group (wrapping).
#[derive(Debug, Clone, Copy)]
pub struct DeltaPage<'a> {
    min_delta: i64,
    packed: Packed<'a>,
    checkpoints: &'a [i64],
}

impl DeltaPage<'_> {
    fn decode_group(&self, g: usize, out: &mut [i64; GROUP]) -> usize {
        let n = (self.packed.len() - g * GROUP).min(GROUP);
        let mut deltas = [0; GROUP];
        self.packed.decode_u64(g * GROUP..g * GROUP + n, &mut deltas[..n]);
        let mut v = self.checkpoints[g];
        out[0] = v;
        for i in 1..n {
            v = v.wrapping_add(self.min_delta).wrapping_add(deltas[i] as i64);
            out[i] = v;
        }
        n
    }
}

impl<'a> IntPage<'a> {
    pub(crate) fn parse(header: &PageHeader, sections: [&'a [u8]; SECTIONS]) -> Result<Self> {
        let len = header.values as usize;
        let base = header.base as i64;
        Ok(match header.encoding {
            Encoding::IntConstant => Self::Constant { value: base, len },
            Encoding::IntFor => Self::For { base, packed: Packed::new(header.width, len, sections[1])? },
            Encoding::IntDelta => {
                let packed = Packed::new(header.width, len, sections[1])?;
                let checkpoints = buffer::cast::<i64>(sections[2])?;
                if checkpoints.len() != len.div_ceil(GROUP) {
                    return Err(Error::corrupt(format!("{} delta checkpoints for {len} values", checkpoints.len())));
                }
                Self::Delta(DeltaPage { min_delta: base, packed, checkpoints })
            }
            other => return Err(Error::corrupt(format!("{} is no encoding of integers", other.name()))),
        })
    }

    /// Number of values.
    pub const fn len(&self) -> usize {
        match self {
            Self::Constant { len, .. } => *len,
            Self::For { packed, .. } => packed.len(),
            Self::Delta(d) => d.packed.len(),
        }
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One value: O(1), or O(512) for deltas.
    ///
    /// # Panics
    /// When `i >= len`.
    pub fn get(&self, i: usize) -> i64 {
        match self {
            Self::Constant { value, len } => {
                assert!(i < *len, "value {i} of {len}");
                *value
            }
            Self::For { base, packed } => base.wrapping_add(packed.get(i) as i64),
            Self::Delta(d) => {
                assert!(i < d.packed.len(), "value {i} of {}", d.packed.len());
                let mut group = [0; GROUP];
                d.decode_group(i / GROUP, &mut group);
                group[i % GROUP]
            }
        }
    }

    /// Values `range` into `out`, whose length must be that of the range.
    ///
    /// # Panics
    /// When the range is past the end or the lengths differ.
    pub fn decode(&self, range: Range<usize>, out: &mut [i64]) {
        assert_eq!(range.len(), out.len());
        assert!(range.end <= self.len(), "values {range:?} of {}", self.len());
        match self {
            Self::Constant { value, .. } => out.fill(*value),
            Self::For { base, packed } => {
                packed.decode_u64(range, bytemuck::cast_slice_mut(out));
                for v in out {
                    *v = v.wrapping_add(*base);
                }
            }
            Self::Delta(d) => {
                let mut group = [0; GROUP];
                let mut at = range.start;
                while at < range.end {
                    let first = at / GROUP * GROUP;
                    let n = d.decode_group(at / GROUP, &mut group);
                    let end = (first + n).min(range.end);
                    out[at - range.start..end - range.start].copy_from_slice(&group[at - first..end - first]);
                    at = end;
                }
            }
        }
    }

    /// Fails when a value is outside `min..=max` (the column's type) or padding is not zero.
    pub(crate) fn check(&self, min: i64, max: i64) -> Result<()> {
        match self {
            Self::For { packed, .. } | Self::Delta(DeltaPage { packed, .. }) if !packed.padding_is_zero() => {
                return Err(Error::corrupt("padding of packed integers is not zero"));
            }
            _ => {}
        }
        if (min, max) == (i64::MIN, i64::MAX) {
            return Ok(());
        }
        let mut buf = [0; GROUP];
        let mut at = 0;
        while at < self.len() {
            let n = (self.len() - at).min(GROUP);
            self.decode(at..at + n, &mut buf[..n]);
            if let Some(v) = buf[..n].iter().find(|v| !(min..=max).contains(*v)) {
                return Err(Error::corrupt(format!("value {v} is outside {min}..={max}")));
            }
            at += n;
        }
        Ok(())
    }
}

/// The form that takes fewest bytes.
struct Plan {
    encoding: Encoding,
    width: u8,
    base: i64,
    bytes: usize,
}

fn plan(values: &[i64]) -> Plan {
    let (Some(min), Some(max)) = (values.iter().copied().min(), values.iter().copied().max()) else {
        return Plan { encoding: Encoding::IntConstant, width: 0, base: 0, bytes: 0 };
    };
    if min == max {
        return Plan { encoding: Encoding::IntConstant, width: 0, base: min, bytes: 0 };
    }
    let width = bits_for(max.wrapping_sub(min) as u64);
    let frame = Plan { encoding: Encoding::IntFor, width, base: min, bytes: packed_bytes(width, values.len()) };
    // Differences that overflow i64 are left to the frame of reference.
    let mut delta_range: Option<(i64, i64)> = None;
    for w in values.windows(2) {
        let Some(d) = w[1].checked_sub(w[0]) else { return frame };
        delta_range = Some(delta_range.map_or((d, d), |(a, b)| (a.min(d), b.max(d))));
    }
    let Some((low, high)) = delta_range else { return frame };
    let width = bits_for(high.wrapping_sub(low) as u64);
    let bytes = packed_bytes(width, values.len()) + values.len().div_ceil(GROUP) * 8;
    // A delta page reads slower and one value costs O(512), so it must save a quarter.
    if bytes < frame.bytes / 4 * 3 { Plan { encoding: Encoding::IntDelta, width, base: low, bytes } } else { frame }
}

/// Bytes of the sections that [`encode`] would make.
pub(crate) fn encoded_bytes(values: &[i64]) -> usize {
    plan(values).bytes
}

/// Header and sections 1 and 2 of the smallest form of these values.
pub(crate) fn encode(values: &[i64], rows: u32) -> (PageHeader, Vec<u8>, Vec<u8>) {
    let p = plan(values);
    let mut header = PageHeader::new(p.encoding, rows, values.len() as u32);
    header.width = p.width;
    header.base = p.base as u64;
    let (mut packed, mut checkpoints) = (Vec::new(), Vec::new());
    match p.encoding {
        Encoding::IntFor => {
            pack(values.len(), p.width, |i| values[i].wrapping_sub(p.base) as u64, &mut packed);
        }
        Encoding::IntDelta => {
            let delta = |i: usize| {
                if i.is_multiple_of(GROUP) {
                    0
                } else {
                    values[i].wrapping_sub(values[i - 1]).wrapping_sub(p.base) as u64
                }
            };
            pack(values.len(), p.width, delta, &mut packed);
            for v in values.iter().step_by(GROUP) {
                checkpoints.extend_from_slice(&v.to_le_bytes());
            }
        }
        _ => {}
    }
    (header, packed, checkpoints)
}
