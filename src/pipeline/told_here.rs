//! What this instance has told. The memory knows it for all instances; where it does not answer, or did not take it, the
//! instance knows its own part. So an attempt that comes again to the same instance does not tell the same again.
//!
//! Nothing else rests on it: what is closed, and who may open, is decided without it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use portcullis_domain::memory::Entries;

/// This many groups and places are remembered: some megabytes. The one without news for the longest makes room.
const MOST_ITEMS: usize = 4096;

/// What was told of groups and of places, by the keys of the memory's items.
#[derive(Debug, Default)]
pub(super) struct ToldHere(Mutex<BTreeMap<String, (Timestamp, Entries)>>);

impl ToldHere {
    /// What this instance has told of a group or a place. Nothing where it has told nothing.
    pub(super) fn of(&self, key: &str) -> Entries {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.get(key).map(|(_, entries)| entries.clone()).unwrap_or_default()
    }

    /// Takes in what was told.
    pub(super) fn note(&self, key: &str, entries: &Entries, now: Timestamp) {
        if entries.is_empty() {
            return;
        }
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= MOST_ITEMS && !told.contains_key(key) {
            let oldest = told.iter().min_by_key(|(_, (at, _))| *at).map(|(oldest, _)| oldest.clone());
            oldest.into_iter().for_each(|oldest| _ = told.remove(&oldest));
        }
        let (at, known) = told.entry(key.to_owned()).or_default();
        *at = now;
        known.extend(entries.iter().map(|(name, entry)| (name.clone(), entry.clone())));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(second: usize) -> Timestamp {
        Timestamp::from_second(i64::try_from(second).unwrap()).unwrap()
    }

    #[test]
    fn many_other_groups_do_not_keep_the_next_from_being_remembered() {
        let told = ToldHere::default();
        let entries = |n: usize| Entries::from([("told#ssh/ipv4".to_owned(), json!(n))]);
        (0..=MOST_ITEMS).for_each(|n| told.note(&format!("group {n}"), &entries(n), at(n)));
        assert_eq!(told.of(&format!("group {MOST_ITEMS}")), entries(MOST_ITEMS));
        assert_eq!((told.of("group 0"), told.of("group 1")), (Entries::new(), entries(1)));
        // Who is remembered already takes nobody's place, and keeps what it had.
        told.note("group 1", &Entries::from([("told#rdp/ipv4".to_owned(), json!(1))]), at(MOST_ITEMS + 1));
        assert_eq!((told.of("group 1").len(), told.of("group 2")), (2, entries(2)));
    }
}
