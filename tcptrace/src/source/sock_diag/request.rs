//! Questions to sock_diag: which sockets of the namespace, and what to tell of each (Linux `net/ipv4/inet_diag.c`).

use std::net::IpAddr;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::netlink::{self, Header};
use crate::model::cookie::Cookie;
use crate::model::endpoints::Endpoints;

/// `SOCK_DIAG_BY_FAMILY`: list, or find one.
pub const BY_FAMILY: u16 = 20;
/// `SOCK_DESTROY`: abort one, as `ss -K` does (Linux `net/ipv4/tcp.c:tcp_abort`).
pub const DESTROY: u16 = 21;

/// `AF_INET`.
pub const INET: u8 = 2;
/// `AF_INET6`.
pub const INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;

/// Bit of `INET_DIAG_INFO` (2) in `idiag_ext`: `struct tcp_info`. The cgroup id comes unasked.
const EXTENSION_INFO: u8 = 1 << 1;

/// `struct inet_diag_sockid`: ports and addresses in network order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct SockId {
    /// `idiag_sport`.
    pub local_port: [u8; 2],
    /// `idiag_dport`.
    pub remote_port: [u8; 2],
    /// `idiag_src`; IPv4 uses the first four bytes.
    pub local: [u8; 16],
    /// `idiag_dst`.
    pub remote: [u8; 16],
    /// `idiag_if`: index of the bound interface, 0 for none.
    pub interface: u32,
    /// `idiag_cookie`: low half, high half.
    pub cookie: [u32; 2],
}

/// `struct inet_diag_req_v2` behind its netlink header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Request {
    header: Header,
    family: u8,
    protocol: u8,
    extensions: u8,
    padding: u8,
    states: u32,
    id: SockId,
}

const _: () = assert!(size_of::<SockId>() == 48);
const _: () = assert!(size_of::<Request>() == 16 + 56);

impl Request {
    /// Lists every TCP socket of `family` in one of `states`, a mask of `1 << kernel number`.
    #[must_use]
    pub fn dump(sequence: u32, family: u8, states: u32) -> Self {
        Self::new(BY_FAMILY, netlink::REQUEST | netlink::DUMP, sequence, family, states, SockId::default())
    }

    /// Asks for the one socket with these ends and this cookie.
    #[must_use]
    pub fn find(sequence: u32, endpoints: &Endpoints, cookie: Option<Cookie>) -> Self {
        let (family, id) = exact(endpoints, cookie);
        Self::new(BY_FAMILY, netlink::REQUEST, sequence, family, u32::MAX, id)
    }

    /// Aborts the one socket with these ends and this cookie.
    #[must_use]
    pub fn destroy(sequence: u32, endpoints: &Endpoints, cookie: Cookie) -> Self {
        let (family, id) = exact(endpoints, Some(cookie));
        Self::new(DESTROY, netlink::REQUEST | netlink::ACK, sequence, family, u32::MAX, id)
    }

    fn new(kind: u16, flags: u16, sequence: u32, family: u8, states: u32, id: SockId) -> Self {
        const LENGTH: u32 = 72;
        const _: () = assert!(size_of::<Request>() == LENGTH as usize);
        let header = Header { length: LENGTH, kind, flags, sequence, port: 0 };
        Self { header, family, protocol: IPPROTO_TCP, extensions: EXTENSION_INFO, padding: 0, states, id }
    }
}

/// `inet_diag_find_one_icsk` looks up both families by the IPv4 tuple, so that a folded v4-mapped socket is found too.
fn exact(endpoints: &Endpoints, cookie: Option<Cookie>) -> (u8, SockId) {
    let (local, remote) = (endpoints.local, endpoints.remote);
    let port = |port: Option<u16>| port.unwrap_or_default().to_be_bytes();
    let v4 = endpoints.family() == 4;
    let mut id = SockId {
        local_port: port(local.port),
        remote_port: port(remote.port),
        local: address(local.addr, v4),
        remote: address(remote.addr, v4),
        interface: 0,
        // INET_DIAG_NOCOOKIE: any.
        cookie: [u32::MAX; 2],
    };
    if let Some(cookie) = cookie {
        let [a, b, c, d, e, f, g, h] = cookie.0.get().to_le_bytes();
        id.cookie = [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])];
    }
    (if v4 { INET } else { INET6 }, id)
}

fn address(addr: IpAddr, v4: bool) -> [u8; 16] {
    match addr {
        IpAddr::V4(addr) if v4 => {
            let [a, b, c, d] = addr.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V4(addr) if addr.is_unspecified() => [0; 16],
        IpAddr::V4(addr) => addr.to_ipv6_mapped().octets(),
        IpAddr::V6(addr) => addr.octets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_request_carries_ports_in_network_order_and_the_cookie_in_two_halves() {
        let ends =
            Endpoints::new(("10.0.0.1".parse().unwrap(), 0x1234), ("::ffff:10.0.0.2".parse().unwrap(), 80));
        let request = Request::destroy(1, &ends, Cookie::new(0x1_0000_0002).unwrap());
        assert_eq!(request.family, INET);
        assert_eq!(request.id.local_port, [0x12, 0x34]);
        assert_eq!(request.id.remote[..5], [10, 0, 0, 2, 0]);
        assert_eq!(request.id.cookie, [2, 1]);
        assert_eq!(request.as_bytes().len(), 72);
    }

    #[test]
    fn a_listener_on_any_v6_address_stays_v6() {
        let ends = Endpoints::new(("::".parse().unwrap(), 80), ("::".parse().unwrap(), 0));
        let request = Request::find(1, &ends, None);
        assert_eq!((request.family, request.id.local, request.id.cookie), (INET6, [0; 16], [u32::MAX; 2]));
    }
}
