//! The catalog: what tables, schemas and segments a cluster has.
//!
//! ```text
//!   propose(Command) -> log (append, fsync) -> State::apply -> publish -> snapshot(): Arc<State>
//! ```
//!
//! [`state`], [`command`] and [`apply`] are a pure state machine: no file, clock, thread or random number, so that the same
//! log gives the same state on every node and for years (R-4). [`log`] is an append-only file behind the [`log::Disk`] seam
//! (R-3). [`Catalog`] ties both together for one voter; Raft takes its place behind the same `propose` and `apply`.
//!
//! Rules kept here: names at the edge and numbers inside (R-1), one version a table (R-9), nothing goes because it is absent
//! (R-10): a file may be deleted only for a [`state::Tombstone`] that is older than its window.

#![forbid(unsafe_code)]

pub mod apply;
mod catalog;
mod check;
pub mod command;
mod error;
pub mod log;
pub mod snapshot;
pub mod state;

pub use catalog::{Applied, Catalog, ClusterInit, Options, Recovery, Subscription};
pub use command::{Body, Command, NewSegment, Outcome, PushMode, Rejection, SegmentPartition};
pub use error::{Error, Result};
pub use state::{Segment, State, Table, Tombstone};
