//! The examples of `--help` and of the manual: what for, and the command line.

type Examples = &'static [(&'static str, &'static str)];

pub(super) const MAIN: Examples = &[
    ("What the connections of one process do, now", "sudo tcptrace --pid 1234"),
    ("Who leaves database connections half closed", "sudo tcptrace --state close-wait --rport 5432"),
    ("Half a minute of one network, for a program", "sudo tcptrace --addr 10.0.0.0/8 -d 30s --json"),
    ("Servers of one network namespace", "sudo tcptrace --netns blue --lport 8000-8010"),
    ("With the socket's cookie, for joining with `ss -e`", "sudo tcptrace --columns time,cookie,from,to"),
    ("Connections that ended badly, each with its life", "sudo tcptrace lives --end rst_sent,timeout"),
    ("A recording, as if it happened now", "tcptrace --from rec.jsonl.zst --pace"),
];

pub(super) const LIVES: Examples = &[
    ("Each finished connection of one process", "sudo tcptrace lives --pid 1234"),
    ("Who closes late", "sudo tcptrace lives --min-in-state CLOSE_WAIT=1s"),
    ("One minute of everything, for a program", "sudo tcptrace lives -d 1m --unfinished --json"),
];

pub(super) const HIST: Examples = &[
    ("A minute of this host", "sudo tcptrace hist -d 1m"),
    ("Which program closes late", "sudo tcptrace hist --by comm --state CLOSE_WAIT"),
    ("One service, every five seconds", "sudo tcptrace hist --lport 443 --interval 5s"),
    ("An hour, for other tools", "sudo tcptrace hist -d 1h --hdr day.hlog -o json"),
    ("Of a recording, by peer", "tcptrace hist --from rec.jsonl.zst --by raddr"),
    ("How long programs take to close after their peer", "sudo tcptrace hist --of reaction --by pid"),
    ("Has anything changed, beyond chance?", "tcptrace hist --from new.jsonl.zst --against old.jsonl.zst"),
];

pub(super) const STUCK: Examples = &[
    ("All stuck sockets, now", "sudo tcptrace stuck"),
    ("Each one of a process, for a program", "sudo tcptrace stuck --pid 1234 --each --json"),
    ("More than 100 of one owner", "sudo tcptrace stuck --rule 'CLOSE_WAIT>5m count>100 per-owner'"),
    ("Tell when a socket gets stuck, and when no longer", "sudo tcptrace stuck --watch"),
    (
        "Where in its program each was opened",
        "sudo tcptrace stuck --stacks --pid 1234 --rule 'CLOSE_WAIT>30s'",
    ),
    ("As a Nagios plugin", "sudo tcptrace stuck --check --warning 10 --critical 'count>100,age>1h'"),
    ("The same, by growth a minute", "sudo tcptrace stuck --check --warning 'growth>5' --interval 30s"),
    ("As it was at the end of a recording", "tcptrace stuck --from rec.jsonl.zst"),
];

pub(super) const KILL: Examples = &[
    (
        "What would be closed: the connections that one process has leaked",
        "sudo tcptrace kill --verdict leaked_fd --pid 1234",
    ),
    ("Close them", "sudo tcptrace kill --verdict leaked_fd --pid 1234 --yes"),
    (
        "Connections to a database that does not answer",
        "sudo tcptrace kill --verdict peer_gone -D 5432 --rule 'FIN_WAIT_1>5s'",
    ),
];

pub(super) const DOCTOR: Examples = &[
    ("Watch for 10 s, then say what is wrong", "sudo tcptrace doctor"),
    ("One look, no waiting, no eBPF", "sudo tcptrace doctor --instant"),
    ("One process and its peers, for a minute", "sudo tcptrace doctor --pid 1234 -d 1m"),
    ("What each line of a file would do here", "sudo tcptrace doctor --sysctl /etc/sysctl.d/99.conf"),
    ("The same for a program: `finding` records", "sudo tcptrace doctor -o json"),
    ("What a recording tells, without root", "tcptrace doctor --from rec.jsonl.zst"),
];

pub(super) const RECORD: Examples = &[
    ("A minute of everything", "sudo tcptrace record rec.jsonl.zst -d 1m"),
    ("The newest 500M, until Ctrl-C", "sudo tcptrace record rec.jsonl.zst --max-size 100M --rotate 5"),
    ("What it holds, without root, anywhere", "tcptrace lives --from rec.jsonl.zst --end rst_sent"),
    ("After a crash", "tcptrace repair rec.jsonl.zst.part"),
];

pub(super) const REPAIR: Examples = &[("After a crash", "tcptrace repair rec.jsonl.zst.part")];

pub(super) const SCHEMA: Examples =
    &[("The fields of each record", "tcptrace schema | jq '.\"$defs\".Lifecycle.properties | keys'")];

pub(super) const PREFLIGHT: Examples = &[
    ("Does it work for root", "sudo tcptrace preflight"),
    ("Only what is missing, for a program", "tcptrace preflight -o json | jq 'select(.severity != \"ok\")'"),
];
