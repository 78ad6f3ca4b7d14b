//! Retention: segments whose time is over are dropped, as `segmentsConfig` says (`retentionTimeUnit`, `retentionTimeValue`).
//!
//! Nobody asks for these segments to go, a rule does, and a wrong clock or a wrong config would let it take everything. So the
//! catalog refuses a run that would take more than a twentieth of a table until an operator approves it.

use super::{Controller, Error, Result};
use cluster_catalog::command::{ExpireSegments, ROWS_MAX};
use cluster_catalog::{Body, Outcome, Table};
use cluster_types::TableConfig;

/// How long a table keeps its segments; `None` for ever.
pub fn retention_ms(config: &TableConfig) -> Result<Option<i64>> {
    let (unit, value) = (&config.segments_config.retention_time_unit, &config.segments_config.retention_time_value);
    let (Some(unit), Some(value)) = (filled(unit), filled(value)) else { return Ok(None) };
    let unit_ms: i64 = match unit.to_ascii_uppercase().as_str() {
        "DAYS" => 24 * 3_600_000,
        "HOURS" => 3_600_000,
        "MINUTES" => 60_000,
        "SECONDS" => 1_000,
        "MILLISECONDS" => 1,
        _ => {
            let message = "is none of DAYS, HOURS, MINUTES, SECONDS, MILLISECONDS";
            return Err(Error::Invalid(format!("segmentsConfig.retentionTimeUnit: `{unit}` {message}")));
        }
    };
    let total = value.parse().ok().filter(|value: &i64| *value > 0).and_then(|value| value.checked_mul(unit_ms));
    total.map(Some).ok_or_else(|| {
        Error::Invalid(format!("segmentsConfig.retentionTimeValue: `{value}` is not a number of {unit} from 1 on"))
    })
}

fn filled(text: &Option<String>) -> Option<&str> {
    text.as_deref().map(str::trim).filter(|text| !text.is_empty())
}

/// Names of the segments whose last time is before what the table keeps. A segment without a time stays, and so does a table
/// that is refreshed as a whole (Pinot: retention is for the push type APPEND).
fn expired(table: &Table, now_ms: i64) -> Result<Vec<String>> {
    let config = table.config().map_err(Clone::clone)?;
    let push_type = config.segments_config.other.get("segmentPushType").and_then(|value| value.as_str());
    if push_type.is_some_and(|text| text.eq_ignore_ascii_case("REFRESH")) {
        return Ok(Vec::new());
    }
    let Some(retention) = retention_ms(config)? else { return Ok(Vec::new()) };
    let oldest = now_ms.saturating_sub(retention);
    let over = table.segments().filter(|segment| segment.max_time_ms.is_some_and(|last| last < oldest));
    Ok(over.map(|segment| segment.name.to_string()).collect())
}

impl Controller {
    /// Drops what a table has kept for its time. Returns how many segments went.
    pub fn expire(&self, table: &Table, now_ms: i64, approved: bool) -> Result<u64> {
        let names = expired(table, now_ms)?;
        let window_ms = self.window(table, None)?;
        let run = names.len() as u64;
        let mut dropped = 0;
        for names in names.chunks(ROWS_MAX) {
            let body = ExpireSegments { table: table.incarnation, names: names.to_vec(), run, approved, window_ms };
            if let Outcome::Dropped { segments, .. } = self.propose(Body::ExpireSegments(body))? {
                dropped += segments;
            }
        }
        Ok(dropped)
    }

    /// [`Controller::expire`] for all tables; what is refused or fails is told in the node's own log.
    pub fn expire_all(&self, now_ms: i64) {
        for table in self.state().tables() {
            match self.expire(table, now_ms, false) {
                Ok(0) => {}
                Ok(segments) => tracing::info!(table = %table.name, segments, "segments dropped, their time is over"),
                Err(error) => tracing::warn!(table = %table.name, error = %crate::error_chain(&error), "retention"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(unit: &str, value: &str) -> Result<Option<i64>> {
        let config = serde_json::json!({"tableName": "t", "tableType": "OFFLINE",
            "segmentsConfig": {"retentionTimeUnit": unit, "retentionTimeValue": value}});
        retention_ms(&TableConfig::from_json(&config.to_string()).unwrap())
    }

    #[test]
    fn periods_as_pinot_writes_them() {
        assert_eq!(of("DAYS", "30").unwrap(), Some(30 * 86_400_000));
        assert_eq!(of("hours", "5").unwrap(), Some(5 * 3_600_000));
        assert_eq!(of("", "").unwrap(), None);
        for (unit, value) in [("DAYSS", "1"), ("DAYS", "x"), ("DAYS", "0"), ("DAYS", "-1"), ("DAYS", "99999999999999")]
        {
            assert!(of(unit, value).is_err(), "{unit} {value}");
        }
    }
}
