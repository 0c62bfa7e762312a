//! Floor 1: what tcptrace talks about. Plain values: no IO, no clock, no kernel.

pub mod comm;
pub mod cookie;
pub mod endpoints;
pub mod event;
pub mod evidence;
pub mod life;
pub mod measure;
pub mod owner;
pub mod snapshot;
pub mod socket;
pub mod state;
pub mod summary;
pub mod time;
pub mod transition;
