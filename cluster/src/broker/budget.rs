//! A query's memory above the leaves, counted where it is reserved, in the budget that its shards count in (E-17).

use shard::memory::Budget;
use shard_plan::memory::MemoryBudget;
use std::sync::Arc;

#[derive(Debug)]
pub struct QueryBudget {
    query: Arc<Budget>,
}

impl QueryBudget {
    pub fn new(limit: u64) -> QueryBudget {
        QueryBudget { query: Budget::new(limit) }
    }

    /// For the query's leaves.
    pub fn shared(&self) -> Arc<Budget> {
        self.query.clone()
    }

    /// The most that was held at once.
    pub fn most(&self) -> u64 {
        self.query.most()
    }
}

impl MemoryBudget for QueryBudget {
    fn reserve(&self, bytes: usize) -> shard_plan::Result<()> {
        self.query.hold(bytes as u64, "merge").map_err(|_| {
            shard_plan::Error::Memory(format!(
                "the query needs more than its {} bytes of memory ({} held, {bytes} more asked for); filter or aggregate more, or \
                 raise --query-memory-mib",
                self.query.limit(),
                self.query.used()
            ))
        })
    }

    fn release(&self, bytes: usize) {
        self.query.give_back(bytes as u64);
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

    #[test]
    fn leaves_take_from_the_same_budget() {
        let budget = QueryBudget::new(100);
        budget.reserve(60).unwrap();
        assert!(Budget::part(&budget.shared()).reserve(41, "group by").is_err());
    }
}
