//! Loading and attaching.

use std::thread;

use aya::EbpfLoader;
use aya::maps::{HashMap, PerCpuArray, RingBuf};
use tcptrace_ebpf::bucket::SLOTS;
use tcptrace_ebpf::wire::{self, ABSENT, Config, Layout, Offsets, of};

use super::btf::Btf;
use super::cost::Meter;
use super::drain::Ring;
use super::error::{AttachError, short};
use super::histogram::{Counters, Counting};
use super::log::Log;
use super::object::{no_map, take};
use super::options::{Attach, Hears, Options};
use super::rearm::Kills;
use super::reasons::Reasons;
use super::stacks::Stacks;
use super::{Kernel, Path, layout, offsets, pids, stacks};

/// The smallest ring buffer: one page of the largest that Linux uses.
pub(super) const LEAST_RING: u32 = 1 << 16;

/// What a kernel without socket storage or cookies for tracing programs loses.
pub(in crate::source) const NO_STORAGE: &str = "this kernel lets tracing programs neither keep memory in a socket nor ask for its cookie (Linux 5.12 does): \
     `cookie` is null until somebody has asked for it, a connection takes nothing over from its listener, and sockets older than \
     tcptrace have their owners from /proc only";

/// Where the kernel half remembers what it saw of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remembers {
    /// In the socket itself, found by cookie.
    InSocket,
    /// In a table by address: the socket's cookie may be unknown.
    ByAddress,
}

impl Kernel {
    /// Loads and attaches; on return events are being collected.
    ///
    /// # Errors
    /// Rights are missing, the kernel is unsuitable, or loading failed: one sentence with what to do.
    pub fn attach(options: &Options) -> Result<Self, AttachError> {
        let found = Btf::of_this_kernel();
        match (options.attach, found) {
            (Attach::Classic, found) => Self::classic(options, found.ok().as_ref()),
            (Attach::Btf, Err(error)) => Err(AttachError::Unsuitable(format!(
                "this kernel shows no BTF ({}: {error}); use --attach classic, or a kernel with CONFIG_DEBUG_INFO_BTF",
                super::btf::VMLINUX
            ))),
            (Attach::Auto, Err(error)) if options.counting.is_some() || options.want.stacks => {
                Err(AttachError::Unsuitable(format!(
                    "this kernel shows no BTF ({}: {error})",
                    super::btf::VMLINUX
                )))
            }
            (Attach::Auto, Err(_)) => Self::classic(options, None),
            (Attach::Btf, Ok(btf)) => Self::btf(options, &btf),
            (Attach::Auto, Ok(btf)) => match Self::btf(options, &btf) {
                // The classic path cannot count and takes no stacks: the caller decides what to do instead.
                Err(AttachError::Unsuitable(why)) if options.counting.is_none() && !options.want.stacks => {
                    let mut kernel = Self::classic(options, Some(&btf))?;
                    kernel.notes.insert(0, format!("fell back to the classic tracepoint: {why}"));
                    Ok(kernel)
                }
                other => other,
            },
        }
    }

    fn btf(options: &Options, btf: &Btf) -> Result<Self, AttachError> {
        // The loader wants it in its own form; parsing takes as long as loading, so it goes on meanwhile.
        let types = thread::spawn(aya::Btf::from_sys_fs);
        let resolved = offsets::resolve(btf);
        if let Some(name) = resolved.fatal() {
            return Err(AttachError::Unsuitable(format!("this kernel's BTF has no `{name}`")));
        }
        let tracefs = layout::mount_tracefs();
        let accept_ret = tracefs.as_deref().map_or(ABSENT, layout::accept_return_of);
        let layout = Layout { accept_ret, ..Layout::default() };
        let load = |remembers| {
            Self::load(options, Path::Btf, remembers, &resolved.offsets, &layout, Reasons::read(btf))
        };
        let mut kernel = load(Remembers::InSocket)?;
        let types = types
            .join()
            .map_err(|_| AttachError::Failed("reading the kernel's BTF panicked".into()))?
            .map_err(|error| {
                AttachError::Unsuitable(format!("cannot read the kernel's BTF: {}", short(&error)))
            })?;
        let main = "inet_sock_set_state";
        let program = if options.counting.is_some() { "histogram_btf" } else { "state_change_btf" };
        let loading = |error| AttachError::of("attaching to sock:inet_sock_set_state", &error);
        if let Err(error) = kernel.load_btf(program, main, &types) {
            let error = loading(error);
            if !matches!(error, AttachError::Unsuitable(_)) {
                return Err(error);
            }
            // Not by its version: what it refuses with socket storage and cookies it may take without.
            kernel = load(Remembers::ByAddress)?;
            kernel.load_btf(program, main, &types).map_err(loading)?;
            kernel.notes.push(NO_STORAGE.into());
        }
        for (name, loses) in &resolved.missing {
            kernel.notes.push(format!("this kernel's BTF has no `{name}`: {loses} unknown"));
        }
        // Accept and the neighbours first: an event of the main program then never lacks them.
        if options.counting.as_ref().is_none_or(Counting::accepts) || !options.scope.pids.is_empty() {
            kernel.attach_accept(accept_ret);
        }
        if options.want.resets {
            let sent = match btf.tracepoint_arguments("tcp_send_reset") {
                Some(3..) => "reset_sent",
                _ => "reset_sent_bare",
            };
            kernel.attach_optional("reset_received", "tcp_receive_reset", &types);
            kernel.attach_optional(sent, "tcp_send_reset", &types);
        }
        if options.want.destroyed {
            kernel.attach_optional("destroyed", "tcp_destroy_sock", &types);
        }
        if options.want.timers {
            kernel.attach_timers(&types);
        }
        if options.want.stacks {
            kernel.attach_stacks(accept_ret, &types)?;
        }
        if options.want.follow_forks {
            kernel.attach_optional("forked", "sched_process_fork", &types);
        }
        let nested = if options.counting.is_some() { "histogram_nested" } else { "state_change_nested" };
        match options.hears {
            Hears::Both => {
                kernel.attach_loaded(program).map_err(loading)?;
                // Behind it: the kernel calls them in the order in which they came.
                kernel.attach_optional(nested, main, &types);
            }
            Hears::Nobody => {}
            Hears::SecondTwice => {
                kernel.load_btf(nested, main, &types).map_err(loading)?;
                kernel.attach_loaded(nested).map_err(loading)?;
                kernel.attach_loaded(nested).map_err(loading)?;
            }
        }
        if options.want.diagnostics {
            kernel.attach_optional("diagnose", "inet_sock_set_state", &types);
        }
        kernel.keep_main();
        kernel.adopt(&types, options.patience);
        Ok(kernel)
    }

    fn classic(options: &Options, btf: Option<&Btf>) -> Result<Self, AttachError> {
        let tracefs = layout::mount_tracefs().map_err(|error| {
            let advice = if std::path::Path::new("/sys/kernel").is_dir() {
                "mount it with `mount -t tracefs tracefs /sys/kernel/tracing`, as root"
            } else {
                "/sys is not mounted, so BTF is not there either: `mount -t sysfs sysfs /sys`, as root"
            };
            if error.kind() == std::io::ErrorKind::PermissionDenied {
                AttachError::NotPermitted(
                    "tracefs cannot be read: run as root (sudo), or give CAP_DAC_READ_SEARCH too".into(),
                )
            } else {
                AttachError::Unsuitable(format!("tracefs is not there: {error}; {advice}"))
            }
        })?;
        let layout = layout::read(&tracefs).map_err(|error| match error.kind() {
            std::io::ErrorKind::PermissionDenied => AttachError::NotPermitted(format!(
                "{} cannot be read: run as root (sudo), or give CAP_DAC_READ_SEARCH too",
                tracefs.display()
            )),
            _ => AttachError::Unsuitable(format!(
                "sock:inet_sock_set_state is not there: {error}; it needs Linux 4.16 or later"
            )),
        })?;
        // Only who accepted what is looked up through BTF here, where there is some.
        let offsets = btf.map_or_else(
            || Offsets::decode(&[0xff; size_of::<Offsets>()]),
            |btf| Some(offsets::resolve(btf).offsets),
        );
        let offsets = offsets.ok_or_else(|| AttachError::Failed("the offsets have no encoding".into()))?;
        let remembers = Remembers::ByAddress;
        let mut kernel =
            Self::load(options, Path::Classic, remembers, &offsets, &layout, Reasons::default())?;
        if btf.is_some() {
            kernel.attach_accept(layout.accept_ret);
        }
        if options.want.follow_forks {
            match aya::Btf::from_sys_fs() {
                Ok(types) => kernel.attach_optional("forked", "sched_process_fork", &types),
                Err(error) => kernel.notes.push(format!(
                    "--follow-forks has no effect for children born from now on: it needs the kernel's BTF ({})",
                    short(&error)
                )),
            }
        }
        let event = match options.hears {
            Hears::Nobody => ("tcp", "tcp_destroy_sock"),
            Hears::Both | Hears::SecondTwice => ("sock", "inet_sock_set_state"),
        };
        kernel
            .attach_classic("state_change_classic", event)
            .map_err(|error| AttachError::of("attaching to sock:inet_sock_set_state", &error))?;
        kernel.keep_main();
        Ok(kernel)
    }

    fn load(
        options: &Options,
        path: Path,
        remembers: Remembers,
        offsets: &Offsets,
        layout: &Layout,
        reasons: Reasons,
    ) -> Result<Self, AttachError> {
        let mut notes = Vec::new();
        let config = Config { by_address: (remembers == Remembers::ByAddress).into(), ..options.constants() };
        let (offsets, layout, config) = (offsets.encode(), layout.encode(), config.encode());
        let mut loader = EbpfLoader::new();
        loader
            .override_global("OFFSETS", offsets.as_slice(), true)
            .override_global("LAYOUT", layout.as_slice(), true)
            .override_global("CONFIG", config.as_slice(), true)
            .map_max_entries("EVENTS", options.ring_bytes);
        // Memory for what this run does not use.
        if remembers == Remembers::InSocket {
            loader.map_max_entries("MEMORY_BY_ADDRESS", 1);
        }
        let counting = options.counting.as_ref();
        let (groups, octaves) = counting.map_or((1, 1), Counting::room);
        loader.map_max_entries("GROUPS", groups).map_max_entries("GROUP_STAYS", octaves);
        loader.map_max_entries("STAYS", counting.map_or(1, |counting| counting.rows() * SLOTS));
        if counting.is_some_and(|counting| !counting.owners()) && options.scope.pids.is_empty() {
            loader.map_max_entries("OPEN", wire::OPEN_SOCKETS);
        }
        // They are made anew for each connection: as many as may wait, or be near.
        if counting.is_some_and(|counting| counting.of() & of::ACCEPT_WAIT != 0) {
            loader.map_max_entries("READY", 1 << 16);
        }
        if counting.is_some_and(|counting| counting.of() & of::HANDSHAKE != 0) {
            loader.map_max_entries("PEERS", 1 << 14);
        }
        let milestones =
            counting.is_some_and(|counting| counting.of() & (of::LIFETIME | of::FIN_TO_FIN) != 0);
        if milestones && remembers == Remembers::ByAddress {
            loader.map_max_entries("MILESTONES_BY_ADDRESS", 1 << 16);
        }
        if options.scope.pids.is_empty() && !counting.is_some_and(Counting::owners) {
            loader.map_max_entries("ACCEPTED", 1);
        }
        if !options.want.diagnostics {
            // The diagnostics' own ring, at its smallest while nothing is written to it.
            loader.map_max_entries("AYA_LOGS", LEAST_RING);
        }
        if options.want.stacks {
            loader.map_max_entries("STACKS", stacks::ROOM);
        }
        let mut ebpf = loader
            .load(tcptrace_ebpf::OBJECT)
            .map_err(|error| AttachError::of("loading the eBPF object", &error))?;
        let log = options.want.diagnostics.then(|| Log::start(&mut ebpf)).transpose()?;
        let ring: RingBuf<_> = take(&mut ebpf, "EVENTS")?;
        let lost: PerCpuArray<_, u64> = take(&mut ebpf, "LOST")?;
        let counters = counting.map(|counting| Counters::new(&mut ebpf, counting)).transpose()?;
        let stacks = options.want.stacks.then(|| Stacks::open(&mut ebpf)).transpose()?;
        // Programs find their maps by fd when they are loaded: a map that is taken must be kept, this one stays where it is.
        let pids = ebpf.map_mut("PIDS").ok_or_else(|| no_map("PIDS"))?;
        let mut pids: HashMap<_, u32, u8> =
            HashMap::try_from(pids).map_err(|error| AttachError::of("opening the map `PIDS`", &error))?;
        for pid in &options.scope.pids {
            pids.insert(pid, 1, 0)
                .map_err(|error| AttachError::Failed(format!("recording --pid {pid}: {}", short(&error))))?;
        }
        if let Some(note) = pids::namespace_note() {
            notes.push(note);
        }
        Ok(Self {
            path,
            remembers,
            ring: Ring::new(ring, options.wake())
                .map_err(|error| AttachError::Failed(format!("polling the ring buffer: {error}")))?,
            reasons,
            lost,
            lost_seen: [0; wire::lost::COUNT as usize],
            undecodable: 0,
            main: None,
            missed: 0,
            kills: Kills::default(),
            watched_ports: take(&mut ebpf, "WATCHED_PORTS")?,
            names_newborns: None,
            notes,
            attached: Vec::new(),
            cost: Meter::new(options.measure),
            log,
            counters,
            stacks,
            walk: None,
            ebpf,
        })
    }
}
