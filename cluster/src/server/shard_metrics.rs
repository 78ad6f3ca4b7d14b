//! What the shards count, as series of `/metrics`: read when somebody asks (E-15, E-16).

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use shard::Shards;
use shard::rt::metrics::ShardReading;
use std::fmt;

#[derive(Debug)]
pub struct ShardCollector(pub Shards);

/// One series, with a value for each shard.
fn series<M: EncodeMetric>(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help, unit): (&str, &str, Option<&Unit>),
    readings: &[ShardReading],
    value: impl Fn(&ShardReading) -> M,
) -> fmt::Result {
    let Some(first) = readings.first() else { return Ok(()) };
    let mut family = encoder.encode_descriptor(name, help, unit, value(first).metric_type())?;
    for reading in readings {
        value(reading).encode(family.encode_family(&[("shard", reading.shard)])?)?;
    }
    Ok(())
}

impl Collector for ShardCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let readings = self.0.metrics();
        let seconds = |nanos: u64| nanos as f64 / 1e9;
        let unit = Some(&Unit::Seconds);
        let e = &mut encoder;
        series(e, ("shard_slices", "Slices of work run", None), &readings, |r| ConstCounter::new(r.slices))?;
        series(e, ("shard_busy", "Time in slices", unit), &readings, |r| ConstCounter::new(seconds(r.busy_nanos)))?;
        series(e, ("shard_slice_overruns", "Slices of more than 500 µs", None), &readings, |r| {
            ConstCounter::new(r.overruns)
        })?;
        series(e, ("shard_longest_slice", "The longest slice since the start", unit), &readings, |r| {
            ConstGauge::new(seconds(r.longest_slice_nanos))
        })?;
        series(e, ("shard_wakeups", "Messages that arrived", None), &readings, |r| ConstCounter::new(r.wakeups))?;
        series(e, ("shard_wakeup_delay", "Time that messages lay in the inbox", unit), &readings, |r| {
            ConstCounter::new(seconds(r.wakeup_nanos))
        })?;
        series(e, ("shard_longest_wakeup_delay", "The longest such time since the start", unit), &readings, |r| {
            ConstGauge::new(seconds(r.longest_wakeup_nanos))
        })
    }
}
