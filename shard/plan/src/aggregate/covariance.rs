//! COVAR_POP, COVAR_SAMP and CORR of two numbers. Rows where either is NULL do not count.
//!
//! State: `count` Int64, then `meanX`, `meanY`, `m2X`, `m2Y`, `coXY` Float64.

use super::moments::{Folds, Moments, fields};
use super::rows::number_type;
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
    mean: [f64; 2],
    m2: [f64; 2],
    co: f64,
}

impl Moments<2, 5> for Pair {
    const NAMES: [&'static str; 5] = ["meanX", "meanY", "m2X", "m2Y", "coXY"];

    #[inline]
    fn add(&mut self, count: f64, row: [f64; 2]) {
        let delta = [row[0] - self.mean[0], row[1] - self.mean[1]];
        for i in 0..2 {
            self.mean[i] += delta[i] / count;
            self.m2[i] += delta[i] * (row[i] - self.mean[i]);
        }
        self.co += delta[0] * (row[1] - self.mean[1]);
    }

    fn merge(&mut self, count: f64, other: &Self, other_count: f64) {
        let total = count + other_count;
        let weight = count / total * other_count;
        let delta = [other.mean[0] - self.mean[0], other.mean[1] - self.mean[1]];
        for i in 0..2 {
            self.mean[i] += delta[i] * (other_count / total);
            self.m2[i] += other.m2[i] + delta[i] * delta[i] * weight;
        }
        self.co += other.co + delta[0] * delta[1] * weight;
    }

    fn figures(&self) -> [f64; 5] {
        [self.mean[0], self.mean[1], self.m2[0], self.m2[1], self.co]
    }

    fn from_figures([mean_x, mean_y, m2_x, m2_y, co]: [f64; 5]) -> Self {
        Pair { mean: [mean_x, mean_y], m2: [m2_x, m2_y], co }
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
            state: fields::<2, 5, Pair>(),
        })
    }

    fn accumulator(&self, _args: &[Type], _params: &[Scalar], _result: Type) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Folds::<2, 5, Pair>::new(match self {
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
