//! What is printed where.

use std::path::{Path, PathBuf};

use crate::cli::{ColorWord, FormatWord, OutputArgs, TimeWord};
use crate::failure::Failure;
use crate::sink::column::Column;
use crate::sink::time::TimeStyle;
use crate::source::host::{Host, Unwritable};

/// What is printed where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// In which format.
    pub format: Format,
    /// Into this file; `None` is stdout.
    pub path: Option<PathBuf>,
    /// These columns in this order; `None` is the command's own choice.
    pub columns: Option<Vec<Column>>,
    /// The time column; `None` where the user did not say.
    pub time: Option<TimeStyle>,
    /// Colours.
    pub color: Color,
    /// Print a header.
    pub header: bool,
    /// Text: cut nothing.
    pub wide: bool,
}

/// Formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Aligned columns.
    Text,
    /// One JSON object a line.
    Json,
    /// RFC 4180.
    Csv,
}

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// On a terminal.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Output {
    /// Judges the output flags.
    pub(super) fn new(args: &OutputArgs, host: &dyn Host) -> Result<Self, Failure> {
        let OutputArgs {
            format: _,
            json: _,
            csv: _,
            wide: _,
            file,
            columns,
            time: _,
            time_of_day: _,
            timestamp: _,
            color,
            no_header,
        } = args;
        let (format, wide) = format(args)?;
        let time = time(args)?;
        if format == Format::Json {
            for (given, flag) in
                [(!columns.is_empty(), "--columns"), (time.is_some(), "a choice of time (--time, -T, -t)")]
            {
                if given {
                    return Err(Failure::usage(format!(
                        "{flag} does not go with JSON, whose fields are fixed: pick from them with jq, or use -o csv"
                    )));
                }
            }
        }
        let path = file.as_deref().filter(|path| *path != Path::new("-"));
        if let Some(path) = path {
            check_path("--output", path, host)?;
        }
        Ok(Self {
            format,
            path: path.map(Path::to_owned),
            columns: columns_of(columns)?,
            time,
            color: match color {
                None | Some(ColorWord::Auto) => Color::Auto,
                Some(ColorWord::Always) => Color::Always,
                Some(ColorWord::Never) => Color::Never,
            },
            header: !no_header,
            wide,
        })
    }
}

/// The one format that all flags agree on, and whether it is wide.
pub(super) fn format(args: &OutputArgs) -> Result<(Format, bool), Failure> {
    let named = args.format.map(|word| match word {
        FormatWord::Text => ("-o text", Format::Text),
        FormatWord::Wide => ("-o wide", Format::Text),
        FormatWord::Json => ("-o json", Format::Json),
        FormatWord::Csv => ("-o csv", Format::Csv),
    });
    let asked = [
        named,
        args.json.then_some(("--json", Format::Json)),
        args.csv.then_some(("-s (csv)", Format::Csv)),
        args.wide.then_some(("--wide (text)", Format::Text)),
    ];
    let mut asked = asked.into_iter().flatten();
    let Some((first, format)) = asked.next() else { return Ok((Format::Text, false)) };
    if let Some((second, _)) = asked.find(|(_, other)| *other != format) {
        return Err(Failure::usage(format!(
            "{first} and {second} contradict each other: choose one output format"
        )));
    }
    Ok((format, args.wide || args.format == Some(FormatWord::Wide)))
}

/// The one style of time that all flags agree on.
fn time(args: &OutputArgs) -> Result<Option<TimeStyle>, Failure> {
    let named = args.time.map(|word| match word {
        TimeWord::Local => ("--time local", TimeStyle::Local),
        TimeWord::Utc => ("--time utc", TimeStyle::Utc),
        TimeWord::Mono => ("--time mono", TimeStyle::Mono),
        TimeWord::Delta => ("--time delta", TimeStyle::Delta),
        TimeWord::None => ("--time none", TimeStyle::None),
    });
    let asked = [
        named,
        args.time_of_day.then_some(("-T", TimeStyle::Local)),
        args.timestamp.then_some(("-t", TimeStyle::Delta)),
    ];
    let mut asked = asked.into_iter().flatten();
    let Some((first, style)) = asked.next() else { return Ok(None) };
    if let Some((second, _)) = asked.find(|(_, other)| *other != style) {
        return Err(Failure::usage(format!(
            "{first} and {second} contradict each other: there is one time column"
        )));
    }
    Ok(Some(style))
}

fn columns_of(words: &[String]) -> Result<Option<Vec<Column>>, Failure> {
    let mut columns = Vec::with_capacity(words.len());
    for word in words {
        let name = word.trim().to_ascii_lowercase().replace('_', "-");
        let Ok(column) = name.parse::<Column>() else {
            let names: Vec<&str> = Column::ALL.iter().map(|column| column.name()).collect();
            return Err(Failure::usage(format!(
                "--columns: there is no column `{word}`; the columns are {}",
                names.join(" ")
            )));
        };
        if columns.contains(&column) {
            return Err(Failure::usage(format!("--columns: `{}` is named twice", column.name())));
        }
        columns.push(column);
    }
    Ok(Some(columns).filter(|columns| !columns.is_empty()))
}

pub(super) fn check_path(flag: &str, path: &Path, host: &dyn Host) -> Result<(), Failure> {
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    host.can_write(path).map_err(|trouble| {
        let (path, folder) = (path.display(), folder.display());
        Failure::usage(match trouble {
            Unwritable::NoFolder => {
                format!("{flag} {path}: the folder {folder} does not exist; create it first")
            }
            Unwritable::NotAFolder => format!("{flag} {path}: {folder} is not a folder"),
            Unwritable::IsAFolder => format!("{flag} {path} is a folder: name a file in it"),
            Unwritable::Refused(why) => format!("{flag} {path}: cannot write there: {why}"),
        })
    })
}
