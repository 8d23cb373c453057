use super::log::line;
use super::message;
use super::metrics::{Counts, Trouble, line as metrics};
use super::sns::is_published;
use crate::aws::Message;
use portcullis_domain::change::EventMetadata;
use portcullis_domain::finding::{ExemptBy, ExposureFinding, Finding, Outcome, RuleFinding, SweepFinding, Verdict};
use portcullis_domain::ids::RuleId;
use portcullis_domain::policy::Mode;
use serde_json::{Value, json};

const NOW: &str = "2026-11-21T10:00:02.5Z";

fn finding(verdict: Verdict, outcome: Outcome) -> Finding {
    let event = EventMetadata {
        id: Some("e1".into()),
        time: Some("2026-11-21T10:00:00Z".parse().unwrap()),
        account: Some("111122223333".into()),
        region: Some("eu-west-1".into()),
        call: Some("AuthorizeSecurityGroupIngress".into()),
        actor: Some("arn:aws:iam::111122223333:user/alice".into()),
        source_ip: Some("198.51.100.7".into()),
        ..EventMetadata::default()
    };
    let exposure = |n: usize| ExposureFinding {
        guard: "ssh".into(),
        protocol: "tcp".into(),
        port: 22,
        to_port: None,
        rules: (0..n).map(RuleId::unlisted).collect(),
        sources: (0..n).map(|n| format!("{n}.0.0.0/8")).collect(),
        public_addresses: "3702258432".into(),
        standing: false,
    };
    let rule = RuleFinding {
        id: RuleId::unlisted(1),
        protocol: Some("tcp".into()),
        from_port: Some(22),
        to_port: Some(22),
        source: Some("0.0.0.0/0".into()),
        description: None,
        tags: Default::default(),
        action: portcullis_domain::finding::Action::Revoked,
    };
    Finding {
        group: Some("sg-1".into()),
        exposures: vec![exposure(1)],
        rules: vec![rule],
        ..Finding::plain(&event, verdict, outcome, Mode::Enforce, "tcp 22 (ssh) was open".into())
    }
}

fn reverted() -> Finding {
    finding(Verdict::Exposed, Outcome::Reverted)
}

fn texts(message: &Message) -> Value {
    serde_json::from_str(&message.body).unwrap()
}

fn counts(findings: &[Finding]) -> Counts {
    let mut counts = Counts::default();
    findings.iter().for_each(|finding| counts.note(finding, NOW.parse().unwrap()));
    counts
}

#[test]
fn metrics_are_one_line_of_embedded_metric_format() {
    let findings = [reverted(), finding(Verdict::Exposed, Outcome::Failed), finding(Verdict::Safe, Outcome::None)];
    let line = metrics(&counts(&findings), Trouble { publish_failures: 1, ..Trouble::default() }, NOW.parse().unwrap())
        .unwrap();
    assert!(!line.contains('\n'));
    let line: Value = serde_json::from_str(&line).unwrap();
    for (name, value) in [
        ("Exposures", json!(2)),
        ("Reverted", json!(1)),
        ("Failed", json!(1)),
        ("PublishFailed", json!(1)),
        ("ExposureMillis", json!([2500])),
    ] {
        assert_eq!(line[name], value, "{name}");
    }
    assert_eq!(line["_aws"]["Timestamp"], 1_795_255_202_500_i64);
    let directive = &line["_aws"]["CloudWatchMetrics"][0];
    assert_eq!((&directive["Namespace"], &directive["Dimensions"]), (&json!("Portcullis"), &json!([[]])));
    let declared: Vec<&str> =
        directive["Metrics"].as_array().unwrap().iter().filter_map(|m| m["Name"].as_str()).collect();
    assert_eq!(
        declared,
        ["ExposureMillis", "Exposures", "Failed", "PublishFailed", "Reverted"],
        "no metric without a value"
    );
}

#[test]
fn a_harmless_invocation_writes_no_metric() {
    let findings = [finding(Verdict::Safe, Outcome::None), finding(Verdict::Irrelevant, Outcome::None)];
    assert_eq!(metrics(&counts(&findings), Trouble::default(), NOW.parse().unwrap()), None);
}

#[test]
fn the_places_of_a_sweep_are_counted_where_nothing_is_open() {
    let mut counts = counts(&[finding(Verdict::Safe, Outcome::None)]);
    counts.note_swept(2);
    let line: Value =
        serde_json::from_str(&metrics(&counts, Trouble::default(), NOW.parse().unwrap()).unwrap()).unwrap();
    let declared = &line["_aws"]["CloudWatchMetrics"][0];
    assert_eq!((&line["Swept"], &declared["Namespace"]), (&json!(2), &json!("Portcullis")));
    assert_eq!(declared["Metrics"], json!([{"Name": "Swept", "Unit": "Count"}]));
    assert_eq!(declared["Dimensions"], json!([[]]));
}

#[test]
fn a_message_has_a_text_for_each_protocol_and_attributes_to_filter_by() {
    let message = message::of(&reverted());
    let texts = texts(&message);
    for protocol in ["default", "email", "email-json", "http", "https", "sqs", "lambda", "sms"] {
        assert!(texts[protocol].as_str().is_some_and(|text| !text.is_empty()), "{protocol}");
    }
    assert_eq!(texts["sqs"].as_str().unwrap(), line(&reverted()));
    assert_eq!(message.subject, "Portcullis: sg-1 in 111122223333/eu-west-1: ssh opened and taken back");
    let expected =
        [("verdict", "exposed"), ("outcome", "reverted"), ("account", "111122223333"), ("region", "eu-west-1")];
    assert_eq!(message.attributes, expected.map(|(name, value)| (name, value.to_owned())));
    let unknown = Finding { account: None, region: None, ..reverted() };
    assert_eq!(message::of(&unknown).attributes.len(), 2, "an attribute may not be empty");
}

/// The title, the next step and the reason of the mail.
fn words(finding: &Finding) -> [String; 2] {
    let mail = texts(&message::of(finding))["email"].as_str().unwrap().to_owned();
    let mut parts = mail.split("\n\n");
    let title = parts.next().unwrap().to_owned();
    [title, parts.nth(1).unwrap_or_default().to_owned()]
}

#[test]
fn a_title_says_first_whether_a_port_is_open_now() {
    use {Outcome as O, Verdict as V};
    let not_alone = "OPEN: ssh not by this change's rules alone: not touched";
    let failed = "OPEN: ssh NOT taken back";
    let alert = "OPEN: ssh not touched (alert mode)";
    for (verdict, outcome, without, standing) in [
        (
            V::Exposed,
            O::Reverted,
            "ssh opened and taken back",
            "OPEN: ssh STILL OPEN through other rules, own rules taken back",
        ),
        (V::Exposed, O::WouldRevert, alert, alert),
        (V::Exposed, O::AlreadyGone, "ssh was open, and is closed now, not by Portcullis", not_alone),
        (V::Exposed, O::None, not_alone, not_alone),
        (V::Exposed, O::Failed, failed, failed),
    ] {
        for (stands, expected) in [(false, without), (true, standing)] {
            let mut finding = finding(verdict, outcome);
            finding.exposures[0].standing = stands;
            let [title, next_step] = words(&finding);
            let (open, what) = match expected.strip_prefix("OPEN: ") {
                Some(what) => ("OPEN: ", what),
                None => ("", expected),
            };
            assert_eq!(title, format!("Portcullis: {open}sg-1 in 111122223333/eu-west-1: {what}"));
            let is_open = !open.is_empty();
            assert_eq!(next_step.contains("Close it"), is_open, "{title}: {next_step}");
            let words = format!("{title} {next_step}");
            assert!(!is_open || !words.contains("gone") && !words.contains("before"), "{words}");
        }
    }
    let mut two = finding(V::Exposed, O::Reverted);
    two.exposures.push(ExposureFinding { guard: "rdp".into(), standing: true, ..two.exposures[0].clone() });
    let [title, _] = words(&two);
    assert!(title.contains(": rdp STILL OPEN"), "ssh is closed: {title}");
    for (verdict, outcome, expected) in [
        (V::Undecided, O::None, "cannot be decided"),
        (V::Undecided, O::Failed, "cannot be decided"),
        (V::Undecided, O::AlreadyGone, "cannot be decided"),
        (V::Safe, O::None, "looked at"),
        (V::Safe, O::AlreadyGone, "no longer there"),
        (V::Exempt, O::None, "looked at"),
        (V::Exempt, O::AlreadyGone, "no longer there"),
        (V::Irrelevant, O::None, "looked at"),
    ] {
        let finding = Finding { exposures: vec![], ..finding(verdict, outcome) };
        assert_eq!(words(&finding)[0], format!("Portcullis: sg-1 in 111122223333/eu-west-1: {expected}"));
    }
}

#[test]
fn the_title_of_a_sweep_says_what_it_found_the_gravest_first() {
    let title = |sweep: SweepFinding| {
        let summary = Finding::swept(NOW.parse().unwrap(), sweep, Mode::Alert);
        message::of(&summary).subject
    };
    let of = |exposed, reverted, failed, undecided| SweepFinding {
        exposed,
        reverted,
        failed,
        undecided,
        ..SweepFinding::default()
    };
    assert_eq!(title(of(0, 0, 0, 0)), "Portcullis: sweep: nothing open");
    assert_eq!(title(of(0, 0, 0, 2)), "Portcullis: sweep: 2 undecided");
    let open = |count: usize| vec!["1 r sg-1".to_owned(); count];
    assert_eq!(
        title(SweepFinding { open: open(2), ..of(3, 1, 1, 2) }),
        "Portcullis: sweep: 2 OPEN, 1 NOT taken back, 2 undecided, 1 taken back"
    );
    assert_eq!(title(SweepFinding { open: open(50), ..of(70, 0, 0, 0) }), "Portcullis: sweep: 50 or more OPEN");
    let unreachable = vec!["1 r: why".to_owned()];
    assert_eq!(title(SweepFinding { unreachable, ..of(0, 0, 0, 0) }), "Portcullis: sweep: 1 not looked at");
}

#[test]
fn mail_and_chat_say_how_long_a_port_was_open() {
    let finding = Finding { open_seconds: Some(4), ..reverted() };
    let texts = texts(&message::of(&finding));
    assert!(texts["email"].as_str().unwrap().contains("\nOpen for 4 s\n"), "{texts}");
    let chat: Value = serde_json::from_str(texts["https"].as_str().unwrap()).unwrap();
    assert!(chat["content"]["description"].as_str().unwrap().contains("\n*Open for*: `4 s`\n"), "{chat}");
    assert!(!super::tests::texts(&message::of(&reverted()))["email"].as_str().unwrap().contains("Open for"));
}

#[test]
fn an_exemption_by_principal_is_one_line_with_an_attribute_to_filter_by() {
    let exempt_by = Some(ExemptBy::Principal);
    let reason = "exempt: SEC-1".to_owned();
    let finding = Finding { exempt_by, reason, exposures: vec![], ..finding(Verdict::Exempt, Outcome::None) };
    assert!(is_published(&finding));
    assert!(!is_published(&Finding { exempt_by: None, ..finding.clone() }), "other exemptions are silent");
    let message = message::of(&finding);
    assert!(message.attributes.contains(&("exempt_by", "principal".to_owned())), "{:?}", message.attributes);
    assert_eq!(
        texts(&message)["email"],
        "Portcullis: sg-1 in 111122223333/eu-west-1: open by an exemption for who made it; exempt: SEC-1; \
         AuthorizeSecurityGroupIngress by arn:aws:iam::111122223333:user/alice\n"
    );
}

#[test]
fn the_mail_can_be_read_and_says_what_to_do() {
    let message = message::of(&reverted());
    let mail = texts(&message)["email"].as_str().unwrap().to_owned();
    for line in [
        "tcp 22 (ssh) was open",
        "Tell whoever opened it.",
        "By       arn:aws:iam::111122223333:user/alice",
        "  unlisted-1 tcp ports 22 to 22 from 0.0.0.0/0: revoked",
    ] {
        assert!(mail.contains(line), "{line}: {mail}");
    }
}

#[test]
fn the_chat_message_is_a_custom_notification_within_its_limits() {
    let long = Finding { group: Some("g".repeat(400)), reason: "r".repeat(3000), ..reverted() };
    let message = message::of(&long);
    let chat: Value = serde_json::from_str(texts(&message)["https"].as_str().unwrap()).unwrap();
    assert_eq!((&chat["version"], &chat["source"]), (&json!("1.0"), &json!("custom")));
    assert_eq!(chat["content"]["textType"], "client-markdown");
    let length = |pointer: &str| chat.pointer(pointer).unwrap().as_str().unwrap().chars().count();
    assert!(length("/content/title") <= 250 && length("/content/description") <= 8000);
    assert!(message.subject.len() <= 100);
}

#[test]
fn text_of_an_event_breaks_out_of_nothing() {
    let nasty = "x`\n# heading [link](https://example.com)\r\nBy       mallory";
    let message = message::of(&Finding { actor: Some(nasty.into()), ..reverted() });
    let texts = texts(&message);
    let chat = texts["https"].as_str().unwrap();
    assert!(chat.contains("`x' # heading [link](https://example.com)  By       mallory`"), "{chat}");
    assert!(!texts["email"].as_str().unwrap().contains("\nBy       mallory"));
    let subject = message::of(&Finding { group: Some("sg\n☃".into()), ..reverted() }).subject;
    assert!(subject.bytes().all(|b| (b' '..=b'~').contains(&b)), "{subject}");
}

#[test]
fn the_largest_finding_fits_into_a_message_and_says_that_it_is_shortened() {
    let mut large = reverted();
    large.exposures = vec![large.exposures[0].clone(); 200];
    for exposure in &mut large.exposures {
        exposure.sources = (0..1000).map(|n| format!("2001:db8:{n:x}::/48")).collect();
        exposure.rules = (0..1000).map(RuleId::unlisted).collect();
    }
    large.rules = vec![large.rules[0].clone(); 1000];
    large.reason = "r".repeat(100_000);
    large.user_agent = Some("\u{1}".repeat(512));
    let message = message::of(&large);
    let attributes: usize = message.attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
    assert!(message.body.len() + attributes + message.subject.len() < 262_144, "{}", message.body.len());
    assert!(texts(&message)["sqs"].as_str().unwrap().contains("shortened"));
}

#[test]
fn the_largest_summary_of_a_sweep_fits_into_a_message() {
    let named = |count: usize, length: usize| vec!["x".repeat(length); count];
    let (open, undecided_groups) = (named(50, 60), named(50, 270));
    let (nearly_open, unreachable) = (named(50, 120), named(5000, 1000));
    let sweep = SweepFinding { open, undecided_groups, nearly_open, unreachable, ..SweepFinding::default() };
    let message = message::of(&Finding::swept(NOW.parse().unwrap(), sweep, Mode::Alert));
    assert!(message.body.len() + 1000 < 262_144, "{}", message.body.len());
    assert!(texts(&message)["sqs"].as_str().unwrap().contains("shortened"));
}
