//! From looks at the group to when its rule ended. Pure: a look is when it was sent, when its answer came, and whether it
//! showed the rule.

use std::time::Duration;

/// When the rule ended, from the call's answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Closed {
    /// Seconds from the answer of the call that opened it, the middle of what the looks leave open.
    pub open_seconds: f64,
    /// It is at most so many seconds more or less.
    pub within_seconds: f64,
}

/// What the looks have shown so far. Times are from the answer of the call that opened the group.
#[derive(Debug, Clone, Default)]
pub struct Looks {
    /// When the last look that showed the rule was sent.
    shown: Option<Duration>,
    /// When the answer of the first of the last looks that did not show it came.
    missing: Option<Duration>,
    /// Of how many looks in a row.
    in_a_row: u32,
}

/// EC2 may answer a look with what was: one that does not show the rule is believed when the next does not either.
const BELIEVED: u32 = 2;

/// So long after a change EC2 may not show it yet, as Portcullis has it too (docs/adr/0002).
const SETTLING: Duration = Duration::from_secs(20);

impl Looks {
    /// Takes in a look.
    pub fn take(&mut self, sent: Duration, answered: Duration, shown: bool) {
        if shown {
            *self = Self { shown: Some(sent), missing: None, in_a_row: 0 };
        } else {
            self.missing.get_or_insert(answered);
            self.in_a_row += 1;
        }
    }

    /// When the rule ended, once that is certain. `reported` says that Portcullis has said so: a rule that no look has shown
    /// is over then, and without that it is so when EC2 must have shown it.
    #[must_use]
    pub fn closed(&self, now: Duration, reported: bool) -> Option<Closed> {
        let missing = self.missing.filter(|_| self.in_a_row >= BELIEVED)?;
        if self.shown.is_none() && !reported && now < SETTLING {
            return None;
        }
        let (from, to) = (self.shown.unwrap_or_default().as_secs_f64(), missing.as_secs_f64());
        Some(Closed { open_seconds: f64::midpoint(from, to), within_seconds: (to - from) / 2.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn looks(shown: &[(u64, bool)]) -> Looks {
        let mut looks = Looks::default();
        // Each answer takes 40 ms.
        shown.iter().for_each(|(sent, shown)| looks.take(ms(*sent), ms(sent + 40), *shown));
        looks
    }

    #[test]
    fn the_end_lies_between_the_last_look_that_showed_it_and_the_first_that_did_not() {
        let closed = looks(&[(0, true), (100, true), (200, false), (300, false)]).closed(ms(340), false).unwrap();
        assert!((closed.open_seconds - 0.17).abs() < 1e-9 && (closed.within_seconds - 0.07).abs() < 1e-9, "{closed:?}");
    }

    #[test]
    fn one_look_without_the_rule_is_not_believed() {
        assert_eq!(looks(&[(0, true), (100, false)]).closed(ms(140), false), None);
        assert_eq!(looks(&[(0, true), (100, false), (200, true)]).closed(ms(240), true), None);
        let flickers = looks(&[(0, true), (100, false), (200, true), (300, false), (400, false)]);
        assert!((flickers.closed(ms(440), false).unwrap().open_seconds - 0.27).abs() < 1e-9);
    }

    #[test]
    fn a_rule_that_ec2_does_not_show_yet_is_not_over() {
        let never = looks(&[(0, false), (100, false), (200, false)]);
        assert_eq!(never.closed(ms(240), false), None);
        let late = looks(&[(0, false), (100, false), (5000, true), (5100, false), (5200, false)]);
        assert!((late.closed(ms(5240), false).unwrap().open_seconds - 5.07).abs() < 1e-9);
        // Portcullis says that it has closed it: before the first look then.
        let closed = never.closed(ms(240), true).unwrap();
        assert!((closed.open_seconds - 0.02).abs() < 1e-9, "{closed:?}");
        assert!(never.closed(ms(20_000), false).is_some(), "EC2 must have shown it by now");
    }
}
