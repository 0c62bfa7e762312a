//! What is fuzzed: one small file for each reader of foreign bytes, with one function `target` that may not panic, hang or take
//! memory beyond its input's worth. libFuzzer runs them (`fuzz_targets`), and so does the ordinary test `tests/fuzz.rs`, on stable.

pub mod btf;
pub mod command_line;
pub mod lines;
pub mod netlink;
pub mod recording;
pub mod sysctl_file;
pub mod wire;
pub mod words;

mod host;

/// A function that takes any bytes.
pub type Target = fn(&[u8]);

/// All of them, by the name of their corpus.
pub const TARGETS: [(&str, Target); 8] = [
    ("btf", btf::target),
    ("command_line", command_line::target),
    ("lines", lines::target),
    ("netlink", netlink::target),
    ("recording", recording::target),
    ("sysctl_file", sysctl_file::target),
    ("wire", wire::target),
    ("words", words::target),
];
