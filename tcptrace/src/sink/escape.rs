//! Terminal safety: a process chooses its own `comm`, and may choose an escape sequence.

use super::digits;

/// Appends `bytes` so that no byte of it can command a terminal or a pager: control characters and bytes that are no UTF-8 become
/// `\x1b`, invisible and direction-changing characters `\u{202e}`, a backslash `\\`.
pub fn push_escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.iter().all(|byte| matches!(byte, b' '..=b'~') && *byte != b'\\') {
        out.extend_from_slice(bytes);
        return;
    }
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            push_character(out, character);
        }
        for byte in chunk.invalid() {
            push_byte(out, *byte);
        }
    }
}

/// The same as a text of its own.
#[must_use]
pub fn escaped(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity(bytes.len());
    push_escaped(&mut out, bytes);
    String::from_utf8_lossy(&out).into_owned()
}

fn push_character(out: &mut Vec<u8>, character: char) {
    match character {
        '\\' => out.extend_from_slice(b"\\\\"),
        '\0'..='\u{9f}' if character.is_control() => push_byte(out, u8::try_from(character).unwrap_or(b'?')),
        _ if deceives(character) => {
            out.extend_from_slice(b"\\u{");
            digits::push_hex(out, u64::from(u32::from(character)));
            out.push(b'}');
        }
        _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// Marks that hide or reorder what stands around them, and the separators that some terminals break lines at.
fn deceives(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// Whether JSON, which escapes what stands below the blank, should escape this one too: it commands or deceives a terminal.
pub(super) fn commands(character: char) -> bool {
    character.is_control() || deceives(character)
}

fn push_byte(out: &mut Vec<u8>, byte: u8) {
    out.extend_from_slice(b"\\x");
    if byte < 0x10 {
        out.push(b'0');
    }
    digits::push_hex(out, u64::from(byte));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_become_visible() {
        assert_eq!(escaped(b"\x1b[2J\x07"), r"\x1b[2J\x07");
        assert_eq!(escaped("\u{9b}31m".as_bytes()), r"\x9b31m");
        assert_eq!(escaped(b"a\tb\r\n\x7f"), r"a\x09b\x0d\x0a\x7f");
        assert_eq!(escaped("\u{202e}evil".as_bytes()), r"\u{202e}evil");
    }

    #[test]
    fn bytes_that_are_no_utf8_become_visible() {
        assert_eq!(escaped(b"ok\xff\xc3"), r"ok\xff\xc3");
    }

    #[test]
    fn honest_names_stay_as_they_are() {
        assert_eq!(escaped(b"kworker/0:1-ev"), "kworker/0:1-ev");
        assert_eq!(escaped("сервер".as_bytes()), "сервер");
        assert_eq!(escaped(br"a\x1b"), r"a\\x1b");
    }
}
