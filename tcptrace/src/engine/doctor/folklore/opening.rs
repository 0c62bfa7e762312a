//! Sysctls of opening: handshakes, backlogs, local ports.

use super::{Default, Judgement, Knob, Scene, fine, info, not_a_number, numeric, refuse};

pub(super) const KNOBS: &[Knob] = &[
    Knob {
        name: "net.ipv4.tcp_max_syn_backlog",
        default: Default::SynBacklog,
        source: "Linux net/ipv4/tcp_input.c:tcp_conn_request, include/net/inet_connection_sock.h:inet_csk_reqsk_queue_is_full",
        judge: |value, scene| {
            numeric(value, |_| {
                let said = "the limit of half-open connections is listen()'s backlog or somaxconn, whichever is smaller";
                if scene.cookies() {
                    info(format!("no effect while syncookies are on (tcp_syncookies): {said}"))
                } else {
                    info(format!("with syncookies off, the last quarter is kept for known peers; {said}"))
                }
            })
        },
    },
    Knob {
        name: "net.ipv4.tcp_syncookies",
        default: Default::Value("1"),
        source: "ip-sysctl.rst tcp_syncookies; Linux net/ipv4/tcp_input.c:tcp_syn_flood_action",
        judge: |value, _| {
            numeric(value, |mode| match mode {
                0 => refuse(
                    "a full queue of half-open connections then drops SYNs instead of answering with a cookie",
                    "leave it at 1",
                ),
                1 => fine(
                    "a cookie is sent only when the queue is full; nothing is swapped out, the state is in the sequence number, and options \
                     are lost unless the peer uses timestamps",
                ),
                2 => refuse(
                    "every handshake uses a cookie, for tests: TCP options are lost without need",
                    "set it to 1",
                ),
                _ => refuse("the kernel knows 0, 1 and 2", "leave it at 1"),
            })
        },
    },
    Knob {
        name: "net.core.somaxconn",
        default: Default::Value("4096"),
        source: "listen(2); Linux net/socket.c:__sys_listen",
        judge: somaxconn,
    },
    Knob {
        name: "net.ipv4.tcp_abort_on_overflow",
        default: Default::Value("0"),
        source: "ip-sysctl.rst tcp_abort_on_overflow; Linux net/ipv4/tcp_minisocks.c:tcp_check_req",
        judge: |value, _| {
            numeric(value, |on| {
                if on == 0 {
                    fine("a full accept queue drops, and the peer tries again")
                } else {
                    refuse(
                        "a full accept queue resets the peer instead of letting it try again: a short burst becomes errors",
                        "leave it at 0 and make the program accept faster",
                    )
                }
            })
        },
    },
    Knob {
        name: "net.ipv4.tcp_syn_retries",
        default: Default::Value("6"),
        source: "ip-sysctl.rst tcp_syn_retries, tcp_syn_linear_timeouts; tcp(7) TCP_SYNCNT",
        judge: |value, _| {
            numeric(value, |retries| match retries {
                ..=2 => refuse(
                    format!(
                        "connect() gives up after about {} s, for every program: a failover takes longer",
                        retries + 1
                    ),
                    "leave it at 6, and set TCP_SYNCNT or TCP_USER_TIMEOUT, or the program's own connect timeout, where it must be short",
                ),
                3..=5 => info(
                    "connect() gives up sooner, for every program of the namespace; TCP_SYNCNT does it for one",
                ),
                6 => fine("connect() gives up after 131 s (127 s before Linux 6.5)"),
                _ => info("connect() waits longer than 131 s for an answer"),
            })
        },
    },
    Knob {
        name: "net.ipv4.tcp_synack_retries",
        default: Default::Value("5"),
        source: "ip-sysctl.rst tcp_synack_retries; Linux net/ipv4/inet_connection_sock.c:reqsk_timer_handler",
        judge: |value, _| {
            numeric(value, |retries| {
                // 1 s, doubled each time.
                let total = 1_i64
                    .checked_shl(u32::try_from(retries.clamp(0, 20)).unwrap_or(0) + 1)
                    .unwrap_or(i64::MAX)
                    - 1;
                if retries == 5 {
                    return fine("half-open connections end after 63 s");
                }
                info(format!(
                    "half-open connections end after about {total} s: fewer retries free the queue sooner, and lose honest peers on lossy paths; \
                     syncookies are the remedy for floods"
                ))
            })
        },
    },
    Knob {
        name: "net.ipv4.ip_local_port_range",
        default: Default::Value("32768 60999"),
        source: "ip-sysctl.rst ip_local_port_range, ip_local_reserved_ports; Linux net/ipv4/inet_hashtables.c:__inet_hash_connect",
        judge: port_range,
    },
    Knob {
        name: "net.ipv4.tcp_timestamps",
        default: Default::Value("1"),
        source: "RFC 7323 §5; ip-sysctl.rst tcp_timestamps",
        judge: |value, _| {
            numeric(value, |mode| match mode {
                0 => refuse(
                    "connections lose PAWS and round-trip measurement, tcp_tw_reuse does nothing, syncookies lose all options",
                    "leave it at 1",
                ),
                1 => fine("timestamps with a random offset for each peer"),
                2 => info("timestamps without the random offset: they show the host's uptime"),
                _ => refuse("the kernel knows 0, 1 and 2", "leave it at 1"),
            })
        },
    },
];

fn somaxconn(value: &str, scene: &Scene<'_>) -> Judgement {
    numeric(value, |limit| {
        let clamped: Vec<String> = scene
            .listeners
            .iter()
            .filter(|(_, queue)| i64::from(*queue) == limit)
            .map(|(port, _)| port.to_string())
            .collect();
        let at = if clamped.is_empty() {
            "no listener is cut by it".to_owned()
        } else {
            format!("listeners on {} have exactly this limit", super::super::words::list(&clamped, 5))
        };
        if limit < 4_096 {
            return refuse(
                format!("caps every listen() backlog at {limit}, the default is 4096; {at}"),
                "leave it at 4096; a running program must call listen() again to get more",
            );
        }
        let more = if limit > 4_096 {
            "; raising it alone changes nothing: the program must give listen() a larger backlog, after the change"
        } else {
            ""
        };
        let said = format!("caps every listen() backlog at {limit}; {at}{more}");
        if limit == 4_096 { fine(said) } else { info(said) }
    })
}

fn port_range(value: &str, scene: &Scene<'_>) -> Judgement {
    let ends: Vec<u16> = value.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [first, last] = ends[..] else { return not_a_number(value) };
    if value.split_ascii_whitespace().count() != 2 || first >= last {
        return refuse(
            format!("`{value}` is no range: the kernel wants a lower and a higher port"),
            "write 32768 60999",
        );
    }
    let size = u32::from(last - first) + 1;
    let mut inside: Vec<u16> =
        scene.listeners.iter().map(|(port, _)| *port).filter(|port| (first..=last).contains(port)).collect();
    inside.sort_unstable();
    inside.dedup();
    let names: Vec<String> = inside.iter().map(u16::to_string).collect();
    let named = if names.is_empty() {
        String::new()
    } else {
        format!("; services listen inside it now: {}", super::super::words::list(&names, 5))
    };
    if first < 10_000 {
        return refuse(
            format!(
                "{size} ports from {first} on, the default has 28232 from 32768: connect() then takes ports of services, which cannot start again \
                 after a restart{named}"
            ),
            "start at 10000 or above, and put the ports of services into net.ipv4.ip_local_reserved_ports",
        );
    }
    if size < 28_232 {
        return refuse(
            format!(
                "{size} ports toward each destination, the default has 28232: at 60 s of TIME_WAIT, {} connects a second",
                size / 60
            ),
            "leave it at 32768 60999",
        );
    }
    if (first, last) == (32_768, 60_999) {
        return fine(format!(
            "28232 ports toward each destination: 470 connects a second at 60 s of TIME_WAIT{named}"
        ));
    }
    info(format!(
        "{size} ports toward each (source, destination, port): {} connects a second at 60 s of TIME_WAIT{named}",
        size / 60
    ))
}
