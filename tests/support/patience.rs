//! How long anything that must happen may take.

use std::time::Duration;

/// Longer than anything here takes on a loaded machine; `TCPTRACE_TEST_SLOWNESS` is how much slower this one is, an emulated one.
pub(crate) fn patience() -> Duration {
    let slowness = std::env::var("TCPTRACE_TEST_SLOWNESS").ok();
    Duration::from_secs(30) * slowness.and_then(|factor| factor.parse().ok()).unwrap_or(1)
}
