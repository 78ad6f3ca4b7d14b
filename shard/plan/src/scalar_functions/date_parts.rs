//! Parts of a point in time: year, week, hour and so on, in UTC or in the zone that the second argument names. Weeks are
//! ISO weeks, days of the week are Monday 1 to Sunday 7.

use super::define::{Function, Site, coerce, kernel};
use super::shapes::millis_to_ints;
use crate::datetime::calendar::{
    DAY, HOUR, MINUTE, SECOND, civil_from_days, day_of, day_of_week, day_of_year, iso_week,
};
use crate::datetime::{OffsetCache, Zone};
use crate::error::{Error, Result};
use crate::function::{Kernel, Registry, Signature};
use crate::types::Type;
use std::sync::Arc;

pub(super) fn register(r: &mut Registry) {
    let mut add = |f: Function| r.add_scalar(Arc::new(f));
    let part = |name, bind| Function::new(name, "INSTANT[, STRING]", Type::INT, bind);
    add(part("year", |s| of(s, Part::Year)));
    add(part("quarter", |s| of(s, Part::Quarter)));
    add(part("month", |s| of(s, Part::Month)).aliases(&["monthofyear"]));
    add(part("week", |s| of(s, Part::Week)).aliases(&["weekofyear"]));
    add(part("yearofweek", |s| of(s, Part::YearOfWeek)).aliases(&["yow"]));
    add(part("dayofyear", |s| of(s, Part::DayOfYear)).aliases(&["doy"]));
    add(part("day", |s| of(s, Part::Day)).aliases(&["dayofmonth"]));
    add(part("dayofweek", |s| of(s, Part::DayOfWeek)).aliases(&["dow"]));
    add(part("hour", |s| of(s, Part::Hour)));
    add(part("minute", |s| of(s, Part::Minute)));
    add(part("second", |s| of(s, Part::Second)));
    add(part("millisecond", |s| of(s, Part::Millisecond)));
    add(part("timezonehour", |s| of(s, Part::ZoneHour)));
    add(part("timezoneminute", |s| of(s, Part::ZoneMinute)));
    add(Function::typed(
        "extract",
        |s| Ok(Signature { args: coerce(s, "STRING, INSTANT[, STRING]")?, result: Type::INT }),
        |s| bind(Part::parse(s.literal(0, "a date part")?)?, zone(s, 2)?, 1),
    ));
}

#[derive(Debug, Clone, Copy)]
enum Part {
    Year,
    Quarter,
    Month,
    Week,
    YearOfWeek,
    DayOfYear,
    Day,
    DayOfWeek,
    Hour,
    Minute,
    Second,
    Millisecond,
    ZoneHour,
    ZoneMinute,
}

impl Part {
    fn parse(name: &str) -> Result<Part> {
        Ok(match crate::function::canonical_name(name).as_str() {
            "year" => Part::Year,
            "quarter" => Part::Quarter,
            "month" => Part::Month,
            "week" => Part::Week,
            "yearofweek" | "yow" | "isoyear" => Part::YearOfWeek,
            "dayofyear" | "doy" => Part::DayOfYear,
            "day" | "dayofmonth" => Part::Day,
            "dayofweek" | "dow" | "isodow" => Part::DayOfWeek,
            "hour" => Part::Hour,
            "minute" => Part::Minute,
            "second" => Part::Second,
            "millisecond" | "milliseconds" => Part::Millisecond,
            "timezonehour" => Part::ZoneHour,
            "timezoneminute" => Part::ZoneMinute,
            _ => {
                return Err(Error::Signature(format!(
                    "EXTRACT knows no part '{name}': use YEAR, QUARTER, MONTH, WEEK, YEAR_OF_WEEK, DAY, DAY_OF_WEEK, DOW, \
                     DAY_OF_YEAR, DOY, HOUR, MINUTE, SECOND or MILLISECOND"
                )));
            }
        })
    }

    #[inline]
    fn of(self, local: i64, offset: i64) -> i32 {
        let days = day_of(local);
        let value = match self {
            Part::Year => civil_from_days(days).0,
            Part::Quarter => i64::from((civil_from_days(days).1 - 1) / 3 + 1),
            Part::Month => i64::from(civil_from_days(days).1),
            Part::Week => i64::from(iso_week(days).1),
            Part::YearOfWeek => iso_week(days).0,
            Part::DayOfYear => i64::from(day_of_year(days)),
            Part::Day => i64::from(civil_from_days(days).2),
            Part::DayOfWeek => i64::from(day_of_week(days)),
            Part::Hour => local.rem_euclid(DAY) / HOUR,
            Part::Minute => local.rem_euclid(HOUR) / MINUTE,
            Part::Second => local.rem_euclid(MINUTE) / SECOND,
            Part::Millisecond => local.rem_euclid(SECOND),
            Part::ZoneHour => offset / HOUR,
            Part::ZoneMinute => offset % HOUR / MINUTE,
        };
        // Years of a LONG of milliseconds have nine digits.
        value as i32
    }
}

fn zone(site: &Site, at: usize) -> Result<Zone> {
    if at < site.args.len() && !site.is_null(at) {
        Zone::parse(site.literal(at, "a time zone")?)
    } else {
        Ok(Zone::Utc)
    }
}

fn of(site: &Site, part: Part) -> Result<Arc<dyn Kernel>> {
    bind(part, zone(site, 1)?, 0)
}

fn bind(part: Part, zone: Zone, at: usize) -> Result<Arc<dyn Kernel>> {
    kernel(move |args, rows| {
        if zone == Zone::Utc {
            return millis_to_ints(&args[at], rows, |ms| part.of(ms, 0));
        }
        let mut offsets = OffsetCache::new(zone);
        millis_to_ints(&args[at], rows, |ms| {
            let offset = offsets.offset(ms);
            part.of(ms.saturating_add(offset), offset)
        })
    })
}
