//! Lines by hand: the two hottest records of the hottest output. Byte for byte what their types say through serde, in half of the
//! time; property tests hold them to that.

mod claims;
mod lifecycle;
mod transition;

use std::io::Write as _;
use std::net::IpAddr;

use super::super::digits;
pub(super) use claims::Claims;

use super::owner::{Container, DetailRecord, OwnerRecord, TaskRecord};
use super::socket::{Hex, SocketRecord};
use super::tame;
use super::word::{Vocabulary, Word};

impl SocketRecord {
    fn write(&self, out: &mut Vec<u8>) {
        let Self { id, cookie, netns, family, laddr, lport, raddr, rport, protocol } = self;
        number(out, r#","id":"#, *id);
        maybe(out, r#","cookie":"#, cookie.as_ref(), |Hex(cookie), out| {
            out.push(b'"');
            digits::push_hex(out, cookie.0.get());
            out.push(b'"');
        });
        number(out, r#","netns":"#, *netns);
        number(out, r#","family":"#, *family);
        address(out, r#","laddr":"#, laddr);
        number(out, r#","lport":"#, *lport);
        address(out, r#","raddr":"#, raddr);
        number(out, r#","rport":"#, *rport);
        word(out, r#","protocol":"#, Some(*protocol));
    }
}

impl TaskRecord<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        let Self { pid, comm } = self;
        number(out, r#"{"pid":"#, *pid);
        text(out, r#","comm":"#, comm);
        out.push(b'}');
    }
}

impl DetailRecord<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Word(word) => plain(out, "", word),
            Self::Killer(task) => task.write(out),
        }
    }
}

impl OwnerRecord<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        let Self { pid, comm, uid, how, cgroup, cgroup_id, container } = self;
        number(out, r#"{"pid":"#, *pid);
        text(out, r#","comm":"#, comm);
        number(out, r#","uid":"#, *uid);
        word(out, r#","how":"#, Some(*how));
        maybe(out, r#","cgroup":"#, cgroup.as_ref(), |path, out| text(out, "", path));
        number(out, r#","cgroup_id":"#, *cgroup_id);
        maybe(out, r#","container":"#, container.as_ref(), |Container { id, runtime }, out| {
            text(out, r#"{"id":"#, id);
            text(out, r#","runtime":"#, runtime);
            out.push(b'}');
        });
        out.push(b'}');
    }
}

#[inline(always)]
fn key(out: &mut Vec<u8>, key: &str) {
    out.extend_from_slice(key.as_bytes());
}

#[inline(always)]
fn null(out: &mut Vec<u8>) {
    out.extend_from_slice(b"null");
}

/// What may be missing, by `write`.
#[inline(always)]
fn maybe<T>(out: &mut Vec<u8>, name: &str, value: Option<&T>, write: impl FnOnce(&T, &mut Vec<u8>)) {
    key(out, name);
    match value {
        Some(value) => write(value, out),
        None => null(out),
    }
}

#[inline(always)]
fn number(out: &mut Vec<u8>, name: &str, value: impl Number) {
    key(out, name);
    match value.wide() {
        Some(value) => digits::push(out, value),
        None => null(out),
    }
}

#[inline(always)]
fn word<T: Vocabulary>(out: &mut Vec<u8>, name: &str, value: Option<Word<T>>) {
    match value {
        Some(Word(value)) => plain(out, name, value.word()),
        None => {
            key(out, name);
            null(out);
        }
    }
}

#[inline(always)]
fn yes_or_no(out: &mut Vec<u8>, name: &str, value: bool) {
    key(out, name);
    key(out, if value { "true" } else { "false" });
}

/// A text of ours, in which nothing needs an escape.
#[inline(always)]
fn plain(out: &mut Vec<u8>, name: &str, value: &str) {
    key(out, name);
    out.push(b'"');
    out.extend_from_slice(value.as_bytes());
    out.push(b'"');
}

/// A text of somebody else's.
fn text(out: &mut Vec<u8>, name: &str, value: &str) {
    if value.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\') {
        plain(out, name, value);
    } else {
        key(out, name);
        // Writing into memory does not fail, nor does a text.
        let _ = tame::push(out, &value);
    }
}

fn address(out: &mut Vec<u8>, name: &str, address: &IpAddr) {
    key(out, name);
    out.push(b'"');
    match address {
        IpAddr::V4(address) => {
            let [first, rest @ ..] = address.octets();
            octet(out, first);
            for part in rest {
                out.push(b'.');
                octet(out, part);
            }
        }
        IpAddr::V6(address) => {
            // Into memory: it does not fail.
            let _ = write!(out, "{address}");
        }
    }
    out.push(b'"');
}

#[inline(always)]
fn octet(out: &mut Vec<u8>, octet: u8) {
    let (digits, count) = OCTETS[usize::from(octet)];
    out.extend_from_slice(&digits);
    out.truncate(out.len() - (digits.len() - count as usize));
}

/// The digits of each octet, and how many they are.
const OCTETS: [([u8; 4], u8); 256] = {
    let mut octets = [([0; 4], 0); 256];
    let mut octet = 0_u8;
    loop {
        let (hundreds, tens, ones) = (octet / 100, octet / 10 % 10, octet % 10);
        octets[octet as usize] = match (hundreds, tens) {
            (0, 0) => ([b'0' + ones, 0, 0, 0], 1),
            (0, _) => ([b'0' + tens, b'0' + ones, 0, 0], 2),
            _ => ([b'0' + hundreds, b'0' + tens, b'0' + ones, 0], 3),
        };
        if octet == u8::MAX {
            break;
        }
        octet += 1;
    }
    octets
};

/// Any unsigned number of the records, or none.
trait Number {
    fn wide(self) -> Option<u64>;
}

macro_rules! number {
    ($($type:ty),*) => {$(
        impl Number for $type {
            fn wide(self) -> Option<u64> {
                Some(self.into())
            }
        }

        impl Number for Option<$type> {
            fn wide(self) -> Option<u64> {
                self.map(Into::into)
            }
        }
    )*};
}

number!(u8, u16, u32, u64);

#[cfg(test)]
mod tests;
