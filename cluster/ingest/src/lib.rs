//! Files become typed rows, rows become segments.
//!
//! The way of a row: a [`Source`] is opened as bytes; a reader (`csv`, `json`, `parquet`) yields [`batch::Batch`]es of raw
//! columns; `convert` makes typed columns of them by the schema, strictly; `build` sorts them over the whole input, within a
//! budget of memory, cuts them into segments and writes each with `segfmt`. Where there is no schema, `infer` makes one from
//! all of every file first.
//!
//! Another format is one more implementation of [`batch::RowReader`], its name in `source`, its types in `infer`, and one
//! line in `job::open_reader`.
//!
//! **Invariant:** no network, no catalog, no clock, no randomness: the same files and options give the same segment bytes
//! whatever the memory, the number of threads or the machine.

#![forbid(unsafe_code)]

pub mod batch;
mod build;
mod column;
mod convert;
mod csv;
mod error;
mod infer;
mod intern;
mod job;
mod json;
mod number;
mod parquet;
mod progress;
mod reject;
mod source;
mod timestamp;

pub use batch::ReadOptions;
pub use build::{BuiltSegment, SegmentNames};
pub use error::{Error, Place, Result};
pub use infer::{InferOptions, infer_schema};
pub use job::{IngestJob, IngestOptions, IngestReport};
pub use progress::{Cancel, OnProgress, Phase, Progress};
pub use reject::OnError;
pub use source::{Compression, Format, Source};
