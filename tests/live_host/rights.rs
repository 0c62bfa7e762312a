//! An ordinary user with some capabilities: what works, what is lost, and that the loss is told.

use std::time::Duration;

use serde_json::Value;

use crate::capped::{
    BPF, Capped, DAC_READ_SEARCH, NET_ADMIN, NOBODY, PERFMON, SYS_ADMIN, SYS_PTRACE, status,
};
use crate::support::actor::Actor;
use crate::support::space::Space;

const TRACE: u64 = BPF | PERFMON;

/// One connection to a listener in the space, accepted and closed by its client first; its two ports.
fn connection(space: &Space, actor: &mut Actor) -> (u16, u16) {
    let port = actor.listen("l", space.at4(0)).port();
    let client = actor.connect("c", space.at4(port));
    actor.all(&["accept l s", "close c", "close s", "close l"]);
    (port, client)
}

#[test]
fn without_bpf_and_perfmon_nothing_is_traced_and_one_sentence_says_so() {
    let Some(_) = Space::new() else { return };
    for capabilities in [0, BPF, PERFMON] {
        let (code, printed, said) = Capped::with(capabilities).run(&["-d", "1s"]);
        assert_eq!((code, printed.as_str()), (Some(77), ""), "{said}");
        assert!(said.lines().count() == 1 && said.contains("cap_bpf,cap_perfmon"), "{said}");
    }
}

#[test]
fn bpf_and_perfmon_are_enough_for_an_ordinary_user() {
    let Some(space) = Space::new() else { return };
    let mut actor = space.actor("owner");
    let pid = u64::from(actor.pid());
    let capped = Capped::with(TRACE);
    for (words, record) in [(&[][..], "transition"), (&["lives"], "lifecycle")] {
        let mut tracer = capped.tracer(&[words, &["--addr", &space.v4.to_string()]].concat());
        let process = format!("/proc/{}/status", tracer.pid());
        tracer.wait_said("network namespaces cannot be entered");
        assert_eq!(status(&process, "CapEff"), BPF, "of what it had, it keeps what it needs to read maps");
        let (port, client) = connection(&space, &mut actor);
        let of_client =
            |found: &Value| found["type"] == record && found["lport"] == client && !found["end"].is_null();
        tracer.wait_for("the client's end", of_client);
        tracer.wait_for("the server's end", |found| {
            found["type"] == record
                && found["lport"] == port
                && found["rport"] == client
                && found["end"] == "fin"
        });
        let run = tracer.stop();
        assert_eq!((run.code, run.summary()["lost"].as_u64()), (Some(0), Some(0)), "{:#?}", run.said);
        let ends: Vec<&Value> = run.records.iter().filter(|found| of_client(found)).collect();
        assert_eq!((&ends[0]["owner"]["pid"], &ends[0]["owner"]["how"]), (&pid.into(), &"connect".into()));
        assert_eq!((&ends[0]["end"], &ends[0]["owner"]["uid"]), (&"time_wait".into(), &0.into()));
        assert!(run.said.iter().any(|line| line.contains("accept() cannot be traced")), "{:#?}", run.said);
    }
    let recording = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(recording.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    let file = recording.path().join("rec.jsonl.zst");
    let file = file.to_str().unwrap();
    for words in
        [&["hist", "-d", "300ms"][..], &["stuck", "--watch", "-d", "300ms"], &["record", file, "-d", "300ms"]]
    {
        let (code, _, said) = capped.run(words);
        assert_eq!(code, Some(0), "{words:?}: {said}");
    }
    assert_eq!(capped.run(&["lives", "--from", file]).0, Some(0));
}

#[test]
fn dac_read_search_opens_tracefs_for_accept_and_the_classic_path() {
    let Some(space) = Space::new() else { return };
    let mut actor = space.actor("server");
    let pid = u64::from(actor.pid());
    let (code, _, said) = Capped::with(TRACE).run(&["--attach", "classic", "-d", "1s"]);
    assert!(code == Some(77) && said.contains("CAP_DAC_READ_SEARCH"), "{code:?} {said}");
    let capped = Capped::with(TRACE | DAC_READ_SEARCH);
    for attach in ["btf", "classic"] {
        let mut tracer = capped.tracer(&["--attach", attach, "--addr", &space.v4.to_string()]);
        let (port, client) = connection(&space, &mut actor);
        tracer.wait_move(port, client, "LAST_ACK>CLOSED");
        let run = tracer.stop();
        assert_eq!(run.code, Some(0), "{:#?}", run.said);
        let life = run.life(port, Some(client));
        let how = life.last().unwrap();
        assert_eq!((&how["owner"]["pid"], &how["owner"]["how"]), (&pid.into(), &"accept".into()), "{attach}");
        assert!(!run.said.iter().any(|line| line.contains("accept()")), "{:#?}", run.said);
    }
}

#[test]
fn older_sockets_of_others_have_owners_and_holders_without_more() {
    let Some(space) = Space::new() else { return };
    let mut actor = space.actor("elder");
    let pid = u64::from(actor.pid());
    let port = actor.listen("l", space.at4(0)).port();
    let capped = Capped::with(TRACE);
    let stuck = ["stuck", "--rule", "LISTEN>0s", "-o", "json", "--lport", &port.to_string()];
    let output = space.inside(|| capped.command(&stuck).output().unwrap());
    let record: Value =
        serde_json::from_slice(output.stdout.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
    assert_eq!(
        (&record["owner"]["pid"], &record["holders"][0]["pid"]),
        (&pid.into(), &pid.into()),
        "{record}"
    );
}

/// A socket in CLOSE_WAIT that its owner does not close; its peer's port.
fn leak(space: &Space, actor: &mut Actor) -> (u16, u16) {
    let port = actor.listen("l", space.at4(0)).port();
    let client = actor.connect("c", space.at4(port));
    actor.all(&["accept l s", "close c"]);
    (port, client)
}

#[test]
fn other_namespaces_take_sys_admin_also_those_that_appear_later() {
    let Some(space) = Space::new() else { return };
    let mut actor = space.actor("leaker");
    let (port, client) = leak(&space, &mut actor);
    let stuck = ["stuck", "--rule", "CLOSE_WAIT>0s", "--laddr", &space.v4.to_string()];
    let found = |records: &[Value]| records.iter().filter(|record| record["lport"] == port).count();
    let without = Capped::with(TRACE | SYS_PTRACE | DAC_READ_SEARCH);
    assert_eq!(found(&without.records(&stuck)), 0);
    assert!(without.run(&stuck).2.contains("namespaces cannot be entered"));
    let with = Capped::with(TRACE | SYS_PTRACE | DAC_READ_SEARCH | SYS_ADMIN);
    let records = with.records(&stuck);
    assert!(found(&records) == 1 && records[0]["rport"] == client, "{records:#?}");
    drop((actor, space));

    let mut watch = with.tracer(&["stuck", "--watch", "--rule", "CLOSE_WAIT>100ms"]);
    let later = Space::new().unwrap();
    let mut actor = later.actor("latecomer");
    let (port, client) = leak(&later, &mut actor);
    let record = watch.wait_for("a socket in a later namespace", |record| {
        record["type"] == "stuck" && record["netns"] == later.netns.inode && record["lport"] == port
    });
    assert_eq!((&record["rport"], &record["verdict"]), (&client.into(), &"leaked_fd".into()), "{record}");
    // From a dump: the events alone do not know what is queued.
    assert_eq!(
        (&record["recv_queue"], &record["holders"][0]["comm"]),
        (&0.into(), &"latecomer".into()),
        "{record}"
    );
    assert_eq!(watch.stop().code, Some(0));
}

#[test]
fn kill_takes_net_admin() {
    let Some(space) = Space::new() else { return };
    let mut actor = space.actor("victim");
    let (port, _) = leak(&space, &mut actor);
    std::thread::sleep(Duration::from_millis(20));
    let kill = [
        "kill",
        "--yes",
        "--verdict",
        "leaked_fd",
        "--rule",
        "CLOSE_WAIT>1ms",
        "--lport",
        &port.to_string(),
        "--laddr",
        &space.v4.to_string(),
    ];
    let most = TRACE | SYS_PTRACE | DAC_READ_SEARCH | SYS_ADMIN;
    let (code, printed, said) = Capped::with(most).run(&kill);
    assert!(
        code == Some(77) && printed.is_empty() && said.contains("CAP_NET_ADMIN"),
        "{code:?} {printed} {said}"
    );
    let (code, printed, said) = Capped::with(most | NET_ADMIN).run(&kill);
    assert!(code == Some(0) && printed.starts_with("closed CLOSE_WAIT"), "{code:?} {printed} {said}");
}

#[test]
fn preflight_tells_each_loss_to_who_has_it() {
    let Some(_space) = Space::new() else { return };
    let all = [
        ("cap_sys_ptrace", SYS_PTRACE),
        ("cap_dac_read_search", DAC_READ_SEARCH),
        ("tracefs", DAC_READ_SEARCH),
        ("cap_net_admin", NET_ADMIN),
        ("network_namespaces", SYS_ADMIN | SYS_PTRACE),
        ("run_time_figures", SYS_ADMIN),
    ];
    let sets =
        [0, SYS_PTRACE, DAC_READ_SEARCH, SYS_PTRACE | DAC_READ_SEARCH, SYS_ADMIN | SYS_PTRACE, u64::MAX];
    for more in sets {
        let have = TRACE | (more & (SYS_PTRACE | DAC_READ_SEARCH | NET_ADMIN | SYS_ADMIN));
        let records = Capped::with(have).records(&["preflight"]);
        for (check, needs) in all {
            let told = records.iter().find(|record| record["check"] == check);
            let severity = told.map_or("ok", |record| record["severity"].as_str().unwrap());
            let wanted = if have & needs == needs { "ok" } else { "warning" };
            assert_eq!(severity, wanted, "{check} with {have:x}: {told:#?}");
        }
    }
}
