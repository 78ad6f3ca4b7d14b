//! TIMESTAMP as text: written like `java.sql.Timestamp`, read from SQL and ISO 8601 spellings and epoch milliseconds.

use super::calendar::{Civil, DAY, HOUR, MINUTE, SECOND, days_in_month};
use super::zone::parse_offset;

/// `yyyy-MM-dd HH:mm:ss.S`: at least one digit of the fraction, no needless zeros.
pub fn format_timestamp(ms: i64) -> String {
    let c = Civil::from_millis(ms);
    let fraction = match c.millisecond() {
        f if f % 100 == 0 => format!("{}", f / 100),
        f if f % 10 == 0 => format!("{:02}", f / 10),
        f => format!("{f:03}"),
    };
    format!("{} {:02}:{:02}:{:02}.{fraction}", date_text(&c), c.hour(), c.minute(), c.second())
}

/// `yyyy-MM-dd`; years outside 0..=9999 have a sign.
pub fn date_text(c: &Civil) -> String {
    if (0..=9999).contains(&c.year) {
        format!("{:04}-{:02}-{:02}", c.year, c.month, c.day)
    } else {
        format!("{:+05}-{:02}-{:02}", c.year, c.month, c.day)
    }
}

/// UTC milliseconds of `yyyy-MM-dd[( |T)HH:mm[:ss[.fraction]]][Z|±HH:mm]` or of a count of milliseconds. Digits past the
/// millisecond are cut off.
pub fn parse_timestamp(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(ms) = text.parse::<i64>() {
        return Some(ms);
    }
    let mut rest = text;
    let negative = rest.starts_with('-');
    if negative || rest.starts_with('+') {
        rest = &rest[1..];
    }
    let year = number(&mut rest, 4, 9)?;
    let year = if negative { -year } else { year };
    expect(&mut rest, "-")?;
    let month = number(&mut rest, 1, 2)?;
    expect(&mut rest, "-")?;
    let day = number(&mut rest, 1, 2)?;
    if !(1..=12).contains(&month) || day < 1 || day > i64::from(days_in_month(year, month as u32)) {
        return None;
    }
    let mut millis = 0;
    if expect(&mut rest, " ").or_else(|| expect(&mut rest, "T")).or_else(|| expect(&mut rest, "t")).is_some() {
        let hour = number(&mut rest, 1, 2)?;
        expect(&mut rest, ":")?;
        let minute = number(&mut rest, 1, 2)?;
        let mut second = 0;
        if expect(&mut rest, ":").is_some() {
            second = number(&mut rest, 1, 2)?;
            if expect(&mut rest, ".").or_else(|| expect(&mut rest, ",")).is_some() {
                millis = fraction(&mut rest)?;
            }
        }
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        millis += hour * HOUR + minute * MINUTE + second * SECOND;
    }
    let offset = match rest.trim_start() {
        "" => 0,
        zone => parse_offset(zone)?,
    };
    let days = super::calendar::days_from_civil(year, month as u32, day);
    i64::try_from(i128::from(days) * i128::from(DAY) + i128::from(millis) - i128::from(offset)).ok()
}

/// Takes `min..=max` digits off the front.
pub(super) fn number(rest: &mut &str, min: usize, max: usize) -> Option<i64> {
    let n = rest.bytes().take(max).take_while(u8::is_ascii_digit).count();
    if n < min {
        return None;
    }
    let (digits, after) = rest.split_at(n);
    *rest = after;
    digits.parse().ok()
}

fn expect(rest: &mut &str, what: &str) -> Option<()> {
    *rest = rest.strip_prefix(what)?;
    Some(())
}

/// Milliseconds of the digits after a point.
fn fraction(rest: &mut &str) -> Option<i64> {
    let n = rest.bytes().take_while(u8::is_ascii_digit).count();
    if n == 0 {
        return None;
    }
    let (digits, after) = rest.split_at(n);
    *rest = after;
    let kept = &digits[..n.min(3)];
    Some(kept.parse::<i64>().ok()? * 10_i64.pow(3 - kept.len() as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_like_java_sql_timestamp() {
        for (ms, text) in [
            (-500, "1969-12-31 23:59:59.5"),
            (-49_170_000, "1969-12-31 10:20:30.0"),
            (0, "1970-01-01 00:00:00.0"),
            (-310_476_303_211, "1960-02-29 12:34:56.789"),
            (1_609_718_399_999, "2021-01-03 23:59:59.999"),
            (1_679_126_400_120, "2023-03-18 08:00:00.12"),
            (50, "1970-01-01 00:00:00.05"),
        ] {
            assert_eq!(format_timestamp(ms), text);
            assert_eq!(parse_timestamp(text), Some(ms));
        }
    }

    #[test]
    fn many_spellings_are_read() {
        for (text, ms) in [
            ("2023-03-18", Some(1_679_097_600_000)),
            ("2023-03-18T08:00:00Z", Some(1_679_126_400_000)),
            ("2023-03-18 08:00", Some(1_679_126_400_000)),
            ("2023-03-18 08:00:00.123456789", Some(1_679_126_400_123)),
            ("2023-03-18T08:00:00+05:30", Some(1_679_106_600_000)),
            ("1679126400123", Some(1_679_126_400_123)),
            ("2023-02-29", None),
            ("2023-13-01", None),
            ("2023-03-18 24:00:00", None),
            ("2023-03-18 08:00:00.", None),
            ("2023-03-18x", None),
            ("yesterday", None),
            ("", None),
            ("é023-01-01", None),
        ] {
            assert_eq!(parse_timestamp(text), ms, "{text}");
        }
        for ms in [i64::MIN, i64::MAX] {
            assert_eq!(parse_timestamp(&format_timestamp(ms)), Some(ms));
        }
    }
}
