//! Reading a `struct sock` through pointers that the verifier knows, at offsets from the running kernel's BTF.

use aya_ebpf::helpers::bpf_probe_read_kernel;
use aya_ebpf::helpers::generated::{bpf_get_socket_cookie, bpf_skc_to_tcp_sock};
use tcptrace_ebpf::wire::{ABSENT, Prefix};

use super::config::{config, constant, offsets};

/// AF_INET6.
pub(super) const INET6: u16 = 10;

/// Stands somewhere, for as long as the programs do.
#[unsafe(no_mangle)]
static mut ANCHOR: u64 = 0;

/// A `struct sock *` that came as a BTF argument: loads through it need no helper.
#[derive(Clone, Copy)]
pub(super) struct Sock(*mut u8);

/// A `struct tcp_sock *` out of it.
#[derive(Clone, Copy)]
pub(super) struct TcpSock(*mut u8);

/// Loads a `T` at `base + offset`; `None` where the kernel has no such field. `offset` is a constant to the verifier.
#[inline(always)]
pub(super) fn load<T: Copy>(base: *const u8, offset: u16) -> Option<T> {
    // SAFETY: the verifier checks the access against the kernel's BTF.
    (offset != ABSENT).then(|| unsafe { core::ptr::read_volatile(base.add(offset as usize).cast()) })
}

/// Reads a `T` at `base + offset` by helper; `None` where the kernel has no such field or it cannot be read.
#[inline(always)]
pub(super) fn read_kernel<T>(base: *const u8, offset: u16) -> Option<T> {
    if offset == ABSENT {
        return None;
    }
    // SAFETY: a bad address makes the helper fail, nothing else.
    unsafe { bpf_probe_read_kernel::<T>(base.wrapping_add(offset as usize).cast()) }.ok()
}

/// The pointer at `base + offset`, unless it is null. By helper: each direct load of a pointer makes the verifier of recent kernels
/// search all of the kernel's types by name (`btf_find_by_name_kind`), milliseconds a load.
#[inline(always)]
pub(super) fn follow(base: *const u8, offset: u16) -> Option<*const u8> {
    read_kernel::<*const u8>(base, offset).filter(|pointer| !pointer.is_null())
}

/// Loads the member `$field` of `Offsets` at `$base`; 0 where absent.
macro_rules! member {
    ($base:expr, $field:ident: $type:ty) => {
        $crate::kernel::sock::load::<$type>($base, constant!(offsets(), $field)).unwrap_or_default()
    };
}

pub(super) use member;

impl Sock {
    #[inline(always)]
    pub(super) fn new(pointer: *mut u8) -> Self {
        Self(pointer)
    }

    pub(super) fn pointer(self) -> *mut u8 {
        self.0
    }

    /// Its address as a number to reckon with, which the verifier does not take a pointer for: the distance from a global.
    #[inline(always)]
    pub(super) fn number(self) -> u64 {
        (self.0 as u64).wrapping_sub((&raw const ANCHOR) as u64)
    }

    #[inline(always)]
    pub(super) fn protocol(self) -> u16 {
        member!(self.0, sk_protocol: u16)
    }

    /// Made on first asking, and kept for the socket's life, its timewait socket included. 0 where we may not ask and nobody else has.
    #[inline(always)]
    pub(super) fn cookie(self) -> u64 {
        if constant!(config(), by_address) != 0 {
            return self.given_cookie();
        }
        // SAFETY: a valid sock.
        unsafe { bpf_get_socket_cookie(self.0.cast()) }
    }

    /// The one it has been given; 0 where nobody has asked yet.
    #[inline(always)]
    pub(super) fn given_cookie(self) -> u64 {
        member!(self.0, skc_cookie: u64)
    }

    /// Remote address and local address, v4 in mapped form, high and low halves in network order.
    #[inline(always)]
    pub(super) fn addresses(self) -> (Address, Address) {
        if self.is_v6() {
            let remote = constant!(offsets(), skc_v6_daddr);
            let local = constant!(offsets(), skc_v6_rcv_saddr);
            (Address::v6(self.0, local), Address::v6(self.0, remote))
        } else {
            (Address::v4(member!(self.0, skc_rcv_saddr: u32)), Address::v4(member!(self.0, skc_daddr: u32)))
        }
    }

    #[inline(always)]
    pub(super) fn is_v6(self) -> bool {
        member!(self.0, skc_family: u16) == INET6
    }

    /// Local port, host order: skc_num while bound, inet_sport on the way to CLOSE, where skc_num may already be 0.
    #[inline(always)]
    pub(super) fn local_port(self, tcp: Option<TcpSock>, closing: bool) -> u16 {
        let number = member!(self.0, skc_num: u16);
        match tcp {
            Some(tcp) if closing || number == 0 => {
                let port = u16::from_be(member!(tcp.0, inet_sport: u16));
                if closing { port } else { 0 }
            }
            _ => number,
        }
    }

    #[inline(always)]
    pub(super) fn remote_port(self) -> u16 {
        u16::from_be(member!(self.0, skc_dport: u16))
    }

    /// Inode of its network namespace: `sk_net->ns.inum`.
    #[inline(always)]
    pub(super) fn netns(self) -> u32 {
        follow(self.0, constant!(offsets(), skc_net))
            .and_then(|net| read_kernel(net, constant!(offsets(), net_inum)))
            .unwrap_or(0)
    }

    #[inline(always)]
    pub(super) fn uid(self) -> u32 {
        member!(self.0, sk_uid: u32)
    }

    /// Id of the cgroup of the socket's creator: `sk_cgrp_data.cgroup->kn->id`.
    #[inline(always)]
    pub(super) fn cgroup(self) -> u64 {
        follow(self.0, constant!(offsets(), sk_cgroup))
            .and_then(|cgroup| follow(cgroup, constant!(offsets(), cgroup_kn)))
            .and_then(|node| read_kernel(node, constant!(offsets(), kernfs_id)))
            .unwrap_or(0)
    }

    /// A process has an fd of it: sk_socket is set.
    #[inline(always)]
    pub(super) fn is_attached(self) -> bool {
        follow(self.0, constant!(offsets(), sk_socket)).is_some()
    }

    #[inline(always)]
    pub(super) fn flags(self) -> u64 {
        member!(self.0, skc_flags: u64)
    }

    /// Process context: the current task holds the socket's lock.
    #[inline(always)]
    pub(super) fn locked(self) -> bool {
        member!(self.0, sk_lock_owned: u32) != 0
    }

    #[inline(always)]
    pub(super) fn error(self) -> u16 {
        (member!(self.0, sk_err: u32)) as u16
    }

    /// The tcp_sock behind it; `None` for MPTCP's own sockets.
    #[inline(always)]
    pub(super) fn tcp(self) -> Option<TcpSock> {
        // SAFETY: a valid sock.
        let tcp = unsafe { bpf_skc_to_tcp_sock(self.0.cast()) };
        (!tcp.is_null()).then_some(TcpSock(tcp.cast()))
    }
}

impl TcpSock {
    pub(super) fn pointer(self) -> *mut u8 {
        self.0
    }
}

/// An address as two halves of its v6 form, in network byte order.
#[derive(Clone, Copy)]
pub(super) struct Address {
    pub(super) high: u64,
    pub(super) low: u64,
}

impl Address {
    #[inline(always)]
    fn v6(base: *const u8, offset: u16) -> Self {
        if offset == ABSENT {
            return Self { high: 0, low: 0 };
        }
        // Four loads of 32 bits: an in6_addr is only 4-byte aligned to some verifiers.
        let word = |index: u16| load::<u32>(base, offset + 4 * index).unwrap_or(0) as u64;
        Self { high: word(0) | word(1) << 32, low: word(2) | word(3) << 32 }
    }

    /// `::ffff:a.b.c.d` from a network-order address.
    #[inline(always)]
    pub(super) fn v4(address: u32) -> Self {
        Self { high: 0, low: 0xffff_0000 | (address as u64) << 32 }
    }

    /// As sixteen bytes.
    #[inline(always)]
    pub(super) fn bytes(self) -> [u8; 16] {
        let (high, low) = (self.high.to_ne_bytes(), self.low.to_ne_bytes());
        // An array built from two loads: a copy through a slice would bring in memcpy with a bounds check.
        [
            high[0], high[1], high[2], high[3], high[4], high[5], high[6], high[7], low[0], low[1], low[2],
            low[3], low[4], low[5], low[6], low[7],
        ]
    }

    /// v4 or v4-mapped.
    #[inline(always)]
    pub(super) fn is_v4(self) -> bool {
        self.high == 0 && self.low as u32 == 0xffff_0000
    }

    #[inline(always)]
    pub(super) fn within(self, prefix: &Prefix) -> bool {
        self.high & prefix.high_mask == prefix.high && self.low & prefix.low_mask == prefix.low
    }
}
