//! What live tests are made of: a network namespace, processes that act in it, and a tracer that watches them.

pub(crate) mod actor;
pub(crate) mod ended;
pub(crate) mod space;
pub(crate) mod tracer;

use std::time::{Duration, Instant};

/// How long anything that must happen may take on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `done` says so, for what nobody announces.
pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs a program that must succeed; what it printed.
pub(crate) fn run(program: &str, words: &[&str]) -> String {
    let output = std::process::Command::new(program).args(words).output().unwrap();
    assert!(output.status.success(), "{program} {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
