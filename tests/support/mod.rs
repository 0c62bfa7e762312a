//! What live tests are made of: a network namespace, processes that act in it, and a tracer that watches them.

pub(crate) mod ability;
pub(crate) mod actor;
pub(crate) mod ended;
pub(crate) mod patience;
pub(crate) mod space;
pub(crate) mod tracer;

use std::time::{Duration, Instant};

pub(crate) use patience::patience;

/// Waits until `done` says so, for what nobody announces.
pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience();
    while !done() {
        assert!(Instant::now() < deadline, "{what}: not within {:?}", patience());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs a program that must succeed; what it printed.
pub(crate) fn run(program: &str, words: &[&str]) -> String {
    let output = std::process::Command::new(program).args(words).output().unwrap();
    assert!(output.status.success(), "{program} {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
