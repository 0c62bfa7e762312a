//! tcptrace and its host: which rights it needs and which it gives up, what a broken host does to it, and what it leaves behind.
#![expect(dead_code, reason = "the support serves other tests too")]
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test fails by panicking")]

mod support;

#[path = "live_host/capped.rs"]
mod capped;
#[path = "live_host/hardship.rs"]
mod hardship;
#[path = "live_host/refusal.rs"]
mod refusal;
#[path = "live_host/remains.rs"]
mod remains;
#[path = "live_host/rights.rs"]
mod rights;
#[path = "live_host/sandbox.rs"]
mod sandbox;
#[path = "live_host/terminal.rs"]
mod terminal;
