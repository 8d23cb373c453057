//! The words of a line, and what they mean as numbers and addresses. Millions of lines are read, and where a word ends is hard to
//! foretell for a processor. So the ends of words are looked for in 64 bytes at a time, without a decision for each byte.

use std::net::{IpAddr, Ipv4Addr};

/// How many bytes are looked at for words together: a bit for each of them fits into a register.
const GROUP: usize = 64;
/// Moves the low bits of eight bytes into one byte.
const GATHER: u64 = 0x0102_0408_1020_4080;

/// Gives the words of the first `length` bytes of a text to `each`: what lies between spaces and control characters. Returns
/// whether the bytes are ASCII.
#[inline]
pub(super) fn words<'a>(text: &'a [u8], length: usize, mut each: impl FnMut(&'a [u8])) -> bool {
    let (mut from, mut base, mut is_ascii) = (0, 0, true);
    while base < length {
        let rest = text.get(base..).unwrap_or_default();
        let (mut between, is_own) = match rest.first_chunk::<GROUP>() {
            Some(group) => marks(group),
            None => marks(&filled(rest)),
        };
        // What lies behind the line counts as being between words.
        let beyond = u64::MAX.checked_shl(u32::try_from(length - base).unwrap_or(u32::MAX)).unwrap_or(0);
        is_ascii &= is_own & !beyond == 0;
        between |= beyond;
        while between != 0 {
            let end = base + between.trailing_zeros() as usize;
            between &= between - 1;
            if let Some(word @ [_, ..]) = text.get(from..end) {
                each(word);
            }
            from = end + 1;
            if end >= length {
                return is_ascii;
            }
        }
        base += GROUP;
    }
    if let Some(word @ [_, ..]) = text.get(from..length) {
        each(word);
    }
    is_ascii
}

/// A bit for each byte of a group that is between words, and for each that is no ASCII.
#[inline]
fn marks(group: &[u8; GROUP]) -> (u64, u64) {
    // The compiler compares many bytes at once where the answers are bytes.
    let (mut between, mut other) = ([0; GROUP], 0);
    for (mark, byte) in between.iter_mut().zip(group) {
        *mark = u8::from(*byte <= b' ');
        other |= byte & 0x80;
    }
    let other = if other == 0 { 0 } else { gathered(&group.map(|byte| byte >> 7)) };
    (gathered(&between), other)
}

fn gathered(bits: &[u8; GROUP]) -> u64 {
    let (eights, _) = bits.as_chunks::<8>();
    let one = |eight: &[u8; 8]| u64::from_le_bytes(*eight).wrapping_mul(GATHER) >> 56;
    eights.iter().enumerate().fold(0, |all, (n, eight)| all | one(eight) << (8 * n))
}

fn filled(bytes: &[u8]) -> [u8; GROUP] {
    let mut all = [0; GROUP];
    all.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    all
}

/// A whole number of at most 18 digits.
#[inline]
pub(super) fn number(word: &[u8]) -> Option<u64> {
    if word.is_empty() || word.len() > 18 {
        return None;
    }
    let mut number = 0_u64;
    for byte in word {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
    }
    Some(number)
}

/// An address of either family.
pub(super) fn address(word: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

/// An IPv4 address.
#[inline]
pub(super) fn v4(word: &[u8]) -> Option<Ipv4Addr> {
    let (mut whole, mut part, mut digits, mut points) = (0_u32, 0_u32, 0_u32, 0_u32);
    for byte in word {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 {
            // `010` is eight to some.
            if digits == 3 || digits > 0 && part == 0 {
                return None;
            }
            part = part.wrapping_mul(10).wrapping_add(u32::from(digit));
            digits += 1;
        } else if *byte == b'.' && digits > 0 && part < 256 && points < 3 {
            whole = whole << 8 | part;
            (part, digits, points) = (0, 0, points + 1);
        } else {
            return None;
        }
    }
    (points == 3 && digits > 0 && part < 256).then(|| Ipv4Addr::from(whole << 8 | part))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_digits_and_nothing_else() {
        for (text, expected) in
            [("0", 0), ("007", 7), ("65535", 65535), ("999999999999999999", 999_999_999_999_999_999)]
        {
            assert_eq!(number(text.as_bytes()), Some(expected));
        }
        for wrong in ["", "+1", "-1", "1a", "a", "1:", "/", "1000000000000000000", "\u{660}", "\u{ff}1"] {
            assert_eq!(number(wrong.as_bytes()), None, "{wrong}");
        }
    }

    proptest! {
        /// Words are those of the standard library, wherever they end, however long the line is and whatever stands behind it.
        #[test]
        fn words_are_what_lies_between_spaces(line in "[ \ta-z0-9.:\u{e9}\u{20ac}-]{0,300}", behind in "[ a\u{e9}]{0,80}") {
            let expected: Vec<&[u8]> = line.split_ascii_whitespace().map(str::as_bytes).collect();
            let (text, mut found) = (format!("{line}{behind}"), Vec::new());
            prop_assert_eq!(words(text.as_bytes(), line.len(), |word| found.push(word)), line.is_ascii());
            prop_assert_eq!(found, expected);
        }

        /// Addresses are those of the standard library.
        #[test]
        fn addresses_are_read_as_the_standard_library_reads_them(
            word in "[0-9]{0,4}(\\.[0-9]{0,4}){0,4}|[0-9a-f:]{0,20}|(25[0-9]|[01]?[0-9]{1,2})(\\.(2[0-9]{2}|[0-9]{1,2})){3}|[0-9.][ -~]{0,3}[0-9.]{4,9}",
            bytes: [u8; 4],
        ) {
            prop_assert_eq!(v4(word.as_bytes()), word.parse().ok());
            prop_assert_eq!(address(word.as_bytes()), word.parse().ok());
            let own = Ipv4Addr::from(bytes);
            prop_assert_eq!(v4(own.to_string().as_bytes()), Some(own));
        }
    }
}
