//! Each error of the user, and what good words become.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use super::*;
use crate::cli::{Parsed, parse};
use crate::engine::filter::LifeFilter;
use crate::engine::histogram::asked::Asked;
use crate::failure::ExitCode;
use crate::model::life::End;
use crate::model::measure::Measure;
use crate::sink::column::Column;
use crate::sink::time::TimeStyle;
use crate::source::host::{InnerProcess, Process, Unwritable};

/// A host of our making.
struct FakeHost;

impl Host for FakeHost {
    fn process(&self, pid: u32) -> io::Result<Process> {
        let inner = |pid| InnerProcess { pid, comm: "sleep".to_owned(), namespace: Some(4_026_532_456) };
        Ok(match pid {
            1000..=1999 => Process::Here,
            2000 => Process::ThreadOf(1234),
            7 => Process::Inner(vec![inner(12345)]),
            8 => Process::Inner(vec![inner(12345), inner(12399)]),
            _ => Process::Nobody,
        })
    }

    fn uid(&self, user: &str) -> Option<u32> {
        (user == "www-data").then_some(33)
    }

    fn netns(&self, path: &Path) -> io::Result<u32> {
        let known = HashMap::from([("/proc/self/ns/net", 1), ("/run/netns/blue", 2), ("/proc/9/ns/net", 3)]);
        match path.to_str() {
            Some("/proc/1/ns/net") => Err(io::ErrorKind::PermissionDenied.into()),
            Some("/etc/passwd") => {
                Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a network namespace"))
            }
            path => path.and_then(|path| known.get(path)).copied().ok_or(io::ErrorKind::NotFound.into()),
        }
    }

    fn has_netns(&self, inode: u32) -> bool {
        inode == 4_026_531_840
    }

    fn cgroup(&self, path: &Path) -> io::Result<Vec<u64>> {
        match path.to_str() {
            Some("/sys/fs/cgroup/web") => Ok(vec![10]),
            Some("/system.slice") => Ok(vec![20, 21, 22]),
            Some("/secret") => Err(io::Error::from_raw_os_error(13)),
            _ => Err(io::Error::from_raw_os_error(2)),
        }
    }

    fn can_write(&self, path: &Path) -> Result<(), Unwritable> {
        match path.to_str() {
            Some("/tmp") => Err(Unwritable::IsAFolder),
            Some("/none/out.json") => Err(Unwritable::NoFolder),
            Some("/etc/passwd/out") => Err(Unwritable::NotAFolder),
            Some("/root/out") => Err(Unwritable::Refused("permission denied".to_owned())),
            _ => Ok(()),
        }
    }

    fn exists(&self, path: &Path) -> bool {
        matches!(path.to_str(), Some("there.jsonl.zst" | "broken.jsonl.zst.part"))
    }

    fn page_bytes(&self) -> u64 {
        4096
    }
}

fn plan(line: &str) -> Result<Plan, Failure> {
    let words = ["tcptrace"].into_iter().chain(line.split(' ').filter(|word| !word.is_empty()));
    match parse(words)? {
        Parsed::Args(args) => Plan::new(&args, &FakeHost),
        Parsed::Help(_) => panic!("{line} printed help"),
    }
}

fn trace(line: &str) -> Trace {
    match plan(line) {
        Ok(Plan::Trace(trace)) => *trace,
        other => panic!("{line}: {other:?}"),
    }
}

fn lives(line: &str) -> Lives {
    match trace(line).kind {
        Kind::Lives(lives) => lives,
        other => panic!("{line} is {other:?}"),
    }
}

/// Every line fails with usage, in one sentence that names the flag and holds the needle.
fn refused(cases: &[(&str, &str)]) {
    for (line, needle) in cases {
        let failure = plan(line).expect_err(line);
        assert_eq!(failure.code, ExitCode::Usage, "{line}: {failure}");
        let said = failure.message;
        assert!(said.contains(needle), "{line}: {said}");
        assert!(!said.contains('\n') && !said.ends_with('.'), "{line}: {said}");
        let mut flags = line.split([' ', '=']).filter(|word| word.starts_with('-'));
        assert!(flags.any(|flag| said.contains(flag)), "{line} does not name its flag: {said}");
    }
}

#[test]
fn without_flags_everything_streams_by_default() {
    let trace = trace("");
    assert!(trace.filter.is_empty());
    assert_eq!((trace.kind.clone(), trace.attach, trace.ring_bytes), (Kind::Stream, Attach::Auto, 16 << 20));
    assert_eq!((trace.duration, trace.count, trace.max_connections), (None, None, 1_000_000));
    assert_eq!(trace.show(), Show::Transitions);
    assert!(trace.notes.is_empty() && trace.output.header && !trace.output.wide);
    assert_eq!((trace.output.format, trace.output.time, trace.output.columns), (Format::Text, None, None));
}

#[test]
fn commands_without_tracing_take_no_tracing_flags() {
    assert_eq!(plan("schema"), Ok(Plan::Schema));
    assert_eq!(plan("preflight -v"), Ok(Plan::Preflight { json: false }));
    for line in ["preflight -o json", "preflight --json", "-o json preflight --color never"] {
        assert_eq!(plan(line), Ok(Plan::Preflight { json: true }), "{line}");
    }
    assert!(plan("preflight -o text --json").unwrap_err().message.contains("contradict"));
    assert_eq!(plan("--version --verbose"), Ok(Plan::Version { verbose: true }));
    assert_eq!(plan("-V --pid nonsense"), Ok(Plan::Version { verbose: false }));
    for line in [
        "schema --pid 1234",
        "preflight -o csv",
        "preflight -w",
        "preflight --json --no-header",
        "preflight --json --pid 1",
        "schema --exact",
    ] {
        assert!(plan(line).unwrap_err().message.contains("takes no"), "{line}");
    }
}

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

#[test]
fn durations_have_units() {
    for (word, millis) in [("30s", 30_000), ("1h30m", 5_400_000), ("250ms", 250), ("1.5s", 1500)] {
        assert_eq!(trace(&format!("-d {word}")).duration, Some(Duration::from_millis(millis)), "{word}");
    }
    refused(&[
        ("--duration 30", "e.g. 30s"),
        ("--duration=5parsecs", "not a duration"),
        ("--duration 0s", "no time"),
        ("--duration=-5s", "negative"),
        ("--duration=", "not a duration"),
        ("--duration 1mo", "not a duration"),
    ]);
    let spaced = parse(["tcptrace", "--duration", "5 parsecs"]).unwrap();
    let Parsed::Args(args) = spaced else { panic!("help") };
    let said = Plan::new(&args, &FakeHost).unwrap_err().message;
    assert!(said.contains("`5 parsecs` is not a duration"), "{said}");
}

#[test]
fn counts_start_at_one() {
    assert_eq!(trace("-n 5").count, Some(5));
    assert_eq!(trace("--max-connections 10").max_connections, 10);
    refused(&[
        ("--count 0", "whole number from 1"),
        ("--count=-1", "whole number"),
        ("--count many", "whole number"),
        ("--max-connections 0", "whole number from 1"),
    ]);
}

#[test]
fn a_ring_is_rounded_up_to_a_power_of_two_of_pages_and_that_is_said() {
    assert_eq!(trace("--ring-size 64K").ring_bytes, 65_536);
    assert!(trace("--ring-size 64K").notes.is_empty());
    for (word, bytes, said) in [("100KiB", 131_072, "128K"), ("1", 4096, "4K"), ("3M", 4 << 20, "4M")] {
        let trace = trace(&format!("--ring-size {word}"));
        assert_eq!(trace.ring_bytes, bytes, "{word}");
        assert!(trace.notes[0].contains(said), "{:?}", trace.notes);
    }
    assert_eq!(trace("--ring-size 2G").ring_bytes, 1 << 31);
    refused(&[
        ("--ring-size 3G", "largest"),
        ("--ring-size 0", "not a size"),
        ("--ring-size big", "not a size"),
        ("--ring-size 99999999999999G", "not a size"),
    ]);
}

#[test]
fn output_flags_agree_on_one_format() {
    for (line, format, wide) in [
        ("-o json", Format::Json, false),
        ("--json -o json", Format::Json, false),
        ("-s", Format::Csv, false),
        ("-w", Format::Text, true),
        ("-o wide -w", Format::Text, true),
        ("-o text -w", Format::Text, true),
    ] {
        let output = trace(line).output;
        assert_eq!((output.format, output.wide), (format, wide), "{line}");
    }
    refused(&[
        ("--json -o csv", "-o csv and --json contradict"),
        ("--json -s", "choose one output format"),
        ("--json -w", "choose one output format"),
        ("--json --columns pid", "--columns does not go with JSON"),
        ("--json --time utc", "fixed"),
        ("-T -t", "one time column"),
        ("--time utc -T", "one time column"),
    ]);
    assert_eq!(trace("-t").output.time, Some(TimeStyle::Delta));
    assert_eq!(trace("-T --time local").output.time, Some(TimeStyle::Local));
}

#[test]
fn columns_are_named_in_order_and_once() {
    let output = trace("--columns to,owner_how,PID").output;
    assert_eq!(output.columns, Some(vec![Column::To, Column::OwnerHow, Column::Pid]));
    refused(&[
        ("--columns pid,colour", "no column `colour`; the columns are time pid"),
        ("--columns pid,pid", "twice"),
    ]);
}

#[test]
fn a_file_is_checked_before_anything_starts() {
    assert_eq!(trace("--output out.json").output.path.as_deref(), Some(Path::new("out.json")));
    assert_eq!(trace("--output -").output.path, None);
    refused(&[
        ("--output /none/out.json", "/none does not exist"),
        ("--output /tmp", "is a folder"),
        ("--output /etc/passwd/out", "not a folder"),
        ("--output /root/out", "permission denied"),
    ]);
}

#[test]
fn contradictions_are_refused() {
    refused(&[
        ("-4 -6", "-4 and -6 contradict"),
        ("--raw lives", "leave one out"),
        ("--raw --exact", "leave one out"),
        ("--raw --state established,time-wait", "never says TIME_WAIT"),
        ("--netns self --attach classic", "--attach btf"),
        ("--uid 0 --attach classic", "--attach btf"),
        ("--cgroup /system.slice --attach classic", "--attach btf"),
    ]);
    assert_eq!(trace("--raw --state close-wait").show(), Show::KernelEvents);
    assert_eq!(trace("-4").filter.family, Some(Family::V4));
}

#[test]
fn flags_of_lives_become_its_rules() {
    let lives = lives(
        "lives --end rst-sent,TIMEOUT --min-duration 10s --min-in-state CLOSE_WAIT=1s,fin-wait-2=500ms --through-time-wait",
    );
    assert_eq!(
        lives.filter,
        LifeFilter {
            ends: vec![End::RstSent, End::Timeout],
            min_duration: Some(Duration::from_secs(10)),
            min_in_state: vec![
                (TcpState::CloseWait, Duration::from_secs(1)),
                (TcpState::FinWait2, Duration::from_millis(500)),
            ],
        }
    );
    assert!(lives.through_time_wait && !lives.unfinished);
}

#[test]
fn wrong_flags_of_lives_are_refused() {
    refused(&[
        ("lives --end exploded", "cannot end `exploded`; the words are time_wait fin"),
        ("lives --min-in-state CLOSE_WAIT", "lacks the time"),
        ("lives --min-in-state NOWHERE=1s", "not a TCP state"),
        ("lives --min-in-state CLOSE_WAIT=1", "e.g. 1s"),
        ("lives --min-duration long", "not a duration"),
        ("lives --unfinished --end fin", "contradict"),
    ]);
}

fn recording(line: &str) -> Record {
    match plan(line) {
        Ok(Plan::Record(record)) => *record,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn a_recording_has_a_name_limits_and_filters() {
    let record = recording(
        "--pid 1001,1002 record rec.jsonl.zst --max-size 100M --rotate 5 -4 --lport 80,443 -d 1m --exact",
    );
    assert_eq!(record.path, Path::new("rec.jsonl.zst"));
    assert_eq!((record.limits.max_bytes, record.limits.rotate), (Some(100 << 20), Some(5)));
    assert_eq!(record.filters, "--pid 1001,1002 --lport 80,443 -4");
    assert!(record.trace.exact && record.trace.filter.pids.contains(&1002) && record.trace.notes.is_empty());
    assert_eq!(record.trace.duration, Some(Duration::from_secs(60)));
    let plain = recording("record out");
    assert_eq!((plain.limits, plain.filters.as_str()), (crate::sink::record::Limits::default(), ""));
    assert!(plain.trace.notes[0].contains("does not end in .jsonl.zst"), "{:?}", plain.trace.notes);
    assert_eq!(plan("repair rec.jsonl.zst.part"), Ok(Plan::Repair("rec.jsonl.zst.part".into())));
}

#[test]
fn wrong_flags_of_record_are_refused() {
    refused(&[
        ("record x --rotate 3", "needs --max-size"),
        ("record x --max-size 1M --rotate 0", "whole number from 1"),
        ("record x --max-size 10K", "the least is 1M"),
        ("record x --max-size big", "not a size"),
        ("record x -o json", "use them with --from"),
        ("record x --columns pid --output y", "takes no output flags"),
        ("record x --raw", "anyway"),
        ("record x --state close-wait", "whole lives"),
        ("record x --count 5", "--duration or --max-size"),
        ("record x --from y", "already there"),
        ("record -", "name a file"),
    ]);
    for (line, needle) in [
        ("record there.jsonl.zst", "there.jsonl.zst exists"),
        ("record broken.jsonl.zst", "tcptrace repair"),
        ("record /none/out.json", "/none does not exist"),
        ("record", "FILE"),
        ("repair", "FILE"),
        ("repair x --pid 1001", "takes no filters"),
        ("repair x --from y", "takes no tracing flags"),
        ("schema --from y", "takes no tracing flags"),
    ] {
        let said = plan(line).unwrap_err().message;
        assert!(said.contains(needle), "{line}: {said}");
    }
}

#[test]
fn a_recording_is_read_by_every_view_and_of_another_host() {
    let trace =
        trace("--from rec.jsonl.zst --pace --pid 999999 --uid 33 --netns 12,net:[13] -d 5s -n 3 --raw");
    assert_eq!((trace.from.as_deref(), trace.pace), (Some(Path::new("rec.jsonl.zst")), true));
    assert!(trace.filter.pids.contains(&999_999), "no process of this host");
    assert_eq!((trace.filter.netns.as_slice(), trace.notes.as_slice()), (&[12, 13][..], &[][..]));
    assert!(lives("lives --from rec.jsonl.zst --unfinished").unfinished);
    refused(&[
        ("--from x --attach btf", "decided when it was recorded"),
        ("--from x --exact", "decided when it was recorded"),
        ("--from x --mptcp", "decided when it was recorded"),
        ("lives --from x --ring-size 8M", "decided when it was recorded"),
        ("--from x --uid www-data", "by number only"),
        ("--from x --netns blue", "by inode number only"),
        ("--from x --cgroup /system.slice", "does not know the paths"),
        ("--pace", "needs --from"),
    ]);
}

#[test]
fn what_stuck_and_kill_cannot_do_is_said_in_one_sentence() {
    for (line, needle) in [
        ("stuck --rule CLOSE_WAIT", "the time is missing"),
        ("stuck --warning 5", "add it"),
        ("stuck --watch --check", "contradict"),
        ("stuck -d 5s", "add --watch"),
        ("stuck --stacks --check", "--stacks and --check contradict"),
        ("stuck --stacks --attach classic", "--stacks does not work with --attach classic"),
        ("stuck --stacks --from x.jsonl.zst", "look at the living host"),
        ("stuck --check --from rec.zst", "living host"),
        ("stuck --from rec.zst --pace", "add --watch"),
        ("stuck --from rec.zst --netns blue", "inode number"),
        ("kill --verdict leaked_fd --pid 1234 --from rec.zst", "takes no tracing flags"),
        ("stuck --flag-stuck", "use --watch"),
        ("--raw --flag-stuck", "contradict"),
        ("--flag-stuck=CLOSE_WAIT", "the time is missing"),
        ("kill --pid 1234", "needs --verdict"),
        ("kill --verdict leaked_fd", "needs a filter"),
        ("kill --verdict leaky --pid 1234", "leaked_fd unread_data"),
        ("kill --verdict leaked_fd --pid 1234 -n 3", "takes no tracing flags"),
    ] {
        let failure = plan(line).unwrap_err();
        assert!(failure.message.contains(needle), "{line}: {}", failure.message);
        assert_eq!(failure.code, ExitCode::Usage);
    }
}

#[test]
fn a_look_a_watch_and_a_kill_are_different_plans() {
    assert!(matches!(plan("stuck --pid 1234"), Ok(Plan::Stuck(stuck)) if stuck.rules.len() == 9));
    assert!(matches!(trace("stuck --watch").kind, Kind::Stuck(watch) if !watch.each));
    assert!(!trace("stuck --watch").takes_stacks());
    assert!(trace("stuck --stacks").takes_stacks());
    assert!(matches!(plan("stuck --from rec.zst --pid 7"), Ok(Plan::Stuck(stuck)) if stuck.from.is_some()));
    assert!(trace("stuck --watch --each --from rec.zst").from.is_some());
    assert_eq!(trace("--flag-stuck=CLOSE_WAIT>5s;LAST_ACK>1m").flag_stuck.unwrap().rules.len(), 2);
    assert!(
        matches!(plan("kill --state time-wait --lport 80"), Ok(Plan::Kill(kill)) if kill.rules.len() == 10)
    );
    let check = match plan("stuck --check --critical age>1h,growth>5") {
        Ok(Plan::Stuck(stuck)) => stuck.check.unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!((check.warning.len(), check.critical.len()), (0, 2));
    assert!(check.interval.is_some());
}

#[test]
fn the_doctor_watches_ten_seconds_unless_told_otherwise() {
    let doctor = |line: &str| match plan(line) {
        Ok(Plan::Doctor(doctor)) => *doctor,
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(doctor("doctor").watch, Some(Duration::from_secs(10)));
    assert_eq!(doctor("doctor -d 3s").watch, Some(Duration::from_secs(3)));
    let instant = doctor("doctor --instant --pid 1001 --netns blue -o json");
    assert_eq!((instant.watch, instant.json), (None, true));
    assert!(instant.pids.contains(&1001) && instant.netns.contains(&2));
    assert_eq!(doctor("doctor --sysctl a.conf").watch, None);
}

#[test]
fn the_doctor_refuses_what_it_would_ignore() {
    for (line, needle) in [
        ("doctor --instant -d 3s", "--instant"),
        ("doctor --sysctl a.conf --pid 1001", "--sysctl a.conf"),
        ("doctor --lport 80", "no other filters"),
        ("doctor -o csv", "json or text"),
        ("doctor --raw", "leave them out"),
        ("doctor -d 0s", "no time"),
        ("doctor --instant --from rec.zst", "--from goes with neither"),
        ("doctor --from rec.zst --sysctl a.conf", "--from goes with neither"),
        ("doctor --from rec.zst --netns blue", "inode number"),
    ] {
        let failure = plan(line).unwrap_err();
        assert_eq!(failure.code, ExitCode::Usage, "{failure}");
        let said = failure.message;
        assert!(said.contains(needle), "{line}: {said}");
    }
}

fn hist(line: &str) -> (Hist, Vec<String>) {
    let trace = trace(line);
    match trace.kind {
        Kind::Hist(hist) => (hist, trace.notes),
        other => panic!("{line} is {other:?}"),
    }
}

#[test]
fn the_kernel_counts_what_it_can_and_a_note_says_what_it_cannot() {
    for line in
        ["hist", "hist --by state,pid,lport,rport,netns,cgroup,role", "hist --lport 443 --state CLOSE_WAIT"]
    {
        let (hist, notes) = hist(line);
        assert!(hist.in_kernel && notes.is_empty(), "{line}: {notes:?}");
    }
    for (line, why) in [
        ("hist --by pid,comm,end", "--by comm,end"),
        ("hist --comm curl", "this filter"),
        ("hist --port 1,3,5,7,9,11,13,15,17", "this filter"),
        ("hist --attach classic", "classic"),
        ("hist --exact", "--exact"),
    ] {
        let (hist, notes) = hist(line);
        assert!(!hist.in_kernel && notes.len() == 1 && notes[0].contains(why), "{line}: {notes:?}");
    }
    let (asked, notes) = hist("hist --aggregate user");
    assert!(!asked.in_kernel && notes.is_empty());
}

#[test]
fn what_histograms_are_of_is_said_in_words() {
    let asked = |line: &str| hist(line).0.asked;
    assert_eq!(asked("hist"), Asked::stays());
    let some = Asked { derived: vec![Measure::Reaction, Measure::AcceptWait], ..Asked::default() };
    assert_eq!(asked("hist --of reaction,Accept-Wait"), some);
    assert_eq!(asked("hist --of all"), Asked { derived: Measure::DERIVED.to_vec(), ..Asked::stays() });
    assert!(!trace("hist").measures() && trace("hist --of lifetime").measures());
}

#[test]
fn states_of_histograms_choose_stays_and_not_transitions() {
    let trace = trace("hist --state CLOSE_WAIT");
    assert!(trace.filter.is_empty());
    assert!(matches!(trace.kind, Kind::Hist(hist) if hist.asked.states == [TcpState::CloseWait]));
}

#[test]
fn flags_of_histograms_that_make_no_sense_are_refused() {
    refused(&[
        ("hist --by pidd", "pidd"),
        ("hist --by pid,pid", "twice"),
        ("hist --cumulative", "--interval"),
        ("hist --interval 0s", "--interval"),
        ("hist --percentiles 101", "100"),
        ("hist --max-groups 0", "10000"),
        ("hist --count 3", "--duration"),
        ("hist --raw", "--raw"),
        ("hist --columns pid", "--by"),
        ("hist --time utc", "--time"),
        ("hist --hdr /none/out.json", "/none"),
        ("hist --aggregate kernel --from a.zst", "--aggregate"),
        ("hist --of lifetimes", "lifetime"),
        ("hist --of lifetime --state CLOSE_WAIT", "--of"),
        ("hist --against a.zst", "--from"),
        ("hist --from b.zst --against a.zst --interval 5s", "--interval"),
        ("hist --from b.zst --against a.zst -o csv", "csv"),
        ("hist --from b.zst --against a.zst --percentiles p50,p100", "--percentiles"),
    ]);
}
