//! What people must be told beside the data, on stderr: losses, and what the run amounted to.

use std::io::{self, Write};

use super::{duration, escape};
use crate::model::event::LossPlace;
use crate::model::summary::Summary;

/// One line for the person at the terminal: it may name files and processes, which others have named.
///
/// # Errors
/// What the writer says.
pub fn write_note(out: &mut impl Write, note: &str) -> io::Result<()> {
    writeln!(out, "tcptrace: {}", escape::escaped(note.as_bytes()))
}

/// One line about a loss.
///
/// # Errors
/// What the writer says.
pub fn write_lost(out: &mut impl Write, count: u64, place: LossPlace, total: u64) -> io::Result<()> {
    let place = match place {
        // Busy: an event in a softirq that came while the probe ran on this CPU (recursion_misses).
        LossPlace::RingBuffer => "the ring buffer was full, or the probe was busy",
        LossPlace::Map => "a kernel map was full",
        LossPlace::Table => "the connection table was full",
    };
    let events = if count == 1 { "event" } else { "events" };
    writeln!(out, "lost {count} {events}: {place} ({total} in all)")
}

/// One line about stays whose groups were too many.
///
/// # Errors
/// What the writer says.
pub fn write_other(out: &mut impl Write, stays: u64, groups: u32) -> io::Result<()> {
    let plural = if stays == 1 { "stay is" } else { "stays are" };
    writeln!(
        out,
        "{stays} {plural} in the group `other`: there were more than {groups} groups (--max-groups)"
    )
}

/// The closing line of a run.
///
/// # Errors
/// What the writer says.
pub fn write_summary(out: &mut impl Write, summary: &Summary) -> io::Result<()> {
    let Summary { events, lost, lost_hints, connections, evictions, duration_ns, kernel } = *summary;
    let plural = if connections == 1 { "" } else { "s" };
    let mut line = format!("{events} events, {lost} lost, {connections} connection{plural}").into_bytes();
    if evictions > 0 {
        write!(line, ", {evictions} evicted")?;
    }
    if lost_hints > 0 {
        write!(line, ", {lost_hints} hints (accepts, resets) lost")?;
    }
    line.extend_from_slice(b" in ");
    duration::push_ns(&mut line, duration_ns, false);
    if let Some(per_run) = kernel.and_then(|cost| cost.ns.checked_div(cost.runs)) {
        write!(line, ", {per_run} ns of kernel time per event")?;
    }
    line.push(b'\n');
    out.write_all(&line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::summary::KernelCost;

    #[test]
    fn the_summary_says_only_what_is_known() {
        let mut out = Vec::new();
        let mut summary =
            Summary { events: 6, lost: 0, connections: 1, duration_ns: 5_200_000_000, ..Summary::default() };
        write_summary(&mut out, &summary).unwrap();
        summary.kernel = Some(KernelCost { runs: 6, ns: 3_000 });
        summary.evictions = 2;
        write_summary(&mut out, &summary).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "6 events, 0 lost, 1 connection in 5.2s\n\
             6 events, 0 lost, 1 connection, 2 evicted in 5.2s, 500 ns of kernel time per event\n"
        );
    }

    #[test]
    fn a_loss_says_where_and_how_many() {
        let mut out = Vec::new();
        write_lost(&mut out, 1, LossPlace::RingBuffer, 8).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "lost 1 event: the ring buffer was full, or the probe was busy (8 in all)\n"
        );
    }
}
