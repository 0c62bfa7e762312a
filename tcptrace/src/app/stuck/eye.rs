//! What looks at all sockets of the host and at who holds them, through sock_diag, fd tables and, where it works, eBPF.

use rustc_hash::FxHashSet;

use super::picture::Picture;
use crate::engine::stuck::StuckRule;
use crate::engine::stuck::witness::Held;
use crate::failure::{ExitCode, Failure};
use crate::model::owner::Task;
use crate::model::state::TcpState;
use crate::source::fd_table::{FdTable, is_tcp};
use crate::source::kernel::{Holding, Kernel, OpenFiles};
use crate::source::sock_diag::set::DiagSet;
use crate::source::sock_diag::{ALL_STATES, mask};

/// So many sockets without a holder are looked at again: the process may have closed them meanwhile.
const LOOK_AGAIN: usize = 10_000;

/// Walks all open files.
pub(in crate::app) type Walk<'a> = &'a mut dyn FnMut() -> Result<Vec<Holding>, String>;

/// What looks.
pub(in crate::app) struct Eye {
    set: DiagSet,
    /// `None` where eBPF does not work, and in a tracing run, whose own is used.
    files: Option<OpenFiles>,
    notes: Vec<String>,
}

impl Eye {
    /// Opens every namespace, and loads the iterator over open files if it can.
    pub(in crate::app) fn open() -> Result<Self, Failure> {
        let mut eye = Self::without_kernel()?;
        match OpenFiles::load() {
            Ok(files) => eye.files = Some(files),
            Err(why) => eye.notes.push(format!(
                "without eBPF ({why}) holders come from /proc, and fds of connections that are over (dead_fd) cannot be told from \
                 sockets that never had one: they are only counted"
            )),
        }
        Ok(eye)
    }

    /// For a tracing run, which brings its own kernel half.
    pub(in crate::app) fn without_kernel() -> Result<Self, Failure> {
        let (set, opened) = DiagSet::open().map_err(|error| {
            Failure::new(ExitCode::Runtime, format!("sock_diag is not available: {error}"))
        })?;
        let mut notes = Vec::new();
        if let Some(first) = opened.unreachable.first() {
            notes.push(format!(
                "{} network namespaces cannot be entered (first: {}: {}): their sockets are not looked at; run as root",
                opened.unreachable.len(),
                first.netns.inode,
                first.why
            ));
        }
        if opened.unreadable > 0 {
            notes.push(format!(
                "the network namespaces of processes that cannot be read ({}) may be missing",
                opened.unreadable
            ));
        }
        Ok(Self { set, files: None, notes })
    }

    /// What the user should know.
    pub(in crate::app) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The socket set, for those who act on what was found.
    pub(in crate::app) fn set(&mut self) -> &mut DiagSet {
        &mut self.set
    }

    /// Looks at what `rules` are about, and at what explains it.
    pub(in crate::app) fn look(&mut self, rules: &[StuckRule]) -> Result<Picture, Failure> {
        let mut files = self.files.take();
        let picture = match &mut files {
            Some(files) => self.look_with(Some(&mut || files.holdings()), rules),
            None => self.look_with(None, rules),
        };
        self.files = files;
        picture
    }

    /// The same, the open files being walked by `walk`.
    pub(in crate::app) fn look_with(
        &mut self,
        walk: Option<Walk<'_>>,
        rules: &[StuckRule],
    ) -> Result<Picture, Failure> {
        let mut picture =
            Picture { fin_timeouts: self.set.fin_timeouts().into_iter().collect(), ..Picture::default() };
        let dumped = self.set.dump_all(states(rules), &mut |socket| picture.sockets.push(socket));
        if dumped.namespaces.is_empty()
            && let Some((_, error)) = dumped.failed.first()
        {
            return Err(Failure::new(ExitCode::Runtime, format!("listing sockets: {error}")));
        }
        for (netns, error) in &dumped.failed {
            self.notes.push(format!("the sockets of network namespace {netns} cannot be listed: {error}"));
        }
        let dead = rules.iter().any(|rule| rule.state == TcpState::Closed);
        match walk.map(|walk| (walk(), walk)) {
            Some((Ok(holdings), walk)) => {
                picture.take(&holdings);
                if dead {
                    picture.bury(&holdings, walk);
                }
            }
            Some((Err(why), _)) => {
                self.notes.push(format!("holders come from /proc: {why}"));
                self.read_proc(&mut picture, dead)?;
            }
            None => self.read_proc(&mut picture, dead)?,
        }
        self.look_again(&mut picture, rules);
        Ok(picture)
    }

    fn read_proc(&mut self, picture: &mut Picture, dead: bool) -> Result<(), Failure> {
        let table = FdTable::scan(None).map_err(|error| {
            Failure::new(ExitCode::Runtime, format!("reading fd tables in /proc: {error}"))
        })?;
        // With hidepid others do not even see which processes there are.
        let sees_all = Kernel::sees_all_processes() && rustix::process::geteuid().is_root();
        picture.holdings.complete = table.unreadable == 0 && sees_all;
        if table.unreadable > 0 {
            self.notes.push(format!(
                "the fds of {} processes cannot be read: their sockets seem to have no holder; run as root",
                table.unreadable
            ));
        }
        if dead {
            self.count_closed(&table);
        }
        for inode in table.inodes() {
            let held = table
                .holders(inode)
                .iter()
                .map(|holder| Held { task: Task { pid: holder.pid, comm: holder.comm }, fd: holder.fd });
            picture.holdings.by_inode.insert(inode, held.collect());
        }
        Ok(())
    }

    /// TCP sockets with an fd that are in no list: of connections that are over, or that never were. /proc does not tell which.
    fn count_closed(&mut self, table: &FdTable) {
        if self.set.unreachable().next().is_some() {
            return;
        }
        let mut alive = FxHashSet::default();
        // What is not listed as held now may have been accepted or closed meanwhile: both looks must miss it.
        for _ in 0..2 {
            self.set.dump_all(ALL_STATES & !mask([TcpState::TimeWait]), &mut |socket| {
                alive.extend(socket.id.inode);
            });
        }
        let closed: Vec<u64> = table
            .inodes()
            .filter(|inode| !alive.contains(inode) && table.holders(*inode).first().is_some_and(is_tcp))
            .collect();
        if let Some(holder) = closed.first().and_then(|inode| table.holders(*inode).first()) {
            self.notes.push(format!(
                "{} TCP sockets with an open fd are CLOSED (first: pid {} fd {}): their connection is over, or they never had one",
                closed.len(),
                holder.pid,
                holder.fd
            ));
        }
    }

    /// What seems to have no holder may have been closed since the dump.
    fn look_again(&mut self, picture: &mut Picture, rules: &[StuckRule]) {
        let judged = states(rules.iter());
        let Picture { sockets, holdings, .. } = picture;
        let mut left = LOOK_AGAIN;
        sockets.retain_mut(|socket| {
            let held = socket.id.socket.cookie.is_some_and(|cookie| holdings.by_cookie.contains_key(&cookie))
                || socket.id.inode.is_some_and(|inode| holdings.by_inode.contains_key(&inode));
            let doubtful = socket.id.inode.is_some()
                && !socket.mini
                && !held
                && socket.state != TcpState::Listen
                && judged & mask([socket.state]) != 0;
            if !doubtful || left == 0 {
                return true;
            }
            left -= 1;
            let Some(netns) = socket.id.netns else { return true };
            let Some(diag) = self.set.diag(netns) else { return true };
            match diag.find(netns, &socket.id.endpoints, socket.id.socket.cookie) {
                Ok(Some(again)) => {
                    *socket = again;
                    true
                }
                Ok(None) => false,
                Err(_) => true,
            }
        });
    }
}

/// The states to dump: those of the rules, and those of the sockets that explain others.
fn states<'a>(rules: impl IntoIterator<Item = &'a StuckRule>) -> u32 {
    let explaining = [
        TcpState::Listen,
        TcpState::CloseWait,
        TcpState::FinWait1,
        TcpState::FinWait2,
        TcpState::Closing,
        TcpState::LastAck,
    ];
    let asked = rules.into_iter().map(|rule| rule.state).filter(|state| *state != TcpState::Closed);
    let states = mask(asked.chain(explaining));
    let half_open = mask([TcpState::SynRecv, TcpState::NewSynRecv]);
    if states & half_open == 0 { states } else { states | half_open }
}
