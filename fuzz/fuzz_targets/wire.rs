//! `cargo xtask fuzz wire`: [`tcptrace_fuzz::wire`] under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tcptrace_fuzz::wire::target(bytes));
