//! What people get: the mail, the card and the subject, to the letter.

use jiff::Timestamp;
use portcullis::sinks::message;
use portcullis_domain::change::EventMetadata;
use portcullis_domain::finding::{
    Action, ExemptBy, ExposureFinding, Finding, Outcome, RuleFinding, SweepFinding, Verdict,
};
use portcullis_domain::net::{Family, public_addresses};
use portcullis_domain::policy::Mode;
use serde_json::Value;

use crate::golden::same_as;

const GROUP: &str = "sg-0123456789abcdef0";

fn exposure(guard: &str, port: u16, sources: &[&str], addresses: &str) -> ExposureFinding {
    ExposureFinding {
        guard: guard.to_owned(),
        protocol: "tcp".to_owned(),
        port,
        to_port: None,
        rules: vec!["sgr-00010000000000000".parse().unwrap()],
        sources: sources.iter().map(|source| (*source).to_owned()).collect(),
        public_addresses: addresses.to_owned(),
        standing: false,
    }
}

fn rule(id: &str, port: i64, action: Action) -> RuleFinding {
    RuleFinding {
        id: id.parse().unwrap(),
        protocol: Some("tcp".to_owned()),
        from_port: Some(port),
        to_port: Some(port),
        source: Some("0.0.0.0/0".to_owned()),
        description: None,
        tags: Default::default(),
        action,
    }
}

fn event() -> EventMetadata {
    EventMetadata {
        id: Some("e0e0e0e0-0000-4000-8000-000000000001".to_owned()),
        time: "2026-11-21T10:00:00Z".parse().ok(),
        account: Some("111122223333".to_owned()),
        region: Some("eu-west-1".to_owned()),
        call: Some("AuthorizeSecurityGroupIngress".to_owned()),
        actor: Some("arn:aws:sts::111122223333:assumed-role/Developer/alice".to_owned()),
        source_ip: Some("198.51.100.7".to_owned()),
        user_agent: Some("console.amazonaws.com".to_owned()),
        ..EventMetadata::default()
    }
}

/// The finding of the README: SSH was opened beside HTTPS.
fn closed() -> Finding {
    Finding {
        group: Some(GROUP.to_owned()),
        group_name: Some("web-prod".to_owned()),
        exposures: vec![exposure("ssh", 22, &["0.0.0.0/0"], "3702258432")],
        rules: vec![
            rule("sgr-00010000000000000", 22, Action::Revoked),
            rule("sgr-00010000000000001", 443, Action::Kept),
        ],
        open_seconds: Some(1),
        ..Finding::plain(
            &event(),
            Verdict::Exposed,
            Outcome::Reverted,
            Mode::Enforce,
            "tcp 22 (ssh) was open to 3702258432 public addresses".to_owned(),
        )
    }
}

fn in_alert_mode() -> Finding {
    let rules = vec![rule("sgr-00010000000000000", 22, Action::WouldRevoke)];
    Finding { outcome: Outcome::WouldRevert, mode: Mode::Alert, open_seconds: None, rules, ..closed() }
}

fn not_closed() -> Finding {
    let error = "UnauthorizedOperation".to_owned();
    let guards = [("ssh", 22), ("rdp", 3389), ("mysql", 3306), ("mssql", 1433)];
    let exposures = guards.into_iter().flat_map(|(guard, port)| {
        [("0.0.0.0/0", Family::V4), ("::/0", Family::V6)]
            .map(|(source, family)| exposure(guard, port, &[source], &public_addresses(family).count().to_string()))
    });
    Finding {
        region: Some("ap-southeast-1".to_owned()),
        outcome: Outcome::Failed,
        exposures: exposures.collect(),
        rules: vec![rule("sgr-00010000000000000", 22, Action::Failed { error })],
        open_seconds: None,
        ..closed()
    }
}

fn refused() -> Finding {
    let why = "account 999988887777 is not one that the function may act in";
    let event = EventMetadata { account: Some("999988887777".to_owned()), ..event() };
    let refused = Finding::plain(&event, Verdict::Undecided, Outcome::None, Mode::Alert, why.to_owned());
    Finding { doubtful: false, ..refused }
}

fn exempt() -> Finding {
    let finding = Finding { exposures: Vec::new(), rules: Vec::new(), open_seconds: None, ..closed() };
    let reason = "exempt: break glass, SEC-1".to_owned();
    let (verdict, outcome) = (Verdict::Exempt, Outcome::None);
    Finding { verdict, outcome, exempt_by: Some(ExemptBy::Principal), reason, ..finding }
}

fn swept() -> Finding {
    let line =
        |n: usize| format!("111122223333 us-east-2 sg-00000000000000{n:03} (web-{n}): tcp 22 (ssh) from 0.0.0.0/0");
    let open = (0..28).map(line).collect();
    let sweep = SweepFinding { accounts: 1, places: 5, groups: 200, exposed: 28, open, ..SweepFinding::default() };
    let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
    Finding::swept(now, sweep, Mode::Alert)
}

#[test]
fn golden_mails() {
    let all = [
        ("closed", closed()),
        ("alert-mode", in_alert_mode()),
        ("not-closed", not_closed()),
        ("refused", refused()),
        ("exempt", exempt()),
        ("sweep", swept()),
    ];
    for (name, finding) in all {
        let message = message::of(&finding);
        let texts: Value = serde_json::from_str(&message.body).unwrap();
        let card: Value = serde_json::from_str(texts["https"].as_str().unwrap()).unwrap();
        let card = serde_json::to_string_pretty(&card).unwrap();
        assert!(message.subject.chars().count() <= 100, "{}", message.subject);
        let mail = texts["email"].as_str().unwrap();
        same_as(&format!("mails/{name}.txt"), format!("Subject: {}\n\n{mail}\n--- card\n{card}\n", message.subject));
    }
}

#[test]
fn the_readme_shows_the_mail_as_it_is() {
    let readme = include_str!("../../../../README.md");
    let texts: Value = serde_json::from_str(&message::of(&closed()).body).unwrap();
    let mail = texts["email"].as_str().unwrap().trim_end();
    assert!(readme.contains(&format!("```text\n{mail}\n```\n")), "{mail}");
}
