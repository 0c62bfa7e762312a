//! One answer of sock_diag as a snapshot (Linux `net/ipv4/inet_diag.c:inet_sk_diag_fill`, `inet_twsk_diag_fill`, `inet_req_diag_fill`).

use std::net::{IpAddr, Ipv4Addr};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::age::Evidence;
use super::netlink::Attributes;
use super::request::{INET, INET6, SockId};
use super::tcp_info::{self, TcpInfo};
use crate::model::cookie::Cookie;
use crate::model::endpoints::{self, Endpoints};
use crate::model::snapshot::{Age, SocketSnapshot, Timer, TimerKind};
use crate::model::socket::{Protocol, SocketId, SocketRef};
use crate::model::state::TcpState;
use crate::model::time::Mono;

/// `INET_DIAG_INFO`: `struct tcp_info`; absent for timewait and request sockets.
const INFO: u16 = 2;
/// `INET_DIAG_CGROUP_ID`: u64 (since 5.9).
const CGROUP_ID: u16 = 21;

/// `struct inet_diag_msg`, the fixed part.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Fixed {
    pub(super) family: u8,
    pub(super) state: u8,
    pub(super) timer: u8,
    pub(super) retransmits: u8,
    pub(super) id: SockId,
    pub(super) expires_ms: u32,
    pub(super) receive_queue: u32,
    pub(super) send_queue: u32,
    pub(super) uid: u32,
    pub(super) inode: u32,
}

const _: () = assert!(size_of::<Fixed>() == 72);

/// `idiag_timer` of a timewait socket; no full socket has it.
const TIMER_TIME_WAIT: u8 = 3;

/// What is the same for every answer of a dump.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// When the kernel was asked for the datagram: it looked at this moment or a little later.
    pub at: Mono,
    /// How much later at most, nanoseconds: what was seen was that much younger at `at`.
    pub doubt_ns: u64,
    /// Inode of the namespace.
    pub netns: u32,
    /// Its `tcp_fin_timeout`, seconds.
    pub fin_timeout_s: Option<u32>,
}

/// Reads the payload of a `SOCK_DIAG_BY_FAMILY` message; `None` if it is none that tcptrace knows.
#[must_use]
pub fn decode(payload: &[u8], context: Context) -> Option<SocketSnapshot> {
    let (fixed, rest) = Fixed::read_from_prefix(payload).ok()?;
    let mut info = None;
    let mut cgroup = None;
    for (kind, value) in Attributes(rest) {
        match kind {
            INFO => info = TcpInfo::decode(value),
            CGROUP_ID => cgroup = u64::read_from_prefix(value).ok().map(|(id, _)| id),
            _ => {}
        }
    }
    let mini = fixed.timer == TIMER_TIME_WAIT;
    let state = match TcpState::from_kernel(fixed.state)? {
        // A half-open connection is shown as SYN_RECV; only a full socket (Fast Open, simultaneous open) has a tcp_info.
        TcpState::SynRecv if info.is_none() => TcpState::NewSynRecv,
        state => state,
    };
    let listening = state == TcpState::Listen;
    // A FIN that the process has read is no longer in the queue: then 0 stays 0.
    let received_fin = u32::from(tcp_info::peer_finished(state));
    let sent_flag = u32::from(tcp_info::flag_unacknowledged(state));
    let send_queue = fixed.send_queue.saturating_sub(sent_flag);
    let evidence = Evidence {
        state,
        mini,
        retransmitting: fixed.timer == 1,
        expires_ms: fixed.expires_ms,
        retransmits: fixed.retransmits,
        send_queue,
        info: info.as_ref(),
        fin_timeout_s: context.fin_timeout_s,
    };
    let age = evidence.age();
    Some(SocketSnapshot {
        at: context.at,
        id: SocketId {
            socket: SocketRef { address: 0, cookie: cookie(&fixed.id) },
            protocol: Protocol::Tcp,
            endpoints: ends(fixed.family, &fixed.id)?,
            netns: Some(context.netns),
            // 0 stands for "no struct socket" too (`sock_i_uid` before 6.17, timewait and request sockets).
            uid: (fixed.inode != 0 || fixed.uid != 0).then_some(fixed.uid),
            cgroup: cgroup.filter(|id| *id != 0),
            inode: (fixed.inode != 0).then_some(u64::from(fixed.inode)),
        },
        state,
        mini,
        owner: None,
        age: Age { at_least_ns: age.at_least_ns.saturating_sub(context.doubt_ns), ..age },
        existed_ns: info.as_ref().filter(|_| !mini).map_or(0, |info| existed_ns(info, state)),
        timer: timer(&fixed, context.doubt_ns),
        receive_queue: fixed.receive_queue.saturating_sub(received_fin),
        send_queue,
        counters: info.filter(|_| !listening).and_then(|info| info.counters(state)),
    })
}

/// `INET_DIAG_NOCOOKIE` never comes back; 0 cannot either, but nothing promises it.
fn cookie(id: &SockId) -> Option<Cookie> {
    let [low, high] = id.cookie;
    Cookie::new(u64::from(high) << 32 | u64::from(low))
}

fn ends(family: u8, id: &SockId) -> Option<Endpoints> {
    let addr = |bytes: [u8; 16]| match family {
        INET => {
            let [a, b, c, d, ..] = bytes;
            Some(IpAddr::V4(Ipv4Addr::new(a, b, c, d)))
        }
        INET6 => Some(endpoints::from_bytes(bytes)),
        _ => None,
    };
    let port = u16::from_be_bytes;
    Some(Endpoints::new((addr(id.local)?, port(id.local_port)), (addr(id.remote)?, port(id.remote_port))))
}

/// These times begin at the handshake (`tcp_create_openreq_child`, `tcp_finish_connect`); before it they are garbage.
fn existed_ns(info: &TcpInfo, state: TcpState) -> u64 {
    if matches!(state, TcpState::SynSent | TcpState::Listen | TcpState::SynRecv | TcpState::Closed) {
        return 0;
    }
    let ms = info.last_sent_ms.max(info.last_received_ms).max(info.last_ack_ms);
    // A tick of doubt.
    u64::from(ms).saturating_sub(10) * 1_000_000
}

fn timer(fixed: &Fixed, doubt_ns: u64) -> Option<Timer> {
    let kind = match fixed.timer {
        1 => TimerKind::Retransmit,
        2 => TimerKind::Keepalive,
        TIMER_TIME_WAIT => TimerKind::TimeWait,
        4 => TimerKind::Probe,
        _ => return None,
    };
    let expires_ns = u64::from(fixed.expires_ms).saturating_mul(1_000_000);
    // The kernel tells milliseconds.
    let late_ns = if doubt_ns < 1_000_000 { 0 } else { doubt_ns };
    Some(Timer { kind, expires_ns, late_ns, retransmits: fixed.retransmits })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CONTEXT: Context = Context { at: Mono(5), doubt_ns: 0, netns: 7, fin_timeout_s: Some(60) };

    fn fixed(state: TcpState, timer: u8) -> Fixed {
        let mut fixed = Fixed::read_from_bytes(&[0; 72]).unwrap();
        (fixed.family, fixed.state, fixed.timer) = (INET, state as u8, timer);
        fixed
    }

    fn with_info(fixed: Fixed, info: [u8; 240]) -> Vec<u8> {
        [fixed.as_bytes(), &244_u16.to_ne_bytes(), &INFO.to_ne_bytes(), &info].concat()
    }

    #[test]
    fn a_timewait_socket_is_a_mini_in_its_substate() {
        for state in [TcpState::FinWait2, TcpState::TimeWait] {
            let seen = decode(fixed(state, 3).as_bytes(), CONTEXT).unwrap();
            assert_eq!((seen.state, seen.mini, seen.id.inode, seen.id.uid), (state, true, None, None));
            assert_eq!(seen.timer.unwrap().kind, TimerKind::TimeWait);
        }
        assert!(!decode(&with_info(fixed(TcpState::FinWait2, 0), [0; 240]), CONTEXT).unwrap().mini);
    }

    #[test]
    fn syn_recv_is_a_request_socket_unless_it_has_a_tcp_info() {
        let half_open = fixed(TcpState::SynRecv, 1);
        assert_eq!(decode(half_open.as_bytes(), CONTEXT).unwrap().state, TcpState::NewSynRecv);
        assert_eq!(decode(&with_info(half_open, [0; 240]), CONTEXT).unwrap().state, TcpState::SynRecv);
    }

    #[test]
    fn a_fin_is_in_no_queue() {
        let mut closing = fixed(TcpState::Closing, 1);
        (closing.receive_queue, closing.send_queue) = (501, 1);
        let seen = decode(&with_info(closing, [0; 240]), CONTEXT).unwrap();
        assert_eq!((seen.receive_queue, seen.send_queue), (500, 0));
        let mut listener = fixed(TcpState::Listen, 0);
        (listener.receive_queue, listener.send_queue) = (2, 1);
        let seen = decode(&with_info(listener, [0; 240]), CONTEXT).unwrap();
        assert_eq!((seen.receive_queue, seen.send_queue, seen.counters), (2, 1, None));
    }

    #[test]
    fn a_mapped_socket_is_shown_with_its_v4_addresses() {
        let mut mapped = fixed(TcpState::Established, 0);
        mapped.family = INET6;
        mapped.id.local = "::ffff:10.1.2.3".parse::<std::net::Ipv6Addr>().unwrap().octets();
        mapped.id.remote = mapped.id.local;
        mapped.id.cookie = [2, 1];
        let seen = decode(mapped.as_bytes(), CONTEXT).unwrap();
        assert_eq!(
            (seen.id.endpoints.family(), seen.id.endpoints.local.addr.to_string()),
            (4, "10.1.2.3".to_owned())
        );
        assert_eq!(seen.id.socket.cookie, Cookie::new(0x1_0000_0002));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = decode(&bytes, CONTEXT);
        }

        #[test]
        fn garbage_behind_a_sound_head_never_panics(state in 0_u8..14, timer in 0_u8..6, tail in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut head = fixed(TcpState::Established, timer);
            head.state = state;
            let bytes = [head.as_bytes(), &tail].concat();
            prop_assert_eq!(decode(&bytes, CONTEXT).is_some(), TcpState::from_kernel(state).is_some());
        }
    }
}
