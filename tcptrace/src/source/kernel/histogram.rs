//! Histograms that the kernel half keeps: reads what its counters have grown by.

use std::io;

use aya::Ebpf;
use aya::maps::{MapData, PerCpuArray, PerCpuValues};
use aya::util::nr_cpus;
use rustc_hash::FxHashMap;
use tcptrace_ebpf::bucket::{AT_LEAST, RULED, SLOTS, UNKNOWN};
use tcptrace_ebpf::wire::{self, Octave, ROWS, STATES, by, of, row};

use super::Kernel;
use super::convert::opened_by;
use super::error::{AttachError, short};
use super::lookup::Table;
use super::object::{take, take_map};
use crate::engine::histogram::asked::Asked;
use crate::engine::histogram::counted::{Counted, Stays};
use crate::engine::histogram::group::{By, Group};
use crate::model::measure::Measure;
use crate::model::state::TcpState;

/// Octaves that a group has room for: some states, each over a few orders of magnitude.
const OCTAVES: u32 = 96;

/// What the kernel half counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counting {
    /// Grouped by these, of those that [`By::in_kernel`].
    pub by: Vec<By>,
    /// At most so many groups.
    pub max_groups: u32,
    /// What is counted.
    pub asked: Asked,
    /// At most so many new timewait sockets are told of in about a second; the rest is counted.
    pub minis: u32,
    /// Read the counters in batches where the kernel has them.
    pub batches: bool,
}

impl Counting {
    /// Bits of the kernel half's constant.
    pub(super) fn bits(&self) -> u8 {
        let bit = |key: &By| match key {
            By::Pid => by::PID,
            By::Lport => by::LPORT,
            By::Rport => by::RPORT,
            By::Netns => by::NETNS,
            By::Cgroup => by::CGROUP,
            By::Role => by::ROLE,
            By::State | By::Comm | By::Raddr | By::End => 0,
        };
        self.by.iter().map(bit).fold(0, |all, bit| all | bit)
    }

    /// Bits of what is counted.
    pub(super) fn of(&self) -> u8 {
        let bit = |measure: &Measure| match measure {
            Measure::State(_) => of::STATES,
            Measure::Handshake => of::HANDSHAKE,
            Measure::AcceptWait => of::ACCEPT_WAIT,
            Measure::Lifetime => of::LIFETIME,
            Measure::Reaction => of::REACTION,
            Measure::FinToFin => of::FIN_TO_FIN,
        };
        let stays = if self.asked.stays { of::STATES } else { 0 };
        self.asked.derived.iter().map(bit).fold(stays, |all, bit| all | bit)
    }

    /// Whether the exit of accept() must be traced.
    pub(super) fn accepts(&self) -> bool {
        self.owners() || self.of() & of::ACCEPT_WAIT != 0
    }

    /// Rows of histograms.
    pub(super) fn rows(&self) -> u32 {
        if self.asked.derived.is_empty() { STATES } else { ROWS }
    }

    /// Whether the kernel half must know who accepted what.
    pub(super) fn owners(&self) -> bool {
        self.by.contains(&By::Pid)
    }

    /// Entries of `GROUPS` and of `GROUP_STAYS`.
    pub(super) fn room(&self) -> (u32, u32) {
        match self.bits() {
            0 => (1, 1),
            _ => (self.max_groups, self.max_groups.saturating_mul(OCTAVES)),
        }
    }
}

/// The counters, with what they were when they were last read.
pub(super) struct Counters {
    /// Programs find their maps by fd when they are loaded: it must stay open.
    _next: PerCpuArray<MapData, u32>,
    stays: Table,
    groups: Table,
    group_stays: Table,
    /// By the key of `GROUP_STAYS`: the octaves of all CPUs, as bytes.
    seen: FxHashMap<u64, Box<[u8]>>,
    names: FxHashMap<u32, Group>,
    grouped: bool,
}

/// Stands for the number of a group in what is not grouped.
const UNGROUPED: u64 = 0xffff_ffff << 32;

impl Counters {
    pub(super) fn new(ebpf: &mut Ebpf, counting: &Counting) -> Result<Self, AttachError> {
        // Group numbers of different CPUs never meet.
        let cpus = nr_cpus().map_err(|(what, error)| AttachError::Failed(format!("{what}: {error}")))?;
        let mut next: PerCpuArray<_, u32> = take(ebpf, "NEXT_GROUP")?;
        let first = (0..cpus).map(|cpu| u32::try_from(cpu).unwrap_or(0) << 20).collect::<Vec<_>>();
        PerCpuValues::try_from(first)
            .map_err(|error| AttachError::Failed(format!("numbering groups: {error}")))
            .and_then(|first| {
                next.set(0, first, 0)
                    .map_err(|error| AttachError::Failed(format!("numbering groups: {}", short(&error))))
            })?;
        let batches = counting.batches;
        let octaves = cpus * size_of::<Octave>();
        Ok(Self {
            _next: next,
            stays: Table::new(take_map(ebpf, "STAYS")?, size_of::<u32>(), octaves, batches)?,
            groups: Table::new(
                take_map(ebpf, "GROUPS")?,
                size_of::<wire::Group>(),
                size_of::<u32>(),
                batches,
            )?,
            group_stays: Table::new(take_map(ebpf, "GROUP_STAYS")?, size_of::<u64>(), octaves, batches)?,
            seen: FxHashMap::default(),
            names: FxHashMap::default(),
            grouped: counting.bits() != 0,
        })
    }

    /// What was counted since the last call.
    fn read(&mut self, each: &mut dyn FnMut(Counted)) -> io::Result<()> {
        let Self { _next: _, stays, groups, group_stays, seen, names, grouped } = self;
        let ungrouped = if *grouped { Group::OTHER } else { Group::default() };
        stays.read(&mut |key, now| {
            let index = key.first_chunk().map_or(0, |key| u32::from_ne_bytes(*key));
            let place = UNGROUPED | u64::from(index / SLOTS) << 8 | u64::from(index % SLOTS);
            grown(seen, place, now, ungrouped, each);
        })?;
        if !*grouped {
            return Ok(());
        }
        // Groups that were numbered since the last time are told of by what was counted for them.
        for named_anew in [false, true] {
            let mut nameless = false;
            group_stays.read(&mut |key, now| {
                let place = key.first_chunk().map_or(0, |key| u64::from_ne_bytes(*key));
                match names.get(&u32::try_from(place >> 32).unwrap_or(0)) {
                    Some(group) => grown(seen, place, now, *group, each),
                    None => nameless = true,
                }
            })?;
            if !nameless || named_anew {
                break;
            }
            groups.read(&mut |key, number| {
                let number = number.first_chunk().map_or(0, |number| u32::from_ne_bytes(*number));
                if let Some(group) = wire::Group::decode(key) {
                    names.entry(number).or_insert_with(|| named(&group));
                }
            })?;
        }
        Ok(())
    }
}

/// Hands over what the CPUs' counters at one place have grown by, and keeps their values.
fn grown(
    seen: &mut FxHashMap<u64, Box<[u8]>>,
    place: u64,
    now: &[u8],
    group: Group,
    each: &mut dyn FnMut(Counted),
) {
    // Most have not, or were never used.
    let before = seen.get(&place).map_or(&[][..], |before| before);
    if before == now || (before.is_empty() && now.iter().all(|byte| *byte == 0)) {
        return;
    }
    let low = |number: u64| u32::try_from(number & 0xff).unwrap_or(0);
    let (row, slot) = (low(place >> 8), low(place));
    let Some(measure) = measure(row) else { return };
    let octaves = |bytes: &[u8]| -> Vec<Octave> {
        bytes.chunks_exact(size_of::<Octave>()).filter_map(Octave::decode).collect()
    };
    let (before, after) = (octaves(before), octaves(now));
    let mut counts = [0_u64; 16];
    let mut sum = 0_u64;
    for (cpu, now) in after.iter().enumerate() {
        let before = before.get(cpu).copied().unwrap_or_default();
        for (count, (now, before)) in counts.iter_mut().zip(now.counts.iter().zip(before.counts)) {
            *count += u64::from(now.wrapping_sub(before));
        }
        sum = sum.wrapping_add(now.sum.wrapping_sub(before.sum));
    }
    if counts.iter().all(|count| *count == 0) {
        return;
    }
    let extremes = |octaves: &[Octave]| {
        let used = octaves.iter().filter(|octave| octave.shortest != 0);
        let shortest = used.clone().map(|octave| !octave.shortest).min().unwrap_or(u64::MAX);
        (shortest, used.map(|octave| octave.longest).max().unwrap_or(0))
    };
    let (before, after) = (extremes(&before), extremes(&after));
    seen.insert(place, now.into());
    let stays = match slot {
        AT_LEAST => Stays::AtLeast(counts.iter().sum()),
        UNKNOWN => Stays::Unknown(counts.iter().sum()),
        RULED => Stays::Ruled(counts.iter().sum()),
        _ => Stays::Measured {
            first: u16::try_from(slot * 16).unwrap_or(u16::MAX),
            counts,
            sum,
            shortest: (after.0, after.0 < before.0),
            longest: (after.1, after.1 > before.1),
        },
    };
    each(Counted { group, measure, stays });
}

fn measure(row: u32) -> Option<Measure> {
    Some(match row {
        row::HANDSHAKE => Measure::Handshake,
        row::ACCEPT_WAIT => Measure::AcceptWait,
        row::LIFETIME => Measure::Lifetime,
        row::REACTION => Measure::Reaction,
        row::FIN_TO_FIN => Measure::FinToFin,
        state => Measure::State(u8::try_from(state).ok().and_then(TcpState::from_kernel)?),
    })
}

fn named(group: &wire::Group) -> Group {
    let wire::Group { cgroup, pid, netns, lport, rport, role, pad: _ } = *group;
    Group {
        pid: (pid != 0).then_some(pid),
        lport: (lport != 0).then_some(lport),
        rport: (rport != 0).then_some(rport),
        cgroup: (cgroup != 0).then_some(cgroup),
        netns: (netns != 0).then_some(netns),
        role: opened_by(role),
        ..Group::default()
    }
}

impl Kernel {
    /// What the histograms have grown by since the last call; nothing where the kernel half does not count.
    ///
    /// # Errors
    /// What the kernel says; then nothing is lost, the next call tries again.
    pub fn counted(&mut self, each: &mut dyn FnMut(Counted)) -> io::Result<()> {
        self.counters.as_mut().map_or(Ok(()), |counters| counters.read(each))
    }
}

#[cfg(test)]
mod tests {
    use tcptrace_ebpf::bucket::place;

    use crate::engine::histogram::bucket;

    #[test]
    fn both_halves_find_the_same_bucket() {
        let mut seed = 1_u64;
        let random = (0..300_000_u32).map(|step| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            seed >> (step % 64)
        });
        let bounds = (15..1040).flat_map(|at| {
            let bound = bucket::longest(at);
            [bound.saturating_sub(1), bound, bound.saturating_add(1)]
        });
        for ns in random.chain(bounds).chain([0, u64::MAX]) {
            let (slot, within) = place(ns);
            assert_eq!(slot * 16 + within, u32::from(bucket::of(ns)), "{ns}");
        }
    }
}
