//! What the function writes: never touch a lawful rule, never write a value that exposes.

use std::collections::BTreeSet;

use ec2_model::{Call, Reply};

use super::answers::{is_throttled, readable, values};
use super::{Job, Look, Watcher};
use crate::simulation::judge::{Change, ChangedRules, Known, Rule, exposing, plan};
use crate::simulation::scene::Resource;

impl Watcher {
    /// Never touch a lawful rule.
    pub(super) fn written(
        &mut self,
        function: usize,
        (place, group): (usize, &str),
        (call, reply): (&Call, &Reply),
        before: &[Rule],
    ) {
        let ids: BTreeSet<String> = values(call, "SecurityGroupRuleId.").collect();
        let after = self.scene.rules(place, group);
        let removed: Vec<&Rule> = before.iter().filter(|rule| !after.contains(rule)).collect();
        for rule in &removed {
            self.scene.count("rules revoked");
            self.crashes.taken.insert(rule.id.clone());
        }
        self.writes[function] += removed.len();
        if !removed.is_empty() {
            // EC2 may still show rules that are gone.
            self.scene.versions[place].1 = self.scene.tick();
        }
        let others = self.writes[1 - function];
        let name = self.scene.groups.iter().find(|known| known.id == group).map(|known| known.name.clone());
        let hand = &mut self.in_hand[function];
        let jobs: Vec<&Job> = hand.jobs.iter().filter(|job| job.place == place).collect();
        let concerned = |job: &&&Job| match &job.subject {
            Resource::Group(id) => id == group,
            Resource::Name(called) => name.as_ref().is_none_or(|name| name == called),
            Resource::List(_) | Resource::Region => true,
        };
        let jobs: Vec<&&Job> = jobs.iter().filter(concerned).collect();
        let alone = jobs.len() == 1;
        let looks = hand.looks.entry(group.to_owned()).or_default();
        let left = self.unsettled.get(&(function, group.to_owned())).cloned().unwrap_or_default();
        let looks_of_group: Vec<Vec<Rule>> = looks.iter().map(|look| look.rules.clone()).collect();
        let known_gone = |look: &Look, heard: bool| {
            let there = look.rules.iter().filter(|rule| !heard || !hand.gone.contains(&rule.id));
            there.cloned().collect::<Vec<_>>()
        };
        let break_glass = self.scene.break_glass;
        // Together with what other deliveries claimed, as far as it is believed: a record without ids is for minutes only.
        let claimed = hand.claimed.get(group).cloned();
        let by_id = |change: &&Change| !matches!(change.changed_rules, ChangedRules::Asked(_));
        let of_young: Option<Vec<Change>> = claimed.as_ref().map(|all| all.iter().filter(by_id).cloned().collect());
        // Where nothing is open without the delivery's own changes, those of others do not matter.
        let together: Vec<Vec<Change>> =
            [Some(left), claimed, of_young, Some(Vec::new())].into_iter().flatten().collect();
        let may_go = |n: usize, look: &Look, changes: &[Change]| {
            // A rule appeared if the first look did not show it, or if some look showed it differently, unless a lawful
            // caller may have made it.
            let is_new = |rule: &&Rule| {
                let shown = |look: &Vec<Rule>| look.iter().find(|other| other.id == rule.id).cloned();
                let others = looks_of_group[..=n].iter().filter_map(shown).any(|other| other != **rule);
                !break_glass && n > 0 && (shown(&looks_of_group[0]).is_none() || others)
            };
            let appeared = look.rules.iter().filter(is_new).map(|rule| rule.id.clone()).collect();
            let appeared = [Change::of(ChangedRules::Appeared(appeared))];
            let known = Known { lists: &look.lists, break_glass };
            together.iter().any(|others| {
                let changes = [changes, others, &appeared].concat();
                [true, false].into_iter().any(|heard| ids.is_subset(&plan(&known_gone(look, heard), known, &changes)))
            })
        };
        let planned = jobs.iter().any(|job| {
            let unread: Vec<Change> = job.changes.iter().map(|change| change.unread(&hand.versions)).collect();
            let looks = || looks.iter().enumerate().rev().take(jobs.len());
            looks().any(|(n, look)| may_go(n, look, &job.changes) || may_go(n, look, &unread))
        });
        let fresh = looks.last().is_some_and(|look| !look.used);
        let seen = looks.last().map_or((0, 0), |look| (look.version, look.others));
        // A call that EC2 refused for want of a token wrote nothing. Whoever stands at a gate repeats it for 200 ms.
        if let Some(look) = looks.last_mut().filter(|_| !is_throttled(reply)) {
            look.used = true;
        }
        if let Some(body) = readable(reply) {
            let xml = std::str::from_utf8(body).unwrap();
            let listed = xml.split("<securityGroupRuleId>").skip(1);
            hand.gone.extend(listed.map(|rest| rest.split_once('<').unwrap().0.to_owned()));
        }
        if self.alert(place) {
            self.wrong(format!("a write in alert mode: {ids:?}"));
        }
        if alone && !fresh {
            self.wrong(format!("a write without a look of the same turn: {ids:?} of {group}"));
        }
        if !planned {
            // With two looks under way at a time, nobody can tell which list entries belong to which look.
            match alone || self.scene.lists(place).is_empty() {
                true => self.wrong(format!("more than had to go by what the guard saw: {ids:?} of {group}")),
                false => self.scene.count("writes not held against the look"),
            }
        }
        let unlawful = exposing(before, &self.scene.lists(place));
        // EC2 has no conditional revoke. So a rule that is lawful now may be revoked only if something has changed
        // since the look. Of two looks under way at a time, for a group and for its whole Region, one is of before.
        let unseen = seen != (self.scene.versions[place].0, others) || self.rates.lag > 0 || !alone;
        for rule in removed.iter().filter(|rule| !unlawful.contains(&rule.id)) {
            match unseen {
                true => self.scene.count("rules made lawful between look and write"),
                false => self.wrong(format!("lawful at that moment: {rule:?} of {group}")),
            }
        }
        for rule in removed.iter().filter(|rule| !ids.contains(&rule.id)) {
            self.wrong(format!("not asked for: {rule:?} of {group}"));
        }
    }

    /// Never write a value that exposes, and give back only what had to go.
    pub(super) fn given_back(&mut self, function: usize, (place, group): (usize, &str), call: &Call, before: &[Rule]) {
        let named = call.params.iter().filter(|(name, _)| name.ends_with(".SecurityGroupRuleId"));
        let ids: BTreeSet<String> = named.map(|(_, id)| id.clone()).collect();
        let after = self.scene.rules(place, group);
        let changed: Vec<(&Rule, &Rule)> = before
            .iter()
            .filter_map(|was| Some((was, after.iter().find(|rule| rule.id == was.id && rule.shape != was.shape)?)))
            .collect();
        for (was, _) in &changed {
            self.scene.count("rules given back");
            self.crashes.taken.insert(was.id.clone());
        }
        self.writes[function] += changed.len();
        if !changed.is_empty() {
            self.scene.versions[place].1 = self.scene.tick();
        }
        if self.alert(place) {
            self.wrong(format!("a rule changed in alert mode: {ids:?}"));
        }
        if before.len() != after.len() {
            self.wrong(format!("a rule came or went: {ids:?} of {group}"));
        }
        let others = self.writes[1 - function];
        let version = self.scene.versions[place].0;
        let looks = self.in_hand[function].looks.entry(group.to_owned()).or_default();
        let seen = looks.last().map_or((0, 0), |look| (look.version, look.others));
        if let Some(look) = looks.last_mut() {
            look.used = true;
        }
        let is_unseen = seen != (version, others) || self.rates.lag > 0;
        let (lists, unlawful) = (self.scene.lists(place), exposing(before, &self.scene.lists(place)));
        let open = exposing(&after, &lists);
        for (was, is) in changed {
            if !ids.contains(&is.id) {
                self.wrong(format!("not asked for: {is:?} of {group}"));
            }
            if !exposing(std::slice::from_ref(is), &lists).is_empty() || open.contains(&is.id) && !is_unseen {
                self.wrong(format!("a value that exposes was written: {is:?} of {group}"));
            }
            match (unlawful.contains(&was.id), is_unseen) {
                (true, _) => {}
                (false, true) => self.scene.count("rules made lawful between look and write"),
                (false, false) => self.wrong(format!("lawful at that moment: {was:?} of {group}")),
            }
        }
    }
}
