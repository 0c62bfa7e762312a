//! Claims as they were last written: the connections of one process come together, and their lines differ in other things.

use super::super::owner::{Claim, Key};

/// So many bits of a key's number choose its place.
const BITS: u32 = 6;

/// One claim's text.
#[derive(Clone, Debug, Default)]
struct Place {
    key: Option<Key>,
    text: Vec<u8>,
}

/// The last claim of each place.
#[derive(Debug)]
pub(in super::super) struct Claims(Vec<Place>);

impl Default for Claims {
    fn default() -> Self {
        Self(vec![Place::default(); 1 << BITS])
    }
}

impl Claims {
    /// Appends the claim as JSON.
    pub(super) fn push(&mut self, out: &mut Vec<u8>, claim: &Claim<'_>) {
        let key = claim.key();
        let place = &mut self.0[(key.spread() >> (u32::BITS - BITS)) as usize];
        if place.key != Some(key) {
            place.text.clear();
            claim.record().write(&mut place.text);
            place.key = Some(key);
        }
        out.extend_from_slice(&place.text);
    }
}
