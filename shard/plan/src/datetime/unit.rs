//! Units of time: how long they are, and where an instant's unit began.

use super::calendar::{DAY, HOUR, MINUTE, SECOND, civil_from_days, day_of, days_from_civil};
use super::zone::{OffsetCache, Zone};
use crate::error::{Error, Result};

/// A unit of epoch time, as in `1:HOURS:EPOCH`.
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
    /// Java's name in any case, with or without the plural s.
    pub fn parse(name: &str) -> Result<TimeUnit> {
        let lower = name.trim().to_ascii_lowercase();
        Ok(match lower.strip_suffix('s').unwrap_or(&lower) {
            "nanosecond" => TimeUnit::Nanoseconds,
            "microsecond" => TimeUnit::Microseconds,
            "millisecond" => TimeUnit::Milliseconds,
            "second" => TimeUnit::Seconds,
            "minute" => TimeUnit::Minutes,
            "hour" => TimeUnit::Hours,
            "day" => TimeUnit::Days,
            _ => {
                return Err(Error::Signature(format!(
                    "there is no time unit '{name}': use NANOSECONDS, MICROSECONDS, MILLISECONDS, SECONDS, MINUTES, HOURS or DAYS"
                )));
            }
        })
    }

    fn nanos(self) -> i128 {
        i128::from(match self {
            TimeUnit::Nanoseconds => 1,
            TimeUnit::Microseconds => 1_000,
            TimeUnit::Milliseconds => 1_000_000,
            TimeUnit::Seconds => 1_000_000 * SECOND,
            TimeUnit::Minutes => 1_000_000 * MINUTE,
            TimeUnit::Hours => 1_000_000 * HOUR,
            TimeUnit::Days => 1_000_000 * DAY,
        })
    }

    /// Milliseconds of one unit; 0 for units below a millisecond.
    pub fn millis(self) -> i64 {
        (self.nanos() / 1_000_000) as i64
    }

    /// A count of `self` as a count of `to`, rounded down, saturating.
    pub fn convert(self, value: i64, to: TimeUnit) -> i64 {
        if self == to {
            return value;
        }
        let wide = (i128::from(value) * self.nanos()).div_euclid(to.nanos());
        wide.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
    }

    pub fn to_millis(self, value: i64) -> i64 {
        self.convert(value, TimeUnit::Milliseconds)
    }

    pub fn from_millis(self, ms: i64) -> i64 {
        TimeUnit::Milliseconds.convert(ms, self)
    }
}

/// A unit to truncate to, or to count between dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TruncUnit {
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

impl TruncUnit {
    /// SQL's names, singular or plural, in any case.
    pub fn parse(name: &str) -> Result<TruncUnit> {
        let lower = name.trim().to_ascii_lowercase();
        let lower = lower.strip_prefix("sql_tsi_").unwrap_or(&lower);
        Ok(match lower.strip_suffix('s').unwrap_or(lower) {
            "millisecond" | "milli" | "m" => TruncUnit::Millisecond,
            "second" => TruncUnit::Second,
            "minute" => TruncUnit::Minute,
            "hour" => TruncUnit::Hour,
            "day" => TruncUnit::Day,
            "week" => TruncUnit::Week,
            "month" => TruncUnit::Month,
            "quarter" => TruncUnit::Quarter,
            "year" => TruncUnit::Year,
            _ => {
                return Err(Error::Signature(format!(
                    "there is no date part '{name}': use MILLISECOND, SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER or YEAR"
                )));
            }
        })
    }

    /// Length, where every one has the same.
    pub fn fixed_millis(self) -> Option<i64> {
        Some(match self {
            TruncUnit::Millisecond => 1,
            TruncUnit::Second => SECOND,
            TruncUnit::Minute => MINUTE,
            TruncUnit::Hour => HOUR,
            TruncUnit::Day => DAY,
            TruncUnit::Week => 7 * DAY,
            TruncUnit::Month | TruncUnit::Quarter | TruncUnit::Year => return None,
        })
    }

    /// Months of one unit of those that are counted in months.
    pub fn months(self) -> Option<i64> {
        match self {
            TruncUnit::Month => Some(1),
            TruncUnit::Quarter => Some(3),
            TruncUnit::Year => Some(12),
            _ => None,
        }
    }

    /// Start of the unit that a local time is in. Weeks start on Monday.
    #[inline]
    pub fn floor_local(self, local: i64) -> i64 {
        match self {
            TruncUnit::Millisecond => local,
            TruncUnit::Second => floor_to(local, SECOND),
            TruncUnit::Minute => floor_to(local, MINUTE),
            TruncUnit::Hour => floor_to(local, HOUR),
            TruncUnit::Day => floor_to(local, DAY),
            TruncUnit::Week => {
                let days = day_of(local);
                ((days + 3).div_euclid(7) * 7 - 3).saturating_mul(DAY)
            }
            TruncUnit::Month | TruncUnit::Quarter | TruncUnit::Year => {
                let (year, month, _) = civil_from_days(day_of(local));
                let month = match self {
                    TruncUnit::Month => month,
                    TruncUnit::Quarter => (month - 1) / 3 * 3 + 1,
                    _ => 1,
                };
                days_from_civil(year, month, 1).saturating_mul(DAY)
            }
        }
    }

    /// Start of the unit that an instant is in, in the cache's zone.
    ///
    /// Units up to hours are counted at the offset in force at that instant, so the repeated hour at the end of summer
    /// time is two buckets. Longer units start at the zone's midnight.
    #[inline]
    pub fn floor(self, utc: i64, zone: &Zone, offsets: &mut OffsetCache) -> i64 {
        if *zone == Zone::Utc {
            return self.floor_local(utc);
        }
        let offset = offsets.offset(utc);
        let floored = self.floor_local(utc.saturating_add(offset));
        match self {
            TruncUnit::Millisecond | TruncUnit::Second | TruncUnit::Minute | TruncUnit::Hour => {
                floored.saturating_sub(offset)
            }
            _ => offsets.to_utc(floored, offset),
        }
    }
}

#[inline]
pub fn floor_to(value: i64, step: i64) -> i64 {
    value.div_euclid(step).saturating_mul(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floors_go_down_before_1970() {
        for (unit, ms, want) in [
            (TruncUnit::Second, -500, -1_000),
            (TruncUnit::Second, -310_476_303_211, -310_476_304_000),
            (TruncUnit::Hour, -500, -3_600_000),
            (TruncUnit::Hour, -310_476_303_211, -310_478_400_000),
            (TruncUnit::Day, -1, -86_400_000),
            // 1970-01-01 is a Thursday: its week began on 1969-12-29.
            (TruncUnit::Week, 0, -3 * DAY),
            (TruncUnit::Month, -1, -31 * DAY),
            (TruncUnit::Quarter, -1, -92 * DAY),
            (TruncUnit::Year, -1, -365 * DAY),
            (TruncUnit::Year, i64::MIN, i64::MIN),
            (TruncUnit::Day, i64::MIN, i64::MIN),
        ] {
            assert_eq!(unit.floor_local(ms), want, "{unit:?} of {ms}");
        }
    }

    #[test]
    fn zones_truncate_at_their_own_midnight() {
        let floor = |unit: TruncUnit, zone: &str, utc: i64| {
            let zone = Zone::parse(zone).unwrap();
            unit.floor(utc, &zone, &mut OffsetCache::new(zone))
        };
        // Cases datetime-13 and datetime-15.
        for i in 0..10 {
            let ms = 1_730_606_400_000 + 1_800_000 * i;
            assert_eq!(floor(TruncUnit::Hour, "America/New_York", ms), ms - ms % HOUR);
        }
        assert_eq!(floor(TruncUnit::Month, "EST", 1_656_644_400_000), 1_654_059_600_000);
        assert_eq!(floor(TruncUnit::Month, "EST", 1_656_655_200_000), 1_656_651_600_000);
        // The day of the change starts in summer time although its evening is in winter time.
        assert_eq!(floor(TruncUnit::Day, "America/New_York", 1_730_680_000_000), 1_730_606_400_000);
        // Half-hour offset.
        assert_eq!(floor(TruncUnit::Hour, "Asia/Kolkata", 1_700_000_000_000), 1_699_997_400_000);
    }

    #[test]
    fn units_convert_rounding_down() {
        assert_eq!(TimeUnit::parse("HOURS").unwrap().convert(-1, TimeUnit::Days), -1);
        assert_eq!(TimeUnit::Milliseconds.convert(-500, TimeUnit::Seconds), -1);
        assert_eq!(TimeUnit::Days.convert(i64::MAX, TimeUnit::Milliseconds), i64::MAX);
        assert_eq!(TimeUnit::parse("second").unwrap(), TimeUnit::Seconds);
        assert!(TimeUnit::parse("fortnight").is_err());
    }
}
