//! What a call made of rules, with their descriptions: it is what the rules were before the next call.

use std::collections::BTreeMap;

use super::fields::{At, Part, list, object, part};
use crate::change::{Call, Change, ChangedRules};
use crate::former::{Seen, Source, Value};
use crate::ids::RuleId;
use crate::json::{Json, Object};
use crate::rule::Permission;

/// What a successful AuthorizeSecurityGroupIngress or ModifySecurityGroupRules made of each rule that its record names. A
/// record that names a rule and does not say what became of it says that as well.
#[must_use]
pub fn values(change: &Change, record: &Json<'_>) -> Vec<(RuleId, Seen)> {
    let (Some(at), ChangedRules::Rules(ids)) = (change.event.time, &change.changed_rules) else { return Vec::new() };
    let is_new = match change.call {
        Call::Authorize => true,
        Call::Modify => false,
        Call::ModifyPrefixList | Call::RestorePrefixList | Call::Sweep => return Vec::new(),
    };
    let recorded = change.recorded_rules.iter().flatten();
    let recorded: BTreeMap<&RuleId, &Permission> =
        recorded.filter_map(|(id, permission)| Some((id.as_ref()?, permission))).collect();
    let mut descriptions = descriptions(change.call, record);
    let seen = |id: &RuleId| {
        let description = descriptions.remove(id);
        let value = recorded.get(id).map(|permission| Value { permission: (*permission).clone(), description });
        (id.clone(), Seen { at, from: Source::Event, value, is_new })
    };
    ids.iter().map(seen).collect()
}

/// The descriptions that the record has. A rule without one, or with one that cannot be read, has none.
fn descriptions(call: Call, record: &Json<'_>) -> BTreeMap<RuleId, String> {
    let found = match call {
        Call::Authorize => authorized(record),
        Call::Modify | Call::ModifyPrefixList | Call::RestorePrefixList | Call::Sweep => modified(record),
    };
    found.unwrap_or_default()
}

fn authorized(record: &Json<'_>) -> Result<BTreeMap<RuleId, String>, String> {
    let Part::Given(answer) = part(record, "responseElements")? else { return Ok(BTreeMap::new()) };
    let at = At::Part("responseElements");
    let set = at.field("securityGroupRuleSet");
    let rules = list(answer.get("securityGroupRuleSet"), &set)?;
    Ok(rules
        .iter()
        .filter_map(|rule| described(object(rule, &set).ok()?, "securityGroupRuleId", "description"))
        .collect())
}

fn modified(record: &Json<'_>) -> Result<BTreeMap<RuleId, String>, String> {
    let Part::Given(outer) = part(record, "requestParameters")? else { return Ok(BTreeMap::new()) };
    let at = At::Part("requestParameters");
    let inner = outer.get("ModifySecurityGroupRulesRequest").map(|inner| object(inner, &at)).transpose()?;
    let items = at.field("SecurityGroupRule");
    let rules = list(inner.unwrap_or(outer).get("SecurityGroupRule"), &items)?;
    let description = |rule: &Json<'_>| {
        let outer = object(rule, &items).ok()?;
        let id = id_of(outer, "SecurityGroupRuleId")?;
        let text = outer.get("SecurityGroupRule")?.get("Description")?.as_str()?;
        (!text.is_empty()).then(|| (id, text.to_owned()))
    };
    Ok(rules.iter().filter_map(description).collect())
}

fn described(rule: &Object<'_>, id: &str, description: &str) -> Option<(RuleId, String)> {
    let text = rule.get(description)?.as_str().filter(|text| !text.is_empty())?;
    Some((id_of(rule, id)?, text.to_owned()))
}

fn id_of(rule: &Object<'_>, key: &str) -> Option<RuleId> {
    RuleId::parse(rule.get(key)?.as_str()?).ok()
}
