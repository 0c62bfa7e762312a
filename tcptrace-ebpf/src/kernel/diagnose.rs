//! The kernel half's own diagnostics, for `-vv`: a program of its own beside the main one, so that logging costs nothing otherwise.

use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use aya_log_ebpf::{debug, warn};
use tcptrace_ebpf::wire::memory as bits;

use super::config::{config, constant};
use super::memory;
use super::sock::Sock;
use super::task;

/// TCP_CLOSE (Linux `include/net/tcp_states.h`).
const CLOSE: i32 = 7;

/// Attached to `sock:inet_sock_set_state` after the main program: tells what that one does not send.
#[btf_tracepoint]
pub fn diagnose(ctx: BtfTracePointContext) -> i32 {
    let sock = Sock::new(ctx.arg(0));
    let (from, to): (i32, i32) = (ctx.arg(1), ctx.arg(2));
    let protocol = sock.protocol();
    if protocol != 6 {
        debug!(&ctx, "protocol {} passes by: {} > {}", protocol, from, to);
        return 0;
    }
    // SAFETY: null or the socket's own storage.
    let Some(remembered) = (unsafe { memory::of(sock, false).as_ref() }) else {
        // A socket older than us that closes has none.
        if to != CLOSE {
            warn!(&ctx, "socket {} has no memory: {} > {}", sock.cookie(), from, to);
        }
        return 0;
    };
    if sock.locked() && task::is_kernel_thread() {
        debug!(&ctx, "socket {} is moved by a kernel thread: {} > {}", sock.cookie(), from, to);
    }
    if constant!(config(), by_pid) != 0 && remembered.flags & bits::WATCHED == 0 {
        debug!(
            &ctx,
            "socket {} of pid {} is not watched: {} > {}",
            sock.cookie(),
            remembered.owner_pid,
            from,
            to
        );
    }
    0
}
