//! One check and what it found.

use serde_json::{Map, Value};

/// What was looked at, how it stands, what to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// Two or three words.
    pub name: &'static str,
    /// What it is about: a file, a tracepoint, this process.
    pub subject: &'static str,
    /// How it stands.
    pub verdict: Verdict,
    /// How it is, and what is lost by that: lower-case, no full stop.
    pub said: String,
    /// What to do about it; `None` where nothing needs doing.
    pub advice: Option<String>,
    /// Figures, for programs.
    pub observed: Map<String, Value>,
    /// Where the rule is from: kernel file and function, or manual page.
    pub source: &'static str,
}

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Fine,
    /// tcptrace works, and knows less.
    Degraded,
    /// Without it tcptrace does not work.
    Missing(Lack),
}

/// What kind of thing is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// Permission.
    Rights,
    /// The kernel cannot, or refuses to everybody.
    Kernel,
    /// Neither; it went wrong.
    Luck,
}

impl Check {
    /// A check about `subject` that has found nothing yet.
    pub(super) fn new(name: &'static str, subject: &'static str, source: &'static str) -> Self {
        let observed = Map::new();
        Self { name, subject, verdict: Verdict::Fine, said: String::new(), advice: None, observed, source }
    }

    /// All is well.
    #[must_use]
    pub(super) fn fine(self, said: impl Into<String>) -> Self {
        Self { verdict: Verdict::Fine, said: said.into(), advice: None, ..self }
    }

    /// Less is known.
    #[must_use]
    pub(super) fn degraded(self, said: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { verdict: Verdict::Degraded, said: said.into(), advice: Some(advice.into()), ..self }
    }

    /// Nothing works.
    #[must_use]
    pub(super) fn missing(self, lack: Lack, said: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { verdict: Verdict::Missing(lack), said: said.into(), advice: Some(advice.into()), ..self }
    }

    /// A figure for programs.
    #[must_use]
    pub(super) fn observe(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.observed.insert(name.to_owned(), value.into());
        self
    }

    /// The name for programs: `ring_buffer`.
    #[must_use]
    pub fn key(&self) -> String {
        let name = self.name.to_ascii_lowercase();
        let words = name.split(|letter: char| !letter.is_ascii_alphanumeric());
        words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("_")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_no_blanks_and_no_marks() {
        for (name, key) in
            [("ring buffer", "ring_buffer"), ("accept()", "accept"), ("run-time figures", "run_time_figures")]
        {
            assert_eq!(Check::new(name, "", "").key(), key);
        }
    }
}
