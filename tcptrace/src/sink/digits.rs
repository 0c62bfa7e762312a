//! Numbers as decimal digits, straight into a line.

/// Appends `number`.
pub(super) fn push(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends `number` with leading zeros up to `digits`.
pub(super) fn push_padded(out: &mut Vec<u8>, mut number: u64, digits: usize) {
    // 20 digits hold any u64.
    let mut reversed = [b'0'; 20];
    let mut length = 0;
    for place in &mut reversed {
        if number == 0 {
            break;
        }
        *place = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        length += 1;
    }
    out.extend(reversed[..length.max(digits.min(20))].iter().rev());
}

/// Appends `number` in hex without prefix.
pub(super) fn push_hex(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(hex(number, &mut [0; 16]).as_bytes());
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
    use super::*;

    #[test]
    fn digits_are_those_of_the_standard_library() {
        for number in [0, 1, 9, 10, 99, 100, 65_535, 4_194_304, u64::MAX] {
            let (mut plain, mut hex, mut padded) = (Vec::new(), Vec::new(), Vec::new());
            push(&mut plain, number);
            push_hex(&mut hex, number);
            push_padded(&mut padded, number, 9);
            assert_eq!(String::from_utf8(plain).unwrap(), number.to_string());
            assert_eq!(String::from_utf8(hex).unwrap(), format!("{number:x}"));
            assert_eq!(String::from_utf8(padded).unwrap(), format!("{number:09}"));
        }
    }
}
