//! Constants that the loader sets before the verifier sees them, so that what is off costs nothing.

use tcptrace_ebpf::wire::{ABSENT, Config, Layout, Offsets};

#[unsafe(no_mangle)]
static OFFSETS: [u16; size_of::<Offsets>() / 2] = [ABSENT; size_of::<Offsets>() / 2];

#[unsafe(no_mangle)]
static LAYOUT: [u16; size_of::<Layout>() / 2] = [ABSENT; size_of::<Layout>() / 2];

#[unsafe(no_mangle)]
static CONFIG: [u64; size_of::<Config>() / 8] = [0; size_of::<Config>() / 8];

/// The kernel's struct offsets. Read fields with [`constant!`], each a load that the verifier folds.
#[inline(always)]
pub(super) fn offsets() -> &'static Offsets {
    // SAFETY: made of 16-bit numbers, in an array of as many.
    unsafe { &*core::ptr::from_ref(&OFFSETS).cast() }
}

/// The classic tracepoint's layout.
#[inline(always)]
pub(super) fn layout() -> &'static Layout {
    // SAFETY: as above.
    unsafe { &*core::ptr::from_ref(&LAYOUT).cast() }
}

/// What to do.
#[inline(always)]
pub(super) fn config() -> &'static Config {
    // SAFETY: all bit patterns are valid, size and alignment are those of the array.
    unsafe { &*core::ptr::from_ref(&CONFIG).cast() }
}

/// Reads a loader-set value. Volatile: what is compiled in is not what runs.
#[inline(always)]
pub(super) fn read<T: Copy>(field: &T) -> T {
    // SAFETY: a valid reference.
    unsafe { core::ptr::read_volatile(field) }
}

/// One field of a loader-set constant: `constant!(config(), uid[index])`.
macro_rules! constant {
    ($base:expr, $($field:tt)+) => {
        $crate::kernel::config::read(&$base.$($field)+)
    };
}

pub(super) use constant;
