//! What wakes a shard that sleeps in its reactor: a byte in a socket, sent only when the shard has said that it sleeps.
//!
//! ```text
//!   sender                         shard
//!   put the message                asleep = true
//!   fence                          fence
//!   asleep? then send a byte       inbox empty? then read the socket
//! ```
//!
//! Both fences are sequentially consistent, so at least one side sees what the other wrote: the message is found, or the
//! byte is sent. A byte that was not needed costs one spare turn of the shard's loop.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering, fence};

/// Shared by a shard and everybody who writes to it.
#[derive(Debug)]
pub(crate) struct Bell {
    asleep: AtomicBool,
    socket: UnixStream,
}

impl Bell {
    /// The bell, and the socket that its shard reads.
    pub(crate) fn new() -> std::io::Result<(Bell, UnixStream)> {
        let (socket, heard) = UnixStream::pair()?;
        // A full socket already holds a byte that will end the sleep.
        socket.set_nonblocking(true)?;
        Ok((Bell { asleep: AtomicBool::new(false), socket }, heard))
    }

    /// Called after a message was put into the inbox.
    pub(crate) fn ring(&self) {
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::Relaxed) {
            // An error says that the shard is gone, or that the socket is full: nobody to wake, or already rung.
            let _ = (&self.socket).write(&[1]);
        }
    }

    /// Called by the shard before it looks at its inbox for the last time.
    pub(crate) fn announce_sleep(&self) {
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Called by the shard that does not sleep after all, or has slept.
    pub(crate) fn awake(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }
}
