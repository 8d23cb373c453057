//! Where former values come from, and that closing does not wait for them.

use std::io::Read;

use ec2_model::{Fault, FaultKind};
use flate2::read::MultiGzDecoder;

use super::*;
use crate::harness::{EVIDENCE, TABLE};

fn snapshot(watch: &Watch) -> Option<String> {
    let key = format!("rules/v1/{ACCOUNT}/{REGION}.json.gz");
    let (_, bytes) = watch.world.objects(EVIDENCE).into_iter().find(|(name, _)| *name == key)?;
    let mut text = String::new();
    MultiGzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap();
    Some(text)
}

fn puts(watch: &Watch) -> usize {
    watch.world.calls().iter().filter(|call| call.action == "PutObject").count()
}

#[tokio::test(start_paused = true)]
async fn a_sweep_keeps_what_it_saw_with_descriptions_and_tags_a_line_a_rule() {
    let watch = remembering().start().await;
    let web = rule(&watch, tcp(443, EVERYONE).described("shop"));
    watch.world.tag_rule(ACCOUNT, REGION, &web, &[("team".to_owned(), "web".to_owned())]);
    let looked_at = jiff::Timestamp::from_millisecond(watch.world.now()).unwrap();
    sweep(&watch).await;
    let text = snapshot(&watch).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["looked_at"], json!(looked_at));
    assert_eq!((&lines[0]["account"], &lines[0]["rules"]), (&json!(ACCOUNT), &json!(1)));
    let expected = json!({"id": web, "group": watch.group, "protocol": "tcp", "from_port": 443, "to_port": 443,
                          "source": {"cidr": EVERYONE}, "description": "shop", "tags": {"team": "web"}});
    assert_eq!(lines[1], expected);
}

#[tokio::test(start_paused = true)]
async fn the_same_rules_are_written_again_only_when_the_last_look_is_half_an_hour_old() {
    let watch = remembering().start().await;
    rule(&watch, tcp(443, EVERYONE));
    // A quarter of an hour from one to the next.
    for written in [1, 1, 2, 2, 3] {
        sweep(&watch).await;
        assert_eq!(puts(&watch), written);
    }
    rule(&watch, tcp(8443, EVERYONE));
    sweep(&watch).await;
    assert_eq!(puts(&watch), 4, "another rule");
    let first: Value = serde_json::from_str(snapshot(&watch).unwrap().lines().next().unwrap()).unwrap();
    let time = |key: &str| first[key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert!(time("previous") < time("looked_at"), "{first}");
}

#[tokio::test(start_paused = true)]
async fn a_finding_says_what_the_rule_was_as_the_sweep_saw_it() {
    let mut watch = remembering().start().await;
    let web = rule(&watch, tcp(443, EVERYONE).described("shop"));
    sweep(&watch).await;
    let event = modify(&watch, &web, tcp(22, EVERYONE));
    let finding = alone(&mut watch, remembering(), &event).await;
    assert_eq!((judged(&finding), action(&finding)), ((Verdict::Exposed, Outcome::Reverted), Action::Revoked));
    assert_eq!(former(&finding, &web), "tcp 443 0.0.0.0/0 by sweep");
    let said = format!("{web} was tcp 443 from 0.0.0.0/0 before, seen by the sweep of 2026-11-18");
    assert!(finding.reason.contains(&said), "{}", finding.reason);
    assert!(
        !watch.ec2_calls().contains(&"ModifySecurityGroupRules".to_owned()),
        "nobody asked for it to be given back"
    );
    let json = serde_json::to_value(&finding).unwrap();
    assert_eq!(json["former"][&web]["description"], "shop");
}

#[tokio::test(start_paused = true)]
async fn a_finding_says_what_the_call_before_made_of_the_rule_newer_than_the_sweep() {
    let mut watch = remembering().start().await;
    let web = rule(&watch, tcp(443, EVERYONE));
    sweep(&watch).await;
    let lawful = modify(&watch, &web, tcp(8443, EVERYONE).described("new shop"));
    let harmless = alone(&mut watch, remembering(), &lawful).await;
    assert_eq!(judged(&harmless), (Verdict::Safe, Outcome::None));
    later(&watch, 5 * MINUTES);
    let looks = watch.ec2_calls().len();
    let event = modify(&watch, &web, tcp(22, EVERYONE));
    let finding = alone(&mut watch, remembering(), &event).await;
    assert_eq!(former(&finding, &web), "tcp 8443 0.0.0.0/0 by event");
    assert_eq!(watch.ec2_calls().len() - looks, 2, "a look and a revoke");
}

/// Harmless records cost no call to EC2, and what they made is written when all is told.
#[tokio::test(start_paused = true)]
async fn a_modify_is_remembered_for_all_instances_and_an_authorize_only_where_it_may_be_given_back() {
    for (setup, of_authorize) in [(remembering as fn() -> Setup, 0), (restoring, 1)] {
        let watch = setup().start().await;
        let event = watch.open(&[tcp(443, EVERYONE)]);
        let web = watch.world.rules(ACCOUNT, REGION, &watch.group).pop().unwrap().id;
        watch.finding(&event).await;
        assert_eq!(watch.memory_calls().len(), of_authorize);
        for port in 0..12 {
            later(&watch, MINUTES);
            let event = modify(&watch, &web, tcp(8000 + port, EVERYONE));
            watch.finding(&event).await;
        }
        assert_eq!(watch.ec2_calls(), Vec::<String>::new());
        let item = &watch.world.items(ACCOUNT, REGION, TABLE)[&format!("rule#{ACCOUNT}/{REGION}/{web}")];
        let seen: Vec<&String> = item.iter().filter(|(name, _)| name.starts_with("seen#")).map(|(_, it)| it).collect();
        assert_eq!(seen.len(), 8, "the latest: {item:#?}");
        assert!(seen[0].contains("8004") && seen[7].contains("8011"), "{seen:#?}");
    }
}

/// What the instance has seen itself is there at once, in one delivery too.
#[tokio::test(start_paused = true)]
async fn an_instance_knows_the_records_of_its_own_deliveries() {
    let watch = Setup::default().start().await;
    let made = watch.open(&[tcp(443, EVERYONE).described("shop")]);
    let web = watch.world.rules(ACCOUNT, REGION, &watch.group).pop().unwrap().id;
    later(&watch, MINUTES);
    let event = modify(&watch, &web, tcp(22, EVERYONE));
    let answer = watch.deliver(&crate::harness::sqs(&[made.to_string(), event.to_string()])).await;
    let finding = answer.findings.last().unwrap();
    assert_eq!(former(finding, &web), "tcp 443 0.0.0.0/0 by event");
    assert!(finding.reason.contains("nothing rests on it: there is no memory of calls since"), "{}", finding.reason);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_told_is_unknown_with_the_reason() {
    let unknown = |finding: &Finding, rule: &str| {
        assert_eq!(judged(finding), (Verdict::Exposed, Outcome::Reverted), "{finding:#?}");
        let said = former(finding, rule);
        said.strip_prefix("unknown: ").unwrap_or_else(|| panic!("{said}")).to_owned()
    };
    let mut watch = remembering().start().await;
    let never = rule(&watch, tcp(443, EVERYONE));
    later(&watch, MINUTES);
    let event = modify(&watch, &never, tcp(22, EVERYONE));
    assert_eq!(unknown(&alone(&mut watch, remembering(), &event).await, &never), "no sweep has looked yet");
    let nowhere = rule(&watch, tcp(443, "8.0.0.0/8"));
    let event = modify(&watch, &nowhere, tcp(22, "8.0.0.0/8"));
    let finding = alone(&mut watch, Setup { evidence: false, ..remembering() }, &event).await;
    assert_eq!(unknown(&finding, &nowhere), "no sweep's look is kept");
    watch.start_anew(remembering()).await;
    sweep(&watch).await;
    let made_since = rule(&watch, tcp(443, EVERYONE));
    later(&watch, MINUTES);
    let event = modify(&watch, &made_since, tcp(22, EVERYONE));
    let why = unknown(&alone(&mut watch, remembering(), &event).await, &made_since);
    assert!(why.starts_with("it was made after the sweep of 2026-11-18"), "{why}");
    // The sweep looked between the call and its delivery.
    let late = rule(&watch, tcp(443, EVERYONE));
    let event = modify(&watch, &late, tcp(22, EVERYONE));
    later(&watch, 31 * MINUTES);
    sweep(&watch).await;
    let why = unknown(&alone(&mut watch, remembering(), &event).await, &late);
    assert!(why.ends_with("did not look before the call"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn closing_waits_no_longer_than_a_moment_for_what_the_rule_was() {
    let faults = [
        FaultKind::Throttle,
        FaultKind::Denied,
        FaultKind::LostBefore,
        FaultKind::Cut,
        FaultKind::Slow(Duration::from_secs(20)),
    ];
    for kind in faults {
        let mut watch = restoring().start().await;
        let web = rule(&watch, tcp(443, EVERYONE));
        sweep(&watch).await;
        let event = modify(&watch, &web, tcp(22, EVERYONE));
        for _ in 0..8 {
            watch.world.inject(Fault::next("GetObject", kind.clone()));
        }
        let start = tokio::time::Instant::now();
        let finding = alone(&mut watch, restoring(), &event).await;
        assert_eq!(
            (judged(&finding), action(&finding)),
            ((Verdict::Exposed, Outcome::Reverted), Action::Revoked),
            "{kind:?}"
        );
        let said = former(&finding, &web);
        assert!(said.starts_with("unknown: what the last sweep saw cannot be read: "), "{kind:?}: {said}");
        assert!(start.elapsed() < Duration::from_millis(1500), "{kind:?}: {:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_memory_of_calls_a_value_is_told_and_nothing_rests_on_it() {
    for is_open in [false, true] {
        let mut watch = restoring().start().await;
        let before = if is_open { tcp(22, EVERYONE) } else { tcp(443, EVERYONE) };
        let web = rule(&watch, before);
        sweep(&watch).await;
        let event = modify(&watch, &web, tcp(22, EVERYONE).described("reviewed"));
        watch.world.inject(Fault::next("GetItem", FaultKind::Throttle));
        let finding = alone(&mut watch, restoring(), &event).await;
        assert_eq!(action(&finding), Action::Revoked, "{finding:#?}");
        assert!(former(&finding, &web).ends_with("by sweep"));
        assert!(finding.reason.contains("the memory of calls since did not answer"), "{}", finding.reason);
    }
}

/// Anybody can send a record that names another account. What it says is nobody's memory.
#[tokio::test(start_paused = true)]
async fn what_happens_in_accounts_of_others_is_not_remembered() {
    let watch = remembering().start().await;
    let web = rule(&watch, tcp(443, EVERYONE));
    let mut event = modify(&watch, &web, tcp(8443, EVERYONE));
    for part in ["/account", "/detail/recipientAccountId"] {
        *event.pointer_mut(part).unwrap() = json!("999988887777");
    }
    watch.finding(&event).await;
    assert_eq!(watch.memory_calls(), Vec::<String>::new());
}
