//! Everything that reads foreign bytes, on its corpus and on so many mutations of it: the functions that libFuzzer runs (`fuzz/`), on
//! stable Rust and the same on every run.

#[path = "../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "there it is a crate of its own")]
mod fuzz;

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Mutated inputs of each target.
const CASES: u32 = 1000;
/// Bytes of a corpus at most: it is checked in.
const SMALL: u64 = 24 << 10;
/// What readers stumble over: edges of numbers, of text, of formats.
const ODD: [&[u8]; 16] = [
    b"\0",
    b"\xff",
    b"\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\0\0\0\x80",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
    b"18446744073709551616",
    b"-1",
    b"\"",
    b"\n",
    b"\x1b[31m",
    b"\\ud800",
    b"\xc3\x28",
    b"{",
    b"=",
];

/// One change to an input.
#[derive(Clone, Debug)]
enum Mutation {
    Flip(Index, u8),
    Put(Index, &'static [u8]),
    Insert(Index, &'static [u8]),
    Remove(Index, usize),
    Cut(Index),
    Repeat(Index, usize),
    /// Goes on as another input of the corpus does.
    Cross(Index, Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<Index>;
    prop_oneof![
        4 => (at(), 1..=255_u8).prop_map(|(at, with)| Mutation::Flip(at, with)),
        3 => (at(), select(&ODD[..])).prop_map(|(at, what)| Mutation::Put(at, what)),
        2 => (at(), select(&ODD[..])).prop_map(|(at, what)| Mutation::Insert(at, what)),
        2 => (at(), 1..64_usize).prop_map(|(at, length)| Mutation::Remove(at, length)),
        1 => at().prop_map(Mutation::Cut),
        1 => (at(), 1..256_usize).prop_map(|(at, length)| Mutation::Repeat(at, length)),
        1 => (at(), at()).prop_map(|(at, other)| Mutation::Cross(at, other)),
    ]
}

/// `input`, changed.
fn mutated(mut input: Vec<u8>, mutation: &Mutation, corpus: &[Vec<u8>]) -> Vec<u8> {
    let place = |at: &Index| at.index(input.len() + 1);
    match mutation {
        Mutation::Flip(at, with) => {
            let at = place(at);
            if let Some(byte) = input.get_mut(at) {
                *byte ^= with;
            }
        }
        Mutation::Put(at, what) => {
            let at = place(at);
            let end = (at + what.len()).min(input.len());
            input.splice(at..end, what.iter().copied());
        }
        Mutation::Insert(at, what) => {
            let at = place(at);
            input.splice(at..at, what.iter().copied());
        }
        Mutation::Remove(at, length) => {
            let at = place(at);
            let end = (at + length).min(input.len());
            input.drain(at..end);
        }
        Mutation::Cut(at) => {
            let at = place(at);
            input.truncate(at);
        }
        Mutation::Repeat(at, length) => {
            let at = place(at);
            let part = input[at..(at + length).min(input.len())].to_vec();
            input.splice(at..at, part);
        }
        Mutation::Cross(at, other) => {
            let at = place(at);
            input.truncate(at);
            let other = other.get(corpus);
            input.extend_from_slice(&other[at.min(other.len())..]);
        }
    }
    input
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

/// The inputs of a corpus, by their names' order.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = folder().join("corpus").join(name);
    let mut paths: Vec<PathBuf> =
        fs::read_dir(&folder).expect("a corpus").map(|entry| entry.expect("an input").path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("an input")).collect()
}

/// Runs the target `name` on its corpus and on mutations of it.
fn fuzz(name: &str) {
    let (_, target) = *fuzz::TARGETS.iter().find(|(known, _)| *known == name).expect("a target");
    let corpus = corpus(name);
    corpus.iter().for_each(|input| target(input));
    target(b"");
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let case = (any::<Index>(), prop::collection::vec(mutation(), 1..8));
    let outcome = runner.run(&case, |(start, mutations)| {
        let input = mutations
            .iter()
            .fold(start.get(&corpus).clone(), |input, mutation| mutated(input, mutation, &corpus));
        target(&input);
        Ok(())
    });
    assert!(outcome.is_ok(), "{}", outcome.err().map(|error| error.to_string()).unwrap_or_default());
}

#[test]
fn no_bytes_break_the_btf_walker() {
    fuzz("btf");
}

#[test]
fn no_words_break_the_command_line() {
    fuzz("command_line");
}

#[test]
fn no_lines_of_a_recording_break_engine_or_outputs() {
    fuzz("lines");
}

#[test]
fn no_datagram_breaks_netlink() {
    fuzz("netlink");
}

#[test]
fn no_file_breaks_the_reader_of_recordings() {
    fuzz("recording");
}

#[test]
fn no_file_breaks_the_reader_of_sysctls() {
    fuzz("sysctl_file");
}

#[test]
fn no_record_breaks_the_wire() {
    fuzz("wire");
}

#[test]
fn no_words_break_filters_durations_and_rules() {
    fuzz("words");
}

#[test]
fn every_target_has_a_program_and_a_small_corpus() {
    let manifest = fs::read_to_string(folder().join("Cargo.toml")).expect("a manifest");
    for (name, _) in fuzz::TARGETS {
        let program = format!("fuzz_targets/{name}.rs");
        assert!(manifest.contains(&program) && folder().join(&program).is_file(), "{program} is missing");
        let bytes: u64 = corpus(name).iter().map(|input| input.len() as u64).sum();
        assert!((1..=SMALL).contains(&bytes), "the corpus of {name} has {bytes} bytes");
    }
    let programs = fs::read_dir(folder().join("fuzz_targets")).expect("programs").count();
    assert_eq!(programs, fuzz::TARGETS.len(), "a program without a target");
}
