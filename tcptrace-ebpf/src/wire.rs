//! What crosses the border between kernel and user space: fixed-width integers and byte arrays, padding spelled out.
//!
//! Records are read by [`Record::decode`], which is safe and total: a record of the wrong length or kind is `None`, and the
//! reader counts it.

#![expect(missing_docs, reason = "fields carry the kernel's own names; the others say what they are")]

mod accepted;
mod bytes;
mod config;
mod forked;
mod half_open;
mod held;
mod histogram;
pub mod lost;
mod neighbour;
mod offsets;
mod remembered;
mod state_change;
mod taken;

pub use accepted::Accepted;
pub use config::{Config, FILTERS, Layout, PortRange, Prefix};
pub use forked::Forked;
pub use half_open::HalfOpen;
pub use held::Held;
pub use histogram::{Group, Milestones, Octave, Peer, ROWS, Ready, STATES, by, of, role, row};
pub use neighbour::{Neighbour, what};
pub use offsets::{ABSENT, Offsets};
pub use remembered::{AcceptedBy, Memory, OPEN_SOCKETS, Open, how, memory};
pub use state_change::{StateChange, flag};
pub use taken::{DUMP, FRAMES, Taken};

/// First byte of every record.
pub mod kind {
    pub const STATE_CHANGE: u8 = 1;
    pub const ACCEPTED: u8 = 2;
    pub const NEIGHBOUR: u8 = 3;
    pub const FORKED: u8 = 4;
    pub const HALF_OPEN: u8 = 5;
}

/// One record of the ring buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    StateChange(StateChange),
    Accepted(Accepted),
    Neighbour(Neighbour),
    Forked(Forked),
    HalfOpen(HalfOpen),
}

impl Record {
    /// Reads one record; `None` when its length or kind is not one of ours.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        match *bytes.first()? {
            kind::STATE_CHANGE => StateChange::decode(bytes).map(Self::StateChange),
            kind::ACCEPTED => Accepted::decode(bytes).map(Self::Accepted),
            kind::NEIGHBOUR => Neighbour::decode(bytes).map(Self::Neighbour),
            kind::FORKED => Forked::decode(bytes).map(Self::Forked),
            kind::HALF_OPEN => HalfOpen::decode(bytes).map(Self::HalfOpen),
            _ => None,
        }
    }
}
