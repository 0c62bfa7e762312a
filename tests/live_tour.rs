//! The tour of the README, walked: the leak that it tells of is staged, its commands are run on it, and each finds what the page
//! says. Needs root and python3; TCPTRACE_LIVE=1 makes a skip a failure.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/example.rs"]
mod example;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use example::{examples, fences};

/// What a command of the tour finds, with the page's pid and port; in the page's excerpt, and in what it prints here.
const FINDS: [(&str, &[&str]); 4] = [
    ("doctor", &["  close_wait: shop (27848)", "the peer", "`tcptrace stuck --pid 27848` lists the fds"]),
    (
        "stuck",
        &[
            "CLOSE_WAIT  leaked_fd          shop[27848]",
            "everything it sent has been read",
            "=> fix the program",
        ],
    ),
    ("--pid", &["SYN_RECV    → ESTABLISHED", "ESTABLISHED → CLOSE_WAIT", "127.0.0.1:8080"]),
    (
        "kill",
        &[
            "would close CLOSE_WAIT leaked_fd 127.0.0.1:8080 >",
            "of shop[27848]",
            "nothing was done: add --yes",
        ],
    ),
];

/// `docs/leak.py`; it ends with this.
struct Shop {
    program: Child,
    port: u16,
}

impl Shop {
    fn open() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // The tour waits for the customers; the test has them come faster.
        let mut program = Command::new("python3")
            .arg(root().join("docs/leak.py"))
            .args([&port.to_string(), "1000000", "0.02"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(program.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert!(said.starts_with("shop is process ") && said.contains(&port.to_string()), "{said}");
        Self { program, port }
    }

    /// A command of the page, about this shop; the default rules want 30 s of patience.
    fn asked(&self, words: &[String]) -> String {
        let mut tcptrace = Command::new(env!("CARGO_BIN_EXE_tcptrace"));
        tcptrace.args(words[1..].iter().map(|word| match word.as_str() {
            "8080" => self.port.to_string(),
            "27848" => self.program.id().to_string(),
            word => word.to_owned(),
        }));
        match words[1].as_str() {
            "stuck" | "kill" => tcptrace.args(["--rule", "CLOSE_WAIT>1s"]),
            "doctor" => tcptrace.args(["-d", "2s", "--pid", &self.program.id().to_string()]),
            _ => tcptrace.args(["-d", "20s"]),
        };
        let output = tcptrace.stdin(Stdio::null()).output().unwrap();
        assert!(matches!(output.status.code(), Some(0 | 3)), "{words:?}: {output:?}");
        let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        text.concat()
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.program.id().to_string()).status();
        let _ = self.program.wait();
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Each command of the tour with the excerpt below it.
fn tour() -> Vec<(Vec<String>, String)> {
    let page = fs::read_to_string(root().join("README.md")).unwrap();
    let begin = page.find("## A tour of an incident").unwrap();
    let tour = &page[begin..];
    let tour = &tour[..tour[3..].find("\n## ").unwrap() + 3];
    let commands = examples(tour).into_iter().map(|example| example.pipeline[0].words.clone());
    let commands: Vec<_> = commands.filter(|words| words[0] == "tcptrace").collect();
    let excerpts =
        fences(tour).into_iter().filter(|(kind, _)| kind == "text").map(|(_, lines)| lines.join("\n"));
    let excerpts: Vec<_> = excerpts.collect();
    assert_eq!(commands.len(), excerpts.len(), "each command of the tour has an excerpt");
    commands.into_iter().zip(excerpts).collect()
}

/// Without line breaks: an excerpt is folded where the page is.
fn unfolded(text: &str) -> String {
    text.split('\n').map(str::trim).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_command_of_the_tour_finds_the_leak() {
    let must = std::env::var_os("TCPTRACE_LIVE").is_some();
    let python = Command::new("python3").arg("--version").output().is_ok();
    if !rustix::process::geteuid().is_root() || !python {
        assert!(!must, "skipped: needs root and python3");
        println!("skipped: needs root and python3");
        return;
    }
    let shop = Shop::open();
    // Enough have leaked for long enough.
    let words = ["tcptrace", "stuck", "--pid", "27848"].map(str::to_owned);
    let deadline = Instant::now() + Duration::from_secs(60);
    while !shop.asked(&words).contains("sockets, median age") {
        assert!(Instant::now() < deadline, "no leak in a minute: {}", shop.asked(&words));
    }
    let tour = tour();
    assert_eq!(tour.len(), FINDS.len());
    for ((words, excerpt), (command, finds)) in tour.iter().zip(FINDS) {
        assert_eq!(words[1], command, "another tour than this test knows");
        let said = shop.asked(words);
        for find in finds {
            assert!(unfolded(excerpt).contains(find), "{words:?}: the page does not show `{find}`");
            let here = find.replace("27848", &shop.program.id().to_string());
            let here = here.replace("8080", &shop.port.to_string());
            assert!(unfolded(&said).contains(&here), "{words:?}: no `{here}` in {said}");
        }
    }
}
