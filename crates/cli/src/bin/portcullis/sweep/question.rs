//! What `--enforce` asks: how many rules it would revoke, and where.

use std::collections::BTreeMap;
use std::fmt::Write;

use portcullis::aws::AccountRegion;
use portcullis::domain::facts::GroupLocation;
use portcullis::domain::finding::{Action, Finding, Outcome};
use portcullis::domain::ids::{AccountId, GroupId, Region};
use portcullis::domain::policy::{Mode, Policy};
use portcullis_cli::words::{count, text};

/// What a look found that would be revoked.
#[derive(Default)]
pub(super) struct Question {
    places: BTreeMap<AccountRegion, Place>,
    /// Groups that are left because the policy says alert.
    by_policy: usize,
    most: usize,
}

/// In one account and Region.
#[derive(Default)]
struct Place {
    rules: usize,
    groups: usize,
    /// Groups that are left because of the cap.
    past_the_cap: usize,
}

impl Question {
    /// Counts what the policy lets be revoked of these findings, in their order. A scope that names VPCs is left to the
    /// sweep itself: a finding does not say its group's.
    pub(super) fn of<'a>(findings: impl Iterator<Item = &'a Finding>, policy: &Policy) -> Self {
        let most = usize::try_from(policy.sweep().max_revocations).unwrap_or(usize::MAX);
        let mut question = Self { most, ..Self::default() };
        for finding in findings.filter(|finding| finding.outcome == Outcome::WouldRevert) {
            let Some(at) = location(finding) else { continue };
            if policy.mode(&at, Mode::Enforce) == Mode::Alert {
                question.by_policy += 1;
                continue;
            }
            let target = AccountRegion { account: at.account, region: at.region };
            let rules = finding.rules.iter().filter(|rule| rule.action == Action::WouldRevoke).count();
            let place = question.places.entry(target).or_default();
            if place.rules + rules > most {
                place.past_the_cap += 1;
            } else {
                place.rules += rules;
                place.groups += 1;
            }
        }
        question
    }

    /// Whether nothing would be revoked.
    pub(super) fn is_empty(&self) -> bool {
        self.places.values().all(|place| place.rules == 0)
    }

    /// Where something would be revoked.
    pub(super) fn targets(&self) -> Vec<AccountRegion> {
        self.places.iter().filter(|(_, place)| place.rules > 0).map(|(target, _)| target.clone()).collect()
    }

    /// The question, for who it is that would revoke.
    pub(super) fn text(&self, caller: &str) -> String {
        let mut question = format!("This revokes rules as {}\n", text(caller));
        for (AccountRegion { account, region }, place) in &self.places {
            let (rules, groups) = (count(place.rules, "rule"), count(place.groups, "group"));
            let _ = write!(question, "  {account} {region}: {rules} of {groups}");
            if place.past_the_cap > 0 {
                let left = count(place.past_the_cap, "group");
                let _ = write!(question, "; {left} left, past the {} revocations in one account and Region", self.most);
            }
            question.push('\n');
        }
        if self.by_policy > 0 {
            let _ = writeln!(question, "Left open: {}, where the policy says alert.", count(self.by_policy, "group"));
        }
        let rules = self.places.values().map(|place| place.rules).sum();
        let groups = self.places.values().map(|place| place.groups).sum();
        let (rules, groups) = (count(rules, "rule"), count(groups, "group"));
        let _ = write!(question, "Each group is looked at again first. Revoke {rules} of {groups}? Type yes: ");
        question
    }
}

fn location(finding: &Finding) -> Option<GroupLocation> {
    let account = AccountId::parse(finding.account.as_deref()?).ok()?;
    let region = Region::parse(finding.region.as_deref()?).ok()?;
    let group = GroupId::parse(finding.group.as_deref()?).ok()?;
    Some(GroupLocation { account, region, group, vpc: None })
}
