//! Prefix lists that change under rules which do not change.

use std::sync::Arc;
use std::time::Duration;

use ec2_model::{Actor, Permission, RuleChange, Vpc};
use portcullis::domain::finding::{Finding, Outcome, Verdict};
use serde_json::{Value, json};

use crate::harness::{ACCOUNT, REGION, Setup, Watch, enforcing, sqs};

const DESCRIBE: &str = "DescribeSecurityGroupRules";
const GROUPS: &str = "DescribeSecurityGroups";
const ENTRIES: &str = "GetManagedPrefixListEntries";
const STATE: &str = "DescribeManagedPrefixLists";
const REVOKE: &str = "RevokeSecurityGroupIngress";

/// A group that admits SSH and HTTPS from a list of these entries.
async fn with_list(entries: &[&str]) -> (Watch, String) {
    let watch = enforcing().await;
    let list = watch.world.create_prefix_list(ACCOUNT, REGION, "offices", 20, entries).unwrap();
    watch.open(&[Permission::tcp(22, &list), Permission::tcp(443, &list)]);
    (watch, list)
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_opened_under_a_rule_costs_the_rule_and_no_other() {
    let (watch, list) = with_list(&["203.0.113.0/24"]).await;
    let bystander = watch.world.create_group(ACCOUNT, REGION, "bystander", Vpc::Other);
    watch.world.authorize(ACCOUNT, REGION, &bystander, &[Permission::tcp(22, "198.51.100.0/24")]).unwrap();
    watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &["0.0.0.0/1", "128.0.0.0/1"], &[]).unwrap();
    let finding = watch.finding(&watch.event()).await;
    assert_eq!((finding.verdict, finding.outcome), (Verdict::Exposed, Outcome::Reverted));
    assert_eq!(finding.exposures[0].sources.as_slice(), std::slice::from_ref(&list));
    assert_eq!(watch.ingress(), [format!("tcp 443-443 {list}")]);
    assert_eq!(watch.ec2_calls(), [GROUPS, DESCRIBE, ENTRIES, REVOKE]);
}

#[tokio::test(start_paused = true)]
async fn every_group_that_refers_to_the_list_is_looked_at_and_what_is_safe_is_not_told() {
    let (watch, list) = with_list(&["203.0.113.0/24"]).await;
    let mut open = vec![watch.group.clone()];
    for n in 0..12 {
        let group = watch.world.create_group(ACCOUNT, REGION, &format!("g{n}"), Vpc::Other);
        // Every third rule admits only HTTPS from the list.
        let port = if n % 3 == 0 { 443 } else { 3389 };
        watch.world.authorize(ACCOUNT, REGION, &group, &[Permission::tcp(port, &list)]).unwrap();
        open.extend((port == 3389).then_some(group));
    }
    watch.world.take_records();
    watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &["::/0", "9.0.0.0/8"], &[]).unwrap_err();
    watch.world.take_records();
    watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &["9.0.0.0/8"], &[]).unwrap();
    let answer = watch.deliver(&watch.event()).await;
    let mut reported: Vec<String> = answer.findings.iter().map(|finding| finding.group.clone().unwrap()).collect();
    reported.sort();
    open.sort();
    assert_eq!(reported, open);
    assert!(answer.findings.iter().all(|finding| finding.outcome == Outcome::Reverted) && answer.failed.is_empty());
    let entries = watch.ec2_calls().iter().filter(|call| *call == ENTRIES).count();
    assert_eq!(entries, 1, "one look tells all of them what is in the list");
}

#[tokio::test(start_paused = true)]
async fn what_the_change_did_not_add_stands() {
    // The list was open before. A private block adds nothing, and a public block is not what opened it.
    let (watch, list) = with_list(&["0.0.0.0/0"]).await;
    watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &["10.1.0.0/16"], &[]).unwrap();
    let finding = watch.finding(&watch.event()).await;
    assert_eq!(
        (finding.verdict, finding.reason.as_str()),
        (Verdict::Safe, "adds no public address to the prefix list")
    );
    assert_eq!(watch.ec2_calls().len(), 0);
    watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &["9.9.9.0/24"], &[]).unwrap();
    let finding = watch.finding(&watch.event()).await;
    assert_eq!((finding.verdict, finding.outcome), (Verdict::Exposed, Outcome::None));
    assert!(finding.exposures.iter().all(|exposure| exposure.standing), "{finding:#?}");
    assert_eq!(watch.ingress().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn removing_entries_or_renaming_a_list_is_harmless() {
    let (watch, list) = with_list(&["203.0.113.0/24", "198.51.100.0/24"]).await;
    watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &[], &["198.51.100.0/24"]).unwrap();
    let finding = watch.finding(&watch.event()).await;
    assert_eq!((finding.verdict, finding.outcome), (Verdict::Safe, Outcome::None), "{}", finding.reason);
    assert_eq!(watch.ec2_calls().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_restored_version_is_what_was_added() {
    let (watch, list) = with_list(&["0.0.0.0/0", "203.0.113.0/24"]).await;
    watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &[], &["0.0.0.0/0"]).unwrap();
    watch.world.take_records();
    watch.world.restore_prefix_list(ACCOUNT, REGION, &list, 1).unwrap();
    let finding = watch.finding(&watch.event()).await;
    assert_eq!((finding.verdict, finding.outcome), (Verdict::Exposed, Outcome::Reverted), "{}", finding.reason);
    assert_eq!(watch.ingress(), [format!("tcp 443-443 {list}")]);
    assert_eq!(watch.ec2_calls(), [ENTRIES, GROUPS, DESCRIBE, ENTRIES, REVOKE]);

    // A version without a public address is harmless. Finding that out takes one call.
    let (watch, list) = with_list(&["10.0.0.0/8"]).await;
    watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &["9.9.9.0/24"], &[]).unwrap();
    watch.world.take_records();
    watch.world.restore_prefix_list(ACCOUNT, REGION, &list, 1).unwrap();
    let finding = watch.finding(&watch.event()).await;
    assert_eq!((finding.verdict, finding.outcome), (Verdict::Safe, Outcome::None), "{}", finding.reason);
    assert_eq!(watch.ec2_calls(), [ENTRIES]);
}

#[tokio::test(start_paused = true)]
async fn the_record_is_read_with_and_without_its_wrapper_and_in_either_spelling() {
    let entry = |cidr: &str| json!({"tag": 1, "Cidr": cidr});
    for (request, adds) in [
        (json!({"ModifyManagedPrefixListRequest": {"PrefixListId": "L", "AddEntry": entry("0.0.0.0/0")}}), true),
        (
            json!({"ModifyManagedPrefixListRequest": {"PrefixListId": "L", "AddEntry": [entry("10.0.0.0/8"), entry("::/0")]}}),
            true,
        ),
        (json!({"PrefixListId": "L", "AddEntry": entry("0.0.0.0/0")}), true),
        (json!({"prefixListId": "L", "addEntries": {"items": [{"cidr": "0.0.0.0/0"}]}}), true),
        // Entries that cannot be read may be anything.
        (json!({"ModifyManagedPrefixListRequest": {"PrefixListId": "L", "AddEntry": {"Cidr": 5}}}), true),
        (json!({"ModifyManagedPrefixListRequest": {"PrefixListId": "L", "IpamSync": true}}), true),
        (json!({"ModifyManagedPrefixListRequest": {"PrefixListId": "L", "AddEntry": entry("10.0.0.0/8")}}), false),
        (
            json!({"ModifyManagedPrefixListRequest": {"PrefixListId": "L", "CurrentVersion": 1, "MaxEntries": 30}}),
            false,
        ),
    ] {
        let (watch, list) = with_list(&["203.0.113.0/24"]).await;
        watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &["0.0.0.0/0"], &[]).unwrap();
        let mut event = watch.event();
        event["detail"]["requestParameters"] =
            serde_json::from_str(&request.to_string().replace("\"L\"", &format!("\"{list}\""))).unwrap();
        let finding = watch.finding(&event).await;
        let expected = if adds { Verdict::Exposed } else { Verdict::Safe };
        assert_eq!(finding.verdict, expected, "{request}: {}", finding.reason);
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_leaves_out_the_list_is_found_by_its_answer_or_makes_the_region_looked_at() {
    let omitted = json!({"reason": "requestParameters too large", "omitted": true, "originalSize": 131_072});
    for answered in [true, false] {
        let (watch, list) = with_list(&["203.0.113.0/24"]).await;
        watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &["0.0.0.0/0"], &[]).unwrap();
        let mut event = watch.event();
        event["detail"]["requestParameters"] = omitted.clone();
        if !answered {
            event["detail"]["responseElements"] = omitted.clone();
        }
        let finding = watch.finding(&event).await;
        let judged = (finding.verdict, finding.outcome);
        assert_eq!(judged, (Verdict::Exposed, Outcome::Reverted), "{answered}: {}", finding.reason);
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_without_a_record_of_what_it_is_is_undecided_and_nothing_is_touched() {
    let (watch, list) = with_list(&["203.0.113.0/24"]).await;
    watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &["0.0.0.0/0"], &[]).unwrap();
    for request in [Value::Null, json!({}), json!({"PrefixListId": 5}), json!({"PrefixListId": "lp-1"}), json!("x")] {
        let mut event =
            watch.world.take_records().pop().map_or_else(|| json!({}), |record| ec2_model::eventbridge(&record));
        if event == json!({}) {
            watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &[], &["0.0.0.0/0"]).unwrap();
            watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &["0.0.0.0/0"], &[]).unwrap();
            event = watch.event();
        }
        event["detail"]["requestParameters"] = request.clone();
        event["detail"]["responseElements"] = Value::Null;
        let finding = watch.finding(&event).await;
        assert_eq!((finding.verdict, finding.outcome), (Verdict::Undecided, Outcome::None), "{request}");
    }
    assert_eq!(watch.ec2_calls().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_aws_managed_list_is_judged_by_its_entries_like_any_other() {
    for (entries, verdict) in
        [(&["0.0.0.0/0"][..], Verdict::Exposed), (&["13.32.0.0/15", "52.46.0.0/18"], Verdict::Safe)]
    {
        let watch = enforcing().await;
        let list = watch.world.create_aws_prefix_list(REGION, "com.amazonaws.global.cloudfront.origin-facing", entries);
        let event = watch.open(&[Permission::tcp(22, &list)]);
        assert_eq!(watch.finding(&event).await.verdict, verdict, "{entries:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_exempt_principal_may_change_the_list_and_another_may_not() {
    let policy =
        "version: 1\nexempt: [{reason: network team, until: never, principals: [\"arn:aws:iam::*:role/Net\"]}]";
    for (role, verdict) in [("Net", Verdict::Exempt), ("Dev", Verdict::Exposed)] {
        let watch = Setup { policy, ..Setup::default() }.start().await;
        let list = watch.world.create_prefix_list(ACCOUNT, REGION, "offices", 20, &["203.0.113.0/24"]).unwrap();
        watch.open(&[Permission::tcp(22, &list)]);
        watch.world.set_actor(Actor::Role { role: role.into(), session: "s".into() });
        watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &["0.0.0.0/0"], &[]).unwrap();
        let reported = watch.deliver(&watch.event()).await.findings;
        assert_eq!(reported[0].verdict, verdict);
    }
}

#[tokio::test(start_paused = true)]
async fn a_modify_that_mixes_ingress_and_egress_is_dealt_with_at_once() {
    let watch = enforcing().await;
    let open = [Permission::tcp(22, "10.0.0.0/8")];
    let ingress = watch.world.authorize(ACCOUNT, REGION, &watch.group, &open).unwrap().remove(0);
    let egress = watch.world.authorize_egress(ACCOUNT, REGION, &watch.group, &open).unwrap().remove(0);
    watch.world.take_records();
    let to = |rule: &String| RuleChange { rule: rule.clone(), permission: Permission::tcp(22, "0.0.0.0/0") };
    watch.world.modify_rules(ACCOUNT, REGION, &watch.group, &[to(&egress), to(&ingress)]).unwrap();
    let finding = watch.finding(&watch.event()).await;
    assert_eq!((finding.verdict, finding.outcome), (Verdict::Exposed, Outcome::Reverted));
    assert_eq!(watch.ec2_calls(), [DESCRIBE, REVOKE], "no further look for the egress rule");
    assert!(watch.world.rules(ACCOUNT, REGION, &watch.group).iter().any(|rule| rule.id == egress));

    // Egress rules open nothing.
    watch.world.modify_rules(ACCOUNT, REGION, &watch.group, &[to(&egress)]).unwrap();
    let finding = watch.finding(&watch.event()).await;
    assert_eq!((finding.verdict, finding.outcome), (Verdict::Safe, Outcome::None), "{}", finding.reason);
}

fn judged(finding: &Finding) -> (Verdict, Outcome) {
    (finding.verdict, finding.outcome)
}

/// Delivers an event; what is told, and the calls that it took.
async fn told(watch: &Watch, event: &Value) -> (Finding, Vec<String>) {
    let before = watch.ec2_calls().len();
    let finding = watch.finding(event).await;
    (finding, watch.ec2_calls().split_off(before))
}

fn pass(watch: &Watch, seconds: i64) {
    watch.world.set_now(watch.world.now() + seconds * 1_000);
}

/// A list that takes so many seconds to be opened to everyone, and the event.
async fn opened_slowly(seconds: i64) -> (Watch, String, Value) {
    let (watch, list) = with_list(&["203.0.113.0/24"]).await;
    watch.world.set_prefix_list_lag(seconds * 1_000);
    watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &["0.0.0.0/0"], &[]).unwrap();
    let event = watch.event();
    (watch, list, event)
}

#[tokio::test(start_paused = true)]
async fn a_list_that_takes_long_to_change_is_undecided_until_it_has() {
    let (watch, list, event) = opened_slowly(30).await;
    let answer = watch.deliver(&event).await;
    assert_eq!((answer.findings.len(), answer.failed.len()), (1, 1), "{:#?}", answer.findings);
    let finding = &answer.findings[0];
    assert_eq!(judged(finding), (Verdict::Undecided, Outcome::Failed));
    let why = format!("prefix list {list}: modify-in-progress: EC2 does not show yet what the change added");
    assert_eq!(finding.reason, why);
    let calls = watch.ec2_calls();
    assert_eq!(calls.iter().filter(|call| *call == STATE).count(), 1);
    assert_eq!(calls.last().map(String::as_str), Some(STATE), "only when it was waited for in vain");

    pass(&watch, 30);
    let (finding, calls) = told(&watch, &event).await;
    assert_eq!(judged(&finding), (Verdict::Exposed, Outcome::Reverted), "{}", finding.reason);
    assert_eq!(calls, [GROUPS, DESCRIBE, ENTRIES, REVOKE]);
    assert_eq!(watch.ingress(), [format!("tcp 443-443 {list}")]);
}

#[tokio::test(start_paused = true)]
async fn a_restored_version_that_takes_long_is_undecided_however_old_the_record_is() {
    let (watch, list) = with_list(&["0.0.0.0/0", "203.0.113.0/24"]).await;
    watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &[], &["0.0.0.0/0"]).unwrap();
    watch.world.set_prefix_list_lag(3_600_000);
    watch.world.restore_prefix_list(ACCOUNT, REGION, &list, 1).unwrap();
    let event = watch.event();
    pass(&watch, 3_599);
    let (finding, calls) = told(&watch, &event).await;
    assert_eq!(judged(&finding), (Verdict::Undecided, Outcome::Failed), "{}", finding.reason);
    assert_eq!(calls, [ENTRIES, GROUPS, DESCRIBE, ENTRIES, STATE]);
    pass(&watch, 1);
    assert_eq!(judged(&watch.finding(&event).await), (Verdict::Exposed, Outcome::Reverted));
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_was_taken_out_again_is_gone_when_the_list_says_that_it_is_done() {
    let (watch, list, event) = opened_slowly(0).await;
    watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &[], &["0.0.0.0/0"]).unwrap();
    pass(&watch, 60);
    let (finding, calls) = told(&watch, &event).await;
    assert_eq!(judged(&finding), (Verdict::Safe, Outcome::None), "{}", finding.reason);
    // The second look comes after the answer: the list may have changed between the first one and the answer.
    assert_eq!(calls, [GROUPS, DESCRIBE, ENTRIES, STATE, GROUPS, DESCRIBE, ENTRIES]);

    // A version that the record leads to and the list has not reached.
    let mut ahead = event.clone();
    let request = ahead["detail"]["requestParameters"]["ModifyManagedPrefixListRequest"].as_object_mut().unwrap();
    request.insert("CurrentVersion".into(), json!(3));
    let (finding, calls) = told(&watch, &ahead).await;
    assert_eq!(judged(&finding), (Verdict::Undecided, Outcome::Failed));
    assert!(finding.reason.contains("its version is 3, and the change leads to 4"), "{}", finding.reason);
    assert_eq!(calls, [GROUPS, DESCRIBE, ENTRIES, STATE]);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_changes_between_the_look_and_the_answer_is_looked_at_again() {
    let (mut watch, list, event) = opened_slowly(60).await;
    pass(&watch, 50);
    let (world, clock) = (watch.world.clone(), watch.world.clone());
    let between = Arc::new(move |request: &ec2_model::Request| {
        let asks = String::from_utf8_lossy(&request.body).contains(STATE);
        world.set_now(world.now() + if asks { 10_000 } else { 0 });
        (Duration::ZERO, world.handle(request))
    });
    let clock = Box::new(move || jiff::Timestamp::from_millisecond(clock.now()).unwrap());
    watch.context = Setup::default().context(REGION, between, clock, Box::new(|_| ())).await;
    let finding = watch.finding(&event).await;
    assert_eq!(judged(&finding), (Verdict::Exposed, Outcome::Reverted), "{}", finding.reason);
    assert_eq!(watch.ec2_calls(), [GROUPS, DESCRIBE, ENTRIES, STATE, GROUPS, DESCRIBE, ENTRIES, REVOKE]);
    assert_eq!(watch.ingress(), [format!("tcp 443-443 {list}")]);
}

#[tokio::test(start_paused = true)]
async fn what_a_changing_list_shows_already_is_revoked_first_and_the_rest_is_undecided() {
    let (watch, list) = with_list(&["0.0.0.0/1"]).await;
    watch.world.set_prefix_list_lag(30_000);
    watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &["0.0.0.0/1", "128.0.0.0/1"], &[]).unwrap();
    let event = watch.event();
    let answer = watch.deliver(&event).await;
    let all: Vec<_> = answer.findings.iter().map(judged).collect();
    assert_eq!(all, [(Verdict::Exposed, Outcome::Reverted), (Verdict::Undecided, Outcome::Failed)]);
    assert_eq!(answer.failed.len(), 1);
    assert_eq!(watch.ec2_calls(), [GROUPS, DESCRIBE, ENTRIES, REVOKE, STATE]);
    assert_eq!(watch.ingress(), [format!("tcp 443-443 {list}")]);
}

#[tokio::test(start_paused = true)]
async fn of_two_changes_only_the_one_that_is_still_to_come_is_delivered_again() {
    let (watch, list) = with_list(&["203.0.113.0/24"]).await;
    watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &["9.9.9.0/24"], &[]).unwrap();
    let first = watch.event();
    watch.world.set_prefix_list_lag(30_000);
    watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &["0.0.0.0/0"], &[]).unwrap();
    let second = watch.event();
    let answer = watch.deliver(&sqs(&[first.to_string(), second.to_string()])).await;
    assert_eq!(answer.failed.iter().collect::<Vec<_>>(), ["m1"]);
    let expected = [(Verdict::Safe, Outcome::None), (Verdict::Undecided, Outcome::Failed)];
    assert_eq!(answer.findings.iter().map(judged).collect::<Vec<_>>(), expected);
    assert_eq!(watch.ec2_calls().iter().filter(|call| *call == STATE).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn where_the_state_may_not_be_read_a_record_with_a_version_is_undecided() {
    let (watch, _, event) = opened_slowly(120).await;
    watch.world.deny(ACCOUNT, STATE);
    pass(&watch, 60);
    let (finding, _) = told(&watch, &event).await;
    assert_eq!(judged(&finding), (Verdict::Undecided, Outcome::Failed));
    let said = ["whether that is still to come is not known: DescribeManagedPrefixLists", "UnauthorizedOperation"];
    assert!(said.iter().all(|said| finding.reason.contains(said)), "{}", finding.reason);

    // Without a version nothing says that more is to come.
    let mut without = event.clone();
    without["detail"]["responseElements"] = Value::Null;
    let request = without["detail"]["requestParameters"]["ModifyManagedPrefixListRequest"].as_object_mut().unwrap();
    assert!(request.remove("CurrentVersion").is_some());
    let (finding, calls) = told(&watch, &without).await;
    assert_eq!(judged(&finding), (Verdict::Safe, Outcome::None), "{}", finding.reason);
    assert_eq!(calls, [GROUPS, DESCRIBE, ENTRIES, STATE, GROUPS, DESCRIBE, ENTRIES]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_change_that_no_guarded_rule_refers_to_costs_no_further_call() {
    let watch = enforcing().await;
    let list = watch.world.create_prefix_list(ACCOUNT, REGION, "offices", 20, &["203.0.113.0/24"]).unwrap();
    watch.open(&[Permission::tcp(443, &list)]);
    watch.world.set_prefix_list_lag(30_000);
    watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &["0.0.0.0/0"], &[]).unwrap();
    let (finding, calls) = told(&watch, &watch.event()).await;
    assert_eq!(judged(&finding), (Verdict::Safe, Outcome::None), "{}", finding.reason);
    assert_eq!(calls, [GROUPS, DESCRIBE]);
}
