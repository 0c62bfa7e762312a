//! From the addresses of a stack to names, as far as the process and its files can be read.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::engine::stuck::Origin;
use crate::engine::stuck::stack::{Frame, Nameless, Stack, UNREADABLE, notes};
use crate::model::time::Mono;
use crate::source::kernel::Opening;
use crate::source::mappings::{Mapping, Mappings};
use crate::source::symbols::{FileId, Name, Names, Symbols};
use crate::source::unwind::{Tables, Top, fill};

/// Processes whose memory maps are remembered; the oldest go first.
const PROCESSES: usize = 4_096;
/// Memory maps of one process: it may start another program, or load more libraries.
const MAPS_EACH: usize = 4;
/// Binaries whose unwind tables are remembered.
const TABLES: usize = 64;
/// Stacks that are remembered; one that comes again after they were forgotten has another number.
const KNOWN: usize = 16_384;

/// Names stacks.
#[derive(Debug, Default)]
pub struct Stacks {
    maps: FxHashMap<u32, Vec<Rc<Mappings>>>,
    order: VecDeque<u32>,
    symbols: Symbols,
    tables: FxHashMap<FileId, Option<Tables>>,
    known: FxHashMap<(u32, Vec<u64>), Arc<Stack>>,
    count: u32,
}

impl Stacks {
    /// Remembers what `pid` has mapped now, for when it has ended. To be called soon after it has opened a socket.
    pub fn remember(&mut self, pid: u32, now: Mono) {
        let maps = self.maps.get(&pid).and_then(|maps| maps.last());
        if maps.is_none_or(|maps| !maps.is_current(now)) {
            let _ = self.read(pid, now);
        }
    }

    fn read(&mut self, pid: u32, now: Mono) -> Result<Rc<Mappings>, Nameless> {
        let read = Rc::new(Mappings::read(pid, now)?);
        let maps = self.maps.entry(pid).or_insert_with(|| {
            self.order.push_back(pid);
            Vec::new()
        });
        if maps.len() == MAPS_EACH {
            maps.remove(0);
        }
        maps.push(Rc::clone(&read));
        while self.order.len() > PROCESSES {
            if let Some(oldest) = self.order.pop_front() {
                self.maps.remove(&oldest);
            }
        }
        Ok(read)
    }

    /// What was mapped when `opening` happened: the first map that was read after it, else the last one before.
    fn mapped(&mut self, opening: &Opening, now: Mono) -> Result<Rc<Mappings>, Nameless> {
        let holds =
            |maps: &Mappings| opening.frames.iter().take(1).all(|address| maps.at(*address).is_some());
        let remembered = self.maps.get(&opening.pid).and_then(|maps| {
            // A process that began later has taken over the number.
            let mut maps = maps.iter().filter(|maps| maps.began <= opening.at && holds(maps));
            let last = maps.clone().next_back();
            maps.find(|maps| maps.at >= opening.at).or(last).cloned()
        });
        match remembered {
            Some(maps) => Ok(maps),
            None => match self.read(opening.pid, now)? {
                maps if maps.began <= opening.at => Ok(maps),
                _ => Err(Nameless::Gone),
            },
        }
    }

    /// Names one stack.
    pub fn name(&mut self, opening: &Opening, now: Mono) -> Origin {
        if opening.frames.is_empty() {
            return Origin::Unknown(UNREADABLE);
        }
        let maps = self.mapped(opening, now);
        let (addresses, whole) = match &maps {
            Ok(maps) => self.addresses(opening, maps),
            Err(_) => (opening.frames.clone(), false),
        };
        let key = (opening.pid, addresses);
        if let Some(known) = self.known.get(&key) {
            return Origin::Stack(Arc::clone(known));
        }
        if self.known.len() >= KNOWN {
            self.known.clear();
        }
        self.count += 1;
        let frames = match &maps {
            Ok(maps) => self.frames(&key.1, maps),
            Err(why) => key
                .1
                .iter()
                .map(|address| Frame { address: *address, why: Some(*why), ..Frame::default() })
                .collect(),
        };
        let notes = if maps.is_ok() { notes(&frames, opening.cut, whole) } else { Vec::new() };
        let stack = Arc::new(Stack { id: self.count, pid: opening.pid, how: opening.how, frames, notes });
        self.known.insert(key, Arc::clone(&stack));
        Origin::Stack(stack)
    }

    /// The chain of frame pointers without its gaps, as far as it leads through code; and whether it surely goes to the thread's
    /// beginning.
    fn addresses(&mut self, opening: &Opening, maps: &Mappings) -> (Vec<u64>, bool) {
        let code = |address: &u64| maps.at(*address).is_some();
        let chain: Vec<u64> = opening.frames.iter().copied().take_while(code).collect();
        let Some((sp, bp)) = opening.registers.filter(|_| cfg!(target_arch = "x86_64")) else {
            return (chain, false);
        };
        if self.tables.len() > TABLES {
            self.tables.clear();
        }
        // Which binaries the steps lead through shows as they are made: one more is read each time round.
        loop {
            let mut missing = None;
            let tables = &self.tables;
            let mut find = |address: u64| {
                let mapping = maps.at(address).filter(|mapping| mapping.is_file())?;
                let place = address - mapping.start + mapping.offset;
                match tables.get(&id(mapping)) {
                    Some(tables) => tables.as_ref().map(|tables| (tables, place)),
                    None => {
                        missing = Some(mapping);
                        None
                    }
                }
            };
            let (filled, whole) = fill(&chain, &Top { sp, bp, bytes: &opening.top }, &mut find);
            let Some(mapping) = missing else {
                let code: Vec<u64> = filled.iter().copied().take_while(code).collect();
                let whole = whole && code.len() == filled.len();
                return (code, whole);
            };
            // Only while it is read.
            let read = maps.file_of(mapping).ok().and_then(|path| Tables::read(&path));
            self.tables.insert(id(mapping), read);
        }
    }

    fn frames(&mut self, addresses: &[u64], maps: &Mappings) -> Vec<Frame> {
        // One opening of a file for all its addresses.
        let mut by_file: FxHashMap<FileId, (&Mapping, Vec<u64>)> = FxHashMap::default();
        for (index, address) in addresses.iter().enumerate() {
            if let Some((mapping, place)) = place(maps, *address, index) {
                by_file.entry(id(mapping)).or_insert_with(|| (mapping, Vec::new())).1.push(place);
            }
        }
        let mut names: FxHashMap<(FileId, u64), Rc<Names>> = FxHashMap::default();
        for (file, (mapping, places)) in by_file {
            let found = match maps.file_of(mapping) {
                Ok(path) => self.symbols.names(&path, file, &places),
                Err(why) => places.iter().map(|_| Rc::new(Err(why))).collect(),
            };
            names.extend(places.iter().map(|place| (file, *place)).zip(found));
        }
        let mut frames = Vec::new();
        for (index, address) in addresses.iter().enumerate() {
            let bare = Frame { address: *address, ..Frame::default() };
            match (place(maps, *address, index), maps.at(*address)) {
                (Some((mapping, place)), _) => {
                    let base = Frame {
                        module: Some(mapping.name.clone()),
                        module_offset: Some(address - mapping.start + mapping.offset),
                        ..bare
                    };
                    match names.get(&(id(mapping), place)).map(|names| &**names) {
                        Some(Ok(names)) => push(&mut frames, &base, names, index > 0),
                        Some(Err(why)) => frames.push(Frame { why: Some(*why), ..base }),
                        None => frames.push(Frame { why: Some(Nameless::Unreadable), ..base }),
                    }
                }
                (None, Some(named)) if !named.name.is_empty() => {
                    let module = Some(named.name.clone());
                    frames.push(Frame { module, why: Some(Nameless::Stripped), ..bare });
                }
                (None, _) => frames.push(Frame { why: Some(Nameless::Jit), ..bare }),
            }
        }
        frames
    }
}

fn id(mapping: &Mapping) -> FileId {
    (mapping.device, mapping.inode)
}

/// The file behind an address, and where in it. A return address stands behind its call, maybe already in the next function or line.
fn place(maps: &Mappings, address: u64, index: usize) -> Option<(&Mapping, u64)> {
    let inside = if index == 0 { address } else { address - 1 };
    let mapping = maps.at(inside).filter(|mapping| mapping.is_file())?;
    Some((mapping, inside - mapping.start + mapping.offset))
}

fn push(frames: &mut Vec<Frame>, base: &Frame, names: &[Name], returns: bool) {
    let last = names.len().saturating_sub(1);
    frames.extend(names.iter().enumerate().map(|(index, name)| Frame {
        symbol: Some(name.symbol.clone()),
        offset: name.offset.map(|offset| offset + u64::from(returns)),
        file: name.file.clone(),
        line: name.line,
        inlined: index != last,
        ..base.clone()
    }));
}
