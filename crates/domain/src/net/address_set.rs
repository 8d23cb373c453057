//! Sets of addresses. Sources are compared as sets of addresses, never as text.

use super::{Cidr, Family};

/// A set of addresses of one family: sorted, disjoint, inclusive ranges.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AddressSet(Vec<(u128, u128)>);

impl AddressSet {
    /// The union of ranges in any order, overlapping or not.
    #[must_use]
    pub fn from_ranges(mut ranges: Vec<(u128, u128)>) -> Self {
        ranges.sort_unstable();
        ranges.dedup_by(|(first, last), open| {
            let touches = *first <= open.1.saturating_add(1);
            if touches {
                open.1 = open.1.max(*last);
            }
            touches
        });
        Self(ranges)
    }

    /// The blocks' addresses. Blocks of the other family are skipped.
    pub fn from_cidrs<'a>(family: Family, cidrs: impl IntoIterator<Item = &'a Cidr>) -> Self {
        Self::from_ranges(cidrs.into_iter().filter(|c| c.family() == family).map(Cidr::range).collect())
    }

    /// All addresses of any of the sets.
    pub fn union<'a>(sets: impl IntoIterator<Item = &'a Self>) -> Self {
        Self::from_ranges(sets.into_iter().flat_map(|set| set.0.iter().copied()).collect())
    }

    /// The addresses in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut both = Vec::new();
        let (mut left, mut right) = (self.0.iter().peekable(), other.ranges_from(self).peekable());
        while let (Some(&&(a, b)), Some(&&(c, d))) = (left.peek(), right.peek()) {
            if a.max(c) <= b.min(d) {
                both.push((a.max(c), b.min(d)));
            }
            if b <= d {
                left.next()
            } else {
                right.next()
            };
        }
        Self(both)
    }

    /// The addresses of `self` that are not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut left = Vec::new();
        let mut cuts = other.ranges_from(self).peekable();
        for &(first, last) in &self.0 {
            let mut from = Some(first);
            while let (Some(start), Some(&&(cut_first, cut_last))) = (from, cuts.peek()) {
                if cut_first > last {
                    break;
                }
                if cut_first > start {
                    left.push((start, cut_first.saturating_sub(1)));
                }
                if cut_last >= start {
                    // Nothing of the range remains when the cut ends at the highest address.
                    from = cut_last.checked_add(1).filter(|next| *next <= last);
                }
                // A cut that ends beyond the range also cuts the next range.
                if cut_last <= last {
                    cuts.next();
                }
            }
            if let Some(start) = from {
                left.push((start, last));
            }
        }
        Self(left)
    }

    /// Whether every address of `self` is in `other`. Takes one binary search for each range of `self`.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.iter().all(|(first, last)| {
            // Adjacent ranges are joined, so one range of `other` must contain all of it.
            let at = other.0.partition_point(|range| range.1 < *first);
            other.0.get(at).is_some_and(|range| range.0 <= *first && *last <= range.1)
        })
    }

    /// The ranges of `self`, without those that end before `other` begins.
    fn ranges_from(&self, other: &Self) -> std::slice::Iter<'_, (u128, u128)> {
        let lowest = other.0.first().map_or(u128::MAX, |range| range.0);
        let at = self.0.partition_point(|range| range.1 < lowest);
        self.0.get(at..).unwrap_or_default().iter()
    }

    /// The addresses as ranges from first to last address, sorted. No two ranges are adjacent.
    #[must_use]
    pub fn ranges(&self) -> &[(u128, u128)] {
        &self.0
    }

    /// How many addresses. The whole of IPv6 counts one less, because 2^128 does not fit.
    #[must_use]
    pub fn count(&self) -> u128 {
        let sizes = self.0.iter().map(|(first, last)| last.saturating_sub(*first).saturating_add(1));
        sizes.fold(0, u128::saturating_add)
    }

    /// Whether the set has no address.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    /// Every pair of sets of the six lowest and of the six highest addresses, with each set also kept as bits.
    #[test]
    fn sets_of_addresses_are_what_bits_say() {
        for base in [0, u128::MAX - 5] {
            let one = |n: u128| (base + n, base + n);
            let set = |word: u8| AddressSet::from_ranges((0..6).filter(|n| word >> n & 1 == 1).map(one).collect());
            for (a, b) in (0..64).flat_map(|a| (0..64).map(move |b| (a, b))) {
                let (left, right) = (set(a), set(b));
                assert_eq!(AddressSet::union([&left, &right]), set(a | b), "{a:b} {b:b}");
                assert_eq!(left.intersection(&right), set(a & b), "{a:b} {b:b}");
                assert_eq!(left.difference(&right), set(a & !b), "{a:b} {b:b}");
                assert_eq!(left.is_within(&right), a & !b == 0, "{a:b} {b:b}");
                assert_eq!((left.count(), left.is_empty()), (u128::from(a.count_ones()), a == 0));
            }
        }
        let set = AddressSet::from_ranges(vec![(7, 9), (1, 2), (3, 4), (12, 12)]);
        assert_eq!(set.ranges(), [(1, 4), (7, 9), (12, 12)]);
    }

    #[test]
    fn the_whole_of_ipv6_can_be_counted_and_cut() {
        let all = AddressSet::from_cidrs(Family::V6, &[cidr("::/0")]);
        assert_eq!(all.count(), u128::MAX);
        assert!(all.difference(&all).is_empty());
        let upper = AddressSet::from_cidrs(Family::V6, &[cidr("8000::/1")]);
        assert_eq!(all.difference(&upper), AddressSet::from_cidrs(Family::V6, &[cidr("::/1")]));
    }

    /// A small world of 64 addresses, in which the bits of one word can hold a set.
    fn small_ranges() -> impl Strategy<Value = Vec<(u128, u128)>> {
        proptest::collection::vec((0u128..64, 0u128..64).prop_map(|(a, b)| (a.min(b), a.max(b))), 0..8)
    }

    fn bits(set: &AddressSet) -> u64 {
        (0..64u32).filter(|n| set.0.iter().any(|(a, b)| (*a..=*b).contains(&u128::from(*n)))).fold(0, |w, n| w | 1 << n)
    }

    proptest! {
        #[test]
        fn set_operations_equal_those_on_bits(a in small_ranges(), b in small_ranges()) {
            let naive = |ranges: &[(u128, u128)]| bits(&AddressSet(ranges.to_vec()));
            let (word_a, word_b) = (naive(&a), naive(&b));
            let (a, b) = (AddressSet::from_ranges(a), AddressSet::from_ranges(b));
            prop_assert_eq!(bits(&a), word_a);
            prop_assert_eq!(a.count(), u128::from(word_a.count_ones()));
            for (set, word) in [
                (AddressSet::union([&a, &b]), word_a | word_b),
                (a.intersection(&b), word_a & word_b),
                (a.difference(&b), word_a & !word_b),
            ] {
                prop_assert_eq!(bits(&set), word);
                prop_assert_eq!(&AddressSet::from_ranges(set.0.clone()), &set, "canonical");
            }
        }
    }
}
