//! Truncation, arithmetic and differences of points in time. TIMESTAMP in gives TIMESTAMP out; LONG is milliseconds unless
//! a unit is given, and stays LONG.

use super::define::{Function, Site, coerce, kernel};
use super::shapes::millis_to_longs;
use crate::datetime::calendar::{Civil, DAY, HOUR, MINUTE, SECOND};
use crate::datetime::unit::floor_to;
use crate::datetime::{OffsetCache, TimeUnit, TruncUnit, Zone};
use crate::error::{Error, Result};
use crate::eval::value::{Longs, Millis, as_timestamps};
use crate::function::{Kernel, Registry, Signature};
use crate::types::Type;
use arrow_array::{ArrayRef, Int64Array};
use std::sync::Arc;

pub(super) fn register(r: &mut Registry) {
    let mut add = |f: Function| r.add_scalar(Arc::new(f));
    // Its time is the second argument, so "monotone in the first" does not describe it.
    add(Function::typed("datetrunc", trunc_type, trunc));
    add(Function::typed("timestampadd", |s| keep(s, "STRING, LONG, INSTANT", 2), add_units).aliases(&["dateadd"]));
    add(Function::new("timestampdiff", "STRING, INSTANT, INSTANT", Type::LONG, difference).aliases(&["datediff"]));
    add(Function::typed("datebin", |s| keep(s, "STRING, INSTANT, INSTANT", 1), bin));
    // The planner puts the time of the query in their place: nothing here reads a clock.
    add(Function::new("now", "", Type::LONG, |s| Err(unplanned(s))).volatile());
    add(Function::new("ago", "STRING[, LONG]", Type::LONG, ago));
}

/// The result has the type of argument `at`.
fn keep(site: &Site, takes: &str, at: usize) -> Result<Signature> {
    let args = coerce(site, takes)?;
    let result = args[at];
    Ok(Signature { args, result })
}

fn unplanned(site: &Site) -> Error {
    Error::Plan(format!("{} must be replaced by the time of the query before it is bound", site.name))
}

fn finish(longs: Int64Array, times: bool) -> ArrayRef {
    if times { as_timestamps(longs) } else { Arc::new(longs) }
}

fn trunc_type(site: &Site) -> Result<Signature> {
    let takes = "STRING, INSTANT[, STRING[, STRING[, STRING]]]";
    let args = coerce(site, takes)?;
    let result = if args.len() == 5 { Type::LONG } else { args[1] };
    Ok(Signature { args, result })
}

/// dateTrunc(unit, value[, input unit[, zone[, output unit]]]).
fn trunc(site: &Site) -> Result<Arc<dyn Kernel>> {
    let times = site.args[1] == Type::TIMESTAMP;
    let unit = TruncUnit::parse(site.literal(0, "a date part")?)?;
    let given = |i: usize| i < site.args.len() && !site.is_null(i);
    let input = if given(2) { TimeUnit::parse(site.literal(2, "a time unit")?)? } else { TimeUnit::Milliseconds };
    let input = if times { TimeUnit::Milliseconds } else { input };
    let zone = if given(3) { Zone::parse(site.literal(3, "a time zone")?)? } else { Zone::Utc };
    let output = if given(4) { TimeUnit::parse(site.literal(4, "a time unit")?)? } else { input };
    let times = times && site.args.len() < 5;
    kernel(move |args, rows| {
        let longs = if input == TimeUnit::Milliseconds && output == input {
            if zone == Zone::Utc {
                match unit.fixed_millis() {
                    // Weeks do not start at a multiple of their length.
                    Some(step) if unit != TruncUnit::Week => millis_to_longs(&args[1], rows, |ms| floor_to(ms, step))?,
                    _ => millis_to_longs(&args[1], rows, |ms| unit.floor_local(ms))?,
                }
            } else {
                let mut offsets = OffsetCache::new(zone);
                millis_to_longs(&args[1], rows, |ms| unit.floor(ms, &zone, &mut offsets))?
            }
        } else {
            let mut offsets = OffsetCache::new(zone);
            let floor = |v| output.from_millis(unit.floor(input.to_millis(v), &zone, &mut offsets));
            millis_to_longs(&args[1], rows, floor)?
        };
        Ok(finish(longs, times))
    })
}

/// Adds `n` units to an instant; months are cut to their length.
fn moved(unit: TruncUnit, n: i64, ms: i64) -> Result<i64> {
    let result = match (unit.fixed_millis(), unit.months()) {
        (Some(step), _) => step.checked_mul(n).and_then(|by| ms.checked_add(by)),
        (None, Some(months)) => {
            months.checked_mul(n).and_then(|m| Civil::from_millis(ms).add_months(m)).map(Civil::to_millis)
        }
        (None, None) => None,
    };
    result.ok_or_else(|| Error::evaluation(format!("{n} units from {ms} is out of range for TIMESTAMP")))
}

fn add_units(site: &Site) -> Result<Arc<dyn Kernel>> {
    let unit = TruncUnit::parse(site.literal(0, "a date part")?)?;
    let times = site.args[2] == Type::TIMESTAMP;
    kernel(move |args, rows| {
        let (n, ms) = (Longs::of(&args[1])?, Millis::of(&args[2])?);
        let one = |i| n.get(i).zip(ms.get(i)).map(|(n, ms)| moved(unit, n, ms)).transpose();
        Ok(finish((0..rows).map(one).collect::<Result<Int64Array>>()?, times))
    })
}

/// Whole units from `a` to `b`, towards zero.
fn between(unit: TruncUnit, a: i64, b: i64) -> i64 {
    if let Some(step) = unit.fixed_millis() {
        return ((i128::from(b) - i128::from(a)) / i128::from(step)).clamp(i64::MIN.into(), i64::MAX.into()) as i64;
    }
    let (x, y) = (Civil::from_millis(a), Civil::from_millis(b));
    let mut months = (y.year - x.year) * 12 + i64::from(y.month) - i64::from(x.month);
    // The last month counts when it is complete, in the direction that we go.
    let reached = x.add_months(months).map_or(b, Civil::to_millis);
    if months > 0 && reached > b {
        months -= 1;
    } else if months < 0 && reached < b {
        months += 1;
    }
    months / unit.months().unwrap_or(1)
}

fn difference(site: &Site) -> Result<Arc<dyn Kernel>> {
    let unit = TruncUnit::parse(site.literal(0, "a date part")?)?;
    kernel(move |args, rows| {
        let (a, b) = (Millis::of(&args[1])?, Millis::of(&args[2])?);
        let one = |i| Some(between(unit, a.get(i)?, b.get(i)?));
        Ok(Arc::new((0..rows).map(one).collect::<Int64Array>()))
    })
}

/// dateBin(period, time, origin): start of the period-long bin, counted from the origin.
fn bin(site: &Site) -> Result<Arc<dyn Kernel>> {
    let period = parse_period(site.literal(0, "a period")?)?;
    if period <= 0 {
        return Err(Error::Signature("datebin takes a positive period".to_owned()));
    }
    let times = site.args[1] == Type::TIMESTAMP;
    kernel(move |args, rows| {
        let (ms, origin) = (Millis::of(&args[1])?, Millis::of(&args[2])?);
        let one = |i| {
            let (ms, origin) = (ms.get(i)?, origin.get(i)?);
            Some(origin.saturating_add(floor_to(ms.saturating_sub(origin), period)))
        };
        Ok(finish((0..rows).map(one).collect::<Int64Array>(), times))
    })
}

/// ago(period, now): the planner adds the second argument.
fn ago(site: &Site) -> Result<Arc<dyn Kernel>> {
    if site.args.len() != 2 {
        return Err(unplanned(site));
    }
    let period = parse_period(site.literal(0, "a period")?)?;
    kernel(move |args, rows| Ok(Arc::new(millis_to_longs(&args[1], rows, |now| now.saturating_sub(period))?)))
}

/// Milliseconds of an ISO 8601 duration as Java's `Duration.parse` reads it: `P1D`, `PT1H30M`, `-PT0.5S`.
pub(super) fn parse_period(text: &str) -> Result<i64> {
    let bad = || Error::Signature(format!("'{text}' is no period: use P1D, PT1H30M, PT0.5S"));
    let upper = text.trim().to_ascii_uppercase();
    let (sign, body) = match upper.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, upper.as_str()),
    };
    let mut rest = body.strip_prefix('P').ok_or_else(bad)?;
    let mut total: i64 = 0;
    let mut in_time = false;
    let mut any = false;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('T') {
            if in_time {
                return Err(bad());
            }
            in_time = true;
            rest = after;
            continue;
        }
        let end = rest.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(bad)?;
        let (number, unit) = (&rest[..end], &rest[end..=end]);
        let step = match (unit, in_time) {
            ("D", false) => DAY,
            ("H", true) => HOUR,
            ("M", true) => MINUTE,
            ("S", true) => SECOND,
            _ => return Err(bad()),
        };
        let value = match number.parse::<i64>() {
            Ok(whole) => whole.checked_mul(step),
            Err(_) if unit == "S" => number.parse::<f64>().ok().and_then(|s| crate::cast::float_to_i64(s * 1_000.0)),
            Err(_) => None,
        };
        total = value.and_then(|v| total.checked_add(v)).ok_or_else(bad)?;
        any = true;
        rest = &rest[end + 1..];
    }
    if any { Ok(sign * total) } else { Err(bad()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datetime::parse_timestamp;

    fn ts(text: &str) -> i64 {
        parse_timestamp(text).unwrap()
    }

    #[test]
    fn months_between_count_when_complete() {
        for (unit, a, b, want) in [
            (TruncUnit::Month, "2024-01-31", "2024-02-29", 1),
            (TruncUnit::Month, "2024-01-31", "2024-02-28", 0),
            (TruncUnit::Month, "2024-02-29", "2024-01-31", 0),
            (TruncUnit::Month, "2024-03-15", "2024-01-15", -2),
            (TruncUnit::Month, "2024-03-15", "2024-01-16", -1),
            (TruncUnit::Year, "2020-02-29", "2021-02-28", 1),
            (TruncUnit::Quarter, "2024-01-01", "2024-12-31", 3),
            (TruncUnit::Day, "2024-01-02", "2024-01-01 12:00:00", 0),
            (TruncUnit::Week, "2024-01-01", "2024-01-15", 2),
            (TruncUnit::Hour, "1969-12-31 23:00:00", "1970-01-01 01:30:00", 2),
        ] {
            assert_eq!(between(unit, ts(a), ts(b)), want, "{unit:?} from {a} to {b}");
        }
    }

    #[test]
    fn moving_cuts_and_checks() {
        assert_eq!(moved(TruncUnit::Month, 1, ts("2023-01-31 10:00:00")).unwrap(), ts("2023-02-28 10:00:00"));
        assert_eq!(moved(TruncUnit::Quarter, -1, ts("2023-05-31")).unwrap(), ts("2023-02-28"));
        assert_eq!(moved(TruncUnit::Week, 2, 0).unwrap(), 14 * DAY);
        assert!(moved(TruncUnit::Day, i64::MAX, 0).is_err());
        assert!(moved(TruncUnit::Year, i64::MAX, 0).is_err());
    }

    #[test]
    fn periods() {
        assert_eq!(parse_period("P1D").unwrap(), DAY);
        assert_eq!(parse_period("pt1h30m").unwrap(), 90 * MINUTE);
        assert_eq!(parse_period("-PT0.5S").unwrap(), -500);
        assert_eq!(parse_period("P1DT1S").unwrap(), DAY + SECOND);
        for bad in ["", "P", "1D", "P1H", "PT1D", "PTT1S", "P1", "P99999999999999D", "PéD"] {
            assert!(parse_period(bad).is_err(), "{bad}");
        }
    }
}
