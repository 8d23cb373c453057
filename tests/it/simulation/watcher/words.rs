//! What the function says: never report falsely, never lose a signal.

use portcullis::domain::finding::Finding;
use portcullis::pipeline::Answer;
use serde_json::Value;

use super::Watcher;
use crate::simulation::judge::{Change, ChangedRules, Known, Rule, plan};
use crate::simulation::scene::{Record, Resource, SWEEP};

impl Watcher {
    /// Never report falsely: checks a line of the function's log.
    pub(crate) fn log_line(&mut self, line: &str) {
        self.scene.tick();
        let finding: Value = serde_json::from_str(line).unwrap();
        if finding.get("verdict").is_none() {
            return;
        }
        self.note(line);
        self.scene.count(format!(
            "finding: {} {}",
            finding["verdict"].as_str().unwrap(),
            finding["outcome"].as_str().unwrap()
        ));
        if finding["memory"] == "unavailable" {
            self.scene.count("finding without memory");
        }
        let (account, region) = (finding["account"].as_str(), finding["region"].as_str());
        let place =
            self.scene.places.iter().position(|p| Some(p.account) == account && Some(p.region.as_str()) == region);
        let (Some(place), Some(group)) = (place, finding["group"].as_str()) else { return };
        let there = self.scene.rules(place, group);
        let rules = finding["rules"].as_array().unwrap();
        for rule in rules.iter().filter(|rule| rule["action"] == "revoked") {
            if there.iter().any(|known| rule["id"] == known.id.as_str()) {
                self.wrong(format!("reported as revoked, and is there: {rule}"));
            }
        }
        for former in finding["former"].as_object().into_iter().flat_map(|all| all.values()) {
            let is_known = former.get("unknown").is_none();
            self.scene.count(if is_known { "former: known" } else { "former: unknown" });
        }
        let revoked = rules.iter().any(|rule| rule["action"] == "revoked" || rule["action"] == "restored");
        if (finding["outcome"] == "reverted") != (revoked && finding["outcome"] != "failed") {
            self.wrong(format!("the outcome does not fit the rules: {finding}"));
        }
    }

    /// Never lose a signal: a delivery has ended. `items` are its messages, each with its event.
    pub(crate) fn settled(&mut self, function: usize, items: &[(String, String)], answer: &Answer) {
        self.scene.tick();
        for (_, id) in items {
            let of = |finding: &&Finding| finding.id.as_ref().map_or(id.starts_with(SWEEP), |of| of == id);
            let reported: Vec<&Finding> = answer.findings.iter().filter(of).collect();
            let again = reported.iter().any(|finding| finding.needs_retry());
            if reported.is_empty() {
                self.wrong(format!("dropped in silence: {id}"));
            }
            // One delivery may hold a record twice, and the attempt at either is enough.
            let mut copies = items.iter().filter(|(_, other)| other == id);
            if again && !copies.any(|(item, _)| answer.failed.contains(item)) {
                self.wrong(format!("needs another delivery and asks for none: {id}"));
            }
            let Some(record) = self.scene.records.get(id).cloned() else { continue };
            for finding in reported.iter().filter(|finding| finding.exposures.iter().any(|exposure| exposure.standing))
            {
                let group = finding.group.clone().unwrap_or_default();
                self.unsettled.entry((function, group)).or_default().push(record.change.clone());
            }
            if !again && !self.alert(record.place) {
                self.left(function, id, &record);
            }
        }
    }

    /// Checks that nothing that the change exposes is left when the function reports it as done.
    fn left(&mut self, function: usize, id: &str, record: &Record) {
        let Record { place, subject, change } = record;
        let break_glass = self.scene.break_glass;
        let changes: Vec<Change> = {
            let jobs = self.in_hand[function].jobs.iter();
            jobs.filter(|job| job.place == *place && job.subject == *subject)
                .flat_map(|job| job.changes.clone())
                .collect()
        };
        for group in self.scene.groups_of(*place, subject) {
            let (mut rules, mut lists) = (self.scene.rules(*place, &group), self.scene.lists(*place));
            let (version, touched) = self.scene.versions[*place];
            let hand = &self.in_hand[function];
            let looks = hand.looks.get(&group).map_or(&[][..], Vec::as_slice);
            let Some(look) = looks.last() else {
                // The function did not look. That is correct only for a change that can expose nothing.
                if !plan(&rules, Known { lists: &lists, break_glass }, &changes)
                    .iter()
                    .any(|id| rules.iter().any(|r| r.id == *id && change.made_rule(r)))
                {
                    continue;
                }
                if version == 0 || matches!(subject, Resource::Group(_)) {
                    self.wrong(format!("reported as done without a look: {id} in {group}"));
                }
                continue;
            };
            if look.version != version {
                self.scene.count("deliveries that people worked against");
                continue;
            }
            let lag = self.rates.lag;
            if lag > 0 && look.at - touched <= lag {
                // EC2 may not have shown everything yet, but it has shown the rules of the change.
                let made = match &change.changed_rules {
                    ChangedRules::Made(made) => made.clone(),
                    ChangedRules::Asked(_)
                    | ChangedRules::List { .. }
                    | ChangedRules::Restored { .. }
                    | ChangedRules::Everything
                    | ChangedRules::Any
                    | ChangedRules::Appeared(_) => Vec::new(),
                };
                let unseen = |rule: &&Rule| {
                    made.iter().any(|(id, shape)| *id == rule.id && *shape == rule.shape)
                        && looks.iter().all(|look| !look.rules.contains(rule))
                };
                if let Some(rule) = rules.iter().find(unseen).cloned() {
                    let known = Known { lists: &lists, break_glass };
                    if !plan(std::slice::from_ref(&rule), known, &changes).is_empty() {
                        self.wrong(format!("reported as done before it was seen: {rule:?} of {id} in {group}"));
                    }
                    continue;
                }
                // The function saw nothing to do. A rule that is gone and still shown may have made the rest a standing
                // exposure, which is reported as standing and left to the sweep.
                rules = look.rules.iter().filter(|rule| !hand.gone.contains(&rule.id)).cloned().collect();
                lists = look.lists.clone();
            }
            let planned = plan(&rules, Known { lists: &lists, break_glass }, &changes);
            if let Some(rule) = rules.iter().find(|rule| planned.contains(&rule.id) && change.made_rule(rule)) {
                let rule = rule.clone();
                self.wrong(format!("reported as done, and open: {rule:?} of {id} in {group}"));
            }
        }
    }
}
