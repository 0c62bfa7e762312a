//! What is remembered of a socket between its events.
//!
//! Where the kernel has it, it is socket storage: it lives and dies with the socket, and because the map has BPF_F_CLONE a child is born with
//! a copy of its listener's (Linux `net/core/bpf_sk_storage.c:bpf_sk_storage_clone`), so that the right listener's owner is known
//! even among SO_REUSEPORT twins. Elsewhere, and on the classic path, it is an LRU hash by socket address.

use core::ffi::c_void;
use core::ptr::null_mut;

use aya_ebpf::bindings::bpf_map_type::BPF_MAP_TYPE_SK_STORAGE;
use aya_ebpf::bindings::{BPF_F_CLONE, BPF_F_NO_PREALLOC, BPF_SK_STORAGE_GET_F_CREATE};
use aya_ebpf::helpers::generated::bpf_sk_storage_get;
use aya_ebpf::macros::{btf_map, map};
use aya_ebpf::maps::{HashMap, LruHashMap};
use tcptrace_ebpf::wire::{AcceptedBy, Memory, how, lost, memory};

use super::config::{config, constant};
use super::ring;
use super::sock::Sock;
use super::task::Comm;

/// A socket-storage map with BPF_F_CLONE, which aya's own type does not offer. The layout is that of a BTF map definition.
#[repr(C)]
pub(super) struct SocketStorage {
    r#type: *const [i32; BPF_MAP_TYPE_SK_STORAGE as usize],
    map_flags: *const [i32; (BPF_F_NO_PREALLOC | BPF_F_CLONE) as usize],
    key: *const i32,
    value: *const Memory,
}

// SAFETY: only a definition; the kernel does the locking.
unsafe impl Sync for SocketStorage {}

#[btf_map]
static MEMORY: SocketStorage = SocketStorage {
    r#type: core::ptr::null(),
    map_flags: core::ptr::null(),
    key: core::ptr::null(),
    value: core::ptr::null(),
};

/// Memory by socket address, for kernels and the attach path without socket storage.
#[map]
static MEMORY_BY_ADDRESS: LruHashMap<u64, Memory> = LruHashMap::with_max_entries(65_536, 0);

/// With `--pid`: who accepted a socket, by its address, until its next event. accept()'s own program cannot reach socket storage.
#[map]
pub(super) static ACCEPTED: LruHashMap<u64, AcceptedBy> = LruHashMap::with_max_entries(16_384, 0);

/// `--pid` without socket storage: local ports on which its processes listen.
#[map]
static WATCHED_PORTS: LruHashMap<u16, u8> = LruHashMap::with_max_entries(1_024, 0);

/// What a socket's memory begins with. A place of its own: a copy of it on the stack would have to be cleared by a call, see [`Comm`].
static BLANK: Memory = Memory::NONE;

/// The pids of `--pid`.
#[map]
pub(super) static PIDS: HashMap<u32, u8> = HashMap::with_max_entries(4_096, 0);

/// The memory of a socket, if it has one; made when `create`.
#[inline(always)]
pub(super) fn of(sock: Sock, create: bool) -> *mut Memory {
    if constant!(config(), by_address) != 0 {
        return by_address(sock.pointer() as u64, create);
    }
    let flags = if create { BPF_SK_STORAGE_GET_F_CREATE as u64 } else { 0 };
    // SAFETY: the verifier knows both pointers.
    let found = unsafe {
        bpf_sk_storage_get(
            (&raw const MEMORY).cast_mut().cast::<c_void>(),
            sock.pointer().cast(),
            null_mut(),
            flags,
        )
    };
    if create && found.is_null() {
        ring::count_lost(lost::MEMORY);
    }
    found.cast()
}

/// Where a socket belongs, which never changes: looked up once, kept in its memory, and handed down to a listener's children.
#[inline(always)]
pub(super) fn belongings(memory: Option<&mut Memory>, sock: Sock) -> (u32, u64) {
    match memory {
        Some(memory) => {
            if memory.netns == 0 {
                memory.netns = sock.netns();
                memory.cgroup = sock.cgroup();
            }
            (memory.netns, memory.cgroup)
        }
        None => (sock.netns(), sock.cgroup()),
    }
}

/// The memory of whatever is at this address.
#[inline(always)]
pub(super) fn by_address(address: u64, create: bool) -> *mut Memory {
    if let Some(found) = MEMORY_BY_ADDRESS.get_ptr_mut(&address) {
        return found;
    }
    if !create {
        return null_mut();
    }
    if MEMORY_BY_ADDRESS.insert(&address, &BLANK, 0).is_err() {
        ring::count_lost(lost::MEMORY);
    }
    MEMORY_BY_ADDRESS.get_ptr_mut(&address).unwrap_or(null_mut())
}

/// Makes it one of which nothing is remembered. Word by word, lest the compiler call a function for it: see [`Comm`].
#[inline(always)]
pub(super) fn clear(memory: &mut Memory) {
    let words = core::ptr::from_mut(memory).cast::<u64>();
    for index in 0..size_of::<Memory>() / size_of::<u64>() {
        // SAFETY: inside of it, which is 8-byte aligned and may be all zeros.
        unsafe { words.add(index).write_volatile(0) };
    }
}

/// Forgets a socket: its address will be somebody else's.
#[inline(always)]
pub(super) fn forget(address: u64) {
    let _ = MEMORY_BY_ADDRESS.remove(&address);
}

/// Who accepted the socket at this address since its last event; asked once.
#[inline(always)]
pub(super) fn accepter(address: u64) -> Option<AcceptedBy> {
    if constant!(config(), by_pid) == 0 && constant!(config(), owners) == 0 {
        return None;
    }
    // SAFETY: copied at once.
    let by = *unsafe { ACCEPTED.get(&address) }?;
    let _ = ACCEPTED.remove(&address);
    Some(by)
}

/// Without socket storage a child inherits nothing from its listener: notes that a watched process listens on `port`.
#[inline(always)]
pub(super) fn watch_port(port: u16) {
    if constant!(config(), by_pid) != 0 && port != 0 {
        let _ = WATCHED_PORTS.insert(&port, &1, 0);
    }
}

/// Whether a child on `port` may belong to a watched process. User space learns at accept() whether it does.
#[inline(always)]
pub(super) fn is_watched_port(port: u16) -> bool {
    // SAFETY: the value is only tested for presence.
    constant!(config(), by_pid) != 0 && unsafe { WATCHED_PORTS.get(&port) }.is_some()
}

/// Whether `--pid` names it; true without `--pid`.
#[inline(always)]
pub(super) fn is_wanted(pid: u32) -> bool {
    // SAFETY: the value is only tested for presence.
    constant!(config(), by_pid) == 0 || unsafe { PIDS.get(&pid) }.is_some()
}

/// Records a claim of ownership.
#[inline(always)]
pub(super) fn claim(memory: &mut Memory, pid: u32, comm: Comm, claim: u8) {
    // What a listener handed down is not the child's own doing.
    let inherited = memory.owner_how == how::LISTENER || memory.owner_pid == 0;
    memory.owner_pid = pid;
    memory.owner_how = claim;
    // SAFETY: aligned in a Memory.
    unsafe { comm.put(&raw mut memory.owner_comm) };
    if is_wanted(pid) {
        memory.flags |= memory::WATCHED;
    } else if inherited {
        memory.flags &= !memory::WATCHED;
    }
}
