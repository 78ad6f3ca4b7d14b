//! Memory that a query uses, counted where it is allocated (E-17).
//!
//! [`GamayAllocator`] is installed by the binary as its global allocator. Every allocation is charged to the
//! [`Budget`] that the thread carries at that moment ([`charge`] sets it at the borders of a slice of work), so that
//! third-party code is counted too. An allocation never fails because of a budget: the budget remembers that it is
//! over, and the query sees it at its next vector. What grows in one large step asks first ([`Budget::reserve`]).

use crate::error::{Error, Result};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

/// A thread passes its count on to the shared counters in steps of this many bytes.
const BATCH: i64 = 64 * 1024;

static PROCESS: AtomicI64 = AtomicI64::new(0);
static INSTALLED: AtomicBool = AtomicBool::new(false);

thread_local! {
    static CURRENT: Cell<*const Budget> = const { Cell::new(std::ptr::null()) };
    static PENDING: Cell<i64> = const { Cell::new(0) };
}

/// The system's allocator, with every byte counted.
#[derive(Debug, Default, Clone, Copy)]
pub struct GamayAllocator;

// SAFETY: every call is passed on to `System` unchanged; counting touches only atomics and `const` thread-locals without
// destructors, so it neither allocates nor unwinds.
unsafe impl GlobalAlloc for GamayAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size as i64 - layout.size() as i64);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(ptr, layout, new_size) }
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

/// What one query may use. Shared by all shards that work for it.
#[derive(Debug)]
pub struct Budget {
    used: AtomicI64,
    limit: u64,
}

impl Budget {
    pub fn new(limit: u64) -> Arc<Budget> {
        Arc::new(Budget { used: AtomicI64::new(0), limit })
    }

    fn add(&self, bytes: i64) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed).max(0) as u64
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
