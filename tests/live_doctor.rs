//! The doctor's findings about troubles that are made for real, each in a network namespace of its own.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it was skipped"
)]

#[path = "live_doctor/backlog.rs"]
mod backlog;
#[path = "live_doctor/endings.rs"]
mod endings;
#[path = "live_doctor/leak.rs"]
mod leak;
#[path = "live_doctor/ports.rs"]
mod ports;
#[path = "live_doctor/space.rs"]
mod space;
#[path = "live_doctor/sysctl.rs"]
mod sysctl;

use std::time::Duration;

const DOCTOR: &str = env!("CARGO_BIN_EXE_tcptrace");

/// Within 20 %.
fn near(told: Duration, truly: Duration) -> bool {
    told.abs_diff(truly) <= truly / 5
}
