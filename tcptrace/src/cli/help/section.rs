//! A section of text behind the flags: `--help` prints it for a terminal, the manual as a page.

use std::fmt::{self, Display, Formatter};

/// How wide `--help` is where the terminal does not say.
const WIDTH: usize = 80;

/// A title, and what stands below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Without a colon: `Exit codes`.
    pub title: &'static str,
    /// What it says.
    pub body: Body,
}

/// The shapes of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// What it is good for, and the command line.
    Examples(&'static [(&'static str, &'static str)]),
    /// Names, and what they mean.
    Names(Vec<(String, &'static str)>),
    /// Words in their order.
    Words(Vec<&'static str>),
}

impl Section {
    /// A section of names.
    pub(super) fn names(title: &'static str, names: impl Iterator<Item = (String, &'static str)>) -> Self {
        Self { title, body: Body::Names(names.collect()) }
    }
}

impl Display for Section {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { title, body } = self;
        writeln!(f, "{title}:")?;
        match body {
            Body::Examples(examples) => {
                for (what, line) in *examples {
                    writeln!(f, "  {what}\n    $ {line}")?;
                }
            }
            Body::Names(names) => {
                let column = names.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
                for (name, meaning) in names {
                    write!(f, "  {name:<column$} ")?;
                    filled(f, meaning.split(' '), column + 3)?;
                }
            }
            Body::Words(words) => {
                write!(f, " ")?;
                filled(f, words.iter().copied(), 1)?;
            }
        }
        Ok(())
    }
}

/// Words after something `indent` wide, in lines that begin below the first word.
fn filled<'a>(f: &mut Formatter<'_>, words: impl Iterator<Item = &'a str>, indent: usize) -> fmt::Result {
    let mut at = indent;
    for word in words {
        let width = word.chars().count() + 1;
        if at + width > WIDTH && at > indent {
            write!(f, "\n{:indent$}", "")?;
            at = indent;
        }
        write!(f, " {word}")?;
        at += width;
    }
    writeln!(f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_goes_on_below_its_first_word() {
        let meaning = "a meaning that is so long that it does not fit into what is left of a line of eighty";
        let section =
            Section::names("Things", [("a".to_owned(), meaning), ("long".to_owned(), "short")].into_iter());
        let expected = "Things:\n  a     a meaning that is so long that it does not fit into what is left of a\n        line of eighty\n  long  short\n";
        assert_eq!(section.to_string(), expected);
    }

    #[test]
    fn an_example_stands_below_its_purpose() {
        let section = Section { title: "Examples", body: Body::Examples(&[("To see", "tcptrace -h")]) };
        assert_eq!(section.to_string(), "Examples:\n  To see\n    $ tcptrace -h\n");
    }
}
