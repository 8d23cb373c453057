//! The finding of an opening's end.

use jiff::Timestamp;

use super::{Action, Finding, MemoryState, Outcome, RuleFinding, Verdict};
use crate::change::EventMetadata;
use crate::evidence::{EndedBy, Taken};
use crate::facts::GroupLocation;
use crate::ids::{AccountId, Region, RuleId};
use crate::policy::Mode;

/// The call of such a finding.
pub const END: &str = "End";

/// What came of an end.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended<'a> {
    /// The group.
    pub location: &'a GroupLocation,
    /// The waiver's id.
    pub waiver: &'a str,
    /// When the opening was to end.
    pub until: Timestamp,
    /// Why it was opened, where that is known.
    pub opened_for: Option<&'a str>,
    /// What asked for the end.
    pub by: EndedBy,
    /// The rules that a look showed, and what became of each.
    pub rules: &'a [Taken],
    /// The rules that were made under the waiver and that no look showed.
    pub gone: &'a [RuleId],
    /// What could not be told.
    pub doubt: Option<&'a str>,
}

/// Of an end: who asked for it, and when the opening was to end.
#[must_use]
pub fn metadata(location: &GroupLocation, time: Timestamp, actor: Option<String>) -> EventMetadata {
    EventMetadata {
        time: Some(time),
        account: Some(location.account.to_string()),
        region: Some(location.region.to_string()),
        call: Some(END.to_owned()),
        actor,
        ..EventMetadata::default()
    }
}

impl Finding {
    /// The finding of an end that took rules, or found them gone.
    #[must_use]
    pub fn ended(event: &EventMetadata, ended: &Ended<'_>, mode: Mode) -> Self {
        let any = |is: fn(&Action) -> bool| ended.rules.iter().any(|taken| is(&taken.action));
        let outcome = if any(|action| matches!(action, Action::Failed { .. })) || ended.doubt.is_some() {
            Outcome::Failed
        } else if any(|action| *action == Action::Revoked) {
            Outcome::Reverted
        } else if any(|action| *action == Action::WouldRevoke) {
            Outcome::WouldRevert
        } else {
            Outcome::AlreadyGone
        };
        let shown = ended.rules.iter().map(|taken| RuleFinding::of(&taken.rule, taken.action.clone()));
        let is_shown = |rule: &&RuleId| !ended.rules.iter().any(|taken| taken.rule.id == **rule);
        let gone = ended.gone.iter().filter(is_shown).map(RuleFinding::gone);
        Self {
            group: Some(ended.location.group.to_string()),
            rules: shown.chain(gone).collect(),
            waiver: Some(ended.waiver.to_owned()),
            ..Self::plain(event, Verdict::Exempt, outcome, mode, sentence(ended, outcome))
        }
    }

    /// The finding of an end that had nothing to do.
    #[must_use]
    pub fn not_ended(event: &EventMetadata, (location, verdict): (&GroupLocation, Verdict), why: String) -> Self {
        let finding = Self::plain(event, verdict, Outcome::None, Mode::Alert, why);
        Self { group: Some(location.group.to_string()), doubtful: false, ..finding }
    }

    /// The finding of a sweep that could not read which openings of an account and Region there are.
    #[must_use]
    pub fn openings_not_known((account, region): (&AccountId, &Region), now: Timestamp, code: &str) -> Self {
        let event = EventMetadata {
            time: Some(now),
            account: Some(account.to_string()),
            region: Some(region.to_string()),
            call: Some(END.to_owned()),
            ..EventMetadata::default()
        };
        let why = format!(
            "the memory did not answer ({code}), so which openings of {account} {region} are over cannot be told: what was \
             to end may be open still"
        );
        let finding = Self::plain(&event, Verdict::Undecided, Outcome::Failed, Mode::Alert, why);
        // An alarm says it; a message for each account and Region would be one for each sweep that AWS tries again.
        Self { memory: Some(MemoryState::Unavailable), is_told: true, ..finding }
    }

    /// Whether it is about the end of an opening.
    #[must_use]
    pub fn is_of_end(&self) -> bool {
        self.call.as_deref() == Some(END)
    }
}

fn sentence(ended: &Ended<'_>, outcome: Outcome) -> String {
    let Ended { waiver, until, opened_for, by, rules, doubt, .. } = ended;
    let why = opened_for.map_or_else(String::new, |why| format!(" ({why})"));
    let when = match by {
        EndedBy::Schedule => format!("at its time, {until}"),
        EndedBy::Sweep => format!("by a sweep: its time was {until}"),
        EndedBy::Close => format!("by an operator, before {until} or at it"),
    };
    let revoked = rules.iter().filter(|taken| taken.action == Action::Revoked).count();
    let count = |count: usize| if count == 1 { "1 rule".to_owned() } else { format!("{count} rules") };
    let mut text = match outcome {
        Outcome::Reverted => format!("the opening {waiver}{why} was ended {when}: {} revoked", count(revoked)),
        Outcome::WouldRevert => {
            format!(
                "the opening {waiver}{why} was to end at {until}, and {} are there: not touched",
                count(rules.len())
            )
        }
        Outcome::AlreadyGone | Outcome::None => {
            format!("the opening {waiver}{why} was ended {when}: no rule of it was there any more")
        }
        Outcome::Failed => format!("the opening {waiver}{why} was to end at {until}, and its end did not succeed"),
    };
    for error in rules.iter().filter_map(|taken| taken.action.error()).collect::<std::collections::BTreeSet<_>>() {
        text.push_str(&format!("; not revoked: {error}"));
    }
    doubt.iter().for_each(|doubt| text.push_str(&format!("; {doubt}")));
    if revoked > 0 {
        text.push_str("; connections that were made meanwhile go on until they are closed");
    }
    text
}
