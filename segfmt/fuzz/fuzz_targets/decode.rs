//! `cargo fuzz run decode`; the body is `segfmt::fuzzing::decode`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| segfmt::fuzzing::decode(data));
