//! How connections end while the doctor watches: resets, and TIME_WAITs without room.

use std::time::Duration;

use crate::space::{Space, find, number};

#[test]
fn time_waits_that_found_no_room_are_counted() {
    let Some(space) = Space::new("buckets") else { return };
    space.sysctl("net.ipv4.tcp_max_tw_buckets", "2");
    let (listener, to) = space.listen(8);
    let records = space.examine_while(&["-d", "2s"], || {
        for _ in 0..6 {
            let client = space.connect(to);
            let server = listener.accept().unwrap().0;
            drop(client);
            drop(server);
        }
    });
    let found = find(&records, "time_wait_buckets");
    let observed = &found["observed"];
    assert_eq!(found["severity"], "critical", "{found:#}");
    assert_eq!(
        (number(&observed["tcp_max_tw_buckets"]), number(&observed["overflowed_while_watching"])),
        (2, 4)
    );
    let sysctl =
        records.iter().find(|record| record["observed"]["name"] == "net.ipv4.tcp_max_tw_buckets").unwrap();
    assert_eq!((&sysctl["severity"], &sysctl["observed"]["value"]), (&"warning".into(), &"2".into()));
}

#[test]
fn resets_while_watching_are_counted_by_cause_and_peer() {
    let Some(space) = Space::new("resets") else { return };
    let (listener, to) = space.listen(8);
    let records = space.examine_while(&["-d", "2s"], || {
        for _ in 0..12 {
            let client = space.connect(to);
            let server = listener.accept().unwrap().0;
            rustix::net::sockopt::set_socket_linger(&server, Some(Duration::ZERO)).unwrap();
            drop(server);
            drop(client);
        }
    });
    let ended = |end: &str| records.iter().find(|record| record["observed"]["end"] == end).unwrap();
    assert_eq!(number(&ended("rst_sent")["observed"]["count"]), 12);
    let received = ended("rst_received");
    assert_eq!((number(&received["observed"]["count"]), &received["severity"]), (12, &"warning".into()));
    assert!(received["observed"]["peers"][0].as_str().unwrap().starts_with(&to.to_string()), "{received:#}");
}
