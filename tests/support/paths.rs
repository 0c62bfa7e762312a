//! The paths that a Rust source names, without a parser: comments and literals are taken out, `use` groups are taken apart.

/// The module that a file under `src` is: `sink/text/cell.rs` is `sink::text::cell`; `main.rs` and `lib.rs` are none.
pub(crate) fn module_of(name: &str) -> Vec<String> {
    let name = name.trim_end_matches(".rs");
    if matches!(name, "main" | "lib") {
        return Vec::new();
    }
    name.split('/').map(str::to_owned).collect()
}

/// `super` and `self` turned into `crate::…`. A module inside the file counts as the file, so that a chain of `super` may
/// seem to end one module too high: it never hides a path that goes up.
pub(crate) fn resolve(here: &[String], path: &[String]) -> Vec<String> {
    let supers = path.iter().take_while(|segment| *segment == "super").count();
    let own = path.first().is_some_and(|first| first == "self");
    if supers == 0 && !own {
        return path.to_vec();
    }
    let kept = here.len().saturating_sub(supers);
    let rest = path.iter().skip(supers.max(usize::from(own)));
    std::iter::once("crate".to_owned()).chain(here[..kept].iter().cloned()).chain(rest.cloned()).collect()
}

/// Every path in `text`, `unsafe` too; a group gives one for each of its members.
pub(crate) fn all(text: &str) -> Vec<Vec<String>> {
    let tokens = tokens(&bare(text));
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at] == "use" && tokens.get(at + 2).is_some_and(|next| next == ";" || next == "as") {
            // A whole crate, not a name that happens to be the same.
            found.push(vec![tokens[at + 1].clone(), "*".to_owned()]);
            at += 2;
        } else if is_word(&tokens[at]) {
            at = path(&tokens, at, &[], &mut found);
        } else {
            at += 1;
        }
    }
    found
}

/// Reads the path that begins at `at`, below `above`; returns where it ends.
fn path(tokens: &[String], mut at: usize, above: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let mut segments = above.to_vec();
    loop {
        segments.push(tokens[at].clone());
        at += 1;
        if tokens.get(at).map(String::as_str) != Some("::") {
            break;
        }
        match tokens.get(at + 1) {
            Some(next) if is_word(next) => at += 1,
            Some(next) if next == "{" => {
                at = group(tokens, at + 2, &segments, found);
                break;
            }
            // A star, or the types of a call.
            _ => {
                segments.push("*".to_owned());
                at += 1;
                break;
            }
        }
    }
    found.push(segments);
    at
}

/// Reads the members of a group up to behind its brace.
fn group(tokens: &[String], mut at: usize, above: &[String], found: &mut Vec<Vec<String>>) -> usize {
    while let Some(token) = tokens.get(at) {
        match token.as_str() {
            "}" => return at + 1,
            "as" => at += 2,
            _ if is_word(token) => at = path(tokens, at, above, found),
            _ => at += 1,
        }
    }
    at
}

fn is_word(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Words, `::`, and every other character by itself.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        if char.is_alphanumeric() || char == '_' {
            let mut word = String::from(char);
            while let Some(next) = chars.next_if(|next| next.is_alphanumeric() || *next == '_') {
                word.push(next);
            }
            tokens.push(word);
        } else if char == ':' && chars.next_if_eq(&':').is_some() {
            tokens.push("::".to_owned());
        } else if !char.is_whitespace() {
            tokens.push(char.to_string());
        }
    }
    tokens
}

/// `text` without comments, strings and characters.
fn bare(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(char) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = raw_string(rest).filter(|_| !out.ends_with(is_word_char)) {
            length
        } else if char == '"' {
            quoted(rest, '"')
        } else if let Some(length) = character(rest) {
            length
        } else {
            out.push(char);
            rest = &rest[char.len_utf8()..];
            continue;
        };
        out.push(' ');
        rest = &rest[skipped..];
    }
    out
}

fn is_word_char(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// Length of the comment, those inside it included.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// Length of `r"…"`, `r#"…"#`, `br"…"`.
fn raw_string(text: &str) -> Option<usize> {
    let after = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let body = after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(text.len() - body.len() + length)
}

/// Length of what stands between two `quote`s, escapes skipped.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, char) in text.char_indices().skip(1) {
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if char == quote => return at + char.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// Length of a character literal; a lifetime is none.
fn character(text: &str) -> Option<usize> {
    let mut chars = text.strip_prefix('\'')?.chars();
    let first = chars.next()?;
    if first == '\\' {
        return Some(quoted(text, '\''));
    }
    (chars.next()? == '\'').then_some(2 + first.len_utf8())
}
