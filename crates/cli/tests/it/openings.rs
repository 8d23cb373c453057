//! `portcullis open` and `close`: the real command line against the model over loopback, with a stack beside it.

mod address;
mod events;
mod faults;
mod found;
mod function;
mod members;
pub(crate) mod stage;

use jiff::{SignedDuration, Timestamp};
use portcullis_domain::evidence::{ActOutcome, Evidence, Kind};
use portcullis_domain::memory::WaiverKind;
use serde_json::{Value, json};

use crate::cli::{Ran, folder};
use stage::{ACCOUNT, OFFICE, REGION, Stack, WIDE};

fn is(ran: &Ran, code: i32) -> &Ran {
    assert_eq!(ran.code, code, "{}{}", ran.stdout, ran.stderr);
    ran
}

#[test]
fn an_opening_is_scheduled_waived_evidenced_opened_listed_and_closed_and_closing_twice_is_harmless() {
    let stack = Stack::new();
    let web = stack.group("web");
    let ran = stack.open(&web, &["--port", "ssh", "--from", OFFICE, "--for", "2h", "--reason", "INC-123"]);
    is(&ran, 0);
    let id = stack.waiver(&ran);
    for part in [
        "open   tcp 22 from 54.1.2.3/32",
        "in 2 h",
        "for    INC-123",
        &format!("portcullis close {id}"),
        "Connections that are open then go on",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    // The schedule.
    let [(name, schedule)] = &stack.schedules()[..] else { panic!("one schedule") };
    assert_eq!(*name, id);
    let end = json!({"end": {"account": ACCOUNT, "region": REGION, "group": web, "waiver": id}});
    let input: Value = serde_json::from_str(schedule["Target"]["Input"].as_str().unwrap()).unwrap();
    assert_eq!((input, &schedule["ActionAfterCompletion"]), (end, &json!("DELETE")));
    assert_eq!(schedule["Target"]["RoleArn"], stage::ROLE);
    assert_eq!(schedule["Target"]["Arn"], stage::FUNCTION);
    // The waiver, and what is noted.
    let memory = stack.memory(&web);
    let waiver = &memory.waivers[&id];
    let at = waiver.until.strftime("at(%Y-%m-%dT%H:%M:%S)").to_string();
    assert_eq!((&schedule["ScheduleExpression"], &schedule["ScheduleExpressionTimezone"]), (&json!(at), &json!("UTC")));
    assert_eq!(waiver.until.duration_since(waiver.from), SignedDuration::from_hours(2));
    assert_eq!((waiver.kind, waiver.guards.as_slice()), (WaiverKind::Open, ["ssh".to_owned()].as_slice()));
    assert_eq!(waiver.by, "arn:aws:iam::111122223333:user/operator");
    // The rule.
    let rules = stack.rules(&web);
    let [rule] = &rules[..] else { panic!("{rules:?}") };
    assert_eq!(rule.description.as_deref(), Some(format!("portcullis {id} until {} INC-123", waiver.until).as_str()));
    assert_eq!(memory.opened[&id].iter().map(|id| id.as_str()).collect::<Vec<_>>(), [rule.id.as_str()]);
    // The order.
    let calls: Vec<String> = stack.world.calls().into_iter().map(|call| call.action).collect();
    let first = |action: &str| calls.iter().position(|call| call == action).unwrap();
    assert!(first("CreateSchedule") < first("UpdateItem") && first("UpdateItem") < first("PutObject"), "{calls:?}");
    assert!(first("PutObject") < first("AuthorizeSecurityGroupIngress"), "{calls:?}");
    // The evidence.
    let acts = stack.evidence();
    let outcomes: Vec<(Kind, ActOutcome)> = acts.iter().map(|act| (act.kind, act.outcome)).collect();
    assert_eq!(outcomes, [(Kind::Open, ActOutcome::Intended), (Kind::Open, ActOutcome::Opened)]);
    // The list.
    let list = stack.run(&["open", "--list"]);
    for part in [id.as_str(), web.as_str(), "tcp 22 from 54.1.2.3/32", "INC-123", "operator", "in 1 h 59 min"] {
        assert!(is(&list, 0).stdout.contains(part), "{part}: {}", list.stdout);
    }
    let json: Value = serde_json::from_str(&stack.run(&["open", "--list", "--format", "json"]).stdout).unwrap();
    assert_eq!((&json["waiver"], &json["overdue"]), (&json!(id), &json!(false)));

    let closed = stack.run(&["close", &id]);
    let said = format!("Closed {id} in {web}: 1 rule revoked, {}.", rule.id);
    assert!(is(&closed, 0).stdout.contains(&said), "{}", closed.stdout);
    assert!(stack.rules(&web).is_empty() && stack.schedules().is_empty());
    let memory = stack.memory(&web);
    assert!(memory.waivers.is_empty() && memory.ended.contains_key(&id));
    let acts = stack.evidence();
    assert_eq!(acts.last().map(|act| (act.kind, act.outcome)), Some((Kind::End, ActOutcome::Reverted)));
    assert_eq!(acts.last().unwrap().who.actor.as_deref(), Some("arn:aws:iam::111122223333:user/operator"));
    for what in [&id, &web] {
        let again = stack.run(&["close", what]);
        assert!(is(&again, 0).stdout.contains("nothing to do"), "{}", again.stdout);
    }
    assert!(stack.run(&["open", "--list"]).stdout.contains("Nothing is open for a while"));
    // The evidence is read by people too.
    for (act, title) in acts.iter().zip(["was about to open", "opened a port for a while", "An opening was ended"]) {
        let page = stack.run(&["evidence", "show", act.id.as_str(), "--evidence", "s3://kept"]);
        assert!(is(&page, 0).stdout.contains(title) && page.stdout.contains(&id), "{}", page.stdout);
        let verified = stack.run(&["evidence", "verify", act.id.as_str(), "--evidence", "s3://kept"]);
        is(&verified, 0);
    }
    let undo = stack.run(&["undo", acts[2].id.as_str(), "--evidence", "s3://kept", "--yes"]);
    assert!(undo.code == 2 && undo.stderr.contains("`portcullis open` opens it again"), "{}", undo.stderr);
    let report = stack.run(&["report", "--evidence", "s3://kept"]);
    assert!(is(&report, 0).stdout.contains("Nothing was, or would have been, closed"), "{}", report.stdout);
}

#[test]
fn a_group_is_closed_with_all_its_openings_and_other_rules_stay() {
    let stack = Stack::new();
    let web = stack.group("web");
    stack.world.authorize(ACCOUNT, REGION, &web, &[ec2_model::Permission::tcp(443, "0.0.0.0/0")]).unwrap();
    for port in ["ssh", "8000-8010"] {
        is(&stack.open(&web, &["--port", port, "--from", OFFICE, "--for", "1h", "--reason", "x"]), 0);
    }
    assert_eq!(stack.rules(&web).len(), 3);
    let closed = stack.run(&["close", &web]);
    assert_eq!(is(&closed, 0).stdout.matches("1 rule revoked").count(), 2, "{}", closed.stdout);
    assert_eq!(stack.rules(&web).len(), 1);
}

#[test]
fn what_is_open_already_stays_and_what_is_asked_for_twice_is_opened_once() {
    let stack = Stack::new();
    let web = stack.group("web");
    let asked = ["--port", "ssh", "--port", "22", "--from", OFFICE, "--for", "1h", "--reason", "x"];
    is(&stack.open(&web, &asked), 0);
    let again = stack.open(&web, &asked);
    assert!(is(&again, 0).stdout.contains("tcp 22 from 54.1.2.3/32 is open already, as sgr-"), "{}", again.stdout);
    assert!(again.stdout.contains("Nothing to do"), "{}", again.stdout);
    assert_eq!((stack.rules(&web).len(), stack.schedules().len()), (1, 1));
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_called() {
    let stack = Stack::new();
    let web = stack.group("web");
    let usual = ["--port", "ssh", "--from", OFFICE, "--for", "2h", "--reason", "x"];
    let with = |place: usize, word: &'static str| {
        let mut words = usual;
        words[place] = word;
        words
    };
    for (words, part) in [
        (with(1, "shh"), "(did you mean ssh?)"),
        (with(3, "54.1.2.3/24"), "write 54.1.2.3/32 for the address, or 54.1.2.0/24 for the block"),
        (with(3, "sg-1"), "expected a block such as 203.0.113.0/24, an address, or me"),
        (with(3, "0.0.0.0/0"), "is what the policy calls the internet: give --wide too; nothing was opened"),
        (with(5, "25h"), "it lasts 25h, and the policy's `waivers.most` is 1d; nothing was opened"),
        (with(5, "soon"), "such as 90m"),
        (with(7, " "), "expected a reason"),
    ] {
        let ran = stack.open(&web, &words);
        assert!(ran.code == 2 && ran.stderr.contains(part), "{words:?}: {}{}", ran.stdout, ran.stderr);
    }
    let none = stack.open(&web, &["--port", "ssh", "--from", OFFICE, "--for", "2h"]);
    assert!(none.code == 2 && none.stderr.contains("--reason"), "{}", none.stderr);
    let foreign = stack.world.create_group("444455556666", REGION, "theirs", ec2_model::Vpc::Other);
    let ran = stack.open(&foreign, &usual);
    let why = format!("{foreign} is not in account {ACCOUNT}, Region {REGION}");
    assert!(ran.code == 2 && ran.stderr.contains(&why), "{}", ran.stderr);
    let asks = stack.run(&[&["open", &web], &usual[..]].concat());
    assert!(asks.code == 2 && asks.stderr.contains("no terminal to ask on: give --yes"), "{}", asks.stderr);
    let dry = stack.open(&web, &[&usual[..], &["--dry-run"]].concat());
    assert!(is(&dry, 0).stdout.contains("Nothing was opened: --dry-run."), "{}", dry.stdout);
    for action in ["CreateSchedule", "UpdateItem", "PutObject", "AuthorizeSecurityGroupIngress"] {
        assert!(!stack.called(action), "{action}");
    }
}

#[test]
fn a_policy_says_who_may_open_and_how_long_and_the_stacks_own_is_asked() {
    let stack = Stack::new();
    let web = stack.group("web");
    stack.world.put_object("policies", "policy.yaml", "version: 1\nwaivers: {by: ['arn:aws:iam::*:role/OnCall']}\n");
    stack.set("PolicyLocation", "s3://policies/policy.yaml");
    let ran = stack.open(&web, &["--port", "ssh", "--from", OFFICE, "--for", "2h", "--reason", "x"]);
    assert!(ran.code == 2 && ran.stderr.contains("is not among the policy's `waivers.by`"), "{}", ran.stderr);
    stack.world.put_object(
        "policies",
        "policy.yaml",
        "version: 1\nguard: [{name: app, protocol: tcp, ports: [8005]}]\n",
    );
    let ran = stack.open(&web, &["--port", "app", "--from", OFFICE, "--for", "2h", "--reason", "x"]);
    assert!(is(&ran, 0).stdout.contains("open   tcp 8005 from"), "{}", ran.stdout);
}

#[test]
fn wide_sources_need_a_word_of_their_own() {
    let stack = Stack::new();
    let web = stack.group("web");
    let asked = ["--port", "ssh", "--from", WIDE, "--for", "1h", "--reason", "x"];
    let (screen, _, code) = stack.on_a_terminal(&[&["open", &web], &asked[..]].concat(), "yes\n");
    assert!(code == 2 && screen.contains("Type internet:"), "{screen}");
    assert!(!stack.called("CreateSchedule"));
    is(&stack.open(&web, &[&asked[..], &["--wide"]].concat()), 0);
    assert_eq!(stack.rules(&web).len(), 1);
}

#[test]
fn a_stack_that_is_not_there_or_makes_no_schedules_is_named_with_what_to_do() {
    let stack = Stack::new();
    let web = stack.group("web");
    let asked = ["--port", "ssh", "--from", OFFICE, "--for", "2h", "--reason", "x"];
    let ran = stack.open(&web, &[&asked[..], &["--stack", "other"]].concat());
    assert!(
        ran.code == 2 && ran.stderr.contains("there is no stack `other` in this Region: name it with --stack"),
        "{}",
        ran.stderr
    );
    stack.unset("ScheduleGroupName");
    let ran = stack.open(&web, &asked);
    let why = "the stack `portcullis` has no output ScheduleGroupName: deploy the stack again with Openings=yes";
    assert!(ran.code == 2 && ran.stderr.contains(why), "{}", ran.stderr);
    assert!(!stack.called("UpdateItem"));
}

#[test]
fn folders_do_without_a_stack_and_a_schedule_and_a_sweep_from_the_terminal_ends_what_is_over() {
    let stack = Stack::new();
    let web = stack.group("web");
    let kept = folder("openings-folders");
    let (memory, evidence) = (kept.join("memory"), kept.join("evidence"));
    let place = ["--memory", memory.to_str().unwrap(), "--evidence", evidence.to_str().unwrap()];
    let asked = ["--port", "ssh", "--from", OFFICE, "--for", "2h", "--reason", "x"];
    let ran = stack.open(&web, &[&asked[..], &place].concat());
    assert!(is(&ran, 0).stdout.contains("There is no schedule without the stack"), "{}", ran.stdout);
    assert!(!stack.called("CreateSchedule") && !stack.called("DescribeStacks"));
    let id = stack.waiver(&ran);
    let closed = stack.run(&[&["close", &id], &place[..]].concat());
    assert!(is(&closed, 0).stdout.contains("1 rule revoked"), "{}", closed.stdout);
    // Nobody closes another one, and its time comes.
    let again = stack.open(&web, &[&asked[..], &place].concat());
    let other = stack.waiver(is(&again, 0));
    let file = memory.join(ACCOUNT).join(REGION).join(format!("{web}.json"));
    let text = std::fs::read_to_string(&file).unwrap();
    let (now, over) = (Timestamp::now(), SignedDuration::from_hours(3));
    let mut entries: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
    let waiver = entries.iter_mut().find(|(name, _)| name.ends_with(&other) && name.starts_with("waiver")).unwrap().1;
    (waiver["from"], waiver["until"]) = (json!(now - over), json!(now - SignedDuration::from_hours(1)));
    std::fs::write(&file, serde_json::to_string(&entries).unwrap()).unwrap();
    let words = format!("portcullis {other} until 2026-01-01T00:00:00Z x");
    let description = Some(words);
    let made = stack.rules(&web).remove(0).id;
    let change = ec2_model::RuleChange {
        rule: made,
        permission: ec2_model::Permission { description, ..ec2_model::Permission::tcp(22, OFFICE) },
    };
    stack.world.modify_rules(ACCOUNT, REGION, &web, &[change]).unwrap();
    let looked = stack.run(&["sweep", "--region", REGION]);
    assert_eq!(stack.rules(&web).len(), 1, "who only looks ends nothing: {}", looked.stdout);
    let sweep = ["sweep", "--region", REGION, "--enforce", "--yes"];
    let without = stack.run(&[&sweep[..], &place[2..]].concat());
    assert_eq!(stack.rules(&web).len(), 1, "nor does who knows of no opening: {}", without.stdout);
    assert!(without.stdout.contains("the memory knows of no opening"), "{}", without.stdout);
    let swept = stack.run(&[&sweep[..], &place].concat());
    assert!(stack.rules(&web).is_empty(), "{}{}", swept.stdout, swept.stderr);
}

#[test]
fn a_clock_that_is_minutes_wrong_opens_for_the_time_that_was_asked_for_by_awss_clock() {
    for minutes in [-4, 4] {
        let stack = Stack::with_clock(SignedDuration::from_mins(minutes));
        let web = stack.group("web");
        let ran = stack.open(&web, &["--port", "ssh", "--from", OFFICE, "--for", "1h", "--reason", "x"]);
        let how = if minutes > 0 { "behind AWS's" } else { "ahead of AWS's" };
        assert!(is(&ran, 0).stderr.contains(how), "{}", ran.stderr);
        let waiver = &stack.memory(&web).waivers[&stack.waiver(&ran)];
        let aws = Timestamp::now() + SignedDuration::from_mins(minutes);
        assert!(aws.duration_since(waiver.from).abs() < SignedDuration::from_secs(30), "{waiver:?}");
        let left = waiver.until.duration_since(aws);
        assert!((3500..=3601).contains(&left.as_secs()), "{left:?}");
    }
}

/// The evidence that a bucket holds, the oldest first.
fn evidence_of(world: &ec2_model::World) -> Vec<Evidence> {
    let objects = world.objects("kept").into_iter().filter(|(key, _)| key.starts_with("evidence/"));
    let read = |(_, bytes): (String, Vec<u8>)| {
        let (evidence, is_whole) = Evidence::read(std::str::from_utf8(&bytes).unwrap()).unwrap();
        assert!(is_whole);
        evidence
    };
    let mut all: Vec<Evidence> = objects.map(read).collect();
    let order = |evidence: &Evidence| (evidence.kind == Kind::End, evidence.outcome != ActOutcome::Intended);
    all.sort_by_key(order);
    all
}
