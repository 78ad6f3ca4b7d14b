//! One core: executors, IO, row sources, SIMD kernels and the execution of leaf plans.
//!
//! ```text
//!   LeafRequest ──▶ exec (bind, prune, filter, group, merge) ──▶ LeafAnswer
//!                     │ vectors of 4,096 rows, slices of 50 µs
//!   rt (shards) ──────┤ source (blocks, columns by name)
//!                     │ kernels (packed compare, gather, sum)
//!   io (pages) ───────┘ memory (budgets)
//! ```

pub mod error;
pub mod exec;
pub mod io;
pub mod kernels;
pub mod memory;
pub mod rt;
pub mod source;

pub use error::{Error, Result};
pub use exec::explain::explain;
pub use exec::request::{CancelToken, LeafAnswer, LeafRequest, LeafStats, OperatorProfile, TableSnapshot};
pub use io::{Advice, Residency};
pub use memory::{GamayAllocator, process_bytes};
pub use rt::{Executor, ShardOptions, Shards, usable_cpus, yield_to_edge};
pub use source::{BatchSource, RowSource, SegmentHandle, SegmentKey};
