//! SUM and its kin.
//!
//! State: over INT and LONG `sum` Decimal128(38, 0); over FLOAT and DOUBLE `sum` and `error` Float64; over BIG_DECIMAL
//! `sum` canonical bytes. NULL is a group without values.

use super::rows::{field, integer_param, number, number_type, wrong_args};
use super::totals::{Compensated, DecimalTotals, DoubleTotals, INTEGER_TOTAL, LongTotals};
use crate::error::{Error, Result};
use crate::function::{Accumulator, Aggregate, AggregateSignature};
use crate::scalar::Scalar;
use crate::types::Type;
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array};
use arrow_schema::DataType as ArrowType;
use bigdecimal::{BigDecimal, RoundingMode};
use segfmt::DataType;
use std::any::Any;
use std::num::NonZeroU64;
use std::sync::Arc;

/// Which of the sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sum {
    /// `sum`: of integers DOUBLE in sse, LONG in mse (E-2).
    Plain,
    /// `sum0`: 0 instead of NULL over no values.
    Zero,
    /// `sumInt`, `sumLong`: of integers, LONG in both profiles.
    Integer,
    /// `sumPrecision(x, precision, scale)`: BIG_DECIMAL of any number, rounded half to even when asked.
    Precision,
}

impl Aggregate for Sum {
    fn name(&self) -> &'static str {
        match self {
            Sum::Plain => "sum",
            Sum::Zero => "sum0",
            Sum::Integer => "sumlong",
            Sum::Precision => "sumprecision",
        }
    }

    fn aliases(&self) -> &'static [&'static str] {
        match self {
            Sum::Plain => &["summv"],
            Sum::Zero => &[],
            Sum::Integer => &["sumint"],
            Sum::Precision => &[],
        }
    }

    fn resolve(&self, args: &[Type], params: &[Scalar]) -> Result<AggregateSignature> {
        let arg = number_type(self.name(), args[0])?;
        let arg = match self {
            Sum::Precision => Type::BIG_DECIMAL,
            Sum::Integer if !arg.is_integer() => return Err(wrong_args(self.name(), "an INT or LONG", args)),
            _ => arg,
        };
        if *self == Sum::Precision {
            Rounding::from_params(params)?;
        } else if !params.is_empty() {
            return Err(Error::Signature(format!("{} takes no parameter", self.name())));
        }
        let (result, result_sse, state) = match arg.data {
            DataType::Double => {
                (Type::DOUBLE, Type::DOUBLE, vec![field("sum", ArrowType::Float64), field("error", ArrowType::Float64)])
            }
            DataType::BigDecimal => (Type::BIG_DECIMAL, Type::BIG_DECIMAL, vec![field("sum", ArrowType::LargeBinary)]),
            _ => {
                let sse = if *self == Sum::Integer { Type::LONG } else { Type::DOUBLE };
                (Type::LONG, sse, vec![field("sum", INTEGER_TOTAL)])
            }
        };
        Ok(AggregateSignature { args: vec![arg], result, result_sse, state })
    }

    fn of_no_rows(&self, result: Type) -> Option<Scalar> {
        number(result, 0.0)
    }

    fn accumulator(&self, args: &[Type], params: &[Scalar], result: Type) -> Result<Box<dyn Accumulator>> {
        let signature = self.resolve(args, params)?;
        let zero = *self == Sum::Zero;
        Ok(match signature.args[0].data {
            DataType::Double => Box::new(SumDouble { totals: DoubleTotals::default(), zero }),
            DataType::BigDecimal => {
                let rounding =
                    if *self == Sum::Precision { Rounding::from_params(params)? } else { Rounding::default() };
                Box::new(SumDecimal { totals: DecimalTotals::default(), zero, rounding })
            }
            _ => Box::new(SumLong::new(result, zero)?),
        })
    }
}

/// Sums of INT or LONG.
#[derive(Debug)]
pub struct SumLong {
    totals: LongTotals,
    double: bool,
    zero: bool,
}

impl SumLong {
    fn new(result: Type, zero: bool) -> Result<SumLong> {
        let double = match result {
            Type::DOUBLE => true,
            Type::LONG => false,
            other => return Err(Error::Plan(format!("a sum of integers is LONG or DOUBLE, not {other}"))),
        };
        Ok(SumLong { totals: LongTotals::default(), double, zero })
    }

    /// Non-null values, one a row.
    #[inline]
    pub fn add_slice<T: Copy + Into<i64>>(&mut self, groups: &[u32], values: &[T]) {
        self.totals.add_slice(groups, values);
    }

    /// A total that a kernel made of `rows` non-null values of one group; nothing when `rows` is 0.
    #[inline]
    pub fn add_one_group(&mut self, group: u32, total: i128, rows: u64) {
        self.totals.add_total(group, total, rows);
    }
}

impl Accumulator for SumLong {
    fn resize(&mut self, groups: usize) {
        self.totals.resize(groups);
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32], filter: Option<&BooleanArray>) -> Result<()> {
        self.totals.update(args, groups, filter)
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<()> {
        self.totals.merge(state, groups, |_| 1)
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.totals.state()?])
    }

    fn state_of(&mut self, groups: &[u32]) -> Result<Option<Vec<ArrayRef>>> {
        Ok(Some(vec![self.totals.of(groups).state()?]))
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let sums =
            self.totals.sums.iter().zip(&self.totals.counts).map(|(sum, n)| (*n != 0 || self.zero).then_some(*sum));
        if self.double {
            return Ok(Arc::new(sums.map(|s| s.map(|s| s as f64)).collect::<Float64Array>()));
        }
        let longs = sums
            .map(|sum| {
                sum.map(|sum| {
                    i64::try_from(sum).map_err(|_| {
                        Error::evaluation(format!(
                            "the sum {sum} overflows LONG (cast its argument to DOUBLE or BIG_DECIMAL)"
                        ))
                    })
                })
                .transpose()
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Arc::new(Int64Array::from(longs)))
    }

    fn size(&self) -> usize {
        self.totals.size()
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// Sums of DOUBLE.
#[derive(Debug)]
pub struct SumDouble {
    totals: DoubleTotals,
    zero: bool,
}

impl SumDouble {
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

impl Accumulator for SumDouble {
    fn resize(&mut self, groups: usize) {
        self.totals.resize(groups);
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32], filter: Option<&BooleanArray>) -> Result<()> {
        self.totals.update(args, groups, filter)
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<()> {
        self.totals.merge(state, groups, |_| 1)
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        Ok(self.totals.state())
    }

    fn state_of(&mut self, groups: &[u32]) -> Result<Option<Vec<ArrayRef>>> {
        Ok(Some(self.totals.of(groups).state()))
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let totals = self.totals.sums.iter().zip(&self.totals.counts);
        Ok(Arc::new(totals.map(|(sum, n)| (*n != 0 || self.zero).then(|| sum.value())).collect::<Float64Array>()))
    }

    fn size(&self) -> usize {
        self.totals.size()
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// What `sumPrecision` does with the exact sum.
#[derive(Debug, Clone, Copy, Default)]
struct Rounding {
    precision: Option<NonZeroU64>,
    scale: Option<i64>,
}

impl Rounding {
    fn from_params(params: &[Scalar]) -> Result<Rounding> {
        let name = "sumprecision";
        if params.len() > 2 {
            return Err(Error::Signature(format!("{name} takes a precision and a scale after its argument")));
        }
        let precision = params.first().map(|p| integer_param(name, p, 1..=65_536)).transpose()?;
        let scale = params.get(1).map(|p| integer_param(name, p, 0..=65_536)).transpose()?;
        Ok(Rounding { precision: precision.and_then(|p| NonZeroU64::new(p as u64)), scale })
    }

    fn apply(&self, value: &BigDecimal) -> BigDecimal {
        let value = match self.precision {
            Some(precision) => value.with_precision_round(precision, RoundingMode::HalfEven),
            None => value.clone(),
        };
        match self.scale {
            Some(scale) => value.with_scale_round(scale, RoundingMode::HalfEven),
            None => value,
        }
    }
}

/// Sums of BIG_DECIMAL.
#[derive(Debug)]
pub struct SumDecimal {
    totals: DecimalTotals,
    zero: bool,
    rounding: Rounding,
}

impl Accumulator for SumDecimal {
    fn resize(&mut self, groups: usize) {
        self.totals.resize(groups);
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32], filter: Option<&BooleanArray>) -> Result<()> {
        self.totals.update(args, groups, filter)
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<()> {
        self.totals.merge(state, groups, |_| 1)
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.totals.encoded(BigDecimal::clone)?])
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let sums = self.totals.encoded(|sum| self.rounding.apply(sum))?;
        if !self.zero || sums.null_count() == 0 {
            return Ok(sums);
        }
        let sums = super::rows::column::<arrow_array::LargeBinaryArray>(std::slice::from_ref(&sums), 0)?;
        Ok(Arc::new(arrow_array::LargeBinaryArray::from_iter_values(
            sums.iter().map(|sum| sum.unwrap_or(segfmt::decimal::ZERO)),
        )))
    }

    fn size(&self) -> usize {
        self.totals.size()
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
