//! Reading whole kernel maps in batches: `bpf(2)` itself, because aya has no batches. Where the kernel refuses them (before Linux
//! 5.6 for hash maps, 5.13 for arrays of CPUs) entries are read one by one.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};

use aya::maps::{Map, MapData};

use super::error::AttachError;

// `enum bpf_cmd` of Linux `include/uapi/linux/bpf.h`.
const LOOKUP_ELEM: libc::c_int = 1;
const GET_NEXT_KEY: libc::c_int = 4;
const LOOKUP_BATCH: libc::c_int = 24;

/// Entries of a batch: values are of all CPUs, and a bucket of a hash map must fit.
const BATCH: u32 = 1024;

/// What `union bpf_attr` holds for batches.
#[repr(C)]
#[derive(Default)]
struct BatchAttr {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    elem_flags: u64,
    flags: u64,
}

/// What it holds for single entries.
#[repr(C)]
#[derive(Default)]
struct ElemAttr {
    map_fd: u32,
    pad: u32,
    key: u64,
    /// Or the next key.
    value: u64,
    flags: u64,
}

/// A map to be read as a whole, again and again.
pub(super) struct Table {
    /// Programs find their maps by fd when they are loaded: it must stay open.
    _map: MapData,
    fd: OwnedFd,
    key_size: usize,
    value_size: usize,
    batches: bool,
    keys: Vec<u8>,
    values: Vec<u8>,
}

impl Table {
    /// A map with keys and values of these sizes; the value of a map by CPU is that of all its CPUs. Without `batches` it is
    /// read as on a kernel that has none.
    pub(super) fn new(
        map: Map,
        key_size: usize,
        value_size: usize,
        batches: bool,
    ) -> Result<Self, AttachError> {
        let (Map::Array(map)
        | Map::HashMap(map)
        | Map::LruHashMap(map)
        | Map::PerCpuArray(map)
        | Map::PerCpuHashMap(map)) = map
        else {
            return Err(AttachError::Failed("a map of the eBPF object has another type: rebuild it".into()));
        };
        let fd = map
            .fd()
            .as_fd()
            .try_clone_to_owned()
            .map_err(|error| AttachError::Failed(format!("keeping a map open: {error}")))?;
        let (keys, values) = (Vec::new(), Vec::new());
        Ok(Self { _map: map, fd, key_size, value_size, batches, keys, values })
    }

    /// Shows `each` key and value. What was inserted meanwhile may be missing, and is there the next time.
    pub(super) fn read(&mut self, each: &mut dyn FnMut(&[u8], &[u8])) -> io::Result<()> {
        if self.batches {
            match self.in_batches(each) {
                // The first batch tells: EINVAL where the command is not known, ENOTSUPP where the type of map has none.
                Err(error) if is_refusal(&error) => self.batches = false,
                outcome => return outcome,
            }
        }
        self.one_by_one(each)
    }

    fn in_batches(&mut self, each: &mut dyn FnMut(&[u8], &[u8])) -> io::Result<()> {
        let Self { fd, key_size, value_size, keys, values, .. } = self;
        let mut room = BATCH;
        // Positions are as long as keys, and of hash maps a u32.
        let (mut position, mut next) = (vec![0_u8; (*key_size).max(4)], vec![0_u8; (*key_size).max(4)]);
        let mut first = true;
        loop {
            let entries = usize::try_from(room).unwrap_or(0);
            keys.resize(entries * *key_size, 0);
            values.resize(entries * *value_size, 0);
            let mut attr = BatchAttr {
                in_batch: if first { 0 } else { address(position.as_mut_ptr()) },
                out_batch: address(next.as_mut_ptr()),
                keys: address(keys.as_mut_ptr()),
                values: address(values.as_mut_ptr()),
                count: room,
                map_fd: u32::try_from(fd.as_raw_fd()).unwrap_or(0),
                ..BatchAttr::default()
            };
            let outcome = bpf(LOOKUP_BATCH, &mut attr);
            let last = match outcome {
                Ok(()) => false,
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => true,
                // A bucket has more entries than fit.
                Err(error) if error.raw_os_error() == Some(libc::ENOSPC) && room < 1 << 20 => {
                    room *= 2;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let count = usize::try_from(attr.count).unwrap_or(0).min(entries);
            for (key, value) in keys.chunks_exact(*key_size).zip(values.chunks_exact(*value_size)).take(count)
            {
                each(key, value);
            }
            if last {
                return Ok(());
            }
            std::mem::swap(&mut position, &mut next);
            first = false;
        }
    }

    fn one_by_one(&mut self, each: &mut dyn FnMut(&[u8], &[u8])) -> io::Result<()> {
        let Self { fd, key_size, value_size, .. } = self;
        let (mut key, mut next, mut value) =
            (vec![0_u8; *key_size], vec![0_u8; *key_size], vec![0_u8; *value_size]);
        let map_fd = u32::try_from(fd.as_raw_fd()).unwrap_or(0);
        let mut from = 0;
        loop {
            let value_at = address(next.as_mut_ptr());
            match bpf(
                GET_NEXT_KEY,
                &mut ElemAttr { map_fd, key: from, value: value_at, ..ElemAttr::default() },
            ) {
                Ok(()) => {}
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(()),
                Err(error) => return Err(error),
            }
            std::mem::swap(&mut key, &mut next);
            from = address(key.as_mut_ptr());
            let value_at = address(value.as_mut_ptr());
            match bpf(
                LOOKUP_ELEM,
                &mut ElemAttr { map_fd, key: from, value: value_at, ..ElemAttr::default() },
            ) {
                Ok(()) => each(&key, &value),
                // Removed since.
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn is_refusal(error: &io::Error) -> bool {
    /// The kernel's own, which libc does not name.
    const ENOTSUPP: i32 = 524;
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP | ENOTSUPP))
}

fn address(pointer: *mut u8) -> u64 {
    u64::try_from(pointer.expose_provenance()).unwrap_or(0)
}

/// The system call; `attr` starts as `union bpf_attr` does for `command`.
#[expect(unsafe_code, reason = "the kernel reads and writes through the addresses in the argument")]
fn bpf<A>(command: libc::c_int, attr: &mut A) -> io::Result<()> {
    // SAFETY: the argument has its size; its addresses are of buffers that outlive the call and are as long as keys, values and
    // count ask for, which the caller sees to.
    let outcome = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size_of::<A>()) };
    if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
