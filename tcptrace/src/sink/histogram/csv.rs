//! One row a histogram.

use std::io::{self, Write};

use super::super::json::Names;
use super::super::time::Rfc3339;
use super::{Page, Show, label};
use crate::model::state::TcpState;
use crate::model::time::ClockAnchor;

/// Writes RFC 4180 to `W`.
pub struct Csv<W: Write> {
    out: csv::Writer<W>,
    clock: Rfc3339,
    percentiles: Vec<f64>,
    names: Option<Box<dyn Names>>,
    header: bool,
}

impl<W: Write> Csv<W> {
    /// Rows with these percentiles; the header comes with the first page.
    pub fn new(
        out: W,
        anchor: ClockAnchor,
        percentiles: Vec<f64>,
        header: bool,
        names: Option<Box<dyn Names>>,
    ) -> Self {
        Self { out: csv::Writer::from_writer(out), clock: Rfc3339::new(anchor), percentiles, names, header }
    }
}

impl<W: Write> Show for Csv<W> {
    fn show(&mut self, page: &Page<'_>) -> io::Result<()> {
        if std::mem::take(&mut self.header) {
            let mut head = vec!["time".to_owned(), "mono_ns".to_owned(), "from_mono_ns".to_owned()];
            head.extend(page.by.iter().map(|key| key.name().to_owned()));
            head.extend(["other", "state", "count", "min_ns", "max_ns", "mean_ns"].map(str::to_owned));
            let percentiles = self.percentiles.iter();
            head.extend(
                percentiles.map(|percent| format!("{}_ns", label::percentile(*percent).replace('.', "_"))),
            );
            head.extend(["at_least", "estimated", "unknown", "measure"].map(str::to_owned));
            self.out.write_record(&head)?;
        }
        let time = self.clock.format(page.to).to_owned();
        let known = |ns: Option<u64>| ns.map_or(String::new(), |ns| ns.to_string());
        for (group, measure, histogram) in page.rows {
            let mut row = vec![time.clone(), page.to.0.to_string(), page.from.0.to_string()];
            for key in page.by {
                let mut cell = Vec::new();
                label::push_key(&mut cell, *key, group, self.names.as_deref());
                // A spreadsheet would take it for a formula.
                if matches!(cell.first(), Some(b'=' | b'+' | b'-' | b'@')) {
                    cell.insert(0, b'\'');
                }
                row.push(String::from_utf8_lossy(&cell).into_owned());
            }
            let state = measure.state().map_or("", TcpState::name);
            row.extend([group.other.to_string(), state.to_owned(), histogram.total().to_string()]);
            row.extend([histogram.min(), histogram.max(), histogram.mean()].map(known));
            row.extend(self.percentiles.iter().map(|percent| known(histogram.percentile(*percent))));
            row.extend(histogram.beside().map(|(_, count)| count.to_string()));
            row.push(measure.kind().to_owned());
            self.out.write_record(&row)?;
        }
        self.out.flush()
    }
}
