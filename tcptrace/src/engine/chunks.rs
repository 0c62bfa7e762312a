//! Values in chunks: growing moves nothing and wastes at most one chunk.

use super::table::Slot;

/// Each chunk takes a page more than its values, for what the allocator keeps before them: few, and large. Pages that are not used yet are
/// not touched.
const BITS: u32 = 12;

/// A vacant place holds whatever was put there when its value was taken.
#[derive(Debug)]
pub(crate) struct Chunks<T> {
    chunks: Vec<Vec<T>>,
    free: Vec<Slot>,
    used: Slot,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), free: Vec::new(), used: 0 }
    }
}

impl<T> Chunks<T> {
    pub(crate) fn at(&self, slot: Slot) -> &T {
        &self.chunks[(slot >> BITS) as usize][(slot & ((1 << BITS) - 1)) as usize]
    }

    pub(crate) fn at_mut(&mut self, slot: Slot) -> &mut T {
        &mut self.chunks[(slot >> BITS) as usize][(slot & ((1 << BITS) - 1)) as usize]
    }

    /// Keeps `value`; where.
    pub(crate) fn put(&mut self, value: T) -> Slot {
        if let Some(slot) = self.free.pop() {
            *self.at_mut(slot) = value;
            return slot;
        }
        let slot = self.used;
        if slot.trailing_zeros() >= BITS {
            self.chunks.push(Vec::with_capacity(1 << BITS));
        }
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.push(value);
        }
        self.used += 1;
        slot
    }

    /// Takes the value out of `slot`, which is used again.
    pub(crate) fn take(&mut self, slot: Slot, vacant: T) -> T {
        self.free.push(slot);
        std::mem::replace(self.at_mut(slot), vacant)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.used as usize - self.free.len()
    }

    /// Slots that are or have been used.
    pub(crate) fn slots(&self) -> std::ops::Range<Slot> {
        0..self.used
    }
}
