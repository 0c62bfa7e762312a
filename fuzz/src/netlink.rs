//! A datagram of sock_diag's.

use tcptrace::model::time::Mono;
use tcptrace::source::sock_diag::netlink::{Messages, errno};
use tcptrace::source::sock_diag::record::{Context, decode};

/// Walks its messages and reads each as a socket.
pub fn target(bytes: &[u8]) {
    let context = Context { at: Mono(1 << 40), doubt_ns: 1000, netns: 1, fin_timeout_s: Some(60) };
    let mut messages = 0;
    for (_, payload) in Messages(bytes) {
        messages += 1;
        let _ = errno(payload);
        if let Some(seen) = decode(payload, context) {
            assert!(seen.age.at_most_ns.is_none_or(|most| most >= seen.age.at_least_ns), "{seen:?}");
        }
    }
    // Each has a header of 16 bytes.
    assert!(messages <= bytes.len() / 16);
}
