//! The part of `struct tcp_info` that tcptrace reads (Linux `net/ipv4/tcp.c:tcp_get_info`).

use crate::model::socket::Counters;
use crate::model::state::TcpState;

/// Times and counters of a full socket. Kernels append fields, so a shorter struct is an older kernel's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpInfo {
    /// `tcpi_retransmits`: timeouts since the last progress.
    pub retransmits: u8,
    /// `tcpi_backoff`: doublings in `rto_us`.
    pub backoff: u8,
    /// `tcpi_rto`, microseconds, doublings included.
    pub rto_us: u32,
    /// `tcpi_last_data_sent`, milliseconds ago.
    pub last_sent_ms: u32,
    /// `tcpi_last_data_recv`, milliseconds ago; a FIN without data does not count.
    pub last_received_ms: u32,
    /// `tcpi_last_ack_recv`, milliseconds ago; any acceptable segment counts, FIN included.
    pub last_ack_ms: u32,
    /// `tcpi_rtt`, microseconds, smoothed.
    pub srtt_us: u32,
    /// `tcpi_total_retrans`.
    pub total_retransmits: u32,
    /// `tcpi_bytes_received`: counts the peer's FIN.
    pub bytes_received: Option<u64>,
    /// `tcpi_segs_out`.
    pub segments_out: Option<u32>,
    /// `tcpi_segs_in`.
    pub segments_in: Option<u32>,
    /// `tcpi_busy_time`, microseconds with something unacknowledged, over the whole life (since 4.10).
    pub busy_us: Option<u64>,
    /// `tcpi_bytes_sent`: counts retransmissions (since 4.19).
    pub bytes_sent: Option<u64>,
    /// `tcpi_bytes_retrans` (since 4.19).
    pub bytes_retransmitted: Option<u64>,
}

impl TcpInfo {
    /// Reads the attribute `INET_DIAG_INFO`; `None` if it ends before `tcpi_total_retrans`, where every kernel's has more.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            retransmits: *bytes.get(2)?,
            backoff: *bytes.get(4)?,
            rto_us: u32_at(bytes, 8)?,
            last_sent_ms: u32_at(bytes, 44)?,
            last_received_ms: u32_at(bytes, 52)?,
            last_ack_ms: u32_at(bytes, 56)?,
            srtt_us: u32_at(bytes, 68)?,
            total_retransmits: u32_at(bytes, 100)?,
            bytes_received: u64_at(bytes, 128),
            segments_out: u32_at(bytes, 136),
            segments_in: u32_at(bytes, 140),
            busy_us: u64_at(bytes, 168),
            bytes_sent: u64_at(bytes, 200),
            bytes_retransmitted: u64_at(bytes, 208),
        })
    }

    /// What the connection carried, the peer's FIN taken out; `None` on kernels before 4.19, which cannot tell.
    #[must_use]
    pub fn counters(&self, state: TcpState) -> Option<Counters> {
        Some(Counters {
            bytes_sent: self.bytes_sent?.saturating_sub(self.bytes_retransmitted?),
            bytes_received: self.bytes_received?.saturating_sub(u64::from(peer_finished(state))),
            segments_out: self.segments_out?,
            segments_in: self.segments_in?,
            retransmits: self.total_retransmits,
            srtt_us: self.srtt_us,
        })
    }
}

/// States behind the peer's FIN, which `rcv_nxt` and `bytes_received` count as a byte.
#[must_use]
pub const fn peer_finished(state: TcpState) -> bool {
    matches!(state, TcpState::CloseWait | TcpState::LastAck | TcpState::Closing)
}

/// States with our SYN or FIN unacknowledged, which `write_seq` counts as a byte.
#[must_use]
pub const fn flag_unacknowledged(state: TcpState) -> bool {
    matches!(
        state,
        TcpState::SynSent | TcpState::SynRecv | TcpState::FinWait1 | TcpState::LastAck | TcpState::Closing
    )
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|field| u32::from_ne_bytes(*field))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|field| u64::from_ne_bytes(*field))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_struct_of_an_old_kernel_has_no_counters_but_times() {
        let mut bytes = [0; 104];
        bytes[44] = 9;
        let info = TcpInfo::decode(&bytes).unwrap();
        assert_eq!((info.last_sent_ms, info.busy_us, info.counters(TcpState::Established)), (9, None, None));
        assert_eq!(TcpInfo::decode(&bytes[..103]), None);
    }

    #[test]
    fn retransmissions_and_the_fin_are_no_application_bytes() {
        let info = TcpInfo {
            bytes_sent: Some(1500),
            bytes_retransmitted: Some(500),
            bytes_received: Some(11),
            segments_out: Some(1),
            segments_in: Some(1),
            ..TcpInfo::default()
        };
        let counters = info.counters(TcpState::CloseWait).unwrap();
        assert_eq!((counters.bytes_sent, counters.bytes_received), (1000, 10));
        assert_eq!(info.counters(TcpState::Established).unwrap().bytes_received, 11);
    }
}
