//! Errors of inputs, reported so that a hundred equal ones do not hide the one that matters.

use std::collections::BTreeMap;

use super::InputError;

/// This many errors of one kind are named; the others are counted.
const NAMED: usize = 3;

/// The errors so far.
#[derive(Debug)]
pub struct Errors {
    verbose: bool,
    kinds: BTreeMap<String, Kind>,
}

#[derive(Debug)]
struct Kind {
    errors: usize,
    first: String,
}

impl Errors {
    /// None yet. Where `verbose`, every error is named.
    #[must_use]
    pub fn new(verbose: bool) -> Self {
        Self { verbose, kinds: BTreeMap::new() }
    }

    /// Takes an error in; the line to report it with, if it is to be named.
    pub fn add(&mut self, error: &InputError) -> Option<String> {
        let kind = self.kinds.entry(kind(&error.why));
        let kind = kind.or_insert_with(|| Kind { errors: 0, first: error.place.clone() });
        kind.errors += 1;
        (self.verbose || kind.errors <= NAMED).then(|| format!("portcullis: {error}"))
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.kinds.values().map(|kind| kind.errors).sum()
    }

    /// A line for each kind of which not all were named.
    #[must_use]
    pub fn not_named(&self) -> Vec<String> {
        let more = self.kinds.values().filter(|kind| !self.verbose && kind.errors > NAMED);
        more.map(|kind| {
            let more = kind.errors - NAMED;
            format!("portcullis: {more} more like {} (-v names them all)", kind.first)
        })
        .collect()
    }
}

/// An error's text without what it quotes and counts.
fn kind(why: &str) -> String {
    let outside = why.split('`').step_by(2);
    outside.flat_map(str::chars).filter(|c| !c.is_ascii_digit()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(n: usize, why: &str) -> InputError {
        InputError { place: format!("{n}.json"), why: why.to_owned() }
    }

    #[test]
    fn of_equal_errors_the_first_are_named_and_the_others_counted() {
        let mut errors = Errors::new(false);
        let whys = (0..30).map(|n| error(n, &format!("the delivery is `{{\"n\":{n}}}`: at byte {n}")));
        let named: Vec<_> = whys.filter_map(|error| errors.add(&error)).collect();
        assert_eq!(named.len(), 3);
        assert!(errors.add(&error(99, "it is gone")).is_some(), "one of another kind is named all the same");
        assert_eq!(errors.count(), 31);
        assert_eq!(errors.not_named(), ["portcullis: 27 more like 0.json (-v names them all)"]);
    }

    #[test]
    fn whoever_wants_to_see_them_all_does() {
        let mut errors = Errors::new(true);
        assert!((0..30).all(|n| errors.add(&error(n, "no JSON")).is_some()));
        assert!(errors.not_named().is_empty());
    }
}
