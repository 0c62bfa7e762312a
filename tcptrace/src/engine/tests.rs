//! Whole lives, told as the kernel tells them.

mod ends;
mod lives;
mod measures;
mod minis;
mod owners;
mod repairs;
mod rests;

/// A plain ESTABLISHED life costs its place, its share of the cookie index and nothing on the heap.
#[test]
fn a_life_is_small() {
    let life = size_of::<super::life::Life>();
    // The index takes eight bytes at most.
    assert!(life + 8 <= 200, "{life} bytes");
}

/// So is a TIME_WAIT that has been told, beside its deadline and two indices.
#[test]
fn a_time_wait_is_smaller() {
    let rest = size_of::<super::rest::Rest>();
    assert!(rest + 16 + 8 + 12 <= 140, "{rest} bytes");
}
