//! Real sockets in namespaces of their own, watched by the built tracer on both attach paths.
#![expect(dead_code, reason = "the support serves other tests too")]
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test fails by panicking")]

mod support;

#[path = "live/closing.rs"]
mod closing;
#[path = "live/ending.rs"]
mod ending;
#[path = "live/filters.rs"]
mod filters;
#[path = "live/kernels.rs"]
mod kernels;
#[path = "live/listeners.rs"]
mod listeners;
#[path = "live/losses.rs"]
mod losses;
#[path = "live/namespaces.rs"]
mod namespaces;
#[path = "live/ownership.rs"]
mod ownership;
#[path = "live/pids.rs"]
mod pids;
#[path = "live/reuse.rs"]
mod reuse;
