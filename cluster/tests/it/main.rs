//! Tests of the whole node: the real binary, real ports, real files.

mod bad_input;
mod cancel;
mod cli;
mod contract;
mod controller;
mod crash;
mod cursors;
mod harness;
mod ingest;
mod lifecycle;
mod rest;
mod slt;
