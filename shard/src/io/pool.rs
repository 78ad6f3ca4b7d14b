//! Streamed pages: a bounded pool, least recently used out first.
//!
//! A page that is being read is waited for by everyone who needs it; one that failed is forgotten after its waiters were
//! told, so that the next query tries again. Pages in use stay alive through their `Arc` after they leave the pool.

use crate::error::Error;
use crate::io::direct::{DataFile, SECTOR};
use crate::io::memory::Block;
use crate::io::{PageBytes, ReadRequest};
use crate::rt::task::{Slice, Waker};
use segfmt::checksum::verify_crc;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is wanted from a file, and how errors name it.
#[derive(Debug, Clone)]
pub struct PageRequest {
    pub file: Arc<DataFile>,
    /// The file's name in errors.
    pub name: Arc<str>,
    pub offset: u64,
    pub len: usize,
    pub crc: u32,
    /// "column `x`, block 3" or "column `x`, dictionary".
    pub what: Arc<str>,
}

enum Slot {
    Ready {
        page: PageBytes,
        bytes: u64,
        tick: u64,
    },
    Loading(Vec<Waker>),
    /// Told to whoever asks next, then forgotten.
    Failed(Error),
}

#[derive(Default)]
struct State {
    slots: HashMap<(u64, u64), Slot>,
    by_age: BTreeMap<u64, (u64, u64)>,
    bytes: u64,
    tick: u64,
}

/// The pool of one process.
#[derive(Debug)]
pub struct PagePool {
    state: Mutex<State>,
    limit: u64,
    bytes_read: AtomicU64,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} pages, {} bytes", self.slots.len(), self.bytes)
    }
}

/// Answer to a request for a page.
pub(crate) enum Arrival {
    Here(PageBytes),
    /// The asker is woken when it has arrived or failed.
    Later,
    Failed(Error),
}

impl PagePool {
    pub(crate) fn new(limit: u64) -> Arc<PagePool> {
        Arc::new(PagePool { state: Mutex::default(), limit, bytes_read: AtomicU64::new(0) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is changed in single steps that do not panic, so it is whole even after a panic elsewhere.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes held.
    pub fn bytes(&self) -> u64 {
        self.lock().bytes
    }

    /// Bytes read from disk since the start.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// The page, or a promise to wake the running work.
    pub(crate) fn get(self: &Arc<Self>, request: &PageRequest, slice: &Slice<'_>) -> Arrival {
        let key = (request.file.id(), request.offset);
        let mut state = self.lock();
        state.tick += 1;
        let now = state.tick;
        let state = &mut *state;
        match state.slots.get_mut(&key) {
            Some(Slot::Ready { page, tick, .. }) => {
                state.by_age.remove(tick);
                *tick = now;
                state.by_age.insert(now, key);
                return Arrival::Here(page.clone());
            }
            Some(Slot::Loading(waiting)) => {
                waiting.push(slice.waker());
                return Arrival::Later;
            }
            Some(Slot::Failed(error)) => {
                let error = error.clone();
                state.slots.remove(&key);
                return Arrival::Failed(error);
            }
            None => {}
        }
        state.slots.insert(key, Slot::Loading(vec![slice.waker()]));
        let (pool, request) = (self.clone(), request.clone());
        let start = request.offset / SECTOR * SECTOR;
        let head = (request.offset - start) as usize;
        // Whole sectors, but never past the end of the file: the last sector may be a part.
        let end = (request.offset + request.len as u64)
            .next_multiple_of(SECTOR)
            .min(request.file.len().next_multiple_of(SECTOR));
        let len = ((end - start) as usize).min((request.file.len() - start) as usize);
        let read = ReadRequest { file: request.file.clone(), offset: start, len };
        slice.reads().read(read, Box::new(move |outcome| pool.arrived(key, &request, head, outcome)));
        Arrival::Later
    }

    fn arrived(&self, key: (u64, u64), request: &PageRequest, head: usize, outcome: std::io::Result<Block>) {
        let slot = match outcome {
            Err(e) => Err(Error::Io {
                file: request.name.clone(),
                what: request.what.clone(),
                offset: request.offset,
                source: Arc::new(e),
            }),
            Ok(block) => {
                self.bytes_read.fetch_add(block.as_slice().len() as u64, Ordering::Relaxed);
                let block = Arc::new(block);
                if head + request.len > block.as_slice().len() {
                    Err(truncated(request))
                } else {
                    let page = PageBytes::in_block(&block, head..head + request.len);
                    check(&page, request).map(|()| (page, block.as_slice().len() as u64))
                }
            }
        };
        let mut state = self.lock();
        state.tick += 1;
        let tick = state.tick;
        let slot = match slot {
            Ok((page, bytes)) => {
                state.bytes += bytes;
                state.by_age.insert(tick, key);
                Slot::Ready { page, bytes, tick }
            }
            Err(error) => Slot::Failed(error),
        };
        let before = state.slots.insert(key, slot);
        while state.bytes > self.limit {
            // The page that just came stays: somebody waits for it.
            let Some((&oldest, &victim)) = state.by_age.iter().find(|(_, k)| **k != key) else { break };
            state.by_age.remove(&oldest);
            if let Some(Slot::Ready { bytes, .. }) = state.slots.remove(&victim) {
                state.bytes -= bytes;
            }
        }
        drop(state);
        if let Some(Slot::Loading(waiting)) = before {
            waiting.iter().for_each(Waker::wake);
        }
    }

    /// Drops the pages of a file that is no longer served.
    pub(crate) fn forget(&self, file: u64) {
        let mut state = self.lock();
        let state = &mut *state;
        state.slots.retain(|key, slot| match slot {
            Slot::Ready { bytes, tick, .. } if key.0 == file => {
                state.bytes -= *bytes;
                state.by_age.remove(tick);
                false
            }
            Slot::Failed(_) => key.0 != file,
            _ => true,
        });
    }
}

fn truncated(request: &PageRequest) -> Error {
    Error::Io {
        file: request.name.clone(),
        what: request.what.clone(),
        offset: request.offset,
        source: Arc::new(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the file ends inside the page")),
    }
}

/// Verifies the checksum of a page that has just arrived.
pub(crate) fn check(bytes: &[u8], request: &PageRequest) -> Result<(), Error> {
    verify_crc(bytes, request.crc).map_err(|e| Error::Io {
        file: request.name.clone(),
        what: request.what.clone(),
        offset: request.offset,
        source: Arc::new(std::io::Error::new(std::io::ErrorKind::InvalidData, e.to_string())),
    })
}
