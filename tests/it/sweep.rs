//! The sweep: the scheduled check of everything.

use ec2_model::{Fault, FaultKind, Permission, Vpc};
use portcullis::config::{Accounts, MemberRole};
use portcullis::domain::finding::{Finding, Outcome, Verdict};
use portcullis::domain::policy::Mode;
use serde_json::{Value, json};

use crate::harness::{ACCOUNT, REGION, Setup, TOPIC, Watch, enforcing, sqs};

const MEMBER: &str = "444455556666";
const ENFORCING: &str = "version: 1\nsweep: {mode: enforce, max_revocations: 25}";

fn order(accounts: &[&str], regions: &[&str]) -> Value {
    json!({"sweep": {"accounts": accounts, "regions": regions}})
}

fn open_group(watch: &Watch, account: &str, region: &str, name: &str, source: &str) -> String {
    let group = watch.world.create_group(account, region, name, Vpc::Other);
    watch.world.authorize(account, region, &group, &[Permission::tcp(22, source)]).unwrap();
    group
}

/// The summary, and the findings before it.
fn split(mut findings: Vec<Finding>) -> (Vec<Finding>, Finding) {
    let summary = findings.pop().unwrap();
    assert!(summary.sweep.is_some(), "{summary:#?}");
    (findings, summary)
}

#[tokio::test(start_paused = true)]
async fn a_sweep_finds_what_no_event_told_of_and_by_default_only_tells() {
    let watch = enforcing().await;
    let open = open_group(&watch, ACCOUNT, REGION, "open", "0.0.0.0/0");
    open_group(&watch, ACCOUNT, REGION, "office", "203.0.113.0/24");
    let (findings, summary) = split(watch.deliver(&order(&[ACCOUNT], &[REGION])).await.findings);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].group.as_ref(), Some(&open));
    assert_eq!((findings[0].verdict, findings[0].outcome), (Verdict::Exposed, Outcome::WouldRevert));
    assert_eq!((summary.verdict, summary.outcome, summary.mode), (Verdict::Exposed, Outcome::WouldRevert, Mode::Alert));
    let sweep = summary.sweep.unwrap();
    assert_eq!((sweep.accounts, sweep.places, sweep.groups, sweep.exposed, sweep.reverted), (1, 1, 3, 1, 0));
    assert_eq!(watch.ec2_calls(), ["DescribeSecurityGroupRules"]);
}

#[tokio::test(start_paused = true)]
async fn where_the_policy_lets_it_a_sweep_takes_back_up_to_its_cap() {
    let watch =
        Setup { policy: "version: 1\nsweep: {mode: enforce, max_revocations: 2}", ..Setup::default() }.start().await;
    for n in 0..5 {
        open_group(&watch, ACCOUNT, REGION, &format!("g{n}"), "::/0");
    }
    let answer = watch.deliver(&order(&[], &[REGION])).await;
    let (findings, summary) = split(answer.findings);
    let count = |outcome| findings.iter().filter(|finding| finding.outcome == outcome).count();
    assert_eq!((count(Outcome::Reverted), count(Outcome::WouldRevert)), (2, 3));
    assert_eq!(summary.outcome, Outcome::Reverted);
    let sweep = summary.sweep.unwrap();
    assert_eq!((sweep.exposed, sweep.reverted, sweep.failed), (5, 2, 0));
    assert!(answer.failed.is_empty());
    // The next sweep continues.
    let (_, summary) = split(watch.deliver(&order(&[], &[REGION])).await.findings);
    assert_eq!(summary.sweep.map(|sweep| (sweep.exposed, sweep.reverted)), Some((3, 2)));
}

#[tokio::test(start_paused = true)]
async fn without_a_queue_one_invocation_looks_at_every_account_and_enabled_region() {
    let role = MemberRole { name: "PortcullisMember".into(), external_id: None };
    let accounts = Accounts::Listed([ACCOUNT, MEMBER].map(|id| id.parse().unwrap()).into());
    let watch = Setup { policy: ENFORCING, accounts, member_role: Some(role), ..Setup::default() }.start().await;
    watch.world.set_now(portcullis::now().as_millisecond());
    watch.world.allow_role(MEMBER, "PortcullisMember", None);
    open_group(&watch, MEMBER, "us-east-1", "theirs", "0.0.0.0/0");
    open_group(&watch, ACCOUNT, "eu-central-1", "ours", "0.0.0.0/0");
    let (findings, summary) = split(watch.deliver(&json!({"sweep": {}})).await.findings);
    assert_eq!(findings.len(), 2);
    assert!(findings.iter().all(|finding| finding.outcome == Outcome::Reverted), "{findings:#?}");
    let sweep = summary.sweep.unwrap();
    assert_eq!((sweep.accounts, sweep.places, sweep.exposed, sweep.reverted), (2, 34, 2, 2));
    let assumed = watch.world.calls().iter().filter(|call| call.action == "AssumeRole").count();
    assert_eq!(assumed, 1, "credentials are kept for the account, not for each of its Regions");
}

#[tokio::test(start_paused = true)]
async fn over_a_queue_it_is_one_message_for_each_account_and_region() {
    let role = MemberRole { name: "PortcullisMember".into(), external_id: None };
    let mut watch = Setup { accounts: Accounts::Any, member_role: Some(role), ..Setup::default() }.start().await;
    watch.world.set_now(portcullis::now().as_millisecond());
    watch.world.allow_role(MEMBER, "PortcullisMember", None);
    watch.world.set_organization(
        ACCOUNT,
        &[
            (ACCOUNT, "ACTIVE"),
            (MEMBER, "ACTIVE"),
            ("777788889999", "SUSPENDED"),
            ("333344445555", "PENDING_ACTIVATION"),
        ],
    );
    let queue = watch.world.create_queue(ACCOUNT, REGION, "sweep");
    watch.context.settings.queue = Some(queue.clone());
    let finding = watch.finding(&json!({"sweep": {}})).await;
    assert_eq!((finding.verdict, finding.outcome), (Verdict::Irrelevant, Outcome::None), "{}", finding.reason);
    assert!(finding.reason.starts_with("sweep handed out: 34 messages"), "{}", finding.reason);
    let messages = watch.world.take_messages(&queue);
    let orders: std::collections::BTreeSet<(String, String)> = messages
        .iter()
        .map(|message| {
            let order: Value = serde_json::from_str(message).unwrap();
            let one =
                |key: &str| order["sweep"][key].as_array().map(|all| (all.len(), all[0].as_str().unwrap().to_owned()));
            let (account, region) = (one("accounts").unwrap(), one("regions").unwrap());
            assert_eq!((account.0, region.0), (1, 1));
            (account.1, region.1)
        })
        .collect();
    assert_eq!(orders.len(), 34);
    // A request that comes back over the queue is worked on, not sent again.
    open_group(&watch, MEMBER, "us-east-1", "theirs", "0.0.0.0/0");
    let answer = watch.deliver(&sqs(&messages)).await;
    assert!(answer.failed.is_empty());
    assert_eq!(answer.findings.iter().filter(|finding| finding.sweep.is_some()).count(), 34);
    assert_eq!(answer.findings.iter().filter(|finding| finding.group.is_some()).count(), 1);
    assert!(watch.world.take_messages(&queue).is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_account_whose_regions_are_not_known_gets_a_message_of_its_own_and_fails_alone() {
    let role = MemberRole { name: "PortcullisMember".into(), external_id: None };
    let mut watch = Setup { accounts: Accounts::Any, member_role: Some(role), ..Setup::default() }.start().await;
    let queue = watch.world.create_queue(ACCOUNT, REGION, "sweep");
    watch.context.settings.queue = Some(queue.clone());
    let finding = watch.finding(&order(&[ACCOUNT, MEMBER], &[])).await;
    assert!(
        finding.reason.contains(&format!("{MEMBER} is tried again: AssumeRole: AccessDenied")),
        "{}",
        finding.reason
    );
    let messages = watch.world.take_messages(&queue);
    assert_eq!(messages.len(), 18);
    assert_eq!(messages[17], format!("{{\"sweep\":{{\"accounts\":[\"{MEMBER}\"]}}}}"));
    let answer = watch.deliver(&sqs(&messages[17..])).await;
    assert_eq!(answer.failed.len(), 1);
    assert_eq!((answer.findings[0].verdict, answer.findings[0].outcome), (Verdict::Undecided, Outcome::Failed));
    assert!(watch.world.take_messages(&queue).is_empty(), "it is not handed out in a circle");
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_looked_at_is_named_and_never_called_safe() {
    let role = MemberRole { name: "PortcullisMember".into(), external_id: None };
    let watch =
        Setup { policy: ENFORCING, accounts: Accounts::Any, member_role: Some(role), ..Setup::default() }.start().await;
    open_group(&watch, ACCOUNT, REGION, "ours", "0.0.0.0/0");
    let answer = watch.deliver(&order(&[ACCOUNT, MEMBER], &[REGION])).await;
    let (_, summary) = split(answer.findings);
    let sweep = summary.sweep.clone().unwrap();
    assert_eq!((sweep.places, sweep.exposed, sweep.reverted), (2, 1, 1));
    assert!(
        matches!(&sweep.unreachable[..], [one] if one.starts_with(&format!("{MEMBER} {REGION}: AssumeRole: AccessDenied")))
    );
    assert_eq!(summary.outcome, Outcome::Failed);
    assert!(answer.failed.contains(""), "it is tried again");

    // Nothing is safe when a second page cannot be read.
    let watch = enforcing().await;
    watch.world.set_rules_per_group(5000);
    let many: Vec<Permission> = (0..1200).map(|n| Permission::tcp(10_000 + n, "9.9.9.9/32")).collect();
    watch.open(&many);
    for nth in 1..40 {
        let action = Some("DescribeSecurityGroupRules".into());
        watch.world.inject(Fault { action, nth, kind: FaultKind::LostBefore });
    }
    let (_, summary) = split(watch.deliver(&order(&[ACCOUNT], &[REGION])).await.findings);
    assert_eq!((summary.verdict, summary.outcome), (Verdict::Undecided, Outcome::Failed));
    assert_eq!(summary.sweep.map(|sweep| sweep.unreachable.len()), Some(1));
}

#[tokio::test(start_paused = true)]
async fn an_account_that_the_function_may_not_act_in_costs_no_call() {
    let watch = enforcing().await;
    let answer = watch.deliver(&order(&[ACCOUNT, MEMBER], &[REGION])).await;
    assert_eq!((answer.findings[0].verdict, answer.findings[0].outcome), (Verdict::Undecided, Outcome::None));
    assert!(
        answer.findings[0].reason.contains(&format!("account {MEMBER} is not one")),
        "{}",
        answer.findings[0].reason
    );
    assert!(watch.world.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_summary_is_published_when_there_is_something_to_tell() {
    let watch = Setup { topic: true, ..Setup::default() }.start().await;
    watch.deliver(&order(&[ACCOUNT], &[REGION])).await;
    assert!(watch.world.published().is_empty());
    open_group(&watch, ACCOUNT, REGION, "open", "0.0.0.0/0");
    watch.deliver(&order(&[ACCOUNT], &[REGION])).await;
    let published = watch.world.published();
    assert_eq!(published.len(), 1, "what stands open would come again each hour");
    assert_eq!(published[0].topic, TOPIC);
    assert!(published[0].message.contains("sweep of 1 Region of 1 account"), "{}", published[0].message);
    assert!(published[0].message.contains(&format!("open: {ACCOUNT} {REGION} sg-")), "{}", published[0].message);
}

/// What the metrics `name` add up to.
fn metric(watch: &Watch, name: &str) -> u64 {
    let lines = watch.lines.lock().unwrap();
    lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).unwrap()[name].as_u64()).sum()
}

#[tokio::test(start_paused = true)]
async fn each_place_that_was_looked_at_is_counted_also_when_nothing_is_open() {
    let watch = enforcing().await;
    watch.deliver(&order(&[ACCOUNT], &[REGION, "us-east-1"])).await;
    assert_eq!(metric(&watch, "Swept"), 2);
    // A place that could not be looked at is none.
    for nth in 0..40 {
        let action = Some("DescribeSecurityGroupRules".into());
        watch.world.inject(Fault { action, nth, kind: FaultKind::LostBefore });
    }
    watch.deliver(&order(&[ACCOUNT], &[REGION])).await;
    assert_eq!(metric(&watch, "Swept"), 2);
}

#[tokio::test(start_paused = true)]
async fn an_event_is_no_sweep() {
    let watch = enforcing().await;
    let event = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
    watch.deliver(&event).await;
    assert_eq!((metric(&watch, "Reverted"), metric(&watch, "Swept")), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_handed_out_is_counted_where_it_is_done() {
    let mut watch = enforcing().await;
    let queue = watch.world.create_queue(ACCOUNT, REGION, "sweep");
    watch.context.settings.queue = Some(queue.clone());
    watch.deliver(&order(&[ACCOUNT], &[REGION, "us-east-1"])).await;
    assert_eq!(metric(&watch, "Swept"), 0);
    watch.deliver(&sqs(&watch.world.take_messages(&queue))).await;
    assert_eq!(metric(&watch, "Swept"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_cannot_be_decided_does_not_fail_its_place_and_is_named() {
    let watch = Setup { topic: true, ..Setup::default() }.start().await;
    let list = watch.world.create_prefix_list(ACCOUNT, REGION, "partners", 20, &["203.0.113.0/24"]).unwrap();
    watch.world.authorize(ACCOUNT, REGION, &watch.group, &[Permission::tcp(22, &list)]).unwrap();
    for nth in 0..40 {
        let denied =
            FaultKind::ErrorBefore { status: 403, code: "UnauthorizedOperation".into(), message: "denied".into() };
        watch.world.inject(Fault { action: Some("GetManagedPrefixListEntries".into()), nth, kind: denied });
    }
    let message = order(&[ACCOUNT], &[REGION]).to_string();
    let answer = watch.deliver(&sqs(&[message])).await;
    assert!(answer.failed.is_empty(), "it would be as undecided again: {:#?}", answer.findings);
    let (_, summary) = split(answer.findings);
    let sweep = summary.sweep.as_ref().unwrap();
    assert_eq!((summary.verdict, summary.outcome, sweep.undecided), (Verdict::Undecided, Outcome::None, 1));
    let named = format!("{ACCOUNT} {REGION} {}: cannot be decided: ", watch.group);
    assert!(sweep.undecided_groups[0].starts_with(&named), "{:?}", sweep.undecided_groups);
    let published = watch.world.published();
    assert_eq!(published.len(), 1, "the summary tells it");
    assert!(published[0].message.contains(&named), "{}", published[0].message);
    assert_eq!((metric(&watch, "Swept"), metric(&watch, "Undecided")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_revoke_that_fails_in_a_sweep_fails_its_place() {
    let watch = Setup { policy: ENFORCING, ..Setup::default() }.start().await;
    open_group(&watch, ACCOUNT, REGION, "open", "0.0.0.0/0");
    for nth in 0..40 {
        let denied =
            FaultKind::ErrorBefore { status: 403, code: "UnauthorizedOperation".into(), message: "denied".into() };
        watch.world.inject(Fault { action: Some("RevokeSecurityGroupIngress".into()), nth, kind: denied });
    }
    let answer = watch.deliver(&sqs(&[order(&[ACCOUNT], &[REGION]).to_string()])).await;
    assert_eq!(answer.failed.len(), 1, "{:#?}", answer.findings);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_nearly_open_is_in_the_summary_although_it_is_safe() {
    let watch = enforcing().await;
    let nearly = open_group(&watch, ACCOUNT, REGION, "nearly", "9.0.0.0/9");
    open_group(&watch, ACCOUNT, REGION, "office", "203.0.113.0/24");
    let (findings, summary) = split(watch.deliver(&order(&[ACCOUNT], &[REGION])).await.findings);
    assert!(findings.is_empty(), "what is safe is in the summary alone: {findings:#?}");
    let expected = format!("{ACCOUNT} {REGION} {nearly}: tcp 22 (ssh) at 50 % of the limit");
    assert!(summary.reason.ends_with(&format!("; nearly open: {expected}")), "{}", summary.reason);
    assert_eq!((summary.verdict, summary.sweep.unwrap().nearly_open), (Verdict::Safe, vec![expected]));
}

#[tokio::test(start_paused = true)]
async fn every_finding_names_the_policy_that_decided() {
    let watch = enforcing().await;
    let event = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
    let mut findings = watch.deliver(&event).await.findings;
    open_group(&watch, ACCOUNT, REGION, "open", "0.0.0.0/0");
    findings.extend(watch.deliver(&order(&[ACCOUNT], &[REGION])).await.findings);
    findings.extend(watch.deliver(&json!({"detail": 1})).await.findings);
    assert_eq!(findings.len(), 4);
    let hash = watch.context.policy.now().hash().to_owned();
    assert!(findings.iter().all(|finding| finding.policy.as_deref() == Some(hash.as_str())), "{findings:#?}");
    let lines = watch.lines.lock().unwrap();
    let logged = lines.iter().filter(|line| line.contains(&format!("\"policy\":\"{hash}\"")));
    assert_eq!(logged.count(), 4);
}
