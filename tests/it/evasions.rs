//! Ways to open a guarded port past a guardrail. Each test goes from the attacker's call to the rules that are left and
//! the finding that is reported. docs/EVASIONS.md has a row for every test here, and the last test checks the page
//! against the tests.

use ec2_model::{Actor, Fault, FaultKind, Lag, Permission, RuleChange, Vpc};
use portcullis::domain::finding::Finding;
use portcullis::domain::finding::Outcome::{self, AlreadyGone, Failed, None, Reverted, WouldRevert};
use portcullis::domain::finding::Verdict::{self, Exempt, Exposed, Irrelevant, Safe, Undecided};
use serde_json::{Value, json};

use crate::harness::{ACCOUNT, REGION, Setup, Watch, enforcing, remembering, sqs};

const EVERYONE: &str = "0.0.0.0/0";

/// A policy under which the role BreakGlass of any account may do anything.
const BREAK_GLASS: &str =
    "version: 1\nexempt: [{reason: SEC-1, until: never, principals: [\"arn:aws:iam::*:role/BreakGlass\"]}]";

fn tcp(port: i32, source: &str) -> Permission {
    Permission::tcp(port, source)
}

fn rule(protocol: &str, ports: (i32, i32), sources: &[&str]) -> Permission {
    Permission::new(protocol, ports.0, ports.1, sources)
}

async fn with_policy(policy: &'static str) -> Watch {
    Setup { policy, ..Setup::default() }.start().await
}

/// Delivers the event and checks the reported verdict and outcome, and the ingress rules that are left in the group.
async fn reported(watch: &Watch, event: &Value, verdict: Verdict, outcome: Outcome, left: &[&str]) -> Finding {
    let finding = watch.finding(event).await;
    assert_eq!((finding.verdict, finding.outcome), (verdict, outcome), "{finding:#?}");
    assert_eq!(watch.ingress(), left, "{}", finding.reason);
    finding
}

/// Runs a sweep. Returns the verdict and outcome of each group that it reports.
async fn swept(watch: &Watch) -> Vec<(Verdict, Outcome)> {
    let mut answer = watch.deliver(&json!({"sweep": {"accounts": [ACCOUNT], "regions": [REGION]}})).await;
    answer.findings.pop();
    answer.findings.iter().map(|finding| (finding.verdict, finding.outcome)).collect()
}

/// The group's last ingress rule.
fn last_rule(watch: &Watch) -> String {
    watch.world.rules(ACCOUNT, REGION, &watch.group).pop().unwrap().id
}

/// Modifies the rules with these ids. Returns the event.
fn modify(watch: &Watch, changes: &[(&String, Permission)]) -> Value {
    let change = |(rule, permission): &(&String, Permission)| RuleChange {
        rule: (*rule).clone(),
        permission: permission.clone(),
    };
    let changes: Vec<RuleChange> = changes.iter().map(change).collect();
    watch.world.modify_rules(ACCOUNT, REGION, &watch.group, &changes).unwrap();
    watch.event()
}

/// A rule from long ago, whose event is no longer delivered.
fn old_rule(watch: &Watch, permission: Permission) -> String {
    watch.open(&[permission]);
    watch.world.set_now(watch.world.now() + 86_400_000);
    last_rule(watch)
}

/// `count` blocks of this length, one after the other from 8.0.0.0 on.
fn blocks(count: u32, length: u32) -> Vec<String> {
    let first = |n: u32| std::net::Ipv4Addr::from(0x0800_0000 + (n << (32 - length)));
    (0..count).map(|n| format!("{}/{length}", first(n))).collect()
}

/// One block of each length from /9 to /32, from 8.0.0.0 on: one address less than a /8.
fn just_under_the_limit() -> Vec<Permission> {
    let mut next: u32 = 0x0800_0000;
    let block = |length: u32| {
        let block = format!("{}/{length}", std::net::Ipv4Addr::from(next));
        next += 1 << (32 - length);
        tcp(22, &block)
    };
    (9..=32).map(block).collect()
}

fn session(role: &str, session: &str) -> Actor {
    Actor::Role { role: role.into(), session: session.into() }
}

fn omitted() -> Value {
    json!({"reason": "requestParameters too large", "omitted": true, "originalSize": 131_072})
}

/// One AuthorizeSecurityGroupIngress call: the permissions that it asks for, the finding, and the rules that are left.
/// Each is tested with the call's full record, with an older record, which lists no rules, and with records from which
/// CloudTrail omitted the parameters or the answer.
macro_rules! one_call {
    ($($name:ident: [$($permission:expr),+ $(,)?] => $verdict:ident, $outcome:ident, [$($left:expr),*];)+) => {
        /// The tests of the table, each with its verdict and outcome.
        pub(super) const TABLE: &[(&str, Verdict, Outcome)] = &[$((stringify!($name), $verdict, $outcome)),+];
        $(#[tokio::test(start_paused = true)]
        async fn $name() {
            for (part, value) in [
                ("eventName", json!("AuthorizeSecurityGroupIngress")),
                ("responseElements", json!({"_return": true})),
                ("responseElements", omitted()),
                ("requestParameters", omitted()),
            ] {
                let watch = enforcing().await;
                let mut event = watch.open(&[$($permission),+]);
                event["detail"][part] = value;
                reported(&watch, &event, $verdict, $outcome, &[$($left),*]).await;
            }
        })+
    };
}

mod forged;
mod form;
mod names;
mod page;
mod ports;
mod prefix_lists;
mod size;
mod sources;
mod time;
