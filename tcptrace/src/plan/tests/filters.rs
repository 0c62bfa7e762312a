//! Which sockets: pids, names, ports, addresses, states, namespaces, cgroups.

use super::*;

#[test]
fn pids_are_lists_and_repeat() {
    let trace = trace("-p 1001,1002 --pid 1003");
    let mut pids: Vec<u32> = trace.filter.pids.into_iter().collect();
    pids.sort_unstable();
    assert_eq!(pids, [1001, 1002, 1003]);
}

#[test]
fn flags_on_both_sides_of_the_command_add_up() {
    let trace = trace("--pid 1001 lives --pid 1002");
    assert!(trace.filter.pids.contains(&1002));
    assert!(trace.filter.pids.contains(&1001), "{:?}", trace.filter.pids);
}

#[test]
fn a_wrong_pid_is_refused() {
    refused(&[
        ("--pid 999999", "no such process"),
        ("--pid 0", "not a pid"),
        ("--pid nginx", "--comm"),
        ("--pid 1234,", "not a pid"),
        ("--pid 99999999999", "not a pid"),
        ("--follow-forks", "needs --pid"),
    ]);
}

#[test]
fn a_pid_of_another_namespace_is_recognised_and_said() {
    let trace = trace("--pid 7");
    assert!(trace.filter.pids.contains(&12345));
    assert_eq!(trace.notes, ["pid 7 is 12345 here (`sleep`, seen in pid namespace 4026532456)"]);
    refused(&[("--pid 8", "12345 (`sleep`), 12399 (`sleep`)")]);
}

#[test]
fn a_thread_stands_for_its_process() {
    let trace = trace("--pid 2000");
    assert!(trace.filter.pids.contains(&1234));
    assert_eq!(trace.notes, ["2000 is a thread of process 1234: tracing the process"]);
}

#[test]
fn names_and_users_are_checked() {
    assert_eq!(trace("--uid www-data,0").filter.uids, [33, 0]);
    assert_eq!(trace("--comm nginx,py*").filter.comms.len(), 2);
    refused(&[
        ("--uid nobody-here", "no user"),
        ("--comm a-very-long-name*", "15 bytes"),
        ("--comm=", "empty"),
    ]);
}

#[test]
fn ports_are_numbers_and_ranges() {
    assert_eq!(trace("--port 443,8000-8010").filter.ports, [443..=443, 8000..=8010]);
    assert_eq!(trace("-L 80 -D 65535").filter.lports, [80..=80]);
    refused(&[
        ("--port 65536", "ports are 1 to 65535"),
        ("--lport 0", "no connection has port 0"),
        ("--rport 90-80", "write 80-90"),
        ("--port https", "not a port"),
        ("--port 1-70000", "ports are 1 to 65535"),
        ("--port +80", "not a port"),
        ("--port=-1", "not a port"),
        ("--port 80-", "not a port"),
    ]);
}

#[test]
fn addresses_are_networks_and_mapped_ones_are_folded() {
    let nets = |line: &str| trace(line).filter.addrs.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        nets("--addr 10.1.2.3/8,192.0.2.1,2001:db8::1,[::1],::ffff:10.0.0.1,::ffff:10.0.0.0/104"),
        ["10.0.0.0/8", "192.0.2.1/32", "2001:db8::1/128", "::1/128", "10.0.0.1/32", "10.0.0.0/8"]
    );
    refused(&[
        ("--addr 10.0.0.0/33", "0 to 32"),
        ("--laddr 10.0.0/8", "not an IP address"),
        ("--raddr ::1/129", "0 to 128"),
        ("--addr 10.0.0.0/", "prefix length"),
        ("--addr example.org", "not an IP address"),
        ("--addr ::ffff:10.0.0.0/8", "96 or more"),
    ]);
}

#[test]
fn states_are_known_in_any_spelling() {
    assert_eq!(
        trace("--state close-wait,FIN_WAIT2").filter.states,
        [TcpState::CloseWait, TcpState::FinWait2]
    );
    refused(&[("--state CLOSEWAITING", "the states are CLOSED LISTEN")]);
}

#[test]
fn namespaces_are_found_by_name_path_inode_and_self() {
    let trace = trace("--netns self,blue,/proc/9/ns/net,4026531840,net:[4026531840]");
    assert_eq!(trace.filter.netns, [1, 2, 3, 4_026_531_840, 4_026_531_840]);
    assert!(trace.notes.is_empty());
    let unheld = self::trace("--netns 4026539999");
    assert!(unheld.notes[0].contains("nothing may be seen"), "{:?}", unheld.notes);
    refused(&[
        ("--netns red", "ip netns list"),
        ("--netns /etc/passwd", "not a network namespace"),
        ("--netns /no/where", "/no/where"),
        ("--netns=", "empty"),
    ]);
    assert_eq!(plan("--netns /proc/1/ns/net").unwrap_err().code, ExitCode::NoPermission);
}

#[test]
fn a_cgroup_includes_those_below_it() {
    let trace = trace("--cgroup /sys/fs/cgroup/web --cgroup /system.slice");
    assert_eq!(trace.filter.cgroups.unwrap().len(), 4);
    assert!(trace.notes[0].contains("2 cgroups below"), "{:?}", trace.notes);
    refused(&[("--cgroup /nowhere", "no such file")]);
    let failure = plan("--cgroup /secret").unwrap_err();
    assert_eq!(failure.code, ExitCode::NoPermission);
    assert!(failure.message.contains("run as root"));
}
