//! Why a connection ended: kernel-facts §7, §9, §10 and §16 as code, joined with the RSTs seen on the socket.

use super::life::{Life, Rare};
use crate::model::event::{ResetReason, StateChange};
use crate::model::life::{ClosedBy, Detail, End, Ending};
use crate::model::socket::SocketFacts;
use crate::model::state::TcpState;
use crate::model::time::Mono;

const ENETUNREACH: u16 = 101;
const ECONNABORTED: u16 = 103;
const ECONNRESET: u16 = 104;
const ETIMEDOUT: u16 = 110;
const ECONNREFUSED: u16 = 111;
const EHOSTUNREACH: u16 = 113;
const EPIPE: u16 = 32;
/// What else ICMP makes of a connect (Linux `net/ipv4/icmp.c`: `icmp_err_convert`; `net/ipv6/icmp.c`: `tab_unreach`):
/// ENOPROTOOPT, EHOSTDOWN, ENONET, EOPNOTSUPP, EPROTO, EACCES.
const OTHER_UNREACHABLE: [u16; 6] = [92, 112, 64, 95, 71, 13];

/// A LISTEN that ends sooner after listen() without a shutdown was a listen() that failed.
const FAILED_LISTEN_NS: u64 = 1_000_000;

/// No TCP timer gives up sooner than after one smallest retransmission timeout (Linux `TCP_RTO_MIN`).
const NO_TIMEOUT_BEFORE_NS: u64 = 200_000_000;

/// What `X > CLOSE` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is over, for this reason.
    Over(Ending),
    /// It became a timewait socket in TIME_WAIT.
    TimeWait,
    /// It became a timewait socket in FIN_WAIT_2; with `tp->linger2`.
    Orphan(i32),
    /// It became a timewait socket, in TIME_WAIT or FIN_WAIT_2: the classic path cannot tell.
    Either,
    /// It is over; a RST that may follow within microseconds tells why.
    Wait(Ending),
}

/// An ending whose reason waits for a neighbouring event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) at: Mono,
    /// When to wait no longer.
    pub(crate) until: Mono,
    /// The kernel's own event.
    pub(crate) from: TcpState,
    /// What it is when no RST follows.
    pub(crate) fallback: Ending,
    /// `sk_shutdown` was 3: close(), not a disconnect.
    pub(crate) closing: bool,
    /// The process may still hold its fd.
    pub(crate) attached: bool,
    /// Only a RST decides it; a destroy comes before that RST.
    pub(crate) data_after_close: bool,
}

/// Which neighbours are traced, so that nothing waits in vain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traced {
    pub(crate) resets: bool,
}

pub(crate) const fn ending(end: End) -> Ending {
    Ending { end, detail: None }
}

pub(crate) const fn because(end: End, word: &'static str) -> Ending {
    Ending { end, detail: Some(Detail::Word(word)) }
}

/// What the kernel's event `from > CLOSE` means for `life`, which is in `from`.
pub(crate) fn judge(life: &Life, event: &StateChange, traced: Traced) -> Verdict {
    let rare = life.rare.as_deref();
    match &event.facts {
        Some(facts) => with_facts(life, rare, event, facts, traced),
        None => without_facts(life, rare, event, traced),
    }
}

fn with_facts(
    life: &Life,
    rare: Option<&Rare>,
    event: &StateChange,
    facts: &SocketFacts,
    traced: Traced,
) -> Verdict {
    let from = event.from;
    let received = rare.is_some_and(|rare| rare.reset_received);
    let sent = rare.and_then(|rare| rare.reset_sent).and_then(|(_, reason)| reason);
    if facts.error == ECONNABORTED {
        return Verdict::Over(Ending { end: End::Aborted, detail: event.actor.map(Detail::Killer) });
    }
    if from == TcpState::SynSent {
        return Verdict::Over(connect_failed(life, facts, received, traced));
    }
    match facts.error {
        0 => {}
        ECONNRESET | EPIPE => {
            let fallback = ending(End::RstReceived);
            // Data after close() looks like a received RST until ours goes out (tcp_rcv_state_process, tcp_reset).
            let maybe_ours = facts.dead || facts.shutdown & 1 != 0;
            let closing = matches!(
                from,
                TcpState::FinWait1
                    | TcpState::FinWait2
                    | TcpState::CloseWait
                    | TcpState::Closing
                    | TcpState::LastAck
            );
            return if traced.resets && maybe_ours && closing {
                Verdict::Wait(fallback)
            } else {
                Verdict::Over(fallback)
            };
        }
        // The peer vanished; where ICMP said so on the way, its soft error becomes the error.
        ETIMEDOUT | EHOSTUNREACH | ENETUNREACH => return Verdict::Over(timed_out(from, facts, sent)),
        error if error == facts.error_soft => return Verdict::Over(timed_out(from, facts, sent)),
        _ => return Verdict::Over(ending(End::Unknown)),
    }
    match from {
        TcpState::LastAck => Verdict::Over(ending(End::Fin)),
        TcpState::Closing => Verdict::TimeWait,
        TcpState::FinWait2 if facts.done => Verdict::TimeWait,
        TcpState::FinWait2 if facts.dead && facts.linger2 < 0 => {
            Verdict::Over(because(End::RstSent, "linger2"))
        }
        TcpState::FinWait2 if facts.dead => Verdict::Orphan(facts.linger2),
        TcpState::Listen => Verdict::Over(listener_closed(life, event.at, Some(facts.shutdown))),
        _ if facts.locked => {
            let fallback = match (facts.shutdown, facts.linger_zero) {
                (3, true) => because(End::RstSent, "linger_0"),
                (3, false) if facts.dead => ending(End::RstSent),
                (3, false) => because(End::RstSent, "unread_data"),
                _ => because(End::RstSent, "disconnect"),
            };
            // Disconnect needs no reason from the RST: nothing else leaves shutdown incomplete.
            if traced.resets && facts.shutdown == 3 {
                Verdict::Wait(fallback)
            } else {
                Verdict::Over(fallback)
            }
        }
        _ if facts.subflow => Verdict::Over(ending(End::RstSent)),
        _ if !facts.attached && !facts.dead => Verdict::Over(because(End::RstSent, "listener_closed")),
        _ if received => Verdict::Over(ending(End::RstReceived)),
        _ if traced.resets => Verdict::Wait(ending(End::Unknown)),
        _ => Verdict::Over(ending(End::Unknown)),
    }
}

fn connect_failed(life: &Life, facts: &SocketFacts, received: bool, traced: Traced) -> Ending {
    match facts.error {
        0 if !life.ends.has_local_port() => ending(End::NoLocalPort),
        0 => ending(End::GaveUp),
        ECONNREFUSED if received => because(End::Refused, "rst"),
        ECONNREFUSED if traced.resets => because(End::Refused, "icmp"),
        ECONNREFUSED => ending(End::Refused),
        ECONNRESET => ending(End::RstReceived),
        ETIMEDOUT => because(End::Timeout, "syn"),
        EHOSTUNREACH | ENETUNREACH => ending(End::Unreachable),
        error if OTHER_UNREACHABLE.contains(&error) => ending(End::Unreachable),
        _ => ending(End::Unknown),
    }
}

fn timed_out(from: TcpState, facts: &SocketFacts, sent: Option<ResetReason>) -> Ending {
    if from == TcpState::SynRecv {
        return because(End::Timeout, "synack");
    }
    if sent == Some(ResetReason::KeepaliveTimeout) {
        return because(End::Timeout, "keepalive");
    }
    let word = match facts {
        SocketFacts { dead: true, subflow: false, .. } => "orphan",
        SocketFacts { unanswered: 1.., user_timeout: true, .. } => "user_timeout",
        SocketFacts { unanswered: 1.., .. } => "retransmission",
        SocketFacts { unacked: 1.., .. } => "zero_window",
        SocketFacts { keepalive: true, .. } => "keepalive",
        SocketFacts { user_timeout: true, .. } => "user_timeout",
        _ => return ending(End::Timeout),
    };
    because(End::Timeout, word)
}

fn listener_closed(life: &Life, at: Mono, shutdown: Option<u8>) -> Ending {
    let stay = life.stays.last();
    let failed = stay.known == super::stays::Known::Event && at.since(stay.entered) < FAILED_LISTEN_NS;
    match shutdown {
        Some(3) => because(End::ListenClosed, "close"),
        Some(_) if failed => because(End::ListenClosed, "listen_failed"),
        Some(_) => because(End::ListenClosed, "shutdown"),
        None => ending(End::ListenClosed),
    }
}

/// What the classic tracepoint allows to say: it has no error and no flags.
fn without_facts(life: &Life, rare: Option<&Rare>, event: &StateChange, traced: Traced) -> Verdict {
    let received = rare.is_some_and(|rare| rare.reset_received);
    let sent = rare.and_then(|rare| rare.reset_sent);
    if event.from == TcpState::SynSent {
        // The port is there from the first packet on: without one it never came to that.
        return Verdict::Over(if !life.ends.has_local_port() {
            ending(End::NoLocalPort)
        } else if received {
            because(End::Refused, "rst")
        } else {
            ending(End::Unknown)
        });
    }
    if let Some((_, Some(ResetReason::KeepaliveTimeout))) = sent {
        return Verdict::Over(because(End::Timeout, "keepalive"));
    }
    if received {
        let fallback = ending(End::RstReceived);
        return if traced.resets && event.from != TcpState::Established {
            Verdict::Wait(fallback)
        } else {
            Verdict::Over(fallback)
        };
    }
    let stay = life.stays.last();
    let quick = stay.known == super::stays::Known::Event
        && event.at.since(stay.entered) < NO_TIMEOUT_BEFORE_NS
        && traced.resets;
    match event.from {
        TcpState::Listen => Verdict::Over(listener_closed(life, event.at, None)),
        TcpState::FinWait2 => Verdict::Either,
        TcpState::Closing => Verdict::TimeWait,
        // Neither a RST nor time for a timeout: what is left is the ACK of our FIN.
        TcpState::LastAck if quick => Verdict::Over(ending(End::Fin)),
        TcpState::LastAck => Verdict::Over(ending(End::Unknown)),
        _ if traced.resets => Verdict::Wait(ending(End::Unknown)),
        _ => Verdict::Over(ending(End::Unknown)),
    }
}

/// What a held ending is, now that a RST of ours went out for `reason`; `None` when that tells nothing.
pub(crate) fn after_reset(held: &Held, reason: Option<ResetReason>) -> Option<Ending> {
    Some(match reason {
        Some(ResetReason::AbortOnData) => because(End::RstSent, "data_after_close"),
        // Before Linux 6.10 no reason is told. Whom a received RST has closed sends none himself, so this one is the cause, and the
        // kernel called its own end a received reset (Linux `net/ipv4/tcp_input.c:tcp_rcv_state_process`, TCPABORTONDATA).
        None if held.data_after_close => because(End::RstSent, "data_after_close"),
        // A RST was received and nothing else was said: our own RSTs of other kinds are no cause.
        _ if held.data_after_close => return None,
        Some(ResetReason::AbortOnClose) => because(End::RstSent, "unread_data"),
        Some(ResetReason::AbortOnLinger) => because(End::RstSent, "linger2"),
        Some(ResetReason::AbortOnMemory) => because(End::RstSent, "memory"),
        Some(ResetReason::KeepaliveTimeout) => because(End::Timeout, "keepalive"),
        Some(ResetReason::TcpState) if held.closing => because(End::RstSent, "linger_0"),
        _ if held.fallback.end == End::Unknown => ending(End::RstSent),
        _ => held.fallback,
    })
}

/// Who closed first where no FIN told.
pub(crate) fn closed_by(end: End) -> Option<ClosedBy> {
    match end {
        End::RstSent | End::GaveUp | End::ListenClosed => Some(ClosedBy::Local),
        End::RstReceived => Some(ClosedBy::Remote),
        _ => None,
    }
}
