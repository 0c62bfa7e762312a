//! The manual and `--help`: every command has a page, roff takes it without a word, examples are taken, lines fit.

#![expect(clippy::unwrap_used, reason = "tests panic; that is how they fail")]

#[path = "support/anywhere.rs"]
mod anywhere;
#[path = "support/example.rs"]
mod example;
#[path = "../tcptrace/examples/pages/fields.rs"]
mod fields;
#[path = "../tcptrace/examples/pages/manual.rs"]
mod manual;
#[path = "../tcptrace/examples/pages/prose.rs"]
mod prose;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use anywhere::Anywhere;
use clap_complete::Shell;
use example::examples;
use tcptrace::cli::help::{self, Body};
use tcptrace::cli::{self, Parsed};
use tcptrace::plan::Plan;

/// The commands; the first is `tcptrace` itself.
fn commands() -> Vec<String> {
    let command = cli::command();
    let names = command.get_subcommands().map(|sub| sub.get_name().to_owned()).filter(|name| name != "help");
    std::iter::once(String::new()).chain(names).collect()
}

fn help_of(command: &str) -> String {
    let mut tcptrace = Command::new(env!("CARGO_BIN_EXE_tcptrace"));
    let words: Vec<&str> = [command, "--help"].into_iter().filter(|word| !word.is_empty()).collect();
    let output = tcptrace.args(words).env("COLUMNS", "80").stdin(Stdio::null()).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_command_has_a_page_with_what_pages_have() {
    let pages = manual::pages().unwrap();
    let expected: BTreeSet<String> = commands()
        .into_iter()
        .map(|name| if name.is_empty() { "tcptrace.8".to_owned() } else { format!("tcptrace-{name}.8") })
        .collect();
    assert_eq!(pages.iter().map(|page| page.file.clone()).collect::<BTreeSet<_>>(), expected);
    for page in &pages {
        let mut wanted = vec!["NAME", "SYNOPSIS", "DESCRIPTION", "EXAMPLES", "SEE ALSO"];
        let traces =
            ["tcptrace.8", "tcptrace-lives.8", "tcptrace-hist.8", "tcptrace-stuck.8", "tcptrace-doctor.8"];
        if traces.contains(&page.file.as_str()) {
            wanted.extend(["OPTIONS", "FIELDS", "OVERHEAD", "KERNELS", "EXIT STATUS", "CAVEATS"]);
        }
        for heading in wanted {
            let spellings = [format!("\n.SH {heading}\n"), format!("\n.SH \"{heading}\"\n")];
            assert!(spellings.iter().any(|line| page.text.contains(line)), "{}: no {heading}", page.file);
        }
        assert!(page.text.is_ascii() && !page.text.contains('`'), "{}: left unescaped", page.file);
    }
}

#[test]
fn what_is_written_by_hand_is_on_a_page() {
    let pages = manual::pages().unwrap();
    for name in commands() {
        let file = if name.is_empty() { "tcptrace.8".to_owned() } else { format!("tcptrace-{name}.8") };
        let page = pages.iter().find(|page| page.file == file).unwrap();
        let chapters = prose::chapters(cli::manual::text(&name));
        assert!(chapters.iter().all(|chapter| !chapter.paragraphs.is_empty()), "{file}");
        for prose::Chapter { title, .. } in chapters {
            assert!(
                page.text.contains(&format!(".SH {title}\n"))
                    || page.text.contains(&format!(".SH \"{title}\"\n")),
                "{file}: {title}"
            );
        }
    }
}

#[test]
fn roff_takes_every_page_without_a_word_and_in_eighty_columns() {
    if Command::new("groff").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "skipped: needs groff");
        println!("skipped: needs groff");
        return;
    }
    for page in manual::pages().unwrap() {
        let mut groff = Command::new("groff");
        // -c: overstrikes instead of escape sequences, for the count of columns below.
        let mut child = groff
            .args(["-man", "-Tutf8", "-ww", "-rLL=80n", "-P-cbou"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(page.text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && said.is_empty(), "{}: {said}", page.file);
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            assert!(line.chars().count() <= 80, "{}: {line}", page.file);
        }
    }
}

#[test]
fn every_example_of_the_help_is_a_command_line_that_it_takes() {
    let mut seen = 0;
    for command in commands() {
        let mut of_it = false;
        let sections = help::sections(&command);
        let bodies = sections.iter().filter_map(|section| match section.body {
            Body::Examples(examples) => Some(examples),
            _ => None,
        });
        for (what, line) in bodies.flatten() {
            let page = format!("```console\n$ {line}\n```\n");
            let example = examples(&page).into_iter().next().unwrap();
            let words = &example.pipeline[0].words;
            let args = match cli::parse(words) {
                Ok(Parsed::Args(args)) => args,
                other => panic!("{what}: {line}: {other:?}"),
            };
            let files = words.iter().any(|word| word == "--from" || word == "repair");
            if let Err(failure) = Plan::new(&args, &Anywhere { files }) {
                panic!("{what}: {line}: {failure}");
            }
            of_it |= command.is_empty() || words.contains(&command);
            seen += 1;
        }
        assert!(of_it, "no example of {command}");
    }
    assert!(seen > 25, "only {seen} examples");
}

#[test]
fn help_fits_eighty_columns_and_nothing_is_wrapped_twice() {
    for command in commands() {
        let help = help_of(&command);
        assert!(!help.contains("\n\n\n"), "{command}: an empty line too many: {help}");
        assert!(help.contains("Examples:") && help.contains("Usage: tcptrace"), "{command}: {help}");
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{command}: {line}");
        }
        // clap would fold a line that we made too long, and begin the rest in the first column.
        for section in help::sections(&command) {
            assert!(help.contains(&section.to_string()), "{command}: {} was folded", section.title);
        }
    }
}

#[test]
fn completions_know_every_command_and_bash_reads_them() {
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut cli::command(), "tcptrace", &mut script);
        let text = String::from_utf8(script).unwrap();
        for command in commands() {
            assert!(text.contains(&command), "{shell}: {command}");
        }
        for flag in ["follow-forks", "min-in-state", "verdict", "ring-size"] {
            assert!(text.contains(flag), "{shell}: {flag}");
        }
        if shell == Shell::Bash {
            let mut bash = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().unwrap();
            bash.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
            assert!(bash.wait().unwrap().success());
        }
    }
}
