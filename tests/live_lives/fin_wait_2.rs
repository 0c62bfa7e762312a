//! FIN_WAIT_2 as a full socket and as an orphan, and the TIME_WAIT after it.

use std::io::Read;
use std::time::Duration;

use tcptrace::model::state::TcpState;

use crate::support_lives::ability::has;
use crate::support_lives::lab::send;
use crate::support_lives::packet::{ACK, Ear, SYN, Segment, inject};
use crate::support_lives::sock::{end_writing, linger, linger2};
use crate::support_lives::{Lab, last};

const CLOSER: &str = "SYN_SENT ESTABLISHED FIN_WAIT_1 FIN_WAIT_2";
const CLOSEE: &str = "SYN_RECV ESTABLISHED CLOSE_WAIT LAST_ACK";

fn quick(seconds: &str) -> Option<Lab> {
    Lab::alone(&[("ipv4/tcp_fin_timeout", seconds)])
}

#[test]
fn a_half_closed_socket_that_a_process_holds_waits_without_a_timeout_and_expires_after_close() {
    let Some(lab) = quick("1") else { return };
    let pair = lab.pair();
    end_writing(&pair.client);
    lab.a().until_in(pair.c, TcpState::FinWait2);
    last(1500);
    assert!(lab.tracer.so_far(pair.c).is_empty());
    drop(pair.client);
    let life = lab.life(pair.c);
    life.was(CLOSER, "fin_wait_2_timeout").ours("connect").has("orphaned", true).has("closed_by", "local");
    life.lasted("FIN_WAIT_2", 2400..4500, "estimated");
}

#[test]
fn an_orphan_expires_after_tcp_fin_timeout_and_its_peer_gets_a_reset() {
    let Some(lab) = quick("1") else { return };
    let pair = lab.pair();
    drop(pair.client);
    let life = lab.life(pair.c);
    life.was(CLOSER, "fin_wait_2_timeout").has("orphaned", true).lasted("FIN_WAIT_2", 900..2500, "estimated");
    drop(pair.server);
    let peer = lab.life(pair.s);
    peer.was(CLOSEE, "rst_received").ours("accept").has("closed_by", "remote");
    peer.lasted("CLOSE_WAIT", 900..4000, "exact");
}

#[test]
fn a_timeout_above_a_minute_is_waited_for_twice_once_as_a_full_socket() {
    let Some(lab) = quick("61") else { return };
    let pair = lab.pair();
    drop(pair.client);
    let life = lab.life(pair.c);
    life.was(&format!("{CLOSER} FIN_WAIT_2"), "fin_wait_2_timeout");
    life.nth_lasted(0, "FIN_WAIT_2", 950..1500, "exact");
    life.nth_lasted(1, "FIN_WAIT_2", 900..2500, "estimated");
}

#[test]
fn linger2_sets_the_orphans_time() {
    let Some(lab) = quick("60") else { return };
    let pair = lab.pair();
    linger2(&pair.client, 1);
    drop(pair.client);
    lab.life(pair.c).was(CLOSER, "fin_wait_2_timeout").lasted("FIN_WAIT_2", 900..2500, "estimated");
}

#[test]
fn linger2_below_zero_resets_instead_of_waiting() {
    let Some(lab) = quick("60") else { return };
    let pair = lab.pair();
    linger2(&pair.client, -1);
    end_writing(&pair.client);
    lab.a().until_in(pair.c, TcpState::FinWait2);
    drop(pair.client);
    lab.life(pair.c).was(CLOSER, "rst_sent linger2").has("orphaned", true);
    drop(pair.server);
    lab.life(pair.s).was("SYN_RECV ESTABLISHED CLOSE_WAIT", "rst_received");
}

#[test]
fn an_orphan_that_gets_the_peers_fin_goes_on_to_time_wait() {
    let Some(lab) = quick("60") else { return };
    let pair = lab.pair();
    drop(pair.client);
    // The acknowledgement of the FIN comes up to 40 ms after it (Linux `tcp_fin`).
    lab.a().until_in(pair.c, TcpState::FinWait2);
    last(300);
    drop(pair.server);
    let life = lab.life(pair.c);
    life.was(&format!("{CLOSER} TIME_WAIT"), "time_wait").lasted("FIN_WAIT_2", 290..800, "estimated");
    lab.life(pair.s).was(CLOSEE, "fin").lasted("CLOSE_WAIT", 290..800, "exact");
}

#[test]
fn an_orphan_that_gets_data_resets() {
    let Some(lab) = quick("60") else { return };
    let pair = lab.pair();
    drop(pair.client);
    // The acknowledgement of the FIN comes up to 40 ms after it (Linux `tcp_fin`).
    lab.a().until_in(pair.c, TcpState::FinWait2);
    last(200);
    send(&pair.server, 100);
    let life = lab.life(pair.c);
    if has("reset_reasons") {
        life.was(CLOSER, "rst_sent data_after_close").lasted("FIN_WAIT_2", 190..700, "exact");
    } else {
        // Kernels without them tell of no RST of a timewait socket: all that is seen is that it is gone.
        life.was(CLOSER, "unknown").lasted("FIN_WAIT_2", 190..2500, "estimated");
    }
    drop(pair.server);
    lab.life(pair.s).was("SYN_RECV ESTABLISHED CLOSE_WAIT", "rst_received").has("bytes_sent", 100);
}

#[test]
fn an_orphan_that_gets_a_reset_is_gone() {
    let Some(lab) = quick("60") else { return };
    let pair = lab.pair();
    drop(pair.client);
    // The acknowledgement of the FIN comes up to 40 ms after it (Linux `tcp_fin`).
    lab.a().until_in(pair.c, TcpState::FinWait2);
    last(200);
    linger(&pair.server, Duration::ZERO);
    drop(pair.server);
    lab.life(pair.c).was(CLOSER, "rst_received").lasted("FIN_WAIT_2", 190..700, "estimated");
    lab.life(pair.s).was("SYN_RECV ESTABLISHED CLOSE_WAIT", "rst_sent linger_0");
}

#[test]
fn a_lingering_close_waits_in_fin_wait_1_and_leaves_an_orphan() {
    let Some(lab) = Lab::routed(&[("ipv4/tcp_fin_timeout", "1")]) else { return };
    let pair = lab.pair();
    linger(&pair.client, Duration::from_secs(1));
    lab.refuse(true, "blackhole");
    std::thread::scope(|scope| {
        let closing = scope.spawn(|| drop(pair.client));
        lab.a().until_in(pair.c, TcpState::FinWait1);
        last(300);
        lab.restore(true);
        closing.join().unwrap();
    });
    let life = lab.life(pair.c);
    life.was(CLOSER, "fin_wait_2_timeout").has("orphaned", true).lasted("FIN_WAIT_1", 300..1900, "exact");
}

#[test]
fn a_close_after_shutdown_splits_no_state_and_resets_no_clock() {
    let Some(lab) = Lab::routed(&[]) else { return };
    let pair = lab.pair();
    lab.refuse(true, "blackhole");
    end_writing(&pair.client);
    last(150);
    drop(pair.client);
    last(150);
    lab.restore(true);
    lab.a().until_in(pair.c, TcpState::FinWait2);
    lab.refuse(false, "blackhole");
    end_writing(&pair.server);
    last(150);
    drop(pair.server);
    last(150);
    lab.restore(false);
    let life = lab.life(pair.c);
    life.was(&format!("{CLOSER} TIME_WAIT"), "time_wait").lasted("FIN_WAIT_1", 300..2000, "exact");
    lab.life(pair.s).was(CLOSEE, "fin").lasted("LAST_ACK", 300..2000, "exact");
}

#[test]
fn two_that_close_at_once_go_through_closing() {
    let Some(lab) = Lab::routed(&[]) else { return };
    let pair = lab.pair();
    lab.cut();
    drop((pair.client, pair.server));
    lab.a().until_in(pair.c, TcpState::FinWait1);
    last(50);
    lab.restore(true);
    lab.restore(false);
    let lives = [lab.life(pair.c), lab.life(pair.s)];
    assert!(lives.iter().all(|life| life.end() == "time_wait"), "{lives:#?}");
    let closing = lives.iter().filter(|life| life.path().contains("FIN_WAIT_1 CLOSING TIME_WAIT"));
    for life in closing.clone() {
        life.has("closed_by", "both");
    }
    assert_ne!(closing.count(), 0, "{lives:#?}");
}

#[test]
fn a_stray_syn_changes_nothing() {
    let Some(lab) = Lab::alone(&[]) else { return };
    let ear = Ear::new(lab.a());
    let pair = lab.pair();
    send(&pair.client, 1);
    let data = ear.hear(|segment| segment.from.port() == pair.client.local_addr().unwrap().port());
    inject(lab.a(), Segment { flags: SYN, ..data });
    ear.hear(|segment| segment.flags == ACK && segment.to == data.from);
    last(100);
    drop(pair.client);
    lab.a().until_in(pair.c, TcpState::FinWait2);
    let mut server = pair.server;
    server.read_to_end(&mut Vec::new()).unwrap();
    drop(server);
    lab.life(pair.c).was(&format!("{CLOSER} TIME_WAIT"), "time_wait").lasted(
        "ESTABLISHED",
        100..2000,
        "exact",
    );
    lab.life(pair.s).was(CLOSEE, "fin").has("bytes_received", 1);
}
