//! A query's memory above the leaves, counted where it is reserved (E-17). What shards allocate for the query they count
//! themselves, against the same limit.

use shard_plan::memory::MemoryBudget;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Debug)]
pub struct QueryBudget {
    limit: usize,
    held: AtomicUsize,
    most: AtomicUsize,
}

impl QueryBudget {
    pub fn new(limit: u64) -> QueryBudget {
        QueryBudget {
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            held: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        }
    }

    /// The most that was held at once.
    pub fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }
}

impl MemoryBudget for QueryBudget {
    fn reserve(&self, bytes: usize) -> shard_plan::Result<()> {
        let grown = self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
            held.checked_add(bytes).filter(|sum| *sum <= self.limit)
        });
        match grown {
            Ok(before) => {
                self.most.fetch_max(before + bytes, Ordering::Relaxed);
                Ok(())
            }
            Err(held) => Err(shard_plan::Error::Memory(format!(
                "the query needs more than its {} bytes of memory ({held} held, {bytes} more asked for); filter or aggregate more, or \
                 raise --query-memory-mib",
                self.limit
            ))),
        }
    }

    fn release(&self, bytes: usize) {
        let released = self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| held.checked_sub(bytes));
        debug_assert!(released.is_ok(), "more memory is given back than was reserved");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_ends_and_is_given_back() {
        let budget = QueryBudget::new(100);
        budget.reserve(60).unwrap();
        assert!(budget.reserve(41).unwrap_err().to_string().contains("100 bytes"));
        budget.reserve(40).unwrap();
        budget.release(100);
        budget.reserve(100).unwrap();
        assert_eq!(budget.most(), 100);
    }
}
