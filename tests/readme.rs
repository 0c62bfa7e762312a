//! The README tells the truth: its examples are accepted, and run where they can; its tables are those of the code.

#![expect(clippy::unwrap_used, reason = "tests panic; that is how they fail")]

#[path = "support/anywhere.rs"]
mod anywhere;
#[path = "support/example.rs"]
mod example;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anywhere::Anywhere;
use example::{Example, examples, fences};
use tcptrace::cli::{self, Parsed};
use tcptrace::failure::ExitCode;
use tcptrace::model::owner::OwnerHow;
use tcptrace::model::time::{ClockAnchor, Mono};
use tcptrace::plan::Plan;
use tcptrace::sink::Sink as _;
use tcptrace::sink::column::Column;
use tcptrace::sink::lives::LivesSink;
use tcptrace::sink::text::{TextSink, TextStyle};
use tcptrace::sink::time::TimeStyle;

/// Programs that examples may call besides tcptrace and cargo.
const OTHERS: [&str; 6] = ["git", "install", "jq", "setcap", "sort", "uniq"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).unwrap()
}

/// Examples whose first command is tcptrace.
fn of_tcptrace() -> Vec<Example> {
    let all = examples(&readme());
    let ours: Vec<_> = all.into_iter().filter(|example| example.pipeline[0].words[0] == "tcptrace").collect();
    assert!(ours.len() > 12, "only {} examples", ours.len());
    ours
}

#[test]
fn the_two_commands_stand_at_the_top() {
    let all = examples(&readme());
    assert!(all[0].line.starts_with("cargo xtask run ") && all[1].line.starts_with("cargo xtask test "));
    let before = readme().lines().position(|line| line.starts_with("$ cargo xtask run")).unwrap();
    assert!(before < 6, "they begin on line {before}");
}

#[test]
fn every_example_of_tcptrace_is_a_command_line_that_it_takes() {
    for Example { line, pipeline } in of_tcptrace() {
        let args = match cli::parse(&pipeline[0].words) {
            Ok(Parsed::Args(args)) => args,
            Ok(Parsed::Help(_)) => continue,
            Err(failure) => panic!("{line}: {failure}"),
        };
        if let Err(failure) = Plan::new(&args, &Anywhere { files: needs_recording(&pipeline[0].words) }) {
            panic!("{line}: {failure}");
        }
    }
}

#[test]
fn every_other_command_exists() {
    let tasks = fs::read_to_string(root().join("xtask/src/main.rs")).unwrap();
    for Example { line, pipeline } in examples(&readme()) {
        for command in pipeline {
            let words: Vec<&str> = command.words.iter().map(String::as_str).collect();
            match words.as_slice() {
                ["cargo", "xtask", task, ..] => {
                    let variant = format!("{}{}(", task[..1].to_uppercase(), &task[1..]);
                    assert!(tasks.contains(&variant), "{line}: no task {task}");
                }
                ["cargo", "test", rest @ ..] => {
                    let test = rest.iter().skip_while(|word| **word != "--test").nth(1).unwrap();
                    assert!(root().join(format!("tests/{test}.rs")).exists(), "{line}");
                }
                ["tcptrace", ..] | ["cargo", "build", ..] => {}
                [path, ..] if path.ends_with(".py") => {
                    // The tour runs it.
                    assert!(
                        root().join(path).exists() && root().join("tests/live_tour.rs").exists(),
                        "{line}"
                    );
                }
                [path, ..] if path.contains('/') => {
                    let checked = Command::new("bash").arg("-n").arg(root().join(path)).status();
                    assert!(checked.unwrap().success(), "{line}");
                }
                [program, ..] => assert!(OTHERS.contains(program), "{line}: what is {program}?"),
                [] => panic!("{line}: an empty command"),
            }
        }
    }
}

fn run(words: &[String], folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcptrace"));
    command.args(&words[1..]).current_dir(folder).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn examples_without_sudo_run_as_anybody() {
    let folder = tempfile::tempdir().unwrap();
    for Example { line, pipeline } in of_tcptrace() {
        if pipeline[0].as_root || needs_recording(&pipeline[0].words) {
            continue;
        }
        let output = run(&pipeline[0].words, folder.path());
        let code = output.status.code();
        let preflight = pipeline[0].words.iter().any(|word| word == "preflight");
        assert!(code == Some(0) || preflight && matches!(code, Some(77 | 78)), "{line}: {output:?}");
        assert!(!output.stdout.is_empty(), "{line}");
    }
}

#[test]
fn examples_with_sudo_run_as_root() {
    let must = std::env::var_os("TCPTRACE_LIVE").is_some();
    if !rustix::process::geteuid().is_root() {
        assert!(!must, "skipped: needs root");
        println!("skipped: needs root");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for Example { line, pipeline } in of_tcptrace() {
        let recorded = needs_recording(&pipeline[0].words);
        if !pipeline[0].as_root && !recorded {
            continue;
        }
        let words = if recorded { pipeline[0].words.clone() } else { briefly(&pipeline[0].words) };
        let recording = folder.path().join("incident.jsonl.zst");
        if recorded && !recording.exists() {
            println!("skipped: {line}: nothing was recorded");
            continue;
        }
        // An earlier recording: the same will do.
        if let Some(before) = words.iter().skip_while(|word| *word != "--against").nth(1) {
            fs::copy(&recording, folder.path().join(before)).unwrap();
        }
        if let Some(file) = words.iter().skip_while(|word| *word != "--sysctl").nth(1)
            && !Path::new(file).exists()
        {
            println!("skipped: {line}: this host has no {file}");
            continue;
        }
        if words[1] == "repair" {
            // The page's recording, broken off.
            let bytes = fs::read(&recording).unwrap();
            fs::remove_file(&recording).unwrap();
            fs::write(folder.path().join(&words[2]), &bytes[..bytes.len() - 9]).unwrap();
        }
        let output = run(&words, folder.path());
        let said = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => {
                let traces = !recorded && !ONE_LOOK.contains(&words[1].as_str());
                assert!(!traces || said.contains("tracing"), "{line}: {said}");
            }
            // What they look for was found.
            Some(1..=3) if matches!(words[1].as_str(), "stuck" | "doctor") && !output.stdout.is_empty() => {}
            Some(77 | 78) if !must => println!("skipped: {line}: {said}"),
            code => panic!("{line}: {code:?}: {said}"),
        }
    }
}

/// Commands that need not trace; the first three never do.
const ONE_LOOK: [&str; 4] = ["preflight", "stuck", "kill", "doctor"];

/// The page makes the recording first.
fn needs_recording(words: &[String]) -> bool {
    words.iter().any(|word| word == "--from" || word == "repair")
}

/// For a third of a second, and with our own pid in the place of the page's.
fn briefly(words: &[String]) -> Vec<String> {
    let mut brief: Vec<String> = Vec::new();
    for word in words {
        let follows = brief.last().map(String::as_str);
        brief.push(match (follows, word.as_str()) {
            (Some("--pid"), _) => std::process::id().to_string(),
            (Some("-d"), _) => "300ms".to_owned(),
            _ => word.clone(),
        });
    }
    let timed = |word: &String| ["-d", "--instant", "--sysctl"].contains(&word.as_str());
    if !brief.iter().any(|word| timed(word) || ONE_LOOK[..3].contains(&word.as_str())) {
        brief.extend(["-d".to_owned(), "300ms".to_owned()]);
    }
    brief
}

#[test]
fn the_filters_of_jq_find_something_in_real_records() {
    if Command::new("jq").arg("--version").output().is_err() {
        println!("skipped: needs jq");
        return;
    }
    for Example { line, pipeline } in of_tcptrace() {
        let Some(jq) = pipeline.iter().find(|command| command.words[0] == "jq") else { continue };
        let input = match pipeline[0].words.get(1).map(String::as_str) {
            Some("schema") => format!("{:#}", tcptrace::sink::json::schema()),
            Some("lives") => snapshot("lives_json"),
            _ => snapshot("transitions_json"),
        };
        let mut child = Command::new("jq")
            .args(&jq.words[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success() && !output.stdout.is_empty(), "{line}: {output:?}");
    }
}

/// The records of a golden snapshot.
fn snapshot(name: &str) -> String {
    let path = root().join(format!("tests/snapshots/golden__{name}.snap"));
    let text = fs::read_to_string(path).unwrap();
    text.splitn(3, "---\n").nth(2).unwrap().to_owned()
}

/// The rows of the table that begins with `header`, cell by cell.
fn table(page: &str, header: &str) -> Vec<Vec<String>> {
    page.lines()
        .skip_while(|line| *line != header)
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

#[test]
fn the_columns_are_those_of_the_code() {
    let expected: Vec<Vec<String>> = Column::ALL
        .iter()
        .map(|column| {
            let place = match (column.in_stream(), column.in_lives()) {
                (true, true) => "both",
                (true, false) => "stream",
                _ => "lives",
            };
            vec![format!("`{column}`"), column.help().to_owned(), place.to_owned()]
        })
        .collect();
    assert_eq!(table(&readme(), "| column | what | in |"), expected);
}

#[test]
fn the_exit_codes_are_those_of_the_code() {
    let expected: Vec<Vec<String>> =
        ExitCode::ALL.iter().map(|code| vec![(*code as u8).to_string(), code.help().to_owned()]).collect();
    assert_eq!(table(&readme(), "| code | meaning |"), expected);
}

#[test]
fn the_ways_of_knowing_an_owner_are_those_of_the_code() {
    let mut told: Vec<String> =
        table(&readme(), "| how | meaning |").into_iter().map(|row| row[0].clone()).collect();
    let all = (0..=u8::MAX).filter_map(OwnerHow::from_wire);
    let mut known: Vec<String> = all.map(|how| format!("`{}`", how.name())).collect();
    told.sort();
    known.sort();
    assert_eq!(told, known);
}

#[test]
fn excerpts_look_as_the_output_does_today() {
    let width = Some(120);
    let style = |columns: &[Column]| TextStyle {
        columns: columns.to_vec(),
        time: TimeStyle::Local,
        anchor: ClockAnchor { mono: Mono(0), real_ns: 0 },
        width,
        colour: false,
        header: true,
    };
    let mut stream = TextSink::new(Vec::new(), Vec::new(), &style(Column::for_stream(width)), false);
    stream.flush().unwrap();
    let mut lives = LivesSink::new(Vec::new(), Vec::new(), &style(Column::for_lives(width)));
    lives.flush().unwrap();
    let heads = [stream.into_inner().0, lives.into_inner().0].map(|head| String::from_utf8(head).unwrap());
    let mut seen = 0;
    for (kind, lines) in fences(&readme()) {
        assert!(matches!(kind.as_str(), "console" | "sh" | "text"), "what is a fence of `{kind}`?");
        for line in lines.iter().filter(|line| kind == "text" && line.starts_with("TIME")) {
            assert!(heads.iter().any(|head| head.trim_end() == line), "an old excerpt: {line}");
            seen += 1;
        }
        assert!(kind != "text" || lines.iter().all(|line| line.chars().count() <= 120));
    }
    assert_eq!(seen, 3);
}

#[test]
fn every_link_leads_somewhere() {
    for part in readme().split("](").skip(1) {
        let target = part.split(')').next().unwrap();
        if let Some(anchor) = target.strip_prefix('#') {
            let slug = |line: &str| {
                line.trim_start_matches(['#', ' ']).to_lowercase().replace(", ", "-").replace(' ', "-")
            };
            assert!(readme().lines().any(|line| line.starts_with('#') && slug(line) == anchor), "{anchor}");
        } else if !target.starts_with("https://") {
            assert!(root().join(target).exists(), "{target}");
        }
    }
}
