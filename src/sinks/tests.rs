mod metrics;
mod texts;
mod titles;

use super::log::line;
use super::message;
use super::sns::is_published;
use crate::aws::Message;
use portcullis_domain::change::EventMetadata;
use portcullis_domain::finding::{
    DigestFinding, ExemptBy, ExposureFinding, FightFinding, Finding, Outcome, RuleFinding, SweepFinding, Verdict,
};
use portcullis_domain::ids::RuleId;
use portcullis_domain::memory::Tool;
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

#[test]
fn a_message_has_a_text_for_each_protocol_and_attributes_to_filter_by() {
    let message = message::of(&reverted());
    let texts = texts(&message);
    for protocol in ["default", "email", "email-json", "http", "https", "sqs", "lambda", "sms"] {
        assert!(texts[protocol].as_str().is_some_and(|text| !text.is_empty()), "{protocol}");
    }
    assert_eq!(texts["sqs"].as_str().unwrap(), line(&reverted()));
    assert_eq!(message.subject, "Portcullis CLOSED: ssh in sg-1, 111122223333 eu-west-1");
    let expected =
        [("verdict", "exposed"), ("outcome", "reverted"), ("account", "111122223333"), ("region", "eu-west-1")];
    assert_eq!(message.attributes, expected.map(|(name, value)| (name, value.to_owned())));
    let unknown = Finding { account: None, region: None, ..reverted() };
    assert_eq!(message::of(&unknown).attributes.len(), 2, "an attribute may not be empty");
}

fn mail(finding: &Finding) -> String {
    texts(&message::of(finding))["email"].as_str().unwrap().to_owned()
}

fn card(finding: &Finding) -> Value {
    serde_json::from_str(texts(&message::of(finding))["https"].as_str().unwrap()).unwrap()
}

#[test]
fn what_is_not_known_is_not_said() {
    let refused =
        Finding::plain(&EventMetadata::default(), Verdict::Undecided, Outcome::None, Mode::Alert, "why".into());
    let texts = texts(&message::of(&refused)).to_string();
    assert!(!texts.contains("unknown"), "{texts}");
    assert_eq!(message::of(&refused).subject, "Portcullis CANNOT TELL");
    let odd = Finding { group: Some("buy now".into()), account: Some("1".into()), ..reverted() };
    assert_eq!(message::of(&odd).subject, "Portcullis CLOSED: ssh in eu-west-1");
    assert!(mail(&odd).contains("\nGroup    buy now\n"), "the body says it");
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
        "Portcullis EXEMPT for who made it: sg-1, 111122223333 eu-west-1; exempt: SEC-1; \
         AuthorizeSecurityGroupIngress by arn:aws:iam::111122223333:user/alice\n"
    );
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
    let reason = "`a` <!channel> [b](https://example.com) `c <d>`\u{202e}".to_owned();
    let chat = card(&Finding { reason, exposures: vec![], ..finding(Verdict::Undecided, Outcome::None) });
    let said = chat["content"]["description"].as_str().unwrap().lines().next().unwrap().to_owned();
    assert_eq!(said, "`a` (!channel) (b)(https://example.com) `c <d>` ");
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
    let (open, undecided_groups) = (named(50, 251), named(50, 270));
    let (nearly_open, unreachable) = (named(50, 120), named(5000, 1000));
    let sweep = SweepFinding { open, undecided_groups, nearly_open, unreachable, ..SweepFinding::default() };
    let message = message::of(&Finding::swept(NOW.parse().unwrap(), sweep, Mode::Alert));
    assert!(message.body.len() + 1000 < 262_144, "{}", message.body.len());
    assert!(texts(&message)["sqs"].as_str().unwrap().contains("shortened"));
}
