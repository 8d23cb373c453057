//! How many addresses several sets have together, kept up to date while sets are added and removed.

use std::ops::Range;

use super::AddressSet;

/// A tree over the elementary ranges between all ends of the sets. Each node knows by how many ranges it is covered as
/// a whole, and how many addresses below it are covered (J. L. Bentley, 1977, for the area of a union of rectangles).
/// Adding or removing a range takes the logarithm of the number of ends.
pub(crate) struct Coverage {
    /// Where elementary ranges start, in order. The last one ends at the highest address.
    starts: Vec<u128>,
    nodes: Vec<Node>,
}

#[derive(Clone, Copy, Default)]
struct Node {
    /// How many addresses the node spans.
    all: u128,
    /// How many of them are covered.
    covered: u128,
    /// By how many ranges the node is covered as a whole.
    times: u32,
}

/// A node of [`Coverage`], and the elementary ranges below it.
type Span = (usize, Range<usize>);

impl Coverage {
    /// An empty coverage. Only these sets can be added to it.
    pub(crate) fn of<'a>(sets: impl IntoIterator<Item = &'a AddressSet>) -> Self {
        let ranges = sets.into_iter().flat_map(|set| set.ranges());
        let ends = ranges.flat_map(|(first, last)| [Some(*first), last.checked_add(1)]);
        let mut starts: Vec<u128> = ends.flatten().collect();
        starts.sort_unstable();
        starts.dedup();
        let leaves = starts.len().next_power_of_two();
        let mut nodes = vec![Node::default(); leaves.saturating_mul(2)];
        let nexts = starts.iter().skip(1).map(|next| next.saturating_sub(1)).chain([u128::MAX]);
        for ((start, last), leaf) in starts.iter().zip(nexts).zip(nodes.iter_mut().skip(leaves)) {
            leaf.all = last.saturating_sub(*start).saturating_add(1);
        }
        let mut coverage = Self { starts, nodes };
        for n in (1..leaves).rev() {
            let [left, right] = coverage.children(n);
            if let Some(node) = coverage.nodes.get_mut(n) {
                node.all = left.all.saturating_add(right.all);
            }
        }
        coverage
    }

    /// Adds a set.
    pub(crate) fn add(&mut self, set: &AddressSet) {
        self.each_range(set, |times| times.saturating_add(1));
    }

    /// Removes a set that was added before.
    pub(crate) fn remove(&mut self, set: &AddressSet) {
        self.each_range(set, |times| times.saturating_sub(1));
    }

    /// How many addresses are in at least one of the added sets, counted as [`AddressSet::count`] counts.
    pub(crate) fn count(&self) -> u128 {
        self.nodes.get(1).map_or(0, |root| root.covered)
    }

    fn each_range(&mut self, set: &AddressSet, step: impl Fn(u32) -> u32) {
        let leaves = self.nodes.len() / 2;
        for (first, last) in set.ranges() {
            let from = self.starts.partition_point(|start| start < first);
            let to = self.starts.partition_point(|start| start <= last);
            self.cover((1, 0..leaves), &(from..to), &step);
        }
    }

    fn cover(&mut self, (n, below): Span, range: &Range<usize>, step: &impl Fn(u32) -> u32) {
        if range.end <= below.start || below.end <= range.start {
            return;
        }
        let whole = range.start <= below.start && below.end <= range.end;
        if !whole {
            let middle = below.start.midpoint(below.end);
            self.cover((n * 2, below.start..middle), range, step);
            self.cover((n * 2 + 1, middle..below.end), range, step);
        }
        let [left, right] = self.children(n);
        if let Some(node) = self.nodes.get_mut(n) {
            if whole {
                node.times = step(node.times);
            }
            node.covered = if node.times > 0 { node.all } else { left.covered.saturating_add(right.covered) };
        }
    }

    /// The two nodes below a node. A leaf has none.
    fn children(&self, n: usize) -> [Node; 2] {
        [n * 2, n * 2 + 1].map(|child| self.nodes.get(child).copied().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn small_set() -> impl Strategy<Value = AddressSet> {
        let range = (0u128..41, 0u128..12).prop_map(|(first, more)| (first, first + more));
        proptest::collection::vec(range, 0..4).prop_map(AddressSet::from_ranges)
    }

    proptest! {
        #[test]
        fn the_count_is_that_of_the_union_of_what_is_there(
            sets in proptest::collection::vec((small_set(), any::<bool>()), 0..12),
            // Tests both the lowest and the highest addresses.
            top in any::<bool>(),
        ) {
            let at = |n: u128| if top { u128::MAX - 63 + n } else { n };
            let moved = |set: &AddressSet| -> Vec<_> { set.ranges().iter().map(|(a, b)| (at(*a), at(*b + 12))).collect() };
            let sets: Vec<(AddressSet, bool)> =
                sets.iter().map(|(set, stays)| (AddressSet::from_ranges(moved(set)), *stays)).collect();
            let mut coverage = Coverage::of(sets.iter().map(|(set, _)| set));
            prop_assert_eq!(coverage.count(), 0);
            for (n, (set, _)) in sets.iter().enumerate() {
                coverage.add(set);
                prop_assert_eq!(coverage.count(), AddressSet::union(sets.iter().take(n + 1).map(|(set, _)| set)).count());
            }
            for (set, _) in sets.iter().filter(|(_, stays)| !stays) {
                coverage.remove(set);
            }
            let left = AddressSet::union(sets.iter().filter(|(_, stays)| *stays).map(|(set, _)| set));
            prop_assert_eq!(coverage.count(), left.count());
        }
    }

    #[test]
    fn all_of_ipv6_is_counted_as_a_set_counts_it() {
        let all = AddressSet::from_ranges(vec![(0, u128::MAX)]);
        let mut coverage = Coverage::of([&all, &AddressSet::from_ranges(vec![(7, 9)])]);
        coverage.add(&all);
        assert_eq!(coverage.count(), all.count());
        coverage.remove(&all);
        assert_eq!(coverage.count(), 0);
        assert_eq!(Coverage::of([]).count(), 0);
    }
}
