//! What words mean as numbers and addresses. How long a word is can hardly be foretold, so a decision for each byte would cost
//! more than the reading: up to eight digits are read together, and each part of an address like all others.

use std::net::{IpAddr, Ipv4Addr};

use wide::u8x16;

/// A part of a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word<'a> {
    pub(super) text: &'a [u8],
    pub(super) from: usize,
    pub(super) to: usize,
}

impl<'a> Word<'a> {
    #[inline]
    pub(super) fn bytes(self) -> &'a [u8] {
        self.text.get(self.from..self.to).unwrap_or_default()
    }

    pub(super) const fn is_empty(self) -> bool {
        self.to <= self.from
    }

    /// A whole number of at most 18 digits.
    #[inline(always)]
    pub(super) fn number(self) -> Option<u64> {
        let length = self.to.wrapping_sub(self.from);
        let last = self.text.get(..self.to).and_then(<[u8]>::last_chunk::<8>);
        match last {
            Some(last) if length.wrapping_sub(1) < 8 => digits(u64::from_le_bytes(*last), length),
            _ => self.longer_number(),
        }
    }

    fn longer_number(self) -> Option<u64> {
        let length = self.to.wrapping_sub(self.from);
        let last = self.text.get(..self.to).and_then(<[u8]>::last_chunk::<16>);
        match (last.map(|last| last.as_chunks::<8>().0), length) {
            (Some([high, low]), 9..=16) => {
                let (high, low) = (u64::from_le_bytes(*high), u64::from_le_bytes(*low));
                Some(digits(high, length - 8)? * 100_000_000 + digits(low, 8)?)
            }
            (_, 1..=18) => each_digit(self.bytes()),
            _ => None,
        }
    }

    /// Puts an address of either family in its place, because the whole of both is no small thing to move. `false`: it is none.
    #[inline(always)]
    pub(super) fn address_into(self, place: &mut Option<IpAddr>) -> bool {
        // Nearly all are of this family.
        match self.v4() {
            Some(address) => {
                *place = Some(IpAddr::V4(Ipv4Addr::from(address)));
                true
            }
            None => self.any_address_into(place),
        }
    }

    #[cold]
    fn any_address_into(self, place: &mut Option<IpAddr>) -> bool {
        *place = std::str::from_utf8(self.bytes()).ok().and_then(|word| word.parse().ok());
        place.is_some()
    }

    /// An IPv4 address. At the very beginning and end of a text [`Self::any_address_into`] reads it.
    #[inline]
    fn v4(self) -> Option<u32> {
        // Where the parts end is found for all of them at once, so that none has to wait for the one before it.
        let (points, mut others) = points_and_others(self.text.get(self.from..)?.first_chunk()?);
        let (mut address, mut wrong, mut begin, mut seen) = (0, false, 0, 0);
        for _ in 0..4 {
            let end = others.trailing_zeros();
            seen |= others & others.wrapping_neg();
            others &= others.wrapping_sub(1);
            let (part, is_wrong) = part_of_v4(*self.text.get(..self.from + end as usize)?.last_chunk()?, end - begin);
            address = address << 8 | part;
            wrong |= is_wrong;
            begin = end + 1;
        }
        // The last one ends where the word does, all others at a point.
        let end = 1_u32.wrapping_shl(begin - 1);
        wrong |= (self.from + begin as usize - 1 != self.to) | (seen & points != seen & !end);
        (!wrong).then_some(address)
    }
}

/// The number whose last digits are these bytes, of which the last `length` count: from one to eight.
#[inline]
fn digits(bytes: u64, length: usize) -> Option<u64> {
    const ZEROS: u64 = 0x3030_3030_3030_3030;
    const HIGH: u64 = 0xf0f0_f0f0_f0f0_f0f0;
    let counted = u64::MAX.wrapping_shl(64 - 8 * length as u32);
    let bytes = bytes & counted | ZEROS & !counted;
    // A digit is from 30 to 39 in hexadecimal, so it keeps its upper half when six is added.
    if bytes & HIGH != ZEROS || bytes.wrapping_add(0x0606_0606_0606_0606) & HIGH != ZEROS {
        return None;
    }
    // Neighbours are joined: digits to pairs, pairs to fours, fours to eight.
    let pairs = (bytes & 0x0f0f_0f0f_0f0f_0f0f).wrapping_mul((10 << 8) + 1) >> 8;
    let fours = (pairs & 0x00ff_00ff_00ff_00ff).wrapping_mul((100 << 16) + 1) >> 16;
    Some((fours & 0x0000_ffff_0000_ffff).wrapping_mul((10_000 << 32) + 1) >> 32)
}

fn each_digit(word: &[u8]) -> Option<u64> {
    word.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit <= 9).then(|| number.wrapping_mul(10).wrapping_add(u64::from(digit)))
    })
}

/// A bit for each byte that is a point, and for each that is no digit. Behind the last byte there is none.
#[inline]
fn points_and_others(bytes: &[u8; 16]) -> (u32, u32) {
    let bytes = u8x16::new(*bytes);
    let digits = bytes - u8x16::splat(b'0');
    let are_digits = digits.min(u8x16::splat(9)).simd_eq(digits);
    (bytes.simd_eq(u8x16::splat(b'.')).to_bitmask(), !are_digits.to_bitmask())
}

/// The number with which four bytes end, and whether it is none from 0 to 255. It has `length` digits. `010` is none: it is eight
/// to some.
#[inline]
fn part_of_v4(bytes: [u8; 4], length: u32) -> (u32, bool) {
    let counted = u32::MAX.wrapping_shl(32 - 8 * (length & 3));
    let digits = (u32::from_le_bytes(bytes) ^ 0x3030_3030) & counted;
    let part = (digits >> 24) + 10 * (digits >> 16 & 0xff) + 100 * (digits >> 8 & 0xff);
    let least = [0, 0, 10, 100].get(length as usize).copied().unwrap_or(u32::MAX);
    // Without a branch: how many digits a part has cannot be foretold.
    (part, (length == 0) | (part < least) | (part > 255))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A word in the middle of a text, at its beginning, at its end, and alone.
    fn everywhere<T: PartialEq + std::fmt::Debug>(word: &str, read: impl Fn(Word<'_>) -> T) -> T {
        let alone = read(Word { text: word.as_bytes(), from: 0, to: word.len() });
        for (before, behind) in
            [("12345678 ", " 12345678"), ("", " 1.1.1.1"), ("1.2.3.4 9", "9 1"), ("12345678.", ".5")]
        {
            let text = format!("{before}{word}{behind}");
            let there = Word { text: text.as_bytes(), from: before.len(), to: before.len() + word.len() };
            assert_eq!(read(there), alone, "{text}");
        }
        alone
    }

    fn address(word: Word<'_>) -> Option<IpAddr> {
        let mut place = None;
        assert_eq!(word.address_into(&mut place), place.is_some());
        place
    }

    #[test]
    fn numbers_are_digits_and_nothing_else() {
        for (text, expected) in [
            ("0", 0),
            ("007", 7),
            ("65535", 65535),
            ("12345678", 12_345_678),
            ("1418530010", 1_418_530_010),
            ("1234567890123456", 1_234_567_890_123_456),
            ("12345678901234567", 12_345_678_901_234_567),
            ("999999999999999999", 999_999_999_999_999_999),
        ] {
            assert_eq!(everywhere(text, |word| word.number()), Some(expected));
        }
        for wrong in [
            "",
            "+1",
            "-1",
            "1a",
            "a",
            "1:",
            "/",
            "1000000000000000000",
            "\u{660}",
            "\u{ff}1",
            "12345678x",
            "x12345678",
        ] {
            assert_eq!(everywhere(wrong, |word| word.number()), None, "{wrong}");
        }
    }

    #[test]
    fn every_part_of_an_address_is_read() {
        for text in (0..=999).flat_map(|n| [format!("{n}"), format!("{n:03}"), format!("{n:02}")]) {
            for whole in [format!("{text}.2.3.4"), format!("1.{text}.3.4"), format!("1.2.3.{text}")] {
                assert_eq!(everywhere(&whole, address), whole.parse().ok(), "{whole}");
            }
        }
    }

    proptest! {
        /// Numbers are those of the standard library, which also takes a sign.
        #[test]
        fn numbers_are_read_as_the_standard_library_reads_them(word in "[0-9]{0,20}|[0-9]{0,9}[ -~]{0,2}[0-9]{0,9}") {
            let expected = word.parse().ok().filter(|_| word.len() <= 18 && !word.starts_with('+'));
            prop_assert_eq!(everywhere(&word, |word| word.number()), expected);
        }

        /// Addresses are those of the standard library.
        #[test]
        fn addresses_are_read_as_the_standard_library_reads_them(
            word in "[0-9]{0,4}(\\.[0-9]{0,4}){0,4}|[0-9a-f:]{0,20}|(25[0-9]|[01]?[0-9]{1,2})(\\.(2[0-9]{2}|[0-9]{1,2})){3}|[0-9.][ -~]{0,3}[0-9.]{4,9}",
            bytes: [u8; 4],
        ) {
            prop_assert_eq!(everywhere(&word, address), word.parse().ok());
            let own = Ipv4Addr::from(bytes);
            prop_assert_eq!(everywhere(&own.to_string(), address), Some(IpAddr::V4(own)));
        }
    }
}
