//! Colour by class of state. It never carries anything alone: the state's name stands beside it.

use anstyle::{AnsiColor, Effects, Style};

use crate::model::state::TcpState;

/// What a cell is painted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Paint {
    /// Not at all.
    Plain,
    /// A state's class.
    State(TcpState),
    /// The header.
    Head,
}

const fn style(paint: Paint) -> Style {
    let colour = match paint {
        Paint::Plain => return Style::new(),
        Paint::Head => return Style::new().effects(Effects::BOLD),
        Paint::State(state) => match state {
            TcpState::SynSent | TcpState::SynRecv | TcpState::NewSynRecv => AnsiColor::Cyan,
            TcpState::Listen => AnsiColor::Blue,
            TcpState::Established => AnsiColor::Green,
            TcpState::FinWait1 | TcpState::FinWait2 | TcpState::Closing | TcpState::LastAck => {
                AnsiColor::Yellow
            }
            // The peer has closed and we have not: the state that leaks.
            TcpState::CloseWait => AnsiColor::Magenta,
            TcpState::TimeWait | TcpState::Closed => AnsiColor::BrightBlack,
        },
    };
    colour.on_default()
}

/// The escape sequences, rendered once.
#[derive(Debug)]
pub(in super::super) struct Palette {
    states: Option<[Vec<u8>; TcpState::ALL.len() + 1]>,
}

impl Palette {
    pub(in super::super) fn new(colour: bool) -> Self {
        let render = |paint| style(paint).render().to_string().into_bytes();
        let states = colour.then(|| {
            std::array::from_fn(|at| match TcpState::ALL.into_iter().find(|state| *state as usize == at) {
                Some(state) => render(Paint::State(state)),
                None => render(Paint::Head),
            })
        });
        Self { states }
    }

    /// The sequence that begins `paint`; `None` where nothing is painted.
    pub(in super::super) fn begin(&self, paint: Paint) -> Option<&[u8]> {
        let states = self.states.as_ref()?;
        match paint {
            Paint::Plain => None,
            // No state has the number 0.
            Paint::Head => Some(&states[0]),
            Paint::State(state) => Some(&states[state as usize]),
        }
    }

    /// The sequence that ends it.
    pub(in super::super) const END: &'static [u8] = b"\x1b[0m";
}
