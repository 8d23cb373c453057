//! Looks at 64 bytes of a text together, and marks some of them: a bit for each fits into a register. Millions of records are
//! read, and where a word or a string ends is hard to foretell for a processor, so a decision for each byte costs most.

use wide::u8x16;

/// How many bytes are looked at together.
pub(crate) const GROUP: usize = 64;

/// Bytes that are looked at together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Group([u8x16; 4]);

impl Group {
    #[inline]
    pub(crate) fn of(bytes: &[u8; GROUP]) -> Self {
        let (sixteens, _) = bytes.as_chunks::<16>();
        let mut parts = [u8x16::splat(0); 4];
        parts.iter_mut().zip(sixteens).for_each(|(part, bytes)| *part = u8x16::new(*bytes));
        Self(parts)
    }

    /// The bytes at the end of a text, filled up.
    pub(crate) fn of_rest(rest: &[u8], fill: u8) -> Self {
        let mut bytes = [fill; GROUP];
        bytes.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        Self::of(&bytes)
    }

    /// A bit for each byte that is this one, from the lowest on.
    #[inline]
    pub(crate) fn is(&self, byte: u8) -> u64 {
        let wanted = u8x16::splat(byte);
        self.bits(|part| part.simd_eq(wanted))
    }

    /// A bit for each byte that is at most this one.
    #[inline]
    pub(crate) fn is_at_most(&self, byte: u8) -> u64 {
        let most = u8x16::splat(byte);
        self.bits(|part| part.min(most).simd_eq(part))
    }

    /// Whether all bytes are ASCII.
    #[inline]
    pub(crate) fn is_ascii(&self) -> bool {
        let [a, b, c, d] = self.0;
        (a | b | c | d).to_bitmask() == 0
    }

    #[inline]
    fn bits(&self, mark: impl Fn(u8x16) -> u8x16) -> u64 {
        let [a, b, c, d] = self.0.map(|part| u64::from(mark(part).to_bitmask()));
        a | b << 16 | c << 32 | d << 48
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_byte_has_its_bit(bytes in prop::collection::vec(any::<u8>(), 0..=64), wanted: u8) {
            let group = Group::of_rest(&bytes, b'x');
            let expected: Vec<u8> = bytes.iter().copied().chain([b'x'; GROUP]).take(GROUP).collect();
            prop_assert_eq!(group.is_ascii(), expected.is_ascii());
            let is_bit = |bits: u64, n: usize| bits >> n & 1 == 1;
            for (n, byte) in expected.iter().enumerate() {
                prop_assert_eq!(is_bit(group.is(wanted), n), *byte == wanted);
                prop_assert_eq!(is_bit(group.is_at_most(wanted), n), *byte <= wanted);
            }
        }
    }
}
