//! Prefix lists that change under rules which do not change.

use ec2_model::{Actor, Permission, RuleChange, Vpc};
use portcullis::domain::finding::{Outcome, Verdict};
use serde_json::{Value, json};

use crate::harness::{ACCOUNT, REGION, Setup, Watch, enforcing};

const DESCRIBE: &str = "DescribeSecurityGroupRules";
const GROUPS: &str = "DescribeSecurityGroups";
const ENTRIES: &str = "GetManagedPrefixListEntries";
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
