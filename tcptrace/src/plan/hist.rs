//! What `tcptrace hist` counts, and when it shows it.

use std::path::PathBuf;
use std::time::Duration;

use super::{Attach, Trace, output, quantity};
use crate::cli::{AggregateWord, HistArgs};
use crate::engine::histogram::asked::Asked;
use crate::engine::histogram::group::By;
use crate::failure::Failure;
use crate::model::measure::Measure;
use crate::model::state::TcpState;
use crate::source::host::Host;
use crate::source::kernel::Scope;

/// Groups that are kept apart unless told otherwise.
const GROUPS: u32 = 100;

/// The largest number of groups: what a kernel map of their octaves may hold.
const MOST_GROUPS: u32 = 10_000;

/// A run of `tcptrace hist`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hist {
    /// What groups the stays, besides the state.
    pub by: Vec<By>,
    /// The kernel half counts.
    pub in_kernel: bool,
    /// Groups to keep apart.
    pub max_groups: u32,
    /// Of text and csv.
    pub percentiles: Vec<f64>,
    /// Show so often; `None` for once at the end.
    pub interval: Option<Duration>,
    /// Each time everything.
    pub cumulative: bool,
    /// The HdrHistogram interval log.
    pub hdr: Option<PathBuf>,
    /// The picture.
    pub svg: Option<PathBuf>,
    /// What is counted.
    pub asked: Asked,
    /// Compare with this recording.
    pub against: Option<PathBuf>,
}

impl Hist {
    /// Judges the flags of `hist`.
    pub(super) fn new(args: &HistArgs, host: &dyn Host) -> Result<Self, Failure> {
        let HistArgs {
            by,
            of,
            aggregate: _,
            max_groups,
            percentiles,
            interval,
            cumulative,
            hdr,
            against,
            svg,
        } = args;
        let asked = asked(of)?;
        let mut keys = Vec::new();
        for word in by {
            let key = key(word)?;
            if keys.contains(&key) {
                return Err(Failure::usage(format!("--by: `{}` is named twice", key.name())));
            }
            keys.push(key);
        }
        keys.retain(|key| *key != By::State);
        if *cumulative && interval.is_none() {
            return Err(Failure::usage(
                "--cumulative needs --interval: without one there is only one showing, of everything",
            ));
        }
        for (flag, path) in [("--hdr", hdr), ("--svg", svg)] {
            if let Some(path) = path {
                output::check_path(flag, path, host)?;
            }
        }
        Ok(Self {
            by: keys,
            in_kernel: false,
            max_groups: max_groups.as_deref().map_or(Ok(GROUPS), groups)?,
            percentiles: match percentiles.as_slice() {
                [] => vec![50.0, 90.0, 99.0, 99.9],
                words => words.iter().map(|word| percentile(word)).collect::<Result<_, _>>()?,
            },
            interval: interval.as_deref().map(|word| quantity::run_time("--interval", word)).transpose()?,
            cumulative: *cumulative,
            hdr: hdr.clone(),
            svg: svg.clone(),
            asked,
            against: against.clone(),
        })
    }

    /// Takes over the states of the filter: a stay is in one of them.
    ///
    /// # Errors
    /// Stays are not counted at all.
    pub(super) fn narrow(&mut self, states: Vec<TcpState>) -> Result<(), Failure> {
        if !states.is_empty() && !self.asked.stays {
            return Err(Failure::usage(
                "--state chooses among stays, which --of leaves out: add `states` to --of, or leave out --state",
            ));
        }
        self.asked.states = states;
        Ok(())
    }

    /// Decides who counts, and says so where it is not what was asked for.
    pub(super) fn settle(&mut self, asked: Option<AggregateWord>, trace: &Trace, notes: &mut Vec<String>) {
        let keys: Vec<&str> = self.by.iter().filter(|key| !key.in_kernel()).map(|key| key.name()).collect();
        let why = if asked == Some(AggregateWord::User) || trace.from.is_some() {
            self.in_kernel = false;
            return;
        } else if !keys.is_empty() {
            format!("--by {}", keys.join(","))
        } else if !Scope::decides(&trace.filter) {
            "this filter".to_owned()
        } else if trace.exact {
            // Their timers tell of lives that only the stream knows.
            "what --exact adds".to_owned()
        } else if trace.attach == Attach::Classic {
            "the classic path".to_owned()
        } else {
            self.in_kernel = true;
            return;
        };
        notes.push(format!(
            "{why} cannot be counted in the kernel: every event comes here (--aggregate user)"
        ));
    }
}

/// What to count, of the words of --of.
fn asked(words: &[String]) -> Result<Asked, Failure> {
    if words.is_empty() {
        return Ok(Asked::stays());
    }
    let mut asked = Asked::default();
    for word in words {
        let name = word.trim().to_ascii_lowercase().replace('-', "_");
        let derived = Measure::DERIVED.into_iter().find(|measure| measure.name() == name);
        match (name.as_str(), derived) {
            ("states" | "state", _) => asked.stays = true,
            ("all", _) => asked = Asked { derived: Measure::DERIVED.to_vec(), ..Asked::stays() },
            (_, Some(measure)) if asked.derived.contains(&measure) => {}
            (_, Some(measure)) => asked.derived.push(measure),
            (_, None) => {
                let names = Measure::DERIVED.map(Measure::name).join(" ");
                return Err(Failure::usage(format!(
                    "--of: nothing is called `{word}`; the words are states {names} all"
                )));
            }
        }
    }
    Ok(asked)
}

fn key(word: &str) -> Result<By, Failure> {
    let name = word.trim().to_ascii_lowercase();
    By::ALL.into_iter().find(|key| key.name() == name).ok_or_else(|| {
        let names = By::ALL.map(By::name).join(" ");
        Failure::usage(format!("--by: nothing is grouped by `{word}`; the keys are {names}"))
    })
}

fn groups(word: &str) -> Result<u32, Failure> {
    word.trim().parse().ok().filter(|number| (1..=MOST_GROUPS).contains(number)).ok_or_else(|| {
        Failure::usage(format!("--max-groups `{word}` must be a whole number from 1 to {MOST_GROUPS}"))
    })
}

fn percentile(word: &str) -> Result<f64, Failure> {
    let number = word.trim().trim_start_matches(['p', 'P']).parse::<f64>();
    number.ok().filter(|number| (0.0..=100.0).contains(number)).ok_or_else(|| {
        Failure::usage(format!(
            "--percentiles `{word}` is not one: write numbers from 0 to 100, e.g. 50,99.9"
        ))
    })
}
