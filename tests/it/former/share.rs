//! How often it is known what a rule was: days of people who make, change and move rules, with sweeps every hour, and events
//! that are lost, doubled and late as often as in the simulation. Every delivery goes to one of three instances.

use std::collections::BTreeMap;

use portcullis::pipeline::Context;

use super::*;

#[derive(Default)]
struct Count {
    acts: usize,
    known: usize,
    restored: usize,
    /// Why it is not known, or not given back.
    why: BTreeMap<String, usize>,
}

/// A world for some hours.
struct Day {
    watch: Watch,
    instances: Vec<Context>,
    rng: fastrand::Rng,
    /// How often events are lost, doubled and late.
    losses: [f64; 3],
    /// What is under way, by when it arrives.
    posts: BTreeMap<(i64, usize), Value>,
    sent: usize,
    next_port: i32,
}

impl Day {
    async fn start(seed: u64) -> Self {
        fastrand::seed(seed);
        let mut rng = fastrand::Rng::with_seed(seed);
        let losses = crate::simulation::losses(&mut rng);
        let watch = restoring().start().await;
        let mut instances = Vec::new();
        for _ in 0..3 {
            instances.push(watch.another(restoring()).await);
        }
        Self { watch, instances, rng, losses, posts: BTreeMap::new(), sent: 0, next_port: 8000 }
    }

    fn lawful(&mut self) -> Permission {
        self.next_port += 1;
        tcp(self.next_port, EVERYONE)
    }

    fn rules(&self) -> Vec<String> {
        let rules = self.watch.world.rules(ACCOUNT, REGION, &self.watch.group).into_iter();
        let ingress = rules.filter(|rule| rule.direction == ec2_model::Direction::Ingress && rule.from_port >= 8000);
        ingress.map(|rule| rule.id).collect()
    }

    /// Somebody does something.
    fn deed(&mut self) {
        let rules = self.rules();
        let permission = self.lawful();
        let group = self.watch.group.clone();
        let change = |rule: &String, permission| [RuleChange { rule: rule.clone(), permission }];
        let rule = if rules.is_empty() { None } else { Some(rules[self.rng.usize(..rules.len())].clone()) };
        let world = &self.watch.world;
        match (self.rng.usize(..8), rule) {
            (0 | 1, _) | (_, None) if rules.len() < 40 => {
                _ = world.authorize(ACCOUNT, REGION, &group, &[permission]);
            }
            (2, Some(rule)) => _ = world.revoke(ACCOUNT, REGION, &group, &[&rule]),
            (3..=5, Some(rule)) => _ = world.modify_rules(ACCOUNT, REGION, &group, &change(&rule, permission)),
            // Only one rule can be this at a time.
            (_, Some(rule)) => _ = world.modify_rules(ACCOUNT, REGION, &group, &change(&rule, tcp(22, EVERYONE))),
            (_, None) => {}
        }
        self.post_records();
    }

    /// Sends the records of all calls that changed a rule, as reliably as this world allows: the function's own as well.
    fn post_records(&mut self) {
        let [lost, twice, late] = self.losses;
        let names = ["AuthorizeSecurityGroupIngress", "ModifySecurityGroupRules"];
        for record in self.watch.world.take_records() {
            let is_ours = names.iter().any(|name| record["eventName"] == *name);
            if !is_ours || record.get("errorCode").is_some() || self.rng.f64() < lost {
                continue;
            }
            for _ in 0..if self.rng.f64() < twice { 2 } else { 1 } {
                let is_late = self.rng.f64() < late;
                let delay = if is_late { self.rng.i64(5_000..300_000) } else { self.rng.i64(300..2_000) };
                self.sent += 1;
                let at = (self.watch.world.now() + delay, self.sent);
                self.posts.insert(at, ec2_model::eventbridge(&record));
            }
        }
    }

    async fn deliver(&mut self, payload: &Value) -> Vec<Finding> {
        let instance = self.rng.usize(..self.instances.len());
        std::mem::swap(&mut self.watch.context, &mut self.instances[instance]);
        let answer = self.watch.deliver(payload).await;
        std::mem::swap(&mut self.watch.context, &mut self.instances[instance]);
        self.post_records();
        answer.findings
    }

    /// What arrives until a time.
    async fn arrivals(&mut self, until: i64, count: &mut Count) {
        while let Some(entry) = self.posts.first_entry().filter(|entry| entry.key().0 <= until) {
            let ((at, _), event) = entry.remove_entry();
            self.watch.world.set_now(self.watch.world.now().max(at));
            for finding in self.deliver(&event).await {
                count.note(&finding);
            }
        }
        self.watch.world.set_now(self.watch.world.now().max(until));
    }
}

impl Count {
    fn note(&mut self, finding: &Finding) {
        let is_act =
            finding.call.as_deref() == Some("ModifySecurityGroupRules") && finding.outcome == Outcome::Reverted;
        let acted = finding.rules.iter().filter(|rule| matches!(rule.action, Action::Revoked | Action::Restored));
        for rule in acted.filter(|_| is_act) {
            self.acts += 1;
            self.restored += usize::from(rule.action == Action::Restored);
            let why = match finding.former.get(&rule.id) {
                Some(FormerFinding::Was(was)) => {
                    self.known += 1;
                    match (&was.doubt, rule.action == Action::Restored) {
                        (_, true) => continue,
                        (Some(doubt), false) => format!("known, not given back: {doubt}"),
                        (None, false) => "known, not given back: the group or the call did not let it".to_owned(),
                    }
                }
                Some(FormerFinding::Unknown { unknown }) => {
                    let is_word = |word: &&str| !word.contains(|c: char| c.is_ascii_digit());
                    format!("unknown: {}", unknown.split(' ').filter(is_word).collect::<Vec<_>>().join(" "))
                }
                None => "nothing is said".to_owned(),
            };
            *self.why.entry(why).or_default() += 1;
        }
    }
}

const HOURS: i64 = 12;

#[tokio::test(start_paused = true)]
async fn what_a_modified_rule_was_is_known_of_nineteen_in_twenty_with_hourly_sweeps() {
    let worlds = crate::simulation::number("PORTCULLIS_SEEDS").unwrap_or(10).min(400);
    let mut count = Count::default();
    for seed in 0..worlds {
        let mut day = Day::start(seed).await;
        for _ in 0..20 {
            let permission = day.lawful();
            day.watch.open(&[permission]);
        }
        let start = day.watch.world.now();
        // The people of a world have been there for a while when the first sweep comes.
        for hour in 0..HOURS {
            let sweep = json!({"sweep": {"accounts": [ACCOUNT], "regions": [REGION]}});
            day.deliver(&sweep).await;
            let mut times: Vec<i64> = (0..12).map(|_| day.rng.i64(0..3_600_000)).collect();
            times.sort_unstable();
            for at in times {
                day.arrivals(start + hour * 3_600_000 + at, &mut count).await;
                day.deed();
            }
            day.arrivals(start + (hour + 1) * 3_600_000, &mut count).await;
        }
    }
    let share = |part: usize| part as f64 * 100.0 / count.acts.max(1) as f64;
    println!(
        "{worlds} worlds of {HOURS} hours: {} rules that a Modify opened and the function took back: {} known ({:.1} %), {} \
         given back ({:.1} %)",
        count.acts,
        count.known,
        share(count.known),
        count.restored,
        share(count.restored)
    );
    for (why, rules) in &count.why {
        println!("{rules:>6} {why}");
    }
    assert!(count.acts > 100, "{}", count.acts);
    assert!(count.known * 100 >= count.acts * 95, "{} of {}", count.known, count.acts);
}
