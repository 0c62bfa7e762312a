//! The end of a run: what is still on its way, the summary, and the exit code.

use std::io;

use super::{Run, Stop};
use crate::app::say;
use crate::app::spool::judge;
use crate::failure::{ExitCode, Failure};
use crate::model::event::{Event, LossPlace};
use crate::model::summary::Summary;
use crate::plan::Format;
use crate::sink::notice;
use crate::sink::record::Recorded;
use crate::source::kernel::Kernel;

impl Run<'_> {
    /// Detaches, takes what is still in the ring, and writes the end.
    pub(super) async fn finish(mut self, stop: Stop) -> Result<ExitCode, Failure> {
        let costs = self.kernel.costs();
        let cost = self.kernel.main_cost();
        self.kernel.detach();
        let now = Kernel::now();
        self.take_early();
        while stop != Stop::Writer && !self.spool.is_broken() && self.drain() > 0 {
            self.desk.flush();
            tokio::select! {
                biased;
                // The reader does not read: a second signal does not wait for it.
                _ = self.int.recv() => return Ok(ExitCode::Ok),
                _ = self.term.recv() => return Ok(ExitCode::Ok),
                () = self.spool.room() => {}
            }
            self.spool.hand_over();
        }
        if let Some(tally) = &self.tally
            && let Err(error) = tally.count(&mut self.kernel)
        {
            self.desk.fail(error);
        }
        self.count_losses();
        let forgotten = self.desk.gate.forgotten();
        if forgotten > 0 {
            self.desk.observe(&Event::Lost { at: now, count: forgotten, place: LossPlace::Table });
        }
        self.desk.finish(now, self.plan.wants_unfinished());
        self.count_lost_stacks();
        self.close_watch();
        let engine = &self.desk.engine;
        let summary = Summary {
            events: engine.events(),
            lost: engine.lost() + forgotten,
            lost_hints: self.lost_hints,
            connections: engine.connections(),
            evictions: engine.evictions(),
            duration_ns: now.since(self.began),
            kernel: cost,
        };
        if self.plan.output.format == Format::Json {
            let _ = notice::write_summary(&mut io::stderr(), &summary);
        }
        if let Err(error) = self.desk.sink.finish(&summary) {
            self.desk.fail(error);
        }
        if let Some(recorder) = self.desk.recorder.take() {
            let Recorded { path, bytes, files, footer } = recorder.finish()?;
            let parts = if files > 1 { format!(", {files} files kept") } else { String::new() };
            say(&format!("{} holds {} events in {bytes} bytes{parts}", path.display(), footer.events));
        }
        if self.plan.verbose > 0 {
            say_costs(&costs, summary.connections);
        }
        let (code, plan, trouble) = (self.code(&summary), self.plan, self.desk.trouble());
        let closing = self.spool.close();
        let written = tokio::select! {
            written = closing => written,
            // The reader does not read: a second signal does not wait for it.
            _ = self.int.recv() => return Ok(code),
            _ = self.term.recv() => return Ok(code),
        };
        judge(written, plan.output.path.as_deref())?;
        trouble.map_or(Ok(code), Err)
    }

    fn code(&self, summary: &Summary) -> ExitCode {
        if self.plan.strict && summary.lost + summary.lost_hints > 0 { ExitCode::Lost } else { ExitCode::Ok }
    }
}

fn say_costs(costs: &[(&'static str, crate::model::summary::KernelCost)], connections: u64) {
    for (name, cost) in costs {
        if let Some(each) = cost.ns.checked_div(cost.runs) {
            let per_connection = cost.ns.checked_div(connections).unwrap_or(0);
            say(&format!(
                "{name}: {} runs measured, {each} ns each, {per_connection} ns per connection",
                cost.runs
            ));
        }
    }
}
