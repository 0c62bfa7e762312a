//! Where a stuck socket was opened, as JSON.

use schemars::JsonSchema;
use serde::Serialize;

use crate::engine::stuck::Origin;
use crate::engine::stuck::stack::{Frame, Nameless};

/// One function on the way to where a socket was opened.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Frame")]
pub(super) struct FrameRecord<'a> {
    /// Return address in hex, with `0x`; of the innermost frame the instruction pointer.
    address: String,
    /// Function, demangled; null where `why` says why.
    symbol: Option<&'a str>,
    /// Bytes from the beginning of the function to `address`; null without a symbol, and for an inlined function.
    offset: Option<u64>,
    /// File that the code is mapped from, as the process sees it, or the kernel's name of the mapping.
    module: Option<&'a str>,
    /// Bytes from the beginning of that file to `address`.
    module_offset: Option<u64>,
    /// Source file, where the binary has debug information.
    file: Option<&'a str>,
    /// Line of the call.
    line: Option<u32>,
    /// Compiled into its caller, the next frame.
    inlined: bool,
    /// Why there is no symbol.
    why: Option<&'static str>,
}

impl<'a> FrameRecord<'a> {
    fn of(frame: &'a Frame) -> Self {
        let Frame { address, symbol, offset, module, module_offset, file, line, inlined, why } = frame;
        Self {
            address: format!("{address:#x}"),
            symbol: symbol.as_deref(),
            offset: *offset,
            module: module.as_deref(),
            module_offset: *module_offset,
            file: file.as_deref(),
            line: *line,
            inlined: *inlined,
            why: why.map(Nameless::words),
        }
    }

    /// The frames of an opening, the innermost first.
    pub(super) fn all(origin: Option<&'a Origin>) -> Option<Vec<Self>> {
        Some(origin?.stack()?.frames.iter().map(Self::of).collect())
    }
}

/// Why there is no stack, or what to know of it; `None` where nobody asked or there is nothing to say.
pub(super) fn note(origin: Option<&Origin>) -> Option<String> {
    match origin? {
        Origin::Stack(stack) if stack.notes.is_empty() => None,
        Origin::Stack(stack) => Some(stack.notes.join("; ")),
        Origin::Unknown(why) => Some((*why).to_owned()),
    }
}
