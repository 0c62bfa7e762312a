//! Both ends of a connection in 36 bytes: what the table keeps, and its key.

use std::net::IpAddr;

use crate::model::endpoints::{Endpoint, Endpoints, from_bytes};

mod index;

pub(crate) use index::EndsIndex;

/// Addresses as sixteen bytes each (v4 mapped) and ports, 0 while unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Ends {
    local: [u8; 16],
    remote: [u8; 16],
    local_port: u16,
    remote_port: u16,
}

fn bytes(addr: IpAddr) -> [u8; 16] {
    match addr {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

impl Ends {
    pub(crate) fn pack(ends: &Endpoints) -> Self {
        let Endpoints { local, remote } = ends;
        Self {
            local: bytes(local.addr),
            remote: bytes(remote.addr),
            local_port: local.port.unwrap_or(0),
            remote_port: remote.port.unwrap_or(0),
        }
    }

    pub(crate) fn unpack(&self) -> Endpoints {
        let end = |addr, port| Endpoint { addr: from_bytes(addr), port: (port != 0).then_some(port) };
        Endpoints { local: end(self.local, self.local_port), remote: end(self.remote, self.remote_port) }
    }

    /// Takes what `newer` knows, keeps the rest; true when that changed anything.
    pub(crate) fn learn(&mut self, newer: &Endpoints) -> bool {
        let new = Self::pack(newer);
        if *self == new {
            return false;
        }
        let before = *self;
        if !newer.local.addr.is_unspecified() {
            self.local = new.local;
        }
        if !newer.remote.addr.is_unspecified() {
            self.remote = new.remote;
        }
        if new.local_port != 0 {
            self.local_port = new.local_port;
        }
        if new.remote_port != 0 {
            self.remote_port = new.remote_port;
        }
        *self != before
    }

    /// Both ports are known: it names one connection.
    pub(crate) fn complete(&self) -> bool {
        self.local_port != 0 && self.remote_port != 0
    }

    pub(crate) fn remote(&self) -> [u8; 16] {
        self.remote
    }

    pub(crate) fn has_local_port(&self) -> bool {
        self.local_port != 0
    }

    pub(crate) fn mirrored(&self) -> Self {
        let Self { local, remote, local_port, remote_port } = *self;
        Self { local: remote, remote: local, local_port: remote_port, remote_port: local_port }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_forgets_nothing_and_learning_is_that_of_the_model() {
        let (v4, v6): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "::1".parse().unwrap());
        let any: IpAddr = "0.0.0.0".parse().unwrap();
        for first in [(v4, 0), (v4, 80), (v6, 80), (any, 0)] {
            for second in [(any, 0), (v4, 0), (v6, 443)] {
                let mut model = Endpoints::new(first, second);
                let mut packed = Ends::pack(&model);
                assert_eq!(packed.unpack(), model);
                let newer = Endpoints::new(second, first);
                model.learn(&newer);
                packed.learn(&newer);
                assert_eq!(packed.unpack(), model);
                assert_eq!(packed.mirrored().unpack(), model.mirrored());
            }
        }
    }
}
