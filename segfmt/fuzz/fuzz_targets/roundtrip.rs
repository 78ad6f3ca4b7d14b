//! `cargo fuzz run roundtrip`; the body is `segfmt::fuzzing::roundtrip`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| segfmt::fuzzing::roundtrip(data));
