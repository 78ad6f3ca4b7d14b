//! The scalar functions of Pinot's dialect, one file per family. A new one is one entry in one file's `register`.

mod arithmetic;
mod arrays;
mod bits;
mod conditionals;
mod date_formats;
mod date_parts;
mod dates;
pub mod define;
mod encodings;
mod json;
mod math;
mod regexps;
mod shapes;
mod strings;

pub use define::{common_type, promote};

use crate::function::Registry;

/// Adds every scalar function of this crate.
pub fn register_all(registry: &mut Registry) {
    arithmetic::register(registry);
    math::register(registry);
    bits::register(registry);
    conditionals::register(registry);
    encodings::register(registry);
    arrays::register(registry);
    dates::register(registry);
    date_parts::register(registry);
    date_formats::register(registry);
    json::register(registry);
    strings::register(registry);
    regexps::register(registry);
}
