//! The facts that a judgement needs from EC2: pages, whole Regions, prefix lists, exemptions, VPCs.

use ec2_model::{Actor, Lag, Permission, Vpc};
use portcullis::domain::finding::{Outcome, Verdict};
use serde_json::json;

use super::{DESCRIBE, REVOKE, judged, lines, omitted};
use crate::harness::{ACCOUNT, REGION, Setup, enforcing};

#[tokio::test(start_paused = true)]
async fn a_group_with_more_rules_than_a_page_is_seen_whole() {
    let watch = enforcing().await;
    watch.world.set_rules_per_group(5000);
    let many: Vec<Permission> = (0..1200).map(|n| Permission::tcp(10_000 + n, "9.9.9.9/32")).collect();
    watch.open(&many);
    let event = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
    assert_eq!(judged(&watch.finding(&event).await), (Verdict::Exposed, Outcome::Reverted));
    assert_eq!(watch.ec2_calls(), [DESCRIBE, DESCRIBE, REVOKE]);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_leaves_out_what_was_changed_makes_the_whole_region_looked_at() {
    for policy in ["version: 1", "version: 1\nsweep: {mode: enforce}"] {
        let watch = Setup { policy, ..Setup::default() }.start().await;
        watch.open(&[Permission::tcp(443, "0.0.0.0/0")]);
        let group = |name: &str, permissions: &[Permission]| {
            let group = watch.world.create_group(ACCOUNT, REGION, name, Vpc::Other);
            watch.world.authorize(ACCOUNT, REGION, &group, permissions).unwrap();
            group
        };
        // A rule that nobody can have made lawfully counts as the event's. Rules that are unlawful only together do
        // not.
        let alone = group("alone", &[Permission::tcp(22, "0.0.0.0/0")]);
        let together = group("together", &[Permission::tcp(22, "8.0.0.0/9"), Permission::tcp(22, "8.128.0.0/9")]);
        let findings = watch.deliver(&omitted(watch.event())).await.findings;
        let of = |group: &String| judged(findings.iter().find(|f| f.group.as_ref() == Some(group)).unwrap());
        let by_sweep = if policy.contains("enforce") { Outcome::Reverted } else { Outcome::WouldRevert };
        assert_eq!((of(&alone), of(&together)), ((Verdict::Exposed, Outcome::Reverted), (Verdict::Exposed, by_sweep)));
        assert_eq!(watch.ingress().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn past_the_sweeps_cap_it_only_alerts() {
    let policy = "version: 1\nsweep: {mode: enforce, max_revocations: 2}";
    let watch = Setup { policy, ..Setup::default() }.start().await;
    for n in 0..5 {
        let group = watch.world.create_group(ACCOUNT, REGION, &format!("g{n}"), Vpc::Other);
        watch.world.authorize(ACCOUNT, REGION, &group, &[Permission::tcp(22, "0.0.0.0/0")]).unwrap();
    }
    let answer = watch.deliver(&omitted(watch.event())).await;
    let count = |outcome| answer.findings.iter().filter(|finding| finding.outcome == outcome).count();
    assert_eq!((count(Outcome::Reverted), count(Outcome::WouldRevert)), (2, 3));
}

#[tokio::test(start_paused = true)]
async fn a_prefix_list_is_judged_by_its_entries_and_undecided_when_they_cannot_be_read() {
    for (entries, verdict) in
        [(["0.0.0.0/1", "128.0.0.0/1"], Verdict::Exposed), (["203.0.113.0/24", "9.9.9.0/24"], Verdict::Safe)]
    {
        let watch = enforcing().await;
        let list = watch.world.create_prefix_list(ACCOUNT, REGION, "list", 10, &entries).unwrap();
        let event = watch.open(&[Permission::tcp(22, &list)]);
        assert_eq!(watch.finding(&event).await.verdict, verdict, "{entries:?}");
        assert_eq!(watch.ingress().is_empty(), verdict == Verdict::Exposed);
    }
    let watch = enforcing().await;
    let list = watch.world.create_prefix_list(ACCOUNT, REGION, "list", 10, &["0.0.0.0/0"]).unwrap();
    let event = watch.open(&[Permission::tcp(22, &list), Permission::tcp(3389, "0.0.0.0/0")]);
    watch.world.deny(ACCOUNT, "GetManagedPrefixListEntries");
    let answer = watch.deliver(&event).await;
    let finding = &answer.findings[0];
    assert_eq!(judged(finding), (Verdict::Exposed, Outcome::Reverted), "what can be decided is done");
    assert_eq!(answer.failed.len(), 1, "and what cannot is tried again");
    let metrics = lines(&watch).pop().unwrap();
    assert_eq!((&metrics["Undecided"], &metrics["Reverted"]), (&json!(1), &json!(1)));
    assert!(finding.reason.contains("UnauthorizedOperation"), "{}", finding.reason);
    assert_eq!(watch.ingress().len(), 1);
    let event = watch.open(&[Permission::tcp(3306, &list)]);
    let answer = watch.deliver(&event).await;
    assert_eq!(answer.findings[0].verdict, Verdict::Undecided);
    assert_eq!(answer.failed.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_exemption_is_told_and_nothing_is_touched() {
    let policy = "version: 1\nexempt:\n- {reason: 'bastion, SEC-1', until: never, principals: ['arn:aws:iam::*:role/BreakGlass']}";
    let watch = Setup { policy, ..Setup::default() }.start().await;
    watch.world.set_actor(Actor::Role { role: "BreakGlass".into(), session: "jo".into() });
    let event = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
    let finding = watch.finding(&event).await;
    assert_eq!(judged(&finding), (Verdict::Exempt, Outcome::None));
    assert_eq!(finding.reason, "exempt: bastion, SEC-1");
    assert_eq!(watch.ingress().len(), 1);
    let other = watch.world.create_group(ACCOUNT, REGION, "other", Vpc::Other);
    watch.world.authorize(ACCOUNT, REGION, &other, &[Permission::tcp(22, "9.9.9.9/32")]).unwrap();
    assert_eq!(watch.finding(&watch.event()).await.verdict, Verdict::Safe, "what exposes nothing needs no exemption");
}

#[tokio::test(start_paused = true)]
async fn an_exemption_by_vpc_is_looked_up_and_a_failed_look_up_exempts_nothing_and_touches_nothing() {
    let policy = "version: 1\nexempt:\n- {reason: lab, until: never, vpcs: [vpc-0]}";
    let watch = Setup { policy, ..Setup::default() }.start().await;
    let event = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
    watch.world.deny(ACCOUNT, "DescribeSecurityGroups");
    let answer = watch.deliver(&event).await;
    assert_eq!(judged(&answer.findings[0]), (Verdict::Undecided, Outcome::Failed));
    assert_eq!((watch.ingress().len(), answer.failed.len()), (1, 1));
    watch.world.permit(ACCOUNT, "DescribeSecurityGroups");
    assert_eq!(judged(&watch.finding(&event).await), (Verdict::Exposed, Outcome::Reverted));
}

#[tokio::test(start_paused = true)]
async fn a_group_whose_vpc_is_not_listed_yet_is_not_judged_as_if_it_had_none() {
    let policy = "version: 1\nscopes: [{mode: alert, vpcs: [vpc-0]}]";
    let watch = Setup { policy, ..Setup::default() }.start().await;
    watch.world.set_visibility_lag(Lag::Calls(1000), Lag::None);
    let group = watch.world.create_group(ACCOUNT, REGION, "new", Vpc::Other);
    watch.world.set_visibility_lag(Lag::None, Lag::None);
    watch.world.authorize(ACCOUNT, REGION, &group, &[Permission::tcp(22, "0.0.0.0/0")]).unwrap();
    let answer = watch.deliver(&watch.event()).await;
    assert_eq!(judged(&answer.findings[0]), (Verdict::Undecided, Outcome::Failed), "{:#?}", answer.findings);
    assert!(answer.findings[0].reason.contains("its VPC is not listed"), "{}", answer.findings[0].reason);
    assert!(!watch.ec2_calls().contains(&REVOKE.to_owned()));
}
