//! COVAR_POP, COVAR_SAMP and CORR of two numbers. Rows where either is NULL do not count.
//!
//! State: `count` Int64, then Float64 `meanX`, `errorX`, `meanY`, `errorY` (the means and their rounding
//! errors, as in [`super::variance`]), `m2X`, `m2Y`, `coXY`.

use super::moments::{Folds, Moments, fields};
use super::rows::{number, number_type};
use super::totals::Compensated;
use crate::error::Result;
use crate::function::{Accumulator, Aggregate, AggregateSignature};
use crate::scalar::Scalar;
use crate::types::Type;
use std::ops::RangeInclusive;

/// One of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Covariance {
    Population,
    Sample,
    Correlation,
}

#[derive(Debug, Clone, Copy, Default)]
struct Pair {
    mean: [Compensated; 2],
    m2: [f64; 2],
    co: f64,
}

impl Moments<2, 7> for Pair {
    const NAMES: [&'static str; 7] = ["meanX", "errorX", "meanY", "errorY", "m2X", "m2Y", "coXY"];

    #[inline]
    fn add(&mut self, count: f64, row: [f64; 2]) {
        let delta = [self.mean[0].distance(row[0]), self.mean[1].distance(row[1])];
        for i in 0..2 {
            self.mean[i].add(delta[i] / count);
            self.m2[i] += delta[i] * self.mean[i].distance(row[i]);
        }
        self.co += delta[0] * self.mean[1].distance(row[1]);
    }

    fn merge(&mut self, count: f64, other: &Self, other_count: f64) {
        let total = count + other_count;
        let weight = count / total * other_count;
        let delta = [0, 1].map(|i| self.mean[i].distance(other.mean[i].sum) + other.mean[i].error);
        for (i, delta) in delta.into_iter().enumerate() {
            self.mean[i].add(delta * (other_count / total));
            self.m2[i] += other.m2[i] + delta * delta * weight;
        }
        self.co += other.co + delta[0] * delta[1] * weight;
    }

    fn figures(&self) -> [f64; 7] {
        let [x, y] = self.mean;
        [x.sum, x.error, y.sum, y.error, self.m2[0], self.m2[1], self.co]
    }

    fn from_figures([x, x_error, y, y_error, m2_x, m2_y, co]: [f64; 7]) -> Self {
        let mean = [Compensated { sum: x, error: x_error }, Compensated { sum: y, error: y_error }];
        Pair { mean, m2: [m2_x, m2_y], co }
    }
}

impl Aggregate for Covariance {
    fn name(&self) -> &'static str {
        match self {
            Covariance::Population => "covarpop",
            Covariance::Sample => "covarsamp",
            Covariance::Correlation => "corr",
        }
    }

    fn arguments(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn resolve(&self, args: &[Type], _params: &[Scalar]) -> Result<AggregateSignature> {
        for arg in args {
            number_type(self.name(), *arg)?;
        }
        Ok(AggregateSignature {
            args: vec![Type::DOUBLE; 2],
            result: Type::DOUBLE,
            result_sse: Type::DOUBLE,
            state: fields::<2, 7, Pair>(),
        })
    }

    fn of_no_rows(&self, result: Type) -> Option<Scalar> {
        number(result, f64::NEG_INFINITY)
    }

    fn accumulator(&self, _args: &[Type], _params: &[Scalar], _result: Type) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Folds::<2, 7, Pair>::new(match self {
            Covariance::Population => |n, p| Some(p.co / n),
            Covariance::Sample => |n, p| (n > 1.0).then(|| p.co / (n - 1.0)),
            // Of a constant there is no correlation: 0 / 0 is NaN, and NULL is what SQL says.
            Covariance::Correlation => |_, p| {
                let spread = p.m2[0].sqrt() * p.m2[1].sqrt();
                (spread != 0.0).then(|| p.co / spread)
            },
        })))
    }
}
