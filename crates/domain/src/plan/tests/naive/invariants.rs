//! Properties that must hold under any definition.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::random::{few, small_rule, world};
use super::*;
use crate::change::Change;
use crate::cloudtrail::{EnvelopeOrigin, Reading, read};
use crate::finding::{Action, Done, Finding};
use crate::former::Former;
use crate::json;
use crate::judge::{harmless, needs_prefix_list};
use crate::policy::Mode;
use crate::state::Remediation;

/// The ids of the rules that go.
fn planned(case: &Case) -> BTreeSet<RuleId> {
    let judgement = case.judge();
    going(&judgement).into_iter().map(|n| judgement.rules[n].rule.id.clone()).collect()
}

/// The exposures, port by port: to how many addresses, and whether without the changes too.
fn measures(case: &Case) -> BTreeMap<(String, Transport, u16, Family), (u128, bool)> {
    let ports = |exposure: crate::judge::Exposure| {
        let place = move |port| (exposure.guard.clone(), exposure.transport, port, exposure.family);
        let measure = (exposure.addresses, exposure.standing);
        (exposure.ports.from()..=exposure.ports.to()).map(move |port| (place(port), measure))
    };
    case.judge().exposures.into_iter().flat_map(ports).collect()
}

/// A world, and its rules in another order.
fn shuffled_world() -> impl Strategy<Value = (World, Vec<usize>)> {
    world().prop_flat_map(|world| {
        let order: Vec<usize> = (0..world.rules.len()).collect();
        (Just(world), Just(order).prop_shuffle())
    })
}

/// JSON with the keys of each object in an order that depends on `salt`.
fn in_some_order(value: &Value, salt: u64) -> String {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
            let rank = |key: &str| {
                key.bytes().fold(salt | 1, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
            };
            fields.sort_by_key(|(key, _)| rank(key));
            let fields =
                fields.into_iter().map(|(key, value)| format!("{}: {}", json!(key), in_some_order(value, salt)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        Value::Array(elements) => {
            let elements = elements.iter().map(|element| in_some_order(element, salt));
            format!("[ {}]", elements.collect::<Vec<_>>().join(" ,"))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

/// The record of a call that made all rules of a world, as CloudTrail writes it.
fn record(world: &World, form: Form) -> Value {
    let permission = |rule: &SmallRule| {
        let list = |items: Vec<Value>| if items.is_empty() { json!({}) } else { json!({ "items": items }) };
        let ranges = |wanted: usize, key: &str| match rule.from {
            From::Cidr { family, block, bits, host } if family == wanted => {
                vec![json!({ key: From::text(family, block, bits, host, form) })]
            }
            From::Cidr { .. } | From::List(_) | From::Group | From::Unknown => vec![],
        };
        let lists = match rule.from {
            From::List(n) => vec![json!({"prefixListId": list_id(n).as_str()})],
            From::Cidr { .. } | From::Group | From::Unknown => vec![],
        };
        let groups = if rule.from == From::Group { vec![json!({"groupId": "sg-1"})] } else { vec![] };
        let protocol = if form == Form::Odd { rule.protocol.to_ascii_uppercase() } else { rule.protocol.to_owned() };
        let mut permission = json!({
            "ipProtocol": protocol, "ipRanges": list(ranges(0, "cidrIp")), "ipv6Ranges": list(ranges(1, "cidrIpv6")),
            "prefixListIds": list(lists), "groups": list(groups),
        });
        if let Some((from, to)) = rule.ports {
            permission["fromPort"] = json!(from);
            permission["toPort"] = json!(to);
        }
        permission
    };
    json!({
        "eventSource": "ec2.amazonaws.com", "eventName": "AuthorizeSecurityGroupIngress", "awsRegion": "eu-west-1",
        "recipientAccountId": "111122223333", "eventTime": "2026-11-21T10:00:00Z",
        "userIdentity": {"arn": "arn:aws:iam::111122223333:role/A", "type": "AssumedRole"},
        "requestParameters": {
            "groupId": "sg-0123456789abcdef0",
            "ipPermissions": {"items": world.rules.iter().map(permission).collect::<Vec<_>>()},
        },
    })
}

fn read_text(text: &str) -> Change {
    match read(&json::parse(text.as_bytes()).unwrap(), &EnvelopeOrigin::default()) {
        Reading::Change(change) => *change,
        other @ (Reading::Irrelevant { .. } | Reading::Undecided { .. }) => panic!("{other:?}"),
    }
}

proptest! {
    // A property may skip as many more cases, if it says nothing about them.
    #![proptest_config(ProptestConfig { max_global_rejects: cases(2_000, 1), ..ProptestConfig::with_cases(cases(200, 20)) })]

    #[test]
    fn what_goes_is_a_changes_own_reaches_a_guard_admits_what_counts_and_is_not_exempt(world in world()) {
        let naive = world.answer();
        for n in going(&world.case(Form::Odd).judge()) {
            prop_assert!(naive.is_attributed(n));
            let open = |place: Place| naive.admitting(place, true).contains(&n);
            prop_assert!(world.places().any(open), "lawful or exempt: {:?}", world.rules[n]);
        }
    }

    #[test]
    fn after_the_plan_only_what_stood_already_is_exposed_and_nothing_more_goes(world in world()) {
        let mut case = world.case(Form::Odd);
        let (gone, before) = (planned(&case), measures(&case));
        case.facts.rules.retain(|rule| !gone.contains(&rule.id));
        for (place, (_, standing)) in measures(&case) {
            prop_assert!(standing && before[&place].1, "{:?}", place);
        }
        prop_assert_eq!(planned(&case), BTreeSet::new());
    }

    #[test]
    fn no_rule_goes_that_could_stay_when_all_others_that_go_are_gone(world in world()) {
        let mut case = world.case(Form::Odd);
        let gone = planned(&case);
        let all = case.facts.rules.clone();
        let judgement = case.judge();
        let limit = judgement.limit;
        let by_itself = |id: &RuleId| judgement.rules.iter().any(|judged| {
            judged.rule.id == *id && Family::BOTH.into_iter().any(|family| judged.width(family) >= *limit.get(family))
        });
        // A rule that is over the limit by itself goes, whatever other rules there are.
        for id in gone.iter().filter(|id| !by_itself(id)) {
            case.facts.rules = all.iter().filter(|rule| rule.id == *id || !gone.contains(&rule.id)).cloned().collect();
            prop_assert!(case.judge().exposures.iter().any(|exposure| !exposure.standing), "{} could stay", id);
        }
    }

    #[test]
    fn only_what_a_change_made_or_what_is_new_goes(world in world()) {
        let case = world.case(Form::Odd);
        let judgement = case.judge();
        let made: BTreeSet<usize> = judgement.attributions.iter().flat_map(|own| own.rules.iter().copied()).collect();
        for (n, judged) in judgement.rules.iter().enumerate() {
            let is_new = case.facts.appeared.contains(&judged.rule.id);
            prop_assert!(!going(&judgement).contains(&n) || made.contains(&n) || is_new);
            // An altered rule goes only where it exposes a port by itself.
            let altered = world.changes.iter().any(|change| matches!(change.changed_rules,
                SmallChangedRules::Rules { of, recorded_otherwise, .. } if of & recorded_otherwise >> n & 1 == 1));
            let width = |family| judged.width(family) >= case.policy.limit(family);
            let by_itself = Family::BOTH.into_iter().any(width);
            let otherwise = world.changes.len() != 1 || is_new || !world.rules[n].is_known();
            prop_assert!(!made.contains(&n) || !altered || by_itself || otherwise);
        }
    }

    #[test]
    fn the_finding_of_a_change_tells_every_standing_exposure_and_every_rule_of_it_that_goes(world in world()) {
        let case = world.case(Form::Odd);
        let judgement = case.judge();
        let done: Done = planned(&case).into_iter().map(|id| (id, Action::Revoked)).collect();
        let remediation = Remediation { judgement: judgement.clone(), own: usize::MAX, done: done.clone(), mode: Mode::Enforce, done_at: None, past: vec![], open: vec![] };
        let standing = judgement.exposures.iter().filter(|exposure| exposure.standing).count();
        for (n, change) in case.changes.iter().enumerate() {
            let finding = Finding::judged(change, n, &remediation);
            prop_assert_eq!(finding.exposures.iter().filter(|exposure| exposure.standing).count(), standing);
            let told: BTreeSet<&RuleId> = finding.rules.iter().filter(|r| r.action == Action::Revoked).map(|r| &r.id).collect();
            for rule in judgement.attributions[n].rules.iter().map(|n| &judgement.rules[*n].rule.id) {
                prop_assert_eq!(told.contains(rule), done.contains_key(rule));
            }
        }
    }

    #[test]
    fn one_more_rule_lowers_no_measure(world in world(), more in small_rule()) {
        let mut wider = world.clone();
        wider.rules.push(more);
        if !world.closed && let From::Cidr { bits, .. } = &mut wider.rules.last_mut().unwrap().from {
            *bits = (*bits).min(4);
        }
        wider.no_rule_twice();
        // No change made the rule. Otherwise the changes would make up for it.
        let same = world.answer().makers == wider.answer().makers.into_iter().take(world.rules.len()).collect::<Vec<_>>();
        prop_assume!(same);
        let after = measures(&wider.case(Form::Odd));
        for (place, (addresses, standing)) in measures(&world.case(Form::Odd)) {
            prop_assert!(after[&place].0 >= addresses && after[&place].1 >= standing, "{:?}", place);
        }
    }

    #[test]
    fn the_order_of_rules_and_of_changes_does_not_matter((world, order) in shuffled_world()) {
        let case = world.case(Form::Odd);
        let mut shuffled = case.clone();
        shuffled.facts.rules = order.iter().map(|n| case.facts.rules[*n].clone()).collect();
        shuffled.changes.reverse();
        prop_assert_eq!(planned(&shuffled), planned(&case));
        prop_assert_eq!(measures(&shuffled), measures(&case));
    }

    #[test]
    fn the_way_a_cidr_is_written_does_not_matter(world in world()) {
        prop_assert_eq!(world.case(Form::Odd).judge(), world.case(Form::Canonical).judge());
    }

    #[test]
    fn neither_the_order_of_a_records_keys_nor_the_spelling_of_its_values_matters(world in world(), salt in any::<u64>()) {
        let mut world = world;
        world.rules.retain(|rule| rule.from != From::Unknown);
        prop_assume!(!world.rules.is_empty());
        let plain = read_text(&record(&world, Form::Canonical).to_string());
        let odd = read_text(&in_some_order(&record(&world, Form::Odd), salt));
        // An unknown protocol is kept as it was written.
        if world.rules.iter().all(|rule| rule.protocol != "sctp") {
            prop_assert_eq!(&odd, &plain);
        }
        let mut case = world.case(Form::Canonical);
        case.changes = vec![plain];
        let mut written_oddly = case.clone();
        written_oddly.changes = vec![odd];
        if world.rules.iter().all(|rule| rule.protocol != "sctp") {
            prop_assert_eq!(written_oddly.judge(), case.judge());
            // The rules are those that the record asked for.
            prop_assert_eq!(case.judge().attributions[0].rules.len(), world.rules.len());
        }
    }

    #[test]
    fn what_is_harmless_by_its_record_is_never_rolled_back(world in world()) {
        let mut case = world.case(Form::Odd);
        let ours: BTreeSet<usize> = case.judge().attributions.into_iter().flat_map(|changed_rules| changed_rules.rules).collect();
        let attributed = |n: usize| (Some(case.facts.rules[n].id.clone()), case.facts.rules[n].permission.clone());
        let recorded_rules: Vec<_> = ours.into_iter().map(attributed).collect();
        let changed_rules = ChangedRules::Rules(recorded_rules.iter().filter_map(|(id, _)| id.clone()).collect());
        let change = Change { recorded_rules: Some(recorded_rules), ..change(changed_rules) };
        let harmless = harmless(&change, &case.policy).is_some();
        case.changes = vec![change];
        // A rule that appeared between two looks is not the record's.
        case.facts.appeared.clear();
        prop_assert!(!harmless || planned(&case).is_empty());
    }

    #[test]
    fn what_adds_nothing_that_counts_to_a_list_is_never_rolled_back(world in world(), added in few()) {
        let mut world = world;
        let changed_rules = SmallChangedRules::List { list: 0, added: Some(added) };
        world.changes = vec![SmallChange { maker: Maker::A, changed_rules }];
        world.appeared = 0;
        let case = world.case(Form::Odd);
        let adds = (0..2).any(|family| added[family] & world.counting(family) != 0);
        prop_assert_eq!(harmless(&case.changes[0], &case.policy).is_none(), adds);
        prop_assert!(adds || planned(&case).is_empty());
    }

    #[test]
    fn a_prefix_list_that_is_not_needed_changes_nothing(world in world()) {
        let case = world.case(Form::Odd);
        let mut bare = case.clone();
        let needed = |rule: &&Rule| needs_prefix_list(&rule.permission, &case.policy);
        let now = case.facts.rules.iter().filter(needed).map(|rule| rule.permission.source.to_string());
        // A value of before may name a list that no rule names any more.
        let former = case.changes.iter().flat_map(|change| change.former.values()).filter_map(Former::settled);
        let before = former.map(|was| was.permission.source.to_string());
        let needed: BTreeSet<String> = now.chain(before).collect();
        bare.lists().retain(|id, _| needed.contains(id.as_str()));
        let (with, without) = (case.judge(), bare.judge());
        prop_assert_eq!((with.exposures, with.undecided), (without.exposures, without.undecided));
    }
}
