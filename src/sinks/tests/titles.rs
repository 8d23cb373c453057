//! The title of a message, which is its subject: what happened, in how many words there is room for.

use super::*;

/// The title and the next step of the mail.
fn words(finding: &Finding) -> [String; 2] {
    let mail = mail(finding);
    let mut parts = mail.split("\n\n");
    let title = parts.next().unwrap().to_owned();
    [title, parts.nth(1).unwrap_or_default().to_owned()]
}

#[test]
fn a_title_says_first_what_happened_and_whether_a_port_is_open_now() {
    use {Outcome as O, Verdict as V};
    let not_alone = "OPEN, not by this change alone";
    for (verdict, outcome, without, standing) in [
        (V::Exposed, O::Reverted, "CLOSED", "STILL OPEN through other rules"),
        (V::Exposed, O::WouldRevert, "OPEN, alert mode", "OPEN, alert mode"),
        (V::Exposed, O::AlreadyGone, "CLOSED by someone else", not_alone),
        (V::Exposed, O::None, not_alone, not_alone),
        (V::Exposed, O::Failed, "NOT CLOSED", "NOT CLOSED"),
    ] {
        for (stands, expected) in [(false, without), (true, standing)] {
            let mut finding = finding(verdict, outcome);
            finding.exposures[0].standing = stands;
            let [title, next_step] = words(&finding);
            assert_eq!(title, format!("Portcullis {expected}: ssh in sg-1, 111122223333 eu-west-1"));
            let is_open = !expected.starts_with("CLOSED");
            assert_eq!(next_step.contains("Close it"), is_open, "{title}: {next_step}");
            let words = format!("{title} {next_step}");
            assert!(!is_open || !words.contains("gone") && !words.contains("before"), "{words}");
        }
    }
    let mut two = finding(V::Exposed, O::Reverted);
    two.exposures.push(ExposureFinding { guard: "rdp".into(), standing: true, ..two.exposures[0].clone() });
    let [title, _] = words(&two);
    assert!(title.starts_with("Portcullis STILL OPEN through other rules: rdp in"), "ssh is closed: {title}");
    for (verdict, outcome, expected) in [
        (V::Undecided, O::None, "CANNOT TELL"),
        (V::Undecided, O::Failed, "CANNOT TELL"),
        (V::Undecided, O::AlreadyGone, "CANNOT TELL"),
        (V::Safe, O::None, "nothing open"),
        (V::Exempt, O::AlreadyGone, "nothing open"),
        (V::Irrelevant, O::None, "nothing open"),
    ] {
        let finding = Finding { exposures: vec![], ..finding(verdict, outcome) };
        assert_eq!(words(&finding)[0], format!("Portcullis {expected}: sg-1, 111122223333 eu-west-1"));
    }
    let refused = Finding { exposures: vec![], doubtful: false, ..finding(V::Undecided, O::None) };
    assert!(words(&refused)[0].starts_with("Portcullis REFUSED: "));
}

#[test]
fn a_subject_never_loses_what_happened_or_where() {
    let mut long = finding(Verdict::Exposed, Outcome::Failed);
    let (group, region) = ("sg-04bff11ceb3be8d8b", "ap-southeast-1");
    (long.group, long.region) = (Some(group.into()), Some(region.into()));
    for guard in ["rdp", "mysql", "mssql"] {
        long.exposures.push(ExposureFinding { guard: guard.into(), ..long.exposures[0].clone() });
    }
    let all = format!("Portcullis NOT CLOSED: ssh rdp mysql mssql in {group}, 111122223333 {region}");
    assert_eq!(message::of(&long).subject, all);
    for guard in ["elasticsearch", "postgres", "a-service-of-our-own-with-a-long-name"] {
        long.exposures.push(ExposureFinding { guard: guard.into(), ..long.exposures[0].clone() });
    }
    let some = format!("Portcullis NOT CLOSED: ssh rdp mysql mssql +3 in {group}, 111122223333 {region}");
    assert_eq!(message::of(&long).subject, some);
    assert!(mail(&long).starts_with("Portcullis NOT CLOSED: ssh rdp mysql mssql elasticsearch postgres a-service"));
    for outcome in [Outcome::Failed, Outcome::WouldRevert, Outcome::Reverted, Outcome::AlreadyGone, Outcome::None] {
        for stands in [false, true] {
            let mut finding = Finding { outcome, ..long.clone() };
            finding.exposures[0].standing = stands;
            let subject = message::of(&finding).subject;
            assert!(subject.len() <= 100 && subject.ends_with(&format!("{group}, 111122223333 {region}")), "{subject}");
        }
    }
}

fn fight(tool: Option<Tool>) -> Option<FightFinding> {
    let actors =
        vec!["arn:aws:iam::111122223333:role/ci".to_owned(), "arn:aws:iam::111122223333:user/al`ice".to_owned()];
    let since = Some("2026-11-21T04:00:00Z".parse().unwrap());
    Some(FightFinding { count: 12, since, actors, tool, every_seconds: Some(300) })
}

#[test]
fn a_fight_is_in_the_subject_and_the_text_says_how_often_since_when_how_fast_by_whom_and_what_ends_it() {
    for (tool, advice) in [
        (
            Some(Tool::Terraform),
            "names Terraform, which is the caller's own word. If that is so: Change the rule in the Terraform code",
        ),
        (Some(Tool::CloudFormation), "If that is so: Change the rule in the CloudFormation template"),
        (Some(Tool::LoadBalancerController), "the annotation 'inbound-cidrs'"),
        (None, "Find out what opens the port each time, and change it there."),
    ] {
        let finding = Finding { fight: fight(tool), ..reverted() };
        assert_eq!(
            message::of(&finding).subject,
            "Portcullis CLOSED, fight (12 times): ssh in sg-1, 111122223333 eu-west-1"
        );
        let (text, card) = (mail(&finding), card(&finding));
        let said = "This is a fight: the port was opened and closed 12 times since 2026-11-21T04:00:00Z, lately every 5 \
                    min. Opened by: ";
        let actors = |quote| {
            format!(
                "{quote}arn:aws:iam::111122223333:role/ci{quote}, {quote}arn:aws:iam::111122223333:user/al'ice{quote}."
            )
        };
        assert!(text.contains(&format!("{said}{}\n", actors("'"))) && text.contains(advice), "{text}");
        let description = card["content"]["description"].as_str().unwrap();
        assert!(description.contains(&format!("{said}{}\n", actors("`"))), "{description}");
        assert!(card["content"]["nextSteps"][1].as_str().unwrap().contains(advice), "{card}");
        assert!(card["content"]["title"].as_str().unwrap().contains("CLOSED, fight (12 times)"), "{card}");
        assert!(card["metadata"]["summary"].as_str().unwrap().starts_with("SSH was open"), "{card}");
    }
    let alert = Finding { fight: fight(None), mode: Mode::Alert, ..finding(Verdict::Exposed, Outcome::WouldRevert) };
    assert!(words(&alert)[0].starts_with("Portcullis OPEN, alert mode, fight (12 times): ssh in sg-1"));
    assert!(mail(&alert).contains("the port was opened 12 times") && !mail(&alert).contains("opened and closed"));
    assert!(!mail(&reverted()).contains("fight") && card(&reverted())["content"]["nextSteps"][1].is_null());
    // What the largest number of actors fills stays a message.
    let mut large = Finding { fight: fight(None), ..reverted() };
    large.fight.as_mut().unwrap().actors = vec!["\u{1}".repeat(100_000); 8];
    assert!(message::of(&large).body.len() < 100_000 && mail(&large).contains("Opened by (the first eight): "));
    assert!(mail(&large).contains("the function's log has the whole finding"));
}

#[test]
fn in_a_subject_without_room_the_fight_goes_after_the_services_and_before_what_happened_and_where() {
    let (group, region) = ("sg-04bff11ceb3be8d8b", "ap-southeast-1");
    let place = format!("{group}, 111122223333 {region}");
    for (outcome, stands, expected) in [
        (Outcome::Reverted, false, "CLOSED, fight (1440 times): ssh in"),
        (Outcome::Failed, false, "NOT CLOSED, fight (1440 times): ssh in"),
        (Outcome::WouldRevert, false, "OPEN, alert mode, fight (1440 times):"),
        (Outcome::AlreadyGone, false, "CLOSED by someone else: ssh in"),
        (Outcome::Reverted, true, "STILL OPEN through other rules: ssh in"),
    ] {
        let mut finding = Finding { group: Some(group.into()), ..finding(Verdict::Exposed, outcome) };
        (finding.region, finding.fight) = (Some(region.into()), fight(None));
        finding.fight.as_mut().unwrap().count = 1440;
        finding.exposures[0].standing = stands;
        assert_eq!(message::of(&finding).subject, format!("Portcullis {expected} {place}"));
    }
}

#[test]
fn a_port_that_another_delivery_closed_was_not_closed_by_someone_else() {
    let gone =
        |rule: &RuleFinding| RuleFinding { action: portcullis_domain::finding::Action::AlreadyGone, ..rule.clone() };
    let mut finding = finding(Verdict::Exposed, Outcome::AlreadyGone);
    let first = gone(&finding.rules[0]);
    finding.rules = vec![first.clone(), RuleFinding { id: RuleId::unlisted(2), ..first }];
    let (one, both) = ([RuleId::unlisted(1)].into(), [RuleId::unlisted(1), RuleId::unlisted(2)].into());
    finding.note_closed_by_another(&one);
    assert!(words(&finding)[0].starts_with("Portcullis CLOSED by someone else: "), "the other rule was not");
    let left = Finding { is_by_nobody_known: true, ..finding.clone() };
    assert!(words(&left)[0].starts_with("Portcullis CLOSED: "), "an earlier attempt may have done it");
    finding.note_closed_by_another(&both);
    let [title, next_step] = words(&finding);
    assert_eq!(title, "Portcullis CLOSED by another delivery: ssh in sg-1, 111122223333 eu-west-1");
    assert!(next_step.starts_with("It is closed: Portcullis took it back for another event."), "{next_step}");
    let mut stands = finding;
    stands.exposures[0].standing = true;
    assert!(words(&stands)[0].starts_with("Portcullis OPEN, not by this change alone: "));
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
    assert_eq!(title(of(0, 0, 0, 0)), "Portcullis sweep: nothing open");
    assert_eq!(title(of(0, 0, 0, 2)), "Portcullis sweep: 2 undecided");
    let open = |count: usize| vec!["1 r sg-1".to_owned(); count];
    assert_eq!(
        title(SweepFinding { open: open(2), ..of(3, 1, 1, 2) }),
        "Portcullis sweep: 2 OPEN, 1 NOT CLOSED, 2 undecided, 1 closed"
    );
    assert_eq!(title(SweepFinding { open: open(50), ..of(70, 0, 0, 0) }), "Portcullis sweep: 50 or more OPEN");
    let digest = |more| Some(DigestFinding { unnamed: 300, more });
    let of_many = |more| SweepFinding { open: open(50), digest: digest(more), ..of(360, 0, 0, 0) };
    assert_eq!(title(of_many(false)), "Portcullis digest: 350 OPEN");
    assert_eq!(title(of_many(true)), "Portcullis digest: 350 or more OPEN");
    let text = mail(&Finding::swept(NOW.parse().unwrap(), of_many(false), Mode::Alert));
    assert!(text.contains("  and 325 others, which the log names\n"), "{text}");
    let unreachable = vec!["1 r: why".to_owned()];
    assert_eq!(title(SweepFinding { unreachable, ..of(0, 0, 0, 0) }), "Portcullis sweep: 1 not looked at");
}
