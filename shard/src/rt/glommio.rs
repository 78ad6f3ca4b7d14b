//! glommio executors: the same loop as plain threads, with reads by io_uring.
//!
//! Traps that shape this file:
//!
//! * A failed start shows only at the join, so every shard reports when it runs.
//! * glommio 0.9 loses wake-ups: when its preempt timer fires after it collected completions and before it ran the tasks
//!   that those woke (a busy machine takes the core away for that long), it takes "preempted" for "nothing to run" and
//!   sleeps. So the timer is set to [`NEVER`], and nothing else here ends up in the ring that it shares with wakers of
//!   other threads: an idle shard does not wait for a waker, it reads a socket of its own, the [`Bell`].
//! * Without that timer nobody looks at the reactor while scans run, so the loop takes a [`turn`] of it while reads are on
//!   their way.
//! * `shared_channel` panics outside glommio, so the inbox is a flume channel.

use crate::io::{ReadDone, ReadQueue, ReadRequest};
use crate::rt::bell::Bell;
use crate::rt::schedule::Scheduler;
use crate::rt::threads::accept;
use crate::rt::{Seat, panic_text};
use futures_lite::AsyncReadExt;
use glommio::io::DmaFile;
use glommio::net::UnixStream;
use glommio::{LocalExecutorBuilder, Placement};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::os::fd::{FromRawFd, IntoRawFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// A preempt timer that does not fire.
const NEVER: Duration = Duration::from_secs(1 << 31);

/// What a turn of the reactor takes at least, and how long glommio looks for completions before it sleeps: longer, so that a
/// turn does not become a sleep.
const TURN: Duration = Duration::from_micros(5);
const SPIN: Duration = Duration::from_micros(20);

pub(crate) fn spawn(
    seat: Seat,
    bell: (Arc<Bell>, StdUnixStream),
    io_memory: usize,
) -> Result<std::thread::JoinHandle<()>, String> {
    let placement = seat.cpu.map_or(Placement::Unbound, Placement::Fixed);
    let name = format!("shard-{}", seat.shard);
    let shard = seat.shard;
    let death = seat.death.clone();
    let (bell, heard) = bell;
    let builder = LocalExecutorBuilder::new(placement)
        .name(&name)
        .io_memory(io_memory)
        .ring_depth(128)
        .spin_before_park(SPIN)
        .preempt_timer(NEVER);
    // The executor is made, run and torn down inside a thread of ours, so that its end is seen like any other's.
    std::thread::Builder::new()
        .name(name)
        .spawn(move || {
            let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| match builder.make() {
                Ok(executor) => executor.run(async move {
                    // SAFETY: the descriptor is open and `into_raw_fd` gave up its ownership: this is its only owner.
                    let heard = unsafe { UnixStream::from_raw_fd(heard.into_raw_fd()) };
                    run(seat, bell, heard).await;
                }),
                Err(e) => {
                    let _ = seat.ready.send(Err(format!("glommio does not start: {e}")));
                }
            }));
            if let Err(payload) = outcome {
                death(shard, &panic_text(&*payload));
            }
        })
        .map_err(|e| format!("no thread for a shard: {e}"))
}

async fn run(seat: Seat, bell: Arc<Bell>, mut heard: UnixStream) {
    let reads = RingReads::default();
    let mut rung = [0; 64];
    // The starter may have given up waiting; then the stop message is on its way.
    let _ = seat.ready.send(Ok(seat.settle()));
    let mut scheduler = Scheduler::new(seat.shard, seat.metrics.clone());
    loop {
        while let Ok(message) = seat.receiver.try_recv() {
            if !accept(&mut scheduler, &seat, message) {
                return;
            }
        }
        if scheduler.run_one(&seat.inbox, &reads) {
            if reads.in_flight.get() > 0 {
                turn().await;
            }
        } else {
            bell.announce_sleep();
            if seat.receiver.is_empty()
                && let Err(e) = heard.read(&mut rung).await
            {
                // Without its bell the shard would sleep for ever.
                panic!("the socket that wakes the shard cannot be read: {e}");
            }
            bell.awake();
        }
    }
}

/// Lets the reactor submit and collect: it does so only when no task can run, so this one waits for a moment.
async fn turn() {
    glommio::timer::sleep(TURN).await;
}

/// Reads through this executor's ring. Open files are kept by path.
#[derive(Default)]
struct RingReads {
    in_flight: Rc<Cell<usize>>,
    files: Rc<RefCell<HashMap<u64, Rc<DmaFile>>>>,
}

impl ReadQueue for RingReads {
    fn read(&self, request: ReadRequest, done: ReadDone) {
        let (in_flight, files) = (self.in_flight.clone(), self.files.clone());
        in_flight.set(in_flight.get() + 1);
        glommio::spawn_local(async move {
            let outcome = read(&files, &request).await;
            in_flight.set(in_flight.get() - 1);
            done(outcome);
        })
        .detach();
    }
}

async fn read(
    files: &RefCell<HashMap<u64, Rc<DmaFile>>>,
    request: &ReadRequest,
) -> std::io::Result<crate::io::memory::Block> {
    if !request.file.direct() {
        // No O_DIRECT on this file system (tmpfs): a buffered read does not wait for a device.
        return request.file.read(request.offset, request.len);
    }
    let known = files.borrow().get(&request.file.id()).cloned();
    let file = match known {
        Some(file) => file,
        None => {
            let file = Rc::new(DmaFile::open(request.file.path()).await.map_err(into_io)?);
            let mut files = files.borrow_mut();
            if files.len() >= 1024 {
                files.clear();
            }
            files.insert(request.file.id(), file.clone());
            file
        }
    };
    let result = file.read_at(request.offset, request.len).await.map_err(into_io)?;
    if result.len() < request.len {
        return Err(std::io::Error::new(
            std::io::ErrorKind::UnexpectedEof,
            format!("{} bytes are there, {} expected", result.len(), request.len),
        ));
    }
    crate::io::memory::Block::copy_of(&result[..request.len])
}

fn into_io(e: glommio::GlommioError<()>) -> std::io::Error {
    std::io::Error::other(e.to_string())
}
