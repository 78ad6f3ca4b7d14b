//! Named points at which a test can end the process as `kill -9` would.
//!
//! `GAMAY_CRASH_POINT=push.stored` kills the process when it gets there. Without the variable a point costs one load.

use std::sync::OnceLock;

/// The points of a push, in order: what a crash there must lead to is said by the tests.
pub const PUSH_VERIFIED: &str = "push.verified";
pub const PUSH_RESERVED: &str = "push.reserved";
pub const PUSH_STORED: &str = "push.stored";
pub const PUSH_OPENED: &str = "push.opened";
pub const PUSH_COMMITTED: &str = "push.committed";

/// All points, for the test that goes through them.
pub const ALL: &[&str] = &[PUSH_VERIFIED, PUSH_RESERVED, PUSH_STORED, PUSH_OPENED, PUSH_COMMITTED];

/// Ends the process here if the environment asks for it.
pub fn reached(point: &str) {
    static ASKED: OnceLock<Option<String>> = OnceLock::new();
    let asked = ASKED.get_or_init(|| std::env::var("GAMAY_CRASH_POINT").ok());
    if asked.as_deref() == Some(point) {
        let own = rustix::process::getpid();
        if let Err(error) = rustix::process::kill_process(own, rustix::process::Signal::KILL) {
            tracing::error!(%error, point, "end the process at a crash point");
        }
    }
}
