//! SQL text to plans, and plans to answers above the leaves.
//!
//! ```text
//!   text ──split──▶ options + statement ──parse──▶ tree ──rewrite──▶ names, calls, marks
//!        ──DataFusion's SqlToRel──▶ logical plan ──analyze (E-2)──▶ typed plan
//!        ──extract──▶ LeafPlan + ReducePlan                      one query over one table: DataFusion never runs (E-3)
//!                └──▶ DataFusion plan over leaves                joins, windows, set operations, subqueries
//! ```
//!
//! **Invariants:** this is the only crate that knows DataFusion. Below the analyzer there is no profile, null mode or
//! session zone: they are casts, types, limits and names in the plan (E-2). A function means the same above and below a
//! leaf, because both run `shard-plan`'s (E-1).

mod above;
mod aggregates;
mod analyze;
pub mod cache;
mod calls;
pub mod catalog;
mod coerce;
mod convert;
pub mod dialect;
pub mod error;
pub mod execute;
pub mod explain;
mod extract;
pub mod fingerprint;
mod leaf_table;
pub mod lexer;
mod lower;
pub mod names;
pub mod options;
pub mod plan;
pub mod planner;
mod pool;
mod provider;
mod rewrite;
mod scope;
pub mod stats;
mod subqueries;
pub mod typing;

pub use catalog::{ColumnInfo, TableCatalog, TableInfo};
pub use dialect::Explain;
pub use error::{Position, SqlError};
pub use execute::{ExecuteContext, LeafAnswer, LeafFuture, LeafRunner, QueryResult, execute};
pub use options::QueryOptions;
pub use plan::{Body, LeafQuery, Plan, Profile, ResultColumn, SqlRequest};
pub use planner::{Begun, Planned, Planner, PlannerOptions, Unplanned};
pub use stats::LeafStats;
