//! FIRSTWITHTIME and LASTWITHTIME: the value at the earliest and the latest time.
//!
//! State: `value` of the value's type and `time` Int64, both NULL for a group without rows. Rows where either is NULL do
//! not count. Of values at one time, the first is the least and the last the greatest, so that the answer does not depend
//! on the order of rows.

use super::rows::{column, field, text_param, try_each_row, wrong_args};
use super::values::compare_bits;
use crate::error::{Error, Result};
use crate::function::{Accumulator, Aggregate, AggregateSignature};
use crate::group::{ByteColumn, bit_keys, byte_array, from_bit_keys};
use crate::scalar::Scalar;
use crate::types::Type;
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array};
use arrow_schema::DataType as ArrowType;
use segfmt::DataType;
use std::any::Any;
use std::cmp::Ordering;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// `firstWithTime(x, time, 'TYPE')`, `lastWithTime(x, time, 'TYPE')`; the type of `x` when none is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithTime {
    First,
    Last,
}

impl Aggregate for WithTime {
    fn name(&self) -> &'static str {
        match self {
            WithTime::First => "firstwithtime",
            WithTime::Last => "lastwithtime",
        }
    }

    fn arguments(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn resolve(&self, args: &[Type], params: &[Scalar]) -> Result<AggregateSignature> {
        if !matches!(args[1].data, DataType::Int | DataType::Long | DataType::Timestamp) {
            return Err(wrong_args(self.name(), "a value and a time (INT, LONG or TIMESTAMP)", args));
        }
        let value = match params {
            [] => args[0],
            [param] => {
                let name = text_param(self.name(), param)?;
                DataType::from_pinot_name(&name.to_ascii_uppercase())
                    .map(Type::single)
                    .ok_or_else(|| Error::Signature(format!("{} names the type {name}, which is none", self.name())))?
            }
            _ => return Err(Error::Signature(format!("{} takes a type after its arguments", self.name()))),
        };
        Ok(AggregateSignature {
            args: vec![value, Type::LONG],
            result: value,
            result_sse: value,
            state: vec![field("value", value.arrow()), field("time", ArrowType::Int64)],
        })
    }

    fn accumulator(&self, args: &[Type], params: &[Scalar], _result: Type) -> Result<Box<dyn Accumulator>> {
        let ty = self.resolve(args, params)?.args[0].arrow();
        Ok(Box::new(TimedValues { values: Vec::new(), ty, last: *self == WithTime::Last, held: 0 }))
    }
}

#[derive(Debug, Clone)]
enum Value {
    Bits(u64),
    Bytes(Box<[u8]>),
}

/// The winning time and value of many groups.
#[derive(Debug)]
struct TimedValues {
    values: Vec<Option<(i64, Value)>>,
    ty: ArrowType,
    last: bool,
    held: usize,
}

impl TimedValues {
    /// Whether a row beats what the group has.
    fn wins(&self, group: usize, time: i64, order: impl Fn(&Value) -> Ordering) -> bool {
        let wins = if self.last { Ordering::Greater } else { Ordering::Less };
        self.values[group].as_ref().is_none_or(|(held, value)| time.cmp(held).then_with(|| order(value)) == wins)
    }
}

impl Accumulator for TimedValues {
    fn resize(&mut self, groups: usize) {
        self.values.resize(groups, None);
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32], filter: Option<&BooleanArray>) -> Result<()> {
        let times = column::<Int64Array>(args, 1)?;
        if *args[0].data_type() != self.ty {
            return Err(Error::Plan(format!("values of {} where {} is due", args[0].data_type(), self.ty)));
        }
        let args = &args[..2];
        if let Some(bytes) = ByteColumn::new(&args[0]) {
            return try_each_row(groups, filter, args, |row, group| {
                let (time, value) = (times.value(row), bytes.get(row));
                let order = |held: &Value| match held {
                    Value::Bytes(held) => value.cmp(held),
                    Value::Bits(_) => Ordering::Equal,
                };
                if self.wins(group, time, order) {
                    if let Some((_, Value::Bytes(old))) = &self.values[group] {
                        self.held -= old.len();
                    }
                    self.held += value.len();
                    self.values[group] = Some((time, Value::Bytes(value.into())));
                }
                Ok(())
            });
        }
        let mut keys = Vec::new();
        bit_keys(&args[0], &mut keys)?;
        try_each_row(groups, filter, args, |row, group| {
            let (time, key) = (times.value(row), keys[row]);
            let order = |held: &Value| match held {
                Value::Bits(held) => compare_bits(&self.ty, key, *held),
                Value::Bytes(_) => Ordering::Equal,
            };
            if self.wins(group, time, order) {
                self.values[group] = Some((time, Value::Bits(key)));
            }
            Ok(())
        })
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<()> {
        self.update(state, groups, None)
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        let times: Int64Array = self.values.iter().map(|v| v.as_ref().map(|v| v.0)).collect();
        Ok(vec![self.finish()?, Arc::new(times)])
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let seen: Vec<bool> = self.values.iter().map(Option::is_some).collect();
        let nulls = super::minmax::seen_nulls(&seen);
        if crate::group::is_bits(&self.ty) {
            let keys: Vec<u64> = self
                .values
                .iter()
                .map(|v| match v {
                    Some((_, Value::Bits(key))) => *key,
                    _ => 0,
                })
                .collect();
            return from_bit_keys(&keys, &self.ty, nulls);
        }
        let mut data = Vec::with_capacity(self.held);
        let lengths = self
            .values
            .iter()
            .map(|v| match v {
                Some((_, Value::Bytes(value))) => {
                    data.extend_from_slice(value);
                    value.len()
                }
                _ => 0,
            })
            .collect();
        byte_array(data, lengths, &self.ty, nulls)
    }

    fn size(&self) -> usize {
        self.values.capacity() * size_of::<Option<(i64, Value)>>() + self.held
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
