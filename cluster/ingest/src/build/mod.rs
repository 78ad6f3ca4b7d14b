//! From rows to segment files: external sort, cut, and one column at a time into the segment writer.
//!
//! Memory: rows gather in chunks up to a share of the budget; past it they go to runs in the spill folder (sorted, if there
//! is a sort), and runs are merged as streams. A segment that is larger than its share of memory lies in the spill folder
//! too and is read back one column at a time. What is written depends on the rows and the options alone, never on memory,
//! threads or the size of a run: a run only splits the rows, ties in the sort are broken by the place in the input, and the
//! borders of segments are set by counts of rows and bytes over the whole input.

mod cut;
mod limits;
mod merge;
mod names;
mod order;
mod rows;
mod segment;
mod spill;
mod store;
mod workers;

pub(crate) use cut::rows_per_segment;
pub(crate) use limits::Limits;
pub use names::SegmentNames;
pub(crate) use order::SortOrder;
pub use segment::BuiltSegment;
pub(crate) use segment::SegmentPlan;
pub(crate) use spill::SpillDir;
pub(crate) use store::RowStore;
pub(crate) use workers::{Building, build_all};
