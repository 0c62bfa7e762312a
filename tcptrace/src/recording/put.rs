//! Single fields, straight into a line.

use std::io::Write as _;
use std::net::IpAddr;

use super::field::Key;

/// `true`, or nothing.
pub(super) fn flag(out: &mut Vec<u8>, key: Key, set: bool) {
    if set {
        out.extend_from_slice(key.bytes());
        out.extend_from_slice(b"true");
    }
}

/// A number, or nothing.
pub(super) fn some(out: &mut Vec<u8>, key: Key, value: Option<u64>) {
    if let Some(value) = value {
        number(out, key, value);
    }
}

/// A number, or nothing for 0.
pub(super) fn positive(out: &mut Vec<u8>, key: Key, value: u64) {
    some(out, key, (value != 0).then_some(value));
}

/// A number.
pub(super) fn number(out: &mut Vec<u8>, key: Key, value: u64) {
    out.extend_from_slice(key.bytes());
    digits(out, value);
}

/// Bare digits.
pub(super) fn digits(out: &mut Vec<u8>, mut value: u64) {
    // 20 digits hold any u64.
    let mut room = [b'0'; 20];
    let mut first = room.len();
    for place in room.iter_mut().rev() {
        *place = b'0' + u8::try_from(value % 10).unwrap_or(0);
        first -= 1;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(room.get(first..).unwrap_or_default());
}

/// A number as a string of hex digits without prefix.
pub(super) fn hex(out: &mut Vec<u8>, key: Key, value: u64) {
    out.extend_from_slice(key.bytes());
    out.push(b'"');
    let length = (64 - value.leading_zeros()).div_ceil(4).max(1);
    for place in (0..length).rev() {
        let nibble = u8::try_from(value >> (place * 4) & 0xf).unwrap_or(0);
        out.push(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
    }
    out.push(b'"');
}

/// A word that needs no escape.
pub(super) fn text(out: &mut Vec<u8>, key: Key, plain: &str) {
    out.extend_from_slice(key.bytes());
    out.push(b'"');
    out.extend_from_slice(plain.as_bytes());
    out.push(b'"');
}

/// An IP address.
pub(super) fn address(out: &mut Vec<u8>, key: Key, address: &IpAddr) {
    out.extend_from_slice(key.bytes());
    out.push(b'"');
    match address {
        IpAddr::V4(address) => {
            for (place, octet) in address.octets().into_iter().enumerate() {
                if place > 0 {
                    out.push(b'.');
                }
                digits(out, octet.into());
            }
        }
        IpAddr::V6(address) => {
            // A vector takes it.
            let _ = write!(out, "{address}");
        }
    }
    out.push(b'"');
}
