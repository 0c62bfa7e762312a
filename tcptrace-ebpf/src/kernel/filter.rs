//! Which sockets pass. What cannot be decided yet passes: user space decides it exactly.

use tcptrace_ebpf::wire::{FILTERS, Memory, PortRange, memory};

use super::config::{config, constant};
use super::sock::Address;

/// What a filter can ask of a socket.
pub(super) struct Facts {
    pub(super) local: Address,
    pub(super) remote: Address,
    /// 0 = not chosen yet.
    pub(super) lport: u16,
    pub(super) rport: u16,
    /// `None` on the classic path.
    pub(super) uid: Option<u32>,
    pub(super) netns: Option<u32>,
    /// A connection at its birth, which before Linux 6.18 still has its listener's addresses: they decide nothing.
    pub(super) unnamed: bool,
}

/// Any of the first `$count` entries of `$list` satisfies `$test`; true when there are none.
macro_rules! any {
    ($count:ident, $list:ident, |$entry:ident| $test:expr) => {{
        let count = constant!(config(), $count) as usize;
        let mut pass = count == 0;
        if count != 0 {
            for index in 0..FILTERS {
                if index < count {
                    let $entry = constant!(config(), $list[index]);
                    pass |= $test;
                }
            }
        }
        pass
    }};
}

/// Whether a socket passes the constants of `CONFIG`.
#[inline(always)]
pub(super) fn passes(facts: &Facts, remembered: Option<&Memory>) -> bool {
    if constant!(config(), by_pid) != 0
        && let Some(remembered) = remembered
        && remembered.flags & memory::WATCHED == 0
    {
        return false;
    }
    let v4 = facts.local.is_v4() && facts.remote.is_v4();
    match constant!(config(), family) {
        4 if !v4 && !facts.unnamed => return false,
        6 if v4 && !facts.unnamed => return false,
        _ => {}
    }
    if let Some(uid) = facts.uid
        && !any!(uids, uid, |wanted| wanted == uid)
    {
        return false;
    }
    if let Some(netns) = facts.netns
        && !any!(netns, ns, |wanted| wanted == netns)
    {
        return false;
    }
    let undecided = facts.lport == 0;
    let no_peer = facts.rport == 0;
    (undecided
        || no_peer
        || any!(ports, port, |range| holds(range, facts.lport) || holds(range, facts.rport)))
        && (undecided || any!(lports, lport, |range| holds(range, facts.lport)))
        && (no_peer || any!(rports, rport, |range| holds(range, facts.rport)))
        && (facts.unnamed
            || any!(addrs, addr, |prefix| facts.local.within(&prefix) || facts.remote.within(&prefix))
                && any!(laddrs, laddr, |prefix| facts.local.within(&prefix))
                && any!(raddrs, raddr, |prefix| facts.remote.within(&prefix)))
}

#[inline(always)]
fn holds(range: PortRange, port: u16) -> bool {
    range.first <= port && port <= range.last
}
