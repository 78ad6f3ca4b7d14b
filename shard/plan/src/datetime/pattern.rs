//! Date patterns in Joda's letters (`yyyy-MM-dd HH:mm:ss.SSS Z`), as Pinot's SIMPLE_DATE_FORMAT, toDateTime and
//! fromDateTime use them. Texts of months and days are English.

use super::calendar::{
    Civil, DAY, HOUR, MINUTE, SECOND, day_of, day_of_week, day_of_year, days_from_civil, days_in_month, is_leap,
    iso_week, iso_year_start,
};
use super::text::number;
use super::zone::{Zone, offset_text, parse_offset};
use crate::error::{Error, Result};
use std::fmt::Write;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Field {
    Year,
    WeekYear,
    Month,
    MonthText,
    Week,
    DayOfWeek,
    DayText,
    DayOfYear,
    Day,
    HalfDay,
    /// 0..=23
    Hour,
    /// 1..=24
    HourOfClock,
    /// 0..=11
    HourOfHalf,
    /// 1..=12
    ClockHourOfHalf,
    Minute,
    Second,
    Fraction,
    ZoneName,
    Offset,
    ZoneId,
    Era,
}

#[derive(Debug, Clone, PartialEq)]
enum Item {
    Literal(String),
    Field(Field, usize),
}

/// A compiled pattern.
#[derive(Debug, Clone)]
pub struct Pattern {
    items: Vec<Item>,
}

impl Field {
    fn of(letter: char, count: usize) -> Option<Field> {
        Some(match letter {
            'y' | 'Y' => Field::Year,
            'x' => Field::WeekYear,
            'M' if count >= 3 => Field::MonthText,
            'M' | 'L' => Field::Month,
            'w' => Field::Week,
            'e' | 'u' => Field::DayOfWeek,
            'E' => Field::DayText,
            'D' => Field::DayOfYear,
            'd' => Field::Day,
            'a' => Field::HalfDay,
            'H' => Field::Hour,
            'k' => Field::HourOfClock,
            'K' => Field::HourOfHalf,
            'h' => Field::ClockHourOfHalf,
            'm' => Field::Minute,
            's' => Field::Second,
            'S' => Field::Fraction,
            'z' => Field::ZoneName,
            'Z' if count >= 3 => Field::ZoneId,
            'Z' | 'X' => Field::Offset,
            'G' => Field::Era,
            _ => return None,
        })
    }

    fn is_number(self) -> bool {
        !matches!(
            self,
            Field::MonthText
                | Field::DayText
                | Field::HalfDay
                | Field::ZoneName
                | Field::Offset
                | Field::ZoneId
                | Field::Era
        )
    }
}

impl Pattern {
    /// # Errors
    /// When a letter has no meaning or a quote is not closed.
    pub fn new(pattern: &str) -> Result<Pattern> {
        let bad = |what: String| Error::Signature(format!("date pattern '{pattern}': {what}"));
        let mut items: Vec<Item> = Vec::new();
        let literal = |items: &mut Vec<Item>, c: char| match items.last_mut() {
            Some(Item::Literal(text)) => text.push(c),
            _ => items.push(Item::Literal(c.to_string())),
        };
        let chars: Vec<char> = pattern.chars().collect();
        let mut at = 0;
        while at < chars.len() {
            let c = chars[at];
            if c == '\'' {
                // Two quotes are one quote, inside and outside of quoted text.
                if chars.get(at + 1) == Some(&'\'') {
                    literal(&mut items, '\'');
                    at += 2;
                    continue;
                }
                at += 1;
                loop {
                    match (chars.get(at), chars.get(at + 1)) {
                        (Some('\''), Some('\'')) => {
                            literal(&mut items, '\'');
                            at += 2;
                        }
                        (Some('\''), _) => {
                            at += 1;
                            break;
                        }
                        (Some(c), _) => {
                            literal(&mut items, *c);
                            at += 1;
                        }
                        (None, _) => return Err(bad("a quote is not closed".to_owned())),
                    }
                }
            } else if c.is_ascii_alphabetic() {
                let count = chars[at..].iter().take_while(|x| **x == c).count();
                let field = Field::of(c, count).ok_or_else(|| bad(format!("the letter '{c}' has no meaning")))?;
                items.push(Item::Field(field, count));
                at += count;
            } else {
                literal(&mut items, c);
                at += 1;
            }
        }
        if items.is_empty() {
            return Err(bad("it is empty".to_owned()));
        }
        Ok(Pattern { items })
    }

    /// The instant as text in a zone.
    pub fn format(&self, utc: i64, zone: &Zone) -> String {
        let offset = zone.offset(utc);
        let local = utc.saturating_add(offset);
        let c = Civil::from_millis(local);
        let days = day_of(local);
        let mut out = String::new();
        for item in &self.items {
            // Writing to a String cannot fail.
            let _ = match item {
                Item::Literal(text) => out.write_str(text),
                Item::Field(field, n) => match field {
                    Field::Year if *n == 2 => write!(out, "{:02}", c.year.rem_euclid(100)),
                    Field::Year => write!(out, "{:0n$}", c.year),
                    Field::WeekYear if *n == 2 => write!(out, "{:02}", iso_week(days).0.rem_euclid(100)),
                    Field::WeekYear => write!(out, "{:0n$}", iso_week(days).0),
                    Field::Month => write!(out, "{:0n$}", c.month),
                    Field::MonthText => out.write_str(name(MONTHS[c.month as usize - 1], *n)),
                    Field::Week => write!(out, "{:0n$}", iso_week(days).1),
                    Field::DayOfWeek => write!(out, "{:0n$}", day_of_week(days)),
                    Field::DayText => out.write_str(name(DAYS[day_of_week(days) as usize - 1], *n)),
                    Field::DayOfYear => write!(out, "{:0n$}", day_of_year(days)),
                    Field::Day => write!(out, "{:0n$}", c.day),
                    Field::HalfDay => out.write_str(if c.hour() < 12 { "AM" } else { "PM" }),
                    Field::Hour => write!(out, "{:0n$}", c.hour()),
                    Field::HourOfClock => write!(out, "{:0n$}", if c.hour() == 0 { 24 } else { c.hour() }),
                    Field::HourOfHalf => write!(out, "{:0n$}", c.hour() % 12),
                    Field::ClockHourOfHalf => write!(out, "{:0n$}", (c.hour() + 11) % 12 + 1),
                    Field::Minute => write!(out, "{:0n$}", c.minute()),
                    Field::Second => write!(out, "{:0n$}", c.second()),
                    Field::Fraction => {
                        let digits = format!("{:03}", c.millisecond());
                        if *n <= 3 { out.write_str(&digits[..*n]) } else { write!(out, "{digits:0<n$}") }
                    }
                    Field::ZoneName => out.write_str(&zone.short_name(utc)),
                    Field::ZoneId => out.write_str(&zone.name()),
                    Field::Offset => out.write_str(&offset_text(offset, *n == 2)),
                    Field::Era => out.write_str(if c.year > 0 { "AD" } else { "BC" }),
                },
            };
        }
        out
    }

    /// The instant that a text stands for. `zone` holds where the text names none. What the pattern does not give is the
    /// start of 1970, or of 2000 when it has a month or day but no year. `None` when the text does not match.
    pub fn parse(&self, text: &str, zone: &Zone) -> Option<i64> {
        let mut rest = text;
        let mut seen = Seen::default();
        for (i, item) in self.items.iter().enumerate() {
            match item {
                Item::Literal(literal) => rest = rest.strip_prefix(literal.as_str())?,
                Item::Field(field, n) => {
                    // Digits that run into the next field are cut at this field's width.
                    let adjacent = matches!(self.items.get(i + 1), Some(Item::Field(next, _)) if next.is_number());
                    let max = if adjacent { *n } else { 9.max(*n) };
                    seen.take(*field, *n, max, &mut rest)?;
                }
            }
        }
        if rest.is_empty() { seen.instant(zone) } else { None }
    }
}

/// The full text, or its first three letters for fewer than four pattern letters.
fn name(full: &'static str, letters: usize) -> &'static str {
    if letters >= 4 { full } else { &full[..3] }
}

#[derive(Default)]
struct Seen {
    year: Option<i64>,
    week_year: Option<i64>,
    month: Option<i64>,
    week: Option<i64>,
    day_of_week: Option<i64>,
    day_of_year: Option<i64>,
    day: Option<i64>,
    afternoon: Option<bool>,
    hour: Option<i64>,
    half_hour: Option<i64>,
    minute: i64,
    second: i64,
    millis: i64,
    zone: Option<Zone>,
    before_christ: bool,
}

fn text_of<'a>(names: &[&'a str], rest: &mut &str) -> Option<(usize, &'a str)> {
    for (i, full) in names.iter().enumerate() {
        for spelling in [*full, &full[..full.len().min(3)]] {
            if rest.get(..spelling.len()).is_some_and(|head| head.eq_ignore_ascii_case(spelling)) {
                *rest = &rest[spelling.len()..];
                return Some((i, full));
            }
        }
    }
    None
}

/// Two digits are a year of 1950..=2049.
fn year(rest: &mut &str, letters: usize, max: usize) -> Option<i64> {
    let negative = max > 4 && rest.starts_with('-');
    if negative {
        *rest = &rest[1..];
    }
    let before = rest.len();
    let value = number(rest, 1, max)?;
    Some(if letters == 2 && before - rest.len() == 2 {
        value + if value < 50 { 2000 } else { 1900 }
    } else if negative {
        -value
    } else {
        value
    })
}

impl Seen {
    fn take(&mut self, field: Field, letters: usize, max: usize, rest: &mut &str) -> Option<()> {
        match field {
            Field::Year => self.year = Some(year(rest, letters, max)?),
            Field::WeekYear => self.week_year = Some(year(rest, letters, max)?),
            Field::Month => self.month = Some(number(rest, 1, max.min(2))?),
            Field::MonthText => self.month = Some(text_of(&MONTHS, rest)?.0 as i64 + 1),
            Field::Week => self.week = Some(number(rest, 1, max.min(2))?),
            Field::DayOfWeek => self.day_of_week = Some(number(rest, 1, 1)?),
            Field::DayText => self.day_of_week = Some(text_of(&DAYS, rest)?.0 as i64 + 1),
            Field::DayOfYear => self.day_of_year = Some(number(rest, 1, max.min(3))?),
            Field::Day => self.day = Some(number(rest, 1, max.min(2))?),
            Field::HalfDay => self.afternoon = Some(text_of(&["AM", "PM"], rest)?.0 == 1),
            Field::Hour => self.hour = Some(number(rest, 1, max.min(2))?),
            Field::HourOfClock => self.hour = Some(number(rest, 1, max.min(2)).filter(|h| (1..=24).contains(h))? % 24),
            Field::HourOfHalf => self.half_hour = Some(number(rest, 1, max.min(2)).filter(|h| *h < 12)?),
            Field::ClockHourOfHalf => {
                self.half_hour = Some(number(rest, 1, max.min(2)).filter(|h| (1..=12).contains(h))? % 12);
            }
            Field::Minute => self.minute = number(rest, 1, max.min(2)).filter(|m| *m < 60)?,
            Field::Second => self.second = number(rest, 1, max.min(2)).filter(|s| *s < 60)?,
            Field::Fraction => {
                let before = *rest;
                number(rest, 1, max)?;
                let digits = &before[..before.len() - rest.len()];
                let kept = &digits[..digits.len().min(3)];
                self.millis = kept.parse::<i64>().ok()? * 10_i64.pow(3 - kept.len() as u32);
            }
            Field::ZoneName | Field::ZoneId | Field::Offset => {
                let allowed = |c: char| c.is_ascii_alphanumeric() || "/_+-:".contains(c);
                let end = rest.find(|c| !allowed(c)).unwrap_or(rest.len());
                let (token, after) = rest.split_at(end);
                self.zone = Some(match parse_offset(token) {
                    Some(ms) => Zone::Fixed(ms),
                    None if field == Field::Offset => return None,
                    None => Zone::parse(token).ok()?,
                });
                *rest = after;
            }
            Field::Era => self.before_christ = text_of(&["BC", "AD"], rest)?.0 == 0,
        }
        Some(())
    }

    fn instant(self, zone: &Zone) -> Option<i64> {
        let in_range = |v: i64, max: u32| (1..=i64::from(max)).contains(&v).then_some(v);
        let days = if let Some(week) = self.week {
            let year = self.week_year.or(self.year).unwrap_or(1970);
            iso_year_start(year) + (in_range(week, 53)? - 1) * 7 + in_range(self.day_of_week.unwrap_or(1), 7)? - 1
        } else {
            let dated = self.month.is_some() || self.day.is_some() || self.day_of_year.is_some();
            let mut year = self.year.or(self.week_year).unwrap_or(if dated { 2000 } else { 1970 });
            if self.before_christ {
                year = 1 - year;
            }
            match self.day_of_year {
                Some(day) => days_from_civil(year, 1, 1) + in_range(day, if is_leap(year) { 366 } else { 365 })? - 1,
                None => {
                    let month = in_range(self.month.unwrap_or(1), 12)? as u32;
                    days_from_civil(year, month, in_range(self.day.unwrap_or(1), days_in_month(year, month))?)
                }
            }
        };
        let hour = match (self.hour, self.half_hour) {
            (Some(hour), _) => hour,
            (None, Some(half)) => half + if self.afternoon == Some(true) { 12 } else { 0 },
            (None, None) => 0,
        };
        if hour > 23 {
            return None;
        }
        let time = hour * HOUR + self.minute * MINUTE + self.second * SECOND + self.millis;
        let local = days.checked_mul(DAY)?.checked_add(time)?;
        Some(self.zone.as_ref().unwrap_or(zone).to_utc(local, None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_679_126_400_123; // 2023-03-18T08:00:00.123Z, a Saturday

    #[test]
    fn formats() {
        for (pattern, want) in [
            ("yyyy-MM-dd HH:mm:ss.SSS", "2023-03-18 08:00:00.123"),
            ("yyyyMMdd", "20230318"),
            ("yy/M/d h:mm a", "23/3/18 8:00 AM"),
            ("EEE, dd MMM yyyy HH:mm:ss Z", "Sat, 18 Mar 2023 08:00:00 +0000"),
            ("EEEE MMMM", "Saturday March"),
            ("yyyy-MM-dd'T'HH:mm:ss'Z'", "2023-03-18T08:00:00Z"),
            ("xxxx-'W'ww-e", "2023-W11-6"),
            ("D k K ''", "77 8 8 '"),
            ("SS SSSSSS", "12 123000"),
        ] {
            assert_eq!(Pattern::new(pattern).unwrap().format(MS, &Zone::Utc), want, "{pattern}");
        }
        let zone = Zone::parse("America/New_York").unwrap();
        assert_eq!(Pattern::new("HH:mm ZZ z ZZZ").unwrap().format(MS, &zone), "04:00 -04:00 EDT America/New_York");
        assert!(Pattern::new("yyyy-bb").is_err());
        assert!(Pattern::new("yyyy'T").is_err());
    }

    #[test]
    fn parses() {
        let zone = Zone::parse("America/New_York").unwrap();
        for (pattern, text, zone, want) in [
            ("yyyy-MM-dd HH:mm:ss.SSS", "2023-03-18 08:00:00.123", Zone::Utc, Some(MS)),
            ("yyyyMMdd", "20230318", Zone::Utc, Some(1_679_097_600_000)),
            ("yyyyMMdd", "20230318", zone, Some(1_679_112_000_000)),
            ("yyyy-MM-dd HH:mm Z", "2023-03-18 04:00 -0400", Zone::Utc, Some(1_679_126_400_000)),
            ("dd MMM yyyy h:mm a", "18 Mar 2023 8:00 pm", Zone::Utc, Some(1_679_169_600_000)),
            ("xxxx-'W'ww", "2020-W53", Zone::Utc, Some(1_609_113_600_000)),
            ("yyyyDDD", "2023077", Zone::Utc, Some(1_679_097_600_000)),
            ("yy", "49", Zone::Utc, Some(2_493_072_000_000)),
            ("MM-dd", "02-29", Zone::Utc, Some(951_782_400_000)),
            ("HH:mm", "01:00", Zone::Utc, Some(3_600_000)),
            ("yyyy-MM-dd", "2023-02-29", Zone::Utc, None),
            ("yyyy-MM-dd", "2023-02-2x", Zone::Utc, None),
            ("yyyy-MM-dd", "2023-02-28 ", Zone::Utc, None),
            ("HH", "24", Zone::Utc, None),
            ("MMM", "Mé", Zone::Utc, None),
        ] {
            assert_eq!(Pattern::new(pattern).unwrap().parse(text, &zone), want, "{pattern} of {text}");
        }
    }
}
