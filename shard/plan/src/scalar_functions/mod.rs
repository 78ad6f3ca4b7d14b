//! The scalar functions of Pinot's dialect, one file per family. A new one is one entry in one file's `register`.

mod arithmetic;
mod date_formats;
mod date_parts;
mod dates;
mod json;
mod math;
mod regexps;
mod shapes;
mod strings;
pub mod define;

pub use define::{common_type, promote};

use crate::function::Registry;

/// Adds every scalar function of this crate.
pub fn register_all(registry: &mut Registry) {
    arithmetic::register(registry);
    math::register(registry);
    dates::register(registry);
    date_parts::register(registry);
    date_formats::register(registry);
    json::register(registry);
    strings::register(registry);
    regexps::register(registry);
}
