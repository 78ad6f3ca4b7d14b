//! The part of a query that runs at the broker: merge what the leaves sent, finish, filter groups, order, cut.

use crate::expr::Expr;
use crate::leaf::{AggregateCall, SortKey};
use crate::types::Type;

/// How the leaves' batches become the answer.
///
/// The *input row* of `having`, `output` and `order` is: for groups the key values followed by the finished aggregates;
/// for rows the leaf's `exprs`.
#[derive(Debug, Clone, PartialEq)]
pub struct ReducePlan {
    pub input: ReduceInput,
    pub having: Option<Expr>,
    /// The answer's columns. Expressions past `visible` only serve `order`.
    pub output: Vec<Expr>,
    /// Names of the first `visible` outputs, as the client sees them; duplicates are allowed.
    pub names: Vec<String>,
    pub visible: usize,
    /// Keys name `output` by index.
    pub order: Vec<SortKey>,
    pub offset: u64,
    pub limit: Option<u64>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ReduceInput {
    Groups {
        keys: Vec<Type>,
        aggregates: Vec<AggregateCall>,
    },
    /// Types of the leaf's `exprs`. `sorted` says that each batch comes in `order` already.
    Rows {
        types: Vec<Type>,
    },
}
