//! The words that a user writes for filters, durations, sizes, networks and rules, without the command line around them: one flag and
//! its value a line.

use tcptrace::cli::{Args, Command, HistArgs, LivesArgs, RecordArgs, StuckArgs};
use tcptrace::failure::ExitCode;
use tcptrace::plan::Plan;

use super::host::NoHost;

/// Plans each command with them: what is wrong is the user's error, in words.
pub fn target(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut args = Args::default();
    let (mut lives, mut stuck, mut hist) = (LivesArgs::default(), StuckArgs::default(), HistArgs::default());
    let mut record = RecordArgs { file: "x.jsonl.zst".into(), ..RecordArgs::default() };
    for line in text.lines() {
        let (flag, value) = line.split_once(' ').unwrap_or((line, ""));
        let value = value.to_owned();
        let Args { filter, tracing, output, .. } = &mut args;
        let many = match flag {
            "pid" => &mut filter.pids,
            "comm" => &mut filter.comms,
            "uid" => &mut filter.uids,
            "port" => &mut filter.ports,
            "addr" => &mut filter.addrs,
            "laddr" => &mut filter.laddrs,
            "state" => &mut filter.states,
            "netns" => &mut filter.netns,
            "cgroup" => &mut filter.cgroups,
            "columns" => &mut output.columns,
            "end" => &mut lives.ends,
            "min-in-state" => &mut lives.min_in_state,
            "rule" => &mut stuck.rules,
            "warning" => &mut stuck.warning,
            "by" => &mut hist.by,
            "percentile" => &mut hist.percentiles,
            _ => {
                let one = match flag {
                    "duration" => &mut tracing.duration,
                    "count" => &mut tracing.count,
                    "flag-stuck" => &mut tracing.flag_stuck,
                    "ring-size" => &mut tracing.ring_size,
                    "min-duration" => &mut lives.min_duration,
                    "interval" => &mut hist.interval,
                    "max-size" => &mut record.max_size,
                    "rotate" => &mut record.rotate,
                    _ => continue,
                };
                *one = Some(value);
                continue;
            }
        };
        many.push(value);
    }
    stuck.watch = stuck.warning.is_empty();
    stuck.check = !stuck.watch;
    let commands = [
        None,
        Some(Command::Lives(lives)),
        Some(Command::Stuck(stuck)),
        Some(Command::Hist(hist)),
        Some(Command::Record(record)),
    ];
    for command in commands {
        args.command = command;
        if let Err(failure) = Plan::new(&args, &NoHost) {
            assert_eq!(failure.code, ExitCode::Usage, "{}", failure.message);
            assert!(!failure.message.is_empty());
        }
    }
}
