//! DataFusion's memory pool as a view of the query's budget (E-17).

use crate::error::external;
use datafusion::common::Result as DfResult;
use datafusion::execution::memory_pool::{MemoryPool, MemoryReservation};
use shard_plan::memory::MemoryBudget;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Debug)]
pub struct BudgetPool {
    budget: Arc<dyn MemoryBudget>,
    reserved: AtomicUsize,
    /// Growth that DataFusion did not ask for in advance and the budget refused: held, not charged.
    uncharged: AtomicUsize,
}

impl BudgetPool {
    pub fn new(budget: Arc<dyn MemoryBudget>) -> BudgetPool {
        BudgetPool { budget, reserved: AtomicUsize::new(0), uncharged: AtomicUsize::new(0) }
    }
}

impl fmt::Display for BudgetPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the query's budget ({} bytes held)", self.reserved())
    }
}

impl MemoryPool for BudgetPool {
    fn name(&self) -> &str {
        "budget"
    }

    fn grow(&self, _reservation: &MemoryReservation, additional: usize) {
        self.reserved.fetch_add(additional, Ordering::Relaxed);
        if self.budget.reserve(additional).is_err() {
            self.uncharged.fetch_add(additional, Ordering::Relaxed);
        }
    }

    fn shrink(&self, _reservation: &MemoryReservation, shrink: usize) {
        self.reserved.fetch_sub(shrink, Ordering::Relaxed);
        let mut free = shrink;
        // What was never charged is given back first.
        let _ = self.uncharged.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
            free = shrink - held.min(shrink);
            Some(held - held.min(shrink))
        });
        if free > 0 {
            self.budget.release(free);
        }
    }

    fn try_grow(&self, _reservation: &MemoryReservation, additional: usize) -> DfResult<()> {
        self.budget.reserve(additional).map_err(external)?;
        self.reserved.fetch_add(additional, Ordering::Relaxed);
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.reserved.load(Ordering::Relaxed)
    }
}
