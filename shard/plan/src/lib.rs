//! The leaf plan: what a broker asks of the shards, and what they answer with.
//!
//! ```text
//!   SQL ──cluster-sql──▶ LeafPlan ──▶ shards: filter, project, group ──▶ Arrow batches (rows or states)
//!                        ReducePlan ◀── broker: merge, finish, HAVING, ORDER BY, LIMIT ◀──┘
//! ```
//!
//! This crate holds the plan as data ([`LeafPlan`], [`ReducePlan`], [`Expr`]), the interfaces that every function
//! implements ([`ScalarFn`], [`Aggregate`]), the [`Registry`] that names them, their vectorised evaluation over Arrow
//! arrays, and the wire form of a plan and of aggregate states (E-1, E-3, E-5).
//!
//! **Invariant:** nothing here reads a file, a clock or a thread pool, and nothing here knows SQL.

pub mod aggregate;
pub mod cast;
pub mod datetime;
pub mod decimal_ops;
pub mod error;
pub mod eval;
pub mod expr;
pub mod function;
pub mod group;
pub mod leaf;
pub mod memory;
pub mod merge;
pub mod reduce;
pub mod reduce_exec;
pub mod scalar;
pub mod scalar_functions;
pub mod sort;
pub mod types;
pub mod wire;

pub use cast::cast_scalar;
pub use error::{Error, Result};
pub use eval::{BoundExpr, expr_text, repeat, scalar_at};
pub use expr::{CompareOp, Expr};
pub use function::{
    Accumulator, Aggregate, AggregateSignature, Datum, FunctionFlags, Kernel, Registry, ScalarFn, Signature, States,
};
pub use leaf::{AggregateCall, ColumnRef, LeafOptions, LeafPlan, Output, SortKey};
pub use reduce::ReducePlan;
pub use scalar::Scalar;
pub use types::Type;
