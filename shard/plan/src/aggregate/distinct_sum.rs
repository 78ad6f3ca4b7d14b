//! DISTINCTSUM and DISTINCTAVG: over the distinct values of a group.
//!
//! State: as [`super::distinct`], the values INT, LONG, DOUBLE or BIG_DECIMAL.

use super::distinct::DistinctSets;
use super::rows::{number, number_type, required};
use super::values::list_of;
use super::{avg, sum};
use crate::error::Result;
use crate::function::{Accumulator, Aggregate, AggregateSignature};
use crate::scalar::Scalar;
use crate::types::Type;
use arrow_array::{ArrayRef, BooleanArray};
use std::any::Any;

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DistinctFold {
    Sum,
    Avg,
}

impl DistinctFold {
    /// The aggregate that finishes the distinct values.
    fn fold(self) -> &'static dyn Aggregate {
        match self {
            DistinctFold::Sum => &sum::Sum::Plain,
            DistinctFold::Avg => &avg::Avg,
        }
    }
}

impl Aggregate for DistinctFold {
    fn name(&self) -> &'static str {
        match self {
            DistinctFold::Sum => "distinctsum",
            DistinctFold::Avg => "distinctavg",
        }
    }

    fn aliases(&self) -> &'static [&'static str] {
        match self {
            DistinctFold::Sum => &["distinctsummv", "sumdistinct"],
            DistinctFold::Avg => &["distinctavgmv", "avgdistinct"],
        }
    }

    fn resolve(&self, args: &[Type], _params: &[Scalar]) -> Result<AggregateSignature> {
        let arg = number_type(self.name(), args[0])?;
        let folded = self.fold().resolve(&[arg], &[])?;
        Ok(AggregateSignature { state: vec![required("values", list_of(arg.arrow()))], ..folded })
    }

    fn of_no_rows(&self, result: Type) -> Option<Scalar> {
        number(result, if *self == DistinctFold::Sum { 0.0 } else { f64::NAN })
    }

    fn accumulator(&self, args: &[Type], params: &[Scalar], result: Type) -> Result<Box<dyn Accumulator>> {
        let arg = self.resolve(args, params)?.args[0];
        Ok(Box::new(Distinct { sets: DistinctSets::new(arg.arrow())?, fold: *self, arg, result }))
    }
}

/// Distinct values, folded at the end in ascending order, so that sums of doubles are the same however they came.
#[derive(Debug)]
struct Distinct {
    sets: DistinctSets,
    fold: DistinctFold,
    arg: Type,
    result: Type,
}

impl Accumulator for Distinct {
    fn resize(&mut self, groups: usize) {
        self.sets.resize(groups);
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32], filter: Option<&BooleanArray>) -> Result<()> {
        self.sets.update(args, groups, filter)
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<()> {
        self.sets.merge(state, groups)
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.sets.state()?])
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let pairs = self.sets.sorted();
        let keys: Vec<u64> = pairs.iter().map(|p| p.1).collect();
        let groups: Vec<u32> = pairs.iter().map(|p| p.0).collect();
        let mut fold = self.fold.fold().accumulator(&[self.arg], &[], self.result)?;
        fold.resize(self.sets.counts().len());
        fold.update(&[self.sets.keys.array(&keys, None)?], &groups, None)?;
        fold.finish()
    }

    fn size(&self) -> usize {
        self.sets.size()
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
