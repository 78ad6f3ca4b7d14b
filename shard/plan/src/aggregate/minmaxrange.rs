//! MINMAXRANGE: the greatest value less the least, as DOUBLE.
//!
//! State: `min` and `max`, both LONG or both DOUBLE, NULL for a group without values.

use super::minmax::MinMax;
use super::rows::{column, field, number, number_type};
use crate::error::Result;
use crate::function::{Accumulator, Aggregate, AggregateSignature};
use crate::scalar::Scalar;
use crate::types::Type;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array};
use segfmt::value::normalize_f64;
use std::any::Any;
use std::sync::Arc;

/// `minMaxRange(x)`.
#[derive(Debug)]
pub struct MinMaxRange;

impl Aggregate for MinMaxRange {
    fn name(&self) -> &'static str {
        "minmaxrange"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["minmaxrangemv"]
    }

    fn resolve(&self, args: &[Type], _params: &[Scalar]) -> Result<AggregateSignature> {
        let ty = if number_type("minmaxrange", args[0])?.is_integer() { Type::LONG } else { Type::DOUBLE };
        Ok(AggregateSignature {
            args: vec![ty],
            result: Type::DOUBLE,
            result_sse: Type::DOUBLE,
            state: vec![field("min", ty.arrow()), field("max", ty.arrow())],
        })
    }

    fn of_no_rows(&self, result: Type) -> Option<Scalar> {
        number(result, f64::NEG_INFINITY)
    }

    fn accumulator(&self, args: &[Type], params: &[Scalar], _result: Type) -> Result<Box<dyn Accumulator>> {
        Ok(if self.resolve(args, params)?.args[0] == Type::LONG {
            Box::new(Range { min: MinMax::<Int64Type>::new(false), max: MinMax::<Int64Type>::new(true) })
        } else {
            Box::new(Range { min: MinMax::<Float64Type>::new(false), max: MinMax::<Float64Type>::new(true) })
        })
    }
}

/// Both extremes of many groups.
#[derive(Debug)]
pub struct Range<M> {
    min: M,
    max: M,
}

impl<M: Accumulator + 'static> Accumulator for Range<M> {
    fn resize(&mut self, groups: usize) {
        self.min.resize(groups);
        self.max.resize(groups);
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32], filter: Option<&BooleanArray>) -> Result<()> {
        self.min.update(args, groups, filter)?;
        self.max.update(args, groups, filter)
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<()> {
        self.min.merge(state.get(..1).unwrap_or_default(), groups)?;
        self.max.merge(state.get(1..2).unwrap_or_default(), groups)
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.min.finish()?, self.max.finish()?])
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let state = self.state()?;
        let range: Float64Array = if let Ok(min) = column::<Int64Array>(&state, 0) {
            let max = column::<Int64Array>(&state, 1)?;
            min.iter().zip(max).map(|(min, max)| Some((i128::from(max?) - i128::from(min?)) as f64)).collect()
        } else {
            let (min, max) = (column::<Float64Array>(&state, 0)?, column::<Float64Array>(&state, 1)?);
            min.iter().zip(max).map(|(min, max)| Some(normalize_f64(max? - min?))).collect()
        };
        Ok(Arc::new(range))
    }

    fn size(&self) -> usize {
        self.min.size() + self.max.size()
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
