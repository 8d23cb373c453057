use super::log::line;
use super::message;
use super::metrics::{Counts, Trouble, line as metrics};
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
fn groups_that_a_sweep_leaves_open_are_counted_apart_from_those_of_events() {
    let swept = |outcome| Finding { call: Some("Sweep".to_owned()), ..finding(Verdict::Exposed, outcome) };
    let findings = [swept(Outcome::WouldRevert), swept(Outcome::Failed), swept(Outcome::Reverted)];
    let line = |findings: &[Finding]| -> Value {
        serde_json::from_str(&metrics(&counts(findings), Trouble::default(), NOW.parse().unwrap()).unwrap()).unwrap()
    };
    assert_eq!((&line(&findings)["SweepOpen"], &line(&findings)["Exposures"]), (&json!(2), &json!(3)));
    assert_eq!(line(&[finding(Verdict::Exposed, Outcome::WouldRevert)]).get("SweepOpen"), None);
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
fn a_mail_says_in_one_sentence_what_was_open_to_whom_and_for_how_long() {
    let mut finding = Finding { open_seconds: Some(4), ..reverted() };
    let v4 = ExposureFinding { sources: vec!["0.0.0.0/0".into()], ..finding.exposures[0].clone() };
    let all_of_v6 = portcullis_domain::net::public_addresses(portcullis_domain::net::Family::V6).count().to_string();
    let v6 = ExposureFinding { sources: vec!["::/0".into()], public_addresses: all_of_v6, ..v4.clone() };
    let of = |guard: &str, of: &ExposureFinding| ExposureFinding { guard: guard.into(), ..of.clone() };
    finding.exposures =
        ["ssh", "rdp", "mysql", "mssql"].iter().flat_map(|guard| [of(guard, &v4), of(guard, &v6)]).collect();
    let whole = "SSH, RDP, MySQL and SQL Server were open to the whole internet (IPv4 and IPv6) for 4 s.";
    assert!(mail(&finding).contains(&format!("\n\n{whole}\n\n")), "{}", mail(&finding));
    assert!(card(&finding)["content"]["description"].as_str().unwrap().starts_with(whole));
    finding.exposures = vec![of("kafka", &v4), ExposureFinding { public_addresses: "1851129216".into(), ..v4.clone() }];
    finding.outcome = Outcome::WouldRevert;
    let said = "kafka is open to the whole internet (IPv4); SSH is open to 1.9 billion public IPv4 addresses.";
    assert!(mail(&finding).contains(said), "{}", mail(&finding));
    finding.exposures[1].standing = true;
    assert!(mail(&finding).contains("addresses, without this change as well."), "{}", mail(&finding));
}

#[test]
fn a_mail_has_a_link_to_the_group_the_command_that_closes_it_and_the_exemption_to_paste() {
    let link = "https://eu-west-1.console.aws.amazon.com/ec2/home?region=eu-west-1#SecurityGroup:groupId=sg-1";
    let mut open = finding(Verdict::Exposed, Outcome::WouldRevert);
    open.rules[0].id = "sgr-1".parse().unwrap();
    open.rules[0].action = portcullis_domain::finding::Action::WouldRevoke;
    open.exposures[0].sources = vec!["0.0.0.0/0".into(), "::/0".into()];
    let text = mail(&open);
    assert!(text.contains(&format!("\nConsole  {link}\n")), "{text}");
    let command =
        "aws ec2 revoke-security-group-ingress --region eu-west-1 --group-id sg-1 --security-group-rule-ids sgr-1";
    assert!(text.contains(&format!("\nClose it\n  {command}\n")), "{text}");
    let exemption = text.split("add this to the policy\n").nth(1).unwrap();
    let policy = portcullis_domain::policy::Policy::parse(&format!("version: 1\n{exemption}")).unwrap();
    let exempt = &policy.exemptions()[0];
    assert_eq!(exempt.until, "2026-12-21T23:59:59Z".parse().ok());
    assert_eq!(exempt.guards, Some(vec!["ssh".to_owned()]));
    let chat = card(&open)["content"]["description"].as_str().unwrap().to_owned();
    assert!(
        chat.contains(&format!("Close it: `{command}`\n")) && chat.contains(&format!("*Console*: {link}\n")),
        "{chat}"
    );
    let behind = "aws ec2 describe-network-interfaces --region eu-west-1 --filters Name=group-id,Values=sg-1 ";
    assert!(text.contains(&format!("\nSee what is behind it\n  {behind}")), "{text}");
    assert!(chat.contains(&format!("See what is behind it: `{behind}")), "{chat}");
    assert!(!mail(&reverted()).contains("Close it") && !mail(&reverted()).contains("behind it"), "it is closed");
    let china = Finding { region: Some("cn-north-1".into()), ..open };
    assert!(mail(&china).contains("https://cn-north-1.console.amazonaws.cn/ec2/home?region=cn-north-1#SecurityGroup"));
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

#[test]
fn a_sweeps_mail_names_each_group_on_a_line_and_says_how_many_more_there_are() {
    let open = (0..40).map(|n| format!("111122223333 eu-west-1 sg-{n}")).collect();
    let sweep = SweepFinding { accounts: 1, places: 1, groups: 60, exposed: 40, open, ..SweepFinding::default() };
    let text = mail(&Finding::swept(NOW.parse().unwrap(), sweep, Mode::Alert));
    assert!(
        text.starts_with("Portcullis sweep: 40 OPEN\n\nsweep of 1 Region of 1 account: 60 groups looked at, "),
        "{text}"
    );
    assert!(text.contains("\nOpen\n  111122223333 eu-west-1 sg-0\n  111122223333 eu-west-1 sg-1\n"), "{text}");
    assert!(text.contains("  and 15 others, which the log names\n") && !text.contains("sg-25"), "{text}");
    assert!(!text.contains("unknown") && !text.contains("\nBy "), "{text}");
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
fn the_mail_can_be_read_and_says_what_to_do() {
    let message = message::of(&reverted());
    let mail = texts(&message)["email"].as_str().unwrap().to_owned();
    for line in [
        "SSH was open to the whole internet (IPv4).",
        "Tell whoever opened it.",
        "By       arn:aws:iam::111122223333:user/alice",
        "  unlisted-1  tcp 22 from 0.0.0.0/0: revoked",
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

#[test]
fn people_are_told_what_a_modified_rule_was_and_how_that_is_known() {
    let was = |from: &str, more: Value| {
        let mut was = json!({"protocol": "tcp", "from_port": 443, "to_port": 443, "source": "0.0.0.0/0", "from": from,
                             "as_of": "2026-11-21T09:30:00Z"});
        was.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        was
    };
    for (former, said) in [
        (was("sweep", json!({})), "it was tcp 443 from 0.0.0.0/0 before, seen by the sweep of 2026-11-21 09:30 UTC"),
        (was("event", json!({})), "it was tcp 443 from 0.0.0.0/0 before, set by the call of 2026-11-21 09:30 UTC"),
        (json!({"unknown": "no sweep has looked yet"}), "what it was before is not known: no sweep has looked yet"),
        (
            was("event", json!({"before": {"unknown": "it was made so at 09:30"}})),
            "set by the call of 2026-11-21 09:30 UTC; that was open too, and it was made so at 09:30",
        ),
        (
            was("event", json!({"before": was("sweep", json!({}))})),
            "that was open too, and before that it was tcp 443 from 0.0.0.0/0, seen by the sweep of",
        ),
        (was("sweep", json!({"doubt": "there is no memory"})), "(nothing rests on it: there is no memory)"),
    ] {
        let mut finding = reverted();
        finding.former.insert(finding.rules[0].id.clone(), serde_json::from_value(former).unwrap());
        for text in [mail(&finding), card(&finding)["content"]["description"].as_str().unwrap().to_owned()] {
            assert!(text.contains(said), "{said}: {text}");
        }
    }
}
