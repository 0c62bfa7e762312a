//! Where a connection stands now: asked by those who look at sockets from outside.

use super::Engine;
use super::life::{Life, Phase};
use super::stays::Known;
use crate::model::evidence::Span;
use crate::model::life::Subject;
use crate::model::socket::SocketRef;
use crate::model::state::TcpState;
use crate::model::time::Mono;

/// A connection, its state, and for how long it has been in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which, and whose.
    pub subject: Subject,
    /// Its state.
    pub state: TcpState,
    /// When it entered it, or was first seen in it.
    pub since: Option<Mono>,
    /// For how long.
    pub age: Span,
    /// A timewait socket.
    pub mini: bool,
    /// No process holds it any more, as far as events have told.
    pub orphaned: bool,
    /// When the kernel's rule ends the state.
    pub expires: Option<Mono>,
}

impl Engine {
    /// Where the connection that is this socket's stands at `now`.
    #[must_use]
    pub fn standing(&self, socket: &SocketRef, now: Mono) -> Option<Standing> {
        self.with_life(socket, |life| standing(life, now))
    }

    /// Where every connection stands at `now` that is not over.
    pub fn standings(&self, now: Mono) -> impl Iterator<Item = Standing> + '_ {
        self.table
            .slots()
            .map(|slot| self.table.life(slot))
            .filter(|life| !life.hidden && matches!(life.phase(), Phase::Open | Phase::Mini(_)))
            .map(move |life| standing(life, now))
            .chain(self.standings_at_rest(now))
    }
}

pub(super) fn standing(life: &Life, now: Mono) -> Standing {
    let stay = life.stays.last();
    Standing {
        subject: life.subject(),
        state: stay.state,
        since: (stay.known == Known::Event).then_some(stay.entered),
        age: stay.until(now, Known::Event),
        mini: life.mini().is_some(),
        orphaned: life.orphaned,
        expires: life.expires(),
    }
}
