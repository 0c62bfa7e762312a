//! The kernel half of tcptrace: what it writes ([`wire`]) and the compiled programs ([`OBJECT`]).
//!
//! The programs themselves are this crate's binary, built for `bpfel-unknown-none` by `cargo xtask ebpf`; the result is checked in
//! under `prebuilt/` so that everybody else needs stable Rust and nothing more.

#![no_std]

pub mod bucket;
pub mod wire;

/// The compiled eBPF object, for little-endian kernels of any architecture.
#[cfg(all(not(target_arch = "bpf"), target_endian = "little"))]
pub static OBJECT: &[u8] = {
    /// ELF readers want their headers aligned.
    #[repr(C, align(8))]
    struct Aligned<B: ?Sized>(B);
    static ALIGNED: &Aligned<[u8]> = &Aligned(*include_bytes!("../prebuilt/tcptrace.bpf.o"));
    &ALIGNED.0
};

/// What compiled [`OBJECT`]: lines of `name: version`.
#[cfg(not(target_arch = "bpf"))]
pub static TOOLCHAIN: &str = include_str!("../prebuilt/TOOLCHAIN");
