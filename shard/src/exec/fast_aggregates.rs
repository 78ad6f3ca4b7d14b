//! Aggregates fed from packed columns: counts from masks, sums from packed integers, extremes and distinct values as ids.

use crate::error::Result;
use crate::exec::bind::BoundSegment;
use crate::exec::computed::Computed;
use crate::exec::decode::{self, Scratch};
use crate::exec::fast::column_ids;
use crate::exec::filter::Input;
use crate::exec::loads::{load_doubles, load_integers, without_nulls};
use crate::exec::output::BoundGroups;
use crate::exec::selection::{Mask, Selection, Vector};
use crate::kernels::sum::masked_sum;
use crate::kernels::{GROUP, GROUP_WORDS};
use arrow_array::ArrayRef;
use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type, TimestampMillisecondType};
use segfmt::{DataType, IntPage, Page, PageValues, Physical};
use shard_plan::aggregate::avg::{AvgDouble, AvgLong};
use shard_plan::aggregate::count::Count;
use shard_plan::aggregate::minmax::MinMax;
use shard_plan::aggregate::sum::{SumDouble, SumLong};
use shard_plan::{Accumulator, Expr, States, Type};
use std::fmt;

/// Distinct (group, id) pairs are kept as bits while they fit this many.
const PAIR_BITS: u64 = 1 << 24;
/// Ids looked up in one step.
const SETTLED: usize = 1024;
const NO_ID: u32 = u32::MAX;

/// One aggregate over the groups of one segment.
pub(crate) struct FastAggregate {
    accumulator: Box<dyn Accumulator>,
    feed: Feed,
    values: Vec<i64>,
    numbers: Vec<f64>,
    ids: Vec<u32>,
    kept: Vec<u32>,
    /// Rows without a null.
    valid: Selection,
    groups: usize,
    /// Groups, or words of bits, that the accumulator has been given.
    settled: usize,
    states: States,
}

impl fmt::Debug for FastAggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.feed.fmt(f)
    }
}

/// Where the aggregate's values come from.
#[derive(Debug)]
enum Feed {
    /// COUNT(*), or of a column that is never null here.
    Rows,
    /// COUNT of a nullable column.
    NonNull {
        column: usize,
    },
    /// A numeric column, as integers or doubles; into one of the known accumulators.
    Integers {
        column: usize,
    },
    Doubles {
        column: usize,
    },
    /// Integer arithmetic over columns, summed as integers or (`doubles`) as doubles.
    Computed {
        computed: Computed,
        doubles: bool,
    },
    /// MIN or MAX of a dictionary column: the smallest or greatest id of each group.
    Extreme {
        column: usize,
        max: bool,
        ids: Vec<u32>,
    },
    /// What depends on the distinct values of a dictionary column only: a bit for each (group, id).
    Distinct {
        column: usize,
        cardinality: u64,
        bits: Vec<u64>,
    },
    /// Evaluated on Arrow arrays.
    Arrays,
}

/// Aggregates whose state depends on the set of their values only.
const OF_DISTINCT: [&str; 6] =
    ["distinctcount", "distinctcounthll", "distinctcountbitmap", "distinctsum", "distinctavg", "distinctcountrawhll"];

/// The column under an argument, below conversions that cannot change what is summed.
fn column_of(expr: &Expr) -> Option<(usize, Type)> {
    match expr {
        Expr::Column { index, ty } => Some((*index as usize, *ty)),
        Expr::Cast { expr, to, lenient: false } => match (&**expr, to.data) {
            (Expr::Column { index, ty }, DataType::Double) if ty.is_numeric() && ty.data != DataType::BigDecimal => {
                Some((*index as usize, Type::DOUBLE))
            }
            (Expr::Column { index, ty }, DataType::Long)
                if matches!(ty.data, DataType::Int | DataType::Timestamp) && !ty.multi =>
            {
                Some((*index as usize, Type::LONG))
            }
            _ => None,
        },
        _ => None,
    }
}

impl FastAggregate {
    pub fn new(segment: &BoundSegment, bound: &BoundGroups, index: usize) -> Result<FastAggregate> {
        let aggregate = &bound.aggregates[index];
        let call = aggregate.call();
        let mut accumulator = aggregate.accumulator()?;
        let feed = if call.filter.is_some() { Feed::Arrays } else { feed(segment, call, accumulator.as_mut()) };
        Ok(FastAggregate {
            accumulator,
            feed,
            values: Vec::new(),
            numbers: Vec::new(),
            ids: Vec::new(),
            kept: Vec::new(),
            valid: Selection::default(),
            groups: 0,
            settled: 0,
            states: States::default(),
        })
    }

    pub fn resize(&mut self, groups: usize) {
        if groups <= self.groups {
            return;
        }
        self.groups = groups;
        self.accumulator.resize(groups);
        match &mut self.feed {
            Feed::Extreme { ids, .. } => ids.resize(groups, NO_ID),
            Feed::Distinct { cardinality, bits, .. } => {
                let words = (groups as u64 * *cardinality).div_ceil(64) as usize;
                if words as u64 * 64 > PAIR_BITS {
                    return;
                }
                bits.resize(words, 0);
            }
            _ => {}
        }
    }

    /// The aggregate over all rows of the segment, from what is known without reading them; false when that is not enough.
    pub fn answer(&mut self, segment: &BoundSegment) -> Result<bool> {
        let rows = segment.source.rows();
        let any = self.accumulator.as_any_mut();
        match &mut self.feed {
            Feed::Rows => {
                let Some(count) = any.downcast_mut::<Count>() else { return Ok(false) };
                count.add_one_group(0, rows);
            }
            Feed::NonNull { column } => {
                let (Some(stored), Some(count)) = (segment.columns[*column].stored(), any.downcast_mut::<Count>())
                else {
                    return Ok(false);
                };
                let column = stored.column();
                let nulls: u64 = (0..column.blocks()).map(|b| u64::from(column.null_count(b))).sum();
                count.add_one_group(0, rows - nulls);
            }
            Feed::Extreme { column, max, ids } => {
                let bound = &segment.columns[*column];
                let (Some(stored), n) = (bound.stored(), bound.dict()?.len()) else { return Ok(false) };
                // Only the default value can be in the dictionary for null rows alone.
                let counts = |id: &u32| !bound.nullable || stored.column().held_by_non_null(*id);
                let found = if *max { (0..n).rev().find(counts) } else { (0..n).find(counts) };
                if let (Some(slot), Some(id)) = (ids.first_mut(), found) {
                    *slot = id;
                }
            }
            Feed::Distinct { column, cardinality, bits } => {
                let bound = &segment.columns[*column];
                let (Some(stored), n) = (bound.stored(), bound.dict()?.len()) else { return Ok(false) };
                if (bits.len() as u64) < cardinality.div_ceil(64) {
                    return Ok(false);
                }
                for id in (0..n).filter(|id| !bound.nullable || stored.column().held_by_non_null(*id)) {
                    bits[id as usize / 64] |= 1 << (id % 64);
                }
            }
            Feed::Integers { column }
                if any.is::<MinMax<Int32Type>>()
                    || any.is::<MinMax<Int64Type>>()
                    || any.is::<MinMax<TimestampMillisecondType>>() =>
            {
                let bound = &segment.columns[*column];
                let Some(stored) = bound.stored() else { return Ok(false) };
                let set = bound.row_set();
                let ends = [stored.column().min(set), stored.column().max(set)];
                for end in ends {
                    if let Some(segfmt::ScalarRef::Int(v)) =
                        end.map_err(|e| bound.broken(e))?.as_ref().map(segfmt::Value::as_scalar)
                    {
                        feed_integers(self.accumulator.as_mut(), &[0], true, &[v]);
                    }
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Adds the rows of a mask to the only group; false when the rows themselves are needed.
    pub fn add_mask(&mut self, input: &Input<'_>, vector: Vector, mask: &Mask, passed: usize) -> bool {
        match &self.feed {
            Feed::Rows => {
                if let Some(count) = self.accumulator.as_any_mut().downcast_mut::<Count>() {
                    count.add_one_group(0, passed as u64);
                    return true;
                }
                false
            }
            Feed::NonNull { column } => {
                let bound = &input.columns[*column];
                let first = (input.first_row as usize + vector.start) / 64;
                let rows: u32 = mask
                    .iter()
                    .take(vector.len.div_ceil(64))
                    .enumerate()
                    .map(|(i, w)| (w & !bound.null_word(first + i)).count_ones())
                    .sum();
                if let Some(count) = self.accumulator.as_any_mut().downcast_mut::<Count>() {
                    count.add_one_group(0, u64::from(rows));
                    return true;
                }
                false
            }
            Feed::Integers { column } => {
                let Some(PageValues::Ints(page)) = input.blocks[*column].page().map(Page::values) else { return false };
                let mut mask = *mask;
                let bound = &input.columns[*column];
                if bound.nulls.is_some() {
                    let first = (input.first_row as usize + vector.start) / 64;
                    mask.iter_mut()
                        .enumerate()
                        .take(vector.len.div_ceil(64))
                        .for_each(|(i, w)| *w &= !bound.null_word(first + i));
                }
                let rows = crate::kernels::count_ones(&mask) as u64;
                let total = match page {
                    IntPage::Constant { value, .. } => i128::from(*value) * i128::from(rows),
                    IntPage::For { base, packed } if packed.width() <= 32 && vector.start.is_multiple_of(GROUP) => {
                        let sum: u64 = mask
                            .as_chunks::<GROUP_WORDS>()
                            .0
                            .iter()
                            .enumerate()
                            .take(vector.len.div_ceil(GROUP))
                            .map(|(i, words)| {
                                masked_sum(input.simd, packed.width(), packed.group(vector.start / GROUP + i), words)
                            })
                            .sum();
                        i128::from(*base) * i128::from(rows) + i128::from(sum)
                    }
                    _ => return false,
                };
                let accumulator = self.accumulator.as_any_mut();
                if let Some(sum) = accumulator.downcast_mut::<SumLong>() {
                    sum.add_one_group(0, total, rows);
                } else if let Some(avg) = accumulator.downcast_mut::<AvgLong>() {
                    avg.add_one_group(0, total, rows);
                } else {
                    return false;
                }
                true
            }
            _ => false,
        }
    }

    /// Adds the selected rows to their groups; `alone`: all of them to group 0.
    #[allow(clippy::too_many_arguments)]
    pub fn add(
        &mut self,
        bound: &BoundGroups,
        index: usize,
        input: &Input<'_>,
        selection: &Selection,
        groups: &[u32],
        alone: bool,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let vector = Vector { start: selection.rows.first().map_or(0, |r| *r as usize), len: selection.rows.len() };
        match &mut self.feed {
            Feed::Rows => {
                if let Some(count) = self.accumulator.as_any_mut().downcast_mut::<Count>() {
                    count.add_groups(groups);
                }
            }
            Feed::NonNull { column } => {
                let column = &input.columns[*column];
                self.kept.clear();
                self.kept.extend(
                    groups
                        .iter()
                        .zip(&selection.rows)
                        .filter(|(_, r)| !column.is_null(input.first_row + u64::from(**r)))
                        .map(|(g, _)| *g),
                );
                if let Some(count) = self.accumulator.as_any_mut().downcast_mut::<Count>() {
                    count.add_groups(&self.kept);
                }
            }
            Feed::Integers { column } => {
                let column = *column;
                load_integers(input, column, vector, selection, scratch, &mut self.ids, &mut self.values)?;
                let groups = without_nulls(input, column, selection, groups, &mut self.values, &mut self.kept);
                feed_integers(self.accumulator.as_mut(), groups, alone, &self.values);
            }
            Feed::Doubles { column } => {
                let column = *column;
                load_doubles(
                    input,
                    column,
                    vector,
                    selection,
                    scratch,
                    (&mut self.ids, &mut self.values),
                    &mut self.numbers,
                )?;
                let groups = without_nulls(input, column, selection, groups, &mut self.numbers, &mut self.kept);
                feed_doubles(self.accumulator.as_mut(), groups, &self.numbers);
            }
            Feed::Extreme { column, max, ids } => {
                column_ids(*column, input, vector, selection, &mut self.ids);
                let groups = without_nulls(input, *column, selection, groups, &mut self.ids, &mut self.kept);
                for (group, id) in groups.iter().zip(&self.ids) {
                    let best = &mut ids[*group as usize];
                    *best = if *best == NO_ID {
                        *id
                    } else if *max {
                        (*best).max(*id)
                    } else {
                        (*best).min(*id)
                    };
                }
            }
            Feed::Distinct { column, cardinality, bits }
                if (self.groups as u64 * *cardinality).div_ceil(64) as usize <= bits.len() =>
            {
                column_ids(*column, input, vector, selection, &mut self.ids);
                let groups = without_nulls(input, *column, selection, groups, &mut self.ids, &mut self.kept);
                for (group, id) in groups.iter().zip(&self.ids) {
                    let bit = u64::from(*group) * *cardinality + u64::from(*id);
                    bits[(bit / 64) as usize] |= 1 << (bit % 64);
                }
            }
            Feed::Computed { computed, doubles } => {
                let nullable = computed.columns().any(|c| input.columns[c].nulls.is_some());
                let (valid, valid_groups) = if nullable {
                    self.kept.clear();
                    self.valid.rows.clear();
                    for (row, group) in selection.rows.iter().zip(groups) {
                        let at = input.first_row + u64::from(*row);
                        if !computed.columns().any(|c| input.columns[c].is_null(at)) {
                            self.valid.rows.push(*row);
                            self.kept.push(*group);
                        }
                    }
                    (&self.valid, self.kept.as_slice())
                } else {
                    (selection, groups)
                };
                let ids = &mut self.ids;
                let load =
                    |column: usize, out: &mut Vec<i64>| load_integers(input, column, vector, valid, scratch, ids, out);
                match computed.values(valid.rows.len(), load)? {
                    Some(values) if *doubles => {
                        self.numbers.clear();
                        self.numbers.extend(values.iter().map(|v| *v as f64));
                        feed_doubles(self.accumulator.as_mut(), valid_groups, &self.numbers);
                    }
                    Some(values) => feed_integers(self.accumulator.as_mut(), valid_groups, alone, values),
                    // The general evaluation says what overflows.
                    None => self.add_arrays(bound, index, input, selection, groups, scratch)?,
                }
            }
            // Too many pairs for bits (those set so far are added at the end), or an expression.
            Feed::Distinct { .. } | Feed::Arrays => {
                self.add_arrays(bound, index, input, selection, groups, scratch)?;
            }
        }
        Ok(())
    }

    /// Adds the selected rows by evaluating the arguments on Arrow arrays.
    fn add_arrays(
        &mut self,
        bound: &BoundGroups,
        index: usize,
        input: &Input<'_>,
        selection: &Selection,
        groups: &[u32],
        scratch: &mut Scratch,
    ) -> Result<()> {
        let args = &bound.args[index];
        let filter = bound.filters[index].as_ref();
        let used = |i: usize| args.iter().chain(filter).any(|e| e.columns().contains(&(i as u32)));
        let columns = decode::columns(input.columns, input.blocks, input.first_row, &selection.rows, used, scratch)?;
        let rows = selection.rows.len();
        let args = args.iter().map(|a| a.eval(&columns, rows)).collect::<Result<Vec<_>, _>>()?;
        let filter = filter.map(|f| f.eval_filter(&columns, rows)).transpose()?;
        self.accumulator.update(&args, groups, filter.as_ref())?;
        Ok(())
    }

    /// Gives some of what was gathered as ids to the accumulator; true when it has all of it.
    pub fn settle_step(&mut self, segment: &BoundSegment) -> Result<bool> {
        let (mut groups, mut found) = (Vec::new(), Vec::new());
        let column = match &mut self.feed {
            Feed::Extreme { column, ids, .. } => {
                while let Some(id) = ids.get(self.settled) {
                    if *id != NO_ID {
                        groups.push(self.settled as u32);
                        found.push(*id);
                    }
                    self.settled += 1;
                    if found.len() >= SETTLED {
                        break;
                    }
                }
                *column
            }
            Feed::Distinct { column, cardinality, bits } => {
                while let Some(word) = bits.get(self.settled) {
                    let mut rest = *word;
                    while rest != 0 {
                        let bit = self.settled as u64 * 64 + u64::from(rest.trailing_zeros());
                        rest &= rest - 1;
                        groups.push((bit / *cardinality) as u32);
                        found.push((bit % *cardinality) as u32);
                    }
                    self.settled += 1;
                    if found.len() >= SETTLED {
                        break;
                    }
                }
                *column
            }
            _ => return Ok(true),
        };
        if found.is_empty() {
            return Ok(true);
        }
        let values = segment.columns[column].dict()?.values_sorted(&found, None)?;
        self.accumulator.update(&[values], &groups, None)?;
        Ok(false)
    }

    /// State columns of some groups, once everything is settled.
    pub fn states_of(&mut self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        Ok(self.states.of(self.accumulator.as_mut(), groups)?)
    }
}

/// The cheapest way to feed an aggregate.
fn feed(segment: &BoundSegment, call: &shard_plan::AggregateCall, accumulator: &mut dyn Accumulator) -> Feed {
    let any = accumulator.as_any_mut();
    if any.is::<Count>() {
        return match call.args.as_slice() {
            [] => Feed::Rows,
            [Expr::Column { index, ty }] if !ty.multi || call.function == "count" => {
                let bound = &segment.columns[*index as usize];
                match (bound.nullable, bound.nulls.is_some()) {
                    (false, _) => Feed::Rows,
                    (true, true) => Feed::NonNull { column: *index as usize },
                    (true, false) => Feed::Arrays,
                }
            }
            _ => Feed::Arrays,
        };
    }
    let [argument] = call.args.as_slice() else { return Feed::Arrays };
    let Some((column, ty)) = column_of(argument) else { return computed_feed(segment, argument, accumulator) };
    let bound = &segment.columns[column];
    if bound.stored().is_none() || bound.ty.multi {
        return Feed::Arrays;
    }
    if matches!(argument, Expr::Column { .. })
        && let Some(dict) = bound.single_dict()
    {
        match call.function.as_str() {
            "min" | "anyvalue" => return Feed::Extreme { column, max: false, ids: Vec::new() },
            "max" => return Feed::Extreme { column, max: true, ids: Vec::new() },
            name if OF_DISTINCT.contains(&name) && call.params.is_empty() => {
                return Feed::Distinct { column, cardinality: u64::from(dict.len()).max(1), bits: Vec::new() };
            }
            _ => {}
        }
    }
    let integers = any.is::<SumLong>()
        || any.is::<AvgLong>()
        || any.is::<MinMax<Int32Type>>()
        || any.is::<MinMax<Int64Type>>()
        || any.is::<MinMax<TimestampMillisecondType>>();
    let doubles = any.is::<SumDouble>()
        || any.is::<AvgDouble>()
        || any.is::<MinMax<Float64Type>>()
        || any.is::<MinMax<Float32Type>>();
    match (bound.ty.data.physical(), ty.data.physical()) {
        (Physical::Int, Physical::Int) if integers && bound.ty.data != DataType::Boolean => Feed::Integers { column },
        (Physical::Int | Physical::Float, Physical::Float) if doubles && bound.ty.data != DataType::Boolean => {
            Feed::Doubles { column }
        }
        _ => Feed::Arrays,
    }
}

/// Arithmetic that needs no arrays.
fn computed_feed(segment: &BoundSegment, argument: &Expr, accumulator: &mut dyn Accumulator) -> Feed {
    let any = accumulator.as_any_mut();
    let (argument, doubles) = match argument {
        Expr::Cast { expr, to: Type::DOUBLE, .. } if any.is::<SumDouble>() || any.is::<AvgDouble>() => (&**expr, true),
        argument if any.is::<SumLong>() || any.is::<AvgLong>() => (argument, false),
        _ => return Feed::Arrays,
    };
    match Computed::of(argument, segment) {
        Some(computed) => Feed::Computed { computed, doubles },
        None => Feed::Arrays,
    }
}

/// `alone`: all values are of group 0, and one sum takes the place of a chain of additions through memory.
fn feed_integers(accumulator: &mut dyn Accumulator, groups: &[u32], alone: bool, values: &[i64]) {
    let any = accumulator.as_any_mut();
    if alone {
        let total = || values.iter().map(|v| i128::from(*v)).sum();
        if let Some(sum) = any.downcast_mut::<SumLong>() {
            return sum.add_one_group(0, total(), values.len() as u64);
        } else if let Some(avg) = any.downcast_mut::<AvgLong>() {
            return avg.add_one_group(0, total(), values.len() as u64);
        }
    }
    if let Some(sum) = any.downcast_mut::<SumLong>() {
        sum.add_slice(groups, values);
    } else if let Some(avg) = any.downcast_mut::<AvgLong>() {
        avg.add_slice(groups, values);
    } else if let Some(best) = any.downcast_mut::<MinMax<Int64Type>>() {
        best.add_slice(groups, values);
    } else if let Some(best) = any.downcast_mut::<MinMax<TimestampMillisecondType>>() {
        best.add_slice(groups, values);
    } else if let Some(best) = any.downcast_mut::<MinMax<Int32Type>>() {
        groups.iter().zip(values).for_each(|(g, v)| best.add_one_group(*g, *v as i32));
    }
}

fn feed_doubles(accumulator: &mut dyn Accumulator, groups: &[u32], values: &[f64]) {
    let any = accumulator.as_any_mut();
    if let Some(sum) = any.downcast_mut::<SumDouble>() {
        sum.add_slice(groups, values);
    } else if let Some(avg) = any.downcast_mut::<AvgDouble>() {
        avg.add_slice(groups, values);
    } else if let Some(best) = any.downcast_mut::<MinMax<Float64Type>>() {
        best.add_slice(groups, values);
    } else if let Some(best) = any.downcast_mut::<MinMax<Float32Type>>() {
        groups.iter().zip(values).for_each(|(g, v)| best.add_one_group(*g, *v as f32));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn casts_to_wider_numbers_are_looked_through() {
        let column = Expr::Column { index: 3, ty: Type::INT };
        assert_eq!(column_of(&column), Some((3, Type::INT)));
        let cast = |ty, to| Expr::Cast { expr: Box::new(Expr::Column { index: 3, ty }), to, lenient: false };
        assert_eq!(column_of(&cast(Type::INT, Type::LONG)), Some((3, Type::LONG)));
        assert_eq!(column_of(&cast(Type::FLOAT, Type::DOUBLE)), Some((3, Type::DOUBLE)));
        assert_eq!(column_of(&cast(Type::LONG, Type::INT)), None);
        assert_eq!(column_of(&cast(Type::STRING, Type::DOUBLE)), None);
    }
}
