//! The two ends of a connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Address and port of one end; the port is unknown until the kernel has chosen it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// v4-mapped addresses are folded to v4. Unspecified (`0.0.0.0`, `::`) where the kernel has none.
    pub addr: IpAddr,
    /// `None` while unknown, and for the remote end of a listener.
    pub port: Option<u16>,
}

/// Local and remote end as this socket sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Endpoints {
    /// Our end.
    pub local: Endpoint,
    /// The peer's end.
    pub remote: Endpoint,
}

impl Endpoints {
    /// Folds v4-mapped addresses and takes port 0 for unknown: the one place where both happens.
    #[must_use]
    pub fn new(local: (IpAddr, u16), remote: (IpAddr, u16)) -> Self {
        let end = |(addr, port): (IpAddr, u16)| Endpoint {
            addr: addr.to_canonical(),
            port: (port != 0).then_some(port),
        };
        Self { local: end(local), remote: end(remote) }
    }

    /// Nothing known of either end.
    #[must_use]
    pub fn unknown() -> Self {
        Self::new((IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0), (IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0))
    }

    /// 4 or 6, after folding.
    #[must_use]
    pub fn family(&self) -> u8 {
        if self.local.addr.is_ipv4() && self.remote.addr.is_ipv4() { 4 } else { 6 }
    }

    /// Takes from `newer` what is known there, keeps the rest.
    pub fn learn(&mut self, newer: &Self) {
        for (mine, theirs) in [(&mut self.local, &newer.local), (&mut self.remote, &newer.remote)] {
            if !theirs.addr.is_unspecified() {
                mine.addr = theirs.addr;
            }
            mine.port = theirs.port.or(mine.port);
        }
    }

    /// The same connection from the peer's side.
    #[must_use]
    pub fn mirrored(&self) -> Self {
        Self { local: self.remote, remote: self.local }
    }
}

/// An address as sixteen bytes, v4 in mapped form: how the wire carries it.
#[must_use]
pub fn from_bytes(bytes: [u8; 16]) -> IpAddr {
    IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapped_address_is_its_v4_address() {
        let mapped: IpAddr = "::ffff:127.0.0.1".parse().unwrap();
        let ends = Endpoints::new((mapped, 80), (mapped, 0));
        assert_eq!(ends.local.addr.to_string(), "127.0.0.1");
        assert_eq!((ends.family(), ends.local.port, ends.remote.port), (4, Some(80), None));
    }

    #[test]
    fn learning_never_forgets_a_known_port() {
        let a: IpAddr = "::1".parse().unwrap();
        let mut ends = Endpoints::new((a, 0), (a, 443));
        ends.learn(&Endpoints::new((a, 50_000), (a, 0)));
        assert_eq!((ends.local.port, ends.remote.port), (Some(50_000), Some(443)));
    }
}
