//! `cargo xtask fuzz lines`: [`tcptrace_fuzz::lines`] under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tcptrace_fuzz::lines::target(bytes));
