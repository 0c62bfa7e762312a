//! How long a socket that we did not see move has been in its state: bounds from what sock_diag tells.
//!
//! The kernel keeps no time of entry. What it keeps bounds it; where it does not, there is no bound rather than a guess.

use super::tcp_info::TcpInfo;
use crate::model::snapshot::Age;
use crate::model::state::TcpState;

/// Times come from jiffies: a tick is lost at either end, and a tick is at most 10 ms (`CONFIG_HZ` 100).
const TICK_NS: u64 = 10_000_000;
/// `TCP_TIMEWAIT_LEN` (Linux `include/net/tcp.h`), milliseconds.
const TIME_WAIT_MS: u64 = 60_000;
/// `TCP_TIMEOUT_INIT`, the first timeout of a SYN and of a SYN-ACK, milliseconds.
const FIRST_TIMEOUT_MS: u64 = 1_000;
/// The timer wheel fires late by up to one part in eight (Linux `kernel/time/timer.c`).
const WHEEL: u64 = 8;

/// What the age of one socket is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// Its true state.
    pub state: TcpState,
    /// A timewait socket.
    pub mini: bool,
    /// `idiag_timer` is the retransmission timer (1).
    pub retransmitting: bool,
    /// `idiag_expires`, milliseconds.
    pub expires_ms: u32,
    /// `idiag_retrans`.
    pub retransmits: u8,
    /// Unacknowledged bytes besides SYN and FIN.
    pub send_queue: u32,
    /// `tcp_info`, where the socket is a full one.
    pub info: Option<&'a TcpInfo>,
    /// `net.ipv4.tcp_fin_timeout` of its namespace, seconds.
    pub fin_timeout_s: Option<u32>,
}

impl Evidence<'_> {
    /// The bounds.
    #[must_use]
    pub fn age(&self) -> Age {
        let expires = u64::from(self.expires_ms);
        match (self.state, self.info) {
            (TcpState::TimeWait, _) if self.mini => self.time_wait(expires),
            (TcpState::FinWait2, _) if self.mini => self.orphan(expires),
            (TcpState::NewSynRecv, _) => self.request(expires),
            // tcp_info is empty for a listener.
            (_, None) | (TcpState::Listen | TcpState::Closed | TcpState::TimeWait, Some(_)) => Age::default(),
            (TcpState::Established, Some(info)) => {
                let idle = info.last_sent_ms.max(info.last_received_ms).max(info.last_ack_ms);
                between(Some(idle), None)
            }
            // The FIN that brought it here moved last_ack (tcp_ack) and not last_received (tcp_event_data_recv).
            (TcpState::CloseWait, Some(info)) => {
                between(Some(info.last_ack_ms), Some(u64::from(info.last_received_ms)))
            }
            // The ACK of our FIN moved last_ack; no data can be sent after a FIN.
            (TcpState::FinWait2, Some(info)) => {
                between(Some(info.last_ack_ms), Some(u64::from(info.last_sent_ms)))
            }
            (TcpState::Closing, Some(info)) => {
                let received = u64::from(info.last_received_ms);
                between(
                    Some(info.last_ack_ms),
                    Some(busy_ms(info).map_or(received, |busy| busy.min(received))),
                )
            }
            (TcpState::FinWait1, Some(info)) => between(self.only_fin(info), busy_ms(info)),
            (TcpState::LastAck, Some(info)) => {
                let received = u64::from(info.last_received_ms);
                between(self.only_fin(info), Some(busy_ms(info).map_or(received, |busy| busy.min(received))))
            }
            (TcpState::SynSent, Some(info)) => self.syn(info, expires),
            (TcpState::SynRecv, Some(info)) => between(self.since_first_send(info), None),
        }
    }

    /// The timer starts with the state. A segment that comes in the state restarts it (`tcp_timewait_state_process`), which
    /// then looks like a later entry.
    fn time_wait(&self, expires: u64) -> Age {
        if expires > TIME_WAIT_MS {
            return Age::default();
        }
        let age = TIME_WAIT_MS - expires;
        // Past its expiry and not yet fired: somewhere in the bucket of the wheel.
        let late = if expires == 0 { TIME_WAIT_MS / WHEEL } else { 0 };
        bounds(age, Some(age + late))
    }

    /// The timer tells how long the socket has been a mini (`tcp_fin_time`); before that it may have been a full FIN_WAIT_2
    /// for any time, so there is no upper bound. `TCP_LINGER2` may set another time for one socket, which nothing shows.
    fn orphan(&self, expires: u64) -> Age {
        let Some(timeout) = self.fin_timeout_s else { return Age::default() };
        let timeout = u64::from(timeout).saturating_mul(1000);
        // Above 60 s a full orphan waits the excess first, then a mini for the excess again.
        let whole = match timeout.checked_sub(TIME_WAIT_MS) {
            Some(excess) if excess > 0 => excess.saturating_mul(2),
            _ => timeout,
        };
        bounds(whole.saturating_sub(expires), None)
    }

    /// A request socket: its k-th timeout takes `1 s << k` (`tcp_reqsk_timeout`). Under `TCP_DEFER_ACCEPT` timeouts pass
    /// without a retransmission, so more may have gone by than `idiag_retrans` says; there is no upper bound.
    fn request(&self, expires: u64) -> Age {
        // Nothing retransmits more than 255 times, and the timeout stops growing at 2 minutes: 7 doublings.
        let doublings = u32::from(self.retransmits).min(7);
        let gone = FIRST_TIMEOUT_MS * ((1 << doublings) - 1);
        bounds((gone + (FIRST_TIMEOUT_MS << doublings)).saturating_sub(expires), None)
    }

    /// SYN_SENT began with the SYN. `last_*` are garbage here, they count from boot.
    fn syn(&self, info: &TcpInfo, expires: u64) -> Age {
        if !self.retransmitting {
            return Age::default();
        }
        let Some(gone) = elapsed_ms(info, expires) else { return Age::default() };
        // A first timeout below 1 s is a longer one cut at `net.ipv4.tcp_rto_max_ms`, or one out of the route's cache.
        let plain = first_rto_ms(info).is_some_and(|first| first >= FIRST_TIMEOUT_MS);
        bounds(gone, plain.then_some(gone + gone / WHEEL))
    }

    /// The retransmission timer has run since our FIN, or since the ACK of the last data behind it, if nothing but the FIN
    /// is unacknowledged. With data before it the timer may be older than the FIN.
    fn only_fin(&self, info: &TcpInfo) -> Option<u32> {
        if self.send_queue == 0 { self.since_first_send(info) } else { None }
    }

    /// Milliseconds since what is now retransmitted was first sent; `None` before the first timeout, when a tail-loss probe
    /// may stand in for the timer.
    fn since_first_send(&self, info: &TcpInfo) -> Option<u32> {
        if !self.retransmitting || info.retransmits == 0 {
            return None;
        }
        elapsed_ms(info, u64::from(self.expires_ms)).and_then(|gone| u32::try_from(gone).ok())
    }
}

/// The first timeout, before any doubling, milliseconds.
fn first_rto_ms(info: &TcpInfo) -> Option<u64> {
    Some(u64::from(info.rto_us.checked_shr(u32::from(info.backoff))?) / 1000)
}

/// Sum of the timeouts that have passed: `retransmits - backoff` linear ones (`tcp_syn_linear_timeouts`), the others doubling
/// (Linux `net/ipv4/tcp_timer.c:tcp_retransmit_timer`). A timeout cut at its maximum makes this too small, never too large.
fn elapsed_ms(info: &TcpInfo, expires: u64) -> Option<u64> {
    let first = first_rto_ms(info)?;
    let linear = u64::from(info.retransmits.saturating_sub(info.backoff));
    let doubled = 1_u64.checked_shl(u32::from(info.backoff))?.saturating_sub(1);
    let gone = first.saturating_mul(linear.saturating_add(doubled));
    Some(gone.saturating_add((u64::from(info.rto_us) / 1000).saturating_sub(expires)))
}

/// Time with something unacknowledged covers all of a state whose FIN is unacknowledged (`tcp_chrono_start` in `tcp_send_fin`).
fn busy_ms(info: &TcpInfo) -> Option<u64> {
    info.busy_us.map(|busy| busy / 1000)
}

fn between(at_least_ms: Option<u32>, at_most_ms: Option<u64>) -> Age {
    bounds(u64::from(at_least_ms.unwrap_or_default()), at_most_ms)
}

/// Milliseconds to nanoseconds, a tick of doubt on either side.
fn bounds(at_least_ms: u64, at_most_ms: Option<u64>) -> Age {
    let ns = |ms: u64| ms.saturating_mul(1_000_000);
    let at_most_ns = at_most_ms.map(|ms| ns(ms).saturating_add(TICK_NS));
    let at_least_ns = ns(at_least_ms).saturating_sub(TICK_NS);
    // Bounds that contradict each other bound nothing.
    match at_most_ns {
        Some(most) if most < at_least_ns => Age { at_least_ns: 0, at_most_ns: None },
        _ => Age { at_least_ns, at_most_ns },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: u64 = 1_000_000;

    fn evidence<'a>(state: TcpState, info: Option<&'a TcpInfo>) -> Evidence<'a> {
        Evidence {
            state,
            mini: info.is_none(),
            retransmitting: true,
            expires_ms: 0,
            retransmits: 0,
            send_queue: 0,
            info,
            fin_timeout_s: Some(60),
        }
    }

    #[test]
    fn time_wait_is_sixty_seconds_less_what_remains() {
        let age = Evidence { expires_ms: 50_000, ..evidence(TcpState::TimeWait, None) }.age();
        assert_eq!((age.at_least_ns, age.at_most_ns), (9_990 * MS, Some(10_010 * MS)));
        let overdue = evidence(TcpState::TimeWait, None).age();
        assert!(overdue.at_most_ns.unwrap() > 62 * 1000 * MS, "the wheel fires late");
    }

    #[test]
    fn an_orphan_above_sixty_seconds_waits_the_excess_twice() {
        let young =
            Evidence { expires_ms: 3_000, fin_timeout_s: Some(63), ..evidence(TcpState::FinWait2, None) };
        assert_eq!(young.age().at_least_ns, 2_990 * MS);
        let unknown = Evidence { fin_timeout_s: None, ..young };
        assert_eq!(unknown.age(), Age::default());
    }

    #[test]
    fn close_wait_lies_between_the_last_ack_and_the_last_data() {
        let info = TcpInfo { last_ack_ms: 60, last_received_ms: 3_788, ..TcpInfo::default() };
        let age = evidence(TcpState::CloseWait, Some(&info)).age();
        assert_eq!((age.at_least_ns, age.at_most_ns), (50 * MS, Some(3_798 * MS)));
    }

    #[test]
    fn syn_sent_adds_up_linear_and_doubled_timeouts() {
        let info = TcpInfo { retransmits: 6, backoff: 2, rto_us: 4_000_000, ..TcpInfo::default() };
        let age = Evidence { expires_ms: 1_000, ..evidence(TcpState::SynSent, Some(&info)) }.age();
        // 4 linear seconds, 1 + 2 doubled, 3 of the running 4.
        assert_eq!(age.at_least_ns, 9_990 * MS);
        assert!(age.at_most_ns.unwrap() >= 10_000 * MS);
    }

    #[test]
    fn a_fin_behind_unacknowledged_data_has_no_lower_bound() {
        let info = TcpInfo {
            retransmits: 2,
            backoff: 2,
            rto_us: 800_000,
            busy_us: Some(900_000),
            ..TcpInfo::default()
        };
        let alone = Evidence { expires_ms: 700, ..evidence(TcpState::FinWait1, Some(&info)) };
        assert_eq!((alone.age().at_least_ns, alone.age().at_most_ns), (690 * MS, Some(910 * MS)));
        assert_eq!(Evidence { send_queue: 9, ..alone }.age().at_least_ns, 0);
    }

    #[test]
    fn listen_has_no_age() {
        let info = TcpInfo { last_ack_ms: 9_999_999, ..TcpInfo::default() };
        assert_eq!(evidence(TcpState::Listen, Some(&info)).age(), Age::default());
    }

    proptest! {
        #[test]
        fn bounds_never_contradict_and_never_overflow(
            state in prop::sample::select(TcpState::ALL.to_vec()), full: bool, retransmitting: bool, expires_ms: u32,
            retransmits: u8, backoff: u8, rto_us: u32, times: [u32; 3], busy_us: Option<u64>, fin_timeout_s: Option<u32>,
        ) {
            let [last_sent_ms, last_received_ms, last_ack_ms] = times;
            let info = TcpInfo { retransmits, backoff, rto_us, last_sent_ms, last_received_ms, last_ack_ms, busy_us,
                ..TcpInfo::default() };
            let age = Evidence { state, mini: !full, retransmitting, expires_ms, retransmits, send_queue: 0,
                info: full.then_some(&info), fin_timeout_s }.age();
            prop_assert!(age.at_most_ns.is_none_or(|most| most >= age.at_least_ns));
        }
    }
}
