//! What a peer that does not answer, or answers little, makes of the verdict.

use super::super::*;
use super::{S, World, socket};
use crate::model::snapshot::{Age, SocketSnapshot, TimerKind};

#[test]
fn a_peer_that_answers_probes_is_there_and_one_that_does_not_is_gone() {
    let closing = |kind, retransmits, send_queue| SocketSnapshot {
        timer: Some(Timer { kind, expires_ns: S, late_ns: 0, retransmits }),
        send_queue,
        ..socket(1, TcpState::FinWait1, 80, 5000)
    };
    for (timer, verdict, words) in [
        (closing(TimerKind::Probe, 0, 700), None, "its window is closed: it does not read"),
        (closing(TimerKind::Probe, 1, 700), None, "its window is closed"),
        (closing(TimerKind::Probe, 4, 700), Some(Verdict::PeerGone), "the last 4 probes are not answered"),
        (closing(TimerKind::Retransmit, 0, 700), None, "700 bytes and our FIN are still on their way"),
        (closing(TimerKind::Retransmit, 1, 700), Some(Verdict::PeerGone), "700 bytes and our FIN for"),
        (
            closing(TimerKind::Retransmit, 6, 0),
            Some(Verdict::PeerGone),
            "our FIN for 100 s, sent again 6 times",
        ),
    ] {
        let stuck = World::default().with(timer, &[7]).only();
        assert_eq!(stuck.verdict, verdict, "{stuck:?}");
        assert!(stuck.explanation.contains(words), "{words}: {}", stuck.explanation);
        assert!(verdict.is_none() || stuck.advice.contains("tcp_retries2"), "{}", stuck.advice);
    }
    let mut orphan = closing(TimerKind::Retransmit, 6, 0);
    orphan.id.inode = None;
    let stuck = World::default().with(orphan, &[]).only();
    assert!(stuck.advice.contains("tcp_orphan_retries"), "{}", stuck.advice);
}

#[test]
fn silence_of_an_end_that_is_on_this_host_is_the_fault_of_the_path() {
    let mut gone = socket(1, TcpState::FinWait1, 80, 5000);
    gone.timer = Some(Timer { kind: TimerKind::Retransmit, expires_ns: S, late_ns: 0, retransmits: 3 });
    let peer = socket(2, TcpState::CloseWait, 5000, 80);
    let young = SocketSnapshot { age: Age { at_least_ns: S, at_most_ns: Some(S) }, ..peer };
    let stuck = World::default().with(gone, &[7]).with(young, &[8]).only();
    assert!(
        stuck.explanation.contains("alive on this host (CLOSE_WAIT of server, pid 8)"),
        "{}",
        stuck.explanation
    );
    assert!(stuck.advice.contains("drops packets"), "{}", stuck.advice);
}

#[test]
fn what_drains_into_silence_may_have_lost_its_peer() {
    let mut draining = socket(1, TcpState::CloseWait, 80, 5000);
    draining.send_queue = 9;
    draining.timer = Some(Timer { kind: TimerKind::Retransmit, expires_ns: S, late_ns: 0, retransmits: 3 });
    let stuck = World::default().with(draining, &[7]).only();
    assert_eq!((stuck.verdict, stuck.alternative), (Some(Verdict::Draining), Some(Verdict::PeerGone)));
}
