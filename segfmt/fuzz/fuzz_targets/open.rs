//! `cargo fuzz run open`; the body is `segfmt::fuzzing::open`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| segfmt::fuzzing::open(data));
