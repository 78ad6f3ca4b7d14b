//! Raw FLOAT and DOUBLE values of one block.
//!
//! Most "floating" columns are decimal (prices, distances): a block whose values are all
//! `integer / 10^e`, bit for bit, is stored as packed integers. Values that are not (NaN, the
//! -inf of a null row, true binary fractions) become exceptions while they are few.

use std::ops::Range;

use super::packed::{GROUP, Packed, bits_for, pack, packed_bytes};
use super::{Encoding, PageHeader, SECTIONS};
use crate::buffer;
use crate::error::{Error, Result};
use crate::value::normalize_f64;

/// Largest decimal exponent that is tried.
const MAX_EXPONENT: u8 = 14;
/// Integers up to this magnitude are exact in a DOUBLE.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

const POWERS: [f64; MAX_EXPONENT as usize + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14];

/// Numbers of a page. FLOAT columns are widened: every value is exactly an `f32`.
#[derive(Debug, Clone, Copy)]
pub enum FloatPage<'a> {
    /// Every value is this one.
    Constant {
        /// The value.
        value: f64,
        /// Number of values.
        len: usize,
    },
    /// FLOAT values as they are.
    Raw32(&'a [f32]),
    /// DOUBLE values as they are.
    Raw64(&'a [f64]),
    /// Integers over a power of ten.
    Decimal(DecimalPage<'a>),
}

/// value = (base + packed) / 10^exponent, rounded to `f32` for FLOAT columns, except at the
/// exception rows.
#[derive(Debug, Clone, Copy)]
pub struct DecimalPage<'a> {
    base: i64,
    exponent: u8,
    single: bool,
    packed: Packed<'a>,
    rows: &'a [u32],
    values: &'a [u64],
}

impl<'a> DecimalPage<'a> {
    /// Smallest integer of the page.
    pub const fn base(&self) -> i64 {
        self.base
    }

    /// Decimal exponent: values are integers divided by `10^exponent`.
    pub const fn exponent(&self) -> u8 {
        self.exponent
    }

    /// Differences of the integers to the base; 0 at exceptions.
    pub const fn packed(&self) -> Packed<'a> {
        self.packed
    }

    /// Value numbers that are exceptions, ascending.
    pub const fn exceptions(&self) -> &'a [u32] {
        self.rows
    }

    fn value(&self, difference: u64) -> f64 {
        decimal_value(self.base.wrapping_add(difference as i64), self.exponent, self.single)
    }
}

#[inline]
fn decimal_value(integer: i64, exponent: u8, single: bool) -> f64 {
    let v = integer as f64 / POWERS[exponent as usize];
    if single { f64::from(v as f32) } else { v }
}

/// The integer of a value at an exponent, when it gives the value back bit for bit.
#[inline]
fn integer_of(v: f64, exponent: u8, single: bool) -> Option<i64> {
    let scaled = (v * POWERS[exponent as usize]).round();
    if scaled.is_nan() || scaled.abs() >= MAX_EXACT {
        return None;
    }
    let integer = scaled as i64;
    (decimal_value(integer, exponent, single).to_bits() == v.to_bits()).then_some(integer)
}

impl<'a> FloatPage<'a> {
    pub(crate) fn parse(header: &PageHeader, sections: [&'a [u8]; SECTIONS], single: bool) -> Result<Self> {
        let len = header.values as usize;
        let page = match header.encoding {
            Encoding::FloatConstant => Self::Constant { value: f64::from_bits(header.base), len },
            Encoding::FloatRaw if single => Self::Raw32(buffer::cast(sections[1])?),
            Encoding::FloatRaw => Self::Raw64(buffer::cast(sections[1])?),
            Encoding::FloatDecimal => {
                if header.param > MAX_EXPONENT {
                    return Err(Error::corrupt(format!("decimal exponent {}", header.param)));
                }
                let packed = Packed::new(header.width, len, sections[1])?;
                // Section 2: rows as u32, padded to 8 bytes, then values as u64.
                let n = section_exceptions(sections[2])?;
                let (rows, values) = sections[2].split_at((n * 4).next_multiple_of(8));
                let (rows, values) = (buffer::cast::<u32>(&rows[..n * 4])?, buffer::cast::<u64>(values)?);
                if rows.windows(2).any(|w| w[0] >= w[1]) || rows.last().is_some_and(|r| *r as usize >= len) {
                    return Err(Error::corrupt("exception rows do not ascend below the number of values"));
                }
                Self::Decimal(DecimalPage {
                    base: header.base as i64,
                    exponent: header.param,
                    single,
                    packed,
                    rows,
                    values,
                })
            }
            other => return Err(Error::corrupt(format!("{} is no encoding of numbers", other.name()))),
        };
        if page.len() != len {
            return Err(Error::corrupt(format!("{} numbers where {len} should be", page.len())));
        }
        Ok(page)
    }

    /// Number of values.
    pub const fn len(&self) -> usize {
        match self {
            Self::Constant { len, .. } => *len,
            Self::Raw32(v) => v.len(),
            Self::Raw64(v) => v.len(),
            Self::Decimal(d) => d.packed.len(),
        }
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One value.
    ///
    /// # Panics
    /// When `i >= len`.
    pub fn get(&self, i: usize) -> f64 {
        match self {
            Self::Constant { value, len } => {
                assert!(i < *len, "value {i} of {len}");
                *value
            }
            Self::Raw32(v) => f64::from(v[i]),
            Self::Raw64(v) => v[i],
            Self::Decimal(d) => match d.rows.binary_search(&(i as u32)) {
                Ok(k) => f64::from_bits(d.values[k]),
                Err(_) => d.value(d.packed.get(i)),
            },
        }
    }

    /// Values `range` into `out`, whose length must be that of the range.
    ///
    /// # Panics
    /// When the range is past the end or the lengths differ.
    pub fn decode(&self, range: Range<usize>, out: &mut [f64]) {
        assert_eq!(range.len(), out.len());
        assert!(range.end <= self.len(), "values {range:?} of {}", self.len());
        match self {
            Self::Constant { value, .. } => out.fill(*value),
            Self::Raw32(v) => out.iter_mut().zip(&v[range]).for_each(|(o, v)| *o = f64::from(*v)),
            Self::Raw64(v) => out.copy_from_slice(&v[range]),
            Self::Decimal(d) => {
                let mut buf = [0; GROUP];
                let mut at = range.start;
                while at < range.end {
                    let n = (range.end - at).min(GROUP);
                    d.packed.decode_u64(at..at + n, &mut buf[..n]);
                    let o = &mut out[at - range.start..at - range.start + n];
                    o.iter_mut().zip(&buf).for_each(|(o, v)| *o = d.value(*v));
                    at += n;
                }
                let first = d.rows.partition_point(|r| (*r as usize) < range.start);
                for (row, bits) in d.rows[first..].iter().zip(&d.values[first..]) {
                    if *row as usize >= range.end {
                        break;
                    }
                    out[*row as usize - range.start] = f64::from_bits(*bits);
                }
            }
        }
    }

    /// Fails when a value is not normalized, not of the column's precision, or padding is not zero.
    pub(crate) fn check(&self, single: bool) -> Result<()> {
        if let Self::Decimal(d) = self
            && !d.packed.padding_is_zero()
        {
            return Err(Error::corrupt("padding of packed numbers is not zero"));
        }
        let mut buf = [0.0; GROUP];
        let mut at = 0;
        while at < self.len() {
            let n = (self.len() - at).min(GROUP);
            self.decode(at..at + n, &mut buf[..n]);
            for v in &buf[..n] {
                let ok =
                    normalize_f64(*v).to_bits() == v.to_bits() && (!single || v.is_nan() || f64::from(*v as f32) == *v);
                if !ok {
                    return Err(Error::corrupt(format!("number with bits {:016x} is not in stored form", v.to_bits())));
                }
            }
            at += n;
        }
        Ok(())
    }
}

/// Exceptions in a section of `4n` bytes padded to 8 and `8n` bytes.
fn section_exceptions(section: &[u8]) -> Result<usize> {
    let len = section.len();
    // n even: 12n bytes; n odd: 12n + 4.
    let n = len / 12;
    let need = (n * 4).next_multiple_of(8) + n * 8;
    if need == len { Ok(n) } else { Err(Error::corrupt(format!("{len} bytes hold no whole number of exceptions"))) }
}

enum Plan {
    Constant(f64),
    Raw,
    Decimal { exponent: u8, base: i64, width: u8, integers: Vec<Option<i64>>, bytes: usize },
}

fn plan(values: &[f64], single: bool) -> Plan {
    let Some(first) = values.first() else { return Plan::Constant(0.0) };
    if values.iter().all(|v| v.to_bits() == first.to_bits()) {
        return Plan::Constant(*first);
    }
    // The exponent that fits most of a sample decides.
    let step = values.len().div_ceil(512).max(1);
    let sample: Vec<f64> = values.iter().copied().step_by(step).collect();
    let mut best = (0, 0);
    for exponent in 0..=MAX_EXPONENT {
        let hits = sample.iter().filter(|v| integer_of(**v, exponent, single).is_some()).count();
        if hits > best.0 {
            best = (hits, exponent);
        }
    }
    if best.0 * 16 < sample.len() * 15 {
        return Plan::Raw;
    }
    let exponent = best.1;
    let integers: Vec<Option<i64>> = values.iter().map(|v| integer_of(*v, exponent, single)).collect();
    let (mut min, mut max, mut exceptions) = (i64::MAX, i64::MIN, 0);
    for i in &integers {
        match i {
            Some(i) => (min, max) = (min.min(*i), max.max(*i)),
            None => exceptions += 1,
        }
    }
    if min > max {
        return Plan::Raw;
    }
    let width = bits_for((max - min) as u64);
    let bytes = packed_bytes(width, values.len()) + exceptions * 12 + 4;
    if bytes >= raw_bytes(values.len(), single) {
        return Plan::Raw;
    }
    Plan::Decimal { exponent, base: min, width, integers, bytes }
}

const fn raw_bytes(values: usize, single: bool) -> usize {
    values * if single { 4 } else { 8 }
}

/// Bytes of the sections that [`encode`] would make.
pub(crate) fn encoded_bytes(values: &[f64], single: bool) -> usize {
    match plan(values, single) {
        Plan::Constant(_) => 0,
        Plan::Raw => raw_bytes(values.len(), single),
        Plan::Decimal { bytes, .. } => bytes,
    }
}

/// Header and sections 1 and 2 of the smallest form of these (normalized) values.
pub(crate) fn encode(values: &[f64], single: bool, rows: u32) -> (PageHeader, Vec<u8>, Vec<u8>) {
    let mut header = PageHeader::new(Encoding::FloatConstant, rows, values.len() as u32);
    let (mut main, mut extra) = (Vec::new(), Vec::new());
    match plan(values, single) {
        Plan::Constant(v) => header.base = v.to_bits(),
        Plan::Raw => {
            header.encoding = Encoding::FloatRaw;
            header.width = if single { 4 } else { 8 };
            main.reserve(raw_bytes(values.len(), single));
            for v in values {
                if single {
                    main.extend_from_slice(&crate::value::normalize_f32(*v as f32).to_le_bytes());
                } else {
                    main.extend_from_slice(&v.to_le_bytes());
                }
            }
        }
        Plan::Decimal { exponent, base, width, integers, .. } => {
            header.encoding = Encoding::FloatDecimal;
            header.width = width;
            header.param = exponent;
            header.base = base as u64;
            pack(values.len(), width, |i| integers[i].map_or(0, |v| (v - base) as u64), &mut main);
            let missing = || integers.iter().enumerate().filter(|(_, v)| v.is_none()).map(|(i, _)| i);
            for row in missing() {
                extra.extend_from_slice(&(row as u32).to_le_bytes());
            }
            buffer::pad(&mut extra, 8);
            for row in missing() {
                extra.extend_from_slice(&values[row].to_bits().to_le_bytes());
            }
        }
    }
    (header, main, extra)
}
