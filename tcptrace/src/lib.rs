//! Live TCP state transitions, lifecycles and stuck sockets of a Linux host.
//!
//! The floors, imports go down only:
//!
//! | floor | modules | what |
//! |---|---|---|
//! | 4 | [`app`], [`cli`], [`plan`] | parse, plan, run the loop |
//! | 3 | [`source`], [`sink`], `view` | where events come from, where results go |
//! | 2 | [`engine`], [`recording`] | what the events mean, how they are kept |
//! | 1 | [`model`] | the words |
//! | 0 | `tcptrace_ebpf` | the kernel half, its wire format |

pub mod app;
pub mod cli;
pub mod engine;
pub mod failure;
pub mod model;
pub mod plan;
pub mod recording;
pub mod sink;
pub mod source;
