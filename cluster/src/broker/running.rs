//! The queries that run now: listed, counted against the limit, and cancelled by id.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How a query is stopped from outside.
pub trait Cancel: Send + Sync {
    fn cancel(&self);
}

/// All running queries of a broker.
pub struct RunningQueries {
    next: AtomicU64,
    /// Makes ids of one start of the process unlike those of another.
    base: u64,
    queries: Mutex<HashMap<u64, Entry>>,
    slots: Arc<Semaphore>,
    slot_count: usize,
}

struct Entry {
    sql: String,
    client_id: Option<String>,
    started: Instant,
    cancel: Arc<dyn Cancel>,
}

/// A running query as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub id: u64,
    pub client_id: Option<String>,
    pub sql: String,
    pub running_ms: u64,
}

impl RunningQueries {
    /// `limit` queries run at once.
    pub fn new(limit: usize, base: u64) -> Arc<RunningQueries> {
        Arc::new(RunningQueries {
            next: AtomicU64::new(0),
            base,
            queries: Mutex::default(),
            slots: Arc::new(Semaphore::new(limit)),
            slot_count: limit,
        })
    }

    /// An id for a query; ids are not used twice.
    pub fn next_id(&self) -> u64 {
        self.base + self.next.fetch_add(1, Ordering::Relaxed)
    }

    pub fn limit(&self) -> usize {
        self.slot_count
    }

    /// Waits for one of the slots until `deadline`. `None`: all were taken all the time.
    pub async fn slot(&self, deadline: Instant) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = self.slots.clone().try_acquire_owned() {
            return Some(permit);
        }
        let wait = tokio::time::timeout_at(deadline.into(), self.slots.clone().acquire_owned()).await;
        wait.ok()?.ok()
    }

    /// Lists the query until the guard is dropped. Dropping it early, as when the client goes away, cancels the query.
    pub fn register(self: &Arc<Self>, id: u64, sql: &str, client_id: Option<&str>, cancel: Arc<dyn Cancel>) -> Guard {
        const LISTED_BYTES: usize = 10_000;
        let mut sql = sql.to_owned();
        if sql.len() > LISTED_BYTES {
            let cut = (0..=LISTED_BYTES).rev().find(|at| sql.is_char_boundary(*at)).unwrap_or(0);
            sql.truncate(cut);
        }
        let entry =
            Entry { sql, client_id: client_id.map(str::to_owned), started: Instant::now(), cancel: cancel.clone() };
        self.lock().insert(id, entry);
        Guard { queries: self.clone(), id, cancel, done: false }
    }

    pub fn list(&self) -> Vec<Listed> {
        let queries = self.lock();
        let listed = queries.iter().map(|(id, entry)| Listed {
            id: *id,
            client_id: entry.client_id.clone(),
            sql: entry.sql.clone(),
            running_ms: u64::try_from(entry.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        });
        let mut listed: Vec<_> = listed.collect();
        listed.sort_by_key(|query| query.id);
        listed
    }

    pub fn len(&self) -> usize {
        self.lock().len()
    }

    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Cancels by the id that the broker gave. False: no such query runs.
    pub fn cancel(&self, id: u64) -> bool {
        let found = self.lock().get(&id).map(|entry| entry.cancel.clone());
        found.is_some_and(|cancel| {
            cancel.cancel();
            true
        })
    }

    /// Cancels all queries with the id that their client gave. False: none runs.
    pub fn cancel_client(&self, client_id: &str) -> bool {
        let found: Vec<_> = self
            .lock()
            .values()
            .filter(|e| e.client_id.as_deref() == Some(client_id))
            .map(|e| e.cancel.clone())
            .collect();
        found.iter().for_each(|cancel| cancel.cancel());
        !found.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Entry>> {
        // A panic elsewhere leaves the map whole: every change to it is one insert or remove.
        self.queries.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A query's place in the list.
pub struct Guard {
    queries: Arc<RunningQueries>,
    id: u64,
    cancel: Arc<dyn Cancel>,
    done: bool,
}

impl Guard {
    /// The query has ended by itself.
    pub fn finish(mut self) {
        self.done = true;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.done {
            self.cancel.cancel();
        }
        self.queries.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;
    use std::time::Duration;

    #[derive(Default)]
    struct Flag(AtomicBool);

    impl Cancel for Flag {
        fn cancel(&self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    fn register(queries: &Arc<RunningQueries>, client: Option<&str>) -> (Arc<Flag>, u64, Guard) {
        let flag = Arc::new(Flag::default());
        let id = queries.next_id();
        let guard = queries.register(id, "SELECT 1", client, flag.clone());
        (flag, id, guard)
    }

    #[test]
    fn cancel_by_either_id() {
        let queries = RunningQueries::new(4, 100);
        let (first, first_id, first_guard) = register(&queries, None);
        let (second, _, _second_guard) = register(&queries, Some("mine"));
        assert!(queries.cancel(first_id) && first.0.load(Ordering::Relaxed) && !second.0.load(Ordering::Relaxed));
        assert!(queries.cancel_client("mine") && second.0.load(Ordering::Relaxed));
        assert!(!queries.cancel_client("other") && !queries.cancel(7));
        first_guard.finish();
        assert!(!queries.cancel(first_id));
        assert_eq!(queries.list().len(), 1);
    }

    #[test]
    fn a_dropped_guard_cancels_and_a_finished_one_does_not() {
        let queries = RunningQueries::new(4, 0);
        let (dropped, _, guard) = register(&queries, None);
        drop(guard);
        let (finished, _, guard) = register(&queries, None);
        guard.finish();
        assert!(dropped.0.load(Ordering::Relaxed) && !finished.0.load(Ordering::Relaxed));
        assert!(queries.is_empty());
    }

    #[tokio::test]
    async fn slots_run_out_and_come_back() {
        let queries = RunningQueries::new(1, 0);
        let soon = || Instant::now() + Duration::from_millis(20);
        let held = queries.slot(soon()).await.unwrap();
        assert!(queries.slot(soon()).await.is_none());
        drop(held);
        assert!(queries.slot(soon()).await.is_some());
    }
}
