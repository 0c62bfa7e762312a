//! A picture of all sockets of the host and of who holds them.

use std::cell::RefCell;

use rustc_hash::{FxHashMap, FxHashSet};

use super::eye::Walk;
use crate::engine::stuck::witness::{Held, Holdings, Known, Process, Witness};
use crate::model::cookie::Cookie;
use crate::model::snapshot::{Age, SocketSnapshot};
use crate::model::socket::Protocol;
use crate::model::state::TcpState;
use crate::source::birth;
use crate::source::clock::now;
use crate::source::kernel::{Holding, Kernel};

/// What was seen.
#[derive(Default)]
pub(in crate::app) struct Picture {
    pub(in crate::app) sockets: Vec<SocketSnapshot>,
    pub(in crate::app) holdings: Holdings,
    pub(super) fin_timeouts: FxHashMap<u32, u32>,
    pub(super) processes: RefCell<FxHashMap<u32, Option<Process>>>,
}

impl Picture {
    /// Takes in who holds what.
    pub(super) fn take(&mut self, holdings: &[Holding]) {
        let into = &mut self.holdings;
        into.complete = Kernel::sees_all_processes();
        for holding in holdings {
            let held = Held { task: holding.task, fd: holding.fd };
            if let Some(cookie) = holding.cookie {
                into.by_cookie.entry(cookie).or_default().push(held);
                into.keepalive.insert(cookie, holding.keepalive);
                if holding.state == TcpState::Closed {
                    into.errors.insert(cookie, holding.error);
                }
            } else if holding.inode != 0 {
                into.by_inode.entry(holding.inode).or_default().push(held);
            }
        }
    }

    /// Adds the sockets whose connection is over while an fd is open. They are in no dump; a second pass shows which are so still.
    pub(super) fn bury(&mut self, holdings: &[Holding], walk: Walk<'_>) {
        let began = now();
        let dead = |holding: &Holding| {
            holding.state == TcpState::Closed && holding.connected && holding.id.protocol == Protocol::Tcp
        };
        if !holdings.iter().any(dead) {
            return;
        }
        let again: FxHashSet<Cookie> = walk()
            .unwrap_or_default()
            .iter()
            .filter(|holding| dead(holding))
            .filter_map(|holding| holding.cookie)
            .collect();
        let at = now();
        let mut seen = FxHashSet::default();
        for holding in holdings.iter().filter(|holding| dead(holding)) {
            let Some(cookie) = holding.cookie.filter(|cookie| again.contains(cookie)) else { continue };
            if seen.insert(cookie) {
                self.sockets.push(SocketSnapshot {
                    at,
                    id: holding.id,
                    state: TcpState::Closed,
                    mini: false,
                    owner: None,
                    age: Age { at_least_ns: at.since(began), at_most_ns: None },
                    existed_ns: 0,
                    timer: None,
                    receive_queue: 0,
                    send_queue: 0,
                    counters: None,
                });
            }
        }
    }
}

impl Witness for Picture {
    fn process(&self, pid: u32) -> Option<Process> {
        self.processes
            .borrow_mut()
            .entry(pid)
            .or_insert_with(|| {
                birth::of(pid).map(|birth| Process { age_ns: birth.age_ns, ancestors: birth.ancestors })
            })
            .clone()
    }

    fn known(&self, _: &SocketSnapshot) -> Option<Known> {
        None
    }

    fn fin_timeout(&self, netns: u32) -> Option<u32> {
        self.fin_timeouts.get(&netns).copied()
    }
}
