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
    /// From the kernel's iterator. Of several holders one of `preferred` is taken, else the first.
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
