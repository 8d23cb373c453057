//! Collects the lines of one place after the other.

use super::super::check::{Check, Verdict};
use super::super::inventory::{CallError, Seen};

/// The lines so far, and where the next ones are about.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) checks: Vec<Check>,
    account: String,
    region: String,
}

impl Lines {
    /// What follows is about this place.
    pub(super) fn place(&mut self, account: &str, region: &str) {
        (self.account, self.region) = (account.to_owned(), region.to_owned());
    }

    pub(super) fn right(&mut self, what: &'static str, why: impl Into<String>) {
        self.add(what, None, Verdict::Right, why.into());
    }

    pub(super) fn wrong(&mut self, what: &'static str, of: Option<&str>, why: impl Into<String>, mend: Option<String>) {
        let check = self.add(what, of, Verdict::Wrong, why.into());
        check.mend = mend;
    }

    /// It cannot be told, though no call failed.
    pub(super) fn unknown(
        &mut self,
        what: &'static str,
        of: Option<&str>,
        why: impl Into<String>,
        mend: Option<String>,
    ) {
        let check = self.add(what, of, Verdict::CannotTell, why.into());
        check.mend = mend;
    }

    /// It cannot be told, because a call failed.
    pub(super) fn failed(&mut self, what: &'static str, of: Option<&str>, error: &CallError) {
        let check = self.add(what, of, Verdict::CannotTell, error.why());
        check.error = Some(error.clone());
    }

    /// What was seen; a line where it was not.
    pub(super) fn seen<'a, T>(&mut self, what: &'static str, seen: &'a Seen<T>) -> Option<&'a T> {
        seen.as_ref().inspect_err(|error| self.failed(what, None, error)).ok()
    }

    fn add(&mut self, what: &'static str, of: Option<&str>, verdict: Verdict, why: String) -> &mut Check {
        let (account, region, resource) = (self.account.clone(), self.region.clone(), of.map(str::to_owned));
        let (mend, error) = (None, None);
        let check = Check { what, account, region, resource, verdict, why, mend, error };
        // One vector, pushed to and looked at: its last element is the one that was pushed.
        let at = self.checks.len();
        self.checks.push(check);
        #[expect(clippy::indexing_slicing, reason = "it was pushed the line before")]
        &mut self.checks[at]
    }
}
