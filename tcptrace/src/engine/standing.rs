//! Where a connection stands now: asked by those who look at sockets from outside.

use super::Engine;
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
}

impl Engine {
    /// Where the connection that is this socket's stands at `now`.
    #[must_use]
    pub fn standing(&self, socket: &SocketRef, now: Mono) -> Option<Standing> {
        let life = self.table.life(self.table.find(socket)?);
        let stay = life.stays.last();
        Some(Standing {
            subject: life.subject(),
            state: stay.state,
            since: (stay.known == Known::Event).then_some(stay.entered),
            age: stay.until(now, Known::Event),
        })
    }
}
