//! What `tcptrace lives` prints, and when.

use std::time::Duration;

use super::{quantity, state};
use crate::cli::LivesArgs;
use crate::engine::filter::LifeFilter;
use crate::failure::Failure;
use crate::model::life::End;
use crate::model::state::TcpState;

/// A run of `tcptrace lives`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lives {
    /// Which lives: `--end`, `--min-duration`, `--min-in-state`.
    pub filter: LifeFilter,
    /// Those still open at the end too.
    pub unfinished: bool,
    /// Hold a life until its TIME_WAIT ends.
    pub through_time_wait: bool,
}

impl Lives {
    /// Judges the flags of `lives`.
    pub(super) fn new(args: &LivesArgs) -> Result<Self, Failure> {
        let LivesArgs { ends, min_duration, min_in_state, unfinished, through_time_wait } = args;
        if *unfinished && !ends.is_empty() {
            return Err(Failure::usage(
                "--unfinished and --end contradict each other: what is not finished has not ended in any way",
            ));
        }
        Ok(Self {
            filter: LifeFilter {
                ends: ends.iter().map(|word| end(word)).collect::<Result<_, _>>()?,
                min_duration: min_duration
                    .as_deref()
                    .map(|word| quantity::duration("--min-duration", word))
                    .transpose()?,
                min_in_state: min_in_state.iter().map(|word| stay(word)).collect::<Result<_, _>>()?,
            },
            unfinished: *unfinished,
            through_time_wait: *through_time_wait,
        })
    }
}

fn end(word: &str) -> Result<End, Failure> {
    let name = word.trim().to_ascii_lowercase().replace('-', "_");
    End::ALL.into_iter().find(|end| end.name() == name).ok_or_else(|| {
        let names = End::ALL.map(End::name).join(" ");
        Failure::usage(format!("--end: a connection cannot end `{word}`; the words are {names}"))
    })
}

/// `CLOSE_WAIT=1s`.
fn stay(word: &str) -> Result<(TcpState, Duration), Failure> {
    let Some((name, time)) = word.split_once('=') else {
        return Err(Failure::usage(format!(
            "--min-in-state `{word}` lacks the time: write a state and a duration, e.g. CLOSE_WAIT=1s"
        )));
    };
    Ok((state("--min-in-state", name.trim())?, quantity::duration("--min-in-state", time)?))
}
