//! Time zones by name, and their offsets at instants.

use super::calendar::{DAY, HOUR, MINUTE};
use crate::error::{Error, Result};
use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::Tz;

/// A time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    Utc,
    /// Milliseconds that local time is ahead of UTC.
    Fixed(i64),
    Named(Tz),
}

/// Short names that Java knows beside the zone database's own.
const JAVA_SHORT: &[(&str, &str)] = &[
    ("ACT", "Australia/Darwin"),
    ("AET", "Australia/Sydney"),
    ("AGT", "America/Argentina/Buenos_Aires"),
    ("ART", "Africa/Cairo"),
    ("AST", "America/Anchorage"),
    ("BET", "America/Sao_Paulo"),
    ("BST", "Asia/Dhaka"),
    ("CAT", "Africa/Harare"),
    ("CNT", "America/St_Johns"),
    ("CST", "America/Chicago"),
    ("CTT", "Asia/Shanghai"),
    ("EAT", "Africa/Addis_Ababa"),
    ("ECT", "Europe/Paris"),
    ("IET", "America/Indiana/Indianapolis"),
    ("IST", "Asia/Kolkata"),
    ("JST", "Asia/Tokyo"),
    ("MIT", "Pacific/Apia"),
    ("NET", "Asia/Yerevan"),
    ("NST", "Pacific/Auckland"),
    ("PLT", "Asia/Karachi"),
    ("PNT", "America/Phoenix"),
    ("PRT", "America/Puerto_Rico"),
    ("PST", "America/Los_Angeles"),
    ("SST", "Pacific/Guadalcanal"),
    ("VST", "Asia/Ho_Chi_Minh"),
];

impl Zone {
    /// A zone by its database name, a Java short name, or an offset (`+05:30`, `GMT-8`, `UTC+1`), in any case.
    ///
    /// # Errors
    /// When there is no such zone.
    pub fn parse(name: &str) -> Result<Zone> {
        let name = name.trim();
        if ["UTC", "GMT", "Z", "UT", "Etc/UTC", "Zulu", "Universal"].iter().any(|n| n.eq_ignore_ascii_case(name)) {
            return Ok(Zone::Utc);
        }
        if let Ok(tz) = name.parse::<Tz>() {
            return Ok(Zone::Named(tz));
        }
        let offset = ["UTC", "GMT", "UT"]
            .iter()
            .find_map(|p| name.get(..p.len()).filter(|head| head.eq_ignore_ascii_case(p)).map(|_| &name[p.len()..]))
            .unwrap_or(name);
        if let Some(ms) = parse_offset(offset) {
            return Ok(Zone::Fixed(ms));
        }
        let known =
            JAVA_SHORT.iter().find(|(short, _)| short.eq_ignore_ascii_case(name)).map_or(name, |(_, long)| long);
        match chrono_tz::TZ_VARIANTS.iter().find(|tz| tz.name().eq_ignore_ascii_case(known)) {
            Some(tz) => Ok(Zone::Named(*tz)),
            None => Err(Error::Signature(format!(
                "there is no time zone '{name}': use a name such as 'America/New_York' or an offset such as '+05:30'"
            ))),
        }
    }

    pub fn name(&self) -> String {
        match self {
            Zone::Utc => "UTC".to_owned(),
            Zone::Fixed(ms) => offset_text(*ms, true),
            Zone::Named(tz) => tz.name().to_owned(),
        }
    }

    /// The abbreviation in use at an instant, such as `EDT`.
    pub fn short_name(&self, utc: i64) -> String {
        match self {
            Zone::Named(tz) => format!("{}", tz.offset_from_utc_datetime(&naive(utc))),
            other => other.name(),
        }
    }

    /// Milliseconds that local time is ahead of UTC at an instant.
    pub fn offset(&self, utc: i64) -> i64 {
        match self {
            Zone::Utc => 0,
            Zone::Fixed(ms) => *ms,
            Zone::Named(tz) => i64::from(tz.offset_from_utc_datetime(&naive(utc)).fix().local_minus_utc()) * 1_000,
        }
    }

    pub fn to_local(&self, utc: i64) -> i64 {
        utc.saturating_add(self.offset(utc))
    }

    /// The instant of a local time. A time that occurs twice is taken at `preferred` offset if that is one of the two,
    /// otherwise the earlier; a time that is skipped counts on from the offset before the gap.
    pub fn to_utc(&self, local: i64, preferred: Option<i64>) -> i64 {
        let Zone::Named(_) = self else { return local.saturating_sub(self.offset(0)) };
        let before = self.offset(local.saturating_sub(DAY));
        let after = self.offset(local.saturating_add(DAY));
        let fits = |offset: i64| self.offset(local.saturating_sub(offset)) == offset;
        let offset = match preferred {
            Some(p) if fits(p) => p,
            _ if fits(before) => before,
            _ if fits(after) => after,
            _ => before,
        };
        local.saturating_sub(offset)
    }
}

/// The zone database needs a date in chrono's range; far outside it the rules of its ends go on.
fn naive(utc: i64) -> chrono::NaiveDateTime {
    let clamped = utc.clamp(-200_000 * 365 * DAY, 200_000 * 365 * DAY);
    DateTime::from_timestamp_millis(clamped).unwrap_or_default().naive_utc()
}

/// `+05:30`, `-0800`, `+5`, `Z` in milliseconds.
pub fn parse_offset(text: &str) -> Option<i64> {
    if text.eq_ignore_ascii_case("Z") {
        return Some(0);
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let body = &text[1..];
    let (hours, minutes) = match body.split_once(':') {
        Some((h, m)) if (1..=2).contains(&h.len()) && m.len() == 2 => (h, m),
        None if body.len() == 4 && body.is_ascii() => body.split_at(2),
        None if (1..=2).contains(&body.len()) => (body, "0"),
        _ => return None,
    };
    if !hours.bytes().chain(minutes.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours <= 18 && minutes < 60).then_some(sign * (hours * HOUR + minutes * MINUTE))
}

/// `+05:30`, or `+0530` without the colon.
pub fn offset_text(ms: i64, colon: bool) -> String {
    let minutes = ms.abs() / MINUTE;
    let sign = if ms < 0 { '-' } else { '+' };
    format!("{sign}{:02}{}{:02}", minutes / 60, if colon { ":" } else { "" }, minutes % 60)
}

/// Offsets of one zone for many instants: rows near each other share one lookup.
#[derive(Debug)]
pub struct OffsetCache {
    zone: Zone,
    /// Instants of this range have `offset`.
    start: i64,
    end: i64,
    offset: i64,
    /// The last local time that was looked up, its preferred offset, and its instant.
    local: Option<(i64, i64, i64)>,
}

/// Zones change at most once in it, so equal offsets at both ends hold between them.
const SPAN: i64 = 6 * HOUR;

impl OffsetCache {
    pub fn new(zone: Zone) -> OffsetCache {
        match zone {
            Zone::Named(_) => OffsetCache { zone, start: 0, end: 0, offset: 0, local: None },
            fixed => OffsetCache { zone, start: i64::MIN, end: i64::MAX, offset: fixed.offset(0), local: None },
        }
    }

    #[inline]
    pub fn offset(&mut self, utc: i64) -> i64 {
        if (self.start..self.end).contains(&utc) { self.offset } else { self.look_up(utc) }
    }

    /// [`Zone::to_utc`]; rows of one day ask for the same midnight.
    #[inline]
    pub fn to_utc(&mut self, local: i64, preferred: i64) -> i64 {
        match self.local {
            Some((l, p, utc)) if l == local && p == preferred => utc,
            _ => {
                let utc = self.zone.to_utc(local, Some(preferred));
                self.local = Some((local, preferred, utc));
                utc
            }
        }
    }

    fn look_up(&mut self, utc: i64) -> i64 {
        let offset = self.zone.offset(utc);
        let start = utc.div_euclid(SPAN).saturating_mul(SPAN);
        let end = start.saturating_add(SPAN);
        if self.zone.offset(start) == offset && self.zone.offset(end - 1) == offset {
            (self.start, self.end, self.offset) = (start, end, offset);
        }
        offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_every_spelling() {
        for name in
            ["EST", "America/New_York", "america/new_york", "PST", "+05:30", "GMT-8", "UTC+01:00", "Etc/GMT+5", "utc"]
        {
            Zone::parse(name).unwrap();
        }
        assert_eq!(Zone::parse("GMT-8").unwrap(), Zone::Fixed(-8 * HOUR));
        assert_eq!(Zone::parse("+0530").unwrap(), Zone::Fixed(5 * HOUR + 30 * MINUTE));
        assert!(Zone::parse("Mars/Olympus").unwrap_err().to_string().contains("Mars/Olympus"));
        assert!(Zone::parse("+é1").is_err());
    }

    #[test]
    fn repeated_and_skipped_times() {
        let ny = Zone::parse("America/New_York").unwrap();
        // 2024-11-03 01:30 occurs at 05:30Z and 06:30Z.
        let local = 1_730_597_400_000;
        assert_eq!(ny.to_utc(local, None), 1_730_611_800_000);
        assert_eq!(ny.to_utc(local, Some(-5 * HOUR)), 1_730_615_400_000);
        // 2024-03-10 02:30 does not occur: it counts on as 03:30 EDT.
        assert_eq!(ny.to_utc(1_710_037_800_000, None), 1_710_055_800_000);
    }

    #[test]
    fn cached_offsets_are_the_offsets() {
        for name in ["America/New_York", "Africa/Monrovia", "Australia/Lord_Howe", "Europe/Dublin", "Asia/Kolkata"] {
            let zone = Zone::parse(name).unwrap();
            let mut cache = OffsetCache::new(zone);
            for step in 0..40_000i64 {
                let utc = -40 * 365 * DAY + step * 17 * 61 * MINUTE + step % 1_000;
                assert_eq!(cache.offset(utc), zone.offset(utc), "{name} at {utc}");
            }
        }
    }
}
