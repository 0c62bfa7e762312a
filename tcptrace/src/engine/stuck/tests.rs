//! Surveys of small worlds: verdict, holders, pairing, counting, and what changes between two looks.

use std::time::Duration;

use rustc_hash::FxHashMap;

use super::alarm::{Figures, Threshold};
use super::group::groups;
use super::rule::Scope;
use super::survey::{Findings, Survey};
use super::witness::{Held, Holdings, Known, Process, Witness};
use super::*;
use crate::engine::filter::Filter;
use crate::model::cookie::Cookie;
use crate::model::endpoints::Endpoints;
use crate::model::snapshot::{Age, SocketSnapshot, TimerKind};
use crate::model::socket::{Protocol, SocketRef};

mod silence;
mod watching;

const S: u64 = 1_000_000_000;

/// Sockets, holders and processes of our making.
#[derive(Default)]
struct World {
    sockets: Vec<SocketSnapshot>,
    holdings: Holdings,
    processes: FxHashMap<u32, Process>,
    filter: Filter,
}

impl Witness for World {
    fn process(&self, pid: u32) -> Option<Process> {
        self.processes.get(&pid).cloned()
    }

    fn known(&self, _: &SocketSnapshot) -> Option<Known> {
        None
    }

    fn fin_timeout(&self, _: u32) -> Option<u32> {
        Some(60)
    }
}

fn socket(cookie: u64, state: TcpState, local: u16, remote: u16) -> SocketSnapshot {
    let here = "127.0.0.1".parse().unwrap();
    SocketSnapshot {
        at: Mono(1_000 * S),
        id: SocketId {
            socket: SocketRef { address: 0, cookie: Cookie::new(cookie) },
            protocol: Protocol::Tcp,
            endpoints: Endpoints::new((here, local), (here, remote)),
            netns: Some(1),
            uid: Some(0),
            cgroup: None,
            inode: Some(cookie),
        },
        state,
        mini: false,
        owner: None,
        age: Age { at_least_ns: 100 * S, at_most_ns: Some(100 * S) },
        existed_ns: 200 * S,
        timer: None,
        receive_queue: 0,
        send_queue: 0,
        counters: None,
    }
}

impl World {
    fn with(mut self, socket: SocketSnapshot, holders: &[u32]) -> Self {
        self.holdings.complete = true;
        let held = holders
            .iter()
            .map(|pid| Held { task: Task { pid: *pid, comm: "server".into() }, fd: 3 })
            .collect::<Vec<_>>();
        if let Some(cookie) = socket.id.socket.cookie.filter(|_| !held.is_empty()) {
            self.holdings.by_cookie.insert(cookie, held);
        }
        self.sockets.push(socket);
        self
    }

    fn process_of(mut self, pid: u32, age_s: u64, ancestors: &[u32]) -> Self {
        self.processes.insert(pid, Process { age_ns: age_s * S, ancestors: ancestors.to_vec() });
        self
    }

    fn look_by(&self, rules: &[StuckRule]) -> Findings {
        let Self { sockets, holdings, filter, .. } = self;
        let mut found = Survey { sockets, holdings, rules, filter, own_pid: 99 }.findings(self);
        found.settle();
        found
    }

    fn look(&self) -> Vec<Stuck> {
        self.look_by(&rule::DEFAULTS.map(|(rule, _)| rule)).stuck
    }

    fn only(&self) -> Stuck {
        let mut all = self.look();
        assert_eq!(all.len(), 1, "{all:#?}");
        all.remove(0)
    }
}

fn verdict_of(socket: SocketSnapshot, holders: &[u32]) -> Option<Verdict> {
    World::default().with(socket, holders).only().verdict
}

#[test]
fn queues_and_holders_tell_the_kinds_of_close_wait() {
    let plain = socket(1, TcpState::CloseWait, 80, 5000);
    let unaccepted = SocketSnapshot { id: SocketId { inode: None, ..plain.id }, ..plain };
    for (socket, holders, verdict) in [
        (plain, &[7][..], Verdict::LeakedFd),
        (SocketSnapshot { receive_queue: 500, ..plain }, &[7], Verdict::UnreadData),
        (SocketSnapshot { send_queue: 9, receive_queue: 1, ..plain }, &[7], Verdict::Draining),
        (plain, &[], Verdict::InFlight),
        (unaccepted, &[], Verdict::NeverAccepted),
    ] {
        assert_eq!(verdict_of(socket, holders), Some(verdict), "{socket:?}");
    }
}

#[test]
fn a_missing_holder_is_no_verdict_where_some_fds_are_hidden() {
    let mut world = World::default().with(socket(1, TcpState::CloseWait, 80, 5000), &[]);
    world.holdings.complete = false;
    let stuck = world.only();
    assert_eq!(stuck.verdict, None);
    assert!(stuck.advice.contains("root"), "{stuck:?}");
}

#[test]
fn who_began_after_the_socket_cannot_have_opened_it() {
    let leak = socket(1, TcpState::CloseWait, 80, 5000);
    let orphaned = World::default().with(leak, &[8]).process_of(8, 150, &[7, 1]).only();
    assert_eq!(orphaned.verdict, Some(Verdict::InheritedFd));
    assert_eq!(orphaned.holders.as_ref().unwrap()[0].opened_it, Some(false));
    let both =
        World::default().with(leak, &[8, 7]).process_of(8, 150, &[7, 1]).process_of(7, 900, &[1]).only();
    assert_eq!((both.verdict, both.alternative), (Some(Verdict::LeakedFd), None));
    assert_eq!(
        both.holders.iter().flatten().map(|one| one.opened_it).collect::<Vec<_>>(),
        [Some(false), Some(true)]
    );
    assert_eq!(both.subject.owner.map(|owner| owner.task.pid), Some(7));
    let strangers =
        World::default().with(leak, &[7, 8]).process_of(7, 900, &[1]).process_of(8, 800, &[1]).only();
    assert_eq!(strangers.alternative, Some(Verdict::InheritedFd));
}

#[test]
fn a_fin_wait_2_is_judged_by_who_holds_it_and_by_its_other_end() {
    let ours = socket(1, TcpState::FinWait2, 5000, 80);
    assert_eq!(verdict_of(ours, &[7]), Some(Verdict::HalfClosedByUs));
    let timer = Some(Timer { kind: TimerKind::TimeWait, expires_ns: 9 * S, late_ns: 0, retransmits: 0 });
    let orphan = SocketSnapshot { mini: true, id: SocketId { inode: None, ..ours.id }, timer, ..ours };
    let stuck = World::default().with(orphan, &[]).only();
    assert_eq!(stuck.verdict, Some(Verdict::OrphanWaiting));
    assert!(stuck.explanation.contains("in 9 s"), "{}", stuck.explanation);
    let world = World::default().with(ours, &[7]).with(socket(2, TcpState::CloseWait, 80, 5000), &[8]);
    let pair = world.look();
    assert_eq!(pair.len(), 2);
    for one in &pair {
        let peer = one.peer.as_ref().unwrap();
        let (verdict, other) = match one.state {
            TcpState::FinWait2 => (Verdict::PeerNotClosing, 8),
            _ => (Verdict::LeakedFd, 7),
        };
        assert_eq!((one.verdict, peer.owner.map(|owner| owner.task.pid)), (Some(verdict), Some(other)));
    }
}

#[test]
fn two_possible_peers_are_none() {
    let mut far = socket(2, TcpState::CloseWait, 80, 5000);
    far.id.netns = Some(2);
    let further = SocketSnapshot { id: SocketId { netns: Some(3), ..far.id }, ..far };
    let world = World::default()
        .with(socket(1, TcpState::FinWait2, 5000, 80), &[7])
        .with(far, &[8])
        .with(further, &[9]);
    let ours = world.look().into_iter().find(|one| one.state == TcpState::FinWait2).unwrap();
    assert_eq!((ours.verdict, ours.peer), (Some(Verdict::HalfClosedByUs), None));
}

#[test]
fn an_unaccepted_connection_names_its_listener_and_that_ones_owner() {
    let mut listener = socket(9, TcpState::Listen, 80, 0);
    (listener.receive_queue, listener.send_queue) = (4, 128);
    let waiting = socket(1, TcpState::CloseWait, 80, 5000);
    let waiting = SocketSnapshot { id: SocketId { inode: None, ..waiting.id }, ..waiting };
    let stuck = World::default().with(listener, &[7]).with(waiting, &[]).only();
    assert_eq!(stuck.listener.unwrap().owner.map(|owner| owner.task.pid), Some(7));
    assert_eq!(stuck.subject.owner.map(|owner| owner.how), Some(crate::model::owner::OwnerHow::Listener));
    assert!(stuck.explanation.contains("holds 4 of at most 129"), "{}", stuck.explanation);
}

#[test]
fn a_count_is_made_among_those_of_one_owner() {
    let mut world = World::default();
    for number in 0..5_u16 {
        let pid = if number < 3 { 7 } else { 8 };
        world = world.with(socket(u64::from(number) + 1, TcpState::CloseWait, 80, 5000 + number), &[pid]);
    }
    let rule = StuckRule { more_than: 2, scope: Scope::Owner, ..rule::DEFAULTS[0].0 };
    let found = world.look_by(&[rule]).stuck;
    assert!(
        found.len() == 3 && found.iter().all(|one| one.holders.as_ref().unwrap()[0].task.pid == 7),
        "{found:#?}"
    );
}

#[test]
fn what_the_bounds_leave_open_is_counted_and_not_reported() {
    let mut young = socket(1, TcpState::CloseWait, 80, 5000);
    young.age = Age { at_least_ns: S, at_most_ns: Some(3600 * S) };
    let found = World::default().with(young, &[7]).look_by(&rule::DEFAULTS.map(|(rule, _)| rule));
    assert_eq!((found.stuck.len(), found.undecided), (0, 1));
}

#[test]
fn a_filter_on_pids_is_met_by_any_holder_and_our_own_sockets_never_show() {
    let mut world = World::default().with(socket(1, TcpState::CloseWait, 80, 5000), &[7, 8]);
    world.filter.pids.insert(8);
    assert_eq!(world.look().len(), 1);
    world.filter.pids = [9].into_iter().collect();
    assert_eq!(world.look().len(), 0);
    let own = World::default().with(socket(1, TcpState::CloseWait, 80, 5000), &[99]);
    assert_eq!(own.look().len(), 0);
}

#[test]
fn many_of_a_kind_are_one_group_even_on_ports_of_their_own() {
    let mut world = World::default();
    for number in 0..30_u16 {
        let (local, remote) = if number < 20 { (80, 5000 + number) } else { (6000 + number, 443) };
        world = world.with(socket(u64::from(number) + 1, TcpState::CloseWait, local, remote), &[7]);
    }
    let stuck = world.look();
    let groups = groups(&stuck);
    let sizes: Vec<_> = groups.iter().map(|group| (group.key.lport, group.sockets.len())).collect();
    assert_eq!(sizes, [(Some(80), 20), (None, 10)]);
    assert_eq!(groups[0].median_ns(), Some(100 * S));
}

#[test]
fn thresholds_are_crossed_above_them_only() {
    let stuck = World::default().with(socket(1, TcpState::CloseWait, 80, 5000), &[7]).look();
    let figures = Figures::of(&stuck, Some((0, Duration::from_secs(10))));
    assert_eq!((figures.count, figures.oldest_ns, figures.growth_per_minute), (1, 100 * S, Some(6)));
    for (threshold, crossed) in [
        (Threshold::Count(0), true),
        (Threshold::Count(1), false),
        (Threshold::Age(Duration::from_secs(99)), true),
        (Threshold::Age(Duration::from_secs(100)), false),
        (Threshold::Growth(5), true),
        (Threshold::Growth(6), false),
    ] {
        assert_eq!(figures.cross(&[threshold]), crossed, "{threshold:?}");
    }
    assert!(!Figures::of(&stuck, None).cross(&[Threshold::Growth(0)]));
}
