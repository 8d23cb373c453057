//! From the event to the revoked rule, on the model.

use ec2_model::{Fault, FaultKind, Permission, RuleChange, Vpc};
use portcullis::domain::finding::{Outcome, Verdict};
use portcullis::domain::policy::Mode;
use serde_json::json;

use crate::harness::{ACCOUNT, REGION, Setup, enforcing, sqs};

const DESCRIBE: &str = "DescribeSecurityGroupRules";
const REVOKE: &str = "RevokeSecurityGroupIngress";

#[tokio::test(start_paused = true)]
async fn ssh_opened_to_the_world_is_taken_back_with_two_calls_and_https_is_kept() {
    let watch = enforcing().await;
    let event = watch.open(&[Permission::tcp(22, "0.0.0.0/0"), Permission::tcp(443, "0.0.0.0/0")]);
    let finding = watch.finding(&event).await;
    assert_eq!(watch.ingress(), ["tcp 443-443 0.0.0.0/0"]);
    assert_eq!(watch.ec2_calls(), [DESCRIBE, REVOKE]);
    assert_eq!((finding.verdict, finding.outcome), (Verdict::Exposed, Outcome::Reverted));
    assert_eq!(finding.reason, "tcp 22 (ssh) was open to 3702258432 public addresses");
    let actions: Vec<_> = finding.rules.iter().map(|rule| (rule.from_port.unwrap(), rule.action)).collect();
    assert_eq!(actions, [(22, "revoked"), (443, "kept")]);
}

#[tokio::test(start_paused = true)]
async fn a_harmless_event_costs_no_call() {
    let watch = enforcing().await;
    for permission in [
        Permission::tcp(443, "0.0.0.0/0"),
        Permission::tcp(22, "10.0.0.0/8"),
        Permission::new("icmp", 3, 22, &["0.0.0.0/0"]),
        Permission::new("udp", 22, 22, &["0.0.0.0/0"]),
        Permission::new("47", -1, -1, &["0.0.0.0/0"]),
        Permission::tcp(22, &watch.group),
    ] {
        let event = watch.open(&[permission]);
        let finding = watch.finding(&event).await;
        assert_eq!((finding.verdict, finding.outcome), (Verdict::Safe, Outcome::None), "{}", finding.reason);
    }
    assert!(watch.ec2_calls().is_empty());
    assert_eq!(watch.ingress().len(), 6);
}
