//! BOOL_AND and BOOL_OR, which are also MIN and MAX of a BOOLEAN.
//!
//! State: one column `value` Boolean, NULL for a group without values.

use super::minmax::seen_nulls;
use super::rows::{column, each_row, field, wrong_args};
use crate::error::Result;
use crate::function::{Accumulator, Aggregate, AggregateSignature};
use crate::scalar::Scalar;
use crate::types::Type;
use arrow_array::{ArrayRef, BooleanArray};
use arrow_schema::DataType as ArrowType;
use segfmt::DataType;
use std::any::Any;
use std::sync::Arc;

/// `boolAnd`, `boolOr`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoolFold {
    And,
    Or,
}

impl Aggregate for BoolFold {
    fn name(&self) -> &'static str {
        match self {
            BoolFold::And => "booland",
            BoolFold::Or => "boolor",
        }
    }

    fn aliases(&self) -> &'static [&'static str] {
        match self {
            BoolFold::And => &["every"],
            BoolFold::Or => &["some"],
        }
    }

    fn resolve(&self, args: &[Type], _params: &[Scalar]) -> Result<AggregateSignature> {
        if !matches!(args[0].data, DataType::Boolean | DataType::Int) {
            return Err(wrong_args(self.name(), "a BOOLEAN", args));
        }
        Ok(AggregateSignature {
            args: vec![Type::BOOLEAN],
            result: Type::BOOLEAN,
            result_sse: Type::BOOLEAN,
            state: vec![field("value", ArrowType::Boolean)],
        })
    }

    fn of_no_rows(&self, _result: Type) -> Option<Scalar> {
        Some(Scalar::Boolean(*self == BoolFold::And))
    }

    fn accumulator(&self, _args: &[Type], _params: &[Scalar], _result: Type) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Bool::new(*self == BoolFold::Or)))
    }
}

/// Conjunctions or disjunctions of many groups.
#[derive(Debug)]
pub struct Bool {
    values: Vec<bool>,
    seen: Vec<bool>,
    or: bool,
}

impl Bool {
    pub fn new(or: bool) -> Bool {
        Bool { values: Vec::new(), seen: Vec::new(), or }
    }
}

impl Accumulator for Bool {
    fn resize(&mut self, groups: usize) {
        self.values.resize(groups, !self.or);
        self.seen.resize(groups, false);
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32], filter: Option<&BooleanArray>) -> Result<()> {
        let values = column::<BooleanArray>(args, 0)?.values();
        each_row(groups, filter, &args[..1], |row, group| {
            self.seen[group] = true;
            if values.value(row) == self.or {
                self.values[group] = self.or;
            }
        });
        Ok(())
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<()> {
        self.update(state, groups, None)
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.finish()?])
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        Ok(Arc::new(BooleanArray::new(self.values.as_slice().into(), seen_nulls(&self.seen))))
    }

    fn size(&self) -> usize {
        self.values.capacity() + self.seen.capacity()
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
