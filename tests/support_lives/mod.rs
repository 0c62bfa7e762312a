//! What the live tests of lifecycles need: namespaces, a running tcptrace, sockets with options, packets of our own.

#[expect(dead_code, reason = "other tests ask for the rest")]
#[path = "../support/ability.rs"]
pub(crate) mod ability;
pub(crate) mod lab;
pub(crate) mod life;
pub(crate) mod other;
pub(crate) mod packet;
#[path = "../support/patience.rs"]
pub(crate) mod patience;
pub(crate) mod sock;
pub(crate) mod tracer;

pub(crate) use lab::Lab;
pub(crate) use life::Life;
pub(crate) use patience::patience;
pub(crate) use tracer::Tracer;

use std::time::Duration;

/// Whether these tests can run; says why not. With `TCPTRACE_LIVE` set, not to run is to fail.
pub(crate) fn ready() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        assert!(std::env::var_os("TCPTRACE_LIVE").is_none(), "skipped: needs root");
        println!("skipped: needs root");
    }
    root
}

/// Lets time pass so that a state lasts; never used to wait for anything.
pub(crate) fn last(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}
