//! Starting a run: attach, prove that events flow, and begin to look at what existed before.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, timeout_at};

use super::counting::counting;
use super::pace::Pace;
use super::{Run, adopt, say};
use crate::app::desk::Desk;
use crate::app::dumps::{Answer, Dumps};
use crate::app::hist::Tally;
use crate::app::output;
use crate::app::spool::Spool;
use crate::app::stuck::watch::Watch;
use crate::engine::gate::{Gate, Show};
use crate::engine::{Config, Engine};
use crate::failure::{ExitCode, Failure};
use crate::model::event::Event;
use crate::model::time::{ClockAnchor, Mono};
use crate::plan::{Kind, Record, Trace};
use crate::recording::{Header, Sysctl};
use crate::sink::record::Recorder;
use crate::source::capabilities::{Capabilities, Capability};
use crate::source::kernel::{Attach, AttachError, Hears, Kernel, Options, Path, Scope, Want};
use crate::source::process_tree::ProcessTree;
use crate::source::processes::Processes;
use crate::source::sandbox::{self, Needs};
use crate::source::{netns, sysctl};

/// Sysctls that a recording keeps.
const NOTED: [&str; 8] = [
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_tw_reuse",
    "net.ipv4.tcp_max_tw_buckets",
    "net.ipv4.tcp_max_orphans",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.ip_local_port_range",
    "net.core.somaxconn",
];

/// A host with a million sockets is dumped in less.
const LOOK: Duration = Duration::from_secs(5);

impl<'a> Run<'a> {
    /// On return events are being collected, and the user has been told so.
    pub(super) async fn start(
        plan: &'a Trace,
        record: Option<&Record>,
        spool: Spool,
    ) -> Result<Self, Failure> {
        let int = signal(SignalKind::interrupt());
        let term = signal(SignalKind::terminate());
        // A handler, so that a file beyond RLIMIT_FSIZE is an error of write(2) and not the end.
        let _ = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()));
        let (int, term) = int
            .and_then(|int| Ok((int, term?)))
            .map_err(|error| Failure::new(ExitCode::Runtime, format!("handling signals: {error}")))?;
        let mut filter = plan.filter.clone();
        if plan.follow_forks
            && let Ok(tree) = ProcessTree::scan()
        {
            for pid in plan.filter.pids.iter().flat_map(|pid| tree.descendants_of(*pid)) {
                filter.pids.insert(pid);
            }
        }
        // A recording must serve every view.
        let lives = record.is_some() || matches!(plan.kind, Kind::Lives(_));
        let hist = match &plan.kind {
            Kind::Hist(hist) => Some(hist),
            Kind::Stream | Kind::Lives(_) | Kind::Stuck(_) => None,
        };
        let counting = hist.and_then(counting);
        let mut options = Options {
            attach: plan.attach,
            want: Want {
                resets: counting.is_none(),
                destroyed: lives,
                follow_forks: plan.follow_forks,
                timers: plan.exact,
                diagnostics: plan.verbose > 1,
                stacks: plan.takes_stacks(),
            },
            mptcp: plan.mptcp,
            ring_bytes: plan.ring_bytes,
            measure: plan.verbose > 0,
            scope: Scope::of(&filter),
            counting: counting.clone(),
            patience: adopt::patience(plan, counting.is_some()),
            hears: hears(),
        };
        let mut kernel = match Kernel::attach(&options) {
            Err(AttachError::Unsuitable(why)) if counting.is_some() && plan.attach == Attach::Auto => {
                say(&format!("note: the kernel cannot count, every event comes here: {why}"));
                options.counting = None;
                options.want.resets = true;
                Kernel::attach(&options)?
            }
            outcome => outcome?,
        };
        let counting = options.counting.is_some();
        let began = Kernel::now();
        if kernel.path() == Path::Classic
            && let Some(flag) = plan.filter.needs_btf()
        {
            return Err(Failure::new(
                ExitCode::Unsuitable,
                format!("{flag} needs BTF, which this kernel does not offer: leave it out"),
            ));
        }
        let anchor = output::anchor(began);
        let tally = hist.map(|hist| Tally::open(plan, hist, spool.inlet(), anchor, false)).transpose()?;
        if let Some(tally) = tally.as_ref().filter(|_| counting) {
            tally.leave_to_kernel();
        }
        let sink = match (record, &tally) {
            (Some(_), _) => output::quiet(),
            (None, Some(tally)) => Box::new(tally.clone()),
            (None, None) => output::sink(plan, spool.inlet(), anchor)?,
        };
        let config = config(plan, &kernel, began);
        // What the kernel half counts does not come here.
        let config = Config { complete_since: config.complete_since.filter(|_| !counting), ..config };
        let recorder = record
            .map(|record| {
                Recorder::create(&record.path, header(record, &kernel, &config, anchor), record.limits)
            })
            .transpose()?;
        let engine = Engine::new(config);
        let gate = Gate::new(filter, plan.show(), plan.count);
        let mut desk = Desk::new(engine, gate, sink, recorder);
        let mut early: Vec<Event> = Vec::new();
        kernel.self_test(|event| early.push(event)).await?;
        output::empty(&plan.output, &spool)?;

        let pids: Vec<u32> = plan.filter.pids.iter().copied().collect();
        let walk = kernel.take_walk();
        let confined =
            if plan.sandbox { sandbox::enter(needs(plan, record, walk.is_none())) } else { Vec::new() };
        let processes = Processes::watch(desk.gate.filter_mut().pids.iter().copied());
        let late = walk.as_ref().is_some_and(|walk| !walk.is_over());
        let cookies = kernel.path() == Path::Btf;
        let dumps = (!plan.raw).then(|| Dumps::start(walk, pids, cookies, counting)).transpose();
        let dumps = match dumps {
            Ok(dumps) => dumps,
            Err(error) => {
                say(&format!("note: older sockets are unknown until they move: {error}"));
                None
            }
        };
        let late = late && dumps.is_some();
        let polled = Instant::now();
        let watch = match &plan.kind {
            Kind::Stuck(watch) => Some(Watch::open(watch)?),
            Kind::Stream | Kind::Lives(_) | Kind::Hist(_) => match &plan.flag_stuck {
                Some(watch) => Some(Watch::open(watch)?),
                None => None,
            },
        };
        let mut run = Self {
            plan,
            kernel,
            desk,
            spool,
            dumps,
            watch,
            processes,
            lost_hints: 0,
            began,
            newest: began,
            polled,
            tally,
            counted: polled,
            counting,
            pace: if counting { Pace::COUNTING } else { Pace::TELLING },
            early: Some(early),
            late: None,
            int,
            term,
        };
        if !late {
            run.take_early();
        }
        if !run.kernel.cookies() && !plan.filter.pids.is_empty() {
            run.first_look().await;
        }
        tell(plan, &run.kernel, &confined);
        run.desk.flush();
        Ok(run)
    }

    /// Waits for the first dump: without socket storage the connections that the processes of `--pid` held before are known by
    /// their listeners' ports, and must know them before events are promised.
    async fn first_look(&mut self) {
        let deadline = Instant::now() + LOOK;
        while let Some(dumps) = &mut self.dumps {
            match timeout_at(deadline, dumps.answer()).await {
                Ok(Answer::Done(_)) | Err(_) => return,
                Ok(answer) => self.take(answer),
            }
        }
    }
}

/// What the run still does from here on; `from_proc`: the kernel's iterator over open files did not work.
fn needs(plan: &Trace, record: Option<&Record>, from_proc: bool) -> Needs {
    let watches = plan.flag_stuck.is_some() || matches!(plan.kind, Kind::Stuck(_));
    Needs {
        kernel: true,
        namespaces: watches || !plan.raw,
        // Stacks get their names from the files of other users' processes.
        fd_tables: watches || plan.takes_stacks() || (from_proc && !plan.raw),
        renames: record.is_some(),
        rotates: record.is_some_and(|record| record.limits.rotate.is_some()),
    }
}

fn config(plan: &Trace, kernel: &Kernel, began: Mono) -> Config {
    let attached = |name: &str| kernel.attached().iter().any(|attached| attached.starts_with(name));
    // The coarse clock moves once a tick of the kernel.
    let tick = rustix::time::clock_getres(rustix::time::ClockId::MonotonicCoarse);
    let hz = u32::try_from(tick.tv_nsec).ok().filter(|ns| *ns > 0).map_or(250, |ns| 1_000_000_000 / ns);
    Config {
        max_connections: plan.max_connections,
        through_time_wait: matches!(&plan.kind, Kind::Lives(lives) if lives.through_time_wait),
        hz,
        own_pid: std::process::id(),
        cookies: kernel.cookies(),
        resets: attached("reset_sent"),
        destroys: attached("destroyed"),
        timers: attached("timer_expired"),
        complete_since: plan.filter.is_empty().then_some(began),
        kernel_events: plan.show() == Show::KernelEvents,
        transitions: plan.show() == Show::Transitions,
        lives: plan.needs_lives(),
        measures: plan.measures(),
        ..Config::default()
    }
}

/// What a reader of the recording must know.
fn header(record: &Record, kernel: &Kernel, config: &Config, anchor: ClockAnchor) -> Header {
    let system = rustix::system::uname();
    let sysctls = netns::own().map(|netns| {
        let named = NOTED.iter().filter_map(|name| {
            sysctl::here(name).ok().map(|value| Sysctl { netns, name: (*name).to_owned(), value })
        });
        named.collect()
    });
    Header {
        anchor,
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        host: system.nodename().to_string_lossy().into_owned(),
        boot_id: std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .unwrap_or_default()
            .trim()
            .to_owned(),
        kernel: system.release().to_string_lossy().into_owned(),
        hz: config.hz,
        attach: kernel.path().name().to_owned(),
        cookies: config.cookies,
        resets: config.resets,
        destroys: config.destroys,
        exact: config.timers,
        mptcp: record.trace.mptcp,
        complete_since: config.complete_since,
        own_pid: config.own_pid,
        fin_timeout_s: config.fin_timeout_s,
        filters: record.filters.clone(),
        sysctls: sysctls.unwrap_or_default(),
        part: 1,
    }
}

/// Tests may have less listen than there is.
fn hears() -> Hears {
    match std::env::var("TCPTRACE_TEST_HEARS").as_deref() {
        Ok("nobody") => Hears::Nobody,
        Ok("second-twice") => Hears::SecondTwice,
        _ => Hears::Both,
    }
}

/// The line that says that events flow, and what to know.
fn tell(plan: &Trace, kernel: &Kernel, confined: &[String]) {
    let system = rustix::system::uname();
    let filtered = if plan.filter.is_empty() { "" } else { ", filtered" };
    say(&format!(
        "tracing sock:inet_sock_set_state ({} path, {} programs, Linux {}{filtered}); Ctrl-C ends",
        kernel.path().name(),
        kernel.attached().len(),
        system.release().to_string_lossy(),
    ));
    let may_look = || {
        let own = Capabilities::of_this_process();
        own.is_ok_and(|own| own.has(Capability::SysPtrace))
    };
    if plan.takes_stacks() && !may_look() {
        say("note: without CAP_SYS_PTRACE the stacks of other users' processes have no names");
    }
    for note in plan.notes.iter().chain(kernel.notes()).chain(confined) {
        say(&format!("note: {note}"));
    }
    if plan.verbose > 0 {
        say(&format!("attached: {}", kernel.attached().join(", ")));
    }
}

impl From<AttachError> for Failure {
    fn from(error: AttachError) -> Self {
        let code = match error {
            AttachError::NotPermitted(_) => ExitCode::NoPermission,
            AttachError::Unsuitable(_) => ExitCode::Unsuitable,
            AttachError::Failed(_) => ExitCode::Runtime,
        };
        Self::new(code, error.to_string())
    }
}
