//! The eBPF programs. On any other target this is an empty program, so that `cargo build` of the workspace needs no eBPF toolchain.
//!
//! | file | what |
//! |---|---|
//! | `offsets`, `config` | constants that the loader sets |
//! | `sock` | reading a `struct sock` |
//! | `task` | who acts |
//! | `memory`, `brief` | what is remembered of a socket |
//! | `filter` | which sockets pass |
//! | `ring` | the way to user space |
//! | `change` | the record of a state change |
//! | `octave`, `group` | where histograms count, and for whom |
//! | `mini` | what becomes a timewait socket |
//! | `derived` | what histograms count beside stays |
//! | `state_change`, `nested`, `classic`, `histogram`, `accept`, `neighbour`, `timer`, `fork`, `held`, `stack`, `diagnose` | the programs |

#![cfg_attr(target_arch = "bpf", no_std, no_main)]
#![cfg_attr(
    target_arch = "bpf",
    expect(unsafe_code, reason = "every kernel access goes through helpers and raw pointers")
)]
#![cfg_attr(
    target_arch = "bpf",
    expect(unreachable_pub, reason = "the loader finds programs by their symbols")
)]

#[cfg(target_arch = "bpf")]
mod kernel;

#[cfg(not(target_arch = "bpf"))]
fn main() {}
