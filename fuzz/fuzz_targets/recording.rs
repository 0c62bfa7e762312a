//! `cargo xtask fuzz recording`: [`tcptrace_fuzz::recording`] under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tcptrace_fuzz::recording::target(bytes));
