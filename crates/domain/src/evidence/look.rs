//! A look at a group that led to a plan, and what was done about it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::facts::{Facts, GroupLocation};
use crate::ids::{PrefixListId, RuleId};
use crate::memory::Waiver;
use crate::net::Cidr;
use crate::plan::Plan;
use crate::rule::Rule;

/// What EC2 showed of the group, what was planned about it, and what was called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Look {
    /// When EC2 was asked.
    pub at: Timestamp,
    /// When it was judged. Exemptions that end do so by this time.
    pub judged_at: Timestamp,
    /// The group's ingress rules, without those that had been revoked already.
    pub rules: Vec<Rule>,
    /// Rules that an earlier look of the same act did not show, or showed differently.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub appeared: BTreeSet<RuleId>,
    /// Entries of prefix lists that an earlier look of the same act did not show.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub appeared_entries: BTreeMap<PrefixListId, BTreeSet<Cidr>>,
    /// The ids of the egress rules.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub egress: BTreeSet<RuleId>,
    /// The prefix lists that the rules refer to, where they matter.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub prefix_lists: BTreeMap<PrefixListId, PrefixListLook>,
    /// Rules that are revoked and not given their former value back: that did not work before.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub given_up: BTreeSet<RuleId>,
    /// The group's waivers, by their ids, where they were not those that were known before this look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waivers: Option<BTreeMap<String, Waiver>>,
    /// What was planned.
    pub plan: Plan,
    /// What was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<Call>,
}

/// What was read of a prefix list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PrefixListLook {
    /// Its entries.
    Entries(Vec<Cidr>),
    /// Why it could not be read.
    Unreadable(String),
}

impl PrefixListLook {
    /// A prefix list as evidence keeps it.
    #[must_use]
    pub fn of(entries: &Result<Vec<Cidr>, String>) -> Self {
        match entries {
            Ok(entries) => Self::Entries(entries.clone()),
            Err(why) => Self::Unreadable(why.clone()),
        }
    }

    /// Its entries, or why they could not be read.
    ///
    /// # Errors
    /// Why.
    pub fn entries(&self) -> Result<Vec<Cidr>, String> {
        match self {
            Self::Entries(entries) => Ok(entries.clone()),
            Self::Unreadable(why) => Err(why.clone()),
        }
    }
}

/// A call that writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Call {
    /// Its name.
    pub name: String,
    /// AWS's id of the request, by which AWS and CloudTrail know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// When its answer came, or it was given up.
    pub at: Timestamp,
    /// The rules that it named.
    pub rules: BTreeSet<RuleId>,
    /// What EC2 answered.
    pub reply: Reply,
}

/// What EC2 answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The rules that it lists as revoked.
    Revoked(BTreeSet<RuleId>),
    /// It took the call, and says no more: a later look tells what came of it.
    Accepted,
    /// AWS's error code, or what happened instead of an answer.
    Failed(String),
}

impl Look {
    /// A look as the evidence keeps it.
    #[must_use]
    pub fn new(facts: &Facts, judged_at: Timestamp, plan: Plan) -> Self {
        let list = |(id, entries): (&PrefixListId, _)| (id.clone(), PrefixListLook::of(entries));
        Self {
            at: facts.observed_at,
            judged_at,
            rules: facts.rules.clone(),
            appeared: facts.appeared.clone(),
            appeared_entries: facts.appeared_entries.clone(),
            egress: facts.egress.clone(),
            prefix_lists: facts.prefix_lists.iter().map(list).collect(),
            given_up: BTreeSet::new(),
            waivers: None,
            plan,
            call: None,
        }
    }

    /// The same look, where these rules are not given back any more.
    #[must_use]
    pub fn with_given_up(self, given_up: BTreeSet<RuleId>) -> Self {
        Self { given_up, ..self }
    }

    /// The same look, where these waivers were known, and others before it.
    #[must_use]
    pub fn with_waivers(self, waivers: Option<BTreeMap<String, Waiver>>) -> Self {
        Self { waivers, ..self }
    }

    /// The waivers that are known after some looks, of which each says what has changed, and before them.
    #[must_use]
    pub fn waivers_after<'a>(looks: &'a [Self], before: &'a BTreeMap<String, Waiver>) -> &'a BTreeMap<String, Waiver> {
        looks.iter().rev().find_map(|look| look.waivers.as_ref()).unwrap_or(before)
    }

    /// What was judged.
    #[must_use]
    pub fn facts(&self, location: &GroupLocation) -> Facts {
        let list = |(id, look): (&PrefixListId, &PrefixListLook)| (id.clone(), look.entries());
        Facts {
            location: location.clone(),
            rules: self.rules.clone(),
            appeared: self.appeared.clone(),
            appeared_entries: self.appeared_entries.clone(),
            egress: self.egress.clone(),
            prefix_lists: Arc::new(self.prefix_lists.iter().map(list).collect()),
            observed_at: self.at,
        }
    }
}
