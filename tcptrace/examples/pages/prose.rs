//! Text with backticks, paragraphs and items, as roff.

use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

/// One `# TITLE` of a text, and what stands below it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chapter<'a> {
    pub(crate) title: &'a str,
    pub(crate) paragraphs: Vec<&'a str>,
}

/// The chapters of a text in their order.
pub(crate) fn chapters(text: &str) -> Vec<Chapter<'_>> {
    let mut chapters: Vec<Chapter<'_>> = Vec::new();
    for paragraph in text.split('\n').map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(title) = paragraph.strip_prefix("# ") {
            chapters.push(Chapter { title, paragraphs: Vec::new() });
        } else if let Some(chapter) = chapters.last_mut() {
            chapter.paragraphs.push(paragraph);
        }
    }
    chapters
}

/// Paragraphs and items.
pub(crate) fn put(roff: &mut Roff, paragraphs: &[&str]) {
    for paragraph in paragraphs {
        match paragraph.strip_prefix("- ") {
            Some(item) => {
                roff.control("IP", ["\\(bu", "2"]);
                roff.text(inlines(item));
            }
            None => {
                roff.control("PP", []);
                roff.text(inlines(paragraph));
            }
        }
    }
}

/// A name, of which kind it is, and what it means below it.
pub(crate) fn named(roff: &mut Roff, name: &str, kind: &str, meaning: &str) {
    roff.control("TP", []);
    if kind.is_empty() {
        roff.text([bold(name)]);
    } else {
        roff.text([bold(name), roman(", "), italic(kind)]);
    }
    roff.text(inlines(meaning));
}

/// A line of roff whose backticks were plain text for the one who wrote it.
pub(crate) fn bold_between_backticks(line: &str) -> String {
    if line.matches('`').count() % 2 == 1 {
        return line.to_owned();
    }
    let parts = line.split('`').enumerate();
    parts.map(|(at, part)| if at % 2 == 0 { part.to_owned() } else { format!("\\fB{part}\\fR") }).collect()
}

/// In the letters that every roff reads without being told of an encoding.
pub(crate) fn ascii(page: &str) -> String {
    let mut text = String::with_capacity(page.len());
    for letter in page.chars() {
        match letter {
            // Some terminals show an accent instead.
            '~' => text.push_str("\\(ti"),
            letter if letter.is_ascii() => text.push(letter),
            letter => text.push_str(&format!("\\[u{:04X}]", u32::from(letter))),
        }
    }
    text
}

/// What stands between backticks is bold; of `man(8)` only the name.
pub(crate) fn inlines(text: &str) -> Vec<Inline> {
    let part = |(at, part): (usize, &str)| match part.find('(') {
        _ if at % 2 == 0 => vec![roman(part)],
        Some(bracket) if part.ends_with(')') && part[bracket..].len() == 3 => {
            vec![bold(&part[..bracket]), roman(&part[bracket..])]
        }
        _ => vec![bold(part)],
    };
    text.split('`').enumerate().filter(|(_, part)| !part.is_empty()).flat_map(part).collect()
}
