//! The record of a state change, as the BTF path writes it.

use tcptrace_ebpf::wire::{Memory, StateChange, flag, kind, memory};

use super::config::{constant, offsets};
use super::filter::Facts;
use super::sock::{Address, Sock, TcpSock, member};
use super::task::Comm;

// Bits of sk_flags, `enum sock_flags` of Linux `include/net/sock.h`.
pub(super) const SOCK_DEAD: u64 = 1;
pub(super) const SOCK_DONE: u64 = 1 << 1;
const SOCK_KEEPOPEN: u64 = 1 << 3;
const SOCK_LINGER: u64 = 1 << 4;

/// What the BTF path has in hand when it writes a record.
pub(super) struct Change<'a> {
    pub(super) now: u64,
    pub(super) sock: Sock,
    pub(super) tcp: Option<TcpSock>,
    pub(super) from: u8,
    pub(super) to: u8,
    pub(super) protocol: u16,
    pub(super) error: u16,
    pub(super) locked: bool,
    pub(super) actor: u32,
    pub(super) cgroup: u64,
    pub(super) facts: &'a Facts,
    /// Ask no helper for what is plain without. Histograms do ask: before Linux 6.2 each way more is too much for their verifier.
    pub(super) sparing: bool,
}

impl Change<'_> {
    #[inline(always)]
    pub(super) fn write(&self, room: *mut StateChange, remembered: Option<&Memory>, actor_comm: Comm) {
        let sock = self.sock.pointer();
        let sk_flags = self.sock.flags();
        // What is dead has no fd (Linux `include/net/sock.h:sock_orphan`).
        let attached = !(self.sparing && sk_flags & SOCK_DEAD != 0) && self.sock.is_attached();
        let mut flags = flag::FACTS;
        for (set, bit) in [
            (sk_flags & SOCK_DEAD != 0, flag::DEAD),
            (sk_flags & SOCK_DONE != 0, flag::DONE),
            (sk_flags & SOCK_KEEPOPEN != 0, flag::KEEPALIVE),
            (sk_flags & SOCK_LINGER != 0 && member!(sock, sk_lingertime: u64) == 0, flag::LINGER_ZERO),
            (attached, flag::ATTACHED),
            (self.locked, flag::LOCKED),
            (self.actor != 0, flag::ACTOR),
        ] {
            if set {
                flags |= bit;
            }
        }
        let known = Memory::NONE;
        let remembered = remembered.unwrap_or(&known);
        if remembered.flags & memory::WATCHED != 0 {
            flags |= flag::WATCHED;
        }
        // SAFETY: `room` is a reserved record of this type; every field is written, padding included.
        unsafe {
            let r = &mut *room;
            r.kind = kind::STATE_CHANGE;
            r.from = self.from;
            r.to = self.to;
            r.shutdown = member!(sock, sk_shutdown: u8);
            r.lport = self.facts.lport;
            r.rport = self.facts.rport;
            r.protocol = self.protocol;
            r.error = self.error;
            r.error_soft = member!(sock, sk_err_soft: u32) as u16;
            r.at_ns = self.now;
            r.sk = sock as u64;
            // Born with its listener's.
            r.cookie = if self.facts.unnamed { 0 } else { self.cookie() };
            r.since_ns = if remembered.state == self.from { remembered.since_ns } else { 0 };
            r.cgroup = self.cgroup;
            r.inode = if attached { member!(sock, sk_ino: u64) } else { 0 };
            put(&raw mut r.laddr, self.facts.local);
            put(&raw mut r.raddr, self.facts.remote);
            r.netns = self.facts.netns.unwrap_or(0);
            r.uid = self.facts.uid.unwrap_or(0);
            r.owner_pid = remembered.owner_pid;
            r.actor_pid = self.actor;
            Comm::of(&remembered.owner_comm).put(&raw mut r.owner_comm);
            actor_comm.put(&raw mut r.actor_comm);
            r.owner_how = remembered.owner_how;
            r.role = remembered.role;
            r.pad = 0;
            r.pad2 = 0;
            if let Some(tcp) = self.tcp {
                let tcp = tcp.pointer();
                flags |= flag::COUNTERS;
                if member!(tcp, is_mptcp: u8) & constant!(offsets(), is_mptcp_mask) as u8 != 0 {
                    flags |= flag::SUBFLOW;
                }
                if member!(tcp, fastopen_child: u8) & constant!(offsets(), fastopen_child_mask) as u8 != 0 {
                    flags |= flag::FASTOPEN;
                }
                if member!(tcp, icsk_user_timeout: u32) != 0 {
                    flags |= flag::USER_TIMEOUT;
                }
                r.unanswered = member!(tcp, icsk_retransmits: u8);
                r.linger2 = member!(tcp, linger2: i32);
                r.srtt_us = member!(tcp, srtt_us: u32) >> 3;
                r.retransmits = member!(tcp, total_retrans: u32);
                r.segments_out = member!(tcp, segs_out: u32);
                r.segments_in = member!(tcp, segs_in: u32);
                r.unacked = member!(tcp, write_seq: u32).wrapping_sub(member!(tcp, snd_una: u32));
                r.bytes_sent = member!(tcp, bytes_sent: u64).wrapping_sub(member!(tcp, bytes_retrans: u64));
                r.bytes_received = member!(tcp, bytes_received: u64);
            } else {
                // One by one: the compiler would call a function for what lies together, see `Comm`.
                (&raw mut r.unanswered).write_volatile(0);
                (&raw mut r.linger2).write_volatile(0);
                (&raw mut r.srtt_us).write_volatile(0);
                (&raw mut r.retransmits).write_volatile(0);
                (&raw mut r.segments_out).write_volatile(0);
                (&raw mut r.segments_in).write_volatile(0);
                (&raw mut r.unacked).write_volatile(0);
                (&raw mut r.bytes_sent).write_volatile(0);
                (&raw mut r.bytes_received).write_volatile(0);
            }
            r.flags = flags;
        }
    }

    #[inline(always)]
    fn cookie(&self) -> u64 {
        let given = if self.sparing { self.sock.given_cookie() } else { 0 };
        if given != 0 { given } else { self.sock.cookie() }
    }
}

/// Writes an address as sixteen bytes.
#[inline(always)]
pub(super) unsafe fn put(to: *mut [u8; 16], address: Address) {
    // SAFETY: the caller's array, which is 8-byte aligned inside the record.
    unsafe {
        to.cast::<u64>().write(address.high);
        to.cast::<u64>().add(1).write(address.low);
    }
}
