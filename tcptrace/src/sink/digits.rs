//! Numbers as decimal digits, straight into a line.

/// Eight digits make one word, whose bytes are computed side by side.
const WIDTH: usize = 8;
const FULL: u64 = 100_000_000;
const ZEROS: u64 = 0x3030_3030_3030_3030;

/// Appends `number`.
#[inline]
pub(super) fn push(out: &mut Vec<u8>, number: u64) {
    push_padded(out, number, 1);
}

/// Appends `number` with leading zeros up to `digits`.
#[inline]
pub(super) fn push_padded(out: &mut Vec<u8>, number: u64, digits: usize) {
    if number >= FULL || digits > WIDTH {
        push_padded(out, number / FULL, digits.saturating_sub(WIDTH));
        append(out, eight(number % FULL), WIDTH);
    } else {
        let word = eight(number);
        append(out, word, (WIDTH - leading(word)).max(digits).max(1));
    }
}

/// Appends `number` in hex without prefix.
#[inline]
pub(super) fn push_hex(out: &mut Vec<u8>, number: u64) {
    let word = nibbles(number & 0xffff_ffff);
    if number >> 32 == 0 {
        append_hex(out, word, (WIDTH - leading(word)).max(1));
    } else {
        let high = nibbles(number >> 32);
        append_hex(out, high, WIDTH - leading(high));
        append_hex(out, word, WIDTH);
    }
}

/// The digits of a number below [`FULL`], the first in the lowest byte: halves of four digits, of these halves of two, of these digits;
/// a product and a shift divide all parts at once, exactly as far as they can get.
#[inline]
fn eight(number: u64) -> u64 {
    let fours = (number / 10_000) | ((number % 10_000) << 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = hundreds | ((fours - 100 * hundreds) << 16);
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | ((twos - 10 * tens) << 8)
}

/// The hex digits of 32 bits as numbers, the first in the lowest byte.
#[inline]
fn nibbles(number: u64) -> u64 {
    let bytes = number.swap_bytes() >> 32;
    let pairs = (bytes | (bytes << 16)) & 0x0000_ffff_0000_ffff;
    let single = (pairs | (pairs << 8)) & 0x00ff_00ff_00ff_00ff;
    ((single >> 4) | (single << 8)) & 0x0f0f_0f0f_0f0f_0f0f
}

/// How many of a word's first digits are 0.
#[inline]
fn leading(word: u64) -> usize {
    word.trailing_zeros() as usize / 8
}

/// Appends the last `count` digits of a word, one to eight. All eight are written, which needs no loop, and those too many taken back.
#[inline]
fn append(out: &mut Vec<u8>, word: u64, count: usize) {
    append_text(out, word | ZEROS, count);
}

/// The same in hex: what is above 9 is a letter.
#[inline]
fn append_hex(out: &mut Vec<u8>, word: u64, count: usize) {
    let letters = ((word + 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101;
    append_text(out, word + ZEROS + letters * u64::from(b'a' - b'9' - 1), count);
}

#[inline]
fn append_text(out: &mut Vec<u8>, word: u64, count: usize) {
    let spare = WIDTH - count;
    out.extend_from_slice(&(word >> (8 * spare)).to_le_bytes());
    out.truncate(out.len() - spare);
}

/// `number` in hex without prefix, held by `room`.
pub(super) fn hex(number: u64, room: &mut [u8; 16]) -> &str {
    let mut first = room.len();
    let mut rest = number;
    for place in room.iter_mut().rev() {
        *place = b"0123456789abcdef"[usize::try_from(rest & 0xf).unwrap_or(0)];
        first -= 1;
        rest >>= 4;
        if rest == 0 {
            break;
        }
    }
    std::str::from_utf8(&room[first..]).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn compare(number: u64, digits: usize) {
        let (mut plain, mut hex, mut padded) = (Vec::new(), Vec::new(), Vec::new());
        push(&mut plain, number);
        push_hex(&mut hex, number);
        push_padded(&mut padded, number, digits);
        assert_eq!(String::from_utf8(plain).unwrap(), number.to_string());
        assert_eq!(String::from_utf8(hex).unwrap(), format!("{number:x}"));
        assert_eq!(String::from_utf8(padded).unwrap(), format!("{number:0digits$}"));
    }

    #[test]
    fn digits_are_those_of_the_standard_library_at_every_power() {
        let powers = (0..64).map(|bit| 1_u64 << bit).chain((0..20).map(|digits| 10_u64.pow(digits)));
        for number in powers.chain([0, u64::MAX, 99_999_999, 65_535]) {
            for digits in 1..20 {
                compare(number, digits);
                compare(number.wrapping_sub(1), digits);
            }
        }
    }

    #[test]
    fn all_groups_of_four_digits_are_right() {
        (0..10_000).for_each(|four| compare(four * 10_001, 9));
    }

    proptest! {
        #[test]
        fn digits_are_those_of_the_standard_library(number: u64, bits in 0_u32..64, digits in 1_usize..20) {
            compare(number >> bits, digits);
        }
    }
}
