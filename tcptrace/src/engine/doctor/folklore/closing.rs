//! Sysctls of closing: TIME_WAIT, FIN_WAIT_2, orphans.

use super::{Default, Judgement, Knob, Scene, fine, info, numeric, refuse};

pub(super) const KNOBS: &[Knob] = &[
    Knob {
        name: "net.ipv4.tcp_tw_reuse",
        default: Default::Value("2"),
        source: "ip-sysctl.rst tcp_tw_reuse; Linux net/ipv4/tcp_ipv4.c:tcp_twsk_unique",
        judge: tw_reuse,
    },
    Knob {
        name: "net.ipv4.tcp_tw_reuse_delay",
        default: Default::Value("1000"),
        source: "ip-sysctl.rst tcp_tw_reuse_delay",
        judge: |value, _| {
            numeric(value, |_| {
                fine("milliseconds that a TIME_WAIT must have lasted before a connect() may take it over")
            })
        },
    },
    Knob {
        name: "net.ipv4.tcp_fin_timeout",
        default: Default::Value("60"),
        source: "ip-sysctl.rst tcp_fin_timeout; Linux include/net/tcp.h TCP_TIMEWAIT_LEN, net/ipv4/tcp.c:__tcp_close",
        judge: fin_timeout,
    },
    Knob {
        name: "net.ipv4.tcp_max_tw_buckets",
        default: Default::HalfHash,
        source: "ip-sysctl.rst tcp_max_tw_buckets; Linux net/ipv4/inet_timewait_sock.c:inet_twsk_alloc",
        judge: max_tw_buckets,
    },
    Knob {
        name: "net.ipv4.tcp_max_orphans",
        default: Default::HalfHash,
        source: "ip-sysctl.rst tcp_max_orphans; Linux net/ipv4/tcp_timer.c:tcp_out_of_resources",
        judge: max_orphans,
    },
    Knob {
        name: "net.ipv4.tcp_orphan_retries",
        default: Default::Value("0"),
        source: "ip-sysctl.rst tcp_orphan_retries; Linux net/ipv4/tcp_timer.c:tcp_orphan_retries",
        judge: |value, _| {
            numeric(value, |retries| match retries {
                0 => fine("0 means 8: a FIN that nobody acknowledges is given up after 8 timeouts"),
                1..=3 => info(format!(
                    "a closed connection is given up after {retries} timeouts: what is still unsent is lost on a path with losses"
                )),
                _ => info(format!("a closed connection is given up after {retries} timeouts (0 means 8)")),
            })
        },
    },
    Knob {
        name: "net.ipv4.tcp_rfc1337",
        default: Default::Value("0"),
        source: "RFC 1337; Linux net/ipv4/tcp_minisocks.c:tcp_timewait_state_process",
        judge: |value, _| {
            numeric(value, |on| {
                if on == 0 {
                    fine("a RST ends a TIME_WAIT")
                } else {
                    info("a RST no longer ends a TIME_WAIT: safer, and more of them")
                }
            })
        },
    },
];

fn tw_reuse(value: &str, scene: &Scene<'_>) -> Judgement {
    let stamps = scene.number("net.ipv4.tcp_timestamps");
    numeric(value, |mode| match mode {
        0 => info("connect() never takes over a TIME_WAIT, not even on loopback, as it does by default (2)"),
        1 if stamps == Some(0) => refuse(
            "without tcp_timestamps it does nothing: connect() takes over only connections that used timestamps",
            "set net.ipv4.tcp_timestamps=1",
        ),
        1 => info(format!(
            "connect() may take over a TIME_WAIT older than 1 s: helps this host's outgoing connections when local ports run out, \
             none of those that it accepts; it does not make TIME_WAITs fewer ({} now)",
            scene.time_wait
        )),
        2 => fine("connect() may take over a TIME_WAIT on loopback only"),
        _ => refuse("the kernel knows 0, 1 and 2", "write 0, 1 or 2"),
    })
}

fn fin_timeout(value: &str, scene: &Scene<'_>) -> Judgement {
    numeric(value, |seconds| {
        let reach = format!(
            "it is the life of FIN_WAIT_2 without a process ({} now), not of TIME_WAIT, which is 60 s in the kernel's code: 0 of {} TIME_WAITs \
             are affected",
            scene.orphaned, scene.time_wait
        );
        match seconds {
            60 => fine(reach),
            ..1 => refuse(format!("{seconds} s makes no sense; {reach}"), "leave it at 60"),
            1..5 => refuse(
                format!("{reach}; with {seconds} s a slow peer's last data meets a RST"),
                "leave it at 60: orphans are cheap",
            ),
            5..60 => info(format!("{reach}; it has nothing to do with SYN floods or the peer's FIN either")),
            _ => info(format!(
                "{reach}; above 60 s the kernel waits twice what exceeds 60: {} s",
                (seconds - 60).saturating_mul(2)
            )),
        }
    })
}

fn max_tw_buckets(value: &str, scene: &Scene<'_>) -> Judgement {
    let default = Default::HalfHash.figure(scene.space).and_then(|figure| figure.parse::<i64>().ok());
    numeric(value, |limit| {
        let now = i64::try_from(scene.time_wait).unwrap_or(i64::MAX);
        if default.map_or(limit < 65_536, |default| limit < default) {
            let here = if now >= limit {
                format!(", which {now} TIME_WAITs here are already above")
            } else {
                String::new()
            };
            refuse(
                format!(
                    "lowered to {limit}{here}: those that exist stay, connections closed above it go straight to CLOSED, without the protection \
                     that TIME_WAIT is for and without a message; only TcpExtTCPTimeWaitOverflow counts them. The kernel's documentation \
                     says not to lower it"
                ),
                default.map_or("leave it at its default".to_owned(), |default| {
                    format!("leave it at its default, {default} here")
                }),
            )
        } else if default == Some(limit) {
            fine("half the entries of the hash table")
        } else {
            info(format!("room for {limit} TIME_WAITs in this namespace; {now} now"))
        }
    })
}

fn max_orphans(value: &str, scene: &Scene<'_>) -> Judgement {
    let default = Default::HalfHash.figure(scene.space).and_then(|figure| figure.parse::<i64>().ok());
    numeric(value, |limit| {
        if default == Some(limit) {
            return fine("half the entries of the hash table");
        }
        if default.is_some_and(|default| limit < default) {
            return refuse(
                format!(
                    "lowered to {limit}: above it close() resets connections that still have data to send"
                ),
                "leave it at its default: the kernel's documentation says to raise it rather than to lower it",
            );
        }
        info(format!(
            "{limit} closed connections may still be talking; each can hold up to 64 kB that cannot be swapped"
        ))
    })
}
