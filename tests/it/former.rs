//! What a rule was before a Modify: told, taken into account, and given back. Every delivery goes to an instance of its own,
//! so that nothing is known but what sweeps and the memory keep.

mod restored;
mod share;
mod standing;
mod told;

use std::time::Duration;

use ec2_model::{Permission, RuleChange};
use portcullis::domain::finding::{Action, Finding, FormerFinding, Outcome, Verdict};
use portcullis::domain::ids::RuleId;
use serde_json::{Value, json};

use crate::harness::{ACCOUNT, REGION, Setup, Watch, remembering};

const EVERYONE: &str = "0.0.0.0/0";

/// A function that gives back.
fn restoring() -> Setup {
    Setup { restores: true, ..remembering() }
}

fn judged(finding: &Finding) -> (Verdict, Outcome) {
    (finding.verdict, finding.outcome)
}

fn tcp(port: i32, source: &str) -> Permission {
    Permission::tcp(port, source)
}

/// Moves the clock.
fn later(watch: &Watch, by: Duration) {
    watch.world.set_now(watch.world.now() + i64::try_from(by.as_millis()).unwrap());
}

const MINUTES: Duration = Duration::from_secs(60);

/// A rule in the group, whose event nobody delivers.
fn rule(watch: &Watch, permission: Permission) -> String {
    watch.open(&[permission]);
    watch.world.rules(ACCOUNT, REGION, &watch.group).pop().unwrap().id
}

/// Modifies a rule. Returns the event.
fn modify(watch: &Watch, rule: &str, permission: Permission) -> Value {
    let change = RuleChange { rule: rule.to_owned(), permission };
    watch.world.modify_rules(ACCOUNT, REGION, &watch.group, &[change]).unwrap();
    watch.event()
}

/// A sweep looks at everything; a quarter of an hour goes by.
async fn sweep(watch: &Watch) {
    watch.deliver(&json!({"sweep": {"accounts": [ACCOUNT], "regions": [REGION]}})).await;
    watch.world.take_records();
    later(watch, 15 * MINUTES);
}

/// Delivers to an instance of its own.
async fn alone(watch: &mut Watch, setup: Setup, event: &Value) -> Finding {
    watch.start_anew(setup).await;
    watch.finding(event).await
}

/// What a finding says that its one rule was.
fn former(finding: &Finding, rule: &str) -> String {
    match finding.former.get(&RuleId::parse(rule).unwrap()) {
        Some(FormerFinding::Was(was)) => {
            let port = was.from_port.map_or_else(|| "-".to_owned(), |port| port.to_string());
            format!("{} {port} {} by {:?}", was.protocol, was.source, was.from).to_lowercase()
        }
        Some(FormerFinding::Unknown { unknown }) => format!("unknown: {unknown}"),
        None => "nothing".to_owned(),
    }
}

/// What was done about the finding's one rule.
fn action(finding: &Finding) -> Action {
    assert_eq!(finding.rules.len(), 1, "{finding:#?}");
    finding.rules[0].action.clone()
}
