//! `tcptrace stuck --stacks` against a program that leaks in known places, compiled here and traced in a namespace of its own. Needs
//! root and a C compiler; TCPTRACE_LIVE=1 makes the skip a failure.
#![expect(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and says why it skips"
)]
#![expect(dead_code, reason = "the support serves other tests too")]

#[path = "live_stacks/leaker.rs"]
mod leaker;
#[path = "live_stuck/look.rs"]
mod look;
#[path = "live_stuck/space.rs"]
mod space;
#[path = "live_stacks/text.rs"]
mod text;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use leaker::{Leaker, Program};
use look::Watch;
use serde_json::Value;
use space::Space;
use text::Text;

const RULES: [&str; 1] = ["CLOSE_WAIT>300ms"];
const FRAMES: [&str; 2] = ["-O2", "-fno-omit-frame-pointer"];
const NO_FRAMES: [&str; 2] = ["-O2", "-fomit-frame-pointer"];

/// What is said of each socket of `pid` that gets stuck; each is valid by the schema.
fn began(watch: &mut Watch, pid: u32, count: usize) -> Vec<Value> {
    let schema = tcptrace::sink::json::schema();
    let mut all = Vec::new();
    while all.len() < count {
        let record = watch.next();
        if record["type"] == "stuck" && record["event"] == "began" && record["owner"]["pid"] == pid {
            jsonschema::validate(&schema, &record).unwrap();
            all.push(record);
        }
    }
    all
}

fn names(record: &Value) -> Vec<&str> {
    let frames = record["stack"].as_array().unwrap_or_else(|| panic!("no stack: {record:#}"));
    frames.iter().map(|frame| frame["symbol"].as_str().unwrap_or("?")).collect()
}

/// How many sockets have which of `functions` as the innermost of its kind on their stack.
fn counts(records: &[Value]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for record in records {
        let names = names(record);
        let site = names.iter().find(|name| name.starts_with("leak_"));
        *counts.entry(*site.unwrap_or_else(|| panic!("{record:#}"))).or_default() += 1;
    }
    counts
}

/// `count` clients that have connected.
fn clients(space: &Space, leaker: &Leaker, count: usize) -> Vec<TcpStream> {
    let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, leaker.port)).unwrap();
    space.inside(|| (0..count).map(|_| connect()).collect())
}

fn sites(name: &str, flags: &[&str]) {
    let Some(space) = Space::new(name) else { return };
    let Some(program) = Program::compile(name, flags) else { return };
    let mut watch = Watch::with(&space, &["--stacks"], &RULES);
    let mut text = Text::start(&space, &["--stacks", "--rule", RULES[0]]);
    let mut leaker = Leaker::start(&space, &program);
    let clients = clients(&space, &leaker, 7);
    leaker.obey("upload 4");
    leaker.obey("download 3");
    drop(clients);
    // The other side: it connects, and the peer closes.
    let peer = space.inside(|| TcpListener::bind("127.0.0.1:0").unwrap());
    leaker.obey(&format!("dial {} 2", peer.local_addr().unwrap().port()));
    for _ in 0..2 {
        drop(peer.accept().unwrap());
    }
    let records = began(&mut watch, leaker.pid(), 9);
    assert_eq!(
        counts(&records),
        BTreeMap::from([("leak_upload", 4), ("leak_download", 3), ("leak_dial", 2)])
    );
    for record in &records {
        let names = names(record);
        // The function that calls the C library, its caller and main(): none is missing, whatever the library was built with.
        let at = names.iter().position(|name| name.starts_with("leak_")).unwrap();
        assert_eq!(names[at + 1..at + 3], ["obey", "main"], "{record:#}");
        assert_eq!(record["stack_note"], Value::Null, "{record:#}");
        let frame = &record["stack"][at];
        assert_eq!(frame["module"].as_str().unwrap(), program.path().to_str().unwrap());
        assert!(frame["module_offset"].is_u64() && frame["offset"].is_u64(), "{frame}");
        assert!(frame["address"].as_str().unwrap().starts_with("0x"), "{frame}");
        let others = records.iter().filter(|other| other["stack_id"] == record["stack_id"]);
        let alike = records
            .iter()
            .filter(|other| counts(std::slice::from_ref(*other)) == counts(std::slice::from_ref(record)));
        assert_eq!(others.count(), alike.count());
    }
    let told = text.wait_for("leak_dial");
    let said = text.stop();
    // One block a site, with its sockets counted.
    let all = format!("{told}\n{said}");
    let (news, end) = all.split_once("where the sockets that are still stuck were opened:").unwrap();
    for (site, count, how) in
        [("upload", 4, "accepted"), ("download", 3, "accepted"), ("dial", 2, "connected")]
    {
        assert_eq!(end.matches(&format!("leak_{site}+")).count(), 1, "{all}");
        assert_eq!(news.matches(&format!("leak_{site}+")).count(), 1, "{all}");
        let head = end.lines().find(|line| line.starts_with(&format!("{count} sockets, the oldest for ")));
        let owner = format!("leak[{}], {how} at stack ", leaker.pid());
        assert!(head.unwrap_or_else(|| panic!("{all}")).contains(&owner), "{all}");
    }
}

#[test]
fn each_site_of_a_leak_is_named_with_its_sockets() {
    sites("sites", &FRAMES);
}

#[test]
fn the_unwind_tables_make_up_for_frame_pointers() {
    if cfg!(target_arch = "x86_64") {
        sites("tables", &NO_FRAMES);
    }
}

/// The records of `count` sockets that a leaker with these flags forgets by `order`.
fn leaked(name: &str, flags: &[&str], order: &str) -> Option<(Vec<Value>, Program)> {
    let space = Space::new(name)?;
    let program = Program::compile(name, flags)?;
    let mut watch = Watch::with(&space, &["--stacks"], &RULES);
    let mut leaker = Leaker::start(&space, &program);
    let clients = clients(&space, &leaker, 2);
    leaker.obey(order);
    drop(clients);
    let records = began(&mut watch, leaker.pid(), 2);
    Some((records, program))
}

#[test]
fn a_stripped_binary_has_places_instead_of_names() {
    let flags = [FRAMES[0], FRAMES[1], "-s"];
    let Some((records, program)) = leaked("stripped", &flags, "upload 2") else { return };
    for record in &records {
        let frames = record["stack"].as_array().unwrap();
        let own: Vec<&Value> =
            frames.iter().filter(|frame| frame["module"].as_str() == program.path().to_str()).collect();
        assert!(own.len() >= 3, "{record:#}");
        for frame in own {
            assert_eq!((&frame["symbol"], &frame["why"]), (&Value::Null, &"no symbols".into()), "{frame}");
            assert!(frame["module_offset"].is_u64(), "{frame}");
        }
    }
    assert_eq!(records[0]["stack_id"], records[1]["stack_id"]);
}

#[test]
fn a_stack_without_frame_pointers_and_tables_is_said_to_be_short() {
    let flags = [&NO_FRAMES[..], &["-fno-asynchronous-unwind-tables", "-fno-unwind-tables"]].concat();
    let Some((records, _)) = leaked("short", &flags, "upload 2") else { return };
    let note = records[0]["stack_note"].as_str().unwrap();
    assert!(note.starts_with("short because the binary has no frame pointers"), "{note}");
    assert!(!names(&records[0]).contains(&"main"), "{:#}", records[0]);
}

#[test]
fn code_made_at_run_time_is_no_function() {
    if !cfg!(target_arch = "x86_64") {
        return;
    }
    let Some((records, _)) = leaked("jit", &FRAMES, "jit 2") else { return };
    let record = &records[0];
    let names = names(record);
    let at = names.iter().position(|name| *name == "leak_jit").unwrap_or_else(|| panic!("{record:#}"));
    let frame = &record["stack"][at + 1];
    assert_eq!(
        (&frame["symbol"], &frame["module"], &frame["why"]),
        (&Value::Null, &Value::Null, &"code made at run time (JIT)".into())
    );
    assert_eq!(names[at + 2..at + 5], ["through_jit", "obey", "main"], "{record:#}");
}

/// The opener has exited, a child of it keeps the sockets; `then` happens before they are stuck.
fn of_the_dead(name: &str, then: impl FnOnce(&Program)) -> Option<Vec<Value>> {
    let space = Space::new(name)?;
    let program = Program::compile(name, &FRAMES)?;
    let mut watch = Watch::with(&space, &["--stacks"], &RULES);
    let mut leaker = Leaker::start(&space, &program);
    let clients = clients(&space, &leaker, 2);
    leaker.obey("upload 2");
    // Its memory map is read while it lives, some milliseconds after it has opened its first socket.
    std::thread::sleep(std::time::Duration::from_secs(1));
    leaker.leave();
    then(&program);
    drop(clients);
    let mut records = Vec::new();
    while records.len() < 2 {
        let record = watch.next();
        if record["type"] == "stuck" && record["lport"] == leaker.port && record["event"] == "began" {
            records.push(record);
        }
    }
    Some(records)
}

#[test]
fn a_process_that_has_exited_is_remembered() {
    let Some(records) = of_the_dead("exited", |_| {}) else { return };
    assert_eq!(counts(&records), BTreeMap::from([("leak_upload", 2)]));
}

#[test]
fn of_a_process_and_a_binary_that_are_gone_the_places_are_left() {
    let Some(records) = of_the_dead("gone", |program| std::fs::remove_file(program.path()).unwrap()) else {
        return;
    };
    let frames = records[0]["stack"].as_array().unwrap();
    let own =
        frames.iter().filter(|frame| frame["module"].as_str().is_some_and(|name| name.ends_with("/leak")));
    let own: Vec<&Value> = own.collect();
    assert!(own.len() >= 3, "{frames:#?}");
    for frame in own {
        assert_eq!(frame["why"], "the file was replaced or cannot be reached", "{frame}");
        assert!(frame["symbol"].is_null() && frame["module_offset"].is_u64(), "{frame}");
    }
}

#[test]
fn of_what_was_there_before_nothing_is_made_up() {
    let Some(space) = Space::new("before") else { return };
    let Some(program) = Program::compile("before", &FRAMES) else { return };
    let mut leaker = Leaker::start(&space, &program);
    let clients = clients(&space, &leaker, 2);
    leaker.obey("upload 1");
    let mut watch = Watch::with(&space, &["--stacks"], &RULES);
    drop(clients);
    for record in began_in(&mut watch, leaker.port, 2) {
        assert_eq!((&record["stack"], &record["stack_id"]), (&Value::Null, &Value::Null), "{record:#}");
        let note = record["stack_note"].as_str().unwrap();
        let accepted = record["verdict"] != "never_accepted";
        assert!(
            note.starts_with(if accepted { "opened before" } else { "no process has accepted" }),
            "{note}"
        );
    }
}

fn began_in(watch: &mut Watch, lport: u16, count: usize) -> Vec<Value> {
    let mut all = Vec::new();
    while all.len() < count {
        let record = watch.next();
        if record["type"] == "stuck" && record["event"] == "began" && record["lport"] == lport {
            all.push(record);
        }
    }
    all
}
