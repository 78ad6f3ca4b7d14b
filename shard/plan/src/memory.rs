//! The memory that a query may hold, as the code that grows sees it (E-17).

use crate::error::Result;
use arrow_array::{Array, ArrayRef};
use std::fmt::Debug;
use std::sync::Arc;

/// A query's budget. Large growth is reserved before it happens; a refusal is [`crate::Error::Memory`].
pub trait MemoryBudget: Send + Sync + Debug {
    fn reserve(&self, bytes: usize) -> Result<()>;
    fn release(&self, bytes: usize);
}

/// Bytes of the values that columns show. Columns decoded from one message share its buffer, so that counting whole buffers
/// would count it once a column.
pub fn column_bytes<'a>(columns: impl IntoIterator<Item = &'a ArrayRef>) -> usize {
    let bytes =
        |column: &ArrayRef| column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size());
    columns.into_iter().map(bytes).sum()
}

/// No limit: for tests and for callers that count elsewhere.
#[derive(Debug)]
pub struct Unlimited;

impl MemoryBudget for Unlimited {
    fn reserve(&self, _bytes: usize) -> Result<()> {
        Ok(())
    }

    fn release(&self, _bytes: usize) {}
}

/// What one owner holds of a budget; given back when dropped.
#[derive(Debug)]
pub struct Reservation {
    budget: Arc<dyn MemoryBudget>,
    held: usize,
}

impl Reservation {
    pub fn new(budget: Arc<dyn MemoryBudget>) -> Reservation {
        Reservation { budget, held: 0 }
    }

    /// Makes the reservation `bytes`, asking for what is missing and returning what is too much.
    pub fn resize(&mut self, bytes: usize) -> Result<()> {
        if bytes > self.held {
            self.budget.reserve(bytes - self.held)?;
        } else {
            self.budget.release(self.held - bytes);
        }
        self.held = bytes;
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.release(self.held);
    }
}
