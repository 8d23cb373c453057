//! Which times of which interface the flow logs cover. Only where they cover all of a time can they show that something did
//! not happen.

use std::collections::BTreeMap;

use portcullis_delivery::flowlog::{Field, Flow, Row};

/// A flow log gathers up to ten minutes into one record, and its times may be off by one: a gap that is not longer is none.
pub const LONGEST_GAP: i64 = 660;

/// Times, joined where the gap between them is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Times(BTreeMap<i64, i64>);

impl Times {
    /// Adds a time.
    pub fn add(&mut self, start: i64, end: i64) {
        let (mut start, mut end) = (start, end);
        let upper = end.saturating_add(LONGEST_GAP);
        // Those that begin before this one ends, latest first, until one ends too early to be joined.
        while let Some((from, to)) = self.0.range(..=upper).next_back().map(|(from, to)| (*from, *to)) {
            if to < start.saturating_sub(LONGEST_GAP) {
                break;
            }
            if from <= start && to >= end {
                return;
            }
            self.0.remove(&from);
            (start, end) = (start.min(from), end.max(to));
        }
        self.0.insert(start, end);
    }

    /// Adds all of another's.
    pub fn join(&mut self, other: &Self) {
        other.0.iter().for_each(|(start, end)| self.add(*start, *end));
    }

    /// Whether all of a time is covered, but for gaps that are none.
    #[must_use]
    pub fn cover(&self, from: i64, to: i64) -> bool {
        let before = self.0.range(..=from.saturating_add(LONGEST_GAP)).next_back();
        before.is_some_and(|(_, end)| *end >= to.saturating_sub(LONGEST_GAP))
    }

    /// Whether any of it lies between these.
    #[must_use]
    pub fn touch(&self, from: i64, to: i64) -> bool {
        self.0.range(..=to).next_back().is_some_and(|(_, end)| *end >= from)
    }

    /// The times, in order.
    pub fn iter(&self) -> impl Iterator<Item = (i64, i64)> + '_ {
        self.0.iter().map(|(start, end)| (*start, *end))
    }
}

/// What the flow logs say of one interface, traffic aside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Covered {
    /// Its account.
    pub account: Option<String>,
    /// The times of records, of traffic and of none.
    pub times: Times,
    /// The times of which records are missing.
    pub skipped: Times,
    /// How many records.
    pub records: u64,
    /// How many of them are of traffic that was accepted.
    pub accepted: u64,
}

/// What the flow logs cover, by interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage(pub BTreeMap<String, Covered>);

/// Counts the records of one interface.
#[derive(Debug, Default)]
pub struct Counting {
    covered: Covered,
    /// The last record's time, and whether it is of skipped records: many records of one interface have the same.
    last: Option<(i64, i64, bool)>,
}

impl Counting {
    /// Counts a record.
    pub fn add(&mut self, flow: &Flow<'_>) {
        let covered = &mut self.covered;
        if covered.account.is_none() {
            covered.account = flow.text(Field::AccountId).filter(|id| *id != "unknown").map(str::to_owned);
        }
        covered.records += 1;
        covered.accepted += u64::from(flow.row == Row::Traffic && flow.accepted() == Some(true));
        let is_skipped = flow.row == Row::SkipData;
        let own = (flow.start, flow.end, is_skipped);
        if self.last.replace(own) == Some(own) {
            return;
        }
        let times = if is_skipped { &mut covered.skipped } else { &mut covered.times };
        times.add(flow.start, flow.end);
    }
}

impl From<Counting> for Covered {
    fn from(counting: Counting) -> Self {
        counting.covered
    }
}

impl Coverage {
    /// Adds all of another's.
    pub fn join(&mut self, other: Self) {
        for (interface, other) in other.0 {
            let covered = self.0.entry(interface).or_default();
            covered.account = covered.account.take().max(other.account);
            covered.times.join(&other.times);
            covered.skipped.join(&other.skipped);
            covered.records += other.records;
            covered.accepted += other.accepted;
        }
    }

    /// The first and last time of any record.
    #[must_use]
    pub fn span(&self) -> Option<(i64, i64)> {
        let all = self.0.values().flat_map(|covered| covered.times.iter().chain(covered.skipped.iter()));
        all.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_joined_whatever_their_order_and_gaps_count_from_eleven_minutes_on() {
        let all = [(0, 600), (1200, 1260), (1921, 2000), (600, 700), (5000, 6000)];
        let mut orders = vec![all.to_vec(), all.iter().rev().copied().collect::<Vec<_>>()];
        orders.push(vec![all[2], all[0], all[4], all[3], all[1]]);
        for order in orders {
            let mut times = Times::default();
            order.iter().for_each(|(start, end)| times.add(*start, *end));
            assert_eq!(times.iter().collect::<Vec<_>>(), [(0, 1260), (1921, 2000), (5000, 6000)], "{order:?}");
            assert!(
                times.cover(0, 1260) && times.cover(-600, 1800) && !times.cover(0, 2000) && !times.cover(-700, 100)
            );
            assert!(times.touch(1990, 2100) && !times.touch(2001, 4999));
        }
    }
}
