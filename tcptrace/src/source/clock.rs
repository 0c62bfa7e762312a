//! The clock of the kernel's events: `CLOCK_MONOTONIC` as the host has it.

use std::fs;
use std::sync::OnceLock;

use rustix::time::{ClockId, clock_gettime};

use crate::model::time::Mono;

/// This moment on the clock of the kernel's events.
///
/// In a time namespace our own `CLOCK_MONOTONIC` stands elsewhere, and `bpf_ktime_get_ns` does not (Linux `kernel/time/namespace.c`).
#[must_use]
pub fn now() -> Mono {
    static OFFSET_NS: OnceLock<i128> = OnceLock::new();
    let offset = *OFFSET_NS.get_or_init(|| {
        let text = fs::read_to_string("/proc/self/timens_offsets").unwrap_or_default();
        monotonic_offset_ns(&text).unwrap_or_default()
    });
    let time = clock_gettime(ClockId::Monotonic);
    let here = i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec);
    Mono(u64::try_from(here - offset).unwrap_or_default())
}

/// From `/proc/PID/timens_offsets`, lines like `monotonic  864000  0`: seconds and nanoseconds to add to the host's clock. `None` before
/// Linux 5.6, which has no time namespaces.
fn monotonic_offset_ns(text: &str) -> Option<i128> {
    let mut words = text.lines().find_map(|line| line.strip_prefix("monotonic"))?.split_whitespace();
    let (seconds, nanos) = (words.next()?.parse::<i64>().ok()?, words.next()?.parse::<i64>().ok()?);
    Some(i128::from(seconds) * 1_000_000_000 + i128::from(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_of_a_time_namespace_is_read_with_its_sign() {
        let text = "monotonic           -5  300000000\nboottime      864000         0\n";
        assert_eq!(monotonic_offset_ns(text), Some(-4_700_000_000));
        assert_eq!(monotonic_offset_ns("monotonic           0         0\n"), Some(0));
        assert_eq!(monotonic_offset_ns(""), None);
    }

    #[test]
    fn it_moves_forward() {
        let before = now();
        assert!(before.0 > 0 && now() >= before);
    }
}
