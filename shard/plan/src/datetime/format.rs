//! Pinot's time formats (`1:DAYS:EPOCH`, `1:DAYS:SIMPLE_DATE_FORMAT:yyyyMMdd tz(...)`, `TIMESTAMP`, and the same with
//! pipes) and granularities (`15:MINUTES`).

use super::calendar::{Civil, DAY};
use super::pattern::Pattern;
use super::unit::{TimeUnit, floor_to};
use super::zone::Zone;
use crate::error::{Error, Result};

/// How a point in time is written in a column.
#[derive(Debug, Clone)]
pub enum TimeFormat {
    /// A count of `size` units since 1970.
    Epoch {
        size: i64,
        unit: TimeUnit,
    },
    Text {
        pattern: Pattern,
        zone: Zone,
    },
    /// UTC milliseconds of TIMESTAMP type.
    Timestamp,
}

fn size(text: &str, whole: &str) -> Result<i64> {
    match text.trim().parse::<i64>() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err(Error::Signature(format!("time format '{whole}': the size '{text}' must be a positive integer"))),
    }
}

impl TimeFormat {
    /// # Errors
    /// When the text is no time format; the message says how one looks.
    pub fn parse(text: &str) -> Result<TimeFormat> {
        let bad = || {
            Error::Signature(format!(
                "'{text}' is no time format: use 1:HOURS:EPOCH, 1:DAYS:SIMPLE_DATE_FORMAT:yyyyMMdd [tz(zone)], \
                 EPOCH|HOURS|1, SIMPLE_DATE_FORMAT|yyyyMMdd|zone or TIMESTAMP"
            ))
        };
        let is = |a: &str, b: &str| a.trim().eq_ignore_ascii_case(b);
        if is(text, "TIMESTAMP") {
            return Ok(TimeFormat::Timestamp);
        }
        if text.contains('|') || is(text, "EPOCH") {
            let parts: Vec<&str> = text.split('|').collect();
            return match parts.as_slice() {
                [kind] if is(kind, "EPOCH") => Ok(TimeFormat::Epoch { size: 1, unit: TimeUnit::Milliseconds }),
                [kind, unit] if is(kind, "EPOCH") => Ok(TimeFormat::Epoch { size: 1, unit: TimeUnit::parse(unit)? }),
                [kind, unit, n] if is(kind, "EPOCH") => {
                    Ok(TimeFormat::Epoch { size: size(n, text)?, unit: TimeUnit::parse(unit)? })
                }
                [kind, pattern] if is(kind, "SIMPLE_DATE_FORMAT") => {
                    Ok(TimeFormat::Text { pattern: Pattern::new(pattern)?, zone: Zone::Utc })
                }
                [kind, pattern, zone] if is(kind, "SIMPLE_DATE_FORMAT") => {
                    Ok(TimeFormat::Text { pattern: Pattern::new(pattern)?, zone: Zone::parse(zone)? })
                }
                _ => Err(bad()),
            };
        }
        let parts: Vec<&str> = text.splitn(4, ':').collect();
        match parts.as_slice() {
            [n, unit, kind] if is(kind, "EPOCH") => {
                Ok(TimeFormat::Epoch { size: size(n, text)?, unit: TimeUnit::parse(unit)? })
            }
            [_, _, kind] if is(kind, "TIMESTAMP") => Ok(TimeFormat::Timestamp),
            [n, unit, kind, pattern] if is(kind, "SIMPLE_DATE_FORMAT") => {
                size(n, text)?;
                TimeUnit::parse(unit)?;
                let (pattern, zone) = match pattern.rfind("tz(") {
                    Some(at) => {
                        let zone = pattern[at + 3..].trim_end().strip_suffix(')').ok_or_else(bad)?;
                        (pattern[..at].trim_end(), Zone::parse(zone)?)
                    }
                    None => (*pattern, Zone::Utc),
                };
                Ok(TimeFormat::Text { pattern: Pattern::new(pattern)?, zone })
            }
            _ => Err(bad()),
        }
    }

    pub fn zone(&self) -> Zone {
        match self {
            TimeFormat::Text { zone, .. } => *zone,
            _ => Zone::Utc,
        }
    }
}

/// The buckets that dateTimeConvert rounds down to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Granularity {
    pub size: i64,
    pub unit: TimeUnit,
}

impl Granularity {
    /// `15:MINUTES`, or `MINUTES|15`, or `MINUTES`.
    pub fn parse(text: &str) -> Result<Granularity> {
        let (n, unit) = match (text.split_once(':'), text.split_once('|')) {
            (Some((n, unit)), _) | (None, Some((unit, n))) => (size(n, text)?, unit),
            (None, None) => (1, text),
        };
        Ok(Granularity { size: n, unit: TimeUnit::parse(unit)? })
    }

    /// Start of the epoch bucket that an instant is in.
    pub fn floor_epoch(self, utc: i64) -> i64 {
        match self.size.checked_mul(self.unit.millis()) {
            Some(0) => utc,
            Some(step) => floor_to(utc, step),
            None => 0,
        }
    }

    /// Start of the bucket inside the next larger calendar unit of a zone: 5:HOURS are 0, 5, 10, 15, 20 o'clock.
    pub fn floor_civil(self, utc: i64, zone: &Zone) -> i64 {
        let offset = zone.offset(utc);
        let local = utc.saturating_add(offset);
        let unit = self.unit.millis();
        if unit == 0 {
            return utc;
        }
        let floored = if self.unit == TimeUnit::Days {
            let c = Civil::from_millis(local);
            let day = i64::from(c.day - 1) / self.size * self.size;
            Civil { day: day as u32 + 1, millis: 0, ..c }.to_millis()
        } else {
            let above = match self.unit {
                TimeUnit::Milliseconds => 1_000,
                TimeUnit::Seconds => 60_000,
                TimeUnit::Minutes => 3_600_000,
                _ => DAY,
            };
            let inside = local.rem_euclid(above);
            local - inside + floor_to(inside, unit.saturating_mul(self.size))
        };
        if self.unit == TimeUnit::Days { zone.to_utc(floored, Some(offset)) } else { floored.saturating_sub(offset) }
    }
}
