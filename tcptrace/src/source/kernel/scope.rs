//! What of the user's filter the kernel half can decide.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;
use tcptrace_ebpf::wire::{Config, FILTERS, PortRange, Prefix};

use crate::engine::filter::{Family, Filter};

/// The part of a filter that the kernel evaluates: never stricter than the whole, which user space evaluates again.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    constants: Config,
    /// Sockets of these pids only; empty for all.
    pub pids: Vec<u32>,
}

impl Scope {
    /// Takes from `filter` what fits into the kernel half's constants; a list longer than [`FILTERS`] is left to user space.
    #[must_use]
    pub fn of(filter: &Filter) -> Self {
        let mut c = Config {
            by_pid: u8::from(!filter.pids.is_empty()),
            family: filter.family.map_or(0, Family::number),
            ..Config::default()
        };
        (c.uids, c.uid) = fit(filter.uids.iter().copied());
        (c.netns, c.ns) = fit(filter.netns.iter().copied());
        (c.ports, c.port) = fit(filter.ports.iter().map(range));
        (c.lports, c.lport) = fit(filter.lports.iter().map(range));
        (c.rports, c.rport) = fit(filter.rports.iter().map(range));
        (c.addrs, c.addr) = fit(filter.addrs.iter().map(prefix));
        (c.laddrs, c.laddr) = fit(filter.laddrs.iter().map(prefix));
        (c.raddrs, c.raddr) = fit(filter.raddrs.iter().map(prefix));
        Self { constants: c, pids: filter.pids.iter().copied().collect() }
    }

    /// Whether the kernel half can decide all of `filter`, so that user space need not look again. States are no matter of
    /// sockets.
    #[must_use]
    pub fn decides(filter: &Filter) -> bool {
        let longest = [
            filter.uids.len(),
            filter.netns.len(),
            filter.ports.len(),
            filter.lports.len(),
            filter.rports.len(),
            filter.addrs.len(),
            filter.laddrs.len(),
            filter.raddrs.len(),
        ];
        filter.comms.is_empty() && filter.cgroups.is_none() && longest.iter().all(|len| *len <= FILTERS)
    }

    /// It leaves anything out.
    pub(super) fn is_narrow(&self) -> bool {
        self.constants != Config::default()
    }

    pub(super) fn constants(&self) -> Config {
        self.constants
    }
}

/// The first entries and their number; number 0 (= any) when there are too many.
fn fit<T: Copy + Default>(list: impl ExactSizeIterator<Item = T>) -> (u8, [T; FILTERS]) {
    let mut slots = [T::default(); FILTERS];
    if list.len() > FILTERS {
        return (0, slots);
    }
    let count = u8::try_from(list.len()).unwrap_or(0);
    for (slot, value) in slots.iter_mut().zip(list) {
        *slot = value;
    }
    (count, slots)
}

fn range(range: &RangeInclusive<u16>) -> PortRange {
    PortRange { first: *range.start(), last: *range.end() }
}

/// A network as two masked halves of its v4-mapped form, in network byte order as the kernel half loads them.
fn prefix(net: &IpNet) -> Prefix {
    let (address, length) = match net.network() {
        IpAddr::V4(v4) => (v4.to_ipv6_mapped().octets(), u32::from(net.prefix_len()) + 96),
        IpAddr::V6(v6) => (v6.octets(), u32::from(net.prefix_len())),
    };
    let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0).to_be_bytes();
    let half = |bytes: &[u8; 16], at: usize| {
        bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |chunk| u64::from_ne_bytes(*chunk))
    };
    let (high_mask, low_mask) = (half(&mask, 0), half(&mask, 8));
    Prefix { high: half(&address, 0) & high_mask, low: half(&address, 8) & low_mask, high_mask, low_mask }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_v4_network_is_matched_in_mapped_form() {
        let found = prefix(&"10.1.0.0/16".parse().unwrap());
        let bytes = |high: u64, low: u64| [high.to_ne_bytes(), low.to_ne_bytes()].concat();
        assert_eq!(bytes(found.high, found.low), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 0, 0]);
        assert_eq!(bytes(found.high_mask, found.low_mask)[13..], [0xff, 0, 0]);
    }

    #[test]
    fn a_list_too_long_for_the_kernel_is_left_to_user_space() {
        let filter = Filter { uids: (0..9).collect(), netns: vec![7], ..Filter::default() };
        let scope = Scope::of(&filter);
        assert_eq!((scope.constants.uids, scope.constants.netns, scope.constants.ns[0]), (0, 1, 7));
    }
}
