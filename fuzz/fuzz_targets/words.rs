//! `cargo xtask fuzz words`: [`tcptrace_fuzz::words`] under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tcptrace_fuzz::words::target(bytes));
