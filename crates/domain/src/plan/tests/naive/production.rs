//! The same world for production, and the two answers side by side.

use super::*;
use crate::change::Call;
use crate::former::{self, Former};
use crate::ids::VpcId;

impl World {
    /// The policy as a text.
    fn policy(&self) -> String {
        let quoted = |cidrs: Vec<String>| cidrs.iter().map(|cidr| format!("'{cidr}'")).collect::<Vec<_>>().join(",");
        let list = |masks| quoted(cidrs(masks));
        let guard = |(name, transport, (from, to)): &(&str, Transport, (u16, u16))| {
            format!("{{name: {name}, protocol: {transport}, ports: [{from}-{to}]}}")
        };
        let mut guards: Vec<String> = Vec::new();
        for (n, entry) in self.guards.iter().enumerate() {
            match guards.last_mut() {
                // One entry holds all port ranges of a guard.
                Some(last) if self.guards[n - 1].0 == entry.0 => {
                    let (from, to) = entry.2;
                    *last = last.replace("]}", &format!(", {from}-{to}]}}"));
                }
                _ => guards.push(guard(entry)),
            }
        }
        let mut trusted = cidrs(self.trusted);
        if self.closed {
            trusted.extend(["16.0.0.0/4", "32.0.0.0/3", "64.0.0.0/2", "128.0.0.0/1"].map(str::to_owned));
            let sibling = |bits: u32| (0x2001_0db0u128 << 96 ^ 1 << bits) >> bits << bits;
            trusted.extend((100..128).map(|bits| format!("{}/{}", Ipv6Addr::from(sibling(bits)), 128 - bits)));
        }
        let mut policy = format!(
            "guard: [{}]\ninternet: {{ipv4: /{}, ipv6: /{}}}\ntrusted: [{}]\n",
            guards.join(", "),
            8 - self.limits[0],
            32 - self.limits[1],
            quoted(trusted)
        );
        for (n, exemption) in self.exemptions.iter().enumerate() {
            let SmallExemption { place, elapsed, guard, sources, principal } = exemption;
            let until = if *elapsed { "2026-11-21T10:00:00Z" } else { "2026-11-21T10:00:01Z" };
            policy += if n == 0 { "exempt:\n" } else { "" };
            policy += &format!("- {{reason: x, until: {until}, {}", place.0);
            policy += &guard.map_or_else(String::new, |guard| format!(", guard: [{guard}]"));
            policy += &sources.map_or_else(String::new, |masks| format!(", sources: [{}]", list(masks)));
            policy += if *principal { ", principals: ['arn:aws:iam::*:role/A']}\n" } else { "}\n" };
        }
        policy
    }

    /// The same world for production.
    pub(super) fn case(&self, form: Form) -> Case {
        let mut case = Case::under(&self.policy(), &[]);
        self.fill(&mut case, form);
        case
    }

    /// Everything but the policy.
    pub(super) fn fill(&self, case: &mut Case, form: Form) {
        let rule = |(n, rule): (usize, &SmallRule)| Rule::new(rule_id(n), rule.permission(form));
        case.facts.rules = self.rules.iter().enumerate().map(rule).collect();
        case.facts.appeared = (0..self.rules.len()).filter(|n| self.appeared >> n & 1 == 1).map(rule_id).collect();
        case.facts.egress = BTreeSet::from([rule_id(97)]);
        case.facts.location.vpc = self.vpc.then(|| VpcId::parse("vpc-1").unwrap());
        case.lists().clear();
        let parsed = |masks| cidrs(masks).iter().map(|cidr| cidr.parse().unwrap()).collect();
        for (n, list) in self.lists.iter().enumerate() {
            let entries = match list {
                SmallList::Entries(masks) => Ok(parsed(*masks)),
                SmallList::Unreadable => Err("AccessDenied".to_owned()),
                SmallList::Absent => continue,
            };
            case.lists().insert(list_id(n), entries);
        }
        case.changes.clear();
        for (at, SmallChange { maker, changed_rules: small }) in self.changes.iter().enumerate() {
            let among = |mask: u16| (0..self.rules.len()).filter(move |n| mask >> n & 1 == 1);
            // A rule that no world contains.
            let other = || SmallRule { protocol: "tcp", ports: Some((1, 1)), from: From::Group }.permission(form);
            let mut recorded_rules = None;
            let changed_rules = match *small {
                SmallChangedRules::Rules { of, recorded_otherwise, missing, egress, .. } => {
                    let said = |n| {
                        let otherwise = recorded_otherwise >> n & 1 == 1;
                        (Some(rule_id(n)), if otherwise { other() } else { self.rules[n].permission(form) })
                    };
                    recorded_rules = Some(among(of).map(said).collect());
                    let egress = egress.then(|| rule_id(97));
                    ChangedRules::Rules(
                        among(of).map(rule_id).chain(egress).chain(missing.then(|| rule_id(98))).collect(),
                    )
                }
                SmallChangedRules::Asked { of, missing } => {
                    let asked = among(of).map(|n| self.rules[n].permission(form));
                    ChangedRules::Permissions(asked.chain(missing.then(other)).collect())
                }
                SmallChangedRules::List { list, added } => ChangedRules::PrefixList {
                    list: list_id(list),
                    restored: None,
                    version: None,
                    added: added.map(parsed),
                },
                SmallChangedRules::Any => ChangedRules::Any,
            };
            let mut made = change(changed_rules);
            made.recorded_rules = recorded_rules;
            made.event.time = jiff::Timestamp::from_second(i64::try_from(at).unwrap()).ok();
            if let SmallChangedRules::Rules { of, knows: Some(knows), .. } = small {
                made.call = Call::Modify;
                let was = |n| (rule_id(n), self.was_in_production(n, form));
                made.former = among(of & knows).map(was).collect();
            }
            let (actor, issuer) = match maker {
                Maker::A => (Some("arn:aws:iam::111122223333:role/A"), None),
                Maker::SessionOfA => {
                    let session = "arn:aws:sts::111122223333:assumed-role/A/jo";
                    (Some(session), Some("arn:aws:iam::111122223333:role/A"))
                }
                Maker::B => (Some("arn:aws:iam::111122223333:role/B"), None),
                Maker::Unnamed => (None, None),
            };
            (made.event.actor, made.event.issuer) = (actor.map(str::to_owned), issuer.map(str::to_owned));
            case.changes.push(made);
        }
    }

    fn was_in_production(&self, rule: usize, form: Form) -> Former {
        Former::Was(former::Was {
            permission: self.former(rule).permission(form),
            description: None,
            from: former::Source::Sweep,
            as_of: jiff::Timestamp::UNIX_EPOCH,
            exposes: false,
            doubt: None,
            before: None,
        })
    }
}

/// Production's answer and the naive answer in the same words. The two are equal where the definitions agree.
pub(super) fn both<'a>(world: &World, case: &'a Case) -> [Compared<'a>; 2] {
    let judgement = case.judge();
    let mut exposures = Exposures::new();
    for exposure in &judgement.exposures {
        let guard = case.policy.guards().iter().find(|guard| guard.name == exposure.guard).unwrap();
        for port in exposure.ports.from()..=exposure.ports.to() {
            let place = (guard.name.as_str(), exposure.transport, port, exposure.family);
            let twice = exposures.insert(place, (exposure.rules.clone(), exposure.addresses, exposure.standing));
            assert_eq!(twice, None);
        }
    }
    let doubt = |text: &String| {
        let (id, what) = text.split_once(": ").unwrap();
        (RuleId::parse(id).unwrap(), if what.starts_with("protocol") { "traffic" } else { "source" })
    };
    let exempt = (0..judgement.rules.len()).filter(|n| judgement.rules[*n].exempt.is_some()).collect();
    let undecided: BTreeSet<_> = judgement.undecided.iter().map(doubt).collect();
    assert_eq!(undecided.len(), judgement.undecided.len(), "one for each rule");
    let planned = going(&judgement);
    let naive = world.answer();
    [
        Compared { exposures, undecided, exempt, planned, attributions: judgement.attributions },
        Compared {
            exposures: naive.exposures(true),
            undecided: naive.undecided(),
            exempt: if world.exemptions.is_empty() { BTreeSet::new() } else { naive.reported_exempt() },
            planned: naive.planned(),
            attributions: naive.attributions,
        },
    ]
}

#[derive(Debug, PartialEq)]
pub(super) struct Compared<'a> {
    attributions: Vec<Attribution>,
    undecided: BTreeSet<(RuleId, &'static str)>,
    exempt: BTreeSet<usize>,
    pub(super) exposures: Exposures<'a>,
    pub(super) planned: BTreeSet<usize>,
}
