//! Eight bytes at a time: where a string ends, and what number stands there. Most of a replay's time goes by here.

/// One bit in each byte.
const ONES: u64 = 0x0101_0101_0101_0101;
/// The highest bit of each byte.
const HIGH: u64 = 0x80 * ONES;
/// Powers of ten by how many digits follow.
const TENS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// How many bytes stand before the first one that is a quote, a backslash, a control character or no ASCII.
#[inline]
pub(super) fn plain(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    let mut length = 0;
    while let Some((eight, more)) = rest.split_first_chunk() {
        let word = u64::from_le_bytes(*eight);
        // In each of these the lowest mark is right; higher ones may be borrows of it.
        let marks = (below(word ^ (ONES * 0x22), 1) | below(word ^ (ONES * 0x5c), 1) | below(word, 0x20))
            | (word & HIGH);
        if marks != 0 {
            return length + lowest(marks);
        }
        length += 8;
        rest = more;
    }
    length
        + rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f | 0x80..)).unwrap_or(rest.len())
}

/// The number that `bytes` begin with, and its digits. `None` without digits, with a zero that leads, or when it exceeds a `u64`.
#[inline]
pub(super) fn number(bytes: &[u8]) -> Option<(u64, usize)> {
    let (mut number, mut length) = chunk(bytes);
    if length == 8 {
        let (more, digits) = chunk(bytes.get(8..)?);
        number = number * TENS.get(digits)? + more;
        length += digits;
    }
    if length == 16 {
        let (more, digits) = chunk(bytes.get(16..)?);
        number = number.checked_mul(*TENS.get(digits)?)?.checked_add(more)?;
        length += digits;
    }
    (length == 1 || (length > 1 && bytes.first() != Some(&b'0'))).then_some((number, length))
}

/// The number of up to eight digits that `bytes` begin with, and how many they are.
#[inline]
fn chunk(bytes: &[u8]) -> (u64, usize) {
    let word = bytes.first_chunk().map_or_else(
        || {
            let mut eight = [0; 8];
            eight.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
            u64::from_le_bytes(eight)
        },
        |eight| u64::from_le_bytes(*eight),
    );
    let values = word ^ (ONES * 0x30);
    let others = (values.wrapping_add(ONES * 0x76) | values) & HIGH;
    let length = if others == 0 { 8 } else { lowest(others) };
    if length == 0 {
        return (0, 0);
    }
    // Zeros take the places before the first digit, then neighbours are added up: 2, 4, 8 digits.
    let digits = values << (64 - 8 * length);
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    (fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff, length)
}

/// Marks bytes of `word` that are below `limit`, at most 0x80.
#[inline]
const fn below(word: u64, limit: u64) -> u64 {
    word.wrapping_sub(ONES * limit) & !word & HIGH
}

/// Which byte the lowest mark is in.
#[inline]
const fn lowest(marks: u64) -> usize {
    marks.trailing_zeros() as usize / 8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_string_ends_where_a_slow_search_says(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let end = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f | 0x80..));
            prop_assert_eq!(plain(&bytes), end.unwrap_or(bytes.len()));
        }

        #[test]
        fn a_number_is_what_the_standard_library_reads(text in "(0|[1-9][0-9]{0,22}|0[0-9]+)?[^0-9]?\\PC{0,9}") {
            let digits = text.find(|byte: char| !byte.is_ascii_digit()).unwrap_or(text.len());
            let slow = text[..digits].parse::<u64>().ok().filter(|_| digits == 1 || !text.starts_with('0'));
            prop_assert_eq!(number(text.as_bytes()), slow.map(|slow| (slow, digits)), "{}", text);
        }
    }

    #[test]
    fn the_edges_are_right() {
        assert_eq!(number(b"18446744073709551615,"), Some((u64::MAX, 20)));
        assert_eq!(number(b"18446744073709551616,"), None);
        assert_eq!(number(b"12345678"), Some((12_345_678, 8)));
        assert_eq!((number(b""), number(b"x"), number(b"00")), (None, None, None));
        assert_eq!(plain(b"sixteen plain by\""), 16);
    }
}
