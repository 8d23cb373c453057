use portcullis_domain::change::EventMetadata;
use portcullis_domain::finding::{Action, ExposureFinding, Outcome, RuleFinding, Verdict};
use portcullis_domain::policy::Mode;

use super::swept::{done, swept};
use super::table::in_lines;
use super::*;
use crate::words;

const GROUP_ID: &str = "sg-0123456789abcdef0";
const AT: &str = "2026-11-21T10:00:00Z";

fn rule(n: usize, source: &str, action: Action) -> RuleFinding {
    RuleFinding {
        id: format!("sgr-{n:017}").parse().unwrap(),
        protocol: Some("tcp".to_owned()),
        from_port: Some(22),
        to_port: Some(22),
        source: Some(source.to_owned()),
        description: None,
        tags: Default::default(),
        action,
    }
}

fn finding(verdict: Verdict, outcome: Outcome, rules: Vec<RuleFinding>) -> Finding {
    let event = EventMetadata {
        time: Some(AT.parse().unwrap()),
        account: Some("111122223333".to_owned()),
        region: Some("ap-southeast-1".to_owned()),
        actor: Some(
            "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Developer_0123456789abcdef/alice".to_owned(),
        ),
        ..EventMetadata::default()
    };
    let why = "tcp 3306-3307 (mysql) is open to 3702258432 public addresses".to_owned();
    let exposures = ["ssh", "elasticsearch"].map(|guard| ExposureFinding {
        guard: guard.to_owned(),
        protocol: "tcp".to_owned(),
        port: 9200,
        to_port: Some(9300),
        rules: rules.iter().map(|rule| rule.id.clone()).collect(),
        sources: rules.iter().filter_map(|rule| rule.source.clone()).collect(),
        public_addresses: "3702258432".to_owned(),
        standing: false,
    });
    let plain = Finding::plain(&event, verdict, outcome, Mode::Enforce, why);
    Finding { group: Some(GROUP_ID.to_owned()), exposures: exposures.into(), rules, ..plain }
}

fn terminal(width: u16) -> Terminal {
    Terminal { colours: false, width }
}

fn checked_in(finding: Finding) -> Checked {
    Checked { finding, input: "AWSLogs/a.json.gz".into(), mark: None }
}

fn text(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn ids_and_times_are_whole_at_any_width_from_eighty_and_nothing_is_wider() {
    let rules = vec![rule(1, "0.0.0.0/0", Action::Revoked), rule(2, "2001:db8:1234::/48", Action::WouldRevoke)];
    let all = [
        finding(Verdict::Exposed, Outcome::Reverted, rules.clone()),
        finding(Verdict::Undecided, Outcome::Failed, rules.clone()),
        finding(Verdict::Exempt, Outcome::None, Vec::new()),
    ];
    let inputs = all.clone().map(checked_in);
    for wide in 80..=140 {
        let in_check = text(|out| checked::write(&inputs, View { terminal: terminal(wide), all: false }, out));
        let in_sweep = text(|out| swept(&all, terminal(wide), out));
        let (in_check, sums) = in_check.split_once(" by security group").unwrap();
        assert!(sums.lines().all(|line| line.chars().count() <= usize::from(wide)), "{wide}:\n{sums}");
        assert!(sums.contains(GROUP_ID) && sums.contains(" by caller "), "{wide}:\n{sums}");
        for shown in [in_check, in_sweep.as_str()] {
            let widest = shown.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(widest <= usize::from(wide), "{wide}:\n{shown}");
            assert_eq!(shown.matches(GROUP_ID).count(), 3, "{wide}:\n{shown}");
            assert_eq!(shown.matches("111122223333").count(), 3, "{wide}:\n{shown}");
        }
        assert_eq!(in_check.matches(AT).count(), 3, "{wide}:\n{in_check}");
        assert!(in_check.contains("\n assumed-role/"), "{wide}:\n{in_check}");
        for rule in &rules {
            assert_eq!(in_sweep.matches(rule.id.as_str()).count(), 2, "{wide}:\n{in_sweep}");
        }
    }
}

#[test]
fn what_was_done_is_counted_and_what_was_kept_is_not_told() {
    let denied = || Action::Failed { error: "UnauthorizedOperation".to_owned() };
    for (actions, told) in [
        (vec![], "nothing"),
        (vec![Action::Kept], "nothing"),
        (vec![Action::Revoked, Action::Kept, Action::Revoked], "revoked 2"),
        (vec![Action::WouldRevoke], "would revoke 1"),
        (
            vec![Action::Revoked, denied(), denied(), Action::AlreadyGone],
            "already gone 1, failed 2: UnauthorizedOperation, revoked 1",
        ),
    ] {
        let rules = actions.into_iter().enumerate().map(|(n, action)| rule(n, "::/0", action)).collect();
        assert_eq!(done(&finding(Verdict::Exposed, Outcome::None, rules)), told);
    }
}

#[test]
fn of_many_rules_the_first_stand_in_the_table_and_the_number_of_the_others() {
    let rules = (0..20).map(|n| rule(n, "0.0.0.0/0", Action::Revoked)).collect();
    let shown = text(|out| swept(&[finding(Verdict::Exposed, Outcome::Reverted, rules)], terminal(120), out));
    assert_eq!((shown.matches("sgr-").count(), shown.matches("and 12 more").count()), (8, 1), "{shown}");
}

#[test]
fn the_head_of_an_arn_is_told_where_its_account_is_another() {
    let mut finding = finding(Verdict::Exposed, Outcome::None, Vec::new());
    assert_eq!(words::actor(&finding), "assumed-role/AWSReservedSSO_Developer_0123456789abcdef/alice");
    finding.account = Some("444455556666".to_owned());
    assert!(words::actor(&finding).starts_with("arn:aws:sts::111122223333:assumed-role/"));
    for odd in ["", "root", "arn:aws", "arn:aws:iam::444455556666"] {
        finding.actor = Some(odd.to_owned());
        assert_eq!(words::actor(&finding), odd);
    }
    assert_eq!(in_lines("a/b/c", 2), "a/\nb/\nc");
    assert_eq!(in_lines("a/b/c", 4), "a/b/\nc");
    assert_eq!(in_lines("abcdef", 3), "abcdef");
}

#[test]
fn rows_come_in_order_of_time_and_equal_ones_are_folded() {
    let at = |time: &str, actor: &str| {
        let finding = finding(Verdict::Exposed, Outcome::None, vec![rule(1, "0.0.0.0/0", Action::Kept)]);
        checked_in(Finding { time: time.parse().ok(), actor: Some(actor.to_owned()), ..finding })
    };
    let [first, last, bob, unknown] =
        [at(AT, "alice"), at("2026-11-22T10:00:00Z", "alice"), at("2026-11-21T11:00:00Z", "bob"), at("", "eve")];
    let view = View { terminal: terminal(120), all: false };
    let shown = text(|out| checked::write(&[last, bob, first.clone(), unknown, first], view, out));
    let order: Vec<usize> =
        ["eve", AT, "2026-11-22T10:00:00Z", "3 times", "alice", "bob"].map(|word| shown.find(word).unwrap()).into();
    assert!(order.is_sorted(), "{order:?}:\n{shown}");
    let (shown, sums) = shown.split_once(" by security group").unwrap();
    assert_eq!(shown.matches("alice").count(), 1, "{shown}");
    // Each record counts in the sums, those with the most first.
    let callers = sums.split_once(" by caller ").unwrap().1;
    let order = ["alice", "bob", "eve"].map(|word| callers.find(word).unwrap());
    assert!(order.is_sorted() && callers.contains("3 exposed") && sums.contains("5 exposed"), "{sums}");
    assert!(shown.contains("\n[2] ") && shown.contains("in AWSLogs/a.json.gz, and 2 more\n"), "{shown}");
}

#[test]
fn of_many_groups_and_callers_the_first_stand_in_the_sums_and_the_number_of_the_others() {
    let of = |n: usize, verdict| {
        let finding = finding(verdict, Outcome::None, vec![rule(1, "0.0.0.0/0", Action::Kept)]);
        let (group, actor) = (Some(format!("sg-{n:02}")), Some(format!("caller-{n:02}")));
        checked_in(Finding { group, actor, ..finding })
    };
    let verdict = |n| if n == 14 { Verdict::Exposed } else { Verdict::Undecided };
    let all: Vec<Checked> = (0..15).map(|n| of(n, verdict(n))).collect();
    let shown = text(|out| checked::write(&all, View { terminal: terminal(80), all: false }, out));
    let sums = shown.split_once(" by security group").unwrap().1;
    assert_eq!(sums.matches("and 5 more").count(), 2, "{sums}");
    // What is exposed comes before what is undecided.
    assert!(sums.find("sg-14").unwrap() < sums.find("sg-00").unwrap() && !sums.contains("sg-09"), "{sums}");
}
