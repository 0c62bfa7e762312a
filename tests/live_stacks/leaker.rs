//! The program that leaks: compiled as a test wants it, and told what to do.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use tempfile::TempDir;

use crate::space::Space;

/// A binary in a folder of its own, which ends with it.
pub(crate) struct Program(TempDir);

impl Program {
    /// Compiles it; `None` without a compiler, which must be earned.
    pub(crate) fn compile(name: &str, flags: &[&str]) -> Option<Self> {
        let folder = tempfile::Builder::new().prefix(&format!("tcptrace-{name}-")).tempdir().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/live_stacks/leak.c");
        let program = Self(folder);
        let compiled = Command::new("cc").args(flags).arg(source).arg("-o").arg(program.path()).output();
        let Ok(compiled) = compiled else {
            assert!(std::env::var_os("TCPTRACE_LIVE").is_none(), "skipped: needs cc");
            println!("skipped: needs cc");
            return None;
        };
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        Some(program)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("leak")
    }
}

/// It runs, and ends with the test.
pub(crate) struct Leaker {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    pub(crate) port: u16,
}

impl Leaker {
    pub(crate) fn start(space: &Space, program: &Program) -> Self {
        let mut command = Command::new(program.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = space.inside(|| command.spawn().unwrap());
        let (orders, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut leaker = Self { child, orders, answers: BufReader::new(answers), port: 0 };
        leaker.port = leaker.answer().parse().unwrap();
        leaker
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Gives an order and waits until it is done.
    pub(crate) fn obey(&mut self, order: &str) {
        writeln!(self.orders, "{order}").unwrap();
        assert_eq!(self.answer(), "done", "{order}");
    }

    /// It exits; its child stays until the end.
    pub(crate) fn leave(&mut self) {
        self.obey("leave");
        assert!(self.child.wait().unwrap().success());
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }
}

impl Drop for Leaker {
    fn drop(&mut self) {
        // A child that was left ends when its orders end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
