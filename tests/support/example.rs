//! The examples of a Markdown page: what stands after `$ ` in its fences, taken apart as a shell would.

/// One command, as words; what `sudo`, `env` and assignments add is taken off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) words: Vec<String>,
    pub(crate) as_root: bool,
}

/// The line as it stands, and the commands of its pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Example {
    pub(crate) line: String,
    pub(crate) pipeline: Vec<Command>,
}

/// A fenced block: what it says it is, and its lines without their common indent.
pub(crate) fn fences(page: &str) -> Vec<(String, Vec<String>)> {
    let mut blocks: Vec<(String, Vec<String>)> = Vec::new();
    let mut indent = None;
    for line in page.lines() {
        let bare = line.trim_start();
        match (indent, bare.strip_prefix("```")) {
            (None, Some(kind)) => {
                indent = Some(line.len() - bare.len());
                blocks.push((kind.trim().to_owned(), Vec::new()));
            }
            (Some(_), Some(_)) => indent = None,
            (Some(indent), None) => {
                if let Some((_, lines)) = blocks.last_mut() {
                    lines.push(line.get(indent..).unwrap_or_default().to_owned());
                }
            }
            (None, None) => {}
        }
    }
    blocks
}

/// Every example of the page.
pub(crate) fn examples(page: &str) -> Vec<Example> {
    let blocks = fences(page).into_iter().filter(|(kind, _)| kind == "console" || kind == "sh");
    blocks
        .flat_map(|(_, lines)| lines)
        .filter_map(|line| line.strip_prefix("$ ").map(str::to_owned))
        .map(|line| Example { pipeline: pipeline(&line), line })
        .collect()
}

fn pipeline(line: &str) -> Vec<Command> {
    split(line).into_iter().map(command).collect()
}

fn command(words: Vec<String>) -> Command {
    let is_assignment = |word: &String| {
        word.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_')
        })
    };
    let as_root = words.iter().any(|word| word == "sudo");
    let words = words.into_iter().skip_while(|word| word == "sudo" || word == "env" || is_assignment(word));
    Command { words: words.collect(), as_root }
}

/// Words of the commands of a pipeline: quotes hold together, ` #` begins a comment.
fn split(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(char) = chars.next() {
        match char {
            '\'' | '"' => {
                let inside: String = chars.by_ref().take_while(|next| *next != char).collect();
                word.get_or_insert_default().push_str(&inside);
            }
            ' ' | '|' => {
                if let (Some(word), Some(command)) = (word.take(), commands.last_mut()) {
                    command.push(word);
                }
                if char == '|' {
                    commands.push(Vec::new());
                }
            }
            '#' if word.is_none() => break,
            _ => word.get_or_insert_default().push(char),
        }
    }
    if let (Some(word), Some(command)) = (word, commands.last_mut()) {
        command.push(word);
    }
    commands
}
