//! Histograms, shown: as a table with plots, as CSV, as an HdrHistogram log, as a picture. As JSON they are a record like others.

pub mod csv;
pub mod hdr;
mod label;
mod plot;
pub mod svg;
pub mod table;

use std::io;

use crate::engine::histogram::Histogram;
use crate::engine::histogram::group::{By, Group};
use crate::model::state::TcpState;
use crate::model::time::Mono;

/// What is shown at once.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// Stays that ended from here on …
    pub from: Mono,
    /// … up to here.
    pub to: Mono,
    /// What they are grouped by, besides the state.
    pub by: &'a [By],
    /// Histograms that are not empty, in order.
    pub rows: &'a [(Group, TcpState, Histogram)],
}

/// Shows pages.
pub trait Show {
    /// Shows one.
    ///
    /// # Errors
    /// What the writer says.
    fn show(&mut self, page: &Page<'_>) -> io::Result<()>;
}
