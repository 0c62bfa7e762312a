//! Stuck sockets grouped by where they were opened.

use std::io::{self, Write};

use rustc_hash::FxHashSet;

use super::super::{digits, duration, escape};
use super::{StuckSink, push_news, push_one, push_task};
use crate::engine::stuck::group::{self, Group};
use crate::engine::stuck::site::{Site, Sites};
use crate::engine::stuck::stack::{Frame, Stack};
use crate::engine::stuck::{Origin, Stuck, StuckEvent};
use crate::model::owner::OwnerHow;
use crate::model::time::Mono;

/// So many sites stand at the end.
const SHOWN: usize = 20;

/// What was told so far.
#[derive(Debug, Default)]
pub(super) struct Told {
    sites: Sites,
    /// Stacks that stand above.
    printed: FxHashSet<u32>,
    latest: Mono,
}

impl<W: Write, N: Write> StuckSink<W, N> {
    /// Tells what one look has brought: for each stack of each kind of news one block.
    pub(super) fn tell_look(&mut self) -> io::Result<()> {
        let kept = std::mem::take(&mut self.kept);
        for stuck in &kept {
            self.told.sites.take(stuck);
            self.told.latest = self.told.latest.max(stuck.at);
        }
        let (ended, news): (Vec<&Stuck>, Vec<&Stuck>) =
            kept.iter().partition(|stuck| stuck.event == StuckEvent::Ended);
        for blocks in together(&news) {
            for group in group::groups_of(&blocks) {
                self.block(&group)?;
            }
        }
        for stuck in ended {
            push_news(self.out.line(), &mut self.clock, stuck);
            self.out.settle()?;
        }
        Ok(())
    }

    fn block(&mut self, group: &Group<'_>) -> io::Result<()> {
        let Some(oldest) = group.sockets.first() else { return Ok(()) };
        let line = self.out.line();
        self.clock.push(line, oldest.at);
        if self.clock.width() > 0 {
            line.push(b' ');
        }
        super::push_event(line, oldest.event);
        if group.sockets.len() == 1 {
            push_one(line, oldest);
        } else {
            super::push_group(line, group);
        }
        match &oldest.origin {
            Some(Origin::Stack(stack)) => {
                let above = !self.told.printed.insert(stack.id);
                line.extend_from_slice(b"        ");
                push_place(line, stack);
                if above {
                    line.extend_from_slice(b" (above)");
                }
                let site = self.told.sites.of(stack.id);
                if let Some(site) = site.filter(|site| above || site.count() > group.sockets.len()) {
                    line.extend_from_slice(b", where now are ");
                    push_count(line, site, self.told.latest);
                }
                line.extend_from_slice(if above { b"\n".as_slice() } else { b":\n" });
                if !above {
                    push_stack(line, stack);
                }
            }
            Some(Origin::Unknown(why)) => {
                line.extend_from_slice(b"        where it was opened is not known: ");
                line.extend_from_slice(why.as_bytes());
                line.push(b'\n');
            }
            None => {}
        }
        self.out.settle()
    }

    /// The sites with stuck sockets, at the end.
    pub(super) fn tell_sites(&mut self, now: Mono) -> io::Result<()> {
        let sites = self.told.sites.worst_first();
        let line = self.out.line();
        for (index, site) in sites.iter().take(SHOWN).enumerate() {
            if index == 0 {
                line.extend_from_slice(b"where the sockets that are still stuck were opened:\n");
            }
            push_count(line, site, now);
            line.extend_from_slice(b", ");
            match &site.owner {
                Some(task) => push_task(line, task),
                None => line.extend_from_slice(b"nobody"),
            }
            line.extend_from_slice(b", ");
            push_place(line, &site.stack);
            line.extend_from_slice(b":\n");
            push_stack(line, &site.stack);
        }
        if let Some(more) = sites.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            line.extend_from_slice(format!("and {more} more places\n").as_bytes());
        }
        self.out.settle()
    }
}

/// News of the same kind about the same stack, in the order in which they came.
fn together<'a>(news: &[&'a Stuck]) -> Vec<Vec<&'a Stuck>> {
    let key = |stuck: &Stuck| {
        let stack = stuck.origin.as_ref().and_then(Origin::stack).map(|stack| stack.id);
        let why = match &stuck.origin {
            Some(Origin::Unknown(why)) => Some(*why),
            _ => None,
        };
        (stuck.event, stack, why)
    };
    let mut all: Vec<Vec<&Stuck>> = Vec::new();
    for stuck in news {
        match all.iter_mut().find(|group| group.first().is_some_and(|first| key(first) == key(stuck))) {
            Some(group) => group.push(stuck),
            None => all.push(vec![stuck]),
        }
    }
    all
}

/// `accepted at stack 3`.
fn push_place(line: &mut Vec<u8>, stack: &Stack) {
    line.extend_from_slice(match stack.how {
        OwnerHow::Connect => b"connected at stack ".as_slice(),
        _ => b"accepted at stack ",
    });
    digits::push(line, stack.id.into());
}

/// `12 sockets, the oldest 34.8s`.
fn push_count(line: &mut Vec<u8>, site: &Site, now: Mono) {
    digits::push(line, site.count() as u64);
    line.extend_from_slice(if site.count() == 1 {
        b" socket, for ".as_slice()
    } else {
        b" sockets, the oldest for "
    });
    duration::push_span(line, &site.oldest(now));
}

fn push_stack(line: &mut Vec<u8>, stack: &Stack) {
    for (number, frame) in stack.frames.iter().enumerate() {
        line.extend_from_slice(format!("          #{number:<3}").as_bytes());
        push_frame(line, frame);
        line.push(b'\n');
    }
    for note in &stack.notes {
        line.extend_from_slice(b"          ");
        line.extend_from_slice(note.as_bytes());
        line.push(b'\n');
    }
}

/// `handle+0x2b at shop.c:31 (shop)`. Names are the binary's: they are escaped.
fn push_frame(line: &mut Vec<u8>, frame: &Frame) {
    match &frame.symbol {
        Some(symbol) => escape::push_escaped(line, symbol.as_bytes()),
        None => line.extend_from_slice(format!("{:#x}", frame.address).as_bytes()),
    }
    if let Some(offset) = frame.offset {
        line.extend_from_slice(format!("+{offset:#x}").as_bytes());
    }
    if frame.inlined {
        line.extend_from_slice(b" [inlined]");
    }
    if let Some(file) = &frame.file {
        line.extend_from_slice(b" at ");
        escape::push_escaped(line, file.as_bytes());
        if let Some(number) = frame.line {
            line.push(b':');
            digits::push(line, number.into());
        }
    }
    if let Some(module) = &frame.module {
        line.extend_from_slice(b" (");
        escape::push_escaped(line, module.as_bytes());
        if let (None, Some(offset)) = (&frame.symbol, frame.module_offset) {
            line.extend_from_slice(format!("+{offset:#x}").as_bytes());
        }
        line.push(b')');
    }
    if let Some(why) = frame.why {
        line.extend_from_slice(b": ");
        line.extend_from_slice(why.words().as_bytes());
    }
}
