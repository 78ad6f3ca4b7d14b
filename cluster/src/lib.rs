//! The node: one process with the roles of controller, broker and server, and the CLI that starts and uses it.
//!
//! ```text
//!   main -> cli -> node (the story of a start) -> roles
//!
//!   HTTP ── net ── api ──┬── controller ── catalog (what there is)      deepstore (segment files)
//!                        └── broker ────── sql (plan, reduce) ── server ── shards (scan)
//! ```
//!
//! **Invariant:** handlers in [`api`] decide nothing; [`controller`] is the only writer of the catalog; a query sees one
//! [`server::view::View`] from its first step to its last (R-9).

#![forbid(unsafe_code)]

pub mod api;
pub mod broker;
pub mod cli;
pub mod controller;
pub mod crash_point;
pub mod data_dir;
pub mod deepstore;
pub mod file_push;
pub mod metrics;
pub mod net;
pub mod node;
pub mod options;
pub mod runtimes;
pub mod segment_value;
pub mod server;

/// An error and what caused it, on one line.
pub fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some libraries repeat the cause in their own message.
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
