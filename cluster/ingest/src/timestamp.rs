//! Timestamps in text: `yyyy-MM-dd[ T]HH:mm[:ss[.fraction]][Z|±hh[:mm]]`, proleptic Gregorian, UTC where no offset is given.

/// A point in time: milliseconds since 1970, and whether digits below a millisecond were dropped (toward the past).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parsed {
    pub(crate) millis: i64,
    pub(crate) finer: bool,
}

pub(crate) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // Counting years from March puts the leap day last.
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn digits(b: &[u8], from: usize, n: usize) -> Option<i64> {
    let mut v = 0;
    for &c in b.get(from..from + n)? {
        let d = c.wrapping_sub(b'0');
        if d > 9 {
            return None;
        }
        v = v * 10 + i64::from(d);
    }
    Some(v)
}

/// `yyyy-MM-dd` alone: days since 1970.
pub(crate) fn date(b: &[u8]) -> Option<i64> {
    if b.len() != 10 || b[4] != b'-' || b[7] != b'-' {
        return None;
    }
    let (year, month, day) = (digits(b, 0, 4)?, digits(b, 5, 2)?, digits(b, 8, 2)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        1..=12 => 31,
        _ => return None,
    };
    if day < 1 || day > last {
        return None;
    }
    Some(days_from_civil(year, month, day))
}

/// A date with a time of day.
pub(crate) fn timestamp(b: &[u8]) -> Option<Parsed> {
    if b.len() < 16 || !matches!(b[10], b' ' | b'T' | b't') || b[13] != b':' {
        return None;
    }
    let days = date(&b[..10])?;
    let (hour, minute) = (digits(b, 11, 2)?, digits(b, 14, 2)?);
    let mut at = 16;
    let (mut second, mut millis, mut finer) = (0, 0, false);
    if b.get(at) == Some(&b':') {
        second = digits(b, at + 1, 2)?;
        at += 3;
        if let Some(b'.' | b',') = b.get(at) {
            at += 1;
            let n = b[at..].iter().take_while(|c| c.is_ascii_digit()).count();
            if n == 0 {
                return None;
            }
            for i in 0..3 {
                millis = millis * 10 + if i < n { i64::from(b[at + i] - b'0') } else { 0 };
            }
            finer = b[at..at + n].iter().skip(3).any(|c| *c != b'0');
            at += n;
        }
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut rest = &b[at..];
    if rest.first() == Some(&b' ') && rest.len() > 1 {
        rest = &rest[1..];
    }
    let offset_minutes = match rest {
        [] | b"Z" | b"z" | b"UTC" => 0,
        [sign @ (b'+' | b'-'), tail @ ..] => {
            let (h, m) = match tail.len() {
                2 => (digits(tail, 0, 2)?, 0),
                4 => (digits(tail, 0, 2)?, digits(tail, 2, 2)?),
                5 if tail[2] == b':' => (digits(tail, 0, 2)?, digits(tail, 3, 2)?),
                _ => return None,
            };
            if h > 18 || m > 59 {
                return None;
            }
            (h * 60 + m) * if *sign == b'-' { -1 } else { 1 }
        }
        _ => return None,
    };
    let seconds = days * 86_400 + hour * 3_600 + (minute - offset_minutes) * 60 + second;
    Some(Parsed { millis: seconds * 1_000 + millis, finer })
}

/// A timestamp or a date, as a declared TIMESTAMP column takes it.
pub(crate) fn millis(b: &[u8]) -> Option<i64> {
    timestamp(b).map(|p| p.millis).or_else(|| date(b).map(|days| days * 86_400_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{Datelike as _, TimeZone as _};

    #[test]
    fn forms() {
        for (text, want) in [
            ("1970-01-01 00:00:00", 0),
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T01:00:00+01:00", 0),
            ("1969-12-31 23:59:59.5", -500),
            ("2024-02-29T12:00", 1_709_208_000_000),
            ("1970-01-01 00:00:00.25", 250),
            ("1970-01-01T00:00:00.000123-0130", 5_400_000),
            ("1970-01-01 05:00:00 +05", 0),
        ] {
            assert_eq!(timestamp(text.as_bytes()).map(|p| p.millis), Some(want), "{text}");
        }
        for text in [
            "2023-02-29 00:00:00",
            "2024-13-01 00:00:00",
            "2024-01-01 24:00:00",
            "2024-01-01",
            "2024-01-01 00:00:00.",
            "2024-01-01 00:00:00x",
            "2024-1-1 00:00:00",
            "20240101 00:00:00",
            "2024-01-01T00:00:00+1",
        ] {
            assert_eq!(timestamp(text.as_bytes()), None, "{text}");
        }
        assert!(timestamp(b"1970-01-01 00:00:00.0001").is_some_and(|p| p.finer));
        assert!(timestamp(b"1970-01-01 00:00:00.250000").is_some_and(|p| !p.finer));
        assert_eq!(millis(b"1970-01-02"), Some(86_400_000));
    }

    proptest::proptest! {
        #[test]
        fn like_chrono(day in -719_000i64..2_932_000, ms in 0i64..86_400_000) {
            let want = day * 86_400_000 + ms;
            let at = chrono::Utc.timestamp_millis_opt(want).single();
            let at = at.filter(|a| (0..=9999).contains(&a.year()));
            if let Some(at) = at {
                let text = at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
                proptest::prop_assert_eq!(timestamp(text.as_bytes()).map(|p| p.millis), Some(want));
            }
        }

        #[test]
        fn any_bytes_are_safe(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40)) {
            timestamp(&bytes);
            date(&bytes);
        }
    }
}
