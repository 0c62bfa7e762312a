//! Words of the command line to [`Args`]; clap's page of complaint becomes one sentence.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _};

use super::Args;
use crate::failure::Failure;

/// What the command line turned out to be.
#[derive(Clone, Debug)]
pub enum Parsed {
    /// Something to do.
    Args(Box<Args>),
    /// Help was asked for: print it to stdout and exit with 0.
    Help(clap::builder::StyledStr),
}

/// Parses the command line; the first word is the program's name.
///
/// # Errors
/// One sentence about the first thing that is wrong.
pub fn parse(words: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Result<Parsed, Failure> {
    let words: Vec<OsString> = words.into_iter().map(Into::into).collect();
    let parsed = Args::command().try_get_matches_from(&words).and_then(|matches| {
        match matches.subcommand_name().and_then(|name| command_first(&words, name)) {
            Some(words) if !matches.get_flag("version") => Args::command().try_get_matches_from(words),
            _ => Ok(matches),
        }
    });
    match parsed.and_then(|matches| Args::from_arg_matches(&matches)) {
        Ok(args) => Ok(Parsed::Args(Box::new(args))),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            Ok(Parsed::Help(error.render()))
        }
        Err(error) => Err(Failure::usage(sentence(&error))),
    }
}

/// The words with the command moved to the front. Of a global flag on both sides of the command clap forgets the values
/// before it without a word; on one side they add up, or are refused as given twice.
fn command_first(words: &[OsString], name: &str) -> Option<Vec<OsString>> {
    let is_command = |at: usize| {
        // Not the value of a flag: what stands before it is complete.
        words[at] == name && Args::command().try_get_matches_from(&words[..at]).is_ok()
    };
    let at = (2..words.len()).find(|at| is_command(*at))?;
    let (before, after) = (&words[1..at], &words[at + 1..]);
    Some([&words[..1], &words[at..=at], before, after].concat())
}

/// clap's complaint with its tips, without usage and colours.
fn sentence(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let mut parts: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(what) = line.strip_prefix("error: ") {
            parts.push(what.to_owned());
        } else if let Some(tip) = line.strip_prefix("tip: ") {
            parts.push(tip.to_owned());
        } else if let Some(list) =
            parts.last_mut().filter(|part| part.ends_with(':') && line.starts_with('<'))
        {
            // What is missing stands below, one a line.
            list.push(' ');
            list.push_str(line);
        } else if line.starts_with("[possible values:") {
            parts.push(line.trim_matches(['[', ']']).to_owned());
        }
    }
    parts.push("see `tcptrace --help`".to_owned());
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Command, FormatWord};

    fn args(line: &str) -> Args {
        match parse(line.split(' ')).unwrap() {
            Parsed::Args(args) => *args,
            Parsed::Help(_) => panic!("{line} printed help"),
        }
    }

    fn complaint(line: &str) -> String {
        let failure = parse(line.split(' ')).unwrap_err();
        assert_eq!(failure.code, crate::failure::ExitCode::Usage);
        failure.message
    }

    fn help(line: &str) -> String {
        match parse(line.split(' ')).unwrap() {
            Parsed::Help(text) => text.to_string(),
            Parsed::Args(_) => panic!("{line} printed no help"),
        }
    }

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn short_options_mean_what_they_mean_in_tcpstates() {
        let args = args("tcptrace -p 7,8 -p 9 -L 80 -D 443 -4 -T -w -s -t");
        assert_eq!(args.filter.pids, ["7", "8", "9"]);
        assert_eq!(
            (args.filter.lports.as_slice(), args.filter.rports.as_slice()),
            (&["80".to_owned()][..], &["443".to_owned()][..])
        );
        assert!(args.filter.v4 && args.output.time_of_day && args.output.wide && args.output.csv);
        assert!(args.output.timestamp && !args.filter.v6);
    }

    #[test]
    fn flags_stand_before_or_after_the_command() {
        for line in
            ["tcptrace --pid 7 -o json lives --unfinished", "tcptrace lives --unfinished --pid 7 -o json"]
        {
            let args = args(line);
            assert_eq!(args.filter.pids, ["7"], "{line}");
            assert_eq!(args.output.format, Some(FormatWord::Json), "{line}");
            assert!(matches!(args.command, Some(Command::Lives(lives)) if lives.unfinished), "{line}");
        }
    }

    #[test]
    fn flags_on_both_sides_of_the_command_add_up() {
        let both = args("tcptrace --pid 7 --comm lives lives --pid 8 --comm b");
        assert_eq!(both.filter.pids, ["7", "8"]);
        assert_eq!(both.filter.comms, ["lives", "b"]);
        assert!(complaint("tcptrace -d 1s lives -d 2s").contains("multiple times"));
        assert!(args("tcptrace -V lives").version);
    }

    #[test]
    fn a_complaint_is_one_line_with_a_hint() {
        for (line, needles) in [
            ("tcptrace --prot 80", &["--prot", "--port"][..]),
            ("tcptrace -o xml", &["xml", "possible values: text, wide, json, csv"]),
            ("tcptrace --pid", &["--pid", "value is required"]),
            ("tcptrace livse", &["livse", "lives"]),
            ("tcptrace record", &["required", "provided: <FILE>; see"]),
            ("tcptrace --raw --raw", &["--raw", "multiple times"]),
        ] {
            let said = complaint(line);
            assert!(!said.contains('\n') && !said.contains("Usage"), "{said}");
            for needle in needles {
                assert!(said.contains(needle), "{line}: {said}");
            }
        }
    }

    #[test]
    fn help_names_every_column_exit_code_and_state() {
        let help = help("tcptrace --help");
        for column in crate::sink::column::Column::ALL {
            assert!(help.contains(column.name()), "{}", column.name());
        }
        for needle in ["Exit codes:", "  77 ", "Examples:", "FIN_WAIT_2", "NO_COLOR", "--ring-size"] {
            assert!(help.contains(needle), "{needle}");
        }
    }

    #[test]
    fn help_of_lives_explains_its_marks_and_ends() {
        let help = help("tcptrace lives --help");
        for needle in ["fin_wait_2_timeout", "60s*", "--min-in-state", "--pid"] {
            assert!(help.contains(needle), "{needle}");
        }
    }

    #[test]
    fn help_of_a_command_without_flags_lists_none() {
        let help = help("tcptrace schema --help");
        assert!(help.contains("JSON Schema") && !help.contains("--pid"), "{help}");
    }
}
