//! MIN and MAX of every comparable type, in that type: a LONG keeps all its digits.
//!
//! State: one column `value` of the argument's type, NULL for a group without values. Strings, bytes and decimals
//! compare as bytes; NaN is the greatest number (E-10).

use super::rows::{column, each_row, field, number, wrong_args};
use super::totals::chosen;
use crate::error::{Error, Result};
use crate::function::{Accumulator, Aggregate, AggregateSignature};
use crate::group::{ByteColumn, byte_array};
use crate::scalar::Scalar;
use crate::types::Type;
use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, BooleanArray, PrimitiveArray};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType as ArrowType;
use segfmt::DataType;
use segfmt::value::{cmp_f32, cmp_f64, normalize_f32, normalize_f64};
use std::any::Any;
use std::cmp::Ordering;
use std::sync::Arc;

/// One of the extremes.
#[derive(Debug)]
pub struct Extreme {
    name: &'static str,
    aliases: &'static [&'static str],
    max: bool,
    /// `minString` and its like take this type only.
    only: Option<DataType>,
}

/// MIN, MAX, the typed names of both, and ANYVALUE: the least value, so that the answer does not depend on timing.
pub const EXTREMES: [Extreme; 7] = [
    Extreme { name: "min", aliases: &["minmv"], max: false, only: None },
    Extreme { name: "max", aliases: &["maxmv"], max: true, only: None },
    Extreme { name: "minstring", aliases: &[], max: false, only: Some(DataType::String) },
    Extreme { name: "maxstring", aliases: &[], max: true, only: Some(DataType::String) },
    Extreme { name: "minlong", aliases: &[], max: false, only: Some(DataType::Long) },
    Extreme { name: "maxlong", aliases: &[], max: true, only: Some(DataType::Long) },
    Extreme { name: "anyvalue", aliases: &["any"], max: false, only: None },
];

impl Aggregate for Extreme {
    fn name(&self) -> &'static str {
        self.name
    }

    fn aliases(&self) -> &'static [&'static str] {
        self.aliases
    }

    fn resolve(&self, args: &[Type], _params: &[Scalar]) -> Result<AggregateSignature> {
        let ty = match self.only {
            Some(DataType::Long) if matches!(args[0].data, DataType::Int | DataType::Timestamp) => Type::LONG,
            Some(only) if args[0].data != only => {
                return Err(wrong_args(self.name, &format!("a {}", only.pinot_name()), args));
            }
            _ => args[0],
        };
        Ok(AggregateSignature { args: vec![ty], result: ty, result_sse: ty, state: vec![field("value", ty.arrow())] })
    }

    fn of_no_rows(&self, result: Type) -> Option<Scalar> {
        if self.name == "anyvalue" {
            return None;
        }
        number(result, if self.max { f64::NEG_INFINITY } else { f64::INFINITY })
    }

    fn accumulator(&self, args: &[Type], params: &[Scalar], _result: Type) -> Result<Box<dyn Accumulator>> {
        let ty = self.resolve(args, params)?.args[0];
        Ok(extreme(ty, self.max))
    }
}

/// The accumulator of one extreme of a single-value type.
pub(crate) fn extreme(ty: Type, max: bool) -> Box<dyn Accumulator> {
    match ty.data {
        DataType::Int => Box::new(MinMax::<Int32Type>::new(max)),
        DataType::Long => Box::new(MinMax::<Int64Type>::new(max)),
        DataType::Float => Box::new(MinMax::<Float32Type>::new(max)),
        DataType::Double => Box::new(MinMax::<Float64Type>::new(max)),
        DataType::Timestamp => Box::new(MinMax::<TimestampMillisecondType>::new(max)),
        DataType::Boolean => Box::new(super::boolean::Bool::new(max)),
        DataType::String | DataType::Json | DataType::Bytes | DataType::BigDecimal => {
            Box::new(MinMaxBytes::new(max, ty.arrow()))
        }
    }
}

/// Numbers with a total order.
pub trait Ordered: ArrowPrimitiveType {
    fn compare(a: Self::Native, b: Self::Native) -> Ordering;
    /// The one form of equal values.
    fn normal(value: Self::Native) -> Self::Native;
}

macro_rules! integers {
    ($($ty:ty),*) => {$(
        impl Ordered for $ty {
            #[inline]
            fn compare(a: Self::Native, b: Self::Native) -> Ordering {
                a.cmp(&b)
            }

            #[inline]
            fn normal(value: Self::Native) -> Self::Native {
                value
            }
        }
    )*};
}
integers!(Int32Type, Int64Type, TimestampMillisecondType);

impl Ordered for Float32Type {
    #[inline]
    fn compare(a: f32, b: f32) -> Ordering {
        cmp_f32(a, b)
    }

    fn normal(value: f32) -> f32 {
        normalize_f32(value)
    }
}

impl Ordered for Float64Type {
    #[inline]
    fn compare(a: f64, b: f64) -> Ordering {
        cmp_f64(a, b)
    }

    fn normal(value: f64) -> f64 {
        normalize_f64(value)
    }
}

/// The least or greatest number of many groups.
#[derive(Debug)]
pub struct MinMax<T: Ordered> {
    values: Vec<T::Native>,
    seen: Vec<bool>,
    wins: Ordering,
}

impl<T: Ordered> MinMax<T> {
    pub fn new(max: bool) -> MinMax<T> {
        MinMax { values: Vec::new(), seen: Vec::new(), wins: if max { Ordering::Greater } else { Ordering::Less } }
    }

    #[inline]
    fn add(&mut self, group: usize, value: T::Native) {
        if !self.seen[group] || T::compare(value, self.values[group]) == self.wins {
            self.values[group] = value;
            self.seen[group] = true;
        }
    }

    /// Non-null values, one a row.
    #[inline]
    pub fn add_slice(&mut self, groups: &[u32], values: &[T::Native]) {
        for (group, value) in groups.iter().zip(values) {
            self.add(*group as usize, *value);
        }
    }

    /// An extreme that a kernel found in some values of one group.
    #[inline]
    pub fn add_one_group(&mut self, group: u32, value: T::Native) {
        self.add(group as usize, value);
    }
}

impl<T: Ordered> Accumulator for MinMax<T> {
    fn resize(&mut self, groups: usize) {
        self.values.resize(groups, T::default_value());
        self.seen.resize(groups, false);
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32], filter: Option<&BooleanArray>) -> Result<()> {
        let values = column::<PrimitiveArray<T>>(args, 0)?.values();
        each_row(groups, filter, &args[..1], |row, group| self.add(group, values[row]));
        Ok(())
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<()> {
        self.update(state, groups, None)
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.finish()?])
    }

    fn state_of(&mut self, groups: &[u32]) -> Result<Option<Vec<ArrayRef>>> {
        let values = groups.iter().map(|g| T::normal(self.values[*g as usize])).collect();
        let nulls = seen_nulls(&chosen(&self.seen, groups));
        Ok(Some(vec![Arc::new(PrimitiveArray::<T>::new(values, nulls))]))
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let values = self.values.iter().map(|v| T::normal(*v)).collect();
        Ok(Arc::new(PrimitiveArray::<T>::new(values, seen_nulls(&self.seen))))
    }

    fn size(&self) -> usize {
        self.values.capacity() * size_of::<T::Native>() + self.seen.capacity()
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// Groups without a value are NULL.
pub(crate) fn seen_nulls(seen: &[bool]) -> Option<NullBuffer> {
    seen.contains(&false).then(|| NullBuffer::from(seen))
}

/// The least or greatest string, byte string or decimal of many groups.
#[derive(Debug)]
pub struct MinMaxBytes {
    values: Vec<Option<Box<[u8]>>>,
    wins: Ordering,
    ty: ArrowType,
    held: usize,
}

impl MinMaxBytes {
    pub fn new(max: bool, ty: ArrowType) -> MinMaxBytes {
        let wins = if max { Ordering::Greater } else { Ordering::Less };
        MinMaxBytes { values: Vec::new(), wins, ty, held: 0 }
    }

    fn column<'v>(&self, values: impl Iterator<Item = Option<&'v [u8]>> + Clone) -> Result<ArrayRef> {
        let seen: Vec<bool> = values.clone().map(|v| v.is_some()).collect();
        let lengths = values.clone().map(|v| v.unwrap_or_default().len()).collect();
        let mut data = Vec::new();
        values.flatten().for_each(|v| data.extend_from_slice(v));
        byte_array(data, lengths, &self.ty, seen_nulls(&seen))
    }

    /// One value of one group.
    #[inline]
    pub fn add_one_group(&mut self, group: u32, value: &[u8]) {
        let best = &mut self.values[group as usize];
        match best {
            Some(best) if value.cmp(best) != self.wins => {}
            _ => {
                self.held += value.len();
                self.held -= best.as_ref().map_or(0, |b| b.len());
                *best = Some(value.into());
            }
        }
    }
}

impl Accumulator for MinMaxBytes {
    fn resize(&mut self, groups: usize) {
        self.values.resize(groups, None);
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32], filter: Option<&BooleanArray>) -> Result<()> {
        let array = args.first().filter(|a| *a.data_type() == self.ty);
        let values = array
            .and_then(|a| ByteColumn::new(a))
            .ok_or_else(|| Error::Plan(format!("an extreme of {} over another type", self.ty)))?;
        each_row(groups, filter, &args[..1], |row, group| self.add_one_group(group as u32, values.get(row)));
        Ok(())
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<()> {
        self.update(state, groups, None)
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.finish()?])
    }

    fn state_of(&mut self, groups: &[u32]) -> Result<Option<Vec<ArrayRef>>> {
        Ok(Some(vec![self.column(groups.iter().map(|g| self.values[*g as usize].as_deref()))?]))
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        self.column(self.values.iter().map(Option::as_deref))
    }

    fn size(&self) -> usize {
        self.values.capacity() * size_of::<Option<Box<[u8]>>>() + self.held
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
