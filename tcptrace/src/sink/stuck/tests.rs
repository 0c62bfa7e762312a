//! What a person reads.

use super::*;
use crate::engine::stuck::Origin;
use crate::engine::stuck::stack::NOT_KEPT;
use crate::model::evidence::Span;
use crate::model::time::Mono;
use crate::sink::sample::{self, ANCHOR, S};
use crate::sink::time::TimeStyle;

fn told(telling: Telling, all: &[Stuck]) -> String {
    let mut bytes = Vec::new();
    let clock = Clock::new(TimeStyle::Utc, ANCHOR, false);
    let mut sink = StuckSink::new(&mut bytes, Vec::new(), telling, clock, true);
    for stuck in all {
        sink.update(&Update::Stuck(stuck)).unwrap();
    }
    sink.finish(&Summary::default()).unwrap();
    drop(sink);
    String::from_utf8(bytes).unwrap()
}

/// The other end of the sample, waiting for it.
fn waiting() -> Stuck {
    let mut stuck = sample::stuck();
    let peer = stuck.peer.take().unwrap();
    let mine = stuck.subject.socket;
    stuck.peer = Some(Other { socket: mine, state: TcpState::CloseWait, ..peer });
    stuck.subject.socket = peer.socket;
    stuck.subject.socket.socket.cookie = crate::model::cookie::Cookie::new(5);
    stuck.state = TcpState::FinWait2;
    stuck
}

#[test]
fn both_ends_on_this_host_are_one_line() {
    let text = told(Telling::Each, &[waiting(), sample::stuck()]);
    insta::assert_snapshot!(text, @r"
    AGE     STATE       VERDICT            OWNER                 LOCAL > REMOTE, RECV-Q/SEND-Q
    ≥31s    CLOSE_WAIT  leaked_fd          curl[1234] fd 7       10.0.0.1:50000 > 93.184.216.34:443, 0/0 ↔ FIN_WAIT_2 of nobody
            the peer closed
            => close it
            held by server[1234] fd 7 (opened it), server[1235] fd 7 (inherited or passed)
    ");
    assert!(told(Telling::Each, &[waiting()]).contains("FIN_WAIT_2  leaked_fd"));
}

#[test]
fn more_than_twenty_are_told_in_groups_unless_each_is_asked_for() {
    let many = vec![sample::stuck(); 21];
    let grouped = told(Telling::Groups, &many);
    assert!(grouped.contains("local port 50000, 21 sockets, median age 31s"), "{grouped}");
    assert_eq!(grouped.matches("leaked_fd").count(), 1);
    assert_eq!(told(Telling::Each, &many).matches("leaked_fd").count(), 21);
    assert_eq!(told(Telling::Groups, &many[1..]).matches("leaked_fd").count(), 20);
}

#[test]
fn a_live_line_begins_with_its_time_and_an_end_needs_no_advice() {
    let ended = Stuck { event: StuckEvent::Ended, age: Span::exact(35 * S), ..sample::stuck() };
    let text = told(Telling::Live, &[sample::stuck(), ended]);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("03:20:33.000 stuck began ≥31s"), "{text}");
    assert!(lines[4].starts_with("03:20:33.000 stuck ended 35.0s"), "{text}");
    assert_eq!(lines.len(), 5, "{text}");
}

#[test]
fn a_name_that_commands_a_terminal_stays_text() {
    let stuck = Stuck { explanation: "held by \x1b[31m".to_owned(), ..sample::stuck() };
    assert!(!told(Telling::Each, &[stuck]).contains('\x1b'));
}

/// Another socket like it.
fn opened(cookie: u64, event: StuckEvent) -> Stuck {
    let mut stuck = Stuck { origin: Some(sample::origin()), event, ..sample::stuck() };
    stuck.subject.socket.socket.cookie = crate::model::cookie::Cookie::new(cookie);
    stuck
}

#[test]
fn sockets_of_one_site_are_one_block_and_its_stack_stands_there_once() {
    let mut bytes = Vec::new();
    let clock = Clock::new(TimeStyle::Utc, ANCHOR, false);
    let mut sink = StuckSink::new(&mut bytes, Vec::new(), Telling::Sites, clock, false);
    let unknown = Stuck { origin: Some(Origin::Unknown(NOT_KEPT)), ..sample::stuck() };
    for stuck in [opened(1, StuckEvent::Began), opened(2, StuckEvent::Began), unknown] {
        sink.update(&Update::Stuck(&stuck)).unwrap();
    }
    sink.flush().unwrap();
    for stuck in [opened(3, StuckEvent::Began), opened(1, StuckEvent::Ended)] {
        sink.update(&Update::Stuck(&stuck)).unwrap();
    }
    sink.finish(&Summary { duration_ns: 2 * S, ..Summary::default() }).unwrap();
    drop(sink);
    insta::assert_snapshot!(String::from_utf8(bytes).unwrap(), @r"
    03:20:33.000 stuck began ≥31s    CLOSE_WAIT  leaked_fd          curl[1234]            local port 50000, 2 sockets, median age 31s
            the peer closed
            => close it
            held by server[1234] fd 7 (opened it), server[1235] fd 7 (inherited or passed)
            accepted at stack 3:
              #0  leak\x1b[31m [inlined] at shop.c:31 (/usr/bin/shop)
              #1  serve+0x10 (/usr/bin/shop)
              #2  0x550000001030 (/usr/bin/shop+0x30): no symbols
              short because the binary has no frame pointers: build it with -fno-omit-frame-pointer (Rust: -Cforce-frame-pointers=yes) to see its callers
    03:20:33.000 stuck began ≥31s    CLOSE_WAIT  leaked_fd          curl[1234] fd 7       10.0.0.1:50000 > 93.184.216.34:443, 0/0 ↔ FIN_WAIT_2 of nobody
            the peer closed
            => close it
            held by server[1234] fd 7 (opened it), server[1235] fd 7 (inherited or passed)
            where it was opened is not known: opened before tcptrace looked, or not by connect() or accept() (io_uring)
    03:20:33.000 stuck began ≥31s    CLOSE_WAIT  leaked_fd          curl[1234] fd 7       10.0.0.1:50000 > 93.184.216.34:443, 0/0 ↔ FIN_WAIT_2 of nobody
            the peer closed
            => close it
            held by server[1234] fd 7 (opened it), server[1235] fd 7 (inherited or passed)
            accepted at stack 3 (above), where now are 2 sockets, the oldest for ≥31s
    03:20:33.000 stuck ended ≥31s    CLOSE_WAIT  leaked_fd          curl[1234] fd 7       10.0.0.1:50000 > 93.184.216.34:443, 0/0 ↔ FIN_WAIT_2 of nobody
    where the sockets that are still stuck were opened:
    2 sockets, the oldest for ≥32s, curl[1234], accepted at stack 3:
              #0  leak\x1b[31m [inlined] at shop.c:31 (/usr/bin/shop)
              #1  serve+0x10 (/usr/bin/shop)
              #2  0x550000001030 (/usr/bin/shop+0x30): no symbols
              short because the binary has no frame pointers: build it with -fno-omit-frame-pointer (Rust: -Cforce-frame-pointers=yes) to see its callers
    ");
}

#[test]
fn while_many_are_stuck_a_live_output_tells_of_groups_now_and_then() {
    let one = |at: u64, event, count, growth_per_minute| {
        let stuck = Stuck { event, at: Mono(at * S), ..sample::stuck() };
        let key =
            group::Key { pid: Some(1234), state: stuck.state, lport: Some(8080), verdict: stuck.verdict };
        let oldest = Span::exact(40 * S);
        Stuck { crowd: Some(group_of(key, count, oldest, growth_per_minute)), ..stuck }
    };
    let news = [
        one(100, StuckEvent::Began, 30, None),
        one(100, StuckEvent::Began, 30, None),
        one(109, StuckEvent::Began, 60, None),
        one(110, StuckEvent::Began, 90, Some(360)),
        one(129, StuckEvent::Ended, 80, Some(-5)),
        one(130, StuckEvent::Ended, 70, Some(-5)),
        one(131, StuckEvent::Ended, 0, None),
    ];
    let text = told(Telling::Live, &news);
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("stuck ")).collect();
    let expected = [
        ("began", "local port 8080, 30 sockets, median age 20s"),
        ("still", "90 sockets, median age 20s, +360 a minute"),
        ("still", "70 sockets, median age 20s, -5 a minute"),
        ("ended", "0 sockets"),
    ];
    assert_eq!(lines.len(), expected.len(), "{text}");
    for (line, (event, words)) in lines.iter().zip(expected) {
        assert!(line.contains(&format!("stuck {event}")) && line.contains(words), "{words}: {line}");
    }
    assert_eq!(told(Telling::LiveEach, &news).matches("CLOSE_WAIT").count(), 7);
}

fn group_of(
    key: group::Key,
    count: u64,
    oldest: Span,
    growth_per_minute: Option<i64>,
) -> crate::engine::stuck::Crowd {
    let median_ns = (count > 0).then_some(20 * S);
    crate::engine::stuck::Crowd { key, count, of: count + 1, oldest, median_ns, growth_per_minute }
}
