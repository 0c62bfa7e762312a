//! Each filter on one and the same scene: what it shows is whole, and nothing else is shown.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::actor::Actor;
use crate::support::ended::Ended;
use crate::support::space::Space;
use crate::support::tracer::Tracer;

/// Two listeners of alpha's, to which beta connects: letters for listener, client, server, with the family.
const ALL: &str = "L4 C4 S4 L6 C6 S6";

/// A cgroup of its own, below that of this test.
struct Cgroup(PathBuf);

impl Cgroup {
    fn new(name: &str) -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let root =
            mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2"))?.split(' ').nth(1)?;
        let folder = PathBuf::from(root).join(name);
        fs::create_dir(&folder).unwrap();
        Some(Self(folder))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

struct Scene {
    alpha: Actor,
    beta: Actor,
    cgroup: Option<Cgroup>,
    space: Space,
}

impl Scene {
    fn new() -> Option<Self> {
        let space = Space::new()?;
        space.inside(|| fs::write("/proc/sys/net/ipv4/ip_local_port_range", "5000 5009").unwrap());
        let (mut alpha, mut beta) = (space.actor("alpha"), space.actor("beta"));
        let cgroup = Cgroup::new(&space.name);
        if let Some(Cgroup(folder)) = &cgroup {
            alpha.must(&format!("cgroup {}", folder.join("cgroup.procs").display()));
        }
        alpha.must("uid 1001");
        beta.must("uid 1002");
        Some(Self { alpha, beta, cgroup, space })
    }

    fn play(&mut self) {
        let Self { alpha, beta, space, .. } = self;
        for at in [space.at4(7001), space.at6(7002)] {
            alpha.listen("l", at);
            beta.connect("c", at);
            alpha.must("accept l s");
            beta.must("close c");
            assert_eq!(alpha.must("recv s"), "0");
            alpha.all(&["close s", "close l"]);
        }
    }

    /// A tracer that sees nothing of the rest of the host.
    fn tracer(&self, attach: &str, words: &[&str]) -> Tracer {
        let words = [words, &["--ring-size", "1M"]].concat();
        let scoped = ["--netns", "--addr"].iter().any(|flag| words.contains(flag));
        if scoped {
            self.space.inside(|| Tracer::start(&[&["--attach", attach], &words[..]].concat()))
        } else {
            self.space.tracer(attach, &words)
        }
    }
}

/// Which of the six sockets a record is about.
fn name(record: &Value) -> String {
    let role = match (&record["rport"], record["lport"].as_u64()) {
        // Its peer may not be known yet.
        _ if record["to"] == "SYN_RECV" => "S",
        (Value::Null, _) => "L",
        (_, Some(7001 | 7002)) => "S",
        _ => "C",
    };
    format!("{role}{}", record["family"])
}

/// How many moves of each socket were shown; other tracers' self-tests may be among the records.
fn shown(run: &Ended) -> BTreeMap<String, usize> {
    let mut shown = BTreeMap::new();
    let ours = |record: &&Value| {
        [&record["lport"], &record["rport"]].iter().any(|port| **port == 7001 || **port == 7002)
    };
    for record in run.transitions().filter(ours) {
        *shown.entry(name(record)).or_default() += 1;
    }
    shown
}

/// The sockets of `expected` are shown, each with all its moves.
fn check_shown(attach: &str, words: &[&str], run: &Ended, expected: &str) {
    run.check();
    let shown = shown(run);
    let mut names: Vec<&str> = expected.split(' ').collect();
    names.sort_unstable();
    assert_eq!(shown.keys().collect::<Vec<_>>(), names, "{attach} {words:?}: {:#?}", run.shortly());
    for (name, count) in shown {
        let whole = if name.starts_with('L') { 2 } else { 5 };
        // That an orphan is in TIME_WAIT is learnt from sock_diag, later, where its peer is not shown.
        let early = name.starts_with('C') && count == 4;
        assert!(count == whole || early, "{attach} {words:?} {name}: {count}: {:#?}", run.shortly());
    }
}

fn check(attach: &str, cases: &[(&[&str], &str)]) {
    let Some(mut scene) = Scene::new() else { return };
    let tracers: Vec<Tracer> = cases.iter().map(|(words, _)| scene.tracer(attach, words)).collect();
    scene.play();
    for (tracer, (words, expected)) in tracers.into_iter().zip(cases) {
        check_shown(attach, words, &tracer.stop(), expected);
    }
}

#[test]
fn processes_and_names() {
    let Some(mut scene) = Scene::new() else { return };
    for attach in ["btf", "classic"] {
        let (alpha, beta) = (scene.alpha.pid().to_string(), scene.beta.pid().to_string());
        let both = format!("{alpha},{beta}");
        let cases: [(&[&str], &str); 6] = [
            (&["-p", &alpha], "L4 S4 L6 S6"),
            (&["-p", &beta], "C4 C6"),
            (&["-p", &both], ALL),
            (&["--comm", "alpha"], "L4 S4 L6 S6"),
            (&["--comm", "be*"], "C4 C6"),
            (&["--comm", "alpha", "-4", "--pid", &both], "L4 S4"),
        ];
        let tracers: Vec<Tracer> = cases.iter().map(|(words, _)| scene.tracer(attach, words)).collect();
        scene.play();
        for (tracer, (words, expected)) in tracers.into_iter().zip(cases) {
            check_shown(attach, words, &tracer.stop(), expected);
        }
    }
}

#[test]
fn ports() {
    for attach in ["btf", "classic"] {
        check(
            attach,
            &[
                (&["--port", "7001"], "L4 C4 S4"),
                (&["--port", "7000-7001,7002"], ALL),
                (&["--lport", "7001"], "L4 S4"),
                // Chosen after the first event.
                (&["--lport", "5000-5009"], "C4 C6"),
                (&["-L", "5000-5009", "-D", "7002"], "C6"),
                (&["--rport", "7002"], "C6"),
                (&["--rport", "5000-5009"], "S4 S6"),
            ],
        );
    }
}

#[test]
fn addresses_and_families() {
    for attach in ["btf", "classic"] {
        let Some(mut scene) = Scene::new() else { return };
        let (v4, v6) = (scene.space.v4.to_string(), scene.space.v6.to_string());
        let (net4, net6) = (format!("{v4}/31"), format!("{v6}/127"));
        let cases: [(&[&str], &str); 8] = [
            (&["--addr", &v4], "L4 C4 S4"),
            (&["--addr", &v6], "L6 C6 S6"),
            (&["--addr", &net4, "-4"], "L4 C4 S4"),
            (&["--addr", &net6], "L6 C6 S6"),
            (&["--laddr", &v4], "L4 C4 S4"),
            (&["--raddr", &v6], "C6 S6"),
            (&["-4"], "L4 C4 S4"),
            (&["-6"], "L6 C6 S6"),
        ];
        let tracers: Vec<Tracer> = cases.iter().map(|(words, _)| scene.tracer(attach, words)).collect();
        scene.play();
        for (tracer, (words, expected)) in tracers.into_iter().zip(cases) {
            check_shown(attach, words, &tracer.stop(), expected);
        }
    }
}

#[test]
fn users_namespaces_and_cgroups() {
    let Some(mut scene) = Scene::new() else { return };
    let (name, inode) = (scene.space.name.clone(), scene.space.netns.inode.to_string());
    let path = format!("/run/netns/{name}");
    let cgroup = scene.cgroup.as_ref().map(|cgroup| cgroup.0.to_str().unwrap().to_owned());
    let mut cases: Vec<(Vec<&str>, &str)> = vec![
        (vec!["--uid", "1001"], "L4 S4 L6 S6"),
        (vec!["-u", "1002", "--rport", "7001"], "C4"),
        (vec!["--netns", &name], ALL),
        (vec!["--netns", &path], ALL),
        (vec!["--netns", &inode], ALL),
        (vec!["--netns", "self"], ALL),
    ];
    match &cgroup {
        Some(folder) => cases.push((vec!["--cgroup", folder], "L4 S4 L6 S6")),
        None => println!("no cgroup2 is mounted: --cgroup not tested"),
    }
    let tracers: Vec<Tracer> = cases.iter().map(|(words, _)| scene.tracer("btf", words)).collect();
    scene.play();
    for (tracer, (words, expected)) in tracers.into_iter().zip(&cases) {
        check_shown("btf", words, &tracer.stop(), expected);
    }
}

#[test]
fn states_in_any_spelling() {
    let Some(mut scene) = Scene::new() else { return };
    let spellings = [
        ("close-wait", "CLOSE_WAIT"),
        ("CLOSE_WAIT", "CLOSE_WAIT"),
        ("FIN_WAIT2", "FIN_WAIT_2"),
        ("fin-wait-1", "FIN_WAIT_1"),
        ("estab", "ESTABLISHED"),
        ("Time-Wait", "TIME_WAIT"),
        ("listen", "LISTEN"),
        ("syn-recv", "SYN_RECV"),
    ];
    let all = scene.tracer("btf", &[]);
    let tracers = spellings.map(|(spelling, _)| scene.tracer("btf", &["--state", spelling]));
    scene.play();
    let all = all.stop();
    for (tracer, (spelling, state)) in tracers.into_iter().zip(spellings) {
        let run = tracer.stop();
        run.check();
        let names = |record: &&Value| record["from"] == state || record["to"] == state;
        let expected = all.transitions().filter(names).count();
        let found = run.transitions().filter(names).count();
        assert!(
            expected > 0 && expected == found && found == run.transitions().count(),
            "{spelling}: {:#?}",
            run.shortly()
        );
    }
}

#[test]
fn a_count_ends_after_so_many_and_a_duration_by_itself() {
    let Some(mut scene) = Scene::new() else { return };
    let count = scene.tracer("btf", &["-n", "3"]);
    let duration = scene.tracer("btf", &["-d", "300ms"]);
    scene.play();
    let run = count.end();
    assert_eq!((run.code, run.transitions().count()), (Some(0), 3), "{:#?}", run.shortly());
    run.summary();
    let run = duration.end();
    run.check();
    assert!(run.summary()["duration_ns"].as_u64().unwrap() >= 300_000_000);
}
