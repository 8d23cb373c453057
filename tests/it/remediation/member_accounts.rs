//! In which accounts the function acts, and with which role.

use ec2_model::{Permission, Vpc};
use portcullis::config::{Accounts, MemberRole};
use portcullis::domain::finding::{Outcome, Verdict};
use portcullis::domain::ids::AccountId;
use portcullis::domain::policy::Mode;
use portcullis::pipeline::{self, Invocation};
use serde_json::json;

use super::{DESCRIBE, REVOKE, judged};
use crate::harness::{ACCOUNT, REGION, Setup, enforcing};

#[tokio::test(start_paused = true)]
async fn an_event_of_another_account_is_refused_without_a_call() {
    let watch = enforcing().await;
    let group = watch.world.create_group("999988887777", REGION, "theirs", Vpc::Other);
    watch.world.authorize("999988887777", REGION, &group, &[Permission::tcp(22, "0.0.0.0/0")]).unwrap();
    let event = watch.event();
    let answer = watch.deliver(&event).await;
    assert_eq!(judged(&answer.findings[0]), (Verdict::Undecided, Outcome::None));
    assert!(answer.findings[0].reason.contains("account 999988887777 is not one"), "{}", answer.findings[0].reason);
    assert!(watch.world.calls().is_empty());
    // Nothing changes by trying again, and people hear of it once an hour.
    assert!(answer.failed.is_empty() && answer.findings[0].is_news());
    let again = watch.deliver(&event).await;
    assert!(again.failed.is_empty() && !again.findings[0].is_news(), "{:?}", again.findings);
    let mut forged = event;
    forged["account"] = json!(ACCOUNT);
    let answer = watch.deliver(&forged).await;
    assert!(answer.findings[0].reason.contains("refused"), "{}", answer.findings[0].reason);
    assert!(watch.world.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_function_that_does_not_know_its_own_account_calls_nobody() {
    let watch = Setup { accounts: Accounts::Any, ..Setup::default() }.start().await;
    let event = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]);
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    let answer = pipeline::handle(&watch.context, &event, &Invocation { identity: None, deadline }).await;
    assert_eq!(judged(&answer.findings[0]), (Verdict::Undecided, Outcome::None));
    assert_eq!(answer.findings[0].reason, "the function's own account is not known: its ARN names none");
    assert!(watch.world.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_member_account_is_guarded_through_its_role() {
    let member = "444455556666";
    let accounts = Accounts::Listed([AccountId::parse(member).unwrap()].into());
    let role = MemberRole { name: "PortcullisMember".into(), external_id: Some("org-1".into()) };
    let watch = Setup { accounts, member_role: Some(role), ..Setup::default() }.start().await;
    watch.world.set_now(portcullis::now().as_millisecond());
    watch.world.allow_role(member, "PortcullisMember", Some("org-1"));
    let group = watch.world.create_group(member, "us-east-1", "theirs", Vpc::Other);
    watch.world.authorize(member, "us-east-1", &group, &[Permission::tcp(22, "0.0.0.0/0")]).unwrap();
    let event = watch.event();
    assert_eq!(judged(&watch.finding(&event).await), (Verdict::Exposed, Outcome::Reverted));
    assert_eq!(watch.world.rules(member, "us-east-1", &group).len(), 1, "its egress rule");
    let calls: Vec<_> = watch.world.calls().into_iter().map(|call| (call.account, call.action)).collect();
    let expected =
        [(ACCOUNT, "AssumeRole"), (member, DESCRIBE), (member, REVOKE), (ACCOUNT, "PutObject"), (ACCOUNT, "PutObject")];
    assert_eq!(calls, expected.map(|(account, action)| (account.to_owned(), action.to_owned())));
}

#[tokio::test(start_paused = true)]
async fn in_alert_mode_a_member_role_is_assumed_for_looking_only() {
    for (mode, may_revoke) in [(Mode::Alert, false), (Mode::Enforce, true)] {
        let member = "444455556666";
        let role = MemberRole { name: "PortcullisMember".into(), external_id: None };
        let watch = Setup { mode, accounts: Accounts::Any, member_role: Some(role), ..Setup::default() }.start().await;
        watch.world.set_now(portcullis::now().as_millisecond());
        watch.world.allow_role(member, "PortcullisMember", None);
        let group = watch.world.create_group(member, REGION, "theirs", Vpc::Other);
        watch.world.authorize(member, REGION, &group, &[Permission::tcp(22, "0.0.0.0/0")]).unwrap();
        watch.deliver(&watch.event()).await;
        let calls = watch.world.calls();
        let policy = calls.iter().find(|call| call.action == "AssumeRole").unwrap().param("Policy");
        assert_eq!(policy.is_none(), may_revoke);
        assert!(policy.is_none_or(|policy| policy.contains("ec2:Describe") && !policy.contains("Revoke")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_role_that_cannot_be_assumed_is_a_failure_with_awss_code() {
    let member = "444455556666";
    let role = MemberRole { name: "PortcullisMember".into(), external_id: None };
    let watch = Setup { accounts: Accounts::Any, member_role: Some(role), ..Setup::default() }.start().await;
    let group = watch.world.create_group(member, REGION, "theirs", Vpc::Other);
    watch.world.authorize(member, REGION, &group, &[Permission::tcp(22, "0.0.0.0/0")]).unwrap();
    let event = watch.event();
    let answer = watch.deliver(&event).await;
    assert_eq!(judged(&answer.findings[0]), (Verdict::Undecided, Outcome::Failed));
    assert!(answer.findings[0].reason.starts_with("AssumeRole: AccessDenied: "), "{}", answer.findings[0].reason);
}
