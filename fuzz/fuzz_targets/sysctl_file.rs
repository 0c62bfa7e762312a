//! `cargo xtask fuzz sysctl_file`: [`tcptrace_fuzz::sysctl_file`] under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tcptrace_fuzz::sysctl_file::target(bytes));
