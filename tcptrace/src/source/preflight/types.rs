//! The kernel's type information: what of it is there, and what is lost without the rest.

use std::collections::BTreeMap;
use std::io;

use super::check::Check;
use crate::source::kernel::btf::{Btf, VMLINUX};
use crate::source::kernel::{Path, resolve};

/// The tracepoints besides the main one, with what is lost without each.
const NEIGHBOURS: [(&str, &str); 4] = [
    ("tcp_receive_reset", "resets that the peer sent"),
    ("tcp_send_reset", "resets that this host sent, and why"),
    ("tcp_destroy_sock", "when a closed connection's last fd was closed"),
    ("sched_process_fork", "--follow-forks"),
];

/// What the running kernel's BTF holds of what we need.
#[derive(Debug)]
pub struct Types {
    /// `struct.member` of each that is absent, with what is lost without it; an error where there is no BTF.
    pub missing: io::Result<Vec<(&'static str, &'static str)>>,
    /// A member without which nothing works.
    fatal: Option<&'static str>,
    main: bool,
    neighbours: Vec<(&'static str, &'static str)>,
}

impl Types {
    /// Looks it up.
    #[must_use]
    pub fn of_this_kernel() -> Self {
        match Btf::of_this_kernel() {
            Ok(btf) => Self::of(&btf),
            Err(error) => Self { missing: Err(error), fatal: None, main: false, neighbours: Vec::new() },
        }
    }

    fn of(btf: &Btf) -> Self {
        let resolved = resolve(btf);
        let lacks = |name: &str| btf.tracepoint_arguments(name).is_none();
        Self {
            fatal: resolved.fatal(),
            missing: Ok(resolved.missing),
            main: !lacks("inet_sock_set_state"),
            neighbours: NEIGHBOURS.into_iter().filter(|(name, _)| lacks(name)).collect(),
        }
    }

    /// The attach path that `--attach auto` tries first here.
    #[must_use]
    pub fn path(&self) -> Path {
        if self.missing.is_ok() && self.fatal.is_none() && self.main { Path::Btf } else { Path::Classic }
    }

    pub(super) fn check(&self) -> Vec<Check> {
        let check = Check::new("BTF", VMLINUX, "Linux Documentation/bpf/btf.rst");
        let missing =
            match &self.missing {
                Ok(missing) => missing,
                Err(error) => {
                    let how = match error.kind() {
                        io::ErrorKind::NotFound => "the kernel shows none".to_owned(),
                        _ => format!("not readable ({error})"),
                    };
                    let loses =
                        "only the classic tracepoint is left, without cookies, namespaces and sure owners";
                    return vec![check.observe("error", error.to_string()).degraded(
                        format!("{how}: {loses}"),
                        "use a kernel built with CONFIG_DEBUG_INFO_BTF=y",
                    )];
                }
            };
        vec![check.fine("the kernel shows its types"), members(missing, self.fatal), self.tracepoints()]
    }

    fn tracepoints(&self) -> Check {
        let absent: Vec<&str> = self.neighbours.iter().map(|(name, _)| *name).collect();
        let check = Check::new("tracepoints", "btf_trace_*", "Linux include/trace/events/{sock,tcp,sched}.h")
            .observe("absent", absent);
        if !self.main {
            return check.degraded(
                "inet_sock_set_state is not in the kernel's BTF: only the classic tracepoint is left",
                "use Linux 5.5 or later with BTF",
            );
        }
        if self.neighbours.is_empty() {
            let count = NEIGHBOURS.len() + 1;
            return check.fine(format!("inet_sock_set_state and all of its neighbours ({count})"));
        }
        let lost: Vec<String> =
            self.neighbours.iter().map(|(name, loses)| format!("{name} ({loses})")).collect();
        check.degraded(
            format!("this kernel lacks {}: that is not known here", lost.join(", ")),
            "use a newer kernel to have it",
        )
    }
}

fn members(missing: &[(&'static str, &'static str)], fatal: Option<&str>) -> Check {
    let names: Vec<&str> = missing.iter().map(|(name, _)| *name).collect();
    let check = Check::new("struct members", VMLINUX, "Linux include/net/sock.h, include/linux/tcp.h")
        .observe("absent", names);
    if let Some(name) = fatal {
        return check.degraded(
            format!("this kernel has no `{name}`: only the classic tracepoint is left"),
            "please report it with the output of `uname -a`",
        );
    }
    if missing.is_empty() {
        return check.fine("all that tcptrace reads");
    }
    // Many members, few losses.
    let mut losses: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, loses) in missing {
        losses.entry(loses).or_default().push(name);
    }
    let losses: Vec<String> =
        losses.iter().map(|(loses, names)| format!("{loses} ({})", names.join(", "))).collect();
    check.degraded(
        format!("not known on this kernel, for lack of struct members: {}", losses.join("; ")),
        "a newer kernel may have them; nothing else is affected",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::preflight::Verdict;

    #[test]
    fn members_are_told_by_what_is_lost() {
        let missing = [
            ("tcp_sock.bytes_sent", "byte counts"),
            ("tcp_sock.bytes_retrans", "byte counts"),
            ("a.b", "owners"),
        ];
        let check = members(&missing, None);
        assert_eq!(check.verdict, Verdict::Degraded);
        assert!(
            check.said.ends_with("byte counts (tcp_sock.bytes_sent, tcp_sock.bytes_retrans); owners (a.b)"),
            "{}",
            check.said
        );
    }

    #[test]
    fn without_btf_the_classic_path_is_left() {
        let none = Types {
            missing: Err(io::Error::from(io::ErrorKind::NotFound)),
            fatal: None,
            main: false,
            neighbours: Vec::new(),
        };
        assert_eq!(none.path(), Path::Classic);
        let checks = none.check();
        assert_eq!((checks.len(), checks[0].verdict), (1, Verdict::Degraded));
    }

    #[test]
    fn a_missing_neighbour_costs_what_it_tells() {
        let types =
            Types { missing: Ok(Vec::new()), fatal: None, main: true, neighbours: vec![NEIGHBOURS[0]] };
        assert_eq!(types.path(), Path::Btf);
        let check = types.tracepoints();
        assert!(check.said.contains("tcp_receive_reset (resets that the peer sent)"), "{}", check.said);
    }
}
