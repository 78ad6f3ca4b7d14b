//! One column of one block, ready to be read.

use crate::io::PageBytes;
use arrow_array::ArrayRef;
use segfmt::Page;
use self_cell::self_cell;
use shard_plan::Scalar;
use std::sync::Arc;

self_cell!(
    /// A parsed page with the bytes it reads from, so that lists and headers are checked once a piece and not once a slice.
    pub struct PageCell {
        owner: PageBytes,
        #[covariant]
        dependent: Page,
    }
    impl {Debug}
);

/// The values of one column in one block.
#[derive(Debug, Clone)]
pub enum BlockColumn {
    Page(Arc<PageCell>),
    Array(ArrayRef),
    Constant(Scalar),
    /// Row `i` of the block is `first + i`.
    Sequence {
        first: i64,
    },
    /// Not read by the plan at hand.
    Unread,
}

impl BlockColumn {
    pub(crate) fn page(&self) -> Option<&Page<'_>> {
        match self {
            BlockColumn::Page(cell) => Some(cell.borrow_dependent()),
            _ => None,
        }
    }
}
