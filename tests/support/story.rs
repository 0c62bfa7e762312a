//! An afternoon on one host, told as the events that the kernel would send: every way of ending that a sink has words for.

use std::collections::HashMap;

use tcptrace::model::cookie::Cookie;
use tcptrace::model::endpoints::Endpoints;
use tcptrace::model::event::{Accepted, Event, LossPlace, Neighbour, ResetReason, StateChange};
use tcptrace::model::owner::{Owner, OwnerHow, Task};
use tcptrace::model::snapshot::{Age, SocketSnapshot, Timer, TimerKind};
use tcptrace::model::socket::{Counters, Protocol, SocketFacts, SocketId, SocketRef};
use tcptrace::model::time::Mono;

pub(crate) const US: u64 = 1_000;
pub(crate) const MS: u64 = 1_000 * US;
pub(crate) const S: u64 = 1_000 * MS;

/// When the story begins, on the kernel's clock.
pub(crate) const BEGIN: Mono = Mono(5_000 * S);

const NETNS: u32 = 4_026_531_840;
const MINIS: u32 = 1 << 5 | 1 << 6;

fn task(pid: u32, comm: &str) -> Task {
    Task { pid, comm: comm.into() }
}

fn owner(pid: u32, comm: &str, how: OwnerHow) -> Option<Owner> {
    Some(Owner { task: task(pid, comm), how })
}

fn socket(cookie: u64, local: (&str, u16), remote: (&str, u16)) -> SocketId {
    let end = |(addr, port): (&str, u16)| (addr.parse().unwrap(), port);
    SocketId {
        socket: SocketRef { address: 0xffff_8880_0000_0000 + cookie * 0x1000, cookie: Cookie::new(cookie) },
        protocol: Protocol::Tcp,
        endpoints: Endpoints::new(end(local), end(remote)),
        netns: Some(NETNS),
        uid: Some(1_000),
        cgroup: Some(4_242),
        inode: Some(90_000 + cookie),
    }
}

/// Counters of a connection that carried so much.
fn carried(sent: u64, received: u64, srtt_us: u32) -> Counters {
    let (bytes_sent, bytes_received) = (sent, received);
    Counters { bytes_sent, bytes_received, segments_out: 6, segments_in: 5, retransmits: 0, srtt_us }
}

/// Writes events down while time passes.
struct Teller {
    now: Mono,
    events: Vec<Event>,
    /// When each socket last moved, as the kernel half remembers it.
    moved: HashMap<Option<Cookie>, Mono>,
}

impl Teller {
    fn after(&mut self, ns: u64) -> &mut Self {
        self.now = Mono(self.now.0 + ns);
        self
    }

    fn change(&mut self, id: &SocketId, what: &str, by: Option<Owner>) -> &mut StateChange {
        let (from, to) = what.split_once('>').unwrap();
        let facts = SocketFacts { attached: true, ..SocketFacts::default() };
        self.events.push(Event::StateChange(StateChange {
            at: self.now,
            id: *id,
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            since: self.moved.insert(id.socket.cookie, self.now),
            owner: by,
            actor: None,
            facts: Some(facts),
            counters: Some(Counters::default()),
        }));
        let Some(Event::StateChange(change)) = self.events.last_mut() else { unreachable!() };
        change
    }

    /// A change with the facts that give it its meaning.
    fn fact(&mut self, id: &SocketId, what: &str, by: Option<Owner>, of: impl FnOnce(&mut SocketFacts)) {
        of(self.change(id, what, by).facts.as_mut().unwrap());
    }

    fn neighbour(&mut self, id: &SocketId, what: Neighbour) {
        self.events.push(Event::Neighbour { at: self.now, socket: id.socket, what });
    }

    fn accepted(&mut self, id: &SocketId, task: Task) {
        self.events.push(Event::Accepted(Accepted { at: self.now, socket: id.socket, task }));
    }

    fn snapshot(&mut self, id: &SocketId, state: &str, of: impl FnOnce(&mut SocketSnapshot)) {
        let mut snapshot = SocketSnapshot {
            at: self.now,
            id: *id,
            state: state.parse().unwrap(),
            mini: false,
            owner: None,
            age: Age::default(),
            existed_ns: 0,
            timer: None,
            receive_queue: 0,
            send_queue: 0,
            counters: None,
        };
        snapshot.id.socket.address = 0;
        of(&mut snapshot);
        self.events.push(Event::Snapshot(snapshot));
    }

    /// A dump shows a timewait socket with so much of its timer left.
    fn mini(&mut self, id: &SocketId, state: &str, left_ms: u64) {
        self.snapshot(id, state, |found| {
            found.mini = true;
            found.timer = Some(Timer {
                kind: TimerKind::TimeWait,
                expires_ns: left_ms * MS,
                late_ns: 0,
                retransmits: 0,
            });
        });
    }

    /// A dump that began a millisecond ago is complete.
    fn dumped(&mut self, states: u32) {
        let began = Mono(self.now.0 - MS);
        self.events.push(Event::SnapshotDone { began, at: self.now, netns: NETNS, states });
    }

    fn tick(&mut self) {
        self.events.push(Event::Tick(self.now));
    }
}

/// The events, in order.
pub(crate) fn story() -> Vec<Event> {
    let mut t = Teller { now: BEGIN, events: Vec::new(), moved: HashMap::new() };
    t.events.push(Event::FinTimeout { netns: NETNS, seconds: 3 });
    let leaky = there_before(&mut t);
    closed_by_both_ends(&mut t);
    resets(&mut t);
    failed_connects(&mut t);
    orphan(&mut t);
    let at = t.after(200 * MS).now;
    t.events.push(Event::Lost { at, count: 7, place: LossPlace::RingBuffer });
    t.after(5 * S);
    t.fact(&leaky, "CLOSE_WAIT>CLOSE", owner(77, "backup", OwnerHow::FdTable), |f| {
        (f.locked, f.shutdown, f.dead) = (true, 3, true);
    });
    t.after(20 * US).neighbour(&leaky, Neighbour::ResetSent(Some(ResetReason::AbortOnClose)));
    t.neighbour(&leaky, Neighbour::Destroyed);
    // TIME_WAIT runs out; nobody looks, the rule says so.
    t.after(70 * S).tick();
    t.events
}

/// Found by the dump at the start: a database session of unknown age, and one whose end nobody closed.
fn there_before(t: &mut Teller) -> SocketId {
    let session = socket(0x10, ("10.0.0.1", 41_000), ("10.0.0.9", 5_432));
    let leaky = socket(0x11, ("10.0.0.1", 41_001), ("10.0.0.9", 5_432));
    t.after(2 * MS).snapshot(&session, "ESTAB", |found| {
        found.owner = owner(77, "backup", OwnerHow::FdTable);
        found.age.at_least_ns = 90 * S;
        found.counters = Some(carried(10_000, 2_000_000, 900));
    });
    t.snapshot(&leaky, "CLOSE-WAIT", |found| {
        found.owner = owner(77, "backup", OwnerHow::FdTable);
        found.age = Age { at_least_ns: 12 * S, at_most_ns: Some(13 * S) };
    });
    t.after(MS).dumped(tcptrace::engine::ALL_STATES);
    leaky
}

/// Both ends on this host; the client closes first, the server takes its time.
fn closed_by_both_ends(t: &mut Teller) {
    let (nginx, curl) = (owner(500, "nginx", OwnerHow::Listen), owner(1_234, "curl", OwnerHow::Connect));
    let inherited = owner(500, "nginx", OwnerHow::Listener);
    let worker = owner(501, "nginx: worker", OwnerHow::Accept);
    let listening = socket(0x20, ("10.0.0.1", 8_080), ("0.0.0.0", 0));
    let early = socket(0x21, ("10.0.0.2", 0), ("10.0.0.1", 8_080));
    let client = socket(0x21, ("10.0.0.2", 50_000), ("10.0.0.1", 8_080));
    let server = SocketId { inode: None, ..socket(0x22, ("10.0.0.1", 8_080), ("10.0.0.2", 50_000)) };
    t.after(500 * MS).change(&listening, "CLOSE>LISTEN", nginx);
    t.after(S).change(&early, "CLOSE>SYN_SENT", curl);
    t.after(250 * US).change(&client, "SYN_SENT>ESTABLISHED", curl).counters = Some(carried(0, 0, 240));
    t.after(10 * US).change(&server, "LISTEN>SYN_RECV", inherited);
    t.after(6 * US).change(&server, "SYN_RECV>ESTABLISHED", inherited).counters = Some(carried(0, 0, 260));
    t.after(40 * US).accepted(&server, task(501, "nginx: worker"));
    t.after(5_200 * MS).change(&client, "ESTABLISHED>FIN_WAIT1", curl);
    t.after(120 * US).change(&server, "ESTABLISHED>CLOSE_WAIT", worker);
    t.after(40 * US).fact(&client, "FIN_WAIT1>FIN_WAIT2", curl, |f| f.dead = true);
    t.after(20 * US).fact(&client, "FIN_WAIT2>CLOSE", curl, |f| f.dead = true);
    if let Some(Event::StateChange(last)) = t.events.last_mut() {
        last.counters = Some(carried(1_234, 3_456_789, 12_345));
    }
    t.after(1_500 * MS).tick();
    let last = t.change(&server, "CLOSE_WAIT>LAST_ACK", worker);
    last.counters = Some(carried(3_456_789, 1_234, 11_000));
    t.after(90 * US).change(&server, "LAST_ACK>CLOSE", worker).counters =
        Some(carried(3_456_789, 1_234, 11_000));
    t.after(5 * US).neighbour(&server, Neighbour::Destroyed);
    t.after(30 * MS).tick();
}

/// A reset over IPv6, seen from both of its ends; then a connection that an administrator kills.
fn resets(t: &mut Teller) {
    let (psql, postgres) =
        (owner(2_000, "psql", OwnerHow::Connect), owner(600, "postgres", OwnerHow::Accept));
    let long = ("2001:db8:1:2:3:4:5:6", 5_432);
    let client = socket(0x30, ("2001:db8::1", 50_001), long);
    let server = socket(0x31, long, ("2001:db8::1", 50_001));
    t.after(S).change(&client, "CLOSE>SYN_SENT", psql);
    t.after(MS).change(&client, "SYN_SENT>ESTABLISHED", psql);
    t.change(&server, "LISTEN>SYN_RECV", postgres);
    t.after(5 * US).change(&server, "SYN_RECV>ESTABLISHED", postgres);
    t.after(20 * US).accepted(&server, task(600, "postgres"));
    t.after(3 * S).fact(&server, "ESTABLISHED>CLOSE", postgres, |f| (f.locked, f.shutdown) = (true, 3));
    t.after(4 * US).neighbour(&server, Neighbour::ResetSent(Some(ResetReason::AbortOnClose)));
    t.neighbour(&server, Neighbour::Destroyed);
    t.after(30 * US).neighbour(&client, Neighbour::ResetReceived);
    t.after(2 * US).fact(&client, "ESTABLISHED>CLOSE", psql, |f| f.error = 104);
    t.after(40 * MS).tick();
    // Its process keeps the dead descriptor for a quarter of a second.
    t.after(210 * MS).neighbour(&client, Neighbour::Destroyed);

    let killed = socket(0x32, ("10.0.0.2", 50_002), ("10.0.0.1", 8_080));
    let wget = owner(1_300, "wget", OwnerHow::Connect);
    t.after(S).change(&killed, "CLOSE>SYN_SENT", wget);
    t.after(MS).change(&killed, "SYN_SENT>ESTABLISHED", wget);
    t.after(2 * S).neighbour(&killed, Neighbour::ResetSent(Some(ResetReason::TcpState)));
    t.fact(&killed, "ESTABLISHED>CLOSE", wget, |f| (f.error, f.locked) = (103, true));
    if let Some(Event::StateChange(last)) = t.events.last_mut() {
        last.actor = Some(task(99, "ss"));
    }
    t.after(5 * US).neighbour(&killed, Neighbour::Destroyed);
    t.after(30 * MS).tick();
}

/// Nobody listens; nobody answers.
fn failed_connects(t: &mut Teller) {
    let by = owner(1_400, "health\u{1b}[2Jcheck", OwnerHow::Connect);
    let refused = socket(0x40, ("10.0.0.2", 50_003), ("10.0.0.1", 81));
    t.after(S).change(
        &SocketId { endpoints: socket(1, ("10.0.0.2", 0), ("10.0.0.1", 81)).endpoints, ..refused },
        "CLOSE>SYN_SENT",
        by,
    );
    t.after(70 * US).neighbour(&refused, Neighbour::ResetReceived);
    t.fact(&refused, "SYN_SENT>CLOSE", by, |f| f.error = 111);
    t.after(9 * US).neighbour(&refused, Neighbour::Destroyed);
    let silent = socket(0x41, ("10.0.0.2", 50_004), ("203.0.113.7", 443));
    t.after(MS).change(&silent, "CLOSE>SYN_SENT", by);
    t.after(3_080 * MS).fact(&silent, "SYN_SENT>CLOSE", by, |f| (f.error, f.unanswered) = (110, 2));
    t.after(9 * US).neighbour(&silent, Neighbour::Destroyed);
    t.after(30 * MS).tick();
}

/// We closed, the peer elsewhere never does: polls show it until its time is up.
fn orphan(t: &mut Teller) {
    let by = owner(1_500, "uploader", OwnerHow::Connect);
    let id = socket(0x50, ("10.0.0.2", 50_005), ("198.51.100.20", 9_000));
    t.after(S).change(&id, "CLOSE>SYN_SENT", by);
    t.after(20 * MS).change(&id, "SYN_SENT>ESTABLISHED", by).counters = Some(carried(0, 0, 20_000));
    t.after(400 * MS).change(&id, "ESTABLISHED>FIN_WAIT1", by);
    t.after(20 * MS).fact(&id, "FIN_WAIT1>FIN_WAIT2", by, |f| f.dead = true);
    t.after(9 * US).fact(&id, "FIN_WAIT2>CLOSE", by, |f| f.dead = true);
    let earlier = socket(0x21, ("10.0.0.2", 50_000), ("10.0.0.1", 8_080));
    for left in [2_000, 1_000] {
        t.after(S).mini(&id, "FIN-WAIT-2", left);
        t.mini(&earlier, "TIME-WAIT", left + 44_000);
        t.after(MS).dumped(MINIS);
    }
    t.after(1_500 * MS).mini(&earlier, "TIME-WAIT", 43_500);
    t.after(MS).dumped(MINIS);
}
