//! Insisting on a token of EC2's: whoever holds the lease repeats a revoke that EC2 refuses. Who replaces rules takes tokens
//! from the same bucket.

use std::collections::BTreeSet;
use std::time::Duration;

use portcullis_domain::ids::RuleId;

use super::remediate::Work;
use super::task::Snapshot;
use crate::aws::{AwsError, Effect, Permit, Revoked};

/// The holder repeats a revoke that EC2 refuses for want of a token, for this long after it asked for the look. Whoever
/// replaces rules takes tokens from the same bucket, and who asks more seldom gets none. A rule that is replaced four
/// times a second is there for little longer.
const INSIST: Duration = Duration::from_millis(200);

/// After this many revokes in a row that EC2 refused all the same, the holder waits for tokens as everybody does. While it
/// repeated them, EC2 added some ten tokens. Who gets none of them has only made things worse: EC2 may count the calls that
/// it refuses.
const MOST_REFUSED: u32 = 10;

/// How often repeating a refused revoke came to nothing.
#[derive(Debug, Default)]
pub(super) struct Insistence {
    refused: u32,
}

impl Insistence {
    /// Takes in whether EC2 refused a revoke to the end.
    const fn note(&mut self, is_refused: bool) {
        self.refused = if is_refused { self.refused.saturating_add(1) } else { 0 };
    }

    const fn is_of_use(&self) -> bool {
        self.refused < MOST_REFUSED
    }
}

impl<'a> Work<'a> {
    /// Whether a refused revoke is repeated at once.
    pub(super) const fn insists(&self) -> bool {
        self.stand.is_holder && self.stand.insistence.is_of_use()
    }

    /// The permit at hand, or else a new one; nothing when time runs out first.
    pub(super) async fn at_hand(&self, permit: Option<Permit<'a>>) -> Option<Permit<'a>> {
        match permit {
            Some(permit) => Some(permit),
            None if self.insists() => Some(self.task.session.permit_now(self.task.target)),
            None => self.task.session.permit(self.task.target).await,
        }
    }

    /// Sends a revoke of what a snapshot shows.
    pub(super) async fn send(
        &mut self,
        permit: Permit<'_>,
        snapshot: &Snapshot,
        rules: &BTreeSet<RuleId>,
    ) -> Result<Revoked, AwsError> {
        let (session, group) = (self.task.session, &snapshot.facts.location.group);
        let answer = match self.insists() {
            true => session.revoke_insisting(permit, group, rules, snapshot.observed_at + INSIST).await,
            false => session.revoke(permit, group, rules).await,
        };
        let is_refused = matches!(&answer, Err(error) if error.effect == Effect::NotYet);
        self.stand.insistence.note(is_refused);
        if is_refused && self.insists() {
            self.gate.limit_next(Duration::ZERO);
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revoke_that_is_refused_again_and_again_is_repeated_no_more_until_one_succeeds() {
        let mut insistence = Insistence::default();
        (1..MOST_REFUSED).for_each(|_| insistence.note(true));
        assert!(insistence.is_of_use());
        insistence.note(true);
        assert!(!insistence.is_of_use());
        insistence.note(false);
        assert!(insistence.is_of_use());
    }
}
