//! Flags that contradict each other: better refused than quietly ignored.

use super::output::{self, Format};
use super::{Attach, Trace, elsewhere};
use crate::cli::{AggregateWord, Args, Command, FilterArgs, FormatWord, OutputArgs, TracingArgs};
use crate::failure::Failure;
use crate::model::state::TcpState;

/// Contradictions that the flags alone show.
pub(super) fn check(args: &Args) -> Result<(), Failure> {
    let Args { command, filter, output: _, tracing, version: _ } = args;
    let lives = matches!(command, Some(Command::Lives(_)));
    let stuck = matches!(command, Some(Command::Stuck(_)));
    let rules = [
        (
            filter.v4 && filter.v6,
            "-4 and -6 contradict each other: no connection is both; without either, both are shown",
        ),
        (
            filter.follow_forks && filter.pids.is_empty(),
            "--follow-forks needs --pid: it says whose children to include",
        ),
        (
            tracing.raw && lives,
            "--raw and `lives` contradict each other: the kernel's events know no lives; leave one out",
        ),
        (
            tracing.raw && stuck,
            "--raw and `stuck` contradict each other: the kernel's events do not say what is stuck; leave one out",
        ),
        (
            tracing.flag_stuck.is_some() && stuck,
            "--flag-stuck is what `stuck` does anyway: use --watch and --rule",
        ),
        (
            tracing.raw && tracing.flag_stuck.is_some(),
            "--raw and --flag-stuck contradict each other: what is stuck is no event of the kernel; leave one out",
        ),
        (
            tracing.pace && tracing.from.is_none(),
            "--pace needs --from: only a recording can be played; leave it out",
        ),
        (
            tracing.raw && tracing.exact,
            "--raw and --exact contradict each other: what --exact finds are no events of the tracepoint; leave one out",
        ),
    ];
    if let Some((_, sentence)) = rules.into_iter().find(|(broken, _)| *broken) {
        return Err(Failure::usage(sentence));
    }
    if tracing.from.is_some() {
        check_from(command.as_ref(), tracing)?;
        elsewhere::check(filter)?;
    }
    match command {
        Some(Command::Record(_)) => check_record(args),
        Some(Command::Hist(_)) => check_hist(args),
        _ => Ok(()),
    }
}

/// What was decided when it was recorded cannot be decided again.
fn check_from(command: Option<&Command>, tracing: &TracingArgs) -> Result<(), Failure> {
    if matches!(command, Some(Command::Record(_))) {
        return Err(Failure::usage(
            "--from and `record` contradict each other: a recording is already there; copy it, or leave out --from",
        ));
    }
    let decided = [
        (tracing.attach.is_some(), "--attach"),
        (tracing.exact, "--exact"),
        (tracing.mptcp, "--mptcp"),
        (tracing.ring_size.is_some(), "--ring-size"),
    ];
    match decided.into_iter().find(|(given, _)| *given) {
        Some((_, flag)) => Err(Failure::usage(format!(
            "{flag} and --from contradict each other: that was decided when it was recorded; leave {flag} out"
        ))),
        None => Ok(()),
    }
}

/// `hist` counts, and shows tables of its own.
fn check_hist(args: &Args) -> Result<(), Failure> {
    let Args { command, filter: _, output, tracing, version: _ } = args;
    let Some(Command::Hist(hist)) = command else { return Ok(()) };
    let timed = output.time.is_some() || output.time_of_day || output.timestamp;
    let wrong = [
        (
            tracing.raw,
            "--raw and `hist` contradict each other: the kernel's own names have no true lengths; leave one out",
        ),
        (
            tracing.count.is_some(),
            "--count and `hist` do not go together: stays are counted, not printed; use --duration",
        ),
        (
            !output.columns.is_empty(),
            "--columns and `hist` do not go together: its columns follow --by and --percentiles",
        ),
        (
            tracing.flag_stuck.is_some(),
            "--flag-stuck and `hist` do not go together: histograms are of stays that have ended; use `tcptrace stuck`",
        ),
        (
            hist.against.is_some() && tracing.from.is_none(),
            "--against needs --from: two recordings are compared, --from the later one, --against the one before",
        ),
        (
            hist.against.is_some()
                && (hist.interval.is_some() || hist.hdr.is_some() || hist.svg.is_some() || tracing.pace),
            "--against compares two whole recordings: leave out --interval, --hdr, --svg and --pace",
        ),
        (
            hist.against.is_some() && output::format(&args.output)?.0 == Format::Csv,
            "--against prints text or JSON: leave out -o csv",
        ),
        (
            hist.against.is_some() && hist.percentiles.iter().any(|word| is_extreme(word)),
            "--against has no bounds for the shortest and the longest: leave 0 and 100 out of --percentiles",
        ),
        (timed, "--time and `hist` do not go together: a histogram has no time column"),
        (
            hist.aggregate == Some(AggregateWord::Kernel) && tracing.from.is_some(),
            "--aggregate kernel and --from contradict each other: a recording is counted here; leave out --aggregate",
        ),
    ];
    match wrong.into_iter().find(|(given, _)| *given) {
        Some((_, sentence)) => Err(Failure::usage(sentence)),
        None => Ok(()),
    }
}

/// Whether a percentile is the shortest or the longest of all.
fn is_extreme(percentile: &str) -> bool {
    let number = percentile.trim().trim_start_matches(['p', 'P']).parse::<f64>();
    number.is_ok_and(|number| number <= 0.0 || number >= 100.0)
}

/// `record` prints nothing and keeps whole lives.
fn check_record(args: &Args) -> Result<(), Failure> {
    let Args { command: _, filter, output, tracing, version: _ } = args;
    let output = OutputArgs { color: None, ..output.clone() };
    let wrong = [
        (
            output != OutputArgs::default(),
            "`tcptrace record` prints nothing and takes no output flags such as -o or --output: use them with --from",
        ),
        (
            tracing.raw,
            "--raw and `record` do not go together: a recording holds the kernel's events anyway; use --raw with --from",
        ),
        (
            !filter.states.is_empty(),
            "--state and `record` do not go together: a recording keeps whole lives; use --state with --from",
        ),
        (
            tracing.count.is_some(),
            "--count and `record` do not go together: nothing is printed to count; use --duration or --max-size",
        ),
    ];
    match wrong.into_iter().find(|(given, _)| *given) {
        Some((_, sentence)) => Err(Failure::usage(sentence)),
        None => Ok(()),
    }
}

/// Contradictions that show once the words are understood.
pub(super) fn check_trace(trace: &Trace) -> Result<(), Failure> {
    if trace.raw
        && let Some(state) = trace
            .filter
            .states
            .iter()
            .find(|state| matches!(state, TcpState::TimeWait | TcpState::NewSynRecv))
    {
        return Err(Failure::usage(format!(
            "--raw with --state {} would print nothing: the kernel's tracepoint never says {}; leave out --raw",
            state.kernel_name(),
            state.kernel_name()
        )));
    }
    if trace.attach == Attach::Classic
        && let Some(flag) = trace.filter.needs_btf()
    {
        return Err(Failure::usage(format!(
            "{flag} does not work with --attach classic: the classic tracepoint does not say; use --attach btf"
        )));
    }
    if trace.attach == Attach::Classic && trace.takes_stacks() {
        return Err(Failure::usage(
            "--stacks does not work with --attach classic: the classic tracepoint does not tell sockets apart; use --attach btf",
        ));
    }
    Ok(())
}

/// Commands that look once take no flags about tracing.
pub(super) fn refuse_tracing(args: &Args, command: &str) -> Result<(), Failure> {
    let tracing = TracingArgs { verbose: 0, ..args.tracing.clone() };
    // The end of a recording can be looked at as well.
    let tracing = if command == "stuck" { TracingArgs { from: None, ..tracing } } else { tracing };
    if tracing == TracingArgs::default() && !args.filter.follow_forks {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "`tcptrace {command}` looks once and takes no tracing flags: leave them out{}",
        if command == "stuck" { ", or add --watch" } else { "" }
    )))
}

/// Commands that trace nothing take no flags about tracing.
pub(super) fn refuse_flags(args: &Args, command: &str) -> Result<(), Failure> {
    let Args { command: _, filter, output, tracing, version: _ } = args;
    // Colours and more words on stderr make sense with every command.
    let output = OutputArgs { color: None, ..output.clone() };
    let tracing = TracingArgs { verbose: 0, ..tracing.clone() };
    let part = if *filter != FilterArgs::default() {
        "filters"
    } else if output != OutputArgs::default() {
        "output flags"
    } else if tracing != TracingArgs::default() {
        "tracing flags"
    } else {
        return Ok(());
    };
    Err(Failure::usage(format!("`tcptrace {command}` traces nothing and takes no {part}: leave them out")))
}

/// The same, of a command that prints text or JSON: whether JSON is asked for.
pub(super) fn refuse_all_but_json(args: &Args, command: &str) -> Result<bool, Failure> {
    let (format, wide) = output::format(&args.output)?;
    let json = format == Format::Json;
    if format == Format::Csv || wide {
        return Err(Failure::usage(format!(
            "`tcptrace {command}` prints text or JSON and takes no other output flags: leave them out, or use -o json"
        )));
    }
    let format = args.output.format.filter(|word| !matches!(word, FormatWord::Text | FormatWord::Json));
    let output = OutputArgs { format, json: false, ..args.output.clone() };
    refuse_flags(&Args { output, ..args.clone() }, command)?;
    Ok(json)
}
