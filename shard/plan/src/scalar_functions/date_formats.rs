//! Between points in time and other spellings of them: counts of units since 1970, patterns, Pinot's time formats.

use super::define::{Function, Site, coerce, kernel};
use super::shapes::{build_texts, longs, longs2, millis_to_longs};
use crate::datetime::{Granularity, Pattern, TimeFormat, TimeUnit, Zone};
use crate::error::{Error, Result};
use crate::eval::value::{Longs, Millis, Strings, as_timestamps};
use crate::function::{Kernel, Registry, Signature};
use crate::types::Type;
use arrow_array::{Array, ArrayRef, Int64Array};
use std::sync::Arc;

pub(super) fn register(r: &mut Registry) {
    let mut add = |f: Function| r.add_scalar(Arc::new(f));
    macro_rules! epochs {
        ($unit:expr, $to:literal, $rounded:literal, $bucket:literal, $from:literal, $from_bucket:literal) => {
            add(Function::new($to, "INSTANT", Type::LONG, |_| {
                kernel(|args, rows| Ok(Arc::new(millis_to_longs(&args[0], rows, |ms| $unit.from_millis(ms))?)))
            })
            .monotone());
            add(Function::new($rounded, "INSTANT, LONG", Type::LONG, |_| {
                buckets(|ms, n| Some($unit.from_millis(ms).div_euclid(n).saturating_mul(n)))
            })
            .monotone());
            add(Function::new($bucket, "INSTANT, LONG", Type::LONG, |_| {
                buckets(|ms, n| Some($unit.from_millis(ms).div_euclid(n)))
            })
            .monotone());
            add(Function::new($from, "LONG", Type::LONG, |_| longs(|v| whole(v, $unit.millis()))).monotone());
            add(Function::new($from_bucket, "LONG, LONG", Type::LONG, |_| {
                longs2(|v, n| $unit.millis().checked_mul(n).ok_or_else(too_far).and_then(|step| whole(v, step)))
            })
            .monotone());
        };
    }
    epochs!(
        TimeUnit::Seconds,
        "toepochseconds",
        "toepochsecondsrounded",
        "toepochsecondsbucket",
        "fromepochseconds",
        "fromepochsecondsbucket"
    );
    epochs!(
        TimeUnit::Minutes,
        "toepochminutes",
        "toepochminutesrounded",
        "toepochminutesbucket",
        "fromepochminutes",
        "fromepochminutesbucket"
    );
    epochs!(
        TimeUnit::Hours,
        "toepochhours",
        "toepochhoursrounded",
        "toepochhoursbucket",
        "fromepochhours",
        "fromepochhoursbucket"
    );
    epochs!(
        TimeUnit::Days,
        "toepochdays",
        "toepochdaysrounded",
        "toepochdaysbucket",
        "fromepochdays",
        "fromepochdaysbucket"
    );
    add(Function::new("totimestamp", "INSTANT", Type::TIMESTAMP, |_| {
        kernel(|args, rows| Ok(as_timestamps(millis_to_longs(&args[0], rows, |ms| ms)?)))
    })
    .monotone());
    add(Function::new("fromtimestamp", "INSTANT", Type::LONG, |_| {
        kernel(|args, rows| Ok(Arc::new(millis_to_longs(&args[0], rows, |ms| ms)?)))
    })
    .monotone());
    add(Function::new("todatetime", "INSTANT, STRING[, STRING]", Type::STRING, to_text));
    add(Function::new("fromdatetime", "STRING, STRING[, STRING[, LONG]]", Type::LONG, from_text).sees_nulls());
    add(Function::new("toiso8601", "INSTANT", Type::STRING, |_| {
        kernel(|args, rows| {
            let (v, pattern) = (Millis::of(&args[0])?, Pattern::new("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'")?);
            build_texts(rows, |i| Ok(v.get(i).map(|ms| pattern.format(ms, &Zone::Utc).into())))
        })
    }));
    add(Function::new("fromiso8601", "STRING", Type::LONG, |_| {
        kernel(|args, rows| {
            let v = Strings::of(&args[0])?;
            let read = |text: &str| crate::datetime::parse_timestamp(text).ok_or_else(|| unreadable(text, "ISO 8601"));
            Ok(Arc::new((0..rows).map(|i| v.get(i).map(read).transpose()).collect::<Result<Int64Array>>()?))
        })
    }));
    add(Function::new("timeconvert", "LONG, STRING, STRING", Type::LONG, |s| {
        let from = TimeUnit::parse(s.literal(1, "a time unit")?)?;
        let to = TimeUnit::parse(s.literal(2, "a time unit")?)?;
        kernel(move |args, rows| Ok(Arc::new(millis_to_longs(&args[0], rows, |v| from.convert(v, to))?)))
    })
    .monotone());
    add(Function::typed("datetimeconvert", convert_type, convert));
}

fn too_far() -> Error {
    Error::evaluation("LONG overflow")
}

fn whole(v: i64, step: i64) -> Result<i64> {
    v.checked_mul(step).ok_or_else(too_far)
}

fn unreadable(text: &str, pattern: &str) -> Error {
    Error::evaluation(format!("'{}' does not match the date pattern {pattern}", crate::cast::shown(text)))
}

/// A function of milliseconds and a positive bucket size.
fn buckets(f: impl Fn(i64, i64) -> Option<i64> + Send + Sync + 'static) -> Result<Arc<dyn Kernel>> {
    kernel(move |args, rows| {
        let (v, n) = (Millis::of(&args[0])?, Longs::of(&args[1])?);
        let one = |i| match (v.get(i), n.get(i)) {
            (Some(_), Some(n)) if n <= 0 => Err(Error::evaluation(format!("a bucket size must be positive, got {n}"))),
            (Some(ms), Some(n)) => Ok(f(ms, n)),
            _ => Ok(None),
        };
        Ok(Arc::new((0..rows).map(one).collect::<Result<Int64Array>>()?))
    })
}

fn zone(site: &Site, at: usize) -> Result<Zone> {
    if at < site.args.len() && !site.is_null(at) {
        Zone::parse(site.literal(at, "a time zone")?)
    } else {
        Ok(Zone::Utc)
    }
}

/// toDateTime(ms, pattern[, zone]).
fn to_text(site: &Site) -> Result<Arc<dyn Kernel>> {
    if site.any_null() {
        return kernel(|_, rows| Ok(crate::eval::value::nulls(Type::STRING, rows)));
    }
    let (pattern, zone) = (Pattern::new(site.literal(1, "a date pattern")?)?, zone(site, 2)?);
    kernel(move |args, rows| {
        let v = Millis::of(&args[0])?;
        build_texts(rows, |i| Ok(v.get(i).map(|ms| pattern.format(ms, &zone).into())))
    })
}

/// fromDateTime(text, pattern[, zone[, default]]): without a default, a text that does not match is an error.
fn from_text(site: &Site) -> Result<Arc<dyn Kernel>> {
    if site.is_null(0) || site.is_null(1) {
        return kernel(|_, rows| Ok(crate::eval::value::nulls(Type::LONG, rows)));
    }
    let source = site.literal(1, "a date pattern")?.to_owned();
    let (pattern, zone) = (Pattern::new(&source)?, zone(site, 2)?);
    let has_default = site.args.len() > 3;
    kernel(move |args, rows| {
        let v = Strings::of(&args[0])?;
        let default = if has_default { Some(Longs::of(&args[3])?) } else { None };
        let one = |i| {
            let Some(text) = v.get(i) else { return Ok(None) };
            match (pattern.parse(text, &zone), &default) {
                (Some(ms), _) => Ok(Some(ms)),
                (None, Some(default)) => Ok(default.get(i)),
                (None, None) => Err(unreadable(text, &source)),
            }
        };
        Ok(Arc::new((0..rows).map(one).collect::<Result<Int64Array>>()?))
    })
}

fn convert_type(site: &Site) -> Result<Signature> {
    // A yyyyMMdd column is often a number, so the value may be of any type and is read as text.
    let input = match site.args.len() {
        4 | 5 => TimeFormat::parse(site.literal(1, "a time format")?)?,
        _ => return Err(site.mismatch("ANY, STRING, STRING, STRING[, STRING]")),
    };
    let takes = match input {
        TimeFormat::Epoch { .. } => "LONG, STRING, STRING, STRING[, STRING]",
        TimeFormat::Text { .. } => "TEXT, STRING, STRING, STRING[, STRING]",
        TimeFormat::Timestamp => "INSTANT, STRING, STRING, STRING[, STRING]",
    };
    let result = match TimeFormat::parse(site.literal(2, "a time format")?)? {
        TimeFormat::Epoch { .. } => Type::LONG,
        TimeFormat::Text { .. } => Type::STRING,
        TimeFormat::Timestamp => Type::TIMESTAMP,
    };
    Ok(Signature { args: coerce(site, takes)?, result })
}

/// dateTimeConvert(value, input format, output format, granularity[, bucketing zone]).
fn convert(site: &Site) -> Result<Arc<dyn Kernel>> {
    let input_text = site.literal(1, "a time format")?.to_owned();
    let input = TimeFormat::parse(&input_text)?;
    let output = TimeFormat::parse(site.literal(2, "a time format")?)?;
    let granularity = Granularity::parse(site.literal(3, "a granularity")?)?;
    let bucket_zone = if site.args.len() > 4 { Some(zone(site, 4)?) } else { None };
    kernel(move |args, rows| {
        let utc: Int64Array = match &input {
            TimeFormat::Timestamp => millis_to_longs(&args[0], rows, |ms| ms)?,
            TimeFormat::Epoch { size, unit } => {
                millis_to_longs(&args[0], rows, |v| unit.to_millis(v.saturating_mul(*size)))?
            }
            TimeFormat::Text { pattern, zone } => {
                let v = Strings::of(&args[0])?;
                let read = |text: &str| pattern.parse(text, zone).ok_or_else(|| unreadable(text, &input_text));
                (0..rows).map(|i| v.get(i).map(read).transpose()).collect::<Result<_>>()?
            }
        };
        let floor = |ms: i64| match (&output, &bucket_zone) {
            (_, Some(zone)) => granularity.floor_civil(ms, zone),
            (TimeFormat::Text { zone, .. }, None) => granularity.floor_civil(ms, zone),
            (_, None) => granularity.floor_epoch(ms),
        };
        Ok(match &output {
            TimeFormat::Timestamp => as_timestamps(utc.unary(floor)),
            TimeFormat::Epoch { size, unit } => Arc::new(
                utc.unary::<_, arrow_array::types::Int64Type>(|ms| unit.from_millis(floor(ms)).div_euclid(*size)),
            ),
            TimeFormat::Text { pattern, zone } => {
                let texts: Result<ArrayRef> = build_texts(rows, |i| {
                    Ok(utc.is_valid(i).then(|| pattern.format(floor(utc.value(i)), zone).into()))
                });
                texts?
            }
        })
    })
}
