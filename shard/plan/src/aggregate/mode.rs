//! MODE: the most frequent value.
//!
//! State: `values`, a list of the distinct values of each group in ascending order, and `counts`, a list of their
//! counts. Of values that tie, the least is taken; the parameter 'MAX' takes the greatest, 'AVG' their average.

use super::rows::{column, number, required, text_param, unnest, wrong_args};
use super::totals::Compensated;
use super::values::{ValueKeys, list_of, lists, pair_hash};
use crate::error::{Error, Result};
use crate::function::{Accumulator, Aggregate, AggregateSignature};
use crate::scalar::Scalar;
use crate::types::Type;
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray};
use arrow_schema::DataType as ArrowType;
use hashbrown::HashTable;
use segfmt::DataType;
use std::any::Any;
use std::sync::Arc;

/// `mode(x)`, `mode(x, 'MIN' | 'MAX' | 'AVG')`.
#[derive(Debug)]
pub struct Mode;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ties {
    Min,
    Max,
    Avg,
}

fn ties(params: &[Scalar]) -> Result<Ties> {
    let Some(param) = params.first() else { return Ok(Ties::Min) };
    let text = text_param("mode", param)?;
    match text.to_ascii_uppercase().as_str() {
        "MIN" => Ok(Ties::Min),
        "MAX" => Ok(Ties::Max),
        "AVG" => Ok(Ties::Avg),
        _ => Err(Error::Signature(format!("mode settles ties by MIN, MAX or AVG, not {text}"))),
    }
}

/// Numbers whose mode is DOUBLE in the sse profile, as Pinot answers.
fn is_plain_number(ty: Type) -> bool {
    ty.is_numeric() && ty.data != DataType::BigDecimal
}

impl Aggregate for Mode {
    fn name(&self) -> &'static str {
        "mode"
    }

    fn resolve(&self, args: &[Type], params: &[Scalar]) -> Result<AggregateSignature> {
        let average = ties(params)? == Ties::Avg;
        if average && !is_plain_number(args[0]) {
            return Err(wrong_args("mode with AVG", "an INT, LONG, FLOAT or DOUBLE", args));
        }
        Ok(AggregateSignature {
            args: args.to_vec(),
            result: if average { Type::DOUBLE } else { args[0] },
            result_sse: if is_plain_number(args[0]) { Type::DOUBLE } else { args[0] },
            state: vec![required("values", list_of(args[0].arrow())), required("counts", list_of(ArrowType::Int64))],
        })
    }

    fn of_no_rows(&self, result: Type) -> Option<Scalar> {
        number(result, f64::NEG_INFINITY)
    }

    fn accumulator(&self, args: &[Type], params: &[Scalar], result: Type) -> Result<Box<dyn Accumulator>> {
        let keys = ValueKeys::new(args[0].arrow())?;
        Ok(Box::new(Modes { keys, table: HashTable::new(), groups: 0, ties: ties(params)?, result }))
    }
}

/// How often each value of each group occurs.
#[derive(Debug)]
struct Modes {
    keys: ValueKeys,
    /// (group, key), count.
    table: HashTable<((u32, u64), i64)>,
    groups: usize,
    ties: Ties,
    result: Type,
}

fn add(table: &mut HashTable<((u32, u64), i64)>, group: u32, key: u64, count: i64) {
    let pair = (group, key);
    let mut entry =
        table.entry(pair_hash(group, key), |e| e.0 == pair, |e| pair_hash(e.0.0, e.0.1)).or_insert((pair, 0));
    let held = &mut entry.get_mut().1;
    *held = held.saturating_add(count);
}

impl Modes {
    /// (group, key) by group and value, with their counts.
    fn sorted(&self) -> Vec<((u32, u64), i64)> {
        let mut entries: Vec<_> = self.table.iter().copied().collect();
        entries.sort_unstable_by(|(a, _), (b, _)| a.0.cmp(&b.0).then_with(|| self.keys.compare(a.1, b.1)));
        entries
    }

    /// The values of `keys` as doubles.
    fn doubles(&self, keys: &[u64]) -> Result<Float64Array> {
        let values = self.keys.array(keys, None)?;
        let doubles = arrow_cast::cast(&values, &ArrowType::Float64)
            .map_err(|e| Error::Plan(format!("the mode of {} as DOUBLE: {e}", self.keys.ty())))?;
        Ok(column::<Float64Array>(&[doubles], 0)?.clone())
    }
}

impl Accumulator for Modes {
    fn resize(&mut self, groups: usize) {
        self.groups = groups;
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32], filter: Option<&BooleanArray>) -> Result<()> {
        let Modes { keys, table, .. } = self;
        let values = args.first().ok_or_else(|| Error::Plan("mode without an argument".into()))?;
        keys.each(values, groups, filter, |group, key| add(table, group, key, 1))
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<()> {
        let (values, counts) = (column::<ListArray>(state, 0)?, column::<ListArray>(state, 1)?);
        if values.value_offsets() != counts.value_offsets() {
            return Err(Error::Plan("a mode state has not one count a value".into()));
        }
        let (values, _, element_groups) = unnest(values, &[], groups, None)?;
        let (counts, _, _) = unnest(counts, &[], groups, None)?;
        let counts = column::<Int64Array>(std::slice::from_ref(&counts), 0)?.clone();
        if values.len() != counts.len()
            || values.null_count() > 0
            || counts.null_count() > 0
            || counts.values().iter().any(|c| *c <= 0)
        {
            return Err(Error::Plan("a mode state holds a value without a count".into()));
        }
        let mut row = 0;
        let Modes { keys, table, .. } = self;
        keys.each(&values, &element_groups, None, |group, key| {
            add(table, group, key, counts.value(row));
            row += 1;
        })
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        let entries = self.sorted();
        let pairs: Vec<(u32, u64)> = entries.iter().map(|e| e.0).collect();
        let counts = Int64Array::from_iter_values(entries.iter().map(|e| e.1));
        let counts = lists(Arc::new(counts), pairs.iter().map(|p| p.0), self.groups, None)?;
        Ok(vec![self.keys.lists(&pairs, self.groups, None)?, counts])
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let entries = self.sorted();
        // The range of winners of each group: all entries with the greatest count, in value order.
        let mut winners: Vec<Vec<u64>> = vec![Vec::new(); self.groups];
        let mut best = vec![0i64; self.groups];
        for ((group, key), count) in entries {
            let group = group as usize;
            if count > best[group] {
                best[group] = count;
                winners[group].clear();
            }
            if count == best[group] {
                winners[group].push(key);
            }
        }
        if self.ties == Ties::Avg {
            let averages = winners
                .iter()
                .map(|keys| {
                    let mut sum = Compensated::default();
                    self.doubles(keys)?.values().iter().for_each(|v| sum.add(*v));
                    Ok((!keys.is_empty()).then(|| sum.value() / keys.len() as f64))
                })
                .collect::<Result<Float64Array>>()?;
            return Ok(Arc::new(averages));
        }
        let chosen =
            |keys: &Vec<u64>| if self.ties == Ties::Max { keys.last().copied() } else { keys.first().copied() };
        let seen: Vec<bool> = winners.iter().map(|keys| !keys.is_empty()).collect();
        let nulls = super::minmax::seen_nulls(&seen);
        // The key of a NULL group is never read by bits; of bytes it must exist, and `gather` skips it.
        let keys: Vec<u64> = winners.iter().map(|keys| chosen(keys).unwrap_or(0)).collect();
        let values = self.keys.array(&keys, nulls)?;
        if self.result == Type::DOUBLE && *self.keys.ty() != ArrowType::Float64 {
            return arrow_cast::cast(&values, &ArrowType::Float64)
                .map_err(|e| Error::Plan(format!("the mode of {} as DOUBLE: {e}", self.keys.ty())));
        }
        Ok(values)
    }

    fn size(&self) -> usize {
        self.keys.size() + self.table.capacity() * 25
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
