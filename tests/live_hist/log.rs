//! The HdrHistogram log, read by the Python package hdrhistogram from PyPI, which is not ours.

use std::process::Command;

use crate::dwell::Dwells;
use crate::start;
use crate::support::run;
use crate::support::space::Space;

/// Reads the log and prints tag, count and median of every line.
const READER: &str = "import sys; from hdrh.log import HistogramLogReader; from hdrh.histogram import HdrHistogram as H\n\
                      r = HistogramLogReader(sys.argv[1], H(1, 1 << 62, 3))\n\
                      while True:\n h = r.get_next_interval_histogram()\n if h is None: break\n \
                      print(h.get_tag(), h.get_total_count(), h.get_value_at_percentile(50))";

/// A Python that has the package. `.ci/run` installs it and names it; a machine without it says so, CI and TCPTRACE_LIVE fail.
fn python() -> Option<String> {
    let python = std::env::var("TCPTRACE_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has = Command::new(&python).args(["-c", "import hdrh.log"]).output();
    if has.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    let why = "needs python3 with the package hdrhistogram (TCPTRACE_TEST_PYTHON names one)";
    assert!(std::env::var_os("CI").is_none(), "skipped: {why}");
    println!("skipped: {why}");
    None
}

#[test]
fn live_the_log_is_read_by_hdrhistogram_itself() {
    let (Some(space), Some(python)) = (Space::new(), python()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log.hlog");
    let path = log.to_str().unwrap();
    let tracer = start(&["hist", "--of", "all", "--hdr", path], &space.scope("btf"));
    Dwells::of_services(&space, 3);
    let run_of = tracer.stop();
    let printed = run(&python, &["-c", READER, path]);
    let mut seen = 0;
    for record in run_of.records.iter().filter(|record| record["type"] == "histogram") {
        if record["count"] == 0 {
            continue;
        }
        let tag = record["state"].as_str().or_else(|| record["measure"].as_str()).unwrap();
        let line = printed.lines().find(|line| line.starts_with(&format!("{tag} ")));
        let Some(line) = line else { panic!("{tag} is not in {printed}") };
        let words: Vec<f64> = line.split(' ').skip(1).map(|word| word.parse().unwrap()).collect();
        let p50 = record["p50"].as_f64().unwrap();
        assert_eq!(words[0], record["count"].as_f64().unwrap(), "{line}");
        assert!((words[1] / p50 - 1.0).abs() < 0.025, "{line}: {p50}");
        assert!(record["hdr"].is_string());
        seen += 1;
    }
    assert!(seen >= 8, "{printed}");
}
