//! Exponential buckets of base 2^(1/16): those of an OpenTelemetry exponential histogram of scale 4 and of a Prometheus native
//! histogram of schema 4. Bucket `i` holds `2^(i/16) < ns <= 2^((i+1)/16)`.
//!
//! Integers only: the same bounds, exactly, in the kernel and outside.

/// Buckets of one octave.
pub const SCALE: usize = 16;

/// `floor(2^(63 + k/16))`: where the k-th bucket of an octave begins, in the octave of the highest bit.
const BEGINS: [u64; SCALE + 1] = [
    0x8000_0000_0000_0000,
    0x85aa_c367_cc48_7b14,
    0x8b95_c1e3_ea8b_d6e6,
    0x91c3_d373_ab11_c336,
    0x9837_f051_8db8_a96f,
    0x9ef5_3260_91a1_11ad,
    0xa5fe_d6a9_b151_38ea,
    0xad58_3eea_42a1_4ac6,
    0xb504_f333_f9de_6484,
    0xbd08_a39f_580c_36be,
    0xc567_2a11_5506_dadd,
    0xce24_8c15_1f84_80e3,
    0xd744_fcca_d69d_6af4,
    0xe0cc_deec_2a94_e111,
    0xeac0_c6e7_dd24_392e,
    0xf525_7d15_2486_cc2c,
    // Where the last one ends: never looked at, but in reach as the verifier sees it.
    u64::MAX,
];

/// The bucket in which each 32nd of an octave begins; at most one boundary lies within a 32nd.
const GUESS: [u8; 32] = [
    0, 0, 1, 2, 2, 3, 3, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 12, 13, 13, 14, 14, 14, 15,
    15,
];

/// Slots of a state: one an octave, and what has no length.
pub const SLOTS: u32 = 68;

/// Slot of stays that began before tracing did.
pub const AT_LEAST: u32 = 65;

/// Slot of stays of unknown beginning.
pub const UNKNOWN: u32 = 66;

/// Slot of what goes on in timewait sockets that user space was not told of: not over yet, but by the kernel's rule within a minute.
pub const RULED: u32 = 67;

/// Slot and place in it of a length: slot 0 is for up to 1 ns, slot `o + 1` for `2^o < ns <= 2^(o + 1)`.
#[must_use]
#[inline(always)]
pub fn place(ns: u64) -> (u32, u32) {
    if ns <= 1 {
        return (0, 15);
    }
    // Where a whole nanosecond spans several buckets it is looked up six octaves higher, where it does not.
    let higher = if ns < 64 { 6 } else { 0 };
    // Bounds belong to the bucket below them.
    let below = (ns << higher) - 1;
    let shift = below.leading_zeros() & 63;
    let fraction = (below << shift >> 58) as usize & 31;
    // Masks tell the verifier what the compiler knows.
    let guess = GUESS[fraction] & 15;
    let more = guess < 15 && below >= BEGINS[guess as usize + 1] >> shift;
    (64 - higher - shift, (guess as u32 + more as u32) & 15)
}
