//! A TIME_WAIT that has been told: only its end is still to come, and a host may have a hundred thousand. So little is kept.

use super::ends::Ends;
use super::life::{Belongings, Life, Mini, Phase};
use super::stays::{Mark, Stay, Stays};
use crate::model::life::{ClosedBy, FirstSeen, OpenedBy};
use crate::model::socket::SocketId;
use crate::model::state::TcpState;
use crate::model::time::Mono;

/// What is kept of a life. `id` 0 is a vacant place.
#[derive(Debug)]
pub(super) struct Rest {
    pub(super) id: u64,
    pub(super) cookie: u64,
    entered: Mono,
    /// Belongs to `mark`.
    figure: u64,
    pub(super) expires: Mono,
    /// When a dump last showed it; the moment of boot where none has.
    confirmed: Mono,
    belongings: Option<Box<Belongings>>,
    pub(super) ends: Ends,
    pub(super) netns: u32,
    /// How the moment of entry is known.
    mark: Mark,
    opened_by: OpenedBy,
    closed_by: Option<ClosedBy>,
    first_seen: FirstSeen,
    orphaned: bool,
    hidden: bool,
    overflowed: bool,
}

impl Rest {
    pub(super) fn vacant() -> Self {
        Self {
            id: 0,
            cookie: 0,
            entered: Mono(0),
            figure: 0,
            expires: Mono(0),
            confirmed: Mono(0),
            belongings: None,
            ends: Ends::default(),
            netns: 0,
            mark: Mark::Unknown,
            opened_by: OpenedBy::Unknown,
            closed_by: None,
            first_seen: FirstSeen::Event,
            orphaned: false,
            hidden: false,
            overflowed: false,
        }
    }

    /// Of a life that is nothing but a TIME_WAIT which has been told; `None` of any other.
    pub(super) fn of(life: &Life) -> Option<Self> {
        let (mini, last) = (life.mini()?, life.stays.last());
        let told = life.reported && life.rare.is_none() && last.state == TcpState::TimeWait;
        // It is found by its cookie alone.
        let plain = life.cookie != 0 && !life.keyed_by_address() && !mini.either && mini.peer_reset.is_none();
        let expires = mini.expires.filter(|_| told && plain && life.stays.len() == 1)?;
        let (mark, figure) = Mark::of(last.known);
        Some(Self {
            id: life.id,
            cookie: life.cookie,
            entered: last.entered,
            figure: figure.unwrap_or(0),
            expires,
            confirmed: mini.confirmed.unwrap_or(Mono(0)),
            belongings: life.belongings().map(Box::new),
            ends: life.ends,
            netns: life.netns,
            mark,
            opened_by: life.opened_by,
            closed_by: life.closed_by,
            first_seen: life.first_seen,
            orphaned: life.orphaned,
            hidden: life.hidden,
            overflowed: mini.overflowed,
        })
    }

    /// The life that it was; `slack_ns` is that of a minute.
    pub(super) fn life(&self, slack_ns: u64) -> Life {
        let stay =
            Stay { state: TcpState::TimeWait, known: self.mark.known(self.figure), entered: self.entered };
        let mini = Mini {
            confirmed: self.confirmed(),
            overflowed: self.overflowed,
            ..Mini::until(self.expires, slack_ns)
        };
        let mut life = Life {
            id: self.id,
            cookie: self.cookie,
            stays: Stays::new(stay),
            ends: self.ends,
            netns: self.netns,
            opened_by: self.opened_by,
            closed_by: self.closed_by,
            first_seen: self.first_seen,
            orphaned: self.orphaned,
            hidden: self.hidden,
            reported: true,
            ..Life::vacant()
        };
        life.enter(Phase::Mini(mini));
        if let Some(belongings) = &self.belongings {
            life.take_belongings(belongings);
        }
        life
    }

    pub(super) fn entered(&self) -> Mono {
        self.entered
    }

    pub(super) fn confirmed(&self) -> Option<Mono> {
        (self.confirmed != Mono(0)).then_some(self.confirmed)
    }

    /// When it was seen last.
    pub(super) fn seen(&self) -> Mono {
        self.confirmed.max(self.entered)
    }

    /// Whether a dump tells nothing new of whose it is.
    pub(super) fn knows(&self, id: &SocketId) -> bool {
        let nothing = id.uid.is_none() && id.cgroup.is_none() && id.inode.is_none();
        nothing || self.belongings.as_ref().is_some_and(|belongings| belongings.cover(id))
    }

    /// A dump shows it.
    pub(super) fn confirm(&mut self, at: Mono) {
        self.confirmed = at.max(self.seen());
        self.overflowed = false;
    }

    /// The kernel may never have made it.
    pub(super) fn doubt(&mut self) {
        self.overflowed |= self.confirmed().is_none();
    }
}
