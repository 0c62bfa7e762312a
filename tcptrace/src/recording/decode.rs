//! A line as an event. One meaning for both readers: [`Ordered`] for what tcptrace wrote, [`Loose`] for what others have touched.

use std::net::{IpAddr, Ipv4Addr};

use super::field::{Fields, Key, Wrong};
use super::loose::Loose;
use super::ordered::Ordered;
use super::{LONGEST_LINE, key, word};
use crate::model::comm::Comm;
use crate::model::cookie::Cookie;
use crate::model::endpoints::Endpoints;
use crate::model::event::{Accepted, Event, Neighbour, StateChange};
use crate::model::owner::{Owner, Task};
use crate::model::snapshot::{Age, SocketSnapshot, Timer};
use crate::model::socket::{Counters, Protocol, SocketFacts, SocketId, SocketRef};
use crate::model::time::Mono;

/// What a line turned out to be.
#[derive(Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are events, and a box each would cost more than the copy"
)]
pub(super) enum Line<'a> {
    /// An event.
    Event(Event),
    /// The header of a recording, also in the middle where two were put together.
    Header(&'a [u8]),
    /// The last line.
    Footer(&'a [u8]),
    /// The example of all keys: for others.
    Fields,
}

/// The line that `text` begins with, and what follows it. `text` is not empty and ends on a line end.
#[inline]
pub(super) fn decode(text: &[u8]) -> Result<(Line<'_>, &[u8]), Wrong> {
    if let Some((kind, mut fields)) = Ordered::begin(text)
        && let Ok(Some(event)) = event(kind, &mut fields)
        && let Some(rest) = fields.end()
    {
        return Ok((Line::Event(event), rest));
    }
    slowly(text)
}

#[cold]
fn slowly(text: &[u8]) -> Result<(Line<'_>, &[u8]), Wrong> {
    let end = text.iter().position(|byte| *byte == b'\n').map_or(text.len(), |end| end + 1);
    if end > LONGEST_LINE {
        return Err(Wrong::TooLong);
    }
    let (line, rest) = text.split_at(end);
    let object = Loose::parse(line)?;
    let kind = object.get("type").and_then(serde_json::Value::as_str).unwrap_or_default();
    let line = match kind {
        "header" => Line::Header(line),
        "footer" => Line::Footer(line),
        "fields" => Line::Fields,
        _ => match event(kind.as_bytes(), &mut Loose::new(&object))? {
            Some(event) => Line::Event(event),
            None => return Err(Wrong::Type(kind.chars().take(40).collect())),
        },
    };
    Ok((line, rest))
}

/// The event of type `kind`; `None` when there is no such type.
#[inline]
fn event<'a>(kind: &[u8], fields: &mut impl Fields<'a>) -> Result<Option<Event>, Wrong> {
    if kind == b"change" {
        return state_change(fields).map(|change| Some(Event::StateChange(change)));
    }
    rarer(kind, fields)
}

#[inline(never)]
fn rarer<'a>(kind: &[u8], fields: &mut impl Fields<'a>) -> Result<Option<Event>, Wrong> {
    if kind == b"fin_timeout" {
        return Ok(Some(Event::FinTimeout {
            netns: fields.needed(key::NETNS)?,
            seconds: fields.needed(key::SECONDS)?,
        }));
    }
    if kind == b"forked" {
        return Ok(Some(Event::Forked { child: fields.needed(key::PID)? }));
    }
    if let Some(event) = neighbour(kind, fields)? {
        return Ok(Some(event));
    }
    if !matches!(
        kind,
        b"accepted" | b"half_open" | b"socket" | b"dump_done" | b"time_wait_overflow" | b"lost" | b"tick"
    ) {
        return Ok(None);
    }
    let at = Mono(fields.needed(key::MONO)?);
    Ok(Some(match kind {
        b"half_open" => {
            Event::HalfOpen { at, netns: fields.needed(key::NETNS)?, endpoints: endpoints(fields)? }
        }
        b"accepted" => Event::Accepted(Accepted {
            at,
            socket: reference(fields)?,
            task: task(fields, [key::PID, key::COMM, key::COMM_HEX])?.ok_or(Wrong::Missing(key::PID))?,
        }),
        b"socket" => Event::Snapshot(snapshot(at, fields)?),
        b"dump_done" => {
            let netns = fields.needed(key::NETNS)?;
            let began = Mono(fields.needed(key::BEGAN)?);
            Event::SnapshotDone { began, at, netns, states: fields.needed(key::STATES)? }
        }
        b"time_wait_overflow" => Event::TimeWaitOverflow {
            at,
            netns: fields.needed(key::NETNS)?,
            count: fields.needed(key::COUNT)?,
        },
        b"lost" => Event::Lost {
            at,
            count: fields.needed(key::COUNT)?,
            place: fields.meaning(key::PLACE, word::place_of)?,
        },
        _ => Event::Tick(at),
    }))
}

fn neighbour<'a>(kind: &[u8], fields: &mut impl Fields<'a>) -> Result<Option<Event>, Wrong> {
    if !(kind.starts_with(b"reset_") || kind.starts_with(b"timewait_") || kind == b"destroyed") {
        return Ok(None);
    }
    let at = Mono(fields.needed(key::MONO)?);
    let socket = reference(fields)?;
    let what = match kind {
        b"reset_received" => Neighbour::ResetReceived,
        b"reset_sent" => Neighbour::ResetSent(fields.maybe(key::REASON, word::reason_of)?),
        b"destroyed" => Neighbour::Destroyed,
        b"timewait_armed" => Neighbour::TimewaitArmed(fields.meaning(key::STATE, word::state_of)?),
        b"timewait_expired" => Neighbour::TimewaitExpired,
        b"timewait_killed" => Neighbour::TimewaitKilled(fields.meaning(key::STATE, word::state_of)?),
        _ => return Ok(None),
    };
    Ok(Some(Event::Neighbour { at, socket, what }))
}

#[inline]
fn state_change<'a>(fields: &mut impl Fields<'a>) -> Result<StateChange, Wrong> {
    Ok(StateChange {
        at: Mono(fields.needed(key::MONO)?),
        id: identity(fields)?,
        from: fields.meaning(key::FROM, word::state_of)?,
        to: fields.meaning(key::TO, word::state_of)?,
        since: fields.number(key::SINCE)?.map(Mono),
        owner: owner(fields)?,
        actor: task(fields, [key::ACTOR_PID, key::ACTOR_COMM, key::ACTOR_COMM_HEX])?,
        facts: facts(fields)?,
        counters: counters(fields)?,
    })
}

fn snapshot<'a>(at: Mono, fields: &mut impl Fields<'a>) -> Result<SocketSnapshot, Wrong> {
    let id = identity(fields)?;
    let owner = owner(fields)?;
    let counters = counters(fields)?;
    let state = fields.meaning(key::STATE, word::state_of)?;
    let mini = fields.flag(key::MINI)?;
    let age =
        Age { at_least_ns: fields.or_zero(key::AGE_AT_LEAST)?, at_most_ns: fields.number(key::AGE_AT_MOST)? };
    let timer = match fields.maybe(key::TIMER, word::timer_of)? {
        Some(kind) => Some(Timer {
            kind,
            expires_ns: fields.or_zero(key::TIMER_EXPIRES)?,
            late_ns: fields.or_zero(key::TIMER_LATE)?,
            retransmits: fields.or_zero(key::TIMER_RETRANSMITS)?,
        }),
        None => None,
    };
    let receive_queue = fields.or_zero(key::RECEIVE_QUEUE)?;
    let send_queue = fields.or_zero(key::SEND_QUEUE)?;
    Ok(SocketSnapshot {
        at,
        id,
        state,
        mini,
        owner,
        age,
        existed_ns: 0,
        timer,
        receive_queue,
        send_queue,
        counters,
    })
}

#[inline]
fn reference<'a>(fields: &mut impl Fields<'a>) -> Result<SocketRef, Wrong> {
    let cookie = fields.maybe(key::COOKIE, |text| word::hex_of(text).and_then(Cookie::new))?;
    let address = fields.maybe(key::ADDRESS, word::hex_of)?.unwrap_or(0);
    Ok(SocketRef { address, cookie })
}

#[inline]
fn identity<'a>(fields: &mut impl Fields<'a>) -> Result<SocketId, Wrong> {
    let socket = reference(fields)?;
    let protocol = fields.maybe(key::PROTOCOL, word::protocol_of)?.unwrap_or(Protocol::Tcp);
    let netns = fields.fitting(key::NETNS)?;
    let endpoints = endpoints(fields)?;
    Ok(SocketId {
        socket,
        protocol,
        endpoints,
        netns,
        uid: fields.fitting(key::UID)?,
        cgroup: fields.number(key::CGROUP)?,
        inode: fields.number(key::INODE)?,
    })
}

#[inline]
fn endpoints<'a>(fields: &mut impl Fields<'a>) -> Result<Endpoints, Wrong> {
    const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let laddr = fields.maybe(key::LADDR, word::address_of)?.unwrap_or(NOWHERE);
    let lport = fields.or_zero(key::LPORT)?;
    let raddr = fields.maybe(key::RADDR, word::address_of)?.unwrap_or(NOWHERE);
    let rport = fields.or_zero(key::RPORT)?;
    Ok(Endpoints::new((laddr, lport), (raddr, rport)))
}

#[inline]
fn owner<'a>(fields: &mut impl Fields<'a>) -> Result<Option<Owner>, Wrong> {
    match task(fields, [key::PID, key::COMM, key::COMM_HEX])? {
        Some(task) => Ok(Some(Owner { task, how: fields.meaning(key::HOW, word::how_of)? })),
        None => Ok(None),
    }
}

#[inline]
fn task<'a>(fields: &mut impl Fields<'a>, [pid, comm, comm_hex]: [Key; 3]) -> Result<Option<Task>, Wrong> {
    let Some(pid) = fields.fitting(pid)? else { return Ok(None) };
    let plain = fields.text(comm)?;
    let comm = match (fields.maybe(comm_hex, word::comm_of_hex)?, plain) {
        (Some(all), _) => all,
        (None, Some(text)) => word::comm_of(text).ok_or(Wrong::Value(comm))?,
        (None, None) => Comm::default(),
    };
    Ok(Some(Task { pid, comm }))
}

#[inline]
fn facts<'a>(fields: &mut impl Fields<'a>) -> Result<Option<SocketFacts>, Wrong> {
    let Some(words) = fields.text(key::FACTS)? else { return Ok(None) };
    let mut facts = SocketFacts::default();
    if !words.is_empty() {
        for word in words.split(|byte| *byte == b' ') {
            let fact = match word {
                b"dead" => &mut facts.dead,
                b"done" => &mut facts.done,
                b"attached" => &mut facts.attached,
                b"locked" => &mut facts.locked,
                b"linger_zero" => &mut facts.linger_zero,
                b"subflow" => &mut facts.subflow,
                b"fastopen" => &mut facts.fastopen,
                b"user_timeout" => &mut facts.user_timeout,
                b"keepalive" => &mut facts.keepalive,
                _ => return Err(Wrong::Value(key::FACTS)),
            };
            *fact = true;
        }
    }
    facts.error = fields.or_zero(key::ERROR)?;
    facts.error_soft = fields.or_zero(key::ERROR_SOFT)?;
    facts.shutdown = fields.or_zero(key::SHUTDOWN)?;
    let linger2 = fields.signed(key::LINGER2)?.unwrap_or(0);
    facts.linger2 = i32::try_from(linger2).map_err(|_| Wrong::Value(key::LINGER2))?;
    facts.unanswered = fields.or_zero(key::UNANSWERED)?;
    facts.unacked = fields.or_zero(key::UNACKED)?;
    Ok(Some(facts))
}

#[inline]
fn counters<'a>(fields: &mut impl Fields<'a>) -> Result<Option<Counters>, Wrong> {
    let Some(bytes_sent) = fields.number(key::BYTES_SENT)? else { return Ok(None) };
    Ok(Some(Counters {
        bytes_sent,
        bytes_received: fields.or_zero(key::BYTES_RECEIVED)?,
        segments_out: fields.or_zero(key::SEGMENTS_OUT)?,
        segments_in: fields.or_zero(key::SEGMENTS_IN)?,
        retransmits: fields.or_zero(key::RETRANSMITS)?,
        srtt_us: fields.or_zero(key::SRTT)?,
    }))
}
