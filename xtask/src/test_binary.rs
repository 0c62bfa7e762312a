//! The test binaries of the workspace, as cargo built them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::workspace::{cargo, output_of};

/// One test binary.
pub(crate) struct TestBinary {
    /// The package's folder: tests run there.
    pub(crate) folder: PathBuf,
    /// `lib`, `bin` or `test`.
    pub(crate) kind: String,
    /// The target's name.
    pub(crate) name: String,
    /// The file.
    pub(crate) executable: PathBuf,
}

impl TestBinary {
    /// Builds every test of the workspace and says where the binaries are.
    pub(crate) fn build(root: &Path) -> Result<Vec<Self>> {
        Self::built_by(cargo(root).args(["test", "--workspace"]))
    }

    /// Builds some of tcptrace's binaries of live tests.
    pub(crate) fn live(root: &Path, names: &[String]) -> Result<Vec<Self>> {
        let mut build = cargo(root);
        build.args(["test", "--package", "tcptrace"]);
        for name in names {
            build.args(["--test", name]);
        }
        let binaries = Self::built_by(&mut build)?;
        if let Some(binary) = binaries.iter().find(|binary| !binary.is_live()) {
            bail!("`{}` is no binary of live tests", binary.name);
        }
        Ok(binaries)
    }

    fn built_by(build: &mut Command) -> Result<Vec<Self>> {
        build.args(["--no-run", "--locked", "--message-format=json-render-diagnostics"]);
        let messages = output_of(build.stderr(Stdio::inherit()))?;
        let mut binaries = Vec::new();
        for line in messages.lines() {
            let message: Value =
                serde_json::from_str(line).context("cargo printed a message that is not JSON")?;
            let text = |value: &Value| value.as_str().map(str::to_owned);
            let Some(executable) = text(&message["executable"]) else { continue };
            if message["profile"]["test"] != true {
                continue;
            }
            let manifest =
                text(&message["manifest_path"]).context("cargo names no manifest of a test binary")?;
            binaries.push(Self {
                folder: Path::new(&manifest).parent().context("a manifest has no folder")?.to_owned(),
                kind: text(&message["target"]["kind"][0]).unwrap_or_default(),
                name: text(&message["target"]["name"]).unwrap_or_default(),
                executable: executable.into(),
            });
        }
        if binaries.is_empty() {
            bail!("cargo built no test binary");
        }
        Ok(binaries)
    }

    /// Live tests need root, and a kernel to talk to.
    pub(crate) fn is_live(&self) -> bool {
        let Self { kind, name, .. } = self;
        kind == "test" && (name.starts_with("live") || name == "diag" || name.starts_with("diag_"))
    }

    /// The names of its tests that any of these filters of libtest chooses; none chooses all.
    pub(crate) fn tests(&self, filters: &[String]) -> Result<Vec<String>> {
        let list =
            output_of(Command::new(&self.executable).args(["--list", "--format", "terse"]).args(filters))?;
        Ok(list.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
    }
}
