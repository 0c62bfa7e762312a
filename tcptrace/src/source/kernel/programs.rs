//! Programs of the loaded object: attached one by one, some of them only where the kernel lets us, and detached together.

use aya::programs::{BtfTracePoint, Program, ProgramError, TracePoint};
use tcptrace_ebpf::wire::ABSENT;

use super::error::short;
use super::object::program_of;
use super::{Kernel, symbols};

impl Kernel {
    /// Detaches every program; what is still in the ring can be drained.
    pub fn detach(&mut self) {
        let (nested, others): (Vec<_>, Vec<_>) =
            self.ebpf.programs_mut().partition(|(name, _)| name.ends_with("_nested"));
        // Without the main program before it, all events would seem to be left to the nested one.
        for (_, program) in nested.into_iter().chain(others) {
            // One that was not loaded has nothing to undo.
            let _ = match program {
                Program::BtfTracePoint(program) => program.unload(),
                Program::TracePoint(program) => program.unload(),
                Program::Iter(program) => program.unload(),
                _ => Ok(()),
            };
        }
    }

    pub(super) fn attach_btf(
        &mut self,
        program: &'static str,
        tracepoint: &str,
        types: &aya::Btf,
    ) -> Result<(), ProgramError> {
        self.load_btf(program, tracepoint, types)?;
        self.attach_loaded(program)
    }

    pub(super) fn load_btf(
        &mut self,
        program: &str,
        tracepoint: &str,
        types: &aya::Btf,
    ) -> Result<(), ProgramError> {
        program_of::<BtfTracePoint>(&mut self.ebpf, program)?.load(tracepoint, types)
    }

    pub(super) fn attach_loaded(&mut self, program: &'static str) -> Result<(), ProgramError> {
        program_of::<BtfTracePoint>(&mut self.ebpf, program)?.attach()?;
        self.attached.push(program);
        Ok(())
    }

    pub(super) fn attach_classic(
        &mut self,
        program: &'static str,
        (category, name): (&str, &str),
    ) -> Result<(), ProgramError> {
        let loaded: &mut TracePoint = program_of(&mut self.ebpf, program)?;
        loaded.load()?;
        loaded.attach(category, name)?;
        self.attached.push(program);
        Ok(())
    }

    pub(super) fn attach_optional(&mut self, program: &'static str, tracepoint: &str, types: &aya::Btf) {
        let attached = self.load_btf(program, tracepoint, types).and_then(|()| self.attach_loaded(program));
        if let Err(error) = attached {
            self.notes.push(format!("tracepoint {tracepoint} is not available: {}", short(&error)));
        }
    }

    /// Exact ends of timewait sockets, where the address of their timer's function can be known.
    pub(super) fn attach_timers(&mut self, types: &aya::Btf) {
        if symbols::address("tw_timer_handler").is_none() {
            self.notes.push(
                "--exact has no effect: /proc/kallsyms does not show `tw_timer_handler` (root or CAP_SYSLOG is needed, and \
                 kernel.kptr_restrict below 2)"
                    .into(),
            );
            return;
        }
        for (program, tracepoint) in [
            ("timer_started", "timer_start"),
            ("timer_cancelled", "timer_cancel"),
            ("timer_expired", "timer_expire_entry"),
        ] {
            self.attach_optional(program, tracepoint, types);
        }
    }

    /// accept() and accept4() share one program.
    pub(super) fn attach_accept(&mut self, accept_ret: u16) {
        let claim = "accepted connections keep their listener's owner until they act themselves";
        if accept_ret == ABSENT {
            self.notes.push(format!("the exit of accept() cannot be traced (no access to tracefs): {claim}"));
            return;
        }
        if let Err(error) = self.attach_exits_of_accept("accepted") {
            self.notes.push(format!("the exit of accept() cannot be traced ({}): {claim}", short(&error)));
        }
    }

    /// Attaches `program` to the ends of both system calls.
    pub(super) fn attach_exits_of_accept(&mut self, program: &'static str) -> Result<(), ProgramError> {
        let loaded: &mut TracePoint = program_of(&mut self.ebpf, program)?;
        loaded.load()?;
        loaded.attach("syscalls", "sys_exit_accept4")?;
        loaded.attach("syscalls", "sys_exit_accept")?;
        self.attached.push(program);
        Ok(())
    }
}
