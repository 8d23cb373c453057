//! Openings that end by themselves: the schedule's event, the sweep that takes its place, and what is not theirs.

mod faults;
mod kept;
mod living;
mod members;
mod order;
mod sweeps;
mod times;

use std::time::Duration;

use ec2_model::Permission;
use jiff::{SignedDuration, Timestamp};
use portcullis::domain::evidence::{ActOutcome, EndedBy, Evidence, Kind};
use portcullis::domain::finding::{Finding, Outcome, Verdict};
use portcullis::domain::ids::RuleId;
use portcullis::domain::memory::{
    Entries, Listed, Memory, Waiver, WaiverKind, item_of, opened_name, openings_of, waiver_name, written,
};
use portcullis::domain::opening;
use portcullis::domain::policy::Mode;
use portcullis::store::Update;
use serde_json::{Value, json};

use crate::harness::{ACCOUNT, REGION, Setup, TABLE, Watch, remembering, replayed};

const ONCALL: &str = "arn:aws:iam::111122223333:role/oncall";
const ID: &str = "w-7q2m";
const OFFICE: &str = "203.0.113.7/32";
const WIDE: &str = "54.0.0.0/8";

fn told() -> Setup {
    Setup { topic: true, ..remembering() }
}

fn judged(finding: &Finding) -> (Verdict, Outcome) {
    (finding.verdict, finding.outcome)
}

/// Moves the clock.
fn later(watch: &Watch, by: SignedDuration) {
    watch.world.set_now(watch.world.now() + i64::try_from(by.as_millis()).unwrap());
}

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// An opening of two hours, as an operator makes it.
struct Made {
    until: Timestamp,
    rules: Vec<String>,
}

/// How far an operator came.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Step {
    Scheduled,
    Listed,
    Waived,
    Opened,
    Noted,
}

fn waiver(watch: &Watch, source: &str) -> Waiver {
    let from = watch.context.now();
    Waiver {
        kind: WaiverKind::Open,
        by: ONCALL.to_owned(),
        reason: "INC-123".to_owned(),
        from,
        until: from + HOUR * 2,
        guards: vec!["ssh".to_owned()],
        sources: vec![source.parse().unwrap()],
        rules: Vec::new(),
    }
}

async fn write(watch: &Watch, key: &str, set: Entries) {
    let update = Update { set, ..Update::default() };
    let until = tokio::time::Instant::now() + Duration::from_secs(5);
    watch.context.settings.memory.update(&watch.context.aws, key, &update, until).await.unwrap();
}

fn item(watch: &Watch) -> String {
    format!("{ACCOUNT}/{REGION}/{}", watch.group)
}

fn list() -> String {
    openings_of(&ACCOUNT.parse().unwrap(), &REGION.parse().unwrap())
}

/// Does what `portcullis open` does, up to a step.
async fn opened_up_to(watch: &Watch, source: &str, last: Step) -> Made {
    opened_in(watch, (ACCOUNT, REGION, &watch.group), source, last).await
}

/// The same, in another place.
async fn opened_in(watch: &Watch, (account, region, group): (&str, &str, &str), source: &str, last: Step) -> Made {
    let waiver = waiver(watch, source);
    let until = waiver.until;
    let location = (account.parse().unwrap(), region.parse().unwrap(), group.parse().unwrap());
    let item = item_of(&location.0, &location.1, &location.2);
    let list = openings_of(&location.0, &location.1);
    if last >= Step::Listed {
        let listed = Listed {
            group: location.2,
            until,
            by: ONCALL.to_owned(),
            reason: "INC-123".to_owned(),
            what: format!("tcp 22 from {source}"),
        };
        write(watch, &list, Entries::from([(ID.to_owned(), written(&listed).unwrap())])).await;
    }
    if last >= Step::Waived {
        write(watch, &item, Entries::from([(waiver_name(ID), written(&waiver).unwrap())])).await;
    }
    let mut rules = Vec::new();
    if last >= Step::Opened {
        let description = Some(opening::description(ID, until, "INC-123"));
        watch.world.set_actor(ec2_model::Actor::Role { role: "oncall".into(), session: "jo".into() });
        let permission = Permission { description, ..Permission::tcp(22, source) };
        rules = watch.world.authorize(account, region, group, &[permission]).unwrap();
    }
    if last >= Step::Noted {
        let note = |id: &String| {
            let rule: RuleId = id.parse().unwrap();
            (opened_name(ID, &rule), written(&watch.context.now()).unwrap())
        };
        write(watch, &item, rules.iter().map(note).collect()).await;
    }
    Made { until, rules }
}

async fn opened(watch: &Watch, source: &str) -> Made {
    opened_up_to(watch, source, Step::Noted).await
}

/// The event that the schedule sends.
fn end(watch: &Watch, waiver: &str) -> Value {
    json!({"end": {"account": ACCOUNT, "region": REGION, "group": watch.group, "waiver": waiver}})
}

fn sweep() -> Value {
    json!({"sweep": {"accounts": [ACCOUNT], "regions": [REGION]}})
}

/// What the table holds under a key.
fn entries(watch: &Watch, key: &str) -> Entries {
    let item = watch.world.items(ACCOUNT, REGION, TABLE).remove(key).unwrap_or_default();
    let entry = |(name, text): (String, String)| {
        let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        (name, value)
    };
    item.into_iter().filter(|(name, _)| name != "pk" && name != "ttl").map(entry).collect()
}

/// The openings that the list names. What was ended stays in it for a day.
fn listed(watch: &Watch) -> Vec<String> {
    entries(watch, &list()).into_keys().filter(|name| !name.starts_with("ended#")).collect()
}

fn memory(watch: &Watch) -> Memory {
    Memory::read(&entries(watch, &item(watch)))
}

/// The evidence of ends.
fn ends(watch: &Watch) -> Vec<Evidence> {
    replayed(&watch.world).into_iter().filter(|evidence| evidence.kind == Kind::End).collect()
}

/// The subject of the first message.
fn subject(watch: &Watch) -> String {
    watch.world.published()[0].subject.clone().unwrap()
}

fn metric(watch: &Watch, name: &str) -> u64 {
    let lines = watch.lines.lock().unwrap();
    lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).unwrap()[name].as_u64()).sum()
}

/// Changes the description of a rule, and nothing else.
fn reworded(watch: &Watch, rule: &str, source: &str, words: &str) {
    let permission = Permission { description: Some(words.to_owned()), ..Permission::tcp(22, source) };
    let change = ec2_model::RuleChange { rule: rule.to_owned(), permission };
    watch.world.modify_rules(ACCOUNT, REGION, &watch.group, &[change]).unwrap();
}

#[tokio::test(start_paused = true)]
async fn at_its_end_an_opening_is_closed_whether_it_exposes_anything_or_not_with_evidence_and_news() {
    for source in [OFFICE, WIDE] {
        for mode in [Mode::Enforce, Mode::Alert] {
            let watch = Setup { mode, ..told() }.start().await;
            watch.open(&[Permission::tcp(443, "0.0.0.0/0")]);
            let made = opened(&watch, source).await;
            later(&watch, HOUR * 2);
            let finding = watch.finding(&end(&watch, ID)).await;
            assert_eq!(judged(&finding), (Verdict::Exempt, Outcome::Reverted), "{finding:#?}");
            assert_eq!(watch.ingress(), ["tcp 443-443 0.0.0.0/0"], "{mode:?}: and nothing else");
            assert_eq!((finding.call.as_deref(), finding.waiver.as_deref()), (Some("End"), Some(ID)));
            assert_eq!((finding.time, finding.open_seconds), (Some(made.until), None));
            assert!(finding.reason.contains("(INC-123)") && finding.reason.contains("1 rule revoked"), "{finding:?}");
            let published = watch.world.published();
            assert_eq!(published.len(), 1);
            assert!(subject(&watch).contains("OPENING ENDED"), "{}", subject(&watch));
            let [evidence] = &ends(&watch)[..] else { panic!("one act") };
            assert_eq!(evidence.outcome, ActOutcome::Reverted);
            assert_eq!(evidence.opening.as_ref().unwrap().ended_by, Some(EndedBy::Schedule));
            assert_eq!(finding.act.as_ref(), Some(&evidence.id));
            let memory = memory(&watch);
            assert!(memory.waivers.is_empty() && memory.opened.is_empty() && memory.ending.is_empty(), "{memory:?}");
            assert!(memory.ended.contains_key(ID) && memory.closed.len() == 1);
            assert!(listed(&watch).is_empty());
            assert_eq!((metric(&watch, "OpeningsEnded"), metric(&watch, "Reverted")), (1, 0));
            // A second end of the same is harmless, and no news.
            let again = watch.finding(&end(&watch, ID)).await;
            assert_eq!(judged(&again), (Verdict::Irrelevant, Outcome::None), "{again:#?}");
            assert!(again.reason.contains("was ended at"), "{}", again.reason);
            assert_eq!((watch.world.published().len(), ends(&watch).len()), (1, 1));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_that_comes_early_ends_nothing_and_says_so() {
    let watch = told().start().await;
    let made = opened(&watch, WIDE).await;
    later(&watch, HOUR * 2 - SignedDuration::from_secs(6));
    let finding = watch.finding(&end(&watch, ID)).await;
    assert_eq!(judged(&finding), (Verdict::Exempt, Outcome::None), "{finding:#?}");
    assert!(finding.reason.contains(&format!("holds until {}: this end came early", made.until)), "{finding:?}");
    assert_eq!((watch.ingress().len(), memory(&watch).waivers.len()), (1, 1));
    assert_eq!(watch.world.published().len(), 1, "somebody may have forged it");
    assert!(ends(&watch).is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_end_of_what_nobody_knows_or_of_an_undo_does_nothing_and_says_so() {
    let watch = told().start().await;
    watch.open(&[Permission::tcp(22, OFFICE)]);
    let unknown = watch.finding(&end(&watch, "w-0000")).await;
    assert_eq!(judged(&unknown), (Verdict::Irrelevant, Outcome::None));
    assert!(unknown.reason.contains("nothing is known of an opening w-0000 in this group"), "{}", unknown.reason);
    assert!(!watch.ec2_calls().contains(&"RevokeSecurityGroupIngress".to_owned()));
    let undo = Waiver { kind: WaiverKind::Undo, ..waiver(&watch, OFFICE) };
    write(&watch, &item(&watch), Entries::from([(waiver_name(ID), written(&undo).unwrap())])).await;
    later(&watch, HOUR * 3);
    let of_undo = watch.finding(&end(&watch, ID)).await;
    assert_eq!(judged(&of_undo), (Verdict::Irrelevant, Outcome::None));
    assert!(of_undo.reason.contains("is the waiver of an undo"), "{}", of_undo.reason);
    assert_eq!((watch.ingress().len(), memory(&watch).waivers.len()), (1, 1));
    assert!(watch.world.published().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_end_finds_its_rules_gone_or_its_group_and_settles_it() {
    let watch = told().start().await;
    let made = opened(&watch, WIDE).await;
    watch.world.revoke(ACCOUNT, REGION, &watch.group, &[&made.rules[0]]).unwrap();
    later(&watch, HOUR * 2);
    let finding = watch.finding(&end(&watch, ID)).await;
    assert_eq!(judged(&finding), (Verdict::Exempt, Outcome::AlreadyGone), "{finding:#?}");
    assert!(finding.reason.contains("no rule of it was there any more"), "{}", finding.reason);
    assert!(memory(&watch).waivers.is_empty() && listed(&watch).is_empty());
    assert_eq!(ends(&watch)[0].outcome, ActOutcome::AlreadyGone);

    let watch = told().start().await;
    opened(&watch, WIDE).await;
    watch.world.delete_group(ACCOUNT, REGION, &watch.group).unwrap();
    later(&watch, HOUR * 2);
    let finding = watch.finding(&end(&watch, ID)).await;
    assert_eq!(judged(&finding), (Verdict::Exempt, Outcome::AlreadyGone), "{finding:#?}");
    assert!(memory(&watch).waivers.is_empty() && listed(&watch).is_empty());
}

/// Each step that an operator's command may crash after leaves less open than the next, and the end takes care of all.
#[tokio::test(start_paused = true)]
async fn after_a_crash_at_any_step_the_end_leaves_nothing_open_and_nothing_behind() {
    for step in [Step::Scheduled, Step::Listed, Step::Waived, Step::Opened, Step::Noted] {
        let watch = told().start().await;
        let made = opened_up_to(&watch, OFFICE, step).await;
        assert_eq!(watch.ingress().is_empty(), step < Step::Opened, "{step:?}");
        later(&watch, HOUR * 2);
        let finding = watch.finding(&end(&watch, ID)).await;
        let expected = match step {
            Step::Scheduled | Step::Listed => (Verdict::Irrelevant, Outcome::None),
            Step::Waived => (Verdict::Exempt, Outcome::AlreadyGone),
            Step::Opened | Step::Noted => (Verdict::Exempt, Outcome::Reverted),
        };
        assert_eq!(judged(&finding), expected, "{step:?}: {finding:#?}");
        assert!(watch.ingress().is_empty(), "{step:?}: {:?}", made.rules);
        assert!(memory(&watch).waivers.is_empty(), "{step:?}");
        // What is in the list alone, the next sweep takes out.
        watch.deliver(&sweep()).await;
        assert!(listed(&watch).is_empty(), "{step:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_was_modified_reworded_or_tagged_since_is_still_the_openings() {
    let watch = told().start().await;
    let made = opened(&watch, OFFICE).await;
    reworded(&watch, &made.rules[0], "198.51.100.0/24", "for ever");
    watch.world.tag_rule(ACCOUNT, REGION, &made.rules[0], &[("team".to_owned(), "web".to_owned())]);
    later(&watch, HOUR * 2);
    let finding = watch.finding(&end(&watch, ID)).await;
    assert_eq!(judged(&finding), (Verdict::Exempt, Outcome::Reverted), "{finding:#?}");
    assert!(watch.ingress().is_empty());
    let taken = &ends(&watch)[0].rules[0].rule;
    assert_eq!(
        (taken.description.as_deref(), taken.tags.len()),
        (Some("for ever"), 1),
        "the evidence has it as it was"
    );
}

#[tokio::test(start_paused = true)]
async fn in_alert_mode_the_end_is_made_as_the_role_for_ends_which_may_touch_this_group_alone() {
    let role = "arn:aws:iam::111122223333:role/portcullis-end".to_owned();
    let watch = Setup { mode: Mode::Alert, end_role: Some(role), ..told() }.start().await;
    watch.world.set_now(portcullis::now().as_millisecond());
    watch.world.allow_role(ACCOUNT, "portcullis-end", None);
    opened(&watch, WIDE).await;
    later(&watch, HOUR * 2);
    watch.world.take_records();
    let finding = watch.finding(&end(&watch, ID)).await;
    assert_eq!(judged(&finding), (Verdict::Exempt, Outcome::Reverted), "{finding:#?}");
    let records = watch.world.take_records();
    let revoke = records.iter().find(|record| record["eventName"] == "RevokeSecurityGroupIngress").unwrap();
    let issuer = &revoke["userIdentity"]["sessionContext"]["sessionIssuer"]["userName"];
    assert_eq!(issuer, "portcullis-end", "{revoke:#}");
    let assumed = watch.world.calls().into_iter().find(|call| call.action == "AssumeRole").unwrap();
    let policy = assumed.params.iter().find(|(name, _)| name == "Policy").unwrap().1.clone();
    let policy: Value = serde_json::from_str(&policy).unwrap();
    assert_eq!(policy["Statement"]["Action"], json!(["ec2:RevokeSecurityGroupIngress"]));
    let group = format!("arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/{}", watch.group);
    assert_eq!(policy["Statement"]["Resource"][0], group);
}

#[tokio::test(start_paused = true)]
async fn an_end_in_an_account_that_the_function_may_not_act_in_fails_where_somebody_sees_it() {
    let watch = told().start().await;
    let mut payload = end(&watch, ID);
    payload["end"]["account"] = "444455556666".into();
    let answer = watch.deliver(&payload).await;
    assert_eq!(judged(&answer.findings[0]), (Verdict::Undecided, Outcome::None));
    assert!(!answer.failed.is_empty() && watch.ec2_calls().is_empty());
}
