//! Scalar expressions against tables of expected answers and against naive models.

mod casts;
mod check;
mod evaluation;
mod functions;
mod models;
