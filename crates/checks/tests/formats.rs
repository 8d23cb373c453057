//! Findings in the formats of others: AWS's Security Finding Format and OCSF. The documents are kept in `schema/examples/`,
//! where `make lint` holds them to AWS's own model and to OCSF's own schema.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails, as it should")]

use std::path::Path;

use jiff::Timestamp;
use portcullis_domain::change::EventMetadata;
use portcullis_domain::finding::{
    Action, ExemptBy, ExposureFinding, FightFinding, Finding, Outcome, RuleFinding, SweepFinding, Verdict, asff, ocsf,
};
use portcullis_domain::policy::Mode;
use serde_json::{Value, json};

const ACT: &str = "20261121T100000Z-111122223333-eu-west-1-sg-0123456789abcdef0-9f3c1e77a2b0";
const CALL: &str = "2026-11-21T10:00:00Z";
const NOW: &str = "2026-11-21T10:00:02.345678Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn exposure(guard: &str, port: u16, source: &str) -> ExposureFinding {
    ExposureFinding {
        guard: guard.to_owned(),
        protocol: "tcp".to_owned(),
        port,
        to_port: None,
        rules: vec!["sgr-1".parse().unwrap()],
        sources: vec![source.to_owned()],
        public_addresses: "3702258432".to_owned(),
        standing: false,
    }
}

fn finding(verdict: Verdict, outcome: Outcome) -> Finding {
    let event = EventMetadata {
        id: Some("c2b1f9d0-7a7e-4a55-9d5b-111111111111".to_owned()),
        time: CALL.parse().ok(),
        account: Some("111122223333".to_owned()),
        region: Some("eu-west-1".to_owned()),
        call: Some("AuthorizeSecurityGroupIngress".to_owned()),
        actor: Some("arn:aws:iam::111122223333:user/alice".to_owned()),
        source_ip: Some("198.51.100.7".to_owned()),
        user_agent: Some("aws-cli/2.31".to_owned()),
        ..EventMetadata::default()
    };
    let reason = "tcp 22 (ssh) was open to 3702258432 public addresses".to_owned();
    let rule = RuleFinding {
        id: "sgr-1".parse().unwrap(),
        protocol: Some("tcp".to_owned()),
        from_port: Some(22),
        to_port: Some(22),
        source: Some("0.0.0.0/0".to_owned()),
        description: None,
        tags: Default::default(),
        action: Action::Revoked,
    };
    Finding {
        group: Some("sg-0123456789abcdef0".to_owned()),
        group_name: Some("web".to_owned()),
        exposures: vec![exposure("ssh", 22, "0.0.0.0/0")],
        rules: vec![rule],
        ..Finding::plain(&event, verdict, outcome, Mode::Enforce, reason)
    }
}

/// Every kind of finding that there is, and some with texts that an attacker chose.
fn samples() -> Vec<Finding> {
    use {Outcome as O, Verdict as V};
    let reverted = finding(V::Exposed, O::Reverted);
    let mut standing = reverted.clone();
    standing.exposures.push(ExposureFinding { standing: true, ..exposure("rdp", 3389, "::/0") });
    let fight = FightFinding {
        count: 5,
        since: CALL.parse().ok(),
        actors: vec!["arn:aws:iam::111122223333:user/alice".to_owned()],
        tool: None,
        every_seconds: Some(3600),
    };
    let hostile = "a\u{202e}b\r\n`c`".repeat(1000);
    let mut by_service = finding(V::Exposed, O::WouldRevert);
    by_service.source_ip = Some("cloudformation.amazonaws.com".to_owned());
    by_service.region = Some("cn-north-1".to_owned());
    let mut swept = finding(V::Exposed, O::WouldRevert);
    (swept.id, swept.actor, swept.source_ip, swept.user_agent) = (None, None, None, None);
    (swept.call, swept.group_name) = (Some("Sweep".to_owned()), None);
    let unknown = Finding::plain(&EventMetadata::default(), V::Undecided, O::None, Mode::Alert, "why".to_owned());
    vec![
        Finding { open_seconds: Some(3), act: ACT.parse().ok(), ..reverted.clone() },
        standing,
        Finding { fight: Some(fight), ..finding(V::Exposed, O::Failed) },
        Finding { actor: Some(hostile.clone()), reason: hostile, ..finding(V::Exposed, O::None) },
        by_service,
        swept,
        Finding { exposures: vec![], exempt_by: Some(ExemptBy::Principal), ..finding(V::Exempt, O::None) },
        Finding { exposures: vec![], ..finding(V::Undecided, O::None) },
        unknown,
    ]
}

fn partition(finding: &Finding) -> &'static str {
    if finding.region.as_deref() == Some("cn-north-1") { "aws-cn" } else { "aws" }
}

/// Holds a file in `schema/examples/` to what is made now, or writes it anew.
fn hold(name: &str, documents: &[Value]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schema/examples").join(name);
    let made = serde_json::to_string_pretty(documents).unwrap() + "\n";
    #[expect(clippy::disallowed_methods, reason = "what is written anew is for whoever runs the test to say")]
    let overwrites = std::env::var_os("PORTCULLIS_TEST_SCHEMAS").is_some_and(|value| value == "overwrite");
    if overwrites {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, made).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(kept, made, "{name} is not what is made now: see CONTRIBUTING.md");
}

#[test]
fn the_examples_of_the_security_finding_format_are_what_is_made() {
    let documents = |finding: &Finding| asff::of(finding, partition(finding), now());
    let documents = samples().iter().flat_map(documents).map(|made| made.document).collect::<Vec<_>>();
    assert_eq!(documents.len(), 7, "one for each guard; none where nothing was exposed");
    hold("asff.json", &documents);
}

#[test]
fn the_examples_of_ocsf_are_what_is_made() {
    let events: Vec<Value> = samples().iter().filter_map(|finding| ocsf::of(finding, now())).collect();
    assert_eq!(events.len(), samples().len());
    hold("ocsf.json", &events);
}

#[test]
fn one_finding_of_security_hub_lives_on_and_says_whether_the_port_is_open() {
    use {Outcome as O, Verdict as V};
    for (outcome, stands, state, compliance, severity) in [
        (O::Reverted, false, "ARCHIVED", "PASSED", "INFORMATIONAL"),
        (O::Reverted, true, "ACTIVE", "FAILED", "HIGH"),
        (O::AlreadyGone, false, "ARCHIVED", "PASSED", "INFORMATIONAL"),
        (O::AlreadyGone, true, "ACTIVE", "FAILED", "HIGH"),
        (O::WouldRevert, false, "ACTIVE", "FAILED", "HIGH"),
        (O::None, true, "ACTIVE", "FAILED", "HIGH"),
        (O::Failed, false, "ACTIVE", "FAILED", "CRITICAL"),
    ] {
        let mut finding = finding(V::Exposed, outcome);
        finding.exposures[0].standing = stands;
        let made = asff::of(&finding, "aws", now()).remove(0);
        assert_eq!(made.id, "portcullis/111122223333/eu-west-1/sg-0123456789abcdef0/ssh", "the same in all states");
        assert_eq!(made.is_open, state == "ACTIVE", "{outcome:?} {stands}");
        let told = [&made.document["RecordState"], &made.document["Compliance"]["Status"]];
        assert_eq!(told, [&json!(state), &json!(compliance)], "{outcome:?} {stands}");
        assert_eq!(made.document["FindingProviderFields"]["Severity"]["Label"], severity, "{outcome:?} {stands}");
        let open = made.document["Title"].as_str().unwrap().contains("ssh is open to the internet");
        assert_eq!(open, made.is_open);
        assert!(made.document.get("Workflow").is_none(), "that is the customer's");
        assert!(made.document.get("Severity").is_none() && made.document.get("Types").is_none(), "and so are these");
    }
}

#[test]
fn each_guard_is_told_by_itself_and_families_of_addresses_together() {
    let mut finding = finding(Verdict::Exposed, Outcome::Reverted);
    let v6 = ExposureFinding { standing: true, ..exposure("ssh", 22, "::/0") };
    finding.exposures.extend([v6, exposure("rdp", 3389, "0.0.0.0/0")]);
    let made = asff::of(&finding, "aws", now());
    let told: Vec<_> = made.iter().map(|made| (made.id.rsplit('/').next().unwrap(), made.is_open)).collect();
    assert_eq!(told, [("rdp", false), ("ssh", true)], "ssh is open by IPv6 still");
    let description = made[1].document["Description"].as_str().unwrap();
    assert_eq!(
        description, "tcp 22 is open to 3702258432 public addresses (::/0).",
        "what is closed is not called open"
    );
}

#[test]
fn of_two_findings_about_one_guard_in_a_delivery_the_open_one_counts() {
    let [closed, open] = [Outcome::Reverted, Outcome::Failed].map(|outcome| finding(Verdict::Exposed, outcome));
    for order in [[&closed, &open], [&open, &closed]] {
        let all = order.into_iter().flat_map(|finding| asff::of(finding, "aws", now())).collect();
        let merged = asff::merged(all);
        assert_eq!((merged.len(), merged[0].is_open), (1, true));
    }
}

#[test]
fn a_document_belongs_to_the_groups_own_account_region_and_partition() {
    let mut china = finding(Verdict::Exposed, Outcome::None);
    china.region = Some("cn-north-1".to_owned());
    let made = asff::of(&china, "aws-cn", now()).remove(0).document;
    let product = "arn:aws-cn:securityhub:cn-north-1:111122223333:product/111122223333/default";
    assert_eq!((&made["ProductArn"], &made["AwsAccountId"]), (&json!(product), &json!("111122223333")));
    let resource = &made["Resources"][0];
    assert_eq!(resource["Id"], "arn:aws-cn:ec2:cn-north-1:111122223333:security-group/sg-0123456789abcdef0");
    assert_eq!(resource["Partition"], "aws-cn");
    let sovereign = asff::of(&china, "aws-eusc", now()).remove(0).document;
    assert!(sovereign["Resources"][0].get("Partition").is_none(), "the format has no word for it");
    for unknown in [
        Finding { account: None, ..china.clone() },
        Finding { region: None, ..china.clone() },
        Finding { group: Some("web".to_owned()), ..china },
    ] {
        assert_eq!(asff::of(&unknown, "aws", now()), [], "it is not known whose it is");
    }
}

#[test]
fn a_document_is_never_made_before_it_was_opened_and_fits() {
    let mut finding = finding(Verdict::Exposed, Outcome::None);
    finding.time = "2026-11-21T10:00:05Z".parse().ok();
    finding.actor = Some(" \u{202e}\n".to_owned());
    finding.exposures[0].sources = vec!["2001:db8::/32".to_owned(); 1000];
    let made = asff::of(&finding, "aws", now()).remove(0).document;
    assert_eq!(made["CreatedAt"], made["UpdatedAt"], "CloudTrail's clock is ahead of ours");
    assert_eq!(made["UpdatedAt"], "2026-11-21T10:00:02.345Z");
    let whole = asff::of(&finding, "aws", "2026-11-21T10:00:02Z".parse().unwrap()).remove(0).document;
    assert_eq!(whole["UpdatedAt"], "2026-11-21T10:00:02.000Z", "texts are in the order of their times");
    assert!(made["Description"].as_str().unwrap().chars().count() <= 1024);
    assert!(made["ProductFields"].get("portcullis/Actor").is_none(), "an empty field is refused");
    assert!(made.to_string().len() < 240 << 10);
}

#[test]
fn ocsf_counts_time_in_milliseconds_and_says_create_or_close() {
    use {Outcome as O, Verdict as V};
    let call = CALL.parse::<Timestamp>().unwrap().as_millisecond();
    for (verdict, outcome, activity, status, severity) in [
        (V::Exposed, O::WouldRevert, 1, 1, 4),
        (V::Exposed, O::Failed, 1, 1, 5),
        (V::Exposed, O::Reverted, 3, 4, 4),
        (V::Exposed, O::AlreadyGone, 3, 4, 4),
        (V::Exempt, O::None, 1, 3, 1),
        (V::Undecided, O::Failed, 1, 1, 0),
    ] {
        let event = ocsf::of(&finding(verdict, outcome), now()).unwrap();
        assert_eq!(event["activity_id"], activity, "{verdict:?} {outcome:?}");
        assert_eq!(event["type_uid"], 200_400 + activity);
        assert_eq!((&event["status_id"], &event["severity_id"]), (&json!(status), &json!(severity)), "{verdict:?}");
        assert_eq!(event["time"], call);
        assert_eq!(event["is_alert"], verdict == V::Exposed && activity == 1);
    }
    let closed = Finding { open_seconds: Some(3), ..finding(V::Exposed, O::Reverted) };
    let event = ocsf::of(&closed, now()).unwrap();
    assert_eq!((&event["start_time"], &event["end_time"]), (&json!(call), &json!(call + 3000)));
    let timeless = ocsf::of(&Finding { time: None, ..finding(V::Exposed, O::Failed) }, now()).unwrap();
    assert_eq!(timeless["time"], now().as_millisecond());
}

#[test]
fn ocsf_has_an_event_of_what_was_detected_and_of_nothing_else() {
    use {Outcome as O, Verdict as V};
    for verdict in [V::Safe, V::Irrelevant] {
        let nothing = Finding { exposures: vec![], ..finding(verdict, O::None) };
        assert_eq!(ocsf::of(&nothing, now()), None);
        assert!(ocsf::of(&Finding { doubtful: true, ..nothing }, now()).is_some());
    }
    let summary = Finding::swept(now(), SweepFinding { exposed: 1, ..SweepFinding::default() }, Mode::Alert);
    assert_eq!(ocsf::of(&summary, now()), None, "its groups have events of their own");
}

#[test]
fn an_event_of_ocsf_has_the_same_uid_when_it_is_delivered_again_and_holds_the_whole_finding() {
    let [failed, closed] = [Outcome::Failed, Outcome::Reverted].map(|outcome| finding(Verdict::Exposed, outcome));
    let events = [&failed, &closed].map(|finding| ocsf::of(finding, now()).unwrap());
    let uid = "portcullis/111122223333/eu-west-1/sg-0123456789abcdef0/c2b1f9d0-7a7e-4a55-9d5b-111111111111";
    assert_eq!(events.each_ref().map(|event| &event["finding_info"]["uid"]), [&json!(uid); 2]);
    let whole: Finding = serde_json::from_value(events[1]["unmapped"]["portcullis"].clone()).unwrap();
    assert_eq!(whole, closed);
}
