//! Execution of leaf plans: bind, prune, filter, then rows or groups, then merge.
//!
//! ```text
//!   LeafRequest ─▶ Job ─▶ one Worker a shard
//!                          bind a segment (dictionary ids for literals, zone maps)      bind, predicate
//!                          take a block, load its pages                                 piece
//!                          per vector of ≤ 4,096 rows: filter ▶ selection ▶ sink        filter, rows, groups, fast
//!                          merge into the shard's result, then all shards' results      worker
//! ```
//!
//! A worker looks at the clock after each vector and returns after 50 µs with its state (E-16); the flags of the job
//! (cancelled, enough rows, failed) are read at every vector.

pub(crate) mod bind;
pub(crate) mod chunks;
pub(crate) mod computed;
pub(crate) mod decode;
pub mod explain;
pub(crate) mod fast;
pub(crate) mod fast_aggregates;
pub(crate) mod filter;
pub(crate) mod finish;
pub(crate) mod groups;
pub(crate) mod indexes;
pub(crate) mod job;
pub(crate) mod loads;
pub(crate) mod masks;
pub(crate) mod output;
mod part_merge;
pub(crate) mod piece;
pub(crate) mod predicate;
pub mod request;
pub mod selection;
pub(crate) mod worker;
