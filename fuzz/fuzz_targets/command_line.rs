//! `cargo xtask fuzz command_line`: [`tcptrace_fuzz::command_line`] under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tcptrace_fuzz::command_line::target(bytes));
