//! The sandbox from inside: this test binary again, which enters it and tries what no run should.

use std::fs::File;
use std::io;
use std::net::{TcpStream, UdpSocket};
use std::process::{Command, Stdio};

use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use tcptrace::source::sandbox::{self, Needs};

/// In the environment of the process that enters.
const ROLE: &str = "TCPTRACE_TEST_PRISONER";

/// ENOSYS.
const REFUSED: Option<i32> = Some(38);

fn refused<T>(what: &str, outcome: io::Result<T>) {
    let code = outcome.err().and_then(|error| error.raw_os_error());
    assert_eq!(code, REFUSED, "{what}");
}

/// Everything that a run may still do, and things that it may not.
fn try_everything() {
    let all = Needs { kernel: true, namespaces: true, fd_tables: true, renames: true, rotates: false };
    let idle = std::thread::spawn(std::thread::park);
    let notes = sandbox::enter(all);
    assert!(notes.is_empty(), "{notes:?}");
    // It holds in threads that were there, and in new ones.
    refused("writing", File::create("/tmp/tcptrace-must-not-be"));
    refused(
        "writing in a thread",
        std::thread::spawn(|| File::create("/tmp/tcptrace-must-not-be")).join().unwrap(),
    );
    refused("a process", Command::new("true").status());
    refused("connecting", TcpStream::connect("127.0.0.1:1"));
    refused("sending", UdpSocket::bind("127.0.0.1:0"));
    refused(
        "mounting",
        rustix::mount::unmount("/nowhere", rustix::mount::UnmountFlags::empty()).map_err(Into::into),
    );
    refused("a signal", rustix::process::test_kill_process(rustix::process::getpid()).map_err(Into::into));
    refused("a setuid", rustix::thread::set_thread_uid(rustix::process::Uid::ROOT).map_err(Into::into));
    // SAFETY is the kernel's: the map is not made.
    refused(
        "a map",
        aya::maps::loaded_maps().next().map_or_else(
            || Err(io::Error::from_raw_os_error(38)),
            |map| map.map(drop).map_err(|error| os_error(&error)),
        ),
    );
    let mut sets = capabilities(None).unwrap_or(rustix::thread::CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    });
    sets.effective = CapabilitySet::all();
    refused("more rights", set_capabilities(None, sets).map_err(Into::into));
    assert!(File::open("/proc/self/status").is_ok());
    assert_eq!(std::thread::spawn(|| 7).join().unwrap(), 7);
    idle.thread().unpark();
    idle.join().unwrap();
    println!("\nprisoner: all as it should be");
}

fn os_error(error: &(dyn std::error::Error + 'static)) -> io::Error {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(code) = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
            return io::Error::from_raw_os_error(code);
        }
        next = error.source();
    }
    io::Error::other(error.to_string())
}

#[test]
fn what_the_sandbox_refuses_fails_in_all_threads_and_the_rest_works() {
    if std::env::var_os(ROLE).is_some() {
        try_everything();
        return;
    }
    // Also without root: capabilities are dropped only where there are any.
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "refusal::what_the_sandbox_refuses_fails_in_all_threads_and_the_rest_works"])
        .args(["--nocapture", "--test-threads=1"])
        .env(ROLE, "1")
        // There it would kill.
        .env_remove("TCPTRACE_TEST_SANDBOX")
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (printed, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(printed.contains("all as it should be"), "{:?}\n{printed}\n{said}", output.status);
}
