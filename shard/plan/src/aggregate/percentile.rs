//! PERCENTILE and MEDIAN, from all values of a group; PERCENTILEEST and PERCENTILETDIGEST answer exactly too.
//!
//! State: one column `values`, a list of DOUBLE in ascending order.
//!
//! `percentile(x, p)` is Pinot's: the sorted values at index `n * p / 100`, rounded down, the last for p = 100.
//! `median(x)` is the mean of the two middle values, as in SQL.

use super::rows::{column, each_row, number, number_param, number_type, required, unnest};
use super::values::{list_of, lists};
use crate::error::{Error, Result};
use crate::function::{Accumulator, Aggregate, AggregateSignature};
use crate::scalar::Scalar;
use crate::types::Type;
use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray};
use arrow_schema::DataType as ArrowType;
use segfmt::value::{cmp_f64, normalize_f64};
use std::any::Any;
use std::sync::Arc;

/// One of the percentiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Percentile {
    Exact,
    /// `percentileEst`: LONG, as Pinot's digest of whole numbers answers.
    Est,
    /// `percentileTDigest(x, p, compression)`: exact, so within the tolerance of every compression.
    TDigest,
    Median,
}

/// The aggregate and percentage that a name such as `percentile95`, `percentileTDigest99MV` stands for.
pub fn split_suffix(name: &str) -> Option<(String, f64)> {
    let name = crate::function::canonical_name(name);
    let (name, mv) = match name.strip_suffix("mv") {
        Some(name) => (name, "mv"),
        None => (name.as_str(), ""),
    };
    let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let (stem, digits) = name.split_at(name.len() - digits);
    let percent: f64 = digits.parse().ok()?;
    (matches!(stem, "percentile" | "percentileest" | "percentiletdigest") && percent <= 100.0)
        .then(|| (format!("{stem}{mv}"), percent))
}

impl Percentile {
    fn percent(self, params: &[Scalar]) -> Result<f64> {
        let name = self.name();
        let percent = match (self, params) {
            (Percentile::Median, []) => return Ok(50.0),
            (Percentile::Exact | Percentile::Est, [percent]) => percent,
            (Percentile::TDigest, [percent]) => percent,
            (Percentile::TDigest, [percent, compression]) => {
                number_param(name, compression)?;
                percent
            }
            (Percentile::Median, _) => return Err(Error::Signature(format!("{name} takes one argument"))),
            _ => return Err(Error::Signature(format!("{name} takes a value and a percentage"))),
        };
        let percent = number_param(name, percent)?;
        if !(0.0..=100.0).contains(&percent) {
            return Err(Error::Signature(format!("{name} takes a percentage from 0 to 100, not {percent}")));
        }
        Ok(percent)
    }
}

impl Aggregate for Percentile {
    fn name(&self) -> &'static str {
        match self {
            Percentile::Exact => "percentile",
            Percentile::Est => "percentileest",
            Percentile::TDigest => "percentiletdigest",
            Percentile::Median => "median",
        }
    }

    fn aliases(&self) -> &'static [&'static str] {
        match self {
            Percentile::Exact => &["percentilemv"],
            Percentile::Est => &["percentileestmv"],
            Percentile::TDigest => &["percentiletdigestmv", "percentilesmarttdigest"],
            Percentile::Median => &[],
        }
    }

    fn resolve(&self, args: &[Type], params: &[Scalar]) -> Result<AggregateSignature> {
        number_type(self.name(), args[0])?;
        self.percent(params)?;
        let result = if *self == Percentile::Est { Type::LONG } else { Type::DOUBLE };
        Ok(AggregateSignature {
            args: vec![Type::DOUBLE],
            result,
            result_sse: result,
            state: vec![required("values", list_of(ArrowType::Float64))],
        })
    }

    fn of_no_rows(&self, result: Type) -> Option<Scalar> {
        let quantile = if *self == Percentile::TDigest { f64::NAN } else { f64::NEG_INFINITY };
        number(result, quantile)
    }

    fn accumulator(&self, _args: &[Type], params: &[Scalar], _result: Type) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Percentiles { values: Vec::new(), held: 0, kind: *self, percent: self.percent(params)? }))
    }
}

/// The values of many groups.
#[derive(Debug)]
pub struct Percentiles {
    values: Vec<Vec<f64>>,
    held: usize,
    kind: Percentile,
    percent: f64,
}

impl Percentiles {
    /// Non-null values, one a row.
    #[inline]
    pub fn add_slice(&mut self, groups: &[u32], values: &[f64]) {
        for (group, value) in groups.iter().zip(values) {
            self.values[*group as usize].push(*value);
        }
        self.held += values.len();
    }

    fn sort(&mut self) {
        for values in &mut self.values {
            values.iter_mut().for_each(|v| *v = normalize_f64(*v));
            values.sort_unstable_by(|a, b| cmp_f64(*a, *b));
        }
    }

    fn pick(&self, sorted: &[f64]) -> Option<f64> {
        let last = sorted.len().checked_sub(1)?;
        if self.kind == Percentile::Median {
            let (low, high) = (sorted[last / 2], sorted[sorted.len() / 2]);
            return Some(if low == high { low } else { normalize_f64(low + (high - low) / 2.0) });
        }
        let index = sorted.len() as f64 * self.percent / 100.0;
        Some(sorted[(index as usize).min(last)])
    }
}

impl Accumulator for Percentiles {
    fn resize(&mut self, groups: usize) {
        self.values.resize(groups, Vec::new());
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32], filter: Option<&BooleanArray>) -> Result<()> {
        let values = column::<Float64Array>(args, 0)?.values();
        each_row(groups, filter, &args[..1], |row, group| {
            self.values[group].push(values[row]);
            self.held += 1;
        });
        Ok(())
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<()> {
        let (values, _, groups) = unnest(column::<ListArray>(state, 0)?, &[], groups, None)?;
        self.update(&[values], &groups, None)
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        self.sort();
        let of = self.values.iter().enumerate().flat_map(|(g, v)| std::iter::repeat_n(g as u32, v.len()));
        let values = Float64Array::from_iter_values(self.values.iter().flatten().copied());
        Ok(vec![lists(Arc::new(values), of, self.values.len(), None)?])
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        self.sort();
        let picked = self.values.iter().map(|values| self.pick(values));
        Ok(match self.kind {
            Percentile::Est => Arc::new(picked.map(|p| p.map(|p| p as i64)).collect::<Int64Array>()),
            _ => Arc::new(picked.collect::<Float64Array>()),
        })
    }

    fn size(&self) -> usize {
        // A vector that doubles holds at most twice its length.
        self.values.capacity() * size_of::<Vec<f64>>() + self.held * 16
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
