//! What is not read, because it holds no records of calls: counted by what it is, so that silence is not taken for safety.

use std::collections::BTreeMap;

use portcullis_domain::text::escaped;

/// What was passed over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PassedOver(BTreeMap<String, usize>);

/// So many kinds are named.
const NAMED: usize = 8;

impl PassedOver {
    /// Counts a file by the ending of its name.
    pub fn file(&mut self, name: &str) {
        let ending = name.rsplit('/').next().and_then(|name| name.rsplit_once('.'));
        self.add(ending.map_or("without an ending".to_owned(), |(_, ending)| format!(".{}", escaped(ending))));
    }

    /// Counts a folder, or an object in it, of other logs.
    pub fn other_logs(&mut self, service: &str) {
        self.add(format!("of {}", escaped(service)));
    }

    fn add(&mut self, what: String) {
        *self.0.entry(what).or_default() += 1;
    }

    /// Takes in what was passed over elsewhere.
    pub fn extend(&mut self, other: Self) {
        for (what, count) in other.0 {
            *self.0.entry(what).or_default() += count;
        }
    }

    /// All of it in words, the most first; nothing where there is nothing.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        let mut kinds: Vec<(&String, &usize)> = self.0.iter().collect();
        kinds.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let others: usize = kinds.iter().skip(NAMED).map(|(_, count)| **count).sum();
        let mut named: Vec<String> = kinds.iter().take(NAMED).map(|(what, count)| format!("{count} {what}")).collect();
        if others > 0 {
            named.push(format!("{others} others"));
        }
        (!named.is_empty()).then(|| named.join(", "))
    }
}
