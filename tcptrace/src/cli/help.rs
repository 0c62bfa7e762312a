//! What `--help` says after the flags: sections that the manual prints too.

mod example;
mod meaning;
mod section;

use crate::engine::stuck::Verdict;
use crate::engine::stuck::rule::DEFAULTS;
use crate::failure::ExitCode;
use crate::model::life::End;
use crate::model::state::TcpState;
use crate::sink::column::Column;

pub use section::{Body, Section};

/// Help of a command without flags: clap would list all global ones.
pub(super) const BARE: &str = "{about-with-newline}\n{usage-heading} {usage}{after-help}\n";

/// Help of a command with a file and no flags.
pub(super) const WITH_FILE: &str =
    "{about-with-newline}\n{usage-heading} {usage}\n\nArguments:\n{positionals}{after-help}\n";

/// After `-h`.
pub(super) const SHORT: &str = "Columns, states, exit codes and examples: tcptrace --help";

/// The marks of times in a timeline.
const MARKS: [(&str, &str); 4] = [
    ("5.2s", "exact: from the kernel's events"),
    ("≥5.2s", "at least: it began before tcptrace looked"),
    ("60s*", "estimated, by the kernel's rule or a poll"),
    ("?", "not known"),
];

const ENVIRONMENT: [(&str, &str); 2] =
    [("NO_COLOR", "not empty: no colours, unless --color always"), ("TZ", "the zone of --time local")];

/// What stands after the flags of a command, or of `tcptrace` itself where it is empty.
#[must_use]
pub fn sections(command: &str) -> Vec<Section> {
    let examples = |body| Section { title: "Examples", body: Body::Examples(body) };
    let mut sections = match command {
        "lives" => vec![examples(example::LIVES), marks(), ends()],
        "hist" => vec![examples(example::HIST)],
        "stuck" => vec![examples(example::STUCK), rules(), verdicts()],
        "kill" => vec![examples(example::KILL), verdicts()],
        "doctor" => vec![examples(example::DOCTOR)],
        "record" => vec![examples(example::RECORD)],
        "repair" => vec![examples(example::REPAIR)],
        "schema" => return vec![examples(example::SCHEMA)],
        "preflight" => vec![examples(example::PREFLIGHT)],
        _ => vec![examples(example::MAIN), columns(), states()],
    };
    sections.push(exit_codes());
    if command.is_empty() {
        let lines = ENVIRONMENT.iter().map(|(name, meaning)| ((*name).to_owned(), *meaning));
        sections.push(Section::names("Environment", lines));
    }
    sections
}

/// The same as text.
pub(super) fn after(command: &str) -> String {
    sections(command).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn columns() -> Section {
    Section::names(
        "Columns (--columns)",
        Column::ALL.iter().map(|column| (column.name().to_owned(), column.help())),
    )
}

fn states() -> Section {
    let shown = TcpState::ALL.into_iter().filter(|state| *state != TcpState::NewSynRecv);
    Section {
        title: "States (--state), in the order of a life",
        body: Body::Words(shown.map(TcpState::name).collect()),
    }
}

fn marks() -> Section {
    let marks = MARKS.iter().map(|(mark, meaning)| ((*mark).to_owned(), *meaning));
    Section::names("Marks in a timeline", marks)
}

fn ends() -> Section {
    Section::names(
        "Ends (--end)",
        End::ALL.into_iter().map(|end| (end.name().to_owned(), meaning::of_end(end))),
    )
}

fn rules() -> Section {
    let rules = DEFAULTS.iter().map(|(rule, reason)| (rule.to_string(), *reason));
    Section::names("Rules unless --rule is given, each with its reason", rules)
}

fn verdicts() -> Section {
    let verdicts = Verdict::ALL.into_iter();
    Section::names(
        "Verdicts",
        verdicts.map(|verdict| (verdict.name().to_owned(), meaning::of_verdict(verdict))),
    )
}

fn exit_codes() -> Section {
    let codes = ExitCode::ALL.iter();
    Section::names("Exit codes", codes.map(|code| ((*code as u8).to_string(), code.help())))
}
