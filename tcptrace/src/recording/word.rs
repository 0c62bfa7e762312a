//! The words of a recording and what they stand for. They are the format: one that is printed elsewhere may change there, not here.

use std::net::{IpAddr, Ipv4Addr};

use crate::model::comm::Comm;
use crate::model::event::{LossPlace, ResetReason};
use crate::model::owner::OwnerHow;
use crate::model::snapshot::TimerKind;
use crate::model::socket::Protocol;
use crate::model::state::TcpState;

/// One spelling for each value, both ways.
macro_rules! words {
    ($write:ident, $read:ident, $type:ty, $($text:literal = $value:path),+ $(,)?) => {
        pub(super) const fn $write(value: $type) -> &'static str {
            match value {
                $($value => $text,)+
            }
        }

        pub(super) fn $read(text: &[u8]) -> Option<$type> {
            $(if text == $text.as_bytes() {
                return Some($value);
            })+
            None
        }
    };
}

words!(
    state,
    state_of,
    TcpState,
    "ESTABLISHED" = TcpState::Established,
    "CLOSED" = TcpState::Closed,
    "SYN_SENT" = TcpState::SynSent,
    "SYN_RECV" = TcpState::SynRecv,
    "FIN_WAIT_1" = TcpState::FinWait1,
    "FIN_WAIT_2" = TcpState::FinWait2,
    "CLOSE_WAIT" = TcpState::CloseWait,
    "LAST_ACK" = TcpState::LastAck,
    "LISTEN" = TcpState::Listen,
    "TIME_WAIT" = TcpState::TimeWait,
    "CLOSING" = TcpState::Closing,
    "NEW_SYN_RECV" = TcpState::NewSynRecv,
);

words!(
    how,
    how_of,
    OwnerHow,
    "connect" = OwnerHow::Connect,
    "accept" = OwnerHow::Accept,
    "listener" = OwnerHow::Listener,
    "close" = OwnerHow::Close,
    "listen" = OwnerHow::Listen,
    "fd_table" = OwnerHow::FdTable,
);

words!(protocol, protocol_of, Protocol, "tcp" = Protocol::Tcp, "mptcp" = Protocol::Mptcp,);

words!(
    timer,
    timer_of,
    TimerKind,
    "retransmit" = TimerKind::Retransmit,
    "keepalive" = TimerKind::Keepalive,
    "time_wait" = TimerKind::TimeWait,
    "probe" = TimerKind::Probe,
);

words!(
    place,
    place_of,
    LossPlace,
    "ring_buffer" = LossPlace::RingBuffer,
    "map" = LossPlace::Map,
    "table" = LossPlace::Table,
);

/// Reset reasons with a name.
const REASONS: [(&str, ResetReason); 7] = [
    ("abort_on_close", ResetReason::AbortOnClose),
    ("abort_on_linger", ResetReason::AbortOnLinger),
    ("abort_on_memory", ResetReason::AbortOnMemory),
    ("abort_on_data", ResetReason::AbortOnData),
    ("state", ResetReason::TcpState),
    ("keepalive_timeout", ResetReason::KeepaliveTimeout),
    ("timewait_socket", ResetReason::TimewaitSocket),
];

/// The reason's name, or the number of one without.
pub(super) fn reason(reason: ResetReason) -> Result<&'static str, u16> {
    match reason {
        ResetReason::Other(number) => Err(number),
        named => REASONS.iter().find(|(_, one)| *one == named).map(|(name, _)| *name).ok_or(0),
    }
}

pub(super) fn reason_of(text: &[u8]) -> Option<ResetReason> {
    let text = str::from_utf8(text).ok()?;
    match text.strip_prefix("other_") {
        Some(number) => number.parse().ok().map(ResetReason::Other),
        None => REASONS.iter().find(|(name, _)| *name == text).map(|(_, reason)| *reason),
    }
}

/// Hex without prefix.
pub(super) fn hex_of(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 16 {
        return None;
    }
    // No branch for a digit: nothing could predict it.
    let (number, all) = text.iter().fold((0, 0), |(number, all), byte| {
        let nibble = NIBBLES[usize::from(*byte)];
        (number << 4 | u64::from(nibble), all | nibble)
    });
    (all < 16).then_some(number)
}

/// What each byte is worth as a hex digit; 255: it is none.
const NIBBLES: [u8; 256] = {
    let mut worth = [u8::MAX; 256];
    let mut nibble = 0_u8;
    while nibble < 16 {
        worth[b"0123456789abcdef"[nibble as usize] as usize] = nibble;
        worth[b"0123456789ABCDEF"[nibble as usize] as usize] = nibble;
        nibble += 1;
    }
    worth
};

fn nibble(byte: u8) -> Option<u8> {
    Some(NIBBLES[usize::from(byte)]).filter(|nibble| *nibble < 16)
}

/// An IP address. The usual v4 ones take the short way.
pub(super) fn address_of(text: &[u8]) -> Option<IpAddr> {
    v4_of(text).map(IpAddr::V4).or_else(|| str::from_utf8(text).ok()?.parse().ok())
}

fn v4_of(text: &[u8]) -> Option<Ipv4Addr> {
    let mut octets = [0_u8; 4];
    let mut octet = 0;
    let mut value = 0_u16;
    let mut digits = 0;
    for byte in text {
        if *byte == b'.' {
            // An empty part, or a fifth one.
            if digits == 0 || octet == 3 {
                return None;
            }
            *octets.get_mut(octet)? = u8::try_from(value).ok()?;
            (octet, value, digits) = (octet + 1, 0, 0);
        } else {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 || digits == 3 || (digits > 0 && value == 0) {
                return None;
            }
            value = value * 10 + u16::from(digit);
            digits += 1;
        }
    }
    if octet != 3 || digits == 0 {
        return None;
    }
    octets[3] = u8::try_from(value).ok()?;
    Some(Ipv4Addr::from(octets))
}

/// A name that is text and nothing else.
pub(super) fn comm_of(text: &[u8]) -> Option<Comm> {
    let mut comm = [0; 16];
    comm.get_mut(..text.len())?.copy_from_slice(text);
    Some(Comm(comm))
}

/// All sixteen bytes of a name.
pub(super) fn comm_of_hex(text: &[u8]) -> Option<Comm> {
    let mut comm = [0; 16];
    if text.len() != 32 {
        return None;
    }
    for (byte, pair) in comm.iter_mut().zip(text.chunks_exact(2)) {
        *byte = nibble(*pair.first()?)? << 4 | nibble(*pair.last()?)?;
    }
    Some(Comm(comm))
}
