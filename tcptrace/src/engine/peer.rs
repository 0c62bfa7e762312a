//! What the end of one socket tells of its peer, when both are on this host.
//!
//! A timewait socket has no events, but the socket at the other end of a loopback or veth connection does. The two are
//! taken for ends of one connection only when their addresses mirror each other *and* the order of events is the one
//! that cause and effect demand: our FIN is sent, then the peer enters CLOSE_WAIT, then we learn of the acknowledgement.

use super::ending::Step;
use super::stays::Known;
use super::table::Slot;
use super::update::Update;
use super::{Engine, cause};
use crate::model::life::{End, Ending};
use crate::model::state::TcpState;
use crate::model::time::Mono;
use crate::model::transition::SeenBy;

impl Engine {
    /// `slot` is about to end at `at` as `ending`: what that does to its peer's orphan FIN_WAIT_2.
    pub(super) fn tell_peer(
        &mut self,
        slot: Slot,
        at: Mono,
        ending: Ending,
        out: &mut dyn FnMut(Update<'_>),
    ) {
        if self.minis == 0 || !matches!(ending.end, End::Fin | End::RstSent) {
            return;
        }
        let life = self.table.life(slot);
        let Some(close_wait) = life.stays.entered(TcpState::CloseWait) else { return };
        let last_ack = life.stays.entered(TcpState::LastAck);
        let netns = life.netns;
        let mut found = None;
        for other in self.table.with_ends(&life.ends.mirrored()) {
            let peer = self.table.life(other);
            let sent = peer.stays.entered(TcpState::FinWait1);
            let acknowledged = peer.stays.entered(TcpState::FinWait2);
            let caused = sent.is_some_and(|sent| sent <= close_wait)
                && acknowledged.is_some_and(|acknowledged| close_wait <= acknowledged);
            if peer.mini().is_some() && peer.state() == TcpState::FinWait2 && caused {
                if found.is_some() {
                    // Two could be meant: neither is.
                    return;
                }
                found = Some(other);
            }
        }
        let Some(peer) = found else { return };
        match (ending.end, last_ack) {
            (End::Fin, Some(fin)) => {
                // The FIN came between these two moments.
                let half = at.since(fin) / 2;
                let step = Step {
                    at: Mono(fin.0 + half).max(self.table.life(peer).stays.last().entered),
                    to: TcpState::TimeWait,
                    known: Known::About { error_ns: Some(at.since(fin) - half) },
                    in_from: None,
                    seen_by: SeenBy::Tracepoint,
                    kernel: None,
                };
                self.time_wait(peer, step, false, false, out);
            }
            (End::RstSent, _) => {
                let same_stack = netns != 0 && self.table.life(peer).netns == netns;
                if same_stack {
                    let known = Known::About { error_ns: None };
                    let ending = cause::ending(End::RstReceived);
                    self.gone_because(peer, at, known, ending, SeenBy::Tracepoint, out);
                } else if let Some(mini) = self.table.life_mut(peer).mini_mut() {
                    // It may get lost between two namespaces: a dump will confirm it.
                    mini.peer_reset = Some(at);
                }
            }
            _ => {}
        }
    }
}
