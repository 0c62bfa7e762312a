//! Addresses as people write them.

use std::io::Write;
use std::net::IpAddr;

use super::super::digits;
use crate::model::endpoints::Endpoint;

/// Appends `192.0.2.1:80`, `[2001:db8::1]:443`, `192.0.2.1:?` while the port is unknown, `*` where nothing is known.
pub(in super::super) fn push_endpoint(out: &mut Vec<u8>, endpoint: &Endpoint) {
    let Endpoint { addr, port } = *endpoint;
    if addr.is_unspecified() && port.is_none() {
        out.push(b'*');
        return;
    }
    if addr.is_ipv6() {
        out.push(b'[');
    }
    push_addr(out, addr);
    if addr.is_ipv6() {
        out.push(b']');
    }
    out.push(b':');
    push_port(out, port);
}

/// Appends the address without brackets.
pub(in super::super) fn push_addr(out: &mut Vec<u8>, addr: IpAddr) {
    match addr {
        IpAddr::V4(addr) => {
            for (at, byte) in addr.octets().into_iter().enumerate() {
                if at > 0 {
                    out.push(b'.');
                }
                digits::push(out, u64::from(byte));
            }
        }
        IpAddr::V6(addr) => {
            // Writing to memory does not fail.
            let _written = write!(out, "{addr}");
        }
    }
}

/// Appends the port, `?` while unknown.
pub(in super::super) fn push_port(out: &mut Vec<u8>, port: Option<u16>) {
    super::cell::push_known(out, port.map(u64::from));
}
