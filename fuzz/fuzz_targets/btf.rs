//! `cargo xtask fuzz btf`: [`tcptrace_fuzz::btf`] under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tcptrace_fuzz::btf::target(bytes));
