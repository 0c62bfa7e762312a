//! Who held the sockets that were there when tracing began.

use std::io;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::model::cookie::Cookie;
use crate::model::event::Event;
use crate::model::owner::{Owner, OwnerHow, Task};
use crate::model::snapshot::SocketSnapshot;
use crate::model::time::Mono;
use crate::source::fd_table::FdTable;
use crate::source::kernel::Holders;

/// Owners by cookie and by inode, from one pass over the fd tables.
#[derive(Debug, Default)]
pub(super) struct Owners {
    by_cookie: Holders,
    by_inode: FxHashMap<u64, Task>,
}

impl Owners {
    /// From the kernel's iterator. Of several holders one of `preferred` is taken, else that with the lowest pid.
    pub(super) fn of(mut holders: Holders, preferred: &dyn Fn(u32) -> bool) -> Self {
        holders.settle(preferred);
        Self { by_cookie: holders, by_inode: FxHashMap::default() }
    }

    /// From /proc, where there is no iterator.
    pub(super) fn of_proc(preferred: &dyn Fn(u32) -> bool) -> io::Result<Self> {
        let table = FdTable::scan(None)?;
        let mut owners = Self::default();
        for inode in table.inodes() {
            let holders = table.holders(inode);
            if let Some(holder) = holders.iter().find(|holder| preferred(holder.pid)).or(holders.first()) {
                owners.by_inode.insert(inode, Task { pid: holder.pid, comm: holder.comm });
            }
        }
        Ok(owners)
    }

    /// Who held the socket with this cookie.
    pub(super) fn holder(&self, cookie: Cookie) -> Option<Owner> {
        Some(Owner { task: self.by_cookie.holder(cookie)?, how: OwnerHow::FdTable })
    }

    pub(super) fn of_snapshot(&self, snapshot: &SocketSnapshot) -> Option<Owner> {
        let by_cookie = snapshot.id.socket.cookie.and_then(|cookie| self.holder(cookie));
        by_cookie.or_else(|| {
            let task = *self.by_inode.get(&snapshot.id.inode?)?;
            Some(Owner { task, how: OwnerHow::FdTable })
        })
    }
}

/// Owners that became known only after tracing had begun: the kernel half did not know them all before.
#[derive(Debug)]
pub(super) struct Late {
    /// When the kernel half had learnt them all.
    pub(super) at: Mono,
    /// Who they are.
    pub(super) owners: Arc<Owners>,
}

impl Late {
    /// Gives an event of a socket that was not yet known its owner.
    pub(super) fn complete(&self, event: &mut Event) {
        if let Event::StateChange(change) = event
            && change.owner.is_none()
            && change.at <= self.at
        {
            change.owner = change.id.socket.cookie.and_then(|cookie| self.owners.holder(cookie));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::endpoints::Endpoints;
    use crate::model::event::StateChange;
    use crate::model::socket::{Protocol, SocketId, SocketRef};
    use crate::model::state::TcpState;

    fn event(at: u64, cookie: u64, owner: Option<Owner>) -> Event {
        Event::StateChange(StateChange {
            at: Mono(at),
            id: SocketId {
                socket: SocketRef { address: 0, cookie: Cookie::new(cookie) },
                protocol: Protocol::Tcp,
                endpoints: Endpoints::unknown(),
                netns: None,
                uid: None,
                cgroup: None,
                inode: None,
            },
            from: TcpState::Established,
            to: TcpState::CloseWait,
            since: None,
            owner,
            actor: None,
            facts: None,
            counters: None,
        })
    }

    #[test]
    fn only_what_came_before_the_kernel_half_knew_gets_an_owner_from_the_walk() {
        let task = |pid| Task { pid, comm: "x".into() };
        let accepted = Owner { task: task(3), how: OwnerHow::Accept };
        let owners = Owners::of(
            [(5, task(6)), (5, task(7)), (6, task(9)), (6, task(8))].into_iter().collect(),
            &|pid| pid == 7,
        );
        let late = Late { at: Mono(100), owners: Arc::new(owners) };
        let completed = |at, cookie, owner| {
            let mut event = event(at, cookie, owner);
            late.complete(&mut event);
            let Event::StateChange(change) = event else { panic!("it was a state change") };
            change.owner.map(|owner| (owner.task.pid, owner.how))
        };
        assert_eq!(completed(100, 5, None), Some((7, OwnerHow::FdTable)));
        assert_eq!(completed(100, 6, None), Some((8, OwnerHow::FdTable)));
        assert_eq!(completed(100, 6, Some(accepted)), Some((3, OwnerHow::Accept)));
        assert_eq!((completed(101, 5, None), completed(100, 9, None)), (None, None));
    }
}
