//! Calendar arithmetic on UTC milliseconds: the proleptic Gregorian calendar, time zones, units, patterns.
//!
//! Instants before 1970 round down, never towards zero. Where a result would leave the range of a LONG it stops at its
//! end, so that rows holding a default null value such as `Long.MIN_VALUE` do not fail a query.

pub mod calendar;
pub mod format;
pub mod pattern;
pub mod text;
pub mod unit;
pub mod zone;

pub use calendar::Civil;
pub use format::{Granularity, TimeFormat};
pub use pattern::Pattern;
pub use text::{format_timestamp, parse_timestamp};
pub use unit::{TimeUnit, TruncUnit};
pub use zone::{OffsetCache, Zone};
