//! Whose a length is: what the filter says of its socket, and its group.

use core::mem::MaybeUninit;

use tcptrace_ebpf::wire::{Group, Memory, by};

use super::config::{config, constant};
use super::filter::{self, Facts};
use super::memory as memories;
use super::sock::{Sock, TcpSock};
use super::state_change::CLOSE;

/// Decided to the end: nobody looks again.
#[derive(Clone, Copy)]
pub(super) struct Whose {
    /// The filter wants it, whatever it says of pids.
    pub(super) admitted: bool,
    /// The filter wants it.
    pub(super) wanted: bool,
    /// Zeros where nothing is grouped.
    pub(super) group: Group,
}

impl Whose {
    #[inline(always)]
    pub(super) fn of(sock: Sock, to: u8, mut remembered: Option<&mut Memory>) -> Self {
        let (filtered, by) = (constant!(config(), filtered) != 0, constant!(config(), by));
        if !filtered && by == 0 {
            return Self { admitted: true, wanted: true, group: packed(0, [0; 2], [0; 2], 0) };
        }
        let (netns, cgroup) = memories::belongings(remembered.as_deref_mut(), sock);
        let facts = facts(sock, sock.tcp(), to, netns);
        let remembered = remembered.as_deref();
        let admitted = !filtered || filter::passes(&facts, None);
        let wanted = admitted
            && (constant!(config(), by_pid) == 0
                || remembered.is_some_and(|remembered| memories::is_wanted(remembered.owner_pid)));
        Self { admitted, wanted, group: group(by, &facts, cgroup, remembered) }
    }
}

#[inline(always)]
pub(super) fn facts(sock: Sock, tcp: Option<TcpSock>, to: u8, netns: u32) -> Facts {
    let (local, remote) = sock.addresses();
    Facts {
        local,
        remote,
        lport: sock.local_port(tcp, to == CLOSE),
        rport: sock.remote_port(),
        uid: Some(sock.uid()),
        netns: Some(netns),
        unnamed: false,
    }
}

#[inline(always)]
fn group(asked: u8, facts: &Facts, cgroup: u64, remembered: Option<&Memory>) -> Group {
    let only = |bit: u8, value: u64| if asked & bit != 0 { value } else { 0 };
    let none = Memory::NONE;
    let remembered = remembered.unwrap_or(&none);
    packed(
        only(by::CGROUP, cgroup),
        [only(by::PID, remembered.owner_pid as u64), only(by::NETNS, facts.netns.unwrap_or(0) as u64)],
        [only(by::LPORT, facts.lport as u64), only(by::RPORT, facts.rport as u64)],
        only(by::ROLE, remembered.role as u64),
    )
}

/// A [`Group`], word by word, lest the compiler call a function to clear it: see [`Comm`](super::task::Comm).
#[inline(always)]
fn packed(cgroup: u64, [pid, netns]: [u64; 2], [lport, rport]: [u64; 2], role: u64) -> Group {
    let mut group = MaybeUninit::<Group>::uninit();
    let words = group.as_mut_ptr().cast::<u64>();
    // SAFETY: its three words, 8-byte aligned, all of which are written; any bits are a Group.
    unsafe {
        words.write_volatile(cgroup);
        words.add(1).write_volatile(pid | netns << 32);
        words.add(2).write_volatile(lport | rport << 16 | role << 32);
        group.assume_init()
    }
}
