//! Openings in an account of the organisation that is not the stack's: schedule and memory are the hub's, and the end is made
//! with a role of the member's that may revoke and nothing else.

use ec2_model::{Direction, Vpc};
use portcullis::config::{Accounts, MemberRole};

use super::*;

const MEMBER: &str = "444455556666";
const OHIO: &str = "us-east-2";
const ROLE: &str = "PortcullisMember";
const END: &str = "PortcullisMember-end";

fn role(name: &str) -> MemberRole {
    MemberRole { name: name.to_owned(), external_id: Some("org-1".to_owned()) }
}

fn hub(mode: Mode) -> Setup {
    let (member_role, member_end_role) = (Some(role(ROLE)), Some(role(END)));
    Setup { mode, accounts: Accounts::Any, member_role, member_end_role, ..told() }
}

/// A hub, and a group in the member's account in another Region.
async fn organisation(mode: Mode, roles: &[&str]) -> (Watch, String) {
    let watch = hub(mode).start().await;
    watch.world.set_now(portcullis::now().as_millisecond());
    for role in roles {
        watch.world.allow_role(MEMBER, role, Some("org-1"));
    }
    let group = watch.world.create_group(MEMBER, OHIO, "theirs", Vpc::Other);
    (watch, group)
}

fn ingress(watch: &Watch, group: &str) -> usize {
    let rules = watch.world.rules(MEMBER, OHIO, group).into_iter();
    rules.filter(|rule| rule.direction == Direction::Ingress).count()
}

fn end_of(group: &str) -> Value {
    json!({"end": {"account": MEMBER, "region": OHIO, "group": group, "waiver": ID}})
}

fn sweep_of_the_member() -> Value {
    json!({"sweep": {"accounts": [MEMBER], "regions": [OHIO]}})
}

fn item_of_the_member(group: &str) -> String {
    format!("{MEMBER}/{OHIO}/{group}")
}

/// The role of each session that revoked, and the session policies that were asked for with it.
fn revoked_as(watch: &Watch) -> (Vec<String>, Vec<Value>) {
    let records = watch.world.take_records().into_iter();
    let revokes = records.filter(|record| record["eventName"] == "RevokeSecurityGroupIngress");
    let issuer = |record: Value| {
        record["userIdentity"]["sessionContext"]["sessionIssuer"]["userName"].as_str().unwrap().to_owned()
    };
    let end = format!("arn:aws:iam::{MEMBER}:role/{END}");
    let assumed = watch.world.calls().into_iter().filter(|call| call.param("RoleArn") == Some(&end));
    let policies = assumed.map(|call| serde_json::from_str(call.param("Policy").unwrap()).unwrap());
    (revokes.map(issuer).collect(), policies.collect())
}

#[tokio::test(start_paused = true)]
async fn an_opening_in_a_members_account_is_ended_there_by_schedule_and_by_sweep_in_every_mode() {
    for by_schedule in [true, false] {
        for mode in [Mode::Enforce, Mode::Alert] {
            let (watch, group) = organisation(mode, &[ROLE, END]).await;
            let made = opened_in(&watch, (MEMBER, OHIO, &group), OFFICE, Step::Noted).await;
            assert_eq!((made.rules.len(), ingress(&watch, &group)), (1, 1));
            later(&watch, HOUR * 2);
            watch.world.take_records();
            let payload = if by_schedule { end_of(&group) } else { sweep_of_the_member() };
            let answer = watch.deliver(&payload).await;
            let what = format!("{by_schedule} {mode:?}: {:#?}", answer.findings);
            let ended: Vec<&Finding> = answer.findings.iter().filter(|finding| finding.is_of_end()).collect();
            assert_eq!(ended.len(), 1, "{what}");
            assert_eq!(judged(ended[0]), (Verdict::Exempt, Outcome::Reverted), "{what}");
            assert_eq!(ended[0].account.as_deref(), Some(MEMBER), "{what}");
            assert_eq!(ingress(&watch, &group), 0, "{what}");
            // With the role for ends, which may touch this group alone.
            let (issuers, policies) = revoked_as(&watch);
            assert_eq!(issuers, [END], "{what}");
            let allowed = format!("arn:aws:ec2:{OHIO}:{MEMBER}:security-group/{group}");
            assert_eq!(policies[0]["Statement"]["Resource"][0], allowed, "{what}");
            assert_eq!(policies[0]["Statement"]["Action"], json!(["ec2:RevokeSecurityGroupIngress"]), "{what}");
            // The memory and the evidence are the hub's.
            let memory = Memory::read(&entries(&watch, &item_of_the_member(&group)));
            assert!(memory.waivers.is_empty() && memory.ended.contains_key(ID), "{what}");
            assert!(!entries(&watch, &format!("openings#{MEMBER}/{OHIO}")).contains_key(ID), "{what}");
            assert_eq!(ends(&watch).len(), 1, "{what}");
        }
    }
}

/// The operator's command may stop after any step, in any account: what is left ends by itself.
#[tokio::test(start_paused = true)]
async fn after_a_crash_at_any_step_in_a_members_account_nothing_stays_open_or_behind() {
    for step in [Step::Scheduled, Step::Listed, Step::Waived, Step::Opened, Step::Noted] {
        // The schedule, or without it the next sweep.
        for payload in [end_of, |_: &str| sweep_of_the_member()] {
            let (watch, group) = organisation(Mode::Alert, &[ROLE, END]).await;
            opened_in(&watch, (MEMBER, OHIO, &group), OFFICE, step).await;
            assert_eq!(ingress(&watch, &group) == 0, step < Step::Opened, "{step:?}");
            later(&watch, HOUR * 2);
            let answer = watch.deliver(&payload(&group)).await;
            assert!(answer.failed.is_empty(), "{step:?}: {:#?}", answer.findings);
            assert_eq!(ingress(&watch, &group), 0, "{step:?}: {:#?}", answer.findings);
            watch.deliver(&sweep_of_the_member()).await;
            assert!(Memory::read(&entries(&watch, &item_of_the_member(&group))).waivers.is_empty(), "{step:?}");
            assert!(!entries(&watch, &format!("openings#{MEMBER}/{OHIO}")).contains_key(ID), "{step:?}");
        }
    }
}

/// A member that was deployed without openings has no role for ends. In enforce mode its other role may revoke.
#[tokio::test(start_paused = true)]
async fn without_the_role_for_ends_the_member_role_ends_it_where_it_may_and_else_it_fails_where_somebody_hears() {
    let (watch, group) = organisation(Mode::Enforce, &[ROLE]).await;
    opened_in(&watch, (MEMBER, OHIO, &group), OFFICE, Step::Noted).await;
    later(&watch, HOUR * 2);
    watch.world.take_records();
    let finding = watch.finding(&end_of(&group)).await;
    assert_eq!(judged(&finding), (Verdict::Exempt, Outcome::Reverted), "{finding:#?}");
    assert_eq!((revoked_as(&watch).0, ingress(&watch, &group)), (vec![ROLE.to_owned()], 0));

    let (watch, group) = organisation(Mode::Alert, &[ROLE]).await;
    opened_in(&watch, (MEMBER, OHIO, &group), OFFICE, Step::Noted).await;
    later(&watch, HOUR * 2);
    let answer = watch.deliver(&end_of(&group)).await;
    let finding = &answer.findings[0];
    assert_eq!(judged(finding), (Verdict::Exempt, Outcome::Failed), "{finding:#?}");
    assert!(finding.reason.contains("UnauthorizedOperation"), "{}", finding.reason);
    assert!(!answer.failed.is_empty() && subject(&watch).contains("OPENING NOT ENDED"), "{}", subject(&watch));
    // The waiver is there still: once the role is made, the next sweep ends it.
    watch.world.allow_role(MEMBER, END, Some("org-1"));
    watch.deliver(&sweep_of_the_member()).await;
    assert_eq!(ingress(&watch, &group), 0);
}

/// A schedule can be made by whoever has the hub's rights. It reaches no account that the function may not act in.
#[tokio::test(start_paused = true)]
async fn the_hubs_own_openings_never_take_a_members_role() {
    let (watch, _) = organisation(Mode::Enforce, &[ROLE, END]).await;
    opened(&watch, OFFICE).await;
    later(&watch, HOUR * 2);
    assert_eq!(watch.finding(&end(&watch, ID)).await.outcome, Outcome::Reverted);
    assert!(!watch.world.calls().iter().any(|call| call.action == "AssumeRole"));
}
