//! The kernel's rules for timewait sockets: how long TIME_WAIT and an orphan FIN_WAIT_2 last.

use std::time::Duration;

/// `TCP_TIMEWAIT_LEN` (Linux `include/net/tcp.h`): not settable.
pub(crate) const TIME_WAIT: Duration = Duration::from_mins(1);

/// How long an orphan's FIN_WAIT_2 lasts from the moment that it is one, in two parts: as a full socket, then as a
/// timewait socket (kernel-facts §4; Linux `tcp_fin_time`, `tcp_rcv_state_process`, `tcp_keepalive_timer`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Orphan {
    /// As a full socket with a keepalive timer; zero when it becomes a timewait socket at once.
    pub(crate) full: Duration,
    /// As a timewait socket. The kernel takes 3.5 × RTO where that is more.
    pub(crate) mini: Duration,
}

/// The rule for an orphan FIN_WAIT_2. `linger2` is `tp->linger2` in jiffies (0 = the namespace's tcp_fin_timeout).
pub(crate) fn orphan(linger2: i32, hz: u32, fin_timeout_s: u32) -> Orphan {
    let timeout = match u64::try_from(linger2) {
        Ok(jiffies) if jiffies > 0 => {
            Duration::from_nanos(jiffies.saturating_mul(1_000_000_000) / u64::from(hz.max(1)))
        }
        _ => Duration::from_secs(u64::from(fin_timeout_s)),
    };
    // Above a minute the kernel first waits as a full socket for what is over a minute, then makes a timewait socket
    // for the same time again: 2 × (t - 60 s), not t.
    match timeout.checked_sub(TIME_WAIT) {
        Some(beyond) if !beyond.is_zero() => Orphan { full: beyond, mini: beyond },
        _ => Orphan { full: Duration::ZERO, mini: timeout },
    }
}

/// How late the kernel's timer wheel may fire a timer set for `after`, nanoseconds (Linux `kernel/time/timer.c`: eight
/// times coarser for each level of 64 steps).
pub(crate) fn wheel_slack_ns(after: Duration, hz: u32) -> u64 {
    let hz = u64::from(hz.max(1));
    let jiffies = u64::try_from(after.as_millis()).unwrap_or(u64::MAX).saturating_mul(hz) / 1000;
    let (mut step, mut reach) = (1_u64, 64_u64);
    while jiffies >= reach && step < 1 << 24 {
        step <<= 3;
        reach <<= 3;
    }
    step.saturating_mul(1_000_000_000) / hz
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_orphan_expires_after_tcp_fin_timeout() {
        assert_eq!(orphan(0, 250, 3), Orphan { full: Duration::ZERO, mini: Duration::from_secs(3) });
        assert_eq!(orphan(0, 250, 60), Orphan { full: Duration::ZERO, mini: Duration::from_mins(1) });
    }

    #[test]
    fn above_a_minute_it_is_twice_what_is_beyond() {
        let three = Duration::from_secs(3);
        assert_eq!(orphan(0, 250, 63), Orphan { full: three, mini: three });
    }

    #[test]
    fn linger2_is_in_jiffies_and_goes_before_the_sysctl() {
        assert_eq!(orphan(500, 250, 60).mini, Duration::from_secs(2));
        assert_eq!(orphan(2000, 1000, 60).mini, Duration::from_secs(2));
    }

    #[test]
    fn a_minute_is_known_to_about_two_seconds_at_250_hz() {
        assert_eq!(wheel_slack_ns(TIME_WAIT, 250), 2_048_000_000);
        assert_eq!(wheel_slack_ns(TIME_WAIT, 1000), 4_096_000_000);
        assert_eq!(wheel_slack_ns(Duration::from_millis(100), 250), 4_000_000);
    }
}
