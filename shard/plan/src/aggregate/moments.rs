//! Moments of doubles: a count and a few running figures per group, updated value by value (Welford) and merged pairwise
//! (Chan), which stays stable when the mean is large beside the spread. What [`super::variance`],
//! [`super::covariance`] and [`super::shape`] share.
//!
//! State: `count` Int64, then the figures as Float64 columns.

use super::rows::{column, each_row, required};
use super::totals::chosen;
use crate::error::{Error, Result};
use crate::function::Accumulator;
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array};
use arrow_schema::{DataType as ArrowType, Field};
use segfmt::value::normalize_f64;
use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

/// `N` running figures over rows of `A` doubles.
pub(crate) trait Moments<const A: usize, const N: usize>: Copy + Default + Debug + Send + 'static {
    /// Names of the figures' state columns.
    const NAMES: [&'static str; N];
    /// Adds a row; `count` includes it.
    fn add(&mut self, count: f64, row: [f64; A]);
    /// Adds another state; neither count is 0.
    fn merge(&mut self, count: f64, other: &Self, other_count: f64);
    fn figures(&self) -> [f64; N];
    fn from_figures(figures: [f64; N]) -> Self;
}

/// The state columns of a kind of moments.
pub(crate) fn fields<const A: usize, const N: usize, M: Moments<A, N>>() -> Vec<Field> {
    let mut fields = vec![required("count", ArrowType::Int64)];
    fields.extend(M::NAMES.iter().map(|name| required(name, ArrowType::Float64)));
    fields
}

/// The moments of many groups, and what is made of them at the end.
pub(crate) struct Folds<const A: usize, const N: usize, M> {
    counts: Vec<i64>,
    moments: Vec<M>,
    /// `None` is NULL.
    finish: fn(f64, &M) -> Option<f64>,
}

impl<const A: usize, const N: usize, M: Moments<A, N>> Folds<A, N, M> {
    pub(crate) fn new(finish: fn(f64, &M) -> Option<f64>) -> Self {
        Folds { counts: Vec::new(), moments: Vec::new(), finish }
    }
}

impl<const A: usize, const N: usize, M: Moments<A, N>> Accumulator for Folds<A, N, M> {
    fn resize(&mut self, groups: usize) {
        self.counts.resize(groups, 0);
        self.moments.resize(groups, M::default());
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32], filter: Option<&BooleanArray>) -> Result<()> {
        let mut columns = [&[] as &[f64]; A];
        for (i, values) in columns.iter_mut().enumerate() {
            *values = column::<Float64Array>(args, i)?.values();
        }
        each_row(groups, filter, &args[..A], |row, group| {
            self.counts[group] += 1;
            self.moments[group].add(self.counts[group] as f64, columns.map(|values| values[row]));
        });
        Ok(())
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<()> {
        let counts = column::<Int64Array>(state, 0)?;
        let mut figures = [&[] as &[f64]; N];
        for (i, values) in figures.iter_mut().enumerate() {
            *values = column::<Float64Array>(state, i + 1)?.values();
        }
        for (row, group) in groups.iter().enumerate() {
            let (count, group) = (counts.value(row), *group as usize);
            if counts.is_null(row) || count < 0 {
                return Err(Error::Plan("a moments state holds no count".into()));
            }
            if count == 0 {
                continue;
            }
            let other = M::from_figures(figures.map(|values| values[row]));
            if self.counts[group] == 0 {
                self.moments[group] = other;
            } else {
                self.moments[group].merge(self.counts[group] as f64, &other, count as f64);
            }
            self.counts[group] =
                self.counts[group].checked_add(count).ok_or_else(|| Error::evaluation("a count overflows LONG"))?;
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        let figures: Vec<[f64; N]> = self.moments.iter().map(M::figures).collect();
        Ok(state_columns(self.counts.clone(), &figures))
    }

    fn state_of(&mut self, groups: &[u32]) -> Result<Option<Vec<ArrayRef>>> {
        let figures: Vec<[f64; N]> = groups.iter().map(|g| self.moments[*g as usize].figures()).collect();
        Ok(Some(state_columns(chosen(&self.counts, groups), &figures)))
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let finished = self.counts.iter().zip(&self.moments).map(|(count, moments)| match *count {
            0 => None,
            count => (self.finish)(count as f64, moments).map(normalize_f64),
        });
        Ok(Arc::new(finished.collect::<Float64Array>()))
    }

    fn size(&self) -> usize {
        self.counts.capacity() * 8 + self.moments.capacity() * size_of::<M>()
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

fn state_columns<const N: usize>(counts: Vec<i64>, figures: &[[f64; N]]) -> Vec<ArrayRef> {
    let mut columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(counts))];
    columns.extend((0..N).map(|i| Arc::new(Float64Array::from_iter_values(figures.iter().map(|f| f[i]))) as ArrayRef));
    columns
}
