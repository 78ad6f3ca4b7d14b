//! The part of a query that runs where the data is: one table, filter, then rows or groups.

use crate::expr::Expr;
use crate::scalar::Scalar;
use crate::types::Type;

/// A query over one raw table, as the shards run it. Immutable; re-run with other parameters (E-3).
#[derive(Debug, Clone, PartialEq)]
pub struct LeafPlan {
    /// Raw table name, as the schema writes it.
    pub table: String,
    /// The table's columns that the plan reads. `Expr::Column::index` points here.
    pub columns: Vec<ColumnRef>,
    /// A row passes when this is true (not false, not NULL).
    pub filter: Option<Expr>,
    pub output: Output,
    pub options: LeafOptions,
}

/// A column asked for by schema name. A segment that lacks it holds the constant `default` (E-7).
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnRef {
    pub name: String,
    pub ty: Type,
    /// Standard SQL nulls: the null bitmap makes rows NULL. Otherwise the stored default value stands (E-9).
    pub nulls: bool,
    /// The schema's default null value (element value for a multi-value column).
    pub default: Scalar,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// One row per passing row: the values of `exprs`. With `order`, the first `limit` rows in that order (keys name
    /// `exprs` by index); without, any `limit` of them.
    Rows { exprs: Vec<Expr>, order: Vec<SortKey>, limit: Option<u64> },
    /// One row per group: key values, then each aggregate's state columns (E-1). No keys: always exactly one group.
    /// A key whose type is multi-value expands: a row counts once in the group of each of its elements (E-4).
    /// `limit` without aggregates (DISTINCT) or without order above: any `limit` whole groups are enough.
    Groups { keys: Vec<Expr>, aggregates: Vec<AggregateCall>, limit: Option<u64> },
}

/// One aggregate. Arguments are expressions over the leaf's columns.
#[derive(Debug, Clone, PartialEq)]
pub struct AggregateCall {
    /// Registry name, e.g. `sum`, `distinctcount`.
    pub function: String,
    pub version: u32,
    pub args: Vec<Expr>,
    /// Constant parameters after the arguments: percentile, precision ...
    pub params: Vec<Scalar>,
    /// FILTER (WHERE ...).
    pub filter: Option<Expr>,
    /// Type of the finished value, as the profile has it (E-2: SUM(INT) is DOUBLE in sse, LONG in mse).
    pub ty: Type,
}

/// Sorts by value `index` of the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SortKey {
    pub index: u32,
    pub descending: bool,
    pub nulls_first: bool,
}

/// What the query's options ask of the execution, beyond its meaning.
#[derive(Debug, Clone, PartialEq)]
pub struct LeafOptions {
    pub use_star_tree: bool,
    /// `skipIndexes`: (column, index kind) pairs that must not be used.
    pub skip_indexes: Vec<(String, String)>,
    /// `numGroupsLimit`: acts only when set, and raises its flag (E-6).
    pub num_groups_limit: Option<u64>,
}

impl Default for LeafOptions {
    fn default() -> Self {
        LeafOptions { use_star_tree: true, skip_indexes: Vec::new(), num_groups_limit: None }
    }
}
