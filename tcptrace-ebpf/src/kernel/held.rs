//! One pass over all open files of all processes (`iter/task_file`): writes who holds which TCP socket, and gives the sockets that
//! existed before us an owner, in every network namespace at once.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::{bpf_seq_write, bpf_sock_from_file};
use tcptrace_ebpf::wire::{Held, how};

use super::config::{constant, offsets};
use super::memory;
use super::sock::{Sock, load, member};
use super::task::Comm;

/// TCP_CLOSE (Linux `include/net/tcp_states.h`).
const CLOSE: u8 = 7;
/// `enum sock_flags` (Linux `include/net/sock.h`).
const SOCK_KEEPOPEN: u64 = 1 << 3;

/// `struct bpf_iter__task_file` (Linux `kernel/bpf/task_iter.c`).
#[repr(C)]
pub struct TaskFile {
    meta: *mut Meta,
    task: *mut c_void,
    fd: u32,
    file: *mut c_void,
}

/// The start of `struct bpf_iter_meta`.
#[repr(C)]
pub struct Meta {
    seq: *mut c_void,
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task_file")]
pub fn held(ctx: *mut TaskFile) -> i32 {
    // SAFETY: the verifier checks each access to the context and through its pointers.
    unsafe {
        let (task, file) = ((*ctx).task, (*ctx).file);
        if task.is_null() || file.is_null() {
            return 0;
        }
        let socket = bpf_sock_from_file(file.cast());
        if socket.is_null() {
            return 0;
        }
        let Some(sk) = load::<*mut u8>(socket.cast(), constant!(offsets(), socket_sk)) else { return 0 };
        if sk.is_null() {
            return 0;
        }
        let sock = Sock::new(sk);
        let family = member!(sk, skc_family: u16);
        let protocol = sock.protocol();
        if (family != 2 && family != 10) || (protocol != 6 && protocol != 262) {
            return 0;
        }
        let mut comm = core::mem::MaybeUninit::<Comm>::uninit();
        let pid = member!(task.cast::<u8>(), task_tgid: u32);
        aya_ebpf::helpers::generated::bpf_probe_read_kernel(
            comm.as_mut_ptr().cast(),
            16,
            task.cast::<u8>().add(constant!(offsets(), task_comm) as usize).cast(),
        );
        // Written in any case: zeros where it cannot be read.
        let comm = comm.assume_init();
        let (mut owner_pid, mut owner_how) = (0, 0);
        if let Some(memory) = memory::of(sock, true).as_mut() {
            // What an event taught is better; a pid of `--pid` is better than another holder.
            let unknown = memory.owner_pid == 0;
            if unknown || (memory.owner_how == how::FD_TABLE && memory::is_wanted(pid)) {
                memory::claim(memory, pid, comm, how::FD_TABLE);
            }
            (owner_pid, owner_how) = (memory.owner_pid, memory.owner_how);
        }
        let (local, remote) = sock.addresses();
        let tcp = sock.tcp();
        let segments = match tcp {
            Some(tcp) => {
                member!(tcp.pointer(), segs_out: u32).saturating_add(member!(tcp.pointer(), segs_in: u32))
            }
            None => 0,
        };
        let state = member!(sk, skc_state: u8);
        let held = Held {
            cookie: sock.cookie(),
            inode: member!(sk, sk_ino: u64),
            cgroup: sock.cgroup(),
            laddr: local.bytes(),
            raddr: remote.bytes(),
            netns: sock.netns(),
            uid: sock.uid(),
            pid,
            fd: (*ctx).fd,
            owner_pid,
            segments,
            error: sock.error(),
            lport: sock.local_port(tcp, state == CLOSE),
            rport: sock.remote_port(),
            protocol,
            state,
            shutdown: member!(sk, sk_shutdown: u8),
            owner_how,
            keepalive: (sock.flags() & SOCK_KEEPOPEN != 0) as u8,
            pad: 0,
            comm: comm.bytes(),
        };
        bpf_seq_write((*(*ctx).meta).seq.cast(), (&raw const held).cast(), size_of::<Held>() as u32);
    }
    0
}
