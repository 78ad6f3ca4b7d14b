//! SKEWNESS and KURTOSIS: the bias-corrected sample figures, which are Pinot's, Excel's and DuckDB's.
//!
//! State: `count` Int64, then `mean`, `m2`, `m3`, `m4` (sums of powers of the distance from the mean) Float64. Too few
//! values (below 3 and 4) give NULL, values without spread 0 as in Pinot.

use super::moments::{Folds, Moments, fields};
use super::rows::number_type;
use crate::error::Result;
use crate::function::{Accumulator, Aggregate, AggregateSignature};
use crate::scalar::Scalar;
use crate::types::Type;

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Skewness,
    Kurtosis,
}

#[derive(Debug, Clone, Copy, Default)]
struct Fourth {
    mean: f64,
    m2: f64,
    m3: f64,
    m4: f64,
}

/// A spread below this is none (commons-math, which Pinot uses, has the same bound).
const NO_SPREAD: f64 = 1e-19;

impl Moments<1, 4> for Fourth {
    const NAMES: [&'static str; 4] = ["mean", "m2", "m3", "m4"];

    #[inline]
    fn add(&mut self, count: f64, [value]: [f64; 1]) {
        self.merge(count - 1.0, &Fourth { mean: value, m2: 0.0, m3: 0.0, m4: 0.0 }, 1.0);
    }

    /// Pébay's pairwise update. With `count` 0 it takes the other state over.
    #[inline]
    fn merge(&mut self, count: f64, other: &Self, other_count: f64) {
        let (a, b) = (count, other_count);
        let n = a + b;
        let d = other.mean - self.mean;
        let dn = d / n;
        let m4 = self.m4
            + other.m4
            + d * dn * dn * dn * a * b * (a * a - a * b + b * b)
            + 6.0 * dn * dn * (a * a * other.m2 + b * b * self.m2)
            + 4.0 * dn * (a * other.m3 - b * self.m3);
        let m3 = self.m3 + other.m3 + d * dn * dn * a * b * (a - b) + 3.0 * dn * (a * other.m2 - b * self.m2);
        let m2 = self.m2 + other.m2 + d * dn * a * b;
        *self = Fourth { mean: self.mean + dn * b, m2, m3, m4 };
    }

    fn figures(&self) -> [f64; 4] {
        [self.mean, self.m2, self.m3, self.m4]
    }

    fn from_figures([mean, m2, m3, m4]: [f64; 4]) -> Self {
        Fourth { mean, m2, m3, m4 }
    }
}

fn skewness(n: f64, s: &Fourth) -> Option<f64> {
    if n < 3.0 {
        return None;
    }
    let variance = s.m2 / (n - 1.0);
    Some(if variance < NO_SPREAD { 0.0 } else { n * s.m3 / ((n - 1.0) * (n - 2.0) * variance * variance.sqrt()) })
}

fn kurtosis(n: f64, s: &Fourth) -> Option<f64> {
    if n < 4.0 {
        return None;
    }
    let variance = s.m2 / (n - 1.0);
    if variance < NO_SPREAD {
        return Some(0.0);
    }
    let scale = (n - 1.0) * (n - 2.0) * (n - 3.0);
    let excess = 3.0 * (n - 1.0) * (n - 1.0) / ((n - 2.0) * (n - 3.0));
    Some(n * (n + 1.0) * s.m4 / (scale * variance * variance) - excess)
}

impl Aggregate for Shape {
    fn name(&self) -> &'static str {
        match self {
            Shape::Skewness => "skewness",
            Shape::Kurtosis => "kurtosis",
        }
    }

    fn resolve(&self, args: &[Type], _params: &[Scalar]) -> Result<AggregateSignature> {
        number_type(self.name(), args[0])?;
        Ok(AggregateSignature {
            args: vec![Type::DOUBLE],
            result: Type::DOUBLE,
            result_sse: Type::DOUBLE,
            state: fields::<1, 4, Fourth>(),
        })
    }

    fn accumulator(&self, _args: &[Type], _params: &[Scalar], _result: Type) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Folds::<1, 4, Fourth>::new(match self {
            Shape::Skewness => skewness,
            Shape::Kurtosis => kurtosis,
        })))
    }
}
