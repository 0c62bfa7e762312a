//! A sysctl.conf that somebody is about to apply, line by line (`sysctl.conf(5)`).

use std::collections::BTreeMap;

use super::folklore::{Default, Knob, Scene};
use super::{Finding, Severity};

const FORMAT: &str = "sysctl.conf(5)";
/// A line longer than this is shown cut.
const SHOWN: usize = 60;

/// One line that is neither empty nor a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// From 1.
    pub number: usize,
    /// What it says.
    pub text: Text,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// `name = value`; the name with dots.
    Setting {
        /// Which sysctl.
        name: String,
        /// Its value, blanks folded.
        value: String,
    },
    /// Something else, cut and with what cannot be shown replaced.
    Garbage(String),
}

/// The lines of a file; bytes that are no text are garbage on their line, not the end of it.
#[must_use]
pub fn parse(bytes: &[u8]) -> Vec<Line> {
    bytes
        .split(|byte| *byte == b'\n')
        .zip(1..)
        .filter_map(|(line, number)| {
            let text = String::from_utf8_lossy(line);
            let text = text.trim().trim_start_matches('\u{feff}');
            // `-` in front asks sysctl to ignore errors.
            let plain = text.strip_prefix('-').unwrap_or(text).trim_start();
            if plain.is_empty() || text.starts_with(['#', ';']) {
                return None;
            }
            Some(Line { number, text: setting(plain).unwrap_or_else(|| Text::Garbage(shown(text))) })
        })
        .collect()
}

fn setting(line: &str) -> Option<Text> {
    let (name, value) = line.split_once('=')?;
    let name = name.trim();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/*:@".contains(&byte);
    if name.is_empty() || !name.bytes().all(plain) || value.chars().any(|c| c.is_control() && c != '\t') {
        return None;
    }
    // With the first separator a slash, dots are part of names (sysctl.d(5)).
    let name = match name.find(['.', '/']) {
        Some(at) if name.as_bytes().get(at) == Some(&b'/') => name.replace('/', "."),
        _ => name.to_owned(),
    };
    let value = value.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    Some(Text::Setting { name, value })
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Judges each line. `label` names the file; `exists` tells whether this kernel has a sysctl.
#[must_use]
pub fn audit(label: &str, lines: &[Line], scene: &Scene<'_>, exists: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    for line in lines {
        if let Text::Setting { name, .. } = &line.text {
            last.insert(name, line.number);
        }
    }
    lines
        .iter()
        .map(|line| {
            let finding = match &line.text {
                Text::Garbage(text) => Finding::new("sysctl_file", Severity::Warning, "", FORMAT)
                    .saying(format!("`{text}` is not `name = value`: sysctl complains and skips the line"))
                    .advising("correct or delete the line"),
                Text::Setting { name, value } => match last.get(name.as_str()) {
                    Some(later) if *later != line.number => {
                        Finding::new("sysctl_file", Severity::Warning, "", FORMAT)
                            .with("name", name.as_str())
                            .with("value", value.as_str())
                            .saying(format!("line {later} sets it again, and the last one counts"))
                            .advising("delete one of the lines")
                    }
                    _ => judge(name, value, scene, exists),
                },
            };
            let name = match &line.text {
                Text::Setting { name, value } => format!(" {name} = {value}"),
                Text::Garbage(_) => String::new(),
            };
            let mut finding = finding.with("line", line.number);
            finding.subject = format!("{label}:{}{name}", line.number);
            finding
        })
        .collect()
}

fn judge(name: &str, value: &str, scene: &Scene<'_>, exists: &dyn Fn(&str) -> bool) -> Finding {
    let known = Knob::named(name);
    let live = scene.space.and_then(|space| space.sysctls.get(name));
    let live = live.map(|live| live.split_ascii_whitespace().collect::<Vec<_>>().join(" "));
    let base = |severity, source| {
        Finding::new("sysctl_file", severity, "", source)
            .with("name", name)
            .with("value", value)
            .with("live", live.clone())
            .with("default", known.and_then(|knob| knob.default.figure(scene.space)))
    };
    let Some(knob) = known else {
        let wildcard = name.contains('*');
        return if wildcard || exists(name) {
            base(Severity::Ok, FORMAT).saying("not about the states of TCP: not judged")
        } else {
            base(Severity::Warning, FORMAT)
                .saying("this kernel has no such sysctl: `sysctl -p` fails on the line")
                .advising("check the spelling, or delete the line")
        };
    };
    let judged = knob.judge(value, scene);
    let mut said = judged.said;
    if knob.default != Default::Gone {
        if live.as_deref() == Some(value) {
            said = format!("already so on this host; {said}");
        } else if let Some(live) = &live {
            said = format!("now {live}; {said}");
        }
    }
    let mut finding = base(judged.severity, knob.source).saying(said);
    finding.advice = judged.advice;
    finding
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARTICLE: &[u8] = b"# tune TIME_WAIT\nnet.ipv4.tcp_syncookies = 1\nnet.ipv4.tcp_tw_reuse = 1\nnet.ipv4.tcp_tw_recycle = 1\n\
        net.ipv4.tcp_fin_timeout = 30\n\nnet/ipv4/tcp_keepalive_time=1200\nnet.ipv4.ip_local_port_range = 1024\t65000\n\
        -net.ipv4.tcp_max_tw_buckets = 5000\nsysctl -p\n\xff\xfe = 3\n; end\nnet.ipv4.tcp_fin_timeout = 20\nkernel.panic = 3\nnet.ipv4.tcp_nonsense=1\n";

    fn audited() -> Vec<Finding> {
        audit("a.conf", &parse(ARTICLE), &Scene::default(), &|name| name == "kernel.panic")
    }

    #[test]
    fn comments_and_blanks_are_no_lines_and_numbers_are_the_files() {
        let numbers: Vec<usize> = parse(ARTICLE).iter().map(|line| line.number).collect();
        assert_eq!(numbers, [2, 3, 4, 5, 7, 8, 9, 10, 11, 13, 14, 15]);
        let Text::Setting { name, value } = &parse(ARTICLE)[5].text else { panic!() };
        assert_eq!((name.as_str(), value.as_str()), ("net.ipv4.ip_local_port_range", "1024 65000"));
    }

    #[test]
    fn every_line_is_judged_and_garbage_is_named_by_its_line() {
        let found = audited();
        let of = |line: u64| found.iter().find(|finding| finding.observed["line"] == line).unwrap();
        for (line, severity, said) in [
            (2, Severity::Ok, "cookie"),
            (3, Severity::Info, "outgoing"),
            (4, Severity::Warning, "gone since Linux 4.12"),
            (5, Severity::Warning, "line 13 sets it again"),
            (7, Severity::Info, "SO_KEEPALIVE"),
            (8, Severity::Warning, "services"),
            (9, Severity::Warning, "straight to CLOSED"),
            (10, Severity::Warning, "is not `name = value`"),
            (11, Severity::Warning, "is not `name = value`"),
            (13, Severity::Info, "not of TIME_WAIT"),
            (14, Severity::Ok, "not judged"),
            (15, Severity::Warning, "no such sysctl"),
        ] {
            let finding = of(line);
            assert_eq!(finding.severity, severity, "{finding:?}");
            assert!(finding.explanation.contains(said), "{finding:?}");
            assert!(finding.subject.starts_with(&format!("a.conf:{line}")), "{}", finding.subject);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_break_the_parser(bytes: Vec<u8>) {
            let lines = parse(&bytes);
            let found = audit("f", &lines, &Scene::default(), &|_| false);
            proptest::prop_assert_eq!(found.len(), lines.len());
        }
    }
}
