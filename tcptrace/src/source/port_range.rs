//! The ports that connect() chooses from (`ip_local_port_range`, `ip_local_reserved_ports`).

use std::ops::RangeInclusive;

use super::sysctl;
use crate::engine::doctor::facts::PortRange;

/// Of the calling thread's namespace; `None` where it cannot be read.
#[must_use]
pub fn here() -> Option<PortRange> {
    let range = range(&sysctl::here("net.ipv4.ip_local_port_range").ok()?)?;
    let reserved = sysctl::here("net.ipv4.ip_local_reserved_ports").unwrap_or_default();
    Some(PortRange { range, reserved: list(&reserved) })
}

/// Two figures with a tab between.
#[must_use]
pub fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let mut ends = text.split_ascii_whitespace().map(|word| word.parse().ok());
    Some(ends.next()??..=ends.next()??)
}

/// `8080,9148-9150` (Linux `kernel/sysctl.c:proc_do_large_bitmap`).
fn list(text: &str) -> Vec<RangeInclusive<u16>> {
    text.split(',')
        .filter_map(|part| {
            let (first, last) = part.trim().split_once('-').unwrap_or((part.trim(), part.trim()));
            Some(first.parse().ok()?..=last.parse().ok()?)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_single_ports_are_read() {
        assert_eq!(range("32768\t60999"), Some(32_768..=60_999));
        assert_eq!(range("32768"), None);
        assert_eq!(list("8080,9148-9150"), [8080..=8080, 9148..=9150]);
        assert!(list("").is_empty());
    }

    #[test]
    fn this_host_has_a_range() {
        assert!(here().unwrap().size() > 0);
    }
}
