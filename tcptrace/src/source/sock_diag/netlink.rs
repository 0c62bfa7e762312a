//! Netlink framing (Linux `include/uapi/linux/netlink.h`): cuts datagrams into messages and messages into attributes.
//!
//! Every length that the kernel claims is checked against what was received: foreign bytes end the walk, they never panic.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `NLM_F_REQUEST`: this message asks for something.
pub const REQUEST: u16 = 0x1;
/// `NLM_F_ACK`: answer with `NLMSG_ERROR` 0 when it is done.
pub const ACK: u16 = 0x4;
/// `NLM_F_DUMP`: list all that match.
pub const DUMP: u16 = 0x300;
/// `NLM_F_DUMP_INTR`: what is dumped changed meanwhile; something may be missing or twice.
pub const DUMP_INTERRUPTED: u16 = 0x10;

/// `NLMSG_ERROR`: an errno follows, negated; 0 acknowledges.
pub const ERROR: u16 = 2;
/// `NLMSG_DONE`: the dump is over; an errno follows, negated, or 0.
pub const DONE: u16 = 3;

/// `struct nlmsghdr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Header {
    /// Bytes of the message with this header.
    pub length: u32,
    /// What follows.
    pub kind: u16,
    /// `NLM_F_*`.
    pub flags: u16,
    /// The request's number, repeated in every answer to it.
    pub sequence: u32,
    /// Port of the sender; 0 is the kernel.
    pub port: u32,
}

/// Bytes of a [`Header`].
pub const HEADER: usize = size_of::<Header>();

/// Walks the messages of one datagram: header and payload. Ends at the first that does not fit.
#[derive(Clone, Debug)]
pub struct Messages<'a>(pub &'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = (Header, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (header, _) = Header::read_from_prefix(self.0).ok()?;
        let length = usize::try_from(header.length).ok()?;
        let payload = self.0.get(HEADER..length)?;
        self.0 = self.0.get(aligned(length)..).unwrap_or_default();
        Some((header, payload))
    }
}

/// Walks the attributes (`struct nlattr`) behind a message's fixed part: type and value. Ends at the first that does not fit.
#[derive(Clone, Debug)]
pub struct Attributes<'a>(pub &'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let [l0, l1, t0, t1, ..] = *self.0 else { return None };
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(aligned(length)..).unwrap_or_default();
        // The two top bits are NLA_F_NESTED and NLA_F_NET_BYTEORDER.
        Some((u16::from_ne_bytes([t0, t1]) & 0x3fff, value))
    }
}

/// The errno that an `NLMSG_ERROR` or `NLMSG_DONE` payload carries; `None` for success.
#[must_use]
pub fn errno(payload: &[u8]) -> Option<i32> {
    let (code, _) = i32::read_from_prefix(payload).ok()?;
    (code < 0).then(|| code.saturating_neg())
}

/// `NLMSG_ALIGN`: everything starts at a multiple of 4.
const fn aligned(length: usize) -> usize {
    length.saturating_add(3) & !3
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(kind: u16, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(HEADER + payload.len()).unwrap();
        let mut bytes = Header { length, kind, flags: 0, sequence: 7, port: 0 }.as_bytes().to_vec();
        bytes.extend_from_slice(payload);
        bytes.resize(aligned(bytes.len()), 0);
        bytes
    }

    #[test]
    fn messages_follow_one_another_at_multiples_of_four() {
        let bytes = [message(20, b"abcde"), message(3, b"")].concat();
        let found: Vec<_> =
            Messages(&bytes).map(|(header, payload)| (header.kind, payload.to_vec())).collect();
        assert_eq!(found, [(20, b"abcde".to_vec()), (3, Vec::new())]);
    }

    #[test]
    fn a_message_longer_than_its_datagram_ends_the_walk() {
        let mut bytes = message(20, b"abcd");
        bytes[0] = 200;
        assert_eq!(Messages(&bytes).next(), None);
        bytes[0] = 3;
        assert_eq!(Messages(&bytes).next(), None, "shorter than its own header");
    }

    #[test]
    fn an_errno_is_the_negated_code() {
        assert_eq!(errno(&(-2_i32).to_ne_bytes()), Some(2));
        assert_eq!(errno(&0_i32.to_ne_bytes()), None);
        assert_eq!(errno(b"x"), None);
        assert_eq!(errno(&i32::MIN.to_ne_bytes()), Some(i32::MAX));
    }

    proptest! {
        #[test]
        fn garbage_never_panics_and_always_ends(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
            prop_assert!(Messages(&bytes).count() <= bytes.len() / HEADER);
            prop_assert!(Attributes(&bytes).count() <= bytes.len() / 4);
        }
    }
}
