//! One life as the table keeps it: compact, with what is rare in boxes.

use super::cause::Held;
use super::ends::Ends;
use super::stays::{Known, Stay, Stays};
use super::table::{NOWHERE, Slot};
use crate::model::cookie::Cookie;
use crate::model::event::ResetReason;
use crate::model::evidence::Span;
use crate::model::life::{ClosedBy, ConnectionId, Ending, FirstSeen, OpenedBy, Subject};
use crate::model::measure::Measure;
use crate::model::owner::{Owner, Task};
use crate::model::socket::{Counters, Protocol, SocketFacts, SocketId, SocketRef};
use crate::model::state::TcpState;
use crate::model::time::Mono;

/// What a life is to us.
#[derive(Clone, Debug)]
pub(crate) enum Phase {
    /// A socket that still has events to come.
    Open,
    /// The kernel closed it; why is settled when a neighbouring event comes, or a little later.
    Held(Held),
    /// A timewait socket: no events, its end is found otherwise.
    Mini(Mini),
    /// CLOSED; only its report waits, for the last close of its fd.
    Over,
}

/// A timewait socket (`inet_timewait_sock`), in TIME_WAIT or as an orphan in FIN_WAIT_2.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mini {
    /// When the kernel's rule ends it; `None` when the rule says nothing.
    pub(crate) expires: Option<Mono>,
    /// When it began, where the namespace's tcp_fin_timeout rules it.
    pub(crate) by_sysctl: Option<Mono>,
    /// Granularity of the timer wheel at that distance, nanoseconds.
    pub(crate) slack_ns: u64,
    /// When a dump last showed it.
    pub(crate) confirmed: Option<Mono>,
    /// The kernel may never have made it (TCPTimeWaitOverflow).
    pub(crate) overflowed: bool,
    /// It may be TIME_WAIT as well as an orphan FIN_WAIT_2: the attach path has no flags.
    pub(crate) either: bool,
    /// The peer, on this host, sent it a RST.
    pub(crate) peer_reset: Option<Mono>,
}

/// What only lives that move have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rare {
    pub(crate) counters: Option<Counters>,
    pub(crate) last_seen: Option<Task>,
    /// The last RST that we sent on it, with its moment.
    pub(crate) reset_sent: Option<(Mono, Option<ResetReason>)>,
    pub(crate) reset_received: bool,
    /// It was an orphan when it entered FIN_WAIT_2 and its timer was to make it a timewait socket at once.
    pub(crate) short_orphan: bool,
    /// Since when it has been an orphan in FIN_WAIT_2.
    pub(crate) orphan_since: Option<Mono>,
    /// When the rule ends its full-socket FIN_WAIT_2 and the timewait socket after it.
    pub(crate) expires: Option<Mono>,
    /// How it ended, while its report waits.
    pub(crate) ending: Option<Ending>,
    /// When it ended, and how that is known.
    pub(crate) ended: Option<(Mono, Known)>,
    /// Its socket was still attached to an fd when it ended, and the report waits for that until then.
    pub(crate) fd_wait: Option<Mono>,
    pub(crate) fd_held_ns: Option<u64>,
    /// Lengths beside its stays.
    pub(crate) measured: Vec<(Measure, Span)>,
}

/// Whose a life is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Belongings {
    cgroup: u64,
    uid: u32,
    inode: u32,
    owner: Option<Owner>,
}

impl Belongings {
    /// Whether a dump tells nothing that is not in it.
    pub(crate) fn cover(&self, id: &SocketId) -> bool {
        id.cgroup.is_none_or(|cgroup| cgroup == self.cgroup)
            && id.uid.is_none_or(|uid| uid == self.uid)
            && id.inode.is_none_or(|inode| inode == u64::from(self.inode))
    }
}

/// One connection. `id` 0 is a vacant place.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    pub(crate) id: u64,
    pub(crate) cookie: u64,
    pub(crate) address: u64,
    pub(super) cgroup: u64,
    pub(crate) stays: Stays,
    /// `None`: open, as most are.
    pub(super) phase: Option<Box<Phase>>,
    pub(crate) rare: Option<Box<Rare>>,
    pub(crate) ends: Ends,
    pub(crate) netns: u32,
    pub(super) uid: u32,
    /// Socket inodes have 32 bits (Linux `fs/inode.c`: `get_next_ino`).
    pub(super) inode: u32,
    pub(crate) older: Slot,
    pub(crate) newer: Slot,
    /// The loss after which nothing has confirmed it: older than the engine's means doubtful.
    pub(crate) generation: u32,
    /// When a dump showed it last, by [`coarse`](super::unseen::coarse); 0: none has.
    pub(super) shown: u32,
    pub(crate) handshake_rtt_us: u32,
    pub(crate) owner: Option<Owner>,
    pub(crate) protocol: Protocol,
    pub(crate) opened_by: OpenedBy,
    pub(crate) closed_by: Option<ClosedBy>,
    pub(crate) first_seen: FirstSeen,
    pub(crate) queue: u8,
    pub(crate) in_ends: bool,
    pub(crate) orphaned: bool,
    pub(crate) fastopen: bool,
    /// Its SYN_RECV began with a SYN that we saw, so its length is true.
    pub(crate) syn_seen: bool,
    /// Our own; never reported.
    pub(crate) hidden: bool,
    /// Its lifecycle is out already.
    pub(crate) reported: bool,
}

const NO_UID: u32 = u32::MAX;

impl Life {
    pub(crate) fn vacant() -> Self {
        Self {
            id: 0,
            cookie: 0,
            address: 0,
            cgroup: 0,
            inode: 0,
            stays: Stays::new(Stay { state: TcpState::Closed, known: Known::Unknown, entered: Mono(0) }),
            phase: None,
            rare: None,
            ends: Ends::default(),
            netns: 0,
            uid: NO_UID,
            older: NOWHERE,
            newer: NOWHERE,
            generation: 0,
            shown: 0,
            handshake_rtt_us: 0,
            owner: None,
            protocol: Protocol::Tcp,
            opened_by: OpenedBy::Unknown,
            closed_by: None,
            first_seen: FirstSeen::Event,
            queue: 0,
            in_ends: false,
            orphaned: false,
            fastopen: false,
            syn_seen: false,
            hidden: false,
            reported: false,
        }
    }

    pub(crate) fn new(id: u64, socket: &SocketId, first_seen: FirstSeen, stay: Stay) -> Self {
        let mut life = Self {
            id,
            cookie: socket.socket.cookie.map_or(0, |cookie| cookie.0.get()),
            address: socket.socket.address,
            ends: Ends::pack(&socket.endpoints),
            netns: socket.netns.unwrap_or(0),
            protocol: socket.protocol,
            first_seen,
            stays: Stays::new(stay),
            ..Self::vacant()
        };
        life.closed_by = closed_by(stay.state);
        life.learn(socket);
        life
    }

    pub(crate) fn state(&self) -> TcpState {
        self.stays.last().state
    }

    /// A connection of MPTCP has the cookie of a subflow: only its address tells them apart.
    pub(crate) fn keyed_by_address(&self) -> bool {
        self.protocol == Protocol::Mptcp
    }

    /// Whose it is, where anything is known of that.
    pub(crate) fn belongings(&self) -> Option<Belongings> {
        let Self { cgroup, uid, inode, owner, .. } = *self;
        let known = cgroup != 0 || uid != NO_UID || inode != 0 || owner.is_some();
        known.then_some(Belongings { cgroup, uid, inode, owner })
    }

    pub(crate) fn take_belongings(&mut self, belongings: &Belongings) {
        let Belongings { cgroup, uid, inode, owner } = *belongings;
        (self.cgroup, self.uid, self.inode, self.owner) = (cgroup, uid, inode, owner);
    }

    pub(crate) fn netns(&self) -> Option<u32> {
        (self.netns != 0).then_some(self.netns)
    }

    pub(crate) fn phase(&self) -> &Phase {
        self.phase.as_deref().unwrap_or(&Phase::Open)
    }

    pub(crate) fn enter(&mut self, phase: Phase) {
        match &mut self.phase {
            Some(place) => **place = phase,
            None => self.phase = Some(Box::new(phase)),
        }
    }

    pub(crate) fn mini(&self) -> Option<&Mini> {
        if let Phase::Mini(mini) = self.phase() { Some(mini) } else { None }
    }

    pub(crate) fn mini_mut(&mut self) -> Option<&mut Mini> {
        if let Some(Phase::Mini(mini)) = self.phase.as_deref_mut() { Some(mini) } else { None }
    }

    pub(crate) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Takes the belongings that `socket` knows. Ends and namespace are the business of the table and the engine.
    pub(crate) fn learn(&mut self, socket: &SocketId) {
        if let Some(uid) = socket.uid {
            self.uid = uid;
        }
        if let Some(cgroup) = socket.cgroup {
            self.cgroup = cgroup;
        }
        if let Some(inode) = socket.inode {
            self.inode = u32::try_from(inode).unwrap_or(0);
        }
        if self.address == 0 {
            self.address = socket.socket.address;
        }
    }

    pub(crate) fn socket(&self) -> SocketId {
        SocketId {
            socket: SocketRef { address: self.address, cookie: Cookie::new(self.cookie) },
            protocol: self.protocol,
            endpoints: self.ends.unpack(),
            netns: self.netns(),
            uid: (self.uid != NO_UID).then_some(self.uid),
            cgroup: (self.cgroup != 0).then_some(self.cgroup),
            inode: (self.inode != 0).then_some(u64::from(self.inode)),
        }
    }

    pub(crate) fn subject(&self) -> Subject {
        let (id, opened_by) = (ConnectionId(self.id), self.opened_by);
        Subject { id, socket: self.socket(), owner: self.owner, opened_by }
    }

    /// Notes what the facts of an event tell of the rest of its life.
    pub(crate) fn note(&mut self, facts: &SocketFacts) {
        // The socket of an MPTCP subflow is not attached to a process even while the connection is.
        self.orphaned |= facts.dead && !facts.subflow;
        self.fastopen |= facts.fastopen;
        if let (OpenedBy::Unknown, Some(opened_by)) = (self.opened_by, facts.opened_by) {
            self.opened_by = opened_by;
        }
    }

    /// Whether the time between the events of its SYN_RECV is no stay: the child of a listener is made when the handshake
    /// is over, except with Fast Open (kernel-facts §8).
    pub(crate) fn fictitious_syn_recv(&self) -> bool {
        let stay = self.stays.last();
        stay.state == TcpState::SynRecv
            && stay.known == Known::Event
            && self.opened_by == OpenedBy::Accept
            && !self.fastopen
            && !self.syn_seen
    }

    /// When the rule ends the state that it is in.
    pub(crate) fn expires(&self) -> Option<Mono> {
        match self.phase() {
            Phase::Mini(mini) => mini.expires,
            _ => self.rare.as_deref().and_then(|rare| rare.expires),
        }
    }
}

/// Who closed first, as far as the state alone tells.
pub(crate) fn closed_by(state: TcpState) -> Option<ClosedBy> {
    match state {
        TcpState::FinWait1 | TcpState::FinWait2 => Some(ClosedBy::Local),
        TcpState::CloseWait | TcpState::LastAck => Some(ClosedBy::Remote),
        TcpState::Closing => Some(ClosedBy::Both),
        _ => None,
    }
}
