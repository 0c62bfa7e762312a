//! Where lengths are counted: octaves of histograms, by CPU.

use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{HashMap, PerCpuArray, PerCpuHashMap};
use tcptrace_ebpf::bucket::SLOTS;
use tcptrace_ebpf::wire::{Group, Octave, ROWS};

use super::config::{config, constant};

/// Without groups all histograms, with groups those of whatever exceeds their number: `row * SLOTS + slot`.
#[map]
static STAYS: PerCpuArray<Octave> = PerCpuArray::with_max_entries(ROWS * SLOTS, 0);

/// Numbers of the groups.
#[map]
static GROUPS: HashMap<Group, u32> = HashMap::with_max_entries(1, 0);

/// Histograms of groups: `group << 32 | row << 8 | slot`.
#[map]
static GROUP_STAYS: PerCpuHashMap<u64, Octave> = PerCpuHashMap::with_max_entries(1, 0);

/// This CPU's number and how many groups it has numbered: `cpu << 20 | count`, set by the loader.
#[map]
static NEXT_GROUP: PerCpuArray<u32> = PerCpuArray::with_max_entries(1, 0);

/// What an octave begins with. A place of its own: a copy of it on the stack would have to be cleared by a call, see
/// [`Comm`](super::task::Comm).
static EMPTY: Octave = Octave { sum: 0, shortest: 0, longest: 0, counts: [0; 16] };

/// Slot, place in it, and nanoseconds.
pub(super) type Length = (u32, u32, u64);

/// Counts a length in a row of a group; of those for which there is no room in that of all of them.
#[inline(always)]
pub(super) fn count(group: &Group, row: u32, (slot, place, ns): Length) {
    let whole = || STAYS.get_ptr_mut(row * SLOTS + slot);
    // The way without groups carries nothing of them.
    let octave =
        if constant!(config(), by) == 0 { whole() } else { of_group(group, row, slot).or_else(whole) };
    let Some(octave) = octave else { return };
    // SAFETY: this CPU's own octave.
    let octave = unsafe { &mut *octave };
    octave.counts[place as usize & 15] += 1;
    octave.sum = octave.sum.wrapping_add(ns);
    if ns > octave.longest {
        octave.longest = ns;
    }
    if !ns > octave.shortest {
        octave.shortest = !ns;
    }
}

/// This group's octave; `None` when there is no room for the group or for another octave of it.
#[inline(always)]
fn of_group(group: &Group, row: u32, slot: u32) -> Option<*mut Octave> {
    // SAFETY: copied at once.
    let number = match unsafe { GROUPS.get(group) }.copied() {
        Some(number) => number,
        None => {
            let next = NEXT_GROUP.get_ptr_mut(0)?;
            // SAFETY: this CPU's own number.
            let number = unsafe { *next };
            // Another CPU may have been faster.
            if GROUPS.insert(group, &number, BPF_NOEXIST as u64).is_ok() {
                // SAFETY: as above.
                unsafe { *next = number.wrapping_add(1) };
                number
            } else {
                // SAFETY: copied at once.
                unsafe { GROUPS.get(group) }.copied()?
            }
        }
    };
    let key = (number as u64) << 32 | (row as u64) << 8 | slot as u64;
    if let Some(octave) = GROUP_STAYS.get_ptr_mut(&key) {
        return Some(octave);
    }
    let _ = GROUP_STAYS.insert(&key, &EMPTY, BPF_NOEXIST as u64);
    GROUP_STAYS.get_ptr_mut(&key)
}
