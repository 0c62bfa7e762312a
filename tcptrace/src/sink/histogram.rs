//! Histograms, shown: as a table with plots, as CSV, as an HdrHistogram log, as a picture. As JSON they are a record like others.

pub mod csv;
pub mod hdr;
pub(super) mod label;
mod plot;
pub mod svg;
pub mod table;

use std::io;

use crate::engine::histogram::book::Row;
use crate::engine::histogram::group::By;
use crate::model::time::Mono;

/// What is shown at once.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// Stays that ended from here on …
    pub from: Mono,
    /// … up to here.
    pub to: Mono,
    /// What they are grouped by, besides the measure.
    pub by: &'a [By],
    /// Histograms that are not empty, in order.
    pub rows: &'a [Row],
}

/// Shows pages.
pub trait Show {
    /// Shows one.
    ///
    /// # Errors
    /// What the writer says.
    fn show(&mut self, page: &Page<'_>) -> io::Result<()>;
}
