//! The scalar functions of Pinot's dialect, one file per family. A new one is one entry in one file's `register`.

mod arithmetic;
pub mod define;

pub use define::{common_type, promote};

use crate::function::Registry;

/// Adds every scalar function of this crate.
pub fn register_all(registry: &mut Registry) {
    arithmetic::register(registry);
}
