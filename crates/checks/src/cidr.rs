//! Checks CIDR blocks and sets of addresses against a second, independent definition.

use std::net::IpAddr;

use portcullis_domain::net::{AddressSet, Cidr, Family};

/// Each line is a block, or not one. The bytes are also the ends of ranges in a world of 64 addresses.
///
/// - A block is what std's address parser and a prefix length give, with the host bits cleared.
/// - Its text is canonical: it parses to the same block and prints the same.
/// - A block is within another exactly if all its addresses are.
/// - Union, intersection, difference and count are those of the sets of bits.
///
/// Returns `block` if a line was a block, else `none`.
pub fn cidr(bytes: &[u8]) -> &'static str {
    let text = String::from_utf8_lossy(bytes);
    let blocks: Vec<Cidr> = text.lines().take(40).filter_map(block).collect();
    for a in &blocks {
        for b in &blocks {
            let ((first, last), (from, to)) = (a.range(), b.range());
            let within = a.family() == b.family() && from <= first && last <= to;
            assert_eq!(a.is_within(b), within, "{a} in {b}");
            let [left, right] = [a, b].map(|block| AddressSet::from_cidrs(a.family(), [block]));
            assert_eq!(left.difference(&right).is_empty(), within, "{a} less {b}");
        }
    }
    sets(bytes);
    if blocks.is_empty() { "none" } else { "block" }
}

fn block(text: &str) -> Option<Cidr> {
    let parsed = text.parse::<Cidr>();
    let naive = naive(text);
    match (parsed, naive) {
        (Err(error), None) => {
            crate::is_clear(&error.to_string(), 1000);
            None
        }
        (Ok(cidr), Some((family, first, last))) => {
            assert_eq!((cidr.family(), cidr.range()), (family, (first, last)), "{text}");
            let canonical = cidr.to_string();
            assert_eq!(canonical.parse(), Ok(cidr), "{text}");
            let set = AddressSet::from_cidrs(family, [&cidr]);
            assert_eq!(set.count(), (last - first).saturating_add(1), "{text}");
            let other = if family == Family::V4 { Family::V6 } else { Family::V4 };
            assert!(AddressSet::from_cidrs(other, [&cidr]).is_empty(), "{text} counts in the other family");
            Some(cidr)
        }
        (parsed, naive) => panic!("{text:?} is {parsed:?}, expected {naive:?}"),
    }
}

/// Family, first and last address.
fn naive(text: &str) -> Option<(Family, u128, u128)> {
    let (address, length) = text.split_once('/')?;
    let (family, number) = match address.parse().ok()? {
        IpAddr::V4(address) => (Family::V4, u128::from(u32::from_be_bytes(address.octets()))),
        IpAddr::V6(address) => (Family::V6, u128::from_be_bytes(address.octets())),
    };
    let bits = u32::from(family.bits());
    let digit = |sum: u32, c: char| Some(sum.checked_mul(10)?.checked_add(c.to_digit(10)?)?.min(1000));
    let length = length.chars().try_fold(0, digit).filter(|sum| !length.is_empty() && *sum <= bits)?;
    let mut hosts = 0u128;
    for _ in length..bits {
        hosts = hosts << 1 | 1;
    }
    Some((family, number & !hosts, number | hosts))
}

/// Each pair of bytes is a range in a world of 64 addresses: the lowest addresses, some in the middle, and the highest.
/// The first half of the pairs is one set, the rest another.
fn sets(bytes: &[u8]) {
    let ranges: Vec<(u32, u32)> = bytes
        .chunks_exact(2)
        .filter_map(|pair| <[u8; 2]>::try_from(pair).ok())
        .map(|[a, b]| (u32::from(a.min(b)) % 64, u32::from(a.max(b)) % 64))
        .filter(|(first, last)| first <= last)
        .take(32)
        .collect();
    let (left, right) = ranges.split_at(ranges.len() / 2);
    let word = |ranges: &[(u32, u32)]| {
        let bits = ranges.iter().flat_map(|(first, last)| *first..=*last);
        bits.fold(0u64, |word, n| word | 1 << n)
    };
    let (word_a, word_b) = (word(left), word(right));
    for base in [0, u128::from(u32::MAX) - 40, u128::MAX - 63] {
        let set = |ranges: &[(u32, u32)]| {
            let at = |n: u32| base + u128::from(n);
            AddressSet::from_ranges(ranges.iter().map(|(first, last)| (at(*first), at(*last))).collect())
        };
        let (a, b) = (set(left), set(right));
        for (what, found, expected) in [
            ("left", a.clone(), word_a),
            ("union", AddressSet::union([&a, &b]), word_a | word_b),
            ("intersection", a.intersection(&b), word_a & word_b),
            ("difference", a.difference(&b), word_a & !word_b),
        ] {
            let has = |n: u32| {
                let one = AddressSet::from_ranges(vec![(base + u128::from(n), base + u128::from(n))]);
                !found.intersection(&one).is_empty()
            };
            let bits = (0..64).filter(|n| has(*n)).fold(0u64, |word, n| word | 1 << n);
            assert_eq!(bits, expected, "{what} of {left:?} and {right:?} at {base}");
            assert_eq!(found.count(), u128::from(expected.count_ones()), "{what} of {left:?} and {right:?} at {base}");
            assert_eq!(found.is_empty(), expected == 0, "{what}");
        }
    }
}
