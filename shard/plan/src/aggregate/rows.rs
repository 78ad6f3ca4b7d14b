//! What every aggregate does with its rows: skip what the filter and NULLs exclude, read typed columns, take the
//! elements of multi-value arguments one by one.

use crate::cast::cast_scalar;
use crate::error::{Error, Result};
use crate::function::{Accumulator, Aggregate, AggregateSignature};
use crate::scalar::Scalar;
use crate::types::Type;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, ListArray, UInt32Array};
use arrow_buffer::BooleanBuffer;
use arrow_schema::{DataType as ArrowType, Field};
use segfmt::DataType;
use std::any::Any;
use std::ops::RangeInclusive;

/// The rows that count: the filter is true and no argument is NULL. `None`: all of them.
pub(crate) fn kept(filter: Option<&BooleanArray>, args: &[ArrayRef]) -> Option<BooleanBuffer> {
    let mut kept: Option<BooleanBuffer> = None;
    let mut and = |more: &BooleanBuffer| {
        kept = Some(match kept.take() {
            Some(before) => &before & more,
            None => more.clone(),
        });
    };
    if let Some(filter) = filter {
        and(filter.values());
        if let Some(nulls) = filter.nulls() {
            and(nulls.inner());
        }
    }
    for arg in args {
        if let Some(nulls) = arg.nulls().filter(|n| n.null_count() > 0) {
            and(nulls.inner());
        }
    }
    kept
}

/// Calls `visit(row, group)` for each row that counts.
#[inline]
pub(crate) fn each_row(
    groups: &[u32],
    filter: Option<&BooleanArray>,
    args: &[ArrayRef],
    mut visit: impl FnMut(usize, usize),
) {
    match kept(filter, args) {
        None => groups.iter().enumerate().for_each(|(row, group)| visit(row, *group as usize)),
        Some(kept) => kept.set_indices().for_each(|row| visit(row, groups[row] as usize)),
    }
}

/// As [`each_row`], stopping at the first error.
#[inline]
pub(crate) fn try_each_row(
    groups: &[u32],
    filter: Option<&BooleanArray>,
    args: &[ArrayRef],
    mut visit: impl FnMut(usize, usize) -> Result<()>,
) -> Result<()> {
    match kept(filter, args) {
        None => groups.iter().enumerate().try_for_each(|(row, group)| visit(row, *group as usize)),
        Some(kept) => kept.set_indices().try_for_each(|row| visit(row, groups[row] as usize)),
    }
}

/// A number in the type of a result; an integer is what Java casts the number to.
pub(crate) fn number(ty: Type, value: f64) -> Option<Scalar> {
    match ty.data {
        _ if ty.multi => None,
        DataType::Double => Some(Scalar::Double(value)),
        DataType::Float => Some(Scalar::Float(value as f32)),
        DataType::Long => Some(Scalar::Long(value as i64)),
        DataType::Int => Some(Scalar::Int(value as i32)),
        DataType::BigDecimal if value == 0.0 => cast_scalar(&Scalar::Int(0), ty).ok(),
        _ => None,
    }
}

/// Column `index` of an argument or state list, as its concrete array. States come from other processes, so that a
/// wrong type is an error and not a panic.
pub(crate) fn column<A: Array + 'static>(columns: &[ArrayRef], index: usize) -> Result<&A> {
    let column = columns.get(index).ok_or_else(|| Error::Plan(format!("column {index} of an aggregate is missing")))?;
    column.as_any().downcast_ref::<A>().ok_or_else(|| {
        Error::Plan(format!("column {index} of an aggregate is {}, not what its version has", column.data_type()))
    })
}

/// The type error that every aggregate gives.
pub(crate) fn wrong_args(name: &str, takes: &str, args: &[Type]) -> Error {
    let given = args.iter().map(Type::to_string).collect::<Vec<_>>().join(", ");
    Error::Signature(format!("{name} takes {takes}, not ({given})"))
}

/// A constant parameter as a number.
pub(crate) fn number_param(name: &str, param: &Scalar) -> Result<f64> {
    match param {
        Scalar::Int(v) => Ok(f64::from(*v)),
        Scalar::Long(v) => Ok(*v as f64),
        Scalar::Float(v) => Ok(f64::from(*v)),
        Scalar::Double(v) => Ok(*v),
        Scalar::BigDecimal(bytes) => segfmt::decimal::to_plain_string(bytes)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| Error::Signature(format!("{name} has a decimal parameter out of range"))),
        other => Err(Error::Signature(format!("{name} takes a number as parameter, not {}", other.ty()))),
    }
}

/// A constant parameter as a whole number within `range`.
pub(crate) fn integer_param(name: &str, param: &Scalar, range: RangeInclusive<i64>) -> Result<i64> {
    let value = number_param(name, param)?;
    if value.fract() == 0.0 && value >= *range.start() as f64 && value <= *range.end() as f64 {
        Ok(value as i64)
    } else {
        Err(Error::Signature(format!(
            "{name} takes a whole number from {} to {}, not {value}",
            range.start(),
            range.end()
        )))
    }
}

/// A constant parameter as text.
pub(crate) fn text_param<'s>(name: &str, param: &'s Scalar) -> Result<&'s str> {
    match param {
        Scalar::String(text) => Ok(text),
        other => Err(Error::Signature(format!("{name} takes a string as parameter, not {}", other.ty()))),
    }
}

/// The type that sums and averages work on: INT and LONG exact, FLOAT as DOUBLE, BIG_DECIMAL exact, BOOLEAN as 0 and 1.
pub(crate) fn number_type(name: &str, ty: Type) -> Result<Type> {
    match ty.data {
        _ if ty.multi => Err(wrong_args(name, "a single value", &[ty])),
        DataType::Int | DataType::Boolean => Ok(Type::INT),
        DataType::Long | DataType::Timestamp => Ok(Type::LONG),
        DataType::Float | DataType::Double => Ok(Type::DOUBLE),
        DataType::BigDecimal => Ok(Type::BIG_DECIMAL),
        DataType::String | DataType::Json | DataType::Bytes => Err(wrong_args(name, "a number", &[ty])),
    }
}

/// One nullable state column.
pub(crate) fn field(name: &str, ty: ArrowType) -> Field {
    Field::new(name, ty, true)
}

/// One state column without NULLs.
pub(crate) fn required(name: &str, ty: ArrowType) -> Field {
    Field::new(name, ty, false)
}

/// The elements of a list column and the group of each. `others` are per-row arguments beside it, repeated.
pub(crate) fn unnest(
    list: &ListArray,
    others: &[ArrayRef],
    groups: &[u32],
    filter: Option<&BooleanArray>,
) -> Result<(ArrayRef, Vec<ArrayRef>, Vec<u32>)> {
    let offsets = list.value_offsets();
    let take = |values: &dyn Array, indices: &UInt32Array| {
        arrow_select::take::take(values, indices, None).map_err(|e| Error::Plan(format!("elements of a list: {e}")))
    };
    let kept = kept(filter, std::slice::from_ref(&(std::sync::Arc::new(list.clone()) as ArrayRef)));
    let total = (offsets[list.len()] - offsets[0]) as usize;
    let mut element_groups = Vec::with_capacity(total);
    let mut elements = Vec::with_capacity(if kept.is_some() { total } else { 0 });
    let mut rows = Vec::with_capacity(if others.is_empty() { 0 } else { total });
    let mut add = |row: usize| {
        let range = offsets[row] as u32..offsets[row + 1] as u32;
        element_groups.extend(range.clone().map(|_| groups[row]));
        if !others.is_empty() {
            rows.extend(range.clone().map(|_| row as u32));
        }
        range
    };
    let values = match kept {
        None => {
            (0..list.len()).for_each(|row| {
                add(row);
            });
            list.values().slice(offsets[0] as usize, total)
        }
        Some(kept) => {
            kept.set_indices().for_each(|row| elements.extend(add(row)));
            take(list.values(), &UInt32Array::from(elements))?
        }
    };
    let rows = UInt32Array::from(rows);
    let others = others.iter().map(|other| take(other, &rows)).collect::<Result<_>>()?;
    Ok((values, others, element_groups))
}

/// An aggregate that also takes a multi-value argument, element by element (E-4). A NULL or empty list adds nothing.
#[derive(Debug)]
pub struct Elements<A>(pub A);

fn elements(args: &[Type]) -> Vec<Type> {
    args.iter().map(|t| t.element()).collect()
}

impl<A: Aggregate> Aggregate for Elements<A> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn aliases(&self) -> &'static [&'static str] {
        self.0.aliases()
    }

    fn state_version(&self) -> u32 {
        self.0.state_version()
    }

    fn arguments(&self) -> RangeInclusive<usize> {
        self.0.arguments()
    }

    fn resolve(&self, args: &[Type], params: &[Scalar]) -> Result<AggregateSignature> {
        let counts = self.0.arguments();
        if !counts.contains(&args.len()) {
            let takes = if counts.start() == counts.end() {
                format!("{} argument(s)", counts.start())
            } else {
                format!("at least {} argument(s)", counts.start())
            };
            return Err(wrong_args(self.name(), &takes, args));
        }
        if args.iter().filter(|t| t.multi).count() > 1 {
            return Err(wrong_args(self.name(), "at most one multi-value argument", args));
        }
        let mut signature = self.0.resolve(&elements(args), params)?;
        for (coerced, given) in signature.args.iter_mut().zip(args) {
            coerced.multi = given.multi;
        }
        Ok(signature)
    }

    fn of_no_rows(&self, result: Type) -> Option<Scalar> {
        self.0.of_no_rows(result)
    }

    fn accumulator(&self, args: &[Type], params: &[Scalar], result: Type) -> Result<Box<dyn Accumulator>> {
        let inner = self.0.accumulator(&elements(args), params, result)?;
        Ok(match args.iter().position(|t| t.multi) {
            Some(list) => Box::new(Unnest { inner, list }),
            None => inner,
        })
    }
}

/// Feeds the elements of argument `list` to an accumulator of single values.
struct Unnest {
    inner: Box<dyn Accumulator>,
    list: usize,
}

impl Accumulator for Unnest {
    fn resize(&mut self, groups: usize) {
        self.inner.resize(groups);
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32], filter: Option<&BooleanArray>) -> Result<()> {
        let list = args
            .get(self.list)
            .and_then(|a| a.as_list_opt::<i32>())
            .ok_or_else(|| Error::Plan(format!("argument {} of an aggregate is not a list", self.list)))?;
        let mut others = args.to_vec();
        others.remove(self.list);
        let (values, mut args, groups) = unnest(list, &others, groups, filter)?;
        args.insert(self.list, values);
        self.inner.update(&args, &groups, None)
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<()> {
        self.inner.merge(state, groups)
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        self.inner.state()
    }

    fn state_of(&mut self, groups: &[u32]) -> Result<Option<Vec<ArrayRef>>> {
        self.inner.state_of(groups)
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        self.inner.finish()
    }

    fn size(&self) -> usize {
        self.inner.size()
    }

    /// The wrapper itself: kernels for single values must not find the inner accumulator.
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
