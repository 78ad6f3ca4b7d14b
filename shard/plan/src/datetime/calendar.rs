//! Days and dates of the proleptic Gregorian calendar, for every millisecond that a LONG can count.

pub const SECOND: i64 = 1_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// A date and time of day without a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    pub year: i64,
    /// 1..=12
    pub month: u32,
    /// 1..=31
    pub day: u32,
    /// Milliseconds since midnight.
    pub millis: i64,
}

/// Days since 1970-01-01 of a date. `month` 1..=12, `day` may lie outside the month.
#[inline]
pub fn days_from_civil(year: i64, month: u32, day: i64) -> i64 {
    // Years start in March, so that the leap day is the last of its year; eras are 400 years.
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let month_from_march = i64::from((month + 9) % 12);
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// (year, month, day) of a count of days since 1970-01-01.
#[inline]
pub fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 } as u32;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

pub fn is_leap(year: i64) -> bool {
    year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
}

pub fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a local time.
#[inline]
pub fn day_of(local: i64) -> i64 {
    local.div_euclid(DAY)
}

/// Monday 1 to Sunday 7. 1970-01-01 was a Thursday.
#[inline]
pub fn day_of_week(days: i64) -> u32 {
    (days + 3).rem_euclid(7) as u32 + 1
}

/// 1..=366
pub fn day_of_year(days: i64) -> u32 {
    let (year, _, _) = civil_from_days(days);
    (days - days_from_civil(year, 1, 1) + 1) as u32
}

/// ISO 8601 (year of the week, week 1..=53): a week belongs to the year of its Thursday.
pub fn iso_week(days: i64) -> (i64, u32) {
    let thursday = days - i64::from(day_of_week(days)) + 4;
    let (year, _, _) = civil_from_days(thursday);
    let week = (thursday - days_from_civil(year, 1, 1)) / 7 + 1;
    (year, week as u32)
}

/// Monday of week 1 of an ISO year.
pub fn iso_year_start(year: i64) -> i64 {
    let fourth = days_from_civil(year, 1, 4);
    fourth - i64::from(day_of_week(fourth)) + 1
}

impl Civil {
    pub fn from_millis(local: i64) -> Civil {
        let (year, month, day) = civil_from_days(day_of(local));
        Civil { year, month, day, millis: local.rem_euclid(DAY) }
    }

    /// Saturates where a LONG cannot count the milliseconds.
    pub fn to_millis(self) -> i64 {
        let days = days_from_civil(self.year, self.month, i64::from(self.day));
        let millis = i128::from(days) * i128::from(DAY) + i128::from(self.millis);
        millis.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
    }

    /// Moves by months; the day is cut to the length of the month (31 January + 1 month = 28 or 29 February).
    /// `None` where a LONG cannot count the milliseconds.
    pub fn add_months(self, months: i64) -> Option<Civil> {
        let total = self.year.checked_mul(12)?.checked_add(i64::from(self.month) - 1)?.checked_add(months)?;
        let (year, month) = (total.div_euclid(12), total.rem_euclid(12) as u32 + 1);
        if !(-292_275_054..=292_278_993).contains(&year) {
            return None;
        }
        Some(Civil { year, month, day: self.day.min(days_in_month(year, month)), millis: self.millis })
    }

    pub fn hour(self) -> u32 {
        (self.millis / HOUR) as u32
    }
    pub fn minute(self) -> u32 {
        (self.millis / MINUTE % 60) as u32
    }
    pub fn second(self) -> u32 {
        (self.millis / SECOND % 60) as u32
    }
    pub fn millisecond(self) -> u32 {
        (self.millis % SECOND) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Datelike;

    #[test]
    fn dates_agree_with_chrono_over_400_years() {
        let start = chrono::NaiveDate::from_ymd_opt(1799, 12, 1).unwrap();
        let epoch = chrono::NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
        for step in 0..150_000 {
            let date = start + chrono::Days::new(step);
            let days = (date - epoch).num_days();
            assert_eq!(civil_from_days(days), (i64::from(date.year()), date.month(), date.day()));
            assert_eq!(days_from_civil(i64::from(date.year()), date.month(), i64::from(date.day())), days);
            assert_eq!(day_of_week(days), date.weekday().number_from_monday());
            assert_eq!(day_of_year(days), date.ordinal());
            assert_eq!(iso_week(days), (i64::from(date.iso_week().year()), date.iso_week().week()));
        }
    }

    #[test]
    fn the_ends_of_a_long_have_dates() {
        for ms in [i64::MIN, i64::MAX, 0, -1] {
            let civil = Civil::from_millis(ms);
            assert_eq!(civil.to_millis(), ms);
        }
        assert_eq!(Civil::from_millis(i64::MAX).year, 292_278_994);
    }

    #[test]
    fn months_are_cut_to_their_length() {
        let day = |y, m, d| Civil { year: y, month: m, day: d, millis: 0 };
        assert_eq!(day(2023, 1, 31).add_months(1), Some(day(2023, 2, 28)));
        assert_eq!(day(2024, 1, 31).add_months(1), Some(day(2024, 2, 29)));
        assert_eq!(day(2024, 3, 31).add_months(-13), Some(day(2023, 2, 28)));
        assert_eq!(day(2024, 3, 31).add_months(i64::MAX), None);
    }
}
