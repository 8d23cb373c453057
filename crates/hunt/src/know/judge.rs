//! Which rules are dangerous: the guard's own judgement of a group, with every rule that it had at the time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use portcullis_domain::facts::{Facts, GroupLocation};
use portcullis_domain::ids::{AccountId, GroupId, Region, RuleId};
use portcullis_domain::judge::judge;
use portcullis_domain::net::Family;
use portcullis_domain::policy::Policy;
use portcullis_domain::rule::Rule;

use super::{Direction, Knowledge, RuleLife};

/// What the guard says of a rule when it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Danger {
    /// Index into [`Knowledge::rules`].
    pub life: usize,
    /// `exposed` or `undecided`.
    pub verdict: &'static str,
    /// The guard's name.
    pub guard: Option<String>,
    /// The transport.
    pub transport: Option<String>,
    /// The first exposed port.
    pub from_port: Option<i64>,
    /// The last.
    pub to_port: Option<i64>,
    /// The family of addresses.
    pub family: Option<String>,
    /// All rules that make the exposure together.
    pub rules: Vec<String>,
    /// Why nothing could be decided.
    pub reason: Option<String>,
}

/// The judgement on all rules.
#[derive(Debug, Default)]
pub struct Judged {
    /// Each rule that exposes something, and what cannot be decided, in order.
    pub dangers: Vec<Danger>,
    /// Whether the life of this index was ever part of an exposure of a guarded port.
    pub guarded: BTreeSet<usize>,
    /// Whether it admits as many public addresses as make an exposure, on any port.
    pub internet: BTreeSet<usize>,
}

/// Judges every group at each time at which a rule of it began.
#[must_use]
pub fn judged(knowledge: &Knowledge, policy: &Policy) -> Judged {
    let mut judged = Judged::default();
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (n, life) in knowledge.rules.iter().enumerate() {
        if life.direction != Some(Direction::Egress) {
            groups.entry(&life.group).or_default().push(n);
        }
    }
    for lives in groups.values() {
        let of = |n: &usize| knowledge.rules.get(*n);
        let mut begins: BTreeSet<Option<i64>> = lives.iter().filter_map(of).map(|life| life.from).collect();
        // What a prefix list holds can make an exposure of a rule that was there before.
        for list in lives.iter().filter_map(of).filter_map(RuleLife::list) {
            let contents = knowledge.lists.get(list).map(|list| list.contents.as_slice()).unwrap_or_default();
            begins.extend(contents.iter().filter(|one| one.from.is_some()).map(|one| one.from));
        }
        for begin in begins {
            let is_alive = |life: &RuleLife| match begin {
                Some(time) => {
                    life.from.is_none_or(|from| from <= time)
                        && life.to.is_none_or(|to| to > time || life.from == Some(time))
                }
                None => life.from.is_none(),
            };
            let alive: Vec<usize> = lives.iter().copied().filter(|n| of(n).is_some_and(is_alive)).collect();
            judge_at(knowledge, policy, &alive, begin, &mut judged);
        }
    }
    judged.dangers.sort_by_key(|danger| (knowledge.rules.get(danger.life).and_then(|life| life.from), danger.life));
    judged
}

fn judge_at(knowledge: &Knowledge, policy: &Policy, alive: &[usize], begin: Option<i64>, judged: &mut Judged) {
    let lives: Vec<&RuleLife> = alive.iter().filter_map(|n| knowledge.rules.get(*n)).collect();
    let Some(first) = lives.first() else { return };
    let rules = lives.iter().zip(1..).map(|(life, n)| {
        Rule::new(RuleId::parse(&life.id).unwrap_or_else(|_| RuleId::unlisted(n)), life.permission.clone())
    });
    let account = AccountId::parse(first.account.as_deref().unwrap_or_default());
    let region = Region::parse(first.region.as_deref().unwrap_or_default());
    // Exemptions and scopes look at the place. Where it is not known, it is none of theirs.
    let nowhere = (AccountId::parse("000000000000"), Region::parse("unknown-region"));
    let (Ok(account), Ok(region)) = (account.or(nowhere.0), region.or(nowhere.1)) else { return };
    let group = GroupId::parse(&first.group).unwrap_or_else(|_| GroupId::unlisted());
    let now = begin.and_then(|time| Timestamp::from_second(time).ok()).unwrap_or(Timestamp::UNIX_EPOCH);
    let mut facts = Facts::of_rules(GroupLocation { account, region, group, vpc: None }, rules.collect(), now);
    let lists = lives.iter().filter_map(|life| life.list());
    let entries = lists.filter_map(|list| Some((list.clone(), Ok(knowledge.entries(list, begin)?.to_vec()))));
    facts.prefix_lists = Arc::new(entries.collect());
    let judgement = judge(&[], &facts, policy, now);
    for (n, rule) in alive.iter().zip(&judgement.rules) {
        if Family::BOTH.into_iter().any(|family| rule.width(family) >= *judgement.limit.get(family)) {
            judged.internet.insert(*n);
        }
    }
    let is_new = |n: &usize| knowledge.rules.get(*n).is_some_and(|life| life.from == begin);
    for exposure in &judgement.exposures {
        let makers: Vec<usize> = exposure.rules.iter().filter_map(|n| alive.get(*n).copied()).collect();
        judged.guarded.extend(&makers);
        let names = makers.iter().filter_map(|n| Some(knowledge.rules.get(*n)?.id.clone())).collect::<Vec<_>>();
        for life in makers.iter().copied().filter(|n| is_new(n)) {
            let is_sure = knowledge.rules.get(life).is_some_and(|life| life.direction.is_some());
            judged.dangers.push(Danger {
                life,
                verdict: if is_sure { "exposed" } else { "undecided" },
                guard: Some(exposure.guard.clone()),
                transport: Some(exposure.transport.to_string()),
                from_port: Some(exposure.ports.from().into()),
                to_port: Some(exposure.ports.to().into()),
                family: Some(exposure.family.to_string()),
                rules: names.clone(),
                reason: (!is_sure).then(|| "no record says whether it is an ingress rule".to_owned()),
            });
        }
    }
    for why in &judgement.undecided {
        let of_rule = lives.iter().zip(alive).find(|(life, n)| is_new(n) && why.starts_with(&format!("{}:", life.id)));
        if let Some((_, life)) = of_rule {
            judged.dangers.push(Danger {
                life: *life,
                verdict: "undecided",
                guard: None,
                transport: None,
                from_port: None,
                to_port: None,
                family: None,
                rules: Vec::new(),
                reason: Some(why.clone()),
            });
        }
    }
}
