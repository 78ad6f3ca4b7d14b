//! The series that `/metrics` shows, in Prometheus' text format. Base units; no query text in a label.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
#[allow(non_camel_case_types, reason = "label values are lower case")]
pub enum QueryOutcome {
    ok,
    error,
    cancelled,
    timeout,
    rejected,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct QueryLabels {
    pub outcome: QueryOutcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
#[allow(non_camel_case_types, reason = "label values are lower case")]
pub enum PushOutcome {
    ok,
    error,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PushLabels {
    pub outcome: PushOutcome,
}

/// Handles to all series; cheap to use from any thread.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// From the first byte of a query to the last row handed to the connection.
    pub query_duration: Family<QueryLabels, Histogram>,
    pub queries_running: Gauge,
    pub docs_scanned: Counter,
    pub pushes: Family<PushLabels, Counter>,
    pub rows_pushed: Counter,
    pub tables: Gauge,
    pub segments: Gauge,
    pub segment_bytes: Gauge,
    pub wakeup_delay: Histogram,
}

fn latency_histogram() -> Histogram {
    // 100 µs to 26 s, doubling.
    Histogram::new((0..19).map(|i| 0.0001 * f64::from(1u32 << i)))
}

impl Metrics {
    pub fn new() -> Metrics {
        let mut registry = Registry::with_prefix("gamay");
        let metrics = Metrics {
            query_duration: Family::new_with_constructor(latency_histogram),
            queries_running: Gauge::default(),
            docs_scanned: Counter::default(),
            pushes: Family::default(),
            rows_pushed: Counter::default(),
            tables: Gauge::default(),
            segments: Gauge::default(),
            segment_bytes: Gauge::default(),
            wakeup_delay: latency_histogram(),
            registry: Registry::default(),
        };
        let m = &metrics;
        registry.register_with_unit(
            "query_duration",
            "Time of queries by outcome",
            Unit::Seconds,
            m.query_duration.clone(),
        );
        registry.register("queries_running", "Queries that run now", m.queries_running.clone());
        registry.register("docs_scanned", "Rows that passed the filters of queries", m.docs_scanned.clone());
        registry.register("pushes", "Pushes of segments by outcome", m.pushes.clone());
        registry.register("rows_pushed", "Rows made visible by pushes", m.rows_pushed.clone());
        registry.register("tables", "Tables", m.tables.clone());
        registry.register("segments", "Segments served", m.segments.clone());
        registry.register_with_unit("segment", "Size of the segments served", Unit::Bytes, m.segment_bytes.clone());
        registry.register_with_unit(
            "edge_wakeup_delay",
            "Delay of a timer on the edge runtime, measured each second",
            Unit::Seconds,
            m.wakeup_delay.clone(),
        );
        Metrics { registry, ..metrics }
    }

    /// Shows the series of something that keeps its own counters.
    pub fn collect(&mut self, collector: impl prometheus_client::collector::Collector) {
        self.registry.register_collector(Box::new(collector));
    }

    pub fn query_ended(&self, outcome: QueryOutcome, took: Duration) {
        self.query_duration.get_or_create(&QueryLabels { outcome }).observe(took.as_secs_f64());
    }

    /// The text of `/metrics`.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).expect("writing to a string cannot fail");
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_have_names_units_and_values() {
        let metrics = Metrics::new();
        metrics.query_ended(QueryOutcome::ok, Duration::from_millis(3));
        metrics.rows_pushed.inc_by(7);
        let text = metrics.encode();
        assert!(text.contains("gamay_query_duration_seconds_count{outcome=\"ok\"} 1"), "{text}");
        assert!(text.contains("gamay_rows_pushed_total 7"), "{text}");
        assert!(text.contains("# TYPE gamay_segments gauge"), "{text}");
    }
}
