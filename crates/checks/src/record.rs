//! Checks one CloudTrail record: reads it, judges it on facts made from the record itself, and plans.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::LazyLock;

use jiff::Timestamp;
use portcullis_domain::change::{Change, ChangedRules, Resource};
use portcullis_domain::cloudtrail::{EnvelopeOrigin, Reading, read};
use portcullis_domain::facts::{Facts, GroupLocation, PrefixLists};
use portcullis_domain::ids::{GroupId, RuleId};
use portcullis_domain::json::{self, Json, Object};
use portcullis_domain::judge::{Judgement, harmless, judge};
use portcullis_domain::plan::going;
use portcullis_domain::policy::Policy;
use portcullis_domain::rule::{Permission, Rule, Source, Traffic};

use crate::is_clear;

/// The built-in policy, one under which everything counts, and one under which little counts and much is guarded.
static POLICIES: LazyLock<Vec<Policy>> = LazyLock::new(|| {
    let strict = "{version: 1, internet: {ipv4: /32, ipv6: /128}, guard: [ssh, dns, vnc, {name: low, protocol: udp, ports: [0-1023, 40000-65535]}]}";
    let lax = "{version: 1, internet: {ipv4: /0, ipv6: /0}, trusted: [0.0.0.0/2, '2000::/4'], guard: [ssh, rdp, {name: all, protocol: tcp, ports: [0-65535]}]}";
    let parsed = [strict.replace(" dns,", ""), lax.to_owned()].into_iter().flat_map(|text| Policy::parse(&text));
    std::iter::once(Policy::built_in()).chain(parsed).collect()
});

/// Reads a record (an EventBridge event's `detail`, or the value itself), judges and plans.
///
/// - The order of keys, white space and the spelling of characters make no difference.
/// - A record that clearly opens ssh to everyone is never harmless, and is exposed when it is judged.
/// - A harmless record is never exposed and never undecided.
/// - Only rules that the change made and that expose something are planned. After the plan, nothing is left to plan.
///
/// Returns `no json`, `irrelevant`, `undecided`, `harmless`, `exposed` or `safe`, under the built-in policy.
pub fn record(bytes: &[u8]) -> &'static str {
    let Ok(value) = json::parse(bytes) else { return "no json" };
    let record = value.get("detail").unwrap_or(&value);
    let reading = read(record, &EnvelopeOrigin::default());
    if !has_fractions(record) {
        let mut respelt = String::new();
        respell(record, &mut respelt);
        let again = json::parse(respelt.as_bytes());
        assert!(again.as_ref().is_ok_and(|again| again == record), "{respelt}: {again:?}");
        let again = again.map(|again| read(&again, &EnvelopeOrigin::default()));
        assert!(again.is_ok_and(|again| again == reading), "the same record in another spelling reads otherwise");
    }
    let change = match reading {
        Reading::Irrelevant { why, .. } => {
            is_clear(&why, 1200);
            return "irrelevant";
        }
        Reading::Undecided { why, .. } => {
            is_clear(&why, 1200);
            return "undecided";
        }
        Reading::Change(change) => change,
    };
    assert_eq!(POLICIES.len(), 3, "a policy of the check does not parse");
    let verdicts: Vec<&'static str> = POLICIES.iter().map(|policy| judged(&change, policy)).collect();
    if blatant(record) {
        assert!(!verdicts.contains(&"harmless"), "ssh is open to everyone, and it is called harmless");
        assert!(!verdicts.contains(&"safe"), "ssh is open to everyone, and it is called safe");
    }
    verdicts.first().copied().unwrap_or_default()
}

fn judged(change: &Change, policy: &Policy) -> &'static str {
    let harmless = harmless(change, policy);
    if let ChangedRules::PrefixList { list, added: Some(added), .. } = &change.changed_rules {
        // A group that opens every port to the list. The list holds only the added entries.
        let traffic = Traffic::new("-1".into(), None, None);
        let permission = Permission { traffic, source: Source::PrefixList(list.clone()) };
        let lists = PrefixLists::from([(list.clone(), Ok(added.clone()))]);
        let rules = vec![Rule::new(RuleId::unlisted(0), permission)];
        let judgement = look(change, rules, &lists, policy);
        assert!(harmless.is_none() || judgement.exposures.is_empty(), "harmless, and exposed: {judgement:?}");
    }
    let Some(recorded_rules) = &change.recorded_rules else {
        return if harmless.is_some() { "harmless" } else { "undecided" };
    };

    // EC2 keeps no two rules of one group with the same id or the same permission.
    let mut rules: Vec<Rule> = Vec::new();
    let (mut ids, mut permissions) = (BTreeSet::new(), BTreeSet::new());
    for (n, (id, permission)) in recorded_rules.iter().enumerate() {
        let id = id.clone().unwrap_or_else(|| RuleId::unlisted(n));
        if ids.insert(id.clone()) && permissions.insert(permission.clone()) {
            rules.push(Rule::new(id, permission.clone()));
        }
    }
    let every_other = rules.iter().step_by(2).map(|rule| rule.id.clone()).collect();
    for changed_rules in
        [change.changed_rules.clone(), ChangedRules::Rules(every_other), ChangedRules::Rules(Vec::new())]
    {
        rolled_back(&Change { changed_rules, recorded_rules: None, ..change.clone() }, &rules, policy);
    }
    let judgement = rolled_back(&Change { changed_rules: ChangedRules::Any, ..change.clone() }, &rules, policy);
    match (harmless, judgement.exposures.is_empty(), judgement.undecided.is_empty()) {
        (Some(why), exposed_not, doubted_not) => {
            assert!(exposed_not && doubted_not, "harmless ({why}), and exposed or in doubt: {judgement:?}");
            "harmless"
        }
        (None, false, _) => "exposed",
        (None, true, false) => "undecided",
        (None, true, true) => "safe",
    }
}

/// Judges the rules, plans, removes the planned rules, and judges the rest.
fn rolled_back(change: &Change, rules: &[Rule], policy: &Policy) -> Judgement {
    let lists = PrefixLists::new();
    let judgement = look(change, rules.to_vec(), &lists, policy);
    let planned = going(&judgement);
    let attributed =
        judgement.attributions.first().map(|changed_rules| changed_rules.rules.clone()).unwrap_or_default();
    assert!(planned.is_subset(&attributed), "planned what is not claimed: {planned:?} of {attributed:?}");
    let exposing: BTreeSet<usize> = judgement.exposures.iter().flat_map(|exposure| exposure.rules.clone()).collect();
    assert!(planned.is_subset(&exposing), "planned what exposes nothing: {planned:?} of {exposing:?}");
    for exposure in &judgement.exposures {
        let touched = exposure.rules.iter().any(|n| planned.contains(n));
        assert!(exposure.standing || touched, "an exposure of this change's making, and nothing of it planned");
    }
    for doubt in &judgement.undecided {
        is_clear(doubt, 1200);
    }
    let gone = |n: &usize| !planned.contains(n);
    let left = rules.iter().enumerate().filter(|(n, _)| gone(n)).map(|(_, rule)| rule.clone()).collect();
    let after = look(change, left, &lists, policy);
    assert!(going(&after).is_empty(), "planned again after the roll-back: {after:?}");
    assert!(after.exposures.iter().all(|exposure| exposure.standing), "exposed after the roll-back: {after:?}");
    judgement
}

fn look(change: &Change, rules: Vec<Rule>, lists: &PrefixLists, policy: &Policy) -> Judgement {
    let group = match &change.resource {
        Resource::Group(id) => id.clone(),
        Resource::GroupName(_) | Resource::PrefixList(_) | Resource::Region => GroupId::unlisted(),
    };
    let location = GroupLocation { account: change.account.clone(), region: change.region.clone(), group, vpc: None };
    let facts = Facts::of_rules(location, rules, Timestamp::UNIX_EPOCH);
    let facts = Facts { prefix_lists: Arc::new(lists.clone()), ..facts };
    judge(&[change], &facts, policy, Timestamp::UNIX_EPOCH)
}

/// Whether a record, in a shape that CloudTrail is known to write, opens ssh to all of IPv4 or IPv6. This second reader
/// is simple and knows only what anyone would see.
fn blatant(record: &Json<'_>) -> bool {
    let part = |name: &str| record.get(name).filter(|part| part.get("omitted").is_none());
    let request = part("requestParameters");
    let request = request.map(|outer| outer.get("ModifySecurityGroupRulesRequest").unwrap_or(outer));
    let permissions = request.map(|request| elements(request.get("ipPermissions"))).unwrap_or_default();
    let modified = request.map(|request| elements(request.get("SecurityGroupRule"))).unwrap_or_default();
    let modified = modified.into_iter().filter_map(|rule| rule.get("SecurityGroupRule"));
    let answered = part("responseElements").map(|answer| elements(answer.get("securityGroupRuleSet")));
    let mut all = request.into_iter().chain(permissions).chain(modified).chain(answered.unwrap_or_default());
    record.get("eventName").and_then(Json::as_str).is_some_and(|name| match name {
        "AuthorizeSecurityGroupIngress" => all.any(|rule| {
            let ranges = [("ipRanges", "cidrIp"), ("ipv6Ranges", "cidrIpv6")];
            let nested =
                |(list, key): (&str, &str)| elements(rule.get(list)).into_iter().any(|range| is_everyone(range, key));
            let flat = ["cidrIp", "cidrIpv6", "cidrIpv4"].iter().any(|key| is_everyone(rule, key));
            reaches_ssh(rule, ["ipProtocol", "fromPort", "toPort"]) && (flat || ranges.into_iter().any(nested))
        }),
        "ModifySecurityGroupRules" => all.any(|rule| {
            let everyone = ["CidrIpv4", "CidrIpv6"].iter().any(|key| is_everyone(rule, key));
            everyone && reaches_ssh(rule, ["IpProtocol", "FromPort", "ToPort"])
        }),
        _ => false,
    })
}

fn is_everyone(fields: &Json<'_>, key: &str) -> bool {
    matches!(fields.get(key).and_then(Json::as_str), Some("0.0.0.0/0" | "::/0"))
}

fn reaches_ssh(fields: &Json<'_>, [protocol, from, to]: [&str; 3]) -> bool {
    let port = |key: &str| fields.get(key).and_then(Json::as_i64);
    match fields.get(protocol).and_then(Json::as_str) {
        Some("-1") => true,
        Some("tcp" | "6") => port(from).zip(port(to)).is_some_and(|(from, to)| (from..=to).contains(&22)),
        _ => false,
    }
}

/// The elements under `items` and under `item`.
fn elements<'a>(list: Option<&'a Json<'a>>) -> Vec<&'a Json<'a>> {
    let under = |key| list.and_then(|list| list.get(key)).and_then(Json::as_array).into_iter().flatten();
    let bare = list.and_then(Json::as_array).into_iter().flatten();
    let alone =
        list.filter(|list| list.as_object().is_some() && list.get("items").is_none() && list.get("item").is_none());
    under("items").chain(under("item")).chain(bare).chain(alone).collect()
}

/// Whether a value has fractions: not every fraction is equal after it is written and read back.
fn has_fractions(value: &Json<'_>) -> bool {
    match value {
        Json::Number(number) => number.is_f64(),
        Json::Array(elements) => elements.iter().any(has_fractions),
        Json::Object(fields) => fields.iter().any(|(_, field)| has_fractions(field)),
        Json::Null | Json::Bool(_) | Json::String(_) => false,
    }
}

/// Writes the same value in another spelling: keys in reverse order, white space wherever it is allowed, every
/// character escaped.
fn respell(value: &Json<'_>, out: &mut String) {
    match value {
        Json::Null | Json::Bool(_) | Json::Number(_) => out.push_str(&value.to_string()),
        Json::String(text) => escaped(text, out),
        Json::Array(elements) => {
            out.push('[');
            for (n, element) in elements.iter().enumerate() {
                out.push_str(if n == 0 { "\n" } else { " ,\r\n" });
                respell(element, out);
            }
            out.push_str("\t]");
        }
        Json::Object(fields) => backwards(fields, out),
    }
}

fn backwards(fields: &Object<'_>, out: &mut String) {
    out.push('{');
    for (n, (key, value)) in fields.iter().collect::<Vec<_>>().into_iter().rev().enumerate() {
        out.push_str(if n == 0 { " " } else { "\t," });
        escaped(key, out);
        out.push_str(" : ");
        respell(value, out);
    }
    out.push_str("\n}");
}

fn escaped(text: &str, out: &mut String) {
    out.push('"');
    for unit in text.encode_utf16() {
        // Writing to a text cannot fail.
        _ = write!(out, "\\u{unit:04x}");
    }
    out.push('"');
}
