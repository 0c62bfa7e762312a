//! `cargo xtask fuzz netlink`: [`tcptrace_fuzz::netlink`] under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tcptrace_fuzz::netlink::target(bytes));
