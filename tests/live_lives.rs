//! Lives of real sockets, told by a real tcptrace: every row of the tables of what Linux does to a connection.
//!
//! Needs root; `TCPTRACE_LIVE=1` makes it a failure not to run.
#![expect(
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test's numbers are small, and it fails by panicking"
)]

#[path = "support_lives/mod.rs"]
mod support_lives;

#[path = "live_lives/before.rs"]
mod before;
#[path = "live_lives/connects.rs"]
mod connects;
#[path = "live_lives/fin_wait_2.rs"]
mod fin_wait_2;
#[path = "live_lives/hands.rs"]
mod hands;
#[path = "live_lives/others.rs"]
mod others;
#[path = "live_lives/resets.rs"]
mod resets;
#[path = "live_lives/time_wait.rs"]
mod time_wait;
#[path = "live_lives/vanished.rs"]
mod vanished;
