//! When the round-trip time of a handshake can be believed (kernel-facts §8).
//!
//! The kernel measures it from the SYN-ACK to the final ACK. Where that ACK was lost, the client's first data stands in for it,
//! whenever that comes: no counter tells. With a SYN cookie nothing was kept, so the client's timestamps are all there is.

use rustc_hash::FxHashMap;

/// A passive handshake that took so many times the shortest with that peer includes the client's delay.
const LATE: u32 = 100;

/// Peers remembered; beyond, all are forgotten and learnt again.
const MANY: usize = 1 << 14;

/// The shortest handshake with each peer address of each namespace, microseconds.
#[derive(Debug, Default)]
pub(crate) struct Rtts(FxHashMap<(u32, [u8; 16]), u32>);

impl Rtts {
    pub(crate) fn seen(&mut self, netns: u32, peer: [u8; 16], rtt_us: u32) {
        if rtt_us == 0 {
            return;
        }
        if self.0.len() == MANY && !self.0.contains_key(&(netns, peer)) {
            self.0.clear();
        }
        let shortest = self.0.entry((netns, peer)).or_insert(rtt_us);
        *shortest = rtt_us.min(*shortest);
    }

    /// Whether a passive handshake took too long to be a round trip.
    pub(crate) fn is_late(&self, netns: u32, peer: [u8; 16], rtt_us: u32) -> bool {
        let shortest = self.0.get(&(netns, peer));
        shortest.is_some_and(|shortest| rtt_us / LATE >= *shortest)
    }
}

/// Whether a passive handshake's time may come from timestamps, which count milliseconds: with a SYN cookie it always does
/// (Linux `net/ipv4/tcp_input.c`: `tcp_rtt_tsopt_us`), and no flag of the child tells of the cookie. One true time in a
/// thousand looks the same and is not told either.
pub(crate) fn of_a_cookie(srtt_us: u32) -> bool {
    srtt_us.is_multiple_of(1000)
}
