//! The manual: one page for `tcptrace`, one for each command, from the command line's definition and the texts beside it.

use anyhow::{Context as _, Result};
use clap::{Arg, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use serde_json::Value;
use tcptrace::cli::help::{self, Body, Section};
use tcptrace::cli::manual;
use tcptrace::sink::json;

use crate::{fields, prose};

/// One page.
pub(crate) struct Page {
    /// `tcptrace-lives.8`.
    pub(crate) file: String,
    /// Its roff.
    pub(crate) text: String,
}

/// Where a section of the help stands in the manual, and what it is called there.
const PLACES: [(&str, &str); 10] = [
    ("Columns (--columns)", "FIELDS"),
    ("Marks in a timeline", "MARKS"),
    ("Ends (--end)", "ENDS"),
    ("States (--state), in the order of a life", "STATES"),
    ("Rules unless --rule is given, each with its reason", "RULES"),
    ("Verdicts", "VERDICTS"),
    ("JSON", "FIELDS"),
    ("Exit codes", "EXIT STATUS"),
    ("Environment", "ENVIRONMENT"),
    ("Examples", "EXAMPLES"),
];

/// The records that each command prints as JSON.
fn records(command: &str) -> &'static [&'static str] {
    match command {
        "" => &["transition", "lost", "summary"],
        "lives" => &["lifecycle", "lost", "summary"],
        "hist" => &["histogram", "lost", "summary"],
        "stuck" => &["stuck"],
        "doctor" | "preflight" => &["finding"],
        _ => &[],
    }
}

/// Every page of the manual.
pub(crate) fn pages() -> Result<Vec<Page>> {
    let command = tcptrace::cli::command();
    let schema = serde_json::to_value(json::schema()).context("cannot read the schema")?;
    let mut pages = vec![page(&command, "", &schema)?];
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        pages.push(page(sub, sub.get_name(), &schema)?);
    }
    Ok(pages)
}

fn page(command: &Command, name: &str, schema: &Value) -> Result<Page> {
    let title = if name.is_empty() { "tcptrace".to_owned() } else { format!("tcptrace-{name}") };
    let mut roff = Roff::new();
    let source = format!("tcptrace {}", env!("CARGO_PKG_VERSION"));
    roff.control("TH", [title.to_uppercase().as_str(), "8", "", &source, "System Administration"]);
    roff.control("SH", ["NAME"]);
    let about = command.get_about().with_context(|| format!("{title} says nothing of itself"))?.to_string();
    roff.text([roman(format!("{title} - {}", about.trim_end_matches('.').replace('`', "")))]);
    synopsis(&mut roff, command);
    roff.control("SH", ["DESCRIPTION"]);
    let long = command.get_long_about().map_or(about, ToString::to_string);
    prose::put(&mut roff, &long.split("\n\n").collect::<Vec<_>>());
    if name.is_empty() {
        commands(&mut roff, command);
    }
    let options = options(command, name)?;
    let mut rest = Roff::new();
    let chapters = prose::chapters(manual::text(name));
    let sections = help::sections(name);
    // The order that readers know from other pages.
    for heading in [
        "READING A LINE",
        "FIELDS",
        "MARKS",
        "STATES",
        "ENDS",
        "RULES",
        "VERDICTS",
        "FILES",
        "OVERHEAD",
        "KERNELS",
        "PRIVILEGES",
        "SIGNALS",
        "EXIT STATUS",
        "ENVIRONMENT",
        "EXAMPLES",
        "CAVEATS",
        "SEE ALSO",
    ] {
        let chapter = chapters.iter().find(|chapter| chapter.title == heading);
        let placed = |section: &&Section| PLACES.contains(&(section.title, heading));
        let section = sections.iter().find(placed).filter(|_| chapter.is_none());
        let records = if heading == "FIELDS" { records(name) } else { &[] };
        let see_also = heading == "SEE ALSO" && chapter.is_none();
        if chapter.is_none() && section.is_none() && records.is_empty() && !see_also {
            continue;
        }
        rest.control("SH", [heading]);
        if let Some(chapter) = chapter {
            prose::put(&mut rest, &chapter.paragraphs);
        }
        if let Some(section) = section {
            put(&mut rest, section);
        }
        for record in records {
            put_record(&mut rest, schema, record)?;
        }
        if see_also {
            rest.text(prose::inlines("`tcptrace(8)`, which has the flags that all commands share"));
        }
    }
    let text = prose::ascii(&format!("{}{options}{}", roff.to_roff(), rest.to_roff()));
    Ok(Page { file: format!("{title}.8"), text })
}

fn synopsis(roff: &mut Roff, command: &Command) {
    roff.control("SH", ["SYNOPSIS"]);
    let usage = command.clone().render_usage().to_string();
    for (at, line) in usage.trim_start_matches("Usage:").lines().map(str::trim).enumerate() {
        if at > 0 {
            roff.control("br", []);
        }
        let words = line.split(' ').take_while(|word| word.starts_with(char::is_lowercase)).count();
        let (name, rest): (Vec<_>, Vec<_>) = line.split(' ').enumerate().partition(|(at, _)| *at < words);
        let joined =
            |words: Vec<(usize, &str)>| words.iter().map(|(_, word)| *word).collect::<Vec<_>>().join(" ");
        roff.text([bold(joined(name)), roman(" "), roman(joined(rest))]);
    }
}

fn commands(roff: &mut Roff, command: &Command) {
    roff.control("SH", ["COMMANDS"]);
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        roff.control("TP", []);
        roff.text(prose::inlines(&format!("`tcptrace-{}(8)`", sub.get_name())));
        roff.text(prose::inlines(&sub.get_about().map(ToString::to_string).unwrap_or_default()));
    }
}

/// The flags of this command alone: those that all commands share stand on the page of `tcptrace`.
fn options(command: &Command, name: &str) -> Result<String> {
    let shared = |arg: &Arg| arg.is_global_set() || arg.get_id() == "help" || arg.get_id() == "version";
    let shown = command.clone().mut_args(|arg| match arg.get_id().as_str() {
        "help" if name.is_empty() => arg.help("Print help; -h prints a summary").long_help(None),
        _ if !name.is_empty() && shared(&arg) => arg.hide(true),
        _ => arg,
    });
    if is_bare(name) && shown.get_arguments().all(Arg::is_hide_set) {
        return Ok(String::new());
    }
    let mut text = Vec::new();
    Man::new(shown).render_options_section(&mut text).context("cannot write the options")?;
    let text = String::from_utf8(text).context("the options are no text")?;
    let mut page = String::from(".SH OPTIONS\n");
    for line in text.lines().filter(|line| *line != ".SH OPTIONS") {
        // Groups of options are parts of one section; a remark in brackets stands below its title.
        if let Some(heading) = line.strip_prefix(".SH ") {
            let (title, remark) = heading.trim_matches('"').split_once(" (").unwrap_or((heading, ""));
            page.push_str(&format!(".SS \"{}\"\n", sentence_case(title.trim_matches('"'))));
            if !remark.is_empty() {
                page.push_str(&format!("{}.\n", sentence_case(remark.trim_end_matches(')'))));
            }
        } else {
            page.push_str(&prose::bold_between_backticks(line));
            page.push('\n');
        }
    }
    if !name.is_empty() && !is_bare(name) {
        page.push_str(OTHERS);
    }
    Ok(page)
}

/// What every command with filters takes too.
const OTHERS: &str = ".PP
The filters, the output and the tracing options of
.BR tcptrace (8)
apply too; what cannot be combined is refused with the reason.
";

/// Commands that take no filters.
fn is_bare(name: &str) -> bool {
    matches!(name, "schema" | "preflight" | "repair")
}

fn sentence_case(text: &str) -> String {
    let lower = text.to_lowercase();
    let mut chars = lower.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn put(roff: &mut Roff, section: &Section) {
    match &section.body {
        Body::Examples(examples) => {
            for (what, line) in *examples {
                prose::put(roff, &[&format!("{what}:")]);
                roff.control("RS", ["2"]);
                roff.control("EX", []);
                roff.text([roman(*line)]);
                roff.control("EE", []);
                roff.control("RE", []);
            }
        }
        Body::Names(names) => {
            if let Some(flag) = section.title.strip_prefix("Columns ") {
                prose::put(
                    roff,
                    &[&format!("Columns of text and CSV; `{}` chooses them.", flag.trim_matches(['(', ')']))],
                );
            }
            names.iter().for_each(|(name, meaning)| prose::named(roff, name, "", meaning));
        }
        Body::Words(words) => {
            roff.text([roman(words.join(", "))]);
        }
    }
}

fn put_record(roff: &mut Roff, schema: &Value, record: &str) -> Result<()> {
    roff.control("SS", [format!("JSON: type {record}").as_str()]);
    for fields::Field { name, kind, meaning } in fields::of(schema, record)? {
        prose::named(roff, &name, &kind, &meaning);
    }
    Ok(())
}
