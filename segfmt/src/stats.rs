//! Zone maps: what a block can hold, for pruning without reading it (E-9).
//!
//! A null row holds the column's default null value. Statistics are kept for the rows that are
//! not null; those for all rows follow, because the only value that null rows add is the default
//! null value. Whoever prunes names the set that its null mode needs.

/// Which rows a statistic speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowSet {
    /// Rows that are not null (standard SQL).
    NonNull,
    /// All rows, null rows with the default null value (Pinot's placeholder mode).
    All,
}

/// Bounds of the values of one block.
///
/// Keys are dictionary ids for dictionary columns. For raw columns they are
/// [`crate::value::ordered_i64`], [`crate::value::ordered_f64`] or, for byte strings,
/// [`crate::value::ordered_prefix`] of the value; prefix keys are not exact: prune only on
/// `key < min` and `key > max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone {
    /// Smallest key; above `max` when the set holds no value.
    pub min: u64,
    /// Greatest key.
    pub max: u64,
    /// Null rows of the block.
    pub null_count: u32,
    /// Rows of the block.
    pub rows: u32,
    /// Values of the block, `rows` for single-value columns.
    pub values: u32,
}

impl Zone {
    /// Whether the set holds no value at all.
    pub const fn is_empty(&self) -> bool {
        self.min > self.max
    }

    /// Whether all rows have the same key.
    pub const fn is_constant(&self) -> bool {
        self.min == self.max
    }

    /// Whether no value of the set can have a key in `low..=high`.
    pub const fn excludes(&self, low: u64, high: u64) -> bool {
        self.is_empty() || high < self.min || low > self.max
    }
}
