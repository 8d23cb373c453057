//! The text of a mail and of a card: what was open, to whom, and what to do.

use super::*;

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
