//! JSON that commands no terminal: what is escaped in the text outputs is `\u009b` here, which every reader takes for the character.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

use super::super::escape;

/// Appends `record` as one line's worth of JSON.
///
/// # Errors
/// It cannot be told in JSON.
pub(super) fn push(out: &mut Vec<u8>, record: &impl Serialize) -> serde_json::Result<()> {
    record.serialize(&mut Serializer::with_formatter(out, Tame))
}

/// Compact, and plain ASCII where a terminal is concerned.
struct Tame;

impl Formatter for Tame {
    /// JSON itself escapes only what stands below the blank.
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        if fragment.bytes().all(|byte| byte < 0x7f) {
            return writer.write_all(fragment.as_bytes());
        }
        for character in fragment.chars() {
            let mut units = [0; 2];
            if escape::commands(character) {
                for unit in character.encode_utf16(&mut units) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            } else {
                writer.write_all(character.encode_utf8(&mut [0; 4]).as_bytes())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_commands_a_terminal_is_escaped_and_read_back_as_it_was() {
        let wild = "\u{9b}31m\u{7f}\u{202e}\u{e0041}\u{1b}[2J сервер \"";
        let mut out = Vec::new();
        push(&mut out, &wild).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, r#""\u009b31m\u007f\u202e\udb40\udc41\u001b[2J сервер \"""#);
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), wild);
    }
}
