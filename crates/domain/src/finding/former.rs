//! What a finding says of the values that rules had before a change.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Action, RuleFinding};
use crate::change::{Call, Change};
use crate::former::{Former, Source, Was};
use crate::ids::RuleId;
use crate::judge::Judgement;
use crate::rule::Permission;
use crate::text::escaped;

/// A reason tells this many rules' former values. The finding has them all.
const MOST_TOLD: usize = 3;

/// What a rule was before the change; or that it is not known, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Former"))]
#[serde(untagged)]
pub enum FormerFinding {
    /// It is known.
    Was(Box<FormerValue>),
    /// It is not known.
    Unknown {
        /// Why.
        unknown: String,
    },
}

/// What a rule was before the change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FormerValue {
    /// Its protocol, in EC2's words.
    pub protocol: String,
    /// The first port, or the ICMP type. `null` where the protocol has none.
    pub from_port: Option<i64>,
    /// The last port, or the ICMP code. `null` where the protocol has none.
    pub to_port: Option<i64>,
    /// Whom it let in: a CIDR block, a prefix list or a security group.
    pub source: String,
    /// Its description, where it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How that is known: by the record of the call that set it, or by a sweep that saw it.
    pub from: Source,
    /// When the call was made, or the sweep looked.
    pub as_of: Timestamp,
    /// Why nothing was decided by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<String>,
    /// What it was before a call opened it, where this value opens a port as well and the call was not long ago.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Box<FormerFinding>>,
}

impl FormerFinding {
    /// What a finding says of it.
    #[must_use]
    pub fn of(former: &Former) -> Self {
        match former {
            Former::Unknown(why) => Self::Unknown { unknown: why.clone() },
            Former::Was(was) => Self::Was(Box::new(FormerValue::of(was))),
        }
    }

    /// `it was tcp 443 from 0.0.0.0/0 before, seen by the sweep of 17:30`, with `it` as the rule is called.
    #[must_use]
    pub fn words(&self, it: &str) -> String {
        match self {
            Self::Unknown { unknown } => format!("what {it} was before is not known: {unknown}"),
            Self::Was(was) => {
                let mut words = format!("{it} was {} before, {}", was.admitted(), was.known());
                if let Some(before) = &was.before {
                    words.push_str(&match &**before {
                        Self::Unknown { unknown } => format!("; that was open too, and {unknown}"),
                        Self::Was(before) => {
                            format!(
                                "; that was open too, and before that it was {}, {}",
                                before.admitted(),
                                before.known()
                            )
                        }
                    });
                }
                if let Some(doubt) = &was.doubt {
                    words.push_str(&format!(" (nothing rests on it: {doubt})"));
                }
                words
            }
        }
    }
}

impl FormerValue {
    fn of(was: &Was) -> Self {
        let Was { permission: Permission { traffic, source }, description, from, as_of, doubt, before, exposes: _ } =
            was;
        Self {
            protocol: traffic.protocol().to_string(),
            from_port: traffic.from_port(),
            to_port: traffic.to_port(),
            source: source.to_string(),
            description: description.clone(),
            from: *from,
            as_of: *as_of,
            doubt: doubt.clone(),
            before: before.as_deref().map(|before| Box::new(FormerFinding::of(before))),
        }
    }

    fn admitted(&self) -> String {
        let traffic = match (self.protocol.as_str(), self.from_port, self.to_port) {
            ("-1", ..) => "all traffic".to_owned(),
            (protocol @ ("tcp" | "udp"), Some(from), Some(to)) if from == to => format!("{protocol} {from}"),
            (protocol @ ("tcp" | "udp"), Some(from), Some(to)) => format!("{protocol} {from}-{to}"),
            (protocol, ..) => escaped(protocol),
        };
        format!("{traffic} from {}", escaped(&self.source))
    }

    fn known(&self) -> String {
        let at = self.as_of.strftime("%F %H:%M UTC");
        match self.from {
            Source::Event => format!("set by the call of {at}"),
            Source::Sweep => format!("seen by the sweep of {at}"),
        }
    }
}

/// What is known of the former values of the rules of a finding.
pub(super) fn formers(change: &Change, rules: &[RuleFinding]) -> BTreeMap<RuleId, FormerFinding> {
    let known = |rule: &RuleFinding| Some((rule.id.clone(), FormerFinding::of(change.former.get(&rule.id)?)));
    match change.call {
        Call::Modify => rules.iter().filter_map(known).collect(),
        Call::Authorize | Call::ModifyPrefixList | Call::RestorePrefixList | Call::Sweep => BTreeMap::new(),
    }
}

/// What of it belongs into the reason: what rules were, and where a change did not open what is open.
pub(super) fn words(change: &Change, rules: &[RuleFinding], judgement: &Judgement) -> Vec<String> {
    let told: Vec<(&RuleFinding, &Former)> =
        rules.iter().filter_map(|rule| Some((rule, change.former.get(&rule.id)?))).collect();
    let mut words = Vec::new();
    for (rule, former) in told.iter().take(MOST_TOLD).filter(|_| change.call == Call::Modify) {
        let judged = judgement.rules.iter().find(|judged| judged.rule.id == rule.id);
        let mut text = FormerFinding::of(former).words(rule.id.as_str());
        let is_kept = rule.action == Action::Kept;
        match (judged.filter(|judged| judged.unchanged && is_kept), former) {
            (Some(judged), Former::Was(was)) if was.permission == judged.rule.permission => {
                text.push_str(": the call changed the description only");
            }
            (Some(_), _) => text.push_str(": the call narrowed the rule"),
            (None, Former::Was(Was { exposes: true, before: None, .. }))
                if matches!(rule.action, Action::Revoked | Action::WouldRevoke) =>
            {
                text.push_str(": that opens a port as well, and is not given back");
            }
            (None, _) => {}
        }
        words.push(text);
    }
    if told.len() > MOST_TOLD && change.call == Call::Modify {
        words.push(format!("and so on for {} more rules", told.len() - MOST_TOLD));
    }
    words
}
