//! VAR_POP, VAR_SAMP, STDDEV_POP, STDDEV_SAMP.
//!
//! State: `count` Int64, `mean` and `m2` (the sum of squared distances from the mean) Float64. A sample figure of one
//! value is NULL, as the SQL standard has it.

use super::moments::{Folds, Moments, fields};
use super::rows::number_type;
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
    mean: f64,
    m2: f64,
}

impl Moments<1, 2> for Variance {
    const NAMES: [&'static str; 2] = ["mean", "m2"];

    #[inline]
    fn add(&mut self, count: f64, [value]: [f64; 1]) {
        let delta = value - self.mean;
        self.mean += delta / count;
        self.m2 += delta * (value - self.mean);
    }

    fn merge(&mut self, count: f64, other: &Self, other_count: f64) {
        let total = count + other_count;
        let delta = other.mean - self.mean;
        self.mean += delta * (other_count / total);
        self.m2 += other.m2 + delta * delta * (count / total * other_count);
    }

    fn figures(&self) -> [f64; 2] {
        [self.mean, self.m2]
    }

    fn from_figures([mean, m2]: [f64; 2]) -> Self {
        Variance { mean, m2 }
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
            state: fields::<1, 2, Variance>(),
        })
    }

    fn accumulator(&self, _args: &[Type], _params: &[Scalar], _result: Type) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Folds::<1, 2, Variance>::new(match self {
            Spread::VarPop => |n, v| Some(v.m2 / n),
            Spread::VarSamp => |n, v| (n > 1.0).then(|| v.m2 / (n - 1.0)),
            Spread::StdDevPop => |n, v| Some((v.m2 / n).sqrt()),
            Spread::StdDevSamp => |n, v| (n > 1.0).then(|| (v.m2 / (n - 1.0)).sqrt()),
        })))
    }
}
