//! Histograms that the kernel half keeps: reads what its counters have grown by.

use aya::Ebpf;
use aya::maps::{HashMap, MapData, PerCpuArray, PerCpuHashMap, PerCpuValues};
use aya::util::nr_cpus;
use rustc_hash::FxHashMap;
use tcptrace_ebpf::bucket::{AT_LEAST, SLOTS, UNKNOWN};
use tcptrace_ebpf::wire::{self, Octave, STATES, by};

use super::Kernel;
use super::attach::take;
use super::convert::opened_by;
use super::error::{AttachError, short};
use crate::engine::histogram::book::{Counted, Stays};
use crate::engine::histogram::group::{By, Group};
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
}

/// An octave of one CPU, as bytes: the border is crossed by plain old data only.
type Raw = [u8; size_of::<Octave>()];

/// The key of `GROUPS`.
type GroupKey = [u8; size_of::<wire::Group>()];

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
    stays: PerCpuArray<MapData, Raw>,
    groups: HashMap<MapData, GroupKey, u32>,
    group_stays: PerCpuHashMap<MapData, u64, Raw>,
    seen: FxHashMap<(u32, u32, u32), Vec<Octave>>,
    names: FxHashMap<u32, Group>,
    grouped: bool,
}

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
        Ok(Self {
            _next: next,
            stays: take(ebpf, "STAYS")?,
            groups: take(ebpf, "GROUPS")?,
            group_stays: take(ebpf, "GROUP_STAYS")?,
            seen: FxHashMap::default(),
            names: FxHashMap::default(),
            grouped: counting.bits() != 0,
        })
    }

    /// What was counted since the last call.
    fn read(&mut self, each: &mut dyn FnMut(Counted)) {
        let Self { _next: _, stays, groups, group_stays, seen, names, grouped } = self;
        let ungrouped = if *grouped { Group::OTHER } else { Group::default() };
        for index in SLOTS..STATES * SLOTS {
            // An index within the array.
            let Ok(now) = stays.get(&index, 0) else { continue };
            let place = (u32::MAX, index / SLOTS, index % SLOTS);
            grown(seen.entry(place).or_default(), &now, place, ungrouped, each);
        }
        if !*grouped {
            return;
        }
        for (key, number) in groups.iter().flatten() {
            if let Some(group) = wire::Group::decode(&key) {
                names.entry(number).or_insert_with(|| named(&group));
            }
        }
        for (key, now) in group_stays.iter().flatten() {
            let low = |number: u64| u32::try_from(number & 0xffff_ffff).unwrap_or(0);
            let place = (low(key >> 32), low(key) >> 8, low(key) & 0xff);
            // Numbered just now: the next reading will know it.
            let Some(group) = names.get(&place.0) else { continue };
            grown(seen.entry(place).or_default(), &now, place, *group, each);
        }
    }
}

/// Hands over what the CPUs' counters at one place have grown by, and keeps their values.
fn grown(
    seen: &mut Vec<Octave>,
    now: &PerCpuValues<Raw>,
    (_, state, slot): (u32, u32, u32),
    group: Group,
    each: &mut dyn FnMut(Counted),
) {
    let Some(state) = u8::try_from(state).ok().and_then(TcpState::from_kernel) else { return };
    let now: Vec<Octave> = now.iter().filter_map(|raw| Octave::decode(raw)).collect();
    let mut counts = [0_u64; 16];
    let mut sum = 0_u64;
    for (cpu, now) in now.iter().enumerate() {
        let before = seen.get(cpu).copied().unwrap_or_default();
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
    let (before, after) = (extremes(seen), extremes(&now));
    *seen = now;
    let stays = match slot {
        AT_LEAST => Stays::AtLeast(counts.iter().sum()),
        UNKNOWN => Stays::Unknown(counts.iter().sum()),
        _ => Stays::Measured {
            first: u16::try_from(slot * 16).unwrap_or(u16::MAX),
            counts,
            sum,
            shortest: (after.0, after.0 < before.0),
            longest: (after.1, after.1 > before.1),
        },
    };
    each(Counted { group, state, stays });
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
    pub fn counted(&mut self, each: &mut dyn FnMut(Counted)) {
        if let Some(counters) = &mut self.counters {
            counters.read(each);
        }
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
