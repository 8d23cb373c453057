use std::collections::BTreeMap;

use portcullis::domain::change::EventMetadata;
use portcullis::domain::evidence::{ConfirmedBy, Decided, Guard, Kind, Knew, PutBack, SCHEMA, Taken, Undone};
use portcullis::domain::facts::GroupLocation;
use portcullis::domain::finding::{ExposureFinding, Verdict};
use portcullis::domain::policy::Mode;
use portcullis::domain::rule::{Permission, Rule, Source, Traffic};

use super::*;

/// What an attacker writes into everything that can be written.
pub(crate) const EVIL: &str = "</td><script>document.title='x'</script><img src=x onerror=alert(1)>\u{202e}\"'&";

/// An act that closed SSH after so many seconds; with an outcome of its own.
pub(crate) fn act(n: usize, actor: &str, outcome: ActOutcome, seconds: Option<u64>) -> Evidence {
    let location = GroupLocation {
        account: "111122223333".parse().unwrap(),
        region: "eu-west-1".parse().unwrap(),
        group: format!("sg-{}", n % 2).parse().unwrap(),
        vpc: None,
    };
    let time: Timestamp = "2026-11-20T10:00:00Z".parse().unwrap();
    let action = match outcome {
        ActOutcome::WouldRevert => Action::WouldRevoke,
        ActOutcome::Failed => Action::Failed { error: "UnauthorizedOperation".to_owned() },
        ActOutcome::AlreadyGone => Action::AlreadyGone,
        ActOutcome::Reverted | ActOutcome::Intended | ActOutcome::PutBack | ActOutcome::Opened => Action::Revoked,
    };
    let id: portcullis::domain::ids::RuleId = format!("sgr-{n}").parse().unwrap();
    let permission = Permission {
        traffic: Traffic::new("tcp".into(), Some(22), Some(22)),
        source: Source::Cidr("0.0.0.0/0".parse().unwrap()),
    };
    let tags = BTreeMap::from([(EVIL.to_owned(), EVIL.to_owned())]);
    let rule = Rule { id: id.clone(), permission, description: Some(EVIL.to_owned()), tags };
    let exposure = ExposureFinding {
        guard: "ssh".to_owned(),
        protocol: "tcp".to_owned(),
        port: 22,
        to_port: None,
        rules: vec![id],
        sources: vec!["0.0.0.0/0".to_owned()],
        public_addresses: "3702258432".to_owned(),
        standing: false,
    };
    Evidence {
        schema: SCHEMA,
        id: ActId::new(Some(time), &location, &[&n.to_string()]),
        kind: if outcome == ActOutcome::WouldRevert { Kind::WouldClose } else { Kind::Close },
        outcome,
        guard: Guard {
            version: "0".to_owned(),
            account: None,
            region: None,
            mode: Mode::Enforce,
            policy: "0".repeat(64),
            restores: false,
        },
        who: EventMetadata {
            id: Some(n.to_string()),
            time: Some(time),
            call: Some("AuthorizeSecurityGroupIngress".to_owned()),
            actor: Some(actor.to_owned()),
            source_ip: Some("203.0.113.7".to_owned()),
            user_agent: Some(EVIL.to_owned()),
            ..EventMetadata::default()
        },
        location,
        record: None,
        knew: Knew { memory: "none".to_owned(), changes: Vec::new(), own: 0, change: 0, waivers: BTreeMap::new() },
        looks: Vec::new(),
        looks_left_out: 0,
        decided: Decided { verdict: Verdict::Exposed, exposures: vec![exposure], reason: EVIL.to_owned() },
        rules: vec![Taken { rule, action }],
        confirmed_by: ConfirmedBy::Answer,
        done_at: None,
        exposed_ms: seconds.map(|seconds| seconds * 1000),
        undo: None,
        opening: None,
    }
}

const ALICE: &str = "arn:aws:iam::111122223333:user/alice";
const BOB: &str = "arn:aws:sts::111122223333:assumed-role/dev/bob";

/// Two closes and two that alert mode would have made, one of them undone, and one failure.
pub(crate) fn acts() -> Vec<Evidence> {
    let mut acts = vec![
        act(1, ALICE, ActOutcome::Reverted, Some(2)),
        act(2, ALICE, ActOutcome::Reverted, Some(7200)),
        act(3, BOB, ActOutcome::WouldRevert, None),
        act(3, BOB, ActOutcome::WouldRevert, None),
        act(4, EVIL, ActOutcome::Failed, None),
    ];
    let pair = PutBack {
        was: "sgr-1".parse().unwrap(),
        is: Some("sgr-9".parse().unwrap()),
        tags_left_out: Default::default(),
    };
    let undo = Undone { act: acts[0].id.clone(), reason: None, waiver: None, rules: vec![pair] };
    let undone = act(9, ALICE, ActOutcome::PutBack, None);
    acts.push(Evidence { kind: Kind::Undo, undo: Some(undo), ..undone });
    acts
}

#[test]
fn acts_are_counted_by_caller_group_and_port_and_each_rule_once() {
    let report = Report::of(&acts(), 1, Window::default());
    let counts = |line: &Line| (line.acts, line.reverted, line.would_revert, line.failed, line.undone, line.rules);
    assert_eq!(counts(&report.total), (5, 2, 2, 1, 1, 3));
    assert_eq!((report.total.median_open_seconds, report.total.longest_open_seconds), (Some(2), Some(7200)));
    let names: Vec<&str> = report.actors.iter().map(|line| line.name.as_str()).collect();
    assert_eq!(names, [ALICE, BOB, EVIL]);
    assert_eq!(counts(&report.actors[0]), (2, 2, 0, 0, 1, 2));
    assert_eq!(counts(&report.actors[1]), (2, 0, 2, 0, 0, 1), "the same rule twice");
    assert_eq!(report.groups.len(), 2);
    assert_eq!(report.ports.iter().map(|line| line.name.as_str()).collect::<Vec<_>>(), ["tcp 22 (ssh)"]);
    let decision = report.decision().join("\n");
    for part in [
        "In enforce mode, 2 acts would have closed ports of 1 group that 1 caller opened",
        "1 act undone",
        "1 act failed",
        "1 piece of evidence could not be read",
    ] {
        assert!(decision.contains(part), "{part}: {decision}");
    }
    let nothing = Report::of(&[], 0, Window::default());
    assert_eq!(nothing.decision(), ["Nothing was, or would have been, closed in this time."]);
}

#[test]
fn no_text_of_a_caller_is_markup_and_nothing_is_loaded() {
    let page = html(&Report::of(&acts(), 0, Window::default()));
    assert!(page.contains("&lt;/td&gt;&lt;script&gt;document.title=&#39;x&#39;&lt;/script&gt;"), "{page}");
    for bad in [
        "<script",
        "<img",
        "<link",
        "<iframe",
        "http://",
        "https://",
        "url(",
        "@import",
        "\u{202e}",
        " onerror=alert(1)>",
    ] {
        assert!(!page.contains(bad), "{bad}: {page}");
    }
    let policy = content_security_policy_of(&page);
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
    assert!(!page.contains("style=\""), "no style but the one whose hash is named");
}

fn content_security_policy_of(page: &str) -> &str {
    page.split_once("Content-Security-Policy\" content=\"").unwrap().1.split_once('"').unwrap().0
}

#[test]
fn a_csv_has_a_row_for_each_line_and_no_formula() {
    let mut bytes = Vec::new();
    let evil = act(5, "=cmd()", ActOutcome::Reverted, Some(1));
    csv(&Report::of(&[evil], 0, Window::default()), &mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(text.lines().count(), 5, "{text}");
    assert!(text.contains("actor,'=cmd(),1,1,0,0,0,0,1,1,1"), "{text}");
}

#[test]
fn a_time_is_said_in_the_unit_that_fits() {
    for (seconds, text) in [(1, "1 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (200_000, "2 days")] {
        assert_eq!(open_for(Some(seconds)), text);
    }
    assert_eq!(open_for(None), "not known");
}
