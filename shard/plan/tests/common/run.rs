//! Runs of one aggregate, whole or cut into partial states.

use super::columns::registry;
use arrow_array::{Array, ArrayRef, ListArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::Field;
use shard_plan::{Accumulator, AggregateSignature, Registry, Result, Scalar, Type};
use std::sync::Arc;

/// Lists of `lengths[i]` elements of `values` in turn.
pub fn list(values: ArrayRef, lengths: &[usize]) -> ArrayRef {
    let field = Arc::new(Field::new("item", values.data_type().clone(), true));
    Arc::new(ListArray::new(field, OffsetBuffer::from_lengths(lengths.iter().copied()), values, None))
}

/// The constants that an aggregate needs.
pub fn params(name: &str) -> Vec<Scalar> {
    match name {
        _ if name.starts_with("percentile") => vec![Scalar::Double(37.5)],
        "listagg" | "stringagg" => vec![Scalar::String("|".into())],
        _ => vec![],
    }
}

/// One aggregate, resolved.
pub struct Run {
    registry: Registry,
    pub name: String,
    params: Vec<Scalar>,
    pub signature: AggregateSignature,
    result: Type,
}

impl Run {
    pub fn new(name: &str, args: &[Type], params: Vec<Scalar>, sse: bool) -> Result<Run> {
        let registry = registry();
        let aggregate = registry.aggregate(name).unwrap_or_else(|| panic!("{name} is registered"));
        let signature = aggregate.resolve(args, &params)?;
        let result = if sse { signature.result_sse } else { signature.result };
        Ok(Run { name: name.to_owned(), params, signature, result, registry })
    }

    pub fn accumulator(&self, groups: usize) -> Box<dyn Accumulator> {
        let aggregate = self.registry.aggregate(&self.name).expect("registered");
        let mut accumulator =
            aggregate.accumulator(&self.signature.args, &self.params, self.result).expect("an accumulator");
        accumulator.resize(groups);
        accumulator
    }

    /// All rows at once.
    pub fn whole(&self, args: &[ArrayRef], groups: &[u32], count: usize) -> Result<ArrayRef> {
        let mut accumulator = self.accumulator(count);
        accumulator.update(args, groups, None)?;
        let finished = accumulator.finish()?;
        assert_eq!(*finished.data_type(), self.result.arrow(), "{} finishes as its signature says", self.name);
        Ok(finished)
    }

    pub fn state(&self, args: &[ArrayRef], groups: &[u32], count: usize) -> Vec<ArrayRef> {
        let mut accumulator = self.accumulator(count);
        accumulator.update(args, groups, None).expect("an update");
        let few: Vec<u32> = (0..count as u32).rev().step_by(2).collect();
        let of_few = accumulator.state_of(&few).expect("a state of some groups");
        let state = accumulator.state().expect("a state");
        if let Some(of_few) = of_few {
            let few = arrow_array::UInt32Array::from(few);
            for (column, all) in of_few.iter().zip(&state) {
                let chosen = arrow_select::take::take(all, &few, None).expect("rows");
                assert_eq!(column, &chosen, "{}", self.name);
            }
        }
        let types: Vec<_> = self.signature.state.iter().map(|f| f.data_type().clone()).collect();
        assert_eq!(state.iter().map(|c| c.data_type().clone()).collect::<Vec<_>>(), types, "{}", self.name);
        for (column, field) in state.iter().zip(&self.signature.state) {
            assert!(field.is_nullable() || column.null_count() == 0, "{} {}", self.name, field.name());
        }
        state
    }

    /// Each piece (its rows, in the order given) in an accumulator of its own with its groups backwards, their states
    /// merged in the order of the pieces.
    pub fn pieces(&self, args: &[ArrayRef], groups: &[u32], count: usize, pieces: &[Vec<u32>]) -> Result<ArrayRef> {
        let mut merged = self.accumulator(count);
        for rows in pieces {
            let indices = arrow_array::UInt32Array::from(rows.clone());
            let args: Vec<ArrayRef> =
                args.iter().map(|a| arrow_select::take::take(a, &indices, None).expect("rows")).collect();
            let backwards: Vec<u32> = rows.iter().map(|r| count as u32 - 1 - groups[*r as usize]).collect();
            let state = self.state(&args, &backwards, count);
            merged.merge(&state, &(0..count as u32).rev().collect::<Vec<_>>())?;
        }
        merged.finish()
    }
}
