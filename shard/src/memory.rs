//! Memory that a query uses, counted where it is allocated (E-17).
//!
//! [`GamayAllocator`] is installed by the binary as its global allocator. Every allocation is charged to the
//! [`Budget`] that the thread carries at that moment ([`charge`] sets it at the borders of a slice of work), so that
//! third-party code is counted too. An allocation never fails because of a budget: the budget remembers that it is
//! over, and the query sees it at its next vector. What grows in one large step asks first ([`Budget::reserve`]).

use crate::error::{Error, Result};
use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use tikv_jemallocator::Jemalloc;

/// A thread passes its count on to the shared counters in steps of this many bytes.
const BATCH: i64 = 64 * 1024;

static PROCESS: AtomicI64 = AtomicI64::new(0);
static INSTALLED: AtomicBool = AtomicBool::new(false);

thread_local! {
    static CURRENT: Cell<*const Budget> = const { Cell::new(std::ptr::null()) };
    static PENDING: Cell<i64> = const { Cell::new(0) };
}

/// jemalloc, with every byte counted.
#[derive(Debug, Default, Clone, Copy)]
pub struct GamayAllocator;

// SAFETY: every call is passed on to jemalloc unchanged; counting touches only atomics and `const` thread-locals without
// destructors, so it neither allocates nor unwinds.
unsafe impl GlobalAlloc for GamayAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller's promise is passed on.
        unsafe { Jemalloc.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: the caller's promise is passed on.
        unsafe { Jemalloc.dealloc(ptr, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller's promise is passed on.
        unsafe { Jemalloc.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size as i64 - layout.size() as i64);
        // SAFETY: the caller's promise is passed on.
        unsafe { Jemalloc.realloc(ptr, layout, new_size) }
    }
}

#[inline]
fn count(bytes: i64) {
    // During thread teardown the cells may be gone: those bytes stay uncounted.
    let _ = PENDING.try_with(|pending| {
        let sum = pending.get() + bytes;
        if sum.abs() < BATCH {
            pending.set(sum);
        } else {
            pending.set(0);
            settle(sum);
        }
    });
}

#[cold]
fn settle(bytes: i64) {
    INSTALLED.store(true, Ordering::Relaxed);
    PROCESS.fetch_add(bytes, Ordering::Relaxed);
    let _ = CURRENT.try_with(|current| {
        let budget = current.get();
        if !budget.is_null() {
            // SAFETY: `Charge` set the pointer, holds the `Arc` behind it and clears the pointer before it lets go.
            unsafe { &*budget }.add(bytes);
        }
    });
}

fn flush() {
    let _ = PENDING.try_with(|pending| settle(pending.replace(0)));
}

/// Bytes that the process holds through its allocator; 0 when [`GamayAllocator`] is not installed.
pub fn process_bytes() -> u64 {
    PROCESS.load(Ordering::Relaxed).max(0) as u64
}

/// Whether [`GamayAllocator`] has counted anything in this process.
pub fn counting() -> bool {
    INSTALLED.load(Ordering::Relaxed)
}

/// What one query may use: its leaves and what runs above them.
///
/// A leaf counts in a [`Budget::part`] and in the whole. When its answer is handed over, whoever takes it reserves the
/// answer's bytes, and the part leaves the whole: what its shards free later is nobody's any more.
#[derive(Debug)]
pub struct Budget {
    used: AtomicI64,
    most: AtomicI64,
    limit: u64,
    whole: Option<Arc<Budget>>,
    handed_over: AtomicBool,
}

impl Budget {
    pub fn new(limit: u64) -> Arc<Budget> {
        Budget::make(limit, None)
    }

    /// The share of one leaf.
    pub fn part(whole: &Arc<Budget>) -> Arc<Budget> {
        Budget::make(whole.limit, Some(whole.clone()))
    }

    fn make(limit: u64, whole: Option<Arc<Budget>>) -> Arc<Budget> {
        let (used, most) = (AtomicI64::new(0), AtomicI64::new(0));
        Arc::new(Budget { used, most, limit, whole, handed_over: AtomicBool::new(false) })
    }

    fn add(&self, bytes: i64) {
        let used = self.used.fetch_add(bytes, Ordering::Relaxed) + bytes;
        match &self.whole {
            None => drop(self.most.fetch_max(used, Ordering::Relaxed)),
            // A step that races with the hand-over is lost to the whole: at most `BATCH` bytes a thread.
            Some(whole) if !self.handed_over.load(Ordering::Relaxed) => whole.add(bytes),
            Some(_) => {}
        }
    }

    /// The part's bytes are no longer counted in the whole.
    pub fn hand_over(&self) {
        if let Some(whole) = &self.whole
            && !self.handed_over.swap(true, Ordering::Relaxed)
        {
            whole.add(-self.used.load(Ordering::Relaxed));
        }
    }

    /// Counts bytes that no allocation of a charged thread counts; [`Budget::give_back`] ends it.
    pub fn hold(&self, bytes: u64, operator: &'static str) -> Result<()> {
        self.reserve(bytes, operator)?;
        self.add(i64::try_from(bytes).unwrap_or(i64::MAX));
        Ok(())
    }

    pub fn give_back(&self, bytes: u64) {
        self.add(-i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Bytes that the whole query uses.
    pub fn used(&self) -> u64 {
        let query = self.whole.as_deref().unwrap_or(self);
        query.used.load(Ordering::Relaxed).max(0) as u64
    }

    /// The most that the query has used at once.
    pub fn most(&self) -> u64 {
        let query = self.whole.as_deref().unwrap_or(self);
        query.most.load(Ordering::Relaxed).max(0) as u64
    }

    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Fails when the query holds more than its limit.
    pub fn check(&self, operator: &'static str) -> Result<()> {
        self.reserve(0, operator)
    }

    /// Fails unless `bytes` more fit. The bytes themselves are counted when they are allocated.
    pub fn reserve(&self, bytes: u64, operator: &'static str) -> Result<()> {
        let used = self.used();
        if used.saturating_add(bytes) > self.limit {
            return Err(Error::Memory { limit: self.limit, used, operator });
        }
        Ok(())
    }
}

impl Drop for Budget {
    fn drop(&mut self) {
        self.hand_over();
    }
}

/// While this lives, what the thread allocates is charged to one budget, or to none.
#[derive(Debug)]
pub struct Charge {
    previous: *const Budget,
    _held: Option<Arc<Budget>>,
}

/// Charges this thread's allocations to `budget` until the guard is dropped; `None` charges nobody (caches, pools).
pub fn charge(budget: Option<Arc<Budget>>) -> Charge {
    flush();
    let pointer = budget.as_ref().map_or(std::ptr::null(), Arc::as_ptr);
    let previous = CURRENT.with(|current| current.replace(pointer));
    Charge { previous, _held: budget }
}

impl Drop for Charge {
    fn drop(&mut self) {
        flush();
        CURRENT.with(|current| current.set(self.previous));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_and_what_stands_above_them_share_one_limit() {
        let query = Budget::new(1000);
        let (one, other) = (Budget::part(&query), Budget::part(&query));
        one.add(400);
        query.hold(500, "sort").unwrap();
        assert_eq!(one.used(), 900);
        assert!(other.reserve(200, "group by").is_err(), "another leaf sees what the first and the sort hold");
        assert!(query.hold(200, "join").is_err());
        one.hand_over();
        one.add(-400);
        assert_eq!(query.used(), 500, "freed after the hand-over: not given back twice");
        other.reserve(500, "group by").unwrap();
        query.give_back(500);
        other.add(100);
        drop(other);
        assert_eq!((query.used(), query.most()), (0, 900));
    }
}
