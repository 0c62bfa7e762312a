//! The parts of the manual that are written by hand. Flags, fields, exit codes and examples are added from the code by
//! `cargo xtask dist`.

/// Sections of one command's page, of `tcptrace` itself where it is empty: `# TITLE`, then paragraphs with an empty line
/// between, or `- ` and an item. What stands between backticks is printed in bold.
#[must_use]
pub const fn text(command: &str) -> &'static str {
    match command.as_bytes() {
        b"" => include_str!("manual/tcptrace.md"),
        b"lives" => include_str!("manual/lives.md"),
        b"hist" => include_str!("manual/hist.md"),
        b"stuck" => include_str!("manual/stuck.md"),
        b"kill" => include_str!("manual/kill.md"),
        b"doctor" => include_str!("manual/doctor.md"),
        b"record" => include_str!("manual/record.md"),
        b"preflight" => include_str!("manual/preflight.md"),
        _ => "",
    }
}
