//! ARRAYAGG and LISTAGG: the values of a group as an array, or joined by a separator.
//!
//! State: one column `values`, a list in ascending order (SQL leaves the order open; a fixed one makes the answer the same
//! however rows are cut). A group without values is NULL.

use super::distinct::DistinctSets;
use super::rows::{column, required, text_param, unnest};
use super::values::{ValueKeys, list_of};
use crate::error::{Error, Result};
use crate::function::{Accumulator, Aggregate, AggregateSignature};
use crate::scalar::Scalar;
use crate::types::Type;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, ListArray, StringArray};
use arrow_buffer::NullBuffer;
use segfmt::DataType;
use std::any::Any;
use std::sync::Arc;

/// `arrayAgg(x, 'TYPE', distinct)`.
#[derive(Debug)]
pub struct ArrayAgg;

/// `listAgg(x, separator, distinct)`.
#[derive(Debug)]
pub struct ListAgg;

fn distinct_param(name: &str, param: Option<&Scalar>) -> Result<bool> {
    match param {
        None => Ok(false),
        Some(Scalar::Boolean(distinct)) => Ok(*distinct),
        Some(other) => Err(Error::Signature(format!("{name} takes true or false for distinct, not {}", other.ty()))),
    }
}

fn element(args: &[Type], params: &[Scalar]) -> Result<Type> {
    let Some(param) = params.first() else { return Ok(args[0]) };
    let name = text_param("arrayagg", param)?;
    DataType::from_pinot_name(&name.to_ascii_uppercase())
        .map(Type::single)
        .ok_or_else(|| Error::Signature(format!("arrayagg names the type {name}, which is none")))
}

impl Aggregate for ArrayAgg {
    fn name(&self) -> &'static str {
        "arrayagg"
    }

    fn resolve(&self, args: &[Type], params: &[Scalar]) -> Result<AggregateSignature> {
        if params.len() > 2 {
            return Err(Error::Signature("arrayagg takes a type and distinct after its argument".into()));
        }
        distinct_param("arrayagg", params.get(1))?;
        let element = element(args, params)?;
        let result = Type::multi(element.data);
        Ok(AggregateSignature {
            args: vec![element],
            result,
            result_sse: result,
            state: vec![required("values", list_of(element.arrow()))],
        })
    }

    fn accumulator(&self, args: &[Type], params: &[Scalar], _result: Type) -> Result<Box<dyn Accumulator>> {
        collected(element(args, params)?, distinct_param("arrayagg", params.get(1))?, None)
    }
}

impl Aggregate for ListAgg {
    fn name(&self) -> &'static str {
        "listagg"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["stringagg"]
    }

    fn resolve(&self, _args: &[Type], params: &[Scalar]) -> Result<AggregateSignature> {
        let Some(separator) = params.first().filter(|_| params.len() <= 2) else {
            return Err(Error::Signature("listagg takes a separator, and perhaps distinct, after its argument".into()));
        };
        text_param("listagg", separator)?;
        distinct_param("listagg", params.get(1))?;
        Ok(AggregateSignature {
            args: vec![Type::STRING],
            result: Type::STRING,
            result_sse: Type::STRING,
            state: vec![required("values", list_of(Type::STRING.arrow()))],
        })
    }

    fn accumulator(&self, args: &[Type], params: &[Scalar], _result: Type) -> Result<Box<dyn Accumulator>> {
        self.resolve(args, params)?;
        let separator = text_param("listagg", &params[0])?.to_owned();
        collected(Type::STRING, distinct_param("listagg", params.get(1))?, Some(separator))
    }
}

fn collected(ty: Type, distinct: bool, separator: Option<String>) -> Result<Box<dyn Accumulator>> {
    let values = if distinct {
        Values::Distinct(DistinctSets::new(ty.arrow())?)
    } else {
        Values::All { keys: ValueKeys::new(ty.arrow())?, pairs: Vec::new() }
    };
    Ok(Box::new(Collected { values, groups: 0, separator }))
}

#[derive(Debug)]
enum Values {
    All { keys: ValueKeys, pairs: Vec<(u32, u64)> },
    Distinct(DistinctSets),
}

/// The values of many groups.
#[derive(Debug)]
struct Collected {
    values: Values,
    groups: usize,
    separator: Option<String>,
}

impl Collected {
    fn lists(&mut self, nulls: bool) -> Result<ArrayRef> {
        let sorted;
        let (keys, pairs) = match &mut self.values {
            Values::All { keys, pairs } => {
                keys.sort(pairs);
                (&*keys, &*pairs)
            }
            Values::Distinct(sets) => {
                sorted = sets.sorted();
                (&sets.keys, &sorted)
            }
        };
        let nulls = nulls.then(|| {
            let mut seen = vec![false; self.groups];
            pairs.iter().for_each(|p| seen[p.0 as usize] = true);
            NullBuffer::from(seen)
        });
        keys.lists(pairs, self.groups, nulls.filter(|n| n.null_count() > 0))
    }
}

impl Accumulator for Collected {
    fn resize(&mut self, groups: usize) {
        self.groups = groups;
        if let Values::Distinct(sets) = &mut self.values {
            sets.resize(groups);
        }
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32], filter: Option<&BooleanArray>) -> Result<()> {
        match &mut self.values {
            Values::All { keys, pairs } => {
                let values = args.first().ok_or_else(|| Error::Plan("a list without an argument".into()))?;
                keys.each(values, groups, filter, |group, key| pairs.push((group, key)))
            }
            Values::Distinct(sets) => sets.update(args, groups, filter),
        }
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<()> {
        let (values, _, groups) = unnest(column::<ListArray>(state, 0)?, &[], groups, None)?;
        self.update(&[values], &groups, None)
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.lists(false)?])
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let lists = self.lists(true)?;
        let Some(separator) = &self.separator else { return Ok(lists) };
        let lists = lists.as_list::<i32>();
        let values = lists.values().as_string::<i32>();
        let total = values.value_data().len() + values.len() * separator.len();
        if i32::try_from(total).is_err() {
            return Err(Error::Memory(format!("{total} bytes of joined strings in one column")));
        }
        let joined = (0..lists.len()).map(|group| {
            let range = lists.value_offsets()[group] as usize..lists.value_offsets()[group + 1] as usize;
            lists.is_valid(group).then(|| range.map(|i| values.value(i)).collect::<Vec<_>>().join(separator))
        });
        Ok(Arc::new(joined.collect::<StringArray>()))
    }

    fn size(&self) -> usize {
        match &self.values {
            Values::All { keys, pairs } => keys.size() + pairs.capacity() * 16,
            Values::Distinct(sets) => sets.size(),
        }
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
