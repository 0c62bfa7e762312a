//! Aligned columns within a width: who gets how many cells, and what is cut.

use super::super::column::{Column, Room};
use super::super::time::{Clock, TimeStyle};
use super::paint::{Paint, Palette};
use crate::model::state::TcpState;

const ARROW: &str = " → ";

#[derive(Clone, Copy, Debug)]
struct Cell {
    column: Column,
    room: Room,
    width: usize,
}

/// The columns of one output with their widths.
#[derive(Debug)]
pub(in super::super) struct Layout {
    cells: Vec<Cell>,
    /// Cut to `width`; wide columns grow instead.
    narrow: bool,
    head: &'static str,
    palette: Palette,
    scratch: Vec<u8>,
}

impl Layout {
    pub(in super::super) fn new(
        columns: &[Column],
        width: Option<usize>,
        clock: &Clock,
        colour: bool,
    ) -> Self {
        let no_time = clock.style() == TimeStyle::None;
        let mut cells: Vec<Cell> = columns
            .iter()
            .filter(|column| !(**column == Column::Time && no_time))
            .map(|column| {
                let mut room = column.room();
                if *column == Column::Time {
                    let width = clock.width();
                    let right = matches!(clock.style(), TimeStyle::Mono | TimeStyle::Delta);
                    room = Room { least: width, good: width, most: width, right, ..room };
                }
                Cell { column: *column, room, width: if width.is_some() { room.least } else { room.good } }
            })
            .collect();
        if let Some(width) = width {
            let gaps: usize = (1..cells.len()).map(|at| gap(&cells, at).chars().count()).sum();
            let used: usize = cells.iter().map(|cell| cell.width).sum();
            let spare = width.saturating_sub(gaps + used);
            let spare = share(&mut cells, spare, |room| room.good);
            share(&mut cells, spare, |room| room.most);
        }
        let palette = Palette::new(colour);
        Self { cells, narrow: width.is_some(), head: clock.style().head(), palette, scratch: Vec::new() }
    }

    /// Appends the header, without a line end.
    pub(in super::super) fn head(&mut self, out: &mut Vec<u8>) {
        let time = self.head;
        self.row(out, |column, cell| {
            let head = if column == Column::Time { time } else { column.head() };
            cell.extend_from_slice(head.as_bytes());
            Paint::Head
        });
    }

    /// Appends a state's name that stands in no column.
    pub(in super::super) fn state(&self, out: &mut Vec<u8>, state: TcpState) {
        let begin = self.palette.begin(Paint::State(state));
        out.extend_from_slice(begin.unwrap_or_default());
        out.extend_from_slice(state.name().as_bytes());
        out.extend_from_slice(begin.map_or(&[][..], |_| Palette::END));
    }

    /// Whether columns are cut to a width.
    pub(in super::super) const fn is_narrow(&self) -> bool {
        self.narrow
    }

    /// Appends a row, without a line end and without spaces before it. `fill` writes one cell.
    pub(in super::super) fn row(
        &mut self,
        out: &mut Vec<u8>,
        mut fill: impl FnMut(Column, &mut Vec<u8>) -> Paint,
    ) {
        let mut pending = 0;
        for at in 0..self.cells.len() {
            self.scratch.clear();
            let paint = fill(self.cells[at].column, &mut self.scratch);
            let mut width = cells(&self.scratch);
            let gap = gap(&self.cells, at);
            let cell = &mut self.cells[at];
            if width > cell.width {
                if !self.narrow {
                    cell.width = width;
                } else if cell.room.cut {
                    cut_middle(&mut self.scratch, cell.width);
                    width = cell.width;
                }
            }
            let padding = cell.width.saturating_sub(width);
            if at > 0 {
                pad(out, pending);
                out.extend_from_slice(gap.as_bytes());
            }
            pending = 0;
            if cell.room.right {
                pad(out, padding);
            } else {
                pending = padding;
            }
            match self.palette.begin(paint) {
                Some(begin) => {
                    out.extend_from_slice(begin);
                    out.extend_from_slice(&self.scratch);
                    out.extend_from_slice(Palette::END);
                }
                None => out.extend_from_slice(&self.scratch),
            }
        }
    }
}

fn gap(cells: &[Cell], at: usize) -> &'static str {
    match at {
        0 => "",
        _ if cells[at - 1].column == Column::From && cells[at].column == Column::To => ARROW,
        _ => " ",
    }
}

fn pad(out: &mut Vec<u8>, spaces: usize) {
    out.resize(out.len() + spaces, b' ');
}

/// Gives `spare` cells in turn to the columns that want them; returns what is left.
fn share(cells: &mut [Cell], mut spare: usize, want: impl Fn(&Room) -> usize) -> usize {
    loop {
        let before = spare;
        for cell in cells.iter_mut().filter(|cell| cell.width < want(&cell.room)) {
            if spare == 0 {
                return 0;
            }
            cell.width += 1;
            spare -= 1;
        }
        if spare == before {
            return spare;
        }
    }
}

/// How many cells of a terminal `text` takes.
pub(in super::super) fn cells(text: &[u8]) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    text.utf8_chunks().map(|chunk| chunk.valid().chars().map(char_cells).sum::<usize>()).sum()
}

/// Near enough to Unicode's East Asian Width for names of processes.
fn char_cells(character: char) -> usize {
    match character {
        '\u{300}'..='\u{36f}' | '\u{fe00}'..='\u{fe0f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

/// Cuts `text` to `width` cells from its middle: both ends of an address tell more than what is between.
fn cut_middle(text: &mut Vec<u8>, width: usize) {
    let Some(kept) = width.checked_sub(1) else {
        text.clear();
        return;
    };
    let Ok(whole) = std::str::from_utf8(text) else { return };
    let (head, tail) = (kept / 2, kept - kept / 2);
    let (from, used) = fitting(whole.chars(), head);
    let (behind, used_behind) = fitting(whole.chars().rev(), tail);
    let to = whole.len() - behind;
    text.splice(from..to, "…".bytes());
    // A wide character may have found no place.
    pad(text, kept.saturating_sub(used + used_behind));
}

/// Bytes and cells of the first characters that fit into `room` cells.
fn fitting(characters: impl Iterator<Item = char>, room: usize) -> (usize, usize) {
    let (mut bytes, mut used) = (0, 0);
    for character in characters {
        if used + char_cells(character) > room {
            break;
        }
        bytes += character.len_utf8();
        used += char_cells(character);
    }
    (bytes, used)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, width: usize) -> String {
        let mut bytes = text.as_bytes().to_vec();
        cut_middle(&mut bytes, width);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_cut_keeps_both_ends() {
        assert_eq!(cut("[2001:db8:1:2:3:4:5:6]:65535", 20), "[2001:db8…5:6]:65535");
        assert_eq!(cut("abcdef", 1), "…");
        assert_eq!(cut("abcdef", 0), "");
        assert_eq!(cells(cut("名前名前名前", 6).as_bytes()), 6);
    }
}
