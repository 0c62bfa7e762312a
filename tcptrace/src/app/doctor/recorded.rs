//! A recording as a host to examine: its sockets when it began and when it ended, and what moved between.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use rustc_hash::FxHashMap;

use super::{say, watch};
use crate::app::replay;
use crate::engine::doctor::facts::{Facts, Picture, PortRange, Process, Sock, Space};
use crate::engine::doctor::traffic::Traffic;
use crate::engine::{ALL_STATES, Config, Engine};
use crate::failure::Failure;
use crate::model::event::Event;
use crate::model::time::{ClockAnchor, Mono};
use crate::plan::Doctor;
use crate::recording::{Header, moment};
use crate::source::port_range;
use crate::source::replay::Replay;

/// The first dump of every namespace is done so long after that of the first one.
const SETTLED: Duration = Duration::from_secs(1);
/// Sysctls of which the judgement needs queues and timers, which a recording does not hold.
const UNJUDGED: [&str; 2] = ["net.core.somaxconn", "net.ipv4.tcp_keepalive_time"];
const OVERFLOW: &str = "TcpExt.TCPTimeWaitOverflow";
const FIN_TIMEOUT: &str = "net.ipv4.tcp_fin_timeout";

/// What the recording at `path` tells, and how to date it.
///
/// # Errors
/// It cannot be read, or is corrupt.
pub(super) fn run(plan: &Doctor, path: &Path) -> Result<(Facts, ClockAnchor), Failure> {
    let (header, mut replay) = Replay::open(path)?;
    let mut host = Host::new(&header);
    let (pids, netns) = (&plan.pids, &plan.netns);
    let mut traffic = Traffic::default();
    let mut before = None;
    let (mut events, mut first, mut last) = (Vec::new(), None, header.anchor.mono);
    'all: loop {
        let more = replay.next_batch(&mut events);
        for event in events.drain(..) {
            if let Some(at) = moment(&event) {
                let began = *first.get_or_insert(at);
                if plan.watch.is_some_and(|most| at > began + most) {
                    break 'all;
                }
                last = last.max(at);
                if before.is_none() && host.dumped.is_some_and(|dumped| at > dumped + SETTLED) {
                    before = Some(host.picture(last, netns));
                }
            }
            host.note(&event);
            host.engine.observe(&event, &mut |update| watch::count(&mut traffic, pids, netns, &update));
        }
        if !more? {
            break;
        }
    }
    if !header.filters.is_empty() {
        say(&format!("note: it was recorded with {}: nothing else was followed", header.filters));
    }
    if let Some(warning) = replay.warning() {
        say(&warning);
    }
    let now = host.picture(last, netns);
    host.engine.finish(last, false, &mut |update| watch::count(&mut traffic, pids, netns, &update));
    traffic.watched_ms = (last.since(first.unwrap_or(last)) / 1_000_000).max(1);
    let facts = Facts { before, now, traffic: Some(traffic), own_netns: host.own_netns, recorded: true };
    Ok((facts, header.anchor))
}

/// The recorded host as far as the events have told.
struct Host {
    engine: Engine,
    own_netns: u32,
    spaces: BTreeMap<u32, Space>,
    /// TIME_WAITs that were never made.
    overflows: FxHashMap<u32, u64>,
    /// When the first dump of everything was done in the first namespace.
    dumped: Option<Mono>,
}

impl Host {
    fn new(header: &Header) -> Self {
        let mut spaces: BTreeMap<u32, Space> = BTreeMap::new();
        for sysctl in &header.sysctls {
            let space = spaces.entry(sysctl.netns).or_default();
            if sysctl.name == "net.ipv4.ip_local_port_range" {
                let range = port_range::range(&sysctl.value);
                // Which ports were reserved is not in it.
                space.ports = range.map(|range| PortRange { range, reserved: Vec::new() });
            }
            let known = crate::engine::doctor::folklore::readable().find(|name| *name == sysctl.name);
            if let Some(name) = known.filter(|name| !UNJUDGED.contains(name)) {
                space.sysctls.insert(name, sysctl.value.clone());
            }
        }
        Self {
            engine: Engine::new(replay::config(header, Config::default().max_connections)),
            own_netns: header.sysctls.first().map_or(0, |sysctl| sysctl.netns),
            spaces,
            overflows: FxHashMap::default(),
            dumped: None,
        }
    }

    /// Notes what the engine does not keep.
    fn note(&mut self, event: &Event) {
        match event {
            Event::SnapshotDone { at, states, .. } if *states == ALL_STATES => {
                self.dumped.get_or_insert(*at);
            }
            Event::FinTimeout { netns, seconds } => {
                self.spaces.entry(*netns).or_default().sysctls.insert(FIN_TIMEOUT, seconds.to_string());
            }
            Event::TimeWaitOverflow { netns, count, .. } => {
                *self.overflows.entry(*netns).or_default() += count;
            }
            _ => {}
        }
    }

    /// Its sockets at `at`. Owners stand for holders: nobody else is known.
    fn picture(&self, at: Mono, wanted: &BTreeSet<u32>) -> Picture {
        let mut picture = Picture { at, ..Picture::default() };
        let mut spaces = self.spaces.clone();
        for standing in self.engine.standings(at) {
            let id = standing.subject.socket;
            let netns = id.netns.unwrap_or_default();
            if !(wanted.is_empty() || wanted.contains(&netns)) {
                continue;
            }
            spaces.entry(netns).or_default();
            let inode = id.inode.filter(|_| !standing.mini && !standing.orphaned);
            if let (Some(inode), Some(owner)) = (inode, standing.subject.owner) {
                picture.holders.insert(inode, vec![owner.task.pid]);
                let process = Process { comm: owner.task.comm, at, ..Process::default() };
                picture.processes.insert(owner.task.pid, process);
            }
            picture.sockets.push(Sock {
                netns,
                state: standing.state,
                mini: standing.mini,
                ends: id.endpoints,
                inode,
                age: standing.age.into(),
                timer: None,
                receive_queue: 0,
                send_queue: 0,
            });
        }
        picture.spaces = spaces
            .into_iter()
            .filter(|(netns, _)| wanted.is_empty() || wanted.contains(netns))
            .map(|(netns, space)| {
                let overflow = self.overflows.get(&netns).copied().unwrap_or(0);
                Space { netns, counters: BTreeMap::from([(OVERFLOW, overflow)]), ..space }
            })
            .collect();
        picture
    }
}
