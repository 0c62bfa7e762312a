//! The stacks that the kernel half keeps for `stuck --stacks`.

use aya::Ebpf;
use aya::maps::{HashMap, MapData, MapError};
use tcptrace_ebpf::wire::{ABSENT, FRAMES, Taken, lost};

use crate::model::cookie::Cookie;
use crate::model::owner::OwnerHow;
use crate::model::time::Mono;

use super::Kernel;
use super::error::{AttachError, short};
use super::object::take;

/// Sockets whose stacks are kept at once: about a kilobyte each, allocated at the start.
pub const ROOM: u32 = 16_384;

/// The user stack of who opened a socket, as addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// When.
    pub at: Mono,
    /// Which process.
    pub pid: u32,
    /// By connect() or by accept().
    pub how: OwnerHow,
    /// Along the chain of frame pointers, the innermost first; empty when the kernel could not read it.
    pub frames: Vec<u64>,
    /// The kernel half kept no more.
    pub cut: bool,
    /// Stack pointer and frame pointer, where the kernel tells them.
    pub registers: Option<(u64, u64)>,
    /// The stack from its pointer upwards; empty when it could not be read.
    pub top: Vec<u8>,
}

impl Opening {
    fn of(taken: &Taken) -> Option<Self> {
        let count = usize::try_from(taken.frames_len).unwrap_or(0) / size_of::<u64>();
        let dumped = usize::try_from(taken.dump_len).ok()?;
        let known = taken.sp != 0 && taken.bp != 0;
        Some(Self {
            at: Mono(taken.at_ns),
            pid: taken.pid,
            how: OwnerHow::from_wire(taken.how)?,
            frames: taken.frames.iter().copied().take(count).take_while(|address| *address != 0).collect(),
            cut: count >= FRAMES,
            registers: (taken.sp != 0).then_some((taken.sp, if known { taken.bp } else { 0 })),
            top: taken.dump.get(..dumped)?.to_vec(),
        })
    }
}

/// The map, where stacks are asked for.
pub(super) struct Stacks(HashMap<MapData, u64, [u8; size_of::<Taken>()]>);

impl Stacks {
    pub(super) fn open(ebpf: &mut Ebpf) -> Result<Self, AttachError> {
        take(ebpf, "STACKS").map(Self)
    }
}

impl Kernel {
    /// Where the socket with this cookie was opened, if that was kept; it is forgotten when the socket is destroyed.
    ///
    /// # Errors
    /// Why the map cannot be read.
    pub fn opening(&self, cookie: Cookie) -> Result<Option<Opening>, String> {
        let Some(Stacks(map)) = &self.stacks else { return Ok(None) };
        match map.get(&cookie.0.get(), 0) {
            Ok(bytes) => Ok(Taken::decode(&bytes).as_ref().and_then(Opening::of)),
            Err(MapError::KeyNotFound | MapError::ElementNotFound) => Ok(None),
            Err(error) => Err(short(&error)),
        }
    }

    /// Forgets openings older than `before` of sockets that are not `there`: the kernel half misses some ends on saturated CPUs.
    pub fn sweep_openings(&mut self, before: Mono, there: &dyn Fn(Cookie) -> bool) {
        let Some(Stacks(map)) = &mut self.stacks else { return };
        let gone: Vec<u64> = map
            .iter()
            .filter_map(Result::ok)
            .filter(|(cookie, bytes)| {
                let old = Taken::decode(bytes).is_none_or(|taken| taken.at_ns < before.0);
                old && Cookie::new(*cookie).is_none_or(|cookie| !there(cookie))
            })
            .map(|(cookie, _)| cookie)
            .collect();
        for cookie in gone {
            // Its end may have come meanwhile.
            let _ = map.remove(&cookie);
        }
    }

    /// Stacks that were not kept since the last call: because there was no room, because they could not be read.
    pub fn lost_stacks(&mut self) -> (u64, u64) {
        let no_room = self.newly_lost(lost::STACKS).unwrap_or(0);
        (no_room, self.newly_lost(lost::UNREADABLE).unwrap_or(0))
    }
}

impl Kernel {
    /// Attaches the programs that take stacks.
    ///
    /// # Errors
    /// Neither connect() nor accept() can be looked at.
    pub(super) fn attach_stacks(&mut self, accept_ret: u16, types: &aya::Btf) -> Result<(), AttachError> {
        let needs = "--stacks needs Linux 5.15 or later";
        // Else the map would fill up with sockets that are gone.
        self.attach_btf("stack_gone", "tcp_destroy_sock", types)
            .map_err(|error| AttachError::Unsuitable(format!("{needs}: {}", short(&error))))?;
        self.attach_btf("stack_at_connect", "inet_sock_set_state", types)
            .map_err(|error| AttachError::Unsuitable(format!("{needs}: {}", short(&error))))?;
        let why = if accept_ret == ABSENT {
            Some("no access to tracefs".to_owned())
        } else {
            self.attach_exits_of_accept("stack_at_accept").err().map(|error| short(&error))
        };
        if let Some(why) = why {
            self.notes
                .push(format!("sockets from accept() have no stack: its exit cannot be traced ({why})"));
        }
        Ok(())
    }
}
