//! VAR_POP, VAR_SAMP, STDDEV_POP, STDDEV_SAMP.
//!
//! State: `count` Int64, then Float64 `mean`, its rounding `error`, and `m2`, the sum of squared distances from the mean.
//! The error matters when the mean is large beside the spread: without it 1.5e9 + {0, 1, 2, 3, 6} has the variance
//! 4.2399999. A sample figure of one
//! value is NULL, as the SQL standard has it.

use super::moments::{Folds, Moments, fields};
use super::rows::{number, number_type};
use super::totals::Compensated;
use crate::error::Result;
use crate::function::{Accumulator, Aggregate, AggregateSignature};
use crate::scalar::Scalar;
use crate::types::Type;

/// One of the four.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    VarPop,
    VarSamp,
    StdDevPop,
    StdDevSamp,
}

#[derive(Debug, Clone, Copy, Default)]
struct Variance {
    mean: Compensated,
    m2: f64,
}

impl Moments<1, 3> for Variance {
    const NAMES: [&'static str; 3] = ["mean", "error", "m2"];

    #[inline]
    fn add(&mut self, count: f64, [value]: [f64; 1]) {
        let delta = self.mean.distance(value);
        self.mean.add(delta / count);
        self.m2 += delta * self.mean.distance(value);
    }

    fn merge(&mut self, count: f64, other: &Self, other_count: f64) {
        let total = count + other_count;
        let delta = self.mean.distance(other.mean.sum) + other.mean.error;
        self.mean.add(delta * (other_count / total));
        self.m2 += other.m2 + delta * delta * (count / total * other_count);
    }

    fn figures(&self) -> [f64; 3] {
        [self.mean.sum, self.mean.error, self.m2]
    }

    fn from_figures([sum, error, m2]: [f64; 3]) -> Self {
        Variance { mean: Compensated { sum, error }, m2 }
    }
}

impl Aggregate for Spread {
    fn name(&self) -> &'static str {
        match self {
            Spread::VarPop => "varpop",
            Spread::VarSamp => "varsamp",
            Spread::StdDevPop => "stddevpop",
            Spread::StdDevSamp => "stddevsamp",
        }
    }

    fn aliases(&self) -> &'static [&'static str] {
        match self {
            Spread::VarPop => &["variancepop"],
            Spread::VarSamp => &["variance", "variancesamp", "var"],
            Spread::StdDevPop => &[],
            Spread::StdDevSamp => &["stddev"],
        }
    }

    fn resolve(&self, args: &[Type], _params: &[Scalar]) -> Result<AggregateSignature> {
        number_type(self.name(), args[0])?;
        Ok(AggregateSignature {
            args: vec![Type::DOUBLE],
            result: Type::DOUBLE,
            result_sse: Type::DOUBLE,
            state: fields::<1, 3, Variance>(),
        })
    }

    fn of_no_rows(&self, result: Type) -> Option<Scalar> {
        number(result, f64::NEG_INFINITY)
    }

    fn accumulator(&self, _args: &[Type], _params: &[Scalar], _result: Type) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Folds::<1, 3, Variance>::new(match self {
            Spread::VarPop => |n, v| Some(v.m2 / n),
            Spread::VarSamp => |n, v| (n > 1.0).then(|| v.m2 / (n - 1.0)),
            Spread::StdDevPop => |n, v| Some((v.m2 / n).sqrt()),
            Spread::StdDevSamp => |n, v| (n > 1.0).then(|| (v.m2 / (n - 1.0)).sqrt()),
        })))
    }
}
