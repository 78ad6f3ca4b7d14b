//! Totals of many groups, with the number of values in each: what SUM and AVG share.
//!
//! Integers add up in 128 bits. Doubles carry the rounding error of every addition beside the sum (two-sum), so that the
//! order of rows, the number of shards and their timing do not change what is printed (E-10). Decimals are exact.

use super::rows::{column, each_row, try_each_row};
use crate::error::{Error, Result};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, Decimal128Array, Float64Array, LargeBinaryArray};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType as ArrowType;
use bigdecimal::BigDecimal;
use segfmt::value::normalize_f64;
use std::sync::Arc;

/// The state type of an integer total: 128 bits, scale 0.
pub(crate) const INTEGER_TOTAL: ArrowType = ArrowType::Decimal128(38, 0);

fn overflow() -> Error {
    Error::evaluation("the sum overflows 128 bits")
}

/// Groups without values are NULL.
fn seen(counts: &[i64]) -> Option<NullBuffer> {
    counts.contains(&0).then(|| counts.iter().map(|n| *n != 0).collect::<Vec<bool>>().into())
}

/// The entries of some groups.
pub(crate) fn chosen<T: Copy>(all: &[T], groups: &[u32]) -> Vec<T> {
    groups.iter().map(|g| all[*g as usize]).collect()
}

/// Integer totals.
#[derive(Debug, Default)]
pub struct LongTotals {
    pub(crate) sums: Vec<i128>,
    pub(crate) counts: Vec<i64>,
}

impl LongTotals {
    pub(crate) fn resize(&mut self, groups: usize) {
        self.sums.resize(groups, 0);
        self.counts.resize(groups, 0);
    }

    #[inline]
    pub(crate) fn add_slice<T: Copy + Into<i64>>(&mut self, groups: &[u32], values: &[T]) {
        for (group, value) in groups.iter().zip(values) {
            self.sums[*group as usize] += i128::from((*value).into());
            self.counts[*group as usize] += 1;
        }
    }

    /// A total that a kernel made: `rows` values of one group.
    #[inline]
    pub(crate) fn add_total(&mut self, group: u32, total: i128, rows: u64) {
        self.sums[group as usize] += total;
        self.counts[group as usize] += rows as i64;
    }

    pub(crate) fn update(&mut self, args: &[ArrayRef], groups: &[u32], filter: Option<&BooleanArray>) -> Result<()> {
        match args.first().map(|a| a.data_type()) {
            Some(ArrowType::Int32) => {
                let values = args[0].as_primitive::<Int32Type>().values();
                each_row(groups, filter, args, |row, group| {
                    self.sums[group] += i128::from(values[row]);
                    self.counts[group] += 1;
                });
            }
            Some(ArrowType::Int64) => {
                let values = args[0].as_primitive::<Int64Type>().values();
                each_row(groups, filter, args, |row, group| {
                    self.sums[group] += i128::from(values[row]);
                    self.counts[group] += 1;
                });
            }
            other => return Err(Error::Plan(format!("an integer sum over {other:?}"))),
        }
        Ok(())
    }

    /// Adds totals of `counts(row)` values each.
    pub(crate) fn merge(&mut self, sums: &[ArrayRef], groups: &[u32], counts: impl Fn(usize) -> i64) -> Result<()> {
        let values = column::<Decimal128Array>(sums, 0)?;
        try_each_row(groups, None, &sums[..1], |row, group| {
            self.sums[group] = self.sums[group].checked_add(values.value(row)).ok_or_else(overflow)?;
            self.counts[group] = self.counts[group].checked_add(counts(row)).ok_or_else(overflow)?;
            Ok(())
        })
    }

    pub(crate) fn of(&self, groups: &[u32]) -> LongTotals {
        LongTotals { sums: chosen(&self.sums, groups), counts: chosen(&self.counts, groups) }
    }

    pub(crate) fn state(&self) -> Result<ArrayRef> {
        let array = Decimal128Array::new(self.sums.clone().into(), seen(&self.counts));
        Ok(Arc::new(array.with_precision_and_scale(38, 0).map_err(|e| Error::Plan(e.to_string()))?))
    }

    pub(crate) fn size(&self) -> usize {
        self.sums.capacity() * 16 + self.counts.capacity() * 8
    }
}

/// `a + b` and what rounding lost of it, exactly (Knuth).
#[inline]
pub(crate) fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let b_part = sum - a;
    let error = (a - (sum - b_part)) + (b - b_part);
    (sum, error)
}

/// A running sum and its rounding error.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Compensated {
    pub sum: f64,
    pub error: f64,
}

impl Compensated {
    #[inline]
    pub fn add(&mut self, value: f64) {
        let (sum, error) = two_sum(self.sum, value);
        self.sum = sum;
        self.error += error;
    }

    #[inline]
    pub fn merge(&mut self, other: Compensated) {
        self.add(other.sum);
        self.error += other.error;
    }

    /// How far `value` is above the sum.
    #[inline]
    pub fn distance(self, value: f64) -> f64 {
        (value - self.sum) - self.error
    }

    /// The sum, rounded once. Infinities have no meaningful error: their sum stands, +inf with -inf being NaN.
    pub fn value(self) -> f64 {
        let value = self.sum + self.error;
        normalize_f64(if self.sum.is_finite() && self.error.is_finite() { value } else { self.sum })
    }
}

/// Double totals.
#[derive(Debug, Default)]
pub struct DoubleTotals {
    pub(crate) sums: Vec<Compensated>,
    pub(crate) counts: Vec<i64>,
}

impl DoubleTotals {
    pub(crate) fn resize(&mut self, groups: usize) {
        self.sums.resize(groups, Compensated::default());
        self.counts.resize(groups, 0);
    }

    #[inline]
    pub(crate) fn add_slice(&mut self, groups: &[u32], values: &[f64]) {
        for (group, value) in groups.iter().zip(values) {
            self.sums[*group as usize].add(*value);
            self.counts[*group as usize] += 1;
        }
    }

    #[inline]
    pub(crate) fn add_total(&mut self, group: u32, total: Compensated, rows: u64) {
        self.sums[group as usize].merge(total);
        self.counts[group as usize] += rows as i64;
    }

    pub(crate) fn update(&mut self, args: &[ArrayRef], groups: &[u32], filter: Option<&BooleanArray>) -> Result<()> {
        let values = column::<Float64Array>(args, 0)?.values();
        each_row(groups, filter, args, |row, group| {
            self.sums[group].add(values[row]);
            self.counts[group] += 1;
        });
        Ok(())
    }

    pub(crate) fn merge(&mut self, sums: &[ArrayRef], groups: &[u32], counts: impl Fn(usize) -> i64) -> Result<()> {
        let (values, errors) = (column::<Float64Array>(sums, 0)?, column::<Float64Array>(sums, 1)?);
        try_each_row(groups, None, &sums[..2], |row, group| {
            self.sums[group].merge(Compensated { sum: values.value(row), error: errors.value(row) });
            self.counts[group] = self.counts[group].checked_add(counts(row)).ok_or_else(overflow)?;
            Ok(())
        })
    }

    pub(crate) fn of(&self, groups: &[u32]) -> DoubleTotals {
        DoubleTotals { sums: chosen(&self.sums, groups), counts: chosen(&self.counts, groups) }
    }

    /// `sum`, `error`.
    pub(crate) fn state(&self) -> Vec<ArrayRef> {
        let column = |part: fn(&Compensated) -> f64| -> ArrayRef {
            Arc::new(arrow_array::PrimitiveArray::<Float64Type>::new(
                self.sums.iter().map(part).collect(),
                seen(&self.counts),
            ))
        };
        vec![column(|c| c.sum), column(|c| c.error)]
    }

    pub(crate) fn size(&self) -> usize {
        self.sums.capacity() * 16 + self.counts.capacity() * 8
    }
}

/// Decimal totals.
#[derive(Debug, Default)]
pub struct DecimalTotals {
    pub(crate) sums: Vec<BigDecimal>,
    pub(crate) counts: Vec<i64>,
}

pub(crate) fn decode_decimal(bytes: &[u8]) -> Result<BigDecimal> {
    segfmt::decimal::decode(bytes).map_err(|e| Error::evaluation(e.to_string()))
}

pub(crate) fn encode_decimal(value: &BigDecimal) -> Result<Vec<u8>> {
    segfmt::decimal::encode(value).map_err(|e| Error::evaluation(format!("a sum does not fit BIG_DECIMAL: {e}")))
}

impl DecimalTotals {
    pub(crate) fn resize(&mut self, groups: usize) {
        self.sums.resize_with(groups, BigDecimal::default);
        self.counts.resize(groups, 0);
    }

    pub(crate) fn update(&mut self, args: &[ArrayRef], groups: &[u32], filter: Option<&BooleanArray>) -> Result<()> {
        let values = column::<LargeBinaryArray>(args, 0)?;
        try_each_row(groups, filter, args, |row, group| {
            self.sums[group] += decode_decimal(values.value(row))?;
            self.counts[group] += 1;
            Ok(())
        })
    }

    pub(crate) fn merge(&mut self, sums: &[ArrayRef], groups: &[u32], counts: impl Fn(usize) -> i64) -> Result<()> {
        let values = column::<LargeBinaryArray>(sums, 0)?;
        try_each_row(groups, None, &sums[..1], |row, group| {
            self.sums[group] += decode_decimal(values.value(row))?;
            self.counts[group] = self.counts[group].checked_add(counts(row)).ok_or_else(overflow)?;
            Ok(())
        })
    }

    /// Canonical bytes of `change` of each sum; NULL without values.
    pub(crate) fn encoded(&self, change: impl Fn(&BigDecimal) -> BigDecimal) -> Result<ArrayRef> {
        let values = self
            .sums
            .iter()
            .zip(&self.counts)
            .map(|(sum, count)| if *count == 0 { Ok(None) } else { encode_decimal(&change(sum)).map(Some) })
            .collect::<Result<Vec<_>>>()?;
        Ok(Arc::new(values.iter().map(Option::as_deref).collect::<LargeBinaryArray>()))
    }

    pub(crate) fn size(&self) -> usize {
        // The digits of a decimal live apart; 48 bytes is what a sum of a few machine words takes.
        self.sums.capacity() * (size_of::<BigDecimal>() + 48) + self.counts.capacity() * 8
    }
}
