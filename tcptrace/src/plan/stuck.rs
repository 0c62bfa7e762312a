//! What `tcptrace stuck` and `tcptrace kill` do.

use std::path::PathBuf;
use std::time::Duration;

use super::output::Output;
use super::{filter_of, quantity, state};
use crate::cli::{Args, KillArgs, StuckArgs};
use crate::engine::filter::Filter;
use crate::engine::stuck::Verdict;
use crate::engine::stuck::alarm::Threshold;
use crate::engine::stuck::rule::{DEFAULTS, Scope, StuckRule};
use crate::failure::Failure;
use crate::model::state::TcpState;
use crate::source::host::Host;

/// Time between the two looks that growth is told by.
const INTERVAL: Duration = Duration::from_secs(10);

/// One look for stuck sockets.
#[derive(Clone, Debug, PartialEq)]
pub struct Stuck {
    /// Look at the end of this recording instead of at this host.
    pub from: Option<PathBuf>,
    /// Which sockets.
    pub filter: Filter,
    /// What counts as stuck.
    pub rules: Vec<StuckRule>,
    /// List every one.
    pub each: bool,
    /// One line for a monitoring system.
    pub check: Option<Check>,
    /// What is printed where.
    pub output: Output,
    /// What the user should know, one sentence each.
    pub notes: Vec<String>,
}

/// The limits of `--check`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// WARNING beyond one of these.
    pub warning: Vec<Threshold>,
    /// CRITICAL beyond one of these.
    pub critical: Vec<Threshold>,
    /// Look twice, so far apart.
    pub interval: Option<Duration>,
}

/// Closing stuck sockets.
#[derive(Clone, Debug, PartialEq)]
pub struct Kill {
    /// Which sockets.
    pub filter: Filter,
    /// What counts as stuck.
    pub rules: Vec<StuckRule>,
    /// With one of these verdicts; empty when LISTEN or TIME_WAIT sockets are named by state.
    pub verdicts: Vec<Verdict>,
    /// Do it.
    pub yes: bool,
    /// What the user should know, one sentence each.
    pub notes: Vec<String>,
}

/// What `stuck --watch` adds to a tracing run.
#[derive(Clone, Debug, PartialEq)]
pub struct Watch {
    /// What counts as stuck.
    pub rules: Vec<StuckRule>,
    /// And where each was opened.
    pub stacks: bool,
    /// Tell every one, however many there are.
    pub each: bool,
}

/// Rules out of words, or the default ones.
pub(super) fn rules(words: &[String]) -> Result<Vec<StuckRule>, Failure> {
    if words.is_empty() {
        return Ok(DEFAULTS.iter().map(|(rule, _)| *rule).collect());
    }
    words.iter().map(|word| rule(word)).collect()
}

/// `CLOSE_WAIT>30s count>100 per-owner`.
fn rule(text: &str) -> Result<StuckRule, Failure> {
    let wrong = |what: &str| {
        Failure::usage(format!(
            "--rule `{text}`: {what}; write a state and a time, e.g. 'CLOSE_WAIT>30s', then optionally count>N, per-owner or per-port, \
             held or orphan"
        ))
    };
    // `CLOSE_WAIT > 30s` is as good.
    let joined = text.replace(" >", ">").replace("> ", ">");
    let mut words = joined.split([' ', ',']).filter(|word| !word.is_empty());
    let first = words.next().ok_or_else(|| wrong("it is empty"))?;
    let (name, time) = first.split_once('>').ok_or_else(|| wrong("the time is missing"))?;
    let mut rule = StuckRule {
        state: state("--rule", name.trim())?,
        over: quantity::duration("--rule", time.trim_start_matches('='))?,
        held: None,
        more_than: 0,
        scope: Scope::All,
    };
    for word in words {
        match (word, word.split_once('>')) {
            (_, Some(("count", number))) => {
                rule.more_than = number.parse().map_err(|_| wrong(&format!("`{number}` is not a number")))?;
            }
            ("per-owner", _) => rule.scope = Scope::Owner,
            ("per-port", _) => rule.scope = Scope::Port,
            ("held", _) => rule.held = Some(true),
            ("orphan", _) => rule.held = Some(false),
            _ => return Err(wrong(&format!("`{word}` is not understood"))),
        }
    }
    if rule.scope != Scope::All && rule.more_than == 0 {
        return Err(wrong("per-owner and per-port need count>N"));
    }
    Ok(rule)
}

impl Stuck {
    /// Judges the flags of `stuck` without `--watch`.
    pub(super) fn new(args: &Args, stuck: &StuckArgs, host: &dyn Host) -> Result<Self, Failure> {
        let StuckArgs { rules: words, each, watch: _, stacks: _, check, warning, critical, interval } = stuck;
        let limited = !warning.is_empty() || !critical.is_empty() || interval.is_some();
        if limited && !check {
            return Err(Failure::usage("--warning, --critical and --interval are limits of --check: add it"));
        }
        let from = args.tracing.from.clone();
        if *check && from.is_some() {
            return Err(Failure::usage(
                "--check and --from contradict each other: a check is of the living host; leave one out",
            ));
        }
        let mut notes = Vec::new();
        let check = check
            .then(|| {
                let mut warning = limits("--warning", warning)?;
                let critical = limits("--critical", critical)?;
                if warning.is_empty() && critical.is_empty() {
                    warning.push(Threshold::Count(0));
                }
                let grows =
                    warning.iter().chain(&critical).any(|limit| matches!(limit, Threshold::Growth(_)));
                let interval =
                    interval.as_deref().map(|word| quantity::run_time("--interval", word)).transpose()?;
                Ok::<_, Failure>(Check {
                    warning,
                    critical,
                    interval: grows.then(|| interval.unwrap_or(INTERVAL)),
                })
            })
            .transpose()?;
        Ok(Self {
            filter: filter_of(&args.filter, host, &mut notes)?,
            from,
            rules: rules(words)?,
            each: *each,
            check,
            output: Output::new(&args.output, host)?,
            notes,
        })
    }
}

impl Watch {
    /// Judges the flags of `stuck --watch`.
    pub(super) fn new(args: &Args, stuck: &StuckArgs) -> Result<Self, Failure> {
        if stuck.stacks && args.tracing.from.is_some() {
            return Err(Failure::usage(
                "--stacks and --from contradict each other: a recording has no stacks, so look at the living host or leave out --stacks",
            ));
        }
        if stuck.check {
            let flag = if stuck.stacks { "--stacks" } else { "--watch" };
            return Err(Failure::usage(format!(
                "{flag} and --check contradict each other: a check looks once and ends"
            )));
        }
        Ok(Self { rules: rules(&stuck.rules)?, stacks: stuck.stacks, each: stuck.each })
    }

    /// Judges `--flag-stuck`, empty for the default rules.
    pub(super) fn flagged(words: &str) -> Result<Self, Failure> {
        let words: Vec<String> =
            words.split(';').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect();
        Ok(Self { rules: rules(&words)?, stacks: false, each: true })
    }
}

impl Kill {
    /// Judges the flags of `kill`.
    pub(super) fn new(args: &Args, kill: &KillArgs, host: &dyn Host) -> Result<Self, Failure> {
        let KillArgs { verdicts, rules: words, yes } = kill;
        let mut notes = Vec::new();
        let filter = filter_of(&args.filter, host, &mut notes)?;
        let mut rules = rules(words)?;
        let named: Vec<TcpState> = filter
            .states
            .iter()
            .copied()
            .filter(|state| matches!(state, TcpState::Listen | TcpState::TimeWait))
            .collect();
        let verdicts = verdicts.iter().map(|word| verdict(word)).collect::<Result<Vec<_>, _>>()?;
        if verdicts.is_empty() && named.is_empty() {
            return Err(Failure::usage(
                "kill needs --verdict: the verdicts of `tcptrace stuck` whose sockets to close, e.g. --verdict leaked_fd",
            ));
        }
        if filter == Filter::default() {
            return Err(Failure::usage(
                "kill needs a filter besides the verdict, e.g. --pid, --lport or --raddr: it would close such sockets of the whole host",
            ));
        }
        for state in &named {
            rules.push(StuckRule {
                state: *state,
                over: Duration::ZERO,
                held: None,
                more_than: 0,
                scope: Scope::All,
            });
        }
        Ok(Self { filter, rules, verdicts, yes: *yes, notes })
    }
}

fn verdict(word: &str) -> Result<Verdict, Failure> {
    let name = word.trim().to_ascii_lowercase().replace('-', "_");
    Verdict::ALL.into_iter().find(|verdict| verdict.name() == name).ok_or_else(|| {
        let names = Verdict::ALL.map(Verdict::name).join(" ");
        Failure::usage(format!("--verdict: `{word}` is no verdict; they are {names}"))
    })
}

fn limits(flag: &str, words: &[String]) -> Result<Vec<Threshold>, Failure> {
    words.iter().map(|word| limit(flag, word)).collect()
}

/// `count>10`, `age>1h`, `growth>5`; a number alone is a count, as in other plugins.
fn limit(flag: &str, word: &str) -> Result<Threshold, Failure> {
    let wrong = || {
        Failure::usage(format!(
            "{flag} `{word}` is not a limit: write count>10, age>1h or growth>5 (a minute)"
        ))
    };
    let (what, number) = word.split_once(['>', '=']).unwrap_or(("count", word));
    let number = number.trim();
    match what.trim() {
        "count" => number.parse().map(Threshold::Count).map_err(|_| wrong()),
        "age" => quantity::duration(flag, number).map(Threshold::Age),
        "growth" => {
            let number = number.trim_end_matches("/min").trim_end_matches("/m");
            number.parse().map(Threshold::Growth).map_err(|_| wrong())
        }
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests;
