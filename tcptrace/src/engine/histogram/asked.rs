//! What is to be counted.

use crate::model::measure::Measure;
use crate::model::state::TcpState;

/// Which measures are counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Stays in states.
    pub stays: bool,
    /// In these states only; empty for all.
    pub states: Vec<TcpState>,
    /// What else.
    pub derived: Vec<Measure>,
}

impl Asked {
    /// Stays in all states.
    #[must_use]
    pub fn stays() -> Self {
        Self { stays: true, ..Self::default() }
    }

    /// Whether this is counted.
    #[must_use]
    pub fn admits(&self, measure: Measure) -> bool {
        match measure {
            Measure::State(state) => {
                self.stays
                    && (self.states.is_empty()
                        || self.states.iter().any(|asked| asked.name() == state.name()))
            }
            derived => self.derived.contains(&derived),
        }
    }
}
