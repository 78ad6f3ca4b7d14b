//! The aggregates, one file each.
//!
//! An aggregate's states are Arrow columns, one row a group: the same bytes serve block partials, the shard merge, the
//! wire, spills and RAW functions (E-1). Each file says its state columns; `golden` pins their bytes. Every aggregate but
//! `count` takes the elements of a multi-value argument one by one ([`rows::Elements`]), so that the MV names are
//! aliases.
//!
//! Answers do not depend on how rows are cut into batches and shards or on their order: integers, decimals and sets are
//! exact, sums of doubles carry their rounding error, values that tie are chosen by value, lists are sorted.

pub mod avg;
pub mod boolean;
pub mod collect;
pub mod count;
pub mod covariance;
pub mod distinct;
pub mod distinct_sum;
pub mod hll;
pub mod minmax;
pub mod minmaxrange;
pub mod mode;
mod moments;
pub mod percentile;
pub mod rows;
pub mod shape;
pub mod sum;
pub mod totals;
mod values;
pub mod variance;
pub mod with_time;

use crate::function::{Aggregate, Registry};
use rows::Elements;
use std::sync::Arc;

/// Registers every aggregate of this crate.
pub fn register_all(registry: &mut Registry) {
    fn add(registry: &mut Registry, aggregate: impl Aggregate + 'static) {
        registry.add_aggregate(Arc::new(Elements(aggregate)));
    }
    registry.add_aggregate(Arc::new(count::CountRows));
    add(registry, count::CountElements);
    for sum in [sum::Sum::Plain, sum::Sum::Zero, sum::Sum::Integer, sum::Sum::Precision] {
        add(registry, sum);
    }
    add(registry, avg::Avg);
    for extreme in minmax::EXTREMES {
        add(registry, extreme);
    }
    add(registry, minmaxrange::MinMaxRange);
    add(registry, boolean::BoolFold::And);
    add(registry, boolean::BoolFold::Or);
    use variance::Spread;
    for spread in [Spread::VarPop, Spread::VarSamp, Spread::StdDevPop, Spread::StdDevSamp] {
        add(registry, spread);
    }
    use covariance::Covariance;
    for covariance in [Covariance::Population, Covariance::Sample, Covariance::Correlation] {
        add(registry, covariance);
    }
    add(registry, shape::Shape::Skewness);
    add(registry, shape::Shape::Kurtosis);
    add(registry, distinct::DistinctCount);
    add(registry, distinct_sum::DistinctFold::Sum);
    add(registry, distinct_sum::DistinctFold::Avg);
    add(registry, hll::DistinctHll::Count);
    add(registry, hll::DistinctHll::Raw);
    use percentile::Percentile;
    for percentile in [Percentile::Exact, Percentile::Est, Percentile::TDigest, Percentile::Median] {
        add(registry, percentile);
    }
    add(registry, mode::Mode);
    add(registry, with_time::WithTime::First);
    add(registry, with_time::WithTime::Last);
    add(registry, collect::ArrayAgg);
    add(registry, collect::ListAgg);
}
