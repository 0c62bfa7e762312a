//! `cargo xtask bench --growth`: how the cost grows with the rate of connections and with their number, as data and as two plots.

use std::fs;
use std::path::Path;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use plotters::prelude::*;
use serde_json::{Value, json};

use crate::contender::{Contender, HIST, STREAM};
use crate::crowd::Crowd;
use crate::load;

/// Connections a second that are wanted, and for how many seconds before they are measured: after a minute as many TIME_WAITs end as
/// begin. As many as can be would fill the disk until then.
const RATES: [(u32, u32); 3] = [(1_000, 62), (10_000, 62), (50_000, 0)];
/// How long they are measured.
const SECONDS: u32 = 10;
/// Connections; each has two ends on this host, so twice as many lives.
const CROWDS: [u64; 4] = [500, 5_000, 50_000, 500_000];
/// Until the sockets that were there before are dumped and merged.
const SETTLING: Duration = Duration::from_secs(5);

/// One curve: what it is called, and its points.
type Curve<'a> = (&'a str, Vec<(f64, f64)>);

/// Measures, prints, and writes `growth.json`, `rate.svg` and `crowd.svg` into `docs`.
#[expect(clippy::print_stdout, reason = "a task talks to the developer who started it")]
pub(crate) fn run(contenders: &[Contender], folder: &Path, docs: &Path) -> Result<()> {
    let (mut rates, mut crowds) = (Vec::new(), Vec::new());
    for name in [STREAM, HIST] {
        let contender =
            contenders.iter().find(|one| one.name == name).with_context(|| format!("there is no {name}"))?;
        for (rate, before) in RATES {
            let point = at_rate(contender, folder, rate, before)?;
            println!("{point}");
            rates.push(point);
        }
    }
    let stream = contenders.iter().find(|one| one.name == STREAM).context("there is no stream")?;
    for connections in CROWDS {
        let point = in_crowd(stream, folder, connections)?;
        println!("{point}");
        crowds.push(point);
    }
    fs::create_dir_all(docs).with_context(|| format!("cannot make {}", docs.display()))?;
    let curve = |name, points: &[Value], x: &str, y: &str| -> Curve<'_> {
        let of = points.iter().filter(|point| point["tracer"] == name);
        (name, of.filter_map(|point| Some((point[x].as_f64()?, point[y].as_f64()?))).collect())
    };
    let cpu = |name| curve(name, &rates, "connections_per_second", "cpu_per_cent_of_one_core");
    plot(
        &docs.join("rate.svg"),
        ("connections/s", "tracer's CPU, % of one core"),
        &[cpu(STREAM), cpu(HIST)],
    )?;
    plot(
        &docs.join("crowd.svg"),
        ("live sockets", "peak memory, MiB"),
        &[curve(STREAM, &crowds, "sockets", "peak_rss_mib")],
    )?;
    let data = json!({"rates": rates, "crowds": crowds});
    fs::write(docs.join("growth.json"), format!("{data:#}\n")).context("cannot write growth.json")
}

fn at_rate(contender: &Contender, folder: &Path, rate: u32, before: u32) -> Result<Value> {
    let running = contender.start(folder)?;
    let programs = running.programs()?;
    let (done, cpu, seconds) = thread::scope(|scope| -> Result<_> {
        let load = scope.spawn(|| load::Args::at_rate(rate, before + SECONDS).start());
        sleep(Duration::from_secs(before.into()));
        let (cpu, began) = (running.cpu_seconds()?, Instant::now());
        let done = load.join().map_err(|_| anyhow!("the load panicked"))??;
        Ok((done, running.cpu_seconds()? - cpu, began.elapsed().as_secs_f64()))
    })?;
    let cost = running.end(programs)?;
    Ok(json!({
        "tracer": contender.name,
        "wanted_per_second": rate,
        "seconds_before": before,
        "connections_per_second": float(done.connections) / done.seconds,
        "kernel_ns_per_change": float(cost.kernel_ns) / float(done.changes),
        "cpu_per_cent_of_one_core": cpu / seconds * 100.0,
        "reported_lost": cost.reported_lost,
    }))
}

fn in_crowd(contender: &Contender, folder: &Path, connections: u64) -> Result<Value> {
    let crowd = Crowd::open(connections)?;
    let running = contender.start(folder)?;
    let tracing_ms = running.tracing_after().map(|time| time.as_secs_f64() * 1e3);
    sleep(SETTLING);
    let before = running.programs()?;
    let done = load::Args::at_rate(10_000, 2).start()?;
    let cost = running.end(before)?;
    drop(crowd);
    Ok(json!({
        "tracer": contender.name,
        "sockets": 2 * connections,
        "tracing_after_ms": tracing_ms,
        "peak_rss_mib": float(cost.peak_rss_kib) / 1024.0,
        "kernel_ns_per_change": float(cost.kernel_ns) / float(done.changes),
        "reported_lost": cost.reported_lost,
    }))
}

/// Lines over a logarithmic axis.
fn plot(path: &Path, (x, y): (&str, &str), curves: &[Curve<'_>]) -> Result<()> {
    let points = || curves.iter().flat_map(|(_, points)| points);
    let last = points().map(|(x, _)| *x).fold(1.0, f64::max);
    let first = points().map(|(x, _)| *x).fold(last, f64::min);
    let top = points().map(|(_, y)| *y).fold(0.0, f64::max) * 1.1;
    let drawn = || -> Result<(), Box<dyn std::error::Error>> {
        let area = SVGBackend::new(path, (640, 360)).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(56)
            .build_cartesian_2d((first..last).log_scale(), 0.0..top)?;
        chart.configure_mesh().x_desc(x).y_desc(y).x_label_formatter(&|x| format!("{x:.0}")).draw()?;
        for (index, (name, points)) in curves.iter().enumerate() {
            let colour = Palette99::pick(index).to_rgba();
            chart
                .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)).point_size(3))?
                .label(*name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
        }
        chart.configure_series_labels().background_style(WHITE).border_style(BLACK).draw()?;
        area.present()?;
        Ok(())
    };
    drawn().map_err(|error| anyhow!("cannot draw {}: {error}", path.display()))
}

#[expect(clippy::cast_precision_loss, reason = "figures of a bench are far below 2^53")]
fn float(count: u64) -> f64 {
    count as f64
}
