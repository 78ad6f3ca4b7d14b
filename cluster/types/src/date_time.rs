//! What the `format` of a date-time column says about its values.
//!
//! Pinot has two spellings, `1:DAYS:EPOCH` and `EPOCH|DAYS|1`; both are read.

use crate::{Error, Result};

/// A unit of time of Pinot's `format` and `granularity`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeUnit {
    Nanoseconds,
    Microseconds,
    Milliseconds,
    Seconds,
    Minutes,
    Hours,
    Days,
}

impl TimeUnit {
    const NAMES: &'static [(&'static str, TimeUnit)] = &[
        ("NANOSECONDS", TimeUnit::Nanoseconds),
        ("MICROSECONDS", TimeUnit::Microseconds),
        ("MILLISECONDS", TimeUnit::Milliseconds),
        ("SECONDS", TimeUnit::Seconds),
        ("MINUTES", TimeUnit::Minutes),
        ("HOURS", TimeUnit::Hours),
        ("DAYS", TimeUnit::Days),
    ];

    fn parse(text: &str) -> Option<TimeUnit> {
        TimeUnit::NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, unit)| *unit)
    }

    fn nanoseconds(self) -> i128 {
        match self {
            TimeUnit::Nanoseconds => 1,
            TimeUnit::Microseconds => 1_000,
            TimeUnit::Milliseconds => 1_000_000,
            TimeUnit::Seconds => 1_000_000_000,
            TimeUnit::Minutes => 60_000_000_000,
            TimeUnit::Hours => 3_600_000_000_000,
            TimeUnit::Days => 86_400_000_000_000,
        }
    }
}

/// How a date-time column writes a point in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DateTimeFormat {
    /// UTC milliseconds of type TIMESTAMP, or a text like one.
    Timestamp,
    /// A count of `size` units since 1970.
    Epoch { size: u32, unit: TimeUnit },
    /// A pattern of Java's SimpleDateFormat, `yyyyMMdd`; without a pattern, ISO 8601.
    SimpleDate { pattern: Option<String>, zone: Option<String> },
}

impl DateTimeFormat {
    /// Reads a `format`; `key` is what an error calls it.
    pub fn parse(key: &str, text: &str) -> Result<DateTimeFormat> {
        let bad = |reason: &str| {
            Err(Error::invalid(
                key,
                format!(
                    "`{}` is not a date-time format: {reason}; write TIMESTAMP, `1:MILLISECONDS:EPOCH` or \
                     `1:DAYS:SIMPLE_DATE_FORMAT:yyyyMMdd`",
                    crate::table_name::abbreviate(text)
                ),
            ))
        };
        // The first part decides the spelling: a kind (`EPOCH|DAYS|1`) or a size (`1:DAYS:EPOCH`).
        let first = text.split(['|', ':']).next().unwrap_or("").trim();
        let kind = |name: &str| first.eq_ignore_ascii_case(name);
        if kind("TIMESTAMP") {
            return Ok(DateTimeFormat::Timestamp);
        }
        if kind("EPOCH") {
            let mut parts = text.split('|').skip(1);
            let Some(unit) = parts.next().and_then(TimeUnit::parse) else { return bad("its unit is not known") };
            let size = match parts.next() {
                None => 1,
                Some(size) => match size.parse() {
                    Ok(size) if size > 0 => size,
                    _ => return bad("its size is not a positive number"),
                },
            };
            return Ok(DateTimeFormat::Epoch { size, unit });
        }
        if kind("SIMPLE_DATE_FORMAT") {
            let mut parts = text.splitn(3, '|').skip(1);
            return Ok(DateTimeFormat::SimpleDate {
                pattern: parts.next().filter(|p| !p.is_empty()).map(str::to_owned),
                zone: parts.next().filter(|z| !z.is_empty()).map(str::to_owned),
            });
        }
        // A pattern may hold colons, so only the first three are separators.
        let mut parts = text.splitn(4, ':');
        let (size, unit, kind, rest) = (parts.next(), parts.next(), parts.next(), parts.next());
        let Some(size) = size.and_then(|s| s.trim().parse().ok()).filter(|s: &u32| *s > 0) else {
            return bad("it begins with neither a size nor a kind");
        };
        let Some(unit) = unit.and_then(TimeUnit::parse) else { return bad("its unit is not known") };
        match kind {
            Some(k) if k.eq_ignore_ascii_case("EPOCH") => Ok(DateTimeFormat::Epoch { size, unit }),
            Some(k) if k.eq_ignore_ascii_case("TIMESTAMP") => Ok(DateTimeFormat::Timestamp),
            Some(k) if k.eq_ignore_ascii_case("SIMPLE_DATE_FORMAT") => {
                let (pattern, zone) = split_zone(rest.unwrap_or(""));
                Ok(DateTimeFormat::SimpleDate { pattern, zone })
            }
            _ => bad("its kind is none of EPOCH, TIMESTAMP, SIMPLE_DATE_FORMAT"),
        }
    }

    /// UTC milliseconds of a count, where the format is a count and the time is one that 64 bits hold.
    pub fn epoch_to_millis(&self, value: i64) -> Option<i64> {
        match self {
            DateTimeFormat::Timestamp => Some(value),
            DateTimeFormat::Epoch { size, unit } => {
                let nanoseconds = i128::from(value) * i128::from(*size) * unit.nanoseconds();
                i64::try_from(nanoseconds.div_euclid(1_000_000)).ok()
            }
            DateTimeFormat::SimpleDate { .. } => None,
        }
    }
}

/// `yyyyMMdd tz(America/New_York)` into pattern and zone.
fn split_zone(text: &str) -> (Option<String>, Option<String>) {
    let (pattern, zone) = match text.rsplit_once("tz(") {
        Some((pattern, zone)) if zone.trim_end().ends_with(')') => {
            (pattern.trim_end(), Some(zone.trim_end().trim_end_matches(')').to_owned()))
        }
        _ => (text, None),
    };
    (Some(pattern.to_owned()).filter(|p| !p.is_empty()), zone)
}

/// Checks a `granularity`: `1:DAYS` or `DAYS|1`.
pub fn check_granularity(key: &str, text: &str) -> Result<()> {
    let parts: Vec<&str> = text.split([':', '|']).map(str::trim).collect();
    let ok = match parts.as_slice() {
        [one] => TimeUnit::parse(one).is_some(),
        [a, b] if text.contains('|') => TimeUnit::parse(a).is_some() && b.parse::<u32>().is_ok_and(|n| n > 0),
        [a, b] => a.parse::<u32>().is_ok_and(|n| n > 0) && TimeUnit::parse(b).is_some(),
        _ => false,
    };
    if ok {
        Ok(())
    } else {
        let shown = crate::table_name::abbreviate(text);
        Err(Error::invalid(key, format!("`{shown}` is not a granularity; write it as `1:DAYS`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings() {
        let check = |text: &str, want: DateTimeFormat| assert_eq!(DateTimeFormat::parse("format", text), Ok(want));
        check("TIMESTAMP", DateTimeFormat::Timestamp);
        check("1:MILLISECONDS:TIMESTAMP", DateTimeFormat::Timestamp);
        check("1:DAYS:EPOCH", DateTimeFormat::Epoch { size: 1, unit: TimeUnit::Days });
        check("EPOCH|SECONDS|5", DateTimeFormat::Epoch { size: 5, unit: TimeUnit::Seconds });
        check("EPOCH|SECONDS", DateTimeFormat::Epoch { size: 1, unit: TimeUnit::Seconds });
        let date = |pattern: &str, zone: Option<&str>| DateTimeFormat::SimpleDate {
            pattern: Some(pattern.to_owned()),
            zone: zone.map(str::to_owned),
        };
        check("1:DAYS:SIMPLE_DATE_FORMAT:yyyy-MM-dd HH:mm:ss", date("yyyy-MM-dd HH:mm:ss", None));
        check("1:DAYS:SIMPLE_DATE_FORMAT:yyyyMMdd tz(America/New_York)", date("yyyyMMdd", Some("America/New_York")));
        check("SIMPLE_DATE_FORMAT|yyyyMMdd|CET", date("yyyyMMdd", Some("CET")));
        check("SIMPLE_DATE_FORMAT", DateTimeFormat::SimpleDate { pattern: None, zone: None });
    }

    #[test]
    fn refusals_name_key_and_value() {
        for bad in ["", "EPOCH", "EPOCH|YEARS|1", "0:DAYS:EPOCH", "1:DAYS", "1:FORTNIGHTS:EPOCH", "EPOCH|DAYS|0"] {
            let error = DateTimeFormat::parse("dateTimeFieldSpecs[0].format", bad).unwrap_err().to_string();
            assert!(error.starts_with("dateTimeFieldSpecs[0].format: `"), "{error}");
        }
        assert!(check_granularity("g", "1:DAYS").is_ok());
        assert!(check_granularity("g", "DAYS|1").is_ok());
        assert!(check_granularity("g", "DAYS:1").is_err());
        assert!(check_granularity("g", "1:YEARS").is_err());
    }

    #[test]
    fn counts_become_milliseconds() {
        let millis = |text: &str, value| DateTimeFormat::parse("f", text).unwrap().epoch_to_millis(value);
        assert_eq!(millis("1:DAYS:EPOCH", 2), Some(172_800_000));
        assert_eq!(millis("5:MINUTES:EPOCH", -1), Some(-300_000));
        assert_eq!(millis("1:NANOSECONDS:EPOCH", -1), Some(-1));
        assert_eq!(millis("1:DAYS:EPOCH", i64::MAX), None);
        assert_eq!(millis("TIMESTAMP", 7), Some(7));
        assert_eq!(millis("SIMPLE_DATE_FORMAT|yyyyMMdd", 20240101), None);
    }
}
