//! Everything from a file to a segment, through the crate's public face.

mod build;
mod cases;
mod model;
mod support;
