//! Sysctls that advice still names and current kernels do not have, or do not heed.

use super::{Default, Judgement, Knob, Scene, refuse};

pub(super) const KNOBS: &[Knob] = &[
    Knob {
        name: "net.ipv4.tcp_tw_recycle",
        default: Default::Gone,
        source: "tcp(7) tcp_tw_recycle; Linux commit 4396e46187ca (4.12)",
        judge: |_, _| {
            refuse(
                "gone since Linux 4.12: the line makes `sysctl -p` fail, and does nothing else; before, it dropped connections of clients behind NAT",
                "delete the line",
            )
        },
    },
    Knob {
        name: "net.ipv4.tcp_tw_timeout",
        default: Default::Gone,
        source: "Linux include/net/tcp.h TCP_TIMEWAIT_LEN",
        judge: |_, _| {
            refuse("no kernel of kernel.org has it: TIME_WAIT is 60 s in the code", "delete the line")
        },
    },
    Knob {
        name: "net.ipv4.tcp_fack",
        default: Default::Gone,
        source: "ip-sysctl.rst tcp_fack",
        judge: no_effect,
    },
    Knob {
        name: "net.ipv4.tcp_low_latency",
        default: Default::Gone,
        source: "ip-sysctl.rst tcp_low_latency",
        judge: no_effect,
    },
    Knob {
        name: "net.ipv4.ip_conntrack_max",
        default: Default::Gone,
        source: "Documentation/networking/nf_conntrack-sysctl.rst",
        judge: |_, _| refuse("current kernels call it net.netfilter.nf_conntrack_max", "use that name"),
    },
];

fn no_effect(_: &str, _: &Scene<'_>) -> Judgement {
    refuse("kept for old files, without any effect since Linux 4.15", "delete the line")
}
