//! What a shard scans: sources of rows, never files (E-7).
//!
//! A source has rows in blocks and columns that are asked for by schema name. A column answers with its type, what it can
//! do ([`ColumnKind`]) and, block by block, its values ([`BlockColumn`]). Immutable segments and tables in memory are
//! sources; a column that the schema has and a source lacks is a constant, and so are the virtual columns.

pub mod batch;
pub mod block;
pub mod segment;
pub mod stored;

pub use batch::BatchSource;
pub use block::BlockColumn;
pub use segment::{SegmentHandle, SegmentKey, SegmentSource};
pub use stored::StoredColumn;

use arrow_array::ArrayRef;
use shard_plan::{Scalar, Type};
use std::fmt::Debug;
use std::sync::Arc;

/// Rows of a table, cut into blocks. Every block but the last has the same number of rows, a multiple of 512.
pub trait RowSource: Send + Sync + Debug {
    /// Segment name, for statistics and errors.
    fn name(&self) -> &str;
    fn rows(&self) -> u64;
    /// Rows of every block but the last.
    fn rows_per_block(&self) -> u32;
    /// The column of that schema name, if the source has it.
    fn column(&self, name: &str) -> Option<ColumnHandle>;

    fn blocks(&self) -> u32 {
        self.rows().div_ceil(u64::from(self.rows_per_block().max(1))) as u32
    }

    fn block_rows(&self, block: u32) -> u32 {
        let per = u64::from(self.rows_per_block());
        (self.rows() - u64::from(block) * per).min(per) as u32
    }

    /// The time span of the rows, where the source knows it (pruning at the broker and statistics).
    fn host_segment(&self) -> Option<&segfmt::Segment> {
        None
    }

    /// All of it is in memory: no column is read from a disk or faulted in.
    fn in_memory(&self) -> bool {
        true
    }

    /// Fails when the bytes behind the source are gone.
    fn intact(&self) -> crate::Result<()> {
        Ok(())
    }
}

/// A column of a source, as a scan binds it.
#[derive(Debug, Clone)]
pub struct ColumnHandle {
    pub ty: Type,
    pub kind: ColumnKind,
    /// Some rows are null.
    pub has_nulls: bool,
}

/// Where the values come from.
#[derive(Debug, Clone)]
pub enum ColumnKind {
    /// Pages of a segment.
    Stored(Arc<StoredColumn>),
    /// One Arrow array a block; its nulls are the column's.
    Arrays(Arc<[ArrayRef]>),
    /// The same value in every row.
    Constant(Scalar),
    /// The row's number in the source.
    Sequence,
}

/// Names of virtual columns.
pub const DOC_ID: &str = "$docId";
pub const SEGMENT_NAME: &str = "$segmentName";
pub const HOST_NAME: &str = "$hostName";
pub const PARTITION_ID: &str = "$partitionId";

/// A virtual column of a source. Names are case-insensitive, as in Pinot.
pub fn virtual_column(name: &str, source: &dyn RowSource, host: &str) -> Option<ColumnHandle> {
    let constant =
        |scalar: Scalar| ColumnHandle { ty: scalar.ty(), kind: ColumnKind::Constant(scalar), has_nulls: false };
    if name.eq_ignore_ascii_case(DOC_ID) {
        Some(ColumnHandle { ty: Type::INT, kind: ColumnKind::Sequence, has_nulls: false })
    } else if name.eq_ignore_ascii_case(SEGMENT_NAME) {
        Some(constant(Scalar::String(source.name().into())))
    } else if name.eq_ignore_ascii_case(HOST_NAME) {
        Some(constant(Scalar::String(host.into())))
    } else if name.eq_ignore_ascii_case(PARTITION_ID) {
        let partition = source.host_segment().and_then(|s| s.info().identity.partition);
        let text = partition.map_or_else(String::new, |p| p.to_string());
        Some(constant(Scalar::String(text.into())))
    } else {
        None
    }
}
