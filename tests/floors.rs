//! The floors: imports go down only, and each dangerous thing has one place. Reads the sources; nothing is compiled.
//!
//! | floor | modules |
//! |---|---|
//! | 5 | `main` |
//! | 4 | `app`, `cli`, `plan` |
//! | 3 | `source`, `sink`, `view`: never each other |
//! | 2 | `engine`, `recording` |
//! | 1 | `model`, `failure` |
//! | 0 | the crate `tcptrace_ebpf`, for `source` alone |

#![expect(clippy::unwrap_used, reason = "tests panic; that is how they fail")]

#[path = "support/paths.rs"]
mod paths;

use std::fs;
use std::path::{Path, PathBuf};

/// The floor of a top-level module.
fn floor(module: &str) -> Option<u8> {
    Some(match module {
        "main" => 5,
        "app" | "cli" | "plan" => 4,
        "source" | "sink" | "view" => 3,
        "engine" | "recording" => 2,
        "model" | "failure" => 1,
        _ => return None,
    })
}

/// What stands in few places: the path that names it, and the modules that may.
const HOMES: [(&str, &[&str]); 19] = [
    ("aya", &["source::kernel"]),
    ("aya_log", &["source::kernel"]),
    ("tcptrace_ebpf", &["source"]),
    ("blazesym", &["source::symbols"]),
    ("gimli", &["source::unwind"]),
    ("object", &["source::unwind"]),
    ("clap", &["cli"]),
    ("libc", &["source::allocator", "source::kernel::lookup", "source::sandbox"]),
    ("seccompiler", &["source::sandbox"]),
    ("crossterm", &["view"]),
    ("ratatui", &["view"]),
    ("tokio", &["app", "source"]),
    ("rustix", &["app", "plan", "source", "view"]),
    // A recording is files, which it rotates and names.
    ("std::fs", &["app", "plan", "source", "sink::record"]),
    ("std::thread", &["app", "source"]),
    ("std::process", &["app", "main", "failure", "source"]),
    ("std::env", &["app", "main", "plan", "source"]),
    ("unsafe", &["source"]),
    // What asks for the time: below, time is an argument.
    ("now", &["app", "source"]),
];

/// Who reads a clock; [`HOMES`] calls them all `now`.
const CLOCKS: [&str; 6] = [
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "Zoned::now",
    "clock_gettime",
    "clock_gettime_dynamic",
];

/// Breaches that are known and wait to be repaired, as `file: rule`. One that is repaired must leave the list.
const DEBTS: [&str; 0] = [];

/// What `text`, the file `name` under `src`, does against the rules.
fn breaches(name: &str, text: &str) -> Vec<String> {
    let here = paths::module_of(name);
    let home = here.first().map_or("main", String::as_str);
    // The crate's page lists the floors.
    if name == "lib.rs" {
        return Vec::new();
    }
    let Some(own) = floor(home) else {
        return vec![format!("{name}: `{home}` is on no floor: add it to the table")];
    };
    let mut found = Vec::new();
    for path in paths::all(text) {
        let path = paths::resolve(&here, &path);
        let target = match path.first().map(String::as_str) {
            Some("crate" | "tcptrace") => path.get(1).map(String::as_str),
            _ => None,
        };
        if let Some((target, there)) = target.and_then(|target| Some((target, floor(target)?))) {
            if there > own {
                found.push(format!("{name}: up to {target}"));
            } else if there == own && own == 3 && target != home {
                found.push(format!("{name}: across to {target}"));
            }
        }
        let spelled = path.join("::");
        for (what, homes) in HOMES {
            let named = match what {
                "now" => CLOCKS.iter().any(|clock| spelled.ends_with(clock)),
                "unsafe" => spelled == what,
                _ => spelled.starts_with(&format!("{what}::")) || (what.contains("::") && spelled == what),
            };
            let module = here.join("::");
            let module = if here.is_empty() { "main" } else { &module };
            let at_home =
                homes.iter().any(|home| module == *home || module.starts_with(&format!("{home}::")));
            if named && !at_home {
                let short = module.split("::").take(2).collect::<Vec<_>>().join("::");
                found.push(format!("{name}: {what} in {short}"));
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source, by its path under `src`.
fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                into.push(path);
            }
        }
    }
    let mut files = Vec::new();
    walk(&src(), &mut files);
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(src()).unwrap().to_str().unwrap().replace('\\', "/");
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect()
}

#[test]
fn imports_go_down_only_and_everything_stays_in_its_place() {
    let sources = sources();
    assert!(sources.len() > 100, "only {} files: is this the right folder?", sources.len());
    let found: Vec<String> = sources.iter().flat_map(|(name, text)| breaches(name, text)).collect();
    let new: Vec<_> = found.iter().filter(|breach| !DEBTS.contains(&breach.as_str())).collect();
    assert!(new.is_empty(), "against the floors: {new:#?}");
    let repaired: Vec<_> = DEBTS.iter().filter(|debt| !found.iter().any(|breach| breach == *debt)).collect();
    assert!(repaired.is_empty(), "repaired, so no longer to be listed: {repaired:#?}");
}

#[test]
fn every_module_of_the_crate_is_on_a_floor() {
    for entry in fs::read_dir(src()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        assert!(module == "lib" || floor(module).is_some(), "`{module}` is on no floor: add it to the table");
    }
}

#[test]
fn a_breach_is_found_however_it_is_written() {
    for (name, text, breach) in [
        ("model/state.rs", "use crate::engine::Engine;", "up to engine"),
        ("engine.rs", "use crate::{model::time::Mono, sink::{Sink, text}};", "up to sink"),
        ("engine/gate.rs", "fn f(x: crate::app::X) {}", "up to app"),
        ("engine/gate/held.rs", "use super::super::super::source::Kernel;", "up to source"),
        ("sink.rs", "use super::source::host;", "across to source"),
        ("sink/text.rs", "let x = crate :: source :: host::f();", "across to source"),
        ("source/netns.rs", "use\n    crate::view\n    ::Screen;", "across to view"),
        ("source/netns.rs", "use tcptrace::plan::Plan;", "up to plan"),
        ("plan.rs", "use aya::Ebpf;", "aya in plan"),
        ("source/netns.rs", "fn f() { aya::sys::g() }", "aya in source::netns"),
        ("sink/json.rs", "use tcptrace_ebpf::wire;", "tcptrace_ebpf in sink::json"),
        ("plan/output.rs", "#[derive(clap::Args)] struct A;", "clap in plan::output"),
        ("engine/life.rs", "let now = std::time::Instant::now();", "now in engine::life"),
        ("sink/time.rs", "let now = SystemTime::now();", "now in sink::time"),
        ("model/time.rs", "rustix::time::clock_gettime(Monotonic)", "now in model::time"),
        ("engine/life.rs", "use std::{fs, collections::HashMap};", "std::fs in engine::life"),
        ("engine/life.rs", "tokio::spawn(f)", "tokio in engine::life"),
        ("app/trace.rs", "let x = unsafe { f() };", "unsafe in app::trace"),
        ("main.rs", "use clap::Parser;", "clap in main"),
        ("plan.rs", "use aya;", "aya in plan"),
        ("plan.rs", "use aya as ebpf;", "aya in plan"),
        ("plan.rs", "use aya::*;", "aya in plan"),
        ("helpers.rs", "", "`helpers` is on no floor: add it to the table"),
    ] {
        let found = breaches(name, text);
        assert!(found.contains(&format!("{name}: {breach}")), "{name} with {text}: {found:?}");
    }
}

#[test]
fn what_is_allowed_or_only_talked_about_is_no_breach() {
    for (name, text) in [
        ("main.rs", "use tcptrace::app; fn main() { tcptrace::app::run() }"),
        ("app/trace.rs", "use crate::{cli, engine::Engine, model, plan, sink, source}; Instant::now();"),
        ("source/kernel/attach.rs", "use aya::Ebpf; use tcptrace_ebpf::OBJECT; unsafe { f() }"),
        ("source/kernel.rs", "use aya::Ebpf; use crate::engine::filter::Filter;"),
        ("sink/text/cell.rs", "use super::super::duration; use crate::sink::Sink;"),
        ("engine/gate.rs", "// use crate::app::run; unsafe\n/* aya::Ebpf /* nested */ clap::Args */"),
        ("engine/gate.rs", "let s = \"crate::app::run\"; let r = r#\"aya::\"Ebpf\"#; let c = '\"';"),
        ("engine/gate.rs", "/// [`crate::app`]\nfn f<'a>(x: &'a str) { self.now; now(); Kernel::since() }"),
        ("plan.rs", "struct Build { aya: String, clap: String } let now = x.now;"),
        ("cli.rs", "use crate::model::state::TcpState; use crate::sink::column::Column; use clap::Parser;"),
        ("lib.rs", "pub mod app; pub mod model;"),
    ] {
        assert_eq!(breaches(name, text), Vec::<String>::new(), "{name} with {text}");
    }
}

#[test]
fn groups_are_taken_apart() {
    let all: Vec<String> =
        paths::all("use a::{self, b::{c, d as e}, f::*};").iter().map(|path| path.join("::")).collect();
    for wanted in ["a::b::c", "a::b::d", "a::f::*"] {
        assert!(all.iter().any(|path| path == wanted), "{wanted} is not in {all:?}");
    }
    if all.iter().any(|path| path == "a::e") {
        panic!("a new name is no path: {all:?}");
    }
}
