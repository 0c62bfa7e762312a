//! Floor 3: where events come from.

pub mod allocator;
pub mod birth;
pub mod capabilities;
pub mod cgroup;
pub mod clock;
pub mod fd_table;
pub mod host;
pub mod kernel;
pub mod limits;
pub mod mappings;
pub mod netns;
pub mod netstat;
pub mod port_range;
pub mod preflight;
pub mod process_tree;
pub mod processes;
pub mod replay;
pub mod sandbox;
pub mod sock_diag;
pub mod sockstat;
pub mod stacks;
pub mod symbols;
pub mod sysctl;
pub mod unwind;
