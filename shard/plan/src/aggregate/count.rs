//! COUNT: rows, or rows whose argument is not NULL.
//!
//! State: `count` Int64.

use super::rows::{column, each_row, required, wrong_args};
use crate::error::{Error, Result};
use crate::function::{Accumulator, Aggregate, AggregateSignature};
use crate::scalar::Scalar;
use crate::types::Type;
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array};
use arrow_schema::DataType as ArrowType;
use std::any::Any;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// `count(*)`, `count(x)`: a multi-value row counts once.
#[derive(Debug)]
pub struct CountRows;

/// `countMV(x)`: each element counts. Registered through [`super::rows::Elements`].
#[derive(Debug)]
pub struct CountElements;

fn signature(args: Vec<Type>) -> AggregateSignature {
    AggregateSignature {
        args,
        result: Type::LONG,
        result_sse: Type::LONG,
        state: vec![required("count", ArrowType::Int64)],
    }
}

impl Aggregate for CountRows {
    fn name(&self) -> &'static str {
        "count"
    }

    fn arguments(&self) -> RangeInclusive<usize> {
        0..=1
    }

    fn resolve(&self, args: &[Type], _params: &[Scalar]) -> Result<AggregateSignature> {
        if args.len() > 1 {
            return Err(wrong_args("count", "* or one argument (DISTINCTCOUNT takes several)", args));
        }
        Ok(signature(args.to_vec()))
    }

    fn accumulator(&self, _args: &[Type], _params: &[Scalar], _result: Type) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Count::default()))
    }
}

impl Aggregate for CountElements {
    fn name(&self) -> &'static str {
        "countmv"
    }

    fn resolve(&self, args: &[Type], _params: &[Scalar]) -> Result<AggregateSignature> {
        Ok(signature(args.to_vec()))
    }

    fn accumulator(&self, _args: &[Type], _params: &[Scalar], _result: Type) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Count::default()))
    }
}

/// Counts of many groups.
#[derive(Debug, Default)]
pub struct Count {
    counts: Vec<i64>,
}

impl Count {
    /// One row for each entry.
    #[inline]
    pub fn add_groups(&mut self, groups: &[u32]) {
        for group in groups {
            self.counts[*group as usize] += 1;
        }
    }

    /// `rows` rows of one group.
    #[inline]
    pub fn add_one_group(&mut self, group: u32, rows: u64) {
        self.counts[group as usize] += rows as i64;
    }

    /// Row counts of groups `first ..`, as a dense kernel leaves them.
    pub fn add_counts(&mut self, first: u32, rows: &[u64]) {
        for (count, rows) in self.counts[first as usize..].iter_mut().zip(rows) {
            *count += *rows as i64;
        }
    }

    pub fn counts(&self) -> &[i64] {
        &self.counts
    }
}

impl Accumulator for Count {
    fn resize(&mut self, groups: usize) {
        self.counts.resize(groups, 0);
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32], filter: Option<&BooleanArray>) -> Result<()> {
        each_row(groups, filter, args, |_, group| self.counts[group] += 1);
        Ok(())
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<()> {
        let counts = column::<Int64Array>(state, 0)?;
        for (row, group) in groups.iter().enumerate() {
            let more = counts.value(row);
            if counts.is_null(row) || more < 0 {
                return Err(Error::Plan("a count state is not a count".into()));
            }
            let count = &mut self.counts[*group as usize];
            *count = count.checked_add(more).ok_or_else(|| Error::evaluation("a count overflows LONG"))?;
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.finish()?])
    }

    fn state_of(&mut self, groups: &[u32]) -> Result<Option<Vec<ArrayRef>>> {
        Ok(Some(vec![Arc::new(Int64Array::from_iter_values(groups.iter().map(|g| self.counts[*g as usize])))]))
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        Ok(Arc::new(Int64Array::from(self.counts.clone())))
    }

    fn size(&self) -> usize {
        self.counts.capacity() * 8
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
