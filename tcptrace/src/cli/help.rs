//! What `--help` says after the flags.

use std::fmt::Write as _;

use crate::engine::stuck::Verdict;
use crate::engine::stuck::rule::DEFAULTS;
use crate::failure::ExitCode;
use crate::model::life::End;
use crate::model::state::TcpState;
use crate::sink::column::Column;

/// Help of a command without flags: clap would list all global ones.
pub(super) const BARE: &str = "{about-with-newline}\n{usage-heading} {usage}\n";

/// Help of a command with a file and no flags.
pub(super) const WITH_FILE: &str =
    "{about-with-newline}\n{usage-heading} {usage}\n\nArguments:\n{positionals}\n";

/// After `-h`.
pub(super) const SHORT: &str = "Columns, states, exit codes and examples: tcptrace --help";

const EXAMPLES: &str = "\
Examples:
  sudo tcptrace --pid 1234                       what this process's connections do, now
  sudo tcptrace --state close-wait --rport 5432  who leaves database connections half closed
  sudo tcptrace --addr 10.0.0.0/8 -d 30s --json  half a minute of one network, for a program
  sudo tcptrace --netns blue --lport 8000-8010   servers of one network namespace
  sudo tcptrace --columns time,cookie,from,to    for joining with `ss -e`
  sudo tcptrace lives --end rst_sent,timeout     connections that ended badly, each with its life
  tcptrace --from rec.jsonl.zst --pace           a recording, as if it happened now
";

const LIVES_EXAMPLES: &str = "\
Examples:
  sudo tcptrace lives --pid 1234                    each finished connection of this process
  sudo tcptrace lives --min-in-state CLOSE_WAIT=1s  who closes late
  sudo tcptrace lives -d 1m --unfinished --json     one minute of everything, for a program

Marks in a timeline:
  5.2s    from the kernel's events           60s*  estimated, by the kernel's rule or a poll
  ≥5.2s   it began before tcptrace looked    ?     not known
";

const STUCK_EXAMPLES: &str = "\
Examples:
  sudo tcptrace stuck                                     all stuck sockets, now
  sudo tcptrace stuck --pid 1234 --each --json            each one of this process, for a program
  sudo tcptrace stuck --rule 'CLOSE_WAIT>5m count>100 per-owner'
  sudo tcptrace stuck --watch                             tell when a socket gets stuck, and when no longer
  sudo tcptrace stuck --stacks --pid 1234 --rule 'CLOSE_WAIT>30s'   and where in its program each was opened
  sudo tcptrace stuck --check --warning 10 --critical 'count>100,age>1h'   a Nagios plugin
  sudo tcptrace stuck --check --warning 'growth>5' --interval 30s          the same, by growth a minute
  tcptrace stuck --from rec.jsonl.zst                     as it was at the end of a recording
";

const DOCTOR_EXAMPLES: &str = "\
Examples:
  sudo tcptrace doctor                                 watch for 10 s, then say what is wrong
  sudo tcptrace doctor --instant                       one look, no waiting, no eBPF
  sudo tcptrace doctor --pid 1234 -d 1m                one process and its peers, for a minute
  sudo tcptrace doctor --sysctl /etc/sysctl.d/99.conf  what each line of it would do here
  sudo tcptrace doctor -o json                         `finding` records, for a program
  tcptrace doctor --from rec.jsonl.zst                 what a recording tells, without root
";

const RECORD_EXAMPLES: &str = "\
Examples:
  sudo tcptrace record rec.jsonl.zst -d 1m                 a minute of everything
  sudo tcptrace record rec.jsonl.zst --max-size 100M --rotate 5
                                                           the newest 500M, until Ctrl-C
  tcptrace lives --from rec.jsonl.zst --end rst_sent       what it holds, without root, anywhere
  tcptrace repair rec.jsonl.zst.part                       after a crash
";

const HIST_EXAMPLES: &str = "\
Examples:
  sudo tcptrace hist -d 1m                            a minute of this host
  sudo tcptrace hist --by comm --state CLOSE_WAIT     which program closes late
  sudo tcptrace hist --lport 443 --interval 5s        one service, every five seconds
  sudo tcptrace hist -d 1h --hdr day.hlog -o json     for other tools
  tcptrace hist --from rec.jsonl.zst --by raddr       of a recording
";

/// After `hist --help`.
pub(super) fn hist() -> String {
    format!("{HIST_EXAMPLES}\n{}", exit_codes())
}

/// After `record --help`.
pub(super) fn record() -> String {
    format!("{RECORD_EXAMPLES}\n{}", exit_codes())
}

/// After `--help`.
pub(super) fn long() -> String {
    let mut text = String::from(EXAMPLES);
    text.push_str("\nColumns (--columns):\n");
    for column in Column::ALL {
        line(&mut text, column.name(), column.help());
    }
    text.push_str("\nStates (--state), in the order of a life:\n ");
    for state in TcpState::ALL.into_iter().filter(|state| *state != TcpState::NewSynRecv) {
        text.push(' ');
        text.push_str(state.name());
    }
    text.push_str("\n\n");
    text.push_str(&exit_codes());
    text.push_str(
        "\nEnvironment:\n  NO_COLOR  not empty: no colours, unless --color always\n  TZ        the zone of --time local\n",
    );
    text
}

/// After `lives --help`.
pub(super) fn lives() -> String {
    let mut text = String::from(LIVES_EXAMPLES);
    text.push_str("\nEnds (--end):\n");
    for end in End::ALL {
        line(&mut text, end.name(), meaning(end));
    }
    text.push('\n');
    text.push_str(&exit_codes());
    text
}

/// After `stuck --help`.
pub(super) fn stuck() -> String {
    let mut text = String::from(STUCK_EXAMPLES);
    text.push_str("\nRules unless --rule is given, each with its reason:\n");
    for (rule, reason) in DEFAULTS {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "  {:<23} {reason}", rule.to_string());
    }
    text.push_str("\nVerdicts:\n ");
    for verdict in Verdict::ALL {
        text.push(' ');
        text.push_str(verdict.name());
    }
    text.push_str("\n\n");
    text.push_str(&exit_codes());
    text
}

/// After `doctor --help`.
pub(super) fn doctor() -> String {
    format!("{DOCTOR_EXAMPLES}\n{}", exit_codes())
}

fn exit_codes() -> String {
    let mut text = String::from("Exit codes:\n");
    for code in ExitCode::ALL {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "  {:<3} {}", code as u8, code.help());
    }
    text
}

fn line(text: &mut String, name: &str, meaning: &str) {
    // Writing into a String cannot fail.
    let _ = writeln!(text, "  {name:<19} {meaning}");
}

const fn meaning(end: End) -> &'static str {
    match end {
        End::TimeWait => "both FINs done, we wait",
        End::Fin => "the peer closed first, our FIN is acknowledged",
        End::FinWait2Timeout => "we closed, the peer's FIN never came",
        End::RstReceived => "the peer reset",
        End::RstSent => "we reset",
        End::Refused => "the SYN was answered by a RST or ICMP port unreachable",
        End::Unreachable => "ICMP unreachable or no route while connecting",
        End::Timeout => "the peer vanished",
        End::GaveUp => "our process closed it while connecting",
        End::NoLocalPort => "no local port was free",
        End::Aborted => "destroyed by an administrator (`ss -K`)",
        End::ListenClosed => "a listener closed or shut down",
        End::Recycled => "its TIME_WAIT was ended early",
        End::Unknown => "events were lost and the socket is gone",
    }
}
