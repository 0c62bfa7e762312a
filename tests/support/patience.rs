//! How long anything that must happen may take.

use std::time::Duration;

/// How much slower than other machines this one is, an emulated one: `TCPTRACE_TEST_SLOWNESS`.
pub(crate) fn slowness() -> u32 {
    let factor = std::env::var("TCPTRACE_TEST_SLOWNESS").ok();
    factor.and_then(|factor| factor.parse().ok()).unwrap_or(1)
}

/// Longer than anything here takes on a loaded machine.
pub(crate) fn patience() -> Duration {
    Duration::from_secs(30) * slowness()
}
