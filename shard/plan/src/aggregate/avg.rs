//! AVG: DOUBLE, from an exact total of integers or decimals and a compensated total of doubles.
//!
//! State: the columns of the sum (see [`super::sum`]), then `count` Int64.

use super::rows::{column, field, number, number_type, required};
use super::totals::{Compensated, DecimalTotals, DoubleTotals, INTEGER_TOTAL, LongTotals};
use crate::error::{Error, Result};
use crate::function::{Accumulator, Aggregate, AggregateSignature};
use crate::scalar::Scalar;
use crate::types::Type;
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array};
use arrow_schema::DataType as ArrowType;
use bigdecimal::{BigDecimal, ToPrimitive};
use segfmt::DataType;
use segfmt::value::normalize_f64;
use std::any::Any;
use std::sync::Arc;

/// `avg(x)`.
#[derive(Debug)]
pub struct Avg;

impl Aggregate for Avg {
    fn name(&self) -> &'static str {
        "avg"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["avgmv", "mean"]
    }

    fn resolve(&self, args: &[Type], _params: &[Scalar]) -> Result<AggregateSignature> {
        let arg = number_type("avg", args[0])?;
        let mut state = match arg.data {
            DataType::Double => vec![field("sum", ArrowType::Float64), field("error", ArrowType::Float64)],
            DataType::BigDecimal => vec![field("sum", ArrowType::LargeBinary)],
            _ => vec![field("sum", INTEGER_TOTAL)],
        };
        state.push(required("count", ArrowType::Int64));
        Ok(AggregateSignature { args: vec![arg], result: Type::DOUBLE, result_sse: Type::DOUBLE, state })
    }

    fn of_no_rows(&self, result: Type) -> Option<Scalar> {
        number(result, f64::NEG_INFINITY)
    }

    fn accumulator(&self, args: &[Type], params: &[Scalar], _result: Type) -> Result<Box<dyn Accumulator>> {
        Ok(match self.resolve(args, params)?.args[0].data {
            DataType::Double => Box::new(AvgDouble::default()),
            DataType::BigDecimal => Box::new(AvgDecimal::default()),
            _ => Box::new(AvgLong::default()),
        })
    }
}

/// The count column of a state, checked: a sum with values has a positive count.
fn counts(state: &[ArrayRef], index: usize) -> Result<&Int64Array> {
    let counts = column::<Int64Array>(state, index)?;
    if counts.null_count() > 0
        || (0..counts.len()).any(|i| counts.value(i) < 0 || (counts.value(i) == 0 && state[0].is_valid(i)))
    {
        return Err(Error::Plan("an average state holds a sum without a count".into()));
    }
    Ok(counts)
}

fn count_column(counts: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(counts.to_vec()))
}

/// Averages of INT or LONG.
#[derive(Debug, Default)]
pub struct AvgLong {
    totals: LongTotals,
}

impl AvgLong {
    /// Non-null values, one a row.
    #[inline]
    pub fn add_slice<T: Copy + Into<i64>>(&mut self, groups: &[u32], values: &[T]) {
        self.totals.add_slice(groups, values);
    }

    /// A total that a kernel made of `rows` non-null values of one group.
    #[inline]
    pub fn add_one_group(&mut self, group: u32, total: i128, rows: u64) {
        self.totals.add_total(group, total, rows);
    }
}

/// `sum / count` with one rounding where the quotient's whole part fits a double, else to the last bit or so.
fn quotient(sum: i128, count: i64) -> f64 {
    let count = i128::from(count);
    if sum.unsigned_abs() < 1 << 53 && count < 1 << 53 {
        return sum as f64 / count as f64;
    }
    (sum / count) as f64 + (sum % count) as f64 / count as f64
}

impl Accumulator for AvgLong {
    fn resize(&mut self, groups: usize) {
        self.totals.resize(groups);
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32], filter: Option<&BooleanArray>) -> Result<()> {
        self.totals.update(args, groups, filter)
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<()> {
        let counts = counts(state, 1)?;
        self.totals.merge(state, groups, |row| counts.value(row))
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.totals.state()?, count_column(&self.totals.counts)])
    }

    fn state_of(&mut self, groups: &[u32]) -> Result<Option<Vec<ArrayRef>>> {
        Ok(Some(AvgLong { totals: self.totals.of(groups) }.state()?))
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let totals = self.totals.sums.iter().zip(&self.totals.counts);
        Ok(Arc::new(totals.map(|(sum, n)| (*n != 0).then(|| quotient(*sum, *n))).collect::<Float64Array>()))
    }

    fn size(&self) -> usize {
        self.totals.size()
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// Averages of DOUBLE.
#[derive(Debug, Default)]
pub struct AvgDouble {
    totals: DoubleTotals,
}

impl AvgDouble {
    /// Non-null values, one a row.
    #[inline]
    pub fn add_slice(&mut self, groups: &[u32], values: &[f64]) {
        self.totals.add_slice(groups, values);
    }

    /// A compensated total that a kernel made of `rows` non-null values of one group.
    #[inline]
    pub fn add_one_group(&mut self, group: u32, total: Compensated, rows: u64) {
        self.totals.add_total(group, total, rows);
    }
}

impl Accumulator for AvgDouble {
    fn resize(&mut self, groups: usize) {
        self.totals.resize(groups);
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32], filter: Option<&BooleanArray>) -> Result<()> {
        self.totals.update(args, groups, filter)
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<()> {
        let counts = counts(state, 2)?;
        self.totals.merge(state, groups, |row| counts.value(row))
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        let mut state = self.totals.state();
        state.push(count_column(&self.totals.counts));
        Ok(state)
    }

    fn state_of(&mut self, groups: &[u32]) -> Result<Option<Vec<ArrayRef>>> {
        Ok(Some(AvgDouble { totals: self.totals.of(groups) }.state()?))
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let totals = self.totals.sums.iter().zip(&self.totals.counts);
        let averages = totals.map(|(sum, n)| (*n != 0).then(|| normalize_f64(sum.value() / *n as f64)));
        Ok(Arc::new(averages.collect::<Float64Array>()))
    }

    fn size(&self) -> usize {
        self.totals.size()
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// Averages of BIG_DECIMAL.
#[derive(Debug, Default)]
pub struct AvgDecimal {
    totals: DecimalTotals,
}

impl Accumulator for AvgDecimal {
    fn resize(&mut self, groups: usize) {
        self.totals.resize(groups);
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32], filter: Option<&BooleanArray>) -> Result<()> {
        self.totals.update(args, groups, filter)
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<()> {
        let counts = counts(state, 1)?;
        self.totals.merge(state, groups, |row| counts.value(row))
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.totals.encoded(BigDecimal::clone)?, count_column(&self.totals.counts)])
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let totals = self.totals.sums.iter().zip(&self.totals.counts);
        let averages = totals.map(|(sum, n)| (*n != 0).then(|| (sum / BigDecimal::from(*n)).to_f64()).flatten());
        Ok(Arc::new(averages.collect::<Float64Array>()))
    }

    fn size(&self) -> usize {
        self.totals.size()
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
