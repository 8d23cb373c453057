//! The lives of rules and groups.

use portcullis_domain::rule::{Permission, Protocol, Traffic};

use super::Fold;
use crate::know::facts::{Fact, ModifiedPart, RulePart};
use crate::know::{By, Direction, Group, RuleLife};

/// What admits the same traffic from the same source in the same group is the same rule. EC2 refuses a second one.
fn unlisted(group: &str, direction: Option<Direction>, permission: &Permission) -> String {
    let Permission { traffic, source } = permission;
    let port = |port: Option<i64>| port.map_or_else(|| "all".to_owned(), |port| port.to_string());
    let (from, to) = (port(traffic.from_port()), port(traffic.to_port()));
    let direction = direction.map_or("unknown", Direction::as_str);
    format!("{group}/{direction}/{}/{from}-{to}/{source}", traffic.protocol())
}

impl Fold {
    pub(super) fn group(&mut self, id: &str, fact: &Fact) -> &mut Group {
        let known = self.knowledge.groups.entry(id.to_owned()).or_default();
        known.account = known.account.take().or_else(|| fact.account.clone());
        known.region = known.region.take().or_else(|| fact.region.clone());
        known
    }

    #[expect(clippy::indexing_slicing, reason = "the element has just been added")]
    fn begin(&mut self, group: &str, id: String, rule: &RulePart, fact: &Fact) -> &mut RuleLife {
        let life = RuleLife {
            id: id.clone(),
            group: group.to_owned(),
            account: fact.account.clone(),
            region: fact.region.clone(),
            direction: rule.direction,
            permission: rule.permission.clone(),
            from: None,
            opened: By::default(),
            opened_how: "before the records",
            to: None,
            closed: By::default(),
            closed_how: None,
        };
        let n = self.knowledge.rules.len();
        self.alive.insert(id, n);
        let rules = &mut self.knowledge.rules;
        rules.push(life);
        &mut rules[n]
    }

    pub(super) fn opened(&mut self, group: &str, rule: &RulePart, fact: &Fact) {
        let id = rule.id.clone().unwrap_or_else(|| unlisted(group, rule.direction, &rule.permission));
        let life = self.begin(group, id, rule, fact);
        life.from = Some(fact.time);
        life.opened = fact.by.clone();
        life.opened_how = "authorized";
    }

    fn end(&mut self, n: usize, how: &'static str, fact: &Fact) {
        if let Some(life) = self.knowledge.rules.get_mut(n) {
            life.to = Some(fact.time);
            life.closed = fact.by.clone();
            life.closed_how = Some(how);
            self.alive.remove(&life.id);
        }
    }

    /// The life of a group's rule that admits exactly this.
    fn alike(&self, group: Option<&str>, rule: &RulePart) -> Option<usize> {
        let is_alike = |n: &usize| {
            self.knowledge.rules.get(*n).is_some_and(|life| {
                group.is_none_or(|group| group == life.group)
                    && life.permission == rule.permission
                    && (life.direction == rule.direction || life.direction.is_none())
            })
        };
        // The oldest, for the same answer every time.
        self.alive.values().copied().filter(is_alike).min()
    }

    fn is_unknown_before(&mut self, group: &str, fact: &Fact) {
        let time = fact.time;
        let known = self.group(group, fact);
        known.unknown_before = Some(known.unknown_before.map_or(time, |before| before.max(time)));
    }

    pub(super) fn modified(&mut self, group: Option<&str>, part: &ModifiedPart, fact: &Fact) {
        if part.traffic.is_none() && part.source.is_none() {
            return;
        }
        let old = self.alive.get(&part.id).copied();
        let before = old.and_then(|n| self.knowledge.rules.get(n)).cloned();
        let Some(group) = group.map(str::to_owned).or_else(|| before.as_ref().map(|life| life.group.clone())) else {
            return;
        };
        self.group(&group, fact);
        let was = before.as_ref().map(|life| life.permission.clone());
        let traffic = part.traffic.clone().or_else(|| was.clone().map(|was| was.traffic));
        let source = part.source.clone().or_else(|| was.map(|was| was.source));
        let direction = before.as_ref().and_then(|life| life.direction);
        match old {
            Some(n) => self.end(n, "modified", fact),
            None => self.is_unknown_before(&group, fact),
        }
        let permission = match (traffic, source) {
            (Some(traffic), Some(source)) => Permission { traffic, source },
            // Half of the rule is known by nobody: it may admit anything.
            (traffic, source) => Permission {
                traffic: traffic.unwrap_or_else(|| Traffic::new(Protocol::Unknown("unknown".to_owned()), None, None)),
                source: source.unwrap_or_else(|| portcullis_domain::rule::Source::Unknown("unknown".to_owned())),
            },
        };
        let rule = RulePart { id: Some(part.id.clone()), direction, permission };
        let life = self.begin(&group, part.id.clone(), &rule, fact);
        life.from = Some(fact.time);
        life.opened = fact.by.clone();
        life.opened_how = "modified";
    }

    pub(super) fn closed(&mut self, group: Option<&str>, rules: &[RulePart], ids: &[String], fact: &Fact) {
        // The group is there, whatever is known of the rule.
        if let Some(group) = group {
            self.group(group, fact);
        }
        for rule in rules {
            let known = rule.id.as_ref().and_then(|id| self.alive.get(id).copied());
            let known = known.or_else(|| self.alike(group, rule));
            match (known, group) {
                (Some(n), _) => self.end(n, "revoked", fact),
                // It was there before the records begin. A call by properties may also have revoked nothing: in a default
                // VPC that is no error.
                (None, Some(group)) if rule.id.is_some() => {
                    let id = rule.id.clone().unwrap_or_default();
                    self.begin(group, id.clone(), rule, fact);
                    if let Some(n) = self.alive.get(&id).copied() {
                        self.end(n, "revoked", fact);
                    }
                }
                (None, Some(group)) => self.is_unknown_before(group, fact),
                (None, None) => {}
            }
        }
        for id in ids {
            let listed = rules.iter().any(|rule| rule.id.as_ref() == Some(id));
            match (self.alive.get(id).copied(), group) {
                (Some(n), _) => self.end(n, "revoked", fact),
                (None, Some(group)) if !listed => self.is_unknown_before(group, fact),
                _ => {}
            }
        }
    }

    pub(super) fn group_deleted(&mut self, group: &str, fact: &Fact) {
        self.group(group, fact).deleted = Some(fact.time);
        let of_group = |n: &usize| self.knowledge.rules.get(*n).is_some_and(|life| life.group == group);
        let lives: Vec<usize> = self.alive.values().copied().filter(of_group).collect();
        lives.into_iter().for_each(|n| self.end(n, "group deleted", fact));
    }

    pub(super) fn rule_seen(&mut self, group: &str, rule: &RulePart, fact: &Fact) {
        self.group(group, fact).in_snapshot = true;
        let Some(id) = rule.id.clone() else { return };
        let known = self.alive.get(&id).copied().or_else(|| {
            let alike = self.alike(Some(group), rule)?;
            // Only a rule whose records had no id gets one now.
            self.knowledge.rules.get(alike).filter(|life| life.id.contains('/')).map(|_| alike)
        });
        let Some(n) = known else {
            // EC2 gives no id twice.
            if self.knowledge.rules.iter().any(|life| life.id == id) {
                self.knowledge.not_understood.push(format!(
                    "a snapshot shows {id}, which was gone before: it is older than its file says (--as-of)"
                ));
            } else {
                self.begin(group, id, rule, fact);
            }
            return;
        };
        let Some(life) = self.knowledge.rules.get_mut(n) else { return };
        if life.permission == rule.permission {
            life.direction = rule.direction;
            let before = std::mem::replace(&mut life.id, id.clone());
            self.alive.remove(&before);
            self.alive.insert(id, n);
        } else {
            // A change that the records do not have: nobody knows when. What was until then is not known either.
            self.end(n, "modified", fact);
            self.is_unknown_before(group, fact);
            self.begin(group, id, rule, fact).from = Some(fact.time);
        }
    }

    pub(super) fn omitted(&mut self, group: Option<&str>, call: &str, fact: &Fact) {
        self.knowledge.omitted += 1;
        if !call.contains("SecurityGroup") {
            return;
        }
        match group {
            Some(group) => self.group(group, fact).unknown_before = Some(i64::MAX),
            None => {
                let of_account = |known: &&mut Group| known.account == fact.account;
                self.knowledge.groups.values_mut().filter(of_account).for_each(|g| g.unknown_before = Some(i64::MAX));
            }
        }
    }
}
