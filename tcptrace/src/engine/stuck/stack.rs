//! Where in its program a socket was opened: the user stack at connect() or accept().

use std::sync::Arc;

use crate::model::owner::OwnerHow;

/// What is known of where a socket was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Here.
    Stack(Arc<Stack>),
    /// Not known: why, in a sentence.
    Unknown(&'static str),
}

impl Origin {
    /// The stack, where there is one.
    #[must_use]
    pub fn stack(&self) -> Option<&Arc<Stack>> {
        match self {
            Self::Stack(stack) => Some(stack),
            Self::Unknown(_) => None,
        }
    }
}

/// A stack of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    /// Our own number: the same for sockets that the same process opened along the same path.
    pub id: u32,
    /// Whose, in our pid namespace.
    pub pid: u32,
    /// [`OwnerHow::Connect`] or [`OwnerHow::Accept`].
    pub how: OwnerHow,
    /// The innermost first; inlined functions are frames of their own, before the function they are part of.
    pub frames: Vec<Frame>,
    /// What the reader must know: why it is short, whose frames these are.
    pub notes: Vec<&'static str>,
}

/// One function on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// The return address; of the innermost frame the instruction pointer.
    pub address: u64,
    /// The function's name, demangled. Chosen by whoever built the binary: not to be trusted on a terminal.
    pub symbol: Option<String>,
    /// How far `address` is behind the function's beginning; `None` for an inlined one.
    pub offset: Option<u64>,
    /// The file that the code is mapped from, or the kernel's name of the mapping (`[vdso]`).
    pub module: Option<String>,
    /// Where in that file, bytes.
    pub module_offset: Option<u64>,
    /// Source file, where the binary has debug information.
    pub file: Option<String>,
    /// Line of the call.
    pub line: Option<u32>,
    /// It was compiled into its caller, the next frame.
    pub inlined: bool,
    /// Why there is no symbol.
    pub why: Option<Nameless>,
}

/// Why a frame has no symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Nameless {
    /// The file has no symbol there.
    Stripped,
    /// Code that the process made at run time.
    Jit,
    /// The process had exited before its memory map was read.
    Gone,
    /// We may not read its memory map.
    NotPermitted,
    /// The file is no longer the one that was mapped, or cannot be reached.
    Replaced,
    /// The file cannot be read as a binary.
    Unreadable,
}

impl Nameless {
    /// Every one.
    pub const ALL: [Self; 6] =
        [Self::Stripped, Self::Jit, Self::Gone, Self::NotPermitted, Self::Replaced, Self::Unreadable];

    /// The words in every output.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Stripped => "no symbols",
            Self::Jit => "code made at run time (JIT)",
            Self::Gone => "the process had exited before its memory map was read",
            Self::NotPermitted => "not permitted to read the process's memory map: CAP_SYS_PTRACE",
            Self::Replaced => "the file was replaced or cannot be reached",
            Self::Unreadable => "the file is no binary that can be read",
        }
    }
}

/// As many addresses as the kernel half keeps.
pub const CUT: &str = "deeper than what is kept: the outer callers are cut off";
/// No frame pointers, and nothing else to go by.
pub const SHORT: &str = "short because the binary has no frame pointers: build it with -fno-omit-frame-pointer (Rust: \
     -Cforce-frame-pointers=yes) to see its callers";
/// The functions of a script are no frames.
pub const INTERPRETER: &str =
    "frames of an interpreter: the functions of its script are not on the native stack";
/// The kernel refused.
pub const UNREADABLE: &str = "the kernel could not read the stack when the socket was opened";
/// Nothing was kept.
pub const NOT_KEPT: &str = "opened before tcptrace looked, or not by connect() or accept() (io_uring)";
/// Nothing was kept, while there was no room.
pub const NO_ROOM: &str = "opened before tcptrace looked, or while there was no room for more stacks";
/// A reader of binaries met what it does not know.
pub const FAILED: &str = "its program's files cannot be understood";
/// A socket in an accept queue.
pub const NOT_ACCEPTED: &str = "no process has accepted it";

/// Functions that run a script.
const INTERPRETERS: [&str; 8] = [
    "_PyEval_EvalFrameDefault",
    "PyEval_EvalCode",
    "rb_vm_exec",
    "rb_vm_call0",
    "Perl_runops_standard",
    "execute_ex",
    "luaV_execute",
    "JavaCalls::call_helper",
];

/// Where threads and processes begin.
const ROOTS: [&str; 13] = [
    "main",
    "_start",
    "__libc_start_main",
    "__libc_start_call_main",
    "__libc_start_main_impl",
    "start_thread",
    "clone",
    "__clone",
    "clone3",
    "__clone3",
    "runtime.goexit",
    "runtime.goexit.abi0",
    "runtime.main",
];

/// Files whose code is above main() and above a thread's first function.
const BELOW: [&str; 5] = ["libc.so", "libc-2.", "libpthread", "ld-linux", "ld-musl"];

/// What there is to say about these frames; `cut` when the kernel half kept no more, `whole` when they surely go to the beginning.
#[must_use]
pub fn notes(frames: &[Frame], cut: bool, whole: bool) -> Vec<&'static str> {
    let mut notes = Vec::new();
    let names = || frames.iter().filter_map(|frame| frame.symbol.as_deref());
    if names().any(|name| INTERPRETERS.iter().any(|known| name.starts_with(known))) {
        notes.push(INTERPRETER);
    }
    if whole || is_whole(frames) {
        return notes;
    }
    if cut {
        notes.push(CUT);
    } else {
        notes.push(SHORT);
    }
    notes
}

/// They go to where a thread or a process begins.
fn is_whole(frames: &[Frame]) -> bool {
    if frames.iter().filter_map(|frame| frame.symbol.as_deref()).any(|name| ROOTS.contains(&name)) {
        return true;
    }
    let library = |frame: &Frame| frame.module.as_deref().is_some_and(is_libc);
    let own = frames.iter().any(|frame| !library(frame));
    own && frames.len() > 2 && frames.last().is_some_and(library)
}

fn is_libc(module: &str) -> bool {
    let name = module.rsplit('/').next().unwrap_or(module);
    BELOW.iter().any(|known| name.starts_with(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(symbol: Option<&str>, module: &str) -> Frame {
        Frame { symbol: symbol.map(str::to_owned), module: Some(module.to_owned()), ..Frame::default() }
    }

    #[test]
    fn a_stack_that_ends_in_the_middle_of_a_program_is_said_to_be_short() {
        let libc = frame(Some("accept"), "/lib/x86_64-linux-gnu/libc.so.6");
        let own = frame(Some("serve"), "/usr/bin/shop");
        assert_eq!(notes(std::slice::from_ref(&libc), false, false), [SHORT]);
        assert_eq!(notes(&[libc.clone(), own.clone()], false, false), [SHORT]);
        assert_eq!(notes(&[libc.clone(), own.clone(), frame(Some("main"), "shop")], false, false), [""; 0]);
        // A stripped libc has no name for what calls main().
        let start = frame(None, "/lib/x86_64-linux-gnu/libc.so.6");
        assert_eq!(notes(&[libc.clone(), frame(None, "/usr/bin/shop"), start], false, false), [""; 0]);
        // The unwind tables may know better.
        assert_eq!(notes(&[libc.clone(), own.clone()], false, true), [""; 0]);
        assert_eq!(notes(&[libc, own], true, false), [CUT]);
    }

    #[test]
    fn frames_of_an_interpreter_are_not_taken_for_those_of_its_script() {
        let frames =
            [frame(Some("_PyEval_EvalFrameDefault"), "python3.11"), frame(Some("main"), "python3.11")];
        assert_eq!(notes(&frames, false, false), [INTERPRETER]);
    }
}
