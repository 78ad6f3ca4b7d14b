//! Tests of the whole node: the real binary, real ports, real files.

mod harness;
mod contract;
mod controller;
mod lifecycle;
mod ingest;
mod bad_input;
mod cancel;
mod crash;
mod cli;
mod slt;
