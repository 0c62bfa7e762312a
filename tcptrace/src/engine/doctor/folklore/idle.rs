//! Sysctls of connections that are open: keepalive and retransmission.

use super::{Default, Judgement, Knob, Scene, fine, info, numeric, refuse};

const KEEPALIVE: &str =
    "ip-sysctl.rst tcp_keepalive_time; Linux net/ipv4/tcp_timer.c:tcp_keepalive_timer; RFC 9293 §3.8.4";

pub(super) const KNOBS: &[Knob] = &[
    Knob {
        name: "net.ipv4.tcp_keepalive_time",
        default: Default::Value("7200"),
        source: KEEPALIVE,
        judge: |value, scene| {
            keepalive(value, scene, 7_200, "idle seconds before the first probe, no period")
        },
    },
    Knob {
        name: "net.ipv4.tcp_keepalive_intvl",
        default: Default::Value("75"),
        source: KEEPALIVE,
        judge: |value, scene| keepalive(value, scene, 75, "seconds between probes that stay unanswered"),
    },
    Knob {
        name: "net.ipv4.tcp_keepalive_probes",
        default: Default::Value("9"),
        source: KEEPALIVE,
        judge: |value, scene| {
            keepalive(value, scene, 9, "unanswered probes before the connection is given up")
        },
    },
    Knob {
        name: "net.ipv4.tcp_retries2",
        default: Default::Value("15"),
        source: "RFC 1122 §4.2.3.5; ip-sysctl.rst tcp_retries2",
        judge: |value, _| {
            numeric(value, |retries| match retries {
                ..8 => refuse(
                    "data that is not acknowledged is given up in less than the 100 s that RFC 1122 asks for, for every program",
                    "leave it at 15 and set TCP_USER_TIMEOUT where it must be short",
                ),
                8..=14 => info(
                    "a vanished peer is given up sooner than after 15 minutes; 8 is what RFC 1122 allows",
                ),
                15 => fine("a peer that stops answering is given up after 15 minutes or so"),
                _ => info("a vanished peer is given up after more than 15 minutes"),
            })
        },
    },
];

fn keepalive(value: &str, scene: &Scene<'_>, default: i64, what: &str) -> Judgement {
    numeric(value, |number| {
        let (on, open) = scene.keepalive;
        let said = format!(
            "{what}; only for sockets with SO_KEEPALIVE ({on} of {open} open ones show its timer), and it ends none of the {} in CLOSE_WAIT: \
             their peers still answer",
            scene.close_wait
        );
        if number == default { fine(said) } else { info(said) }
    })
}
