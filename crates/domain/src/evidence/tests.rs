use super::*;
use crate::facts::Facts;
use crate::finding::{Done, Finding};
use crate::judge::judge;
use crate::judge::tests::Case;
use crate::memory::WaiverKind;
use crate::net::Cidr;
use crate::plan::{Plan, plan};
use crate::policy::{Mode, Policy};
use crate::state::Remediation;
use std::collections::BTreeMap;

/// The evidence of what a case leads to, with every planned rule revoked.
pub(crate) fn evidence(case: &Case, mode: Mode) -> Evidence {
    let mut changes = case.changes.clone();
    changes[0].event.id = Some("e1".to_owned());
    changes[0].event.time = Some("2026-11-21T09:59:58Z".parse().unwrap());
    let changes: Vec<&Change> = changes.iter().collect();
    let now: Timestamp = crate::judge::tests::NOW.parse().unwrap();
    let facts = case.facts.clone();
    let judgement = judge(&changes, &facts, &case.policy, now);
    let plan = plan(&judgement, case.policy.mode(&facts.location, mode), usize::MAX);
    let action = if mode == Mode::Enforce { Action::Revoked } else { Action::WouldRevoke };
    let done: Done = plan.rules().into_iter().map(|id| (id, action.clone())).collect();
    let call = Call {
        name: "RevokeSecurityGroupIngress".to_owned(),
        request: Some("4d1e".to_owned()),
        at: now,
        rules: plan.rules(),
        reply: Reply::Revoked(plan.rules()),
    };
    let call = (mode == Mode::Enforce).then_some(call);
    let looks = [Look { call, ..Look::new(&facts, now, plan) }];
    let remediation =
        Remediation { judgement, own: usize::MAX, done, mode, done_at: Some(now), past: vec![], open: vec![] };
    let finding = Finding::judged(changes[0], 0, &remediation);
    let observed: BTreeMap<_, _> = facts.rules.iter().map(|rule| (rule.id.clone(), rule.clone())).collect();
    let guard = Guard {
        version: "0".to_owned(),
        account: None,
        region: None,
        mode,
        policy: case.policy.hash().to_owned(),
        restores: false,
    };
    let account = Account {
        guard,
        location: &facts.location,
        changes: &changes,
        own: changes.len(),
        memory: "none".to_owned(),
        waivers: BTreeMap::new(),
        looks: &looks,
        looks_left_out: 0,
        observed: &observed,
    };
    account.of(&finding, 0, None).unwrap()
}

fn usual() -> (Evidence, Policy) {
    let case = Case::of(&["a tcp 22 0.0.0.0/0", "a tcp 443 0.0.0.0/0", "old tcp 22 10.0.0.0/8", "old tcp 22 pl-1"])
        .list("pl-1", Ok(&["9.9.9.9/32"][..]));
    (evidence(&case, Mode::Enforce), case.policy)
}

#[test]
fn an_act_judged_again_from_its_document_has_the_same_plan() {
    for mode in [Mode::Enforce, Mode::Alert] {
        let case = Case::of(&["a tcp 22 0.0.0.0/0", "a tcp 443 ::/0", "old tcp 3389 8.0.0.0/9"]);
        let made = evidence(&case, mode);
        let document = made.document().unwrap();
        let (read, is_whole) = Evidence::read(&document).unwrap();
        assert!(is_whole && read == made);
        assert_eq!(read.replay(&case.policy), Ok(made.looks[0].plan.clone()));
        assert_eq!(read.kind, if mode == Mode::Enforce { Kind::Close } else { Kind::WouldClose });
    }
}

/// Whichever byte is changed, the document is not read, its seal is broken, or it is judged otherwise.
#[test]
fn no_byte_of_a_document_can_be_changed_unseen() {
    let (evidence, policy) = usual();
    let document = evidence.document().unwrap();
    let text = document.trim_end();
    for at in 0..text.len() {
        for change in [1_u8, 0x20] {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] ^= change;
            let Ok(altered) = String::from_utf8(bytes) else { continue };
            let is_seen = match Evidence::read(&altered) {
                Ok((read, is_whole)) => !is_whole || read.replay(&policy).is_err(),
                Err(_) => true,
            };
            assert!(is_seen, "byte {at}: {altered}");
        }
    }
}

/// Whoever alters a document and seals it anew meets the judge.
#[test]
fn a_document_that_was_altered_and_sealed_anew_differs_where_it_was_altered() {
    let (evidence, policy) = usual();
    let check = |place: &str, alter: &dyn Fn(&mut Evidence)| {
        let mut altered = evidence.clone();
        alter(&mut altered);
        let (altered, is_whole) = Evidence::read(&altered.document().unwrap()).unwrap();
        assert!(is_whole);
        let mismatch = altered.replay(&policy).expect_err(place);
        assert_eq!(mismatch.place, place, "{mismatch}");
    };
    check("guard.policy", &|it| it.guard.policy = "0".repeat(64));
    check("id", &|it| it.location.group = "sg-2".parse().unwrap());
    check("id", &|it| it.who.time = None);
    check("who", &|it| it.who.actor = Some("arn:aws:iam::1:user/another".to_owned()));
    check("knew.changes[7]", &|it| it.knew.change = 7);
    check("looks[0].plan", &|it| it.looks[0].rules.clear());
    check("looks[0].plan", &|it| it.looks[0].plan.steps.clear());
    check("looks[0].plan", &|it| it.guard.mode = Mode::Alert);
    check("looks[0].plan", &|it| it.knew.changes[0].changed_rules = crate::change::ChangedRules::Rules(Vec::new()));
    check("looks[0].call.rules", &|it| {
        it.looks[0].call.as_mut().unwrap().rules.insert("sgr-99".parse().unwrap());
    });
    check("rules[0]", &|it| it.rules[0].rule.description = Some("another".to_owned()));
    check("rules[0]", &|it| it.rules[0].rule.id = "sgr-99".parse().unwrap());
    check("outcome", &|it| it.rules[0].action = Action::AlreadyGone);
    check("kind", &|it| it.kind = Kind::WouldClose);
    check("looks", &|it| {
        it.looks.clear();
        it.rules.clear();
        it.outcome = ActOutcome::AlreadyGone;
    });
}

#[test]
fn a_text_that_is_no_evidence_says_what_it_is() {
    let (evidence, _) = usual();
    let document = evidence.document().unwrap();
    let error = |text: &str| Evidence::read(text).unwrap_err().to_string();
    let cut = error(document.get(..document.len() / 2).unwrap());
    assert!(cut.starts_with("the evidence is cut: it ends at line 1, column "), "{cut}");
    assert!(error("").starts_with("the evidence is cut"), "{}", error(""));
    assert!(error("hello").starts_with("this is no evidence of an act"));
    assert!(error("[1]").contains("schema is missing"));
    assert_eq!(
        error(&document.replacen("\"schema\":1", "\"schema\":2", 1)),
        "schema: 2 is newer than this portcullis knows (1): use a newer one"
    );
    assert!(error(&document.replacen("\"schema\":1", "\"schema\":\"1\"", 1)).contains("schema is `\"1\"`"));
    assert!(error(r#"{"schema":1,"verdict":"safe"}"#).contains("it is a finding"));
    assert!(error(r#"{"schema":1,"looks":[]}"#).contains("missing field"));
    // A log puts its own time before the line.
    let (read, is_whole) = Evidence::read(&format!("2026-11-25T18:00:02.000Z {document}")).unwrap();
    assert!(is_whole && read == evidence);
    // Without its seal it is read, and not believed.
    let json = serde_json::to_string(&evidence).unwrap();
    assert_eq!(Evidence::read(&json), Ok((evidence, false)));
}

#[test]
fn an_id_says_where_its_document_is_and_is_the_same_for_the_same_event() {
    let (evidence, _) = usual();
    let id = evidence.id.clone();
    assert_eq!(ActId::parse(id.as_str()), Ok(id.clone()));
    assert_eq!(ActId::of_key(&id.key()), Some(id.clone()));
    assert_eq!(ActId::of_key(&format!("a/prefix/{}", id.key())), Some(id.clone()));
    assert_eq!(ActId::of_key(&id.key().replace("date=", "date=1")), None);
    assert!(id.is_of(&evidence.location));
    assert_eq!(evidence.made_id(), id);
    let made = |parts: &[&str]| ActId::new(Some("2026-11-25T18:00:02.9Z".parse().unwrap()), &evidence.location, parts);
    let GroupLocation { account, region, group, .. } = &evidence.location;
    let text = made(&["close", "e1"]).to_string();
    assert!(text.starts_with(&format!("20261125T180002Z-{account}-{region}-{group}-")), "{text}");
    assert_eq!(
        made(&["close", "e1"]).key(),
        format!("evidence/v1/account={account}/region={region}/date=2026-11-25/{text}.json")
    );
    for other in [["close", "e2"], ["failed", "e1"], ["closee", "1"]] {
        assert_ne!(made(&other), made(&["close", "e1"]));
    }
    for bad in [
        "",
        "x",
        "20261125T180002Z",
        "20261325T180002Z-111122223333-eu-west-1-sg-1-9f3c1e77a2b0",
        "20261125T180002Z-11112222333-eu-west-1-sg-1-9f3c1e77a2b0",
        "20261125T180002Z-111122223333-eu-west-1-sg-1-9F3C1E77A2B0",
        "20261125T180002Z-111122223333-eu-west-1-sg-1-9f3c1e77a2b",
        "20261125T180002Z-111122223333-../..-sg-1-9f3c1e77a2b0",
        "20261125T180002Z-111122223333-eu-west-1-sg-../1-9f3c1e77a2b0",
    ] {
        assert!(ActId::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_prefix_list_that_could_not_be_read_is_kept_as_such() {
    let case = Case::of(&["a tcp 22 0.0.0.0/0", "a tcp 22 pl-1"]).list("pl-1", Err("AccessDenied"));
    let evidence = evidence(&case, Mode::Enforce);
    let list = evidence.looks[0].prefix_lists.values().next();
    assert_eq!(list, Some(&PrefixListLook::Unreadable("AccessDenied".to_owned())));
    assert_eq!(evidence.looks[0].facts(&evidence.location).prefix_lists, case.facts.prefix_lists);
    assert!(evidence.replay(&case.policy).is_ok());
    let entries: Vec<Cidr> = vec!["9.9.9.9/32".parse().unwrap()];
    let json = serde_json::to_value(PrefixListLook::Entries(entries)).unwrap();
    assert_eq!(json, serde_json::json!({"entries": ["9.9.9.9/32"]}));
}

/// What a claim of `changes[0]` in a case says that was seen.
fn claimed(case: &Case, saw: &[&str]) -> crate::memory::Claim {
    let now: Timestamp = crate::judge::tests::NOW.parse().unwrap();
    let rules = case.facts.rules.iter().filter(|rule| saw.contains(&rule.permission.source.to_string().as_str()));
    let rules = rules.cloned().map(|rule| Rule { description: Some("as it was".to_owned()), ..rule }).collect();
    let lists = case.facts.prefix_lists.iter().map(|(list, entries)| (list.clone(), PrefixListLook::of(entries)));
    crate::memory::Claim::new(&case.changes[0], Mode::Enforce, now).unwrap().with_saw((rules, lists.collect()))
}

#[test]
fn what_a_claim_saw_and_the_group_lacks_is_an_act_that_an_attempt_left() {
    let case = Case::of(&["a tcp 22 8.0.0.0/9", "a tcp 22 8.128.0.0/9", "old tcp 443 0.0.0.0/0"]);
    let claim = claimed(&case, &["8.0.0.0/9", "8.128.0.0/9"]);
    let left = |shown: &[&str]| {
        let rules = case.facts.rules.iter().filter(|rule| shown.contains(&rule.permission.source.to_string().as_str()));
        let last = case.facts.with_rules(rules.cloned().collect());
        LeftAct::of(&claim, &[], &last, (&case.policy, Mode::Enforce))
    };
    let gone = left(&["0.0.0.0/0", "8.128.0.0/9"]).unwrap();
    assert_eq!(gone.gone.values().map(|rule| rule.description.as_deref()).collect::<Vec<_>>(), [Some("as it was")]);
    let finding = gone.finding(Mode::Enforce);
    assert_eq!((finding.verdict, finding.outcome), (Verdict::Exposed, crate::finding::Outcome::AlreadyGone));
    assert!(finding.reason.contains("was open to") && finding.reason.contains("cannot be told"), "{}", finding.reason);
    // The rule that need not have gone is no act, whoever took it.
    assert_eq!(left(&["0.0.0.0/0", "8.0.0.0/9", "8.128.0.0/9"]), None, "all of it is there");
    // A delivery that has something to say of its own keeps it.
    let mut own = Finding { verdict: Verdict::Undecided, ..finding.clone() };
    gone.note(&mut own);
    assert_eq!(own.verdict, Verdict::Undecided);
}

#[test]
fn what_a_claim_saw_through_a_prefix_list_is_judged_by_the_list_as_it_was() {
    let case = Case::of(&["a tcp 22 pl-1"]).list("pl-1", Ok(&["0.0.0.0/1"][..]));
    let claim = claimed(&case, &["pl-1"]);
    let closed = case.facts.with_rules(Vec::new());
    let closed = Facts { prefix_lists: std::sync::Arc::default(), ..closed };
    let left = LeftAct::of(&claim, &[], &closed, (&case.policy, Mode::Enforce));
    assert_eq!(left.map(|left| left.gone.len()), Some(1));
}

/// The evidence of an end that took one rule, judged at a time.
fn of_end(judged_at: &str, ended_by: EndedBy) -> (Evidence, Policy) {
    let case = Case::of(&["old tcp 22 203.0.113.7/32", "old tcp 443 0.0.0.0/0"]);
    let (facts, at): (_, Timestamp) = (case.facts.clone(), judged_at.parse().unwrap());
    let rule = facts.rules[0].clone();
    let waiver = Waiver {
        kind: crate::memory::WaiverKind::Open,
        by: "arn:aws:iam::111122223333:role/oncall".to_owned(),
        reason: "INC-123".to_owned(),
        from: "2026-11-26T18:00:00Z".parse().unwrap(),
        until: "2026-11-26T20:00:00Z".parse().unwrap(),
        guards: vec!["ssh".to_owned()],
        sources: vec!["203.0.113.7/32".parse().unwrap()],
        rules: vec![rule.id.clone()],
    };
    let plan = crate::opening::plan("w-7q2m", Some(&waiver), &facts);
    assert_eq!(plan.rules(), [rule.id.clone()].into());
    let policy = case.policy.hash().to_owned();
    let mode = Mode::Alert;
    let account = EndAccount {
        guard: Guard { version: "0".to_owned(), account: None, region: None, mode, restores: false, policy },
        who: crate::finding::ended::metadata(&facts.location, waiver.until, None),
        memory: "ok".to_owned(),
        waiver: Some(&waiver),
        opening: Opening {
            waiver: "w-7q2m".to_owned(),
            until: waiver.until,
            reason: None,
            opens: Vec::new(),
            rules: [rule.id.clone()].into(),
            ended_by: Some(ended_by),
        },
        looks: vec![Look::new(&facts, at, plan)],
        rules: vec![Taken { rule, action: Action::Revoked }],
        done_at: Some(at),
    };
    (account.evidence(&facts.location, "ended"), case.policy)
}

#[test]
fn the_end_of_an_opening_judged_again_takes_the_same_rules_and_is_none_before_its_time() {
    let (evidence, policy) = of_end("2026-11-26T20:00:03Z", EndedBy::Schedule);
    assert!(evidence.replay(&policy).is_ok(), "{:?}", evidence.replay(&policy));
    let (read, is_whole) = Evidence::read(&evidence.document().unwrap()).unwrap();
    assert!(is_whole && read == evidence && read.is_done());
    let place = |evidence: &Evidence| evidence.replay(&policy).unwrap_err().place;
    let (early, _) = of_end("2026-11-26T19:00:00Z", EndedBy::Schedule);
    assert_eq!(place(&early), "looks[0].judged_at");
    let (closed, _) = of_end("2026-11-26T19:00:00Z", EndedBy::Close);
    assert!(closed.replay(&policy).is_ok(), "an operator may end it sooner");
    let mut other = evidence.clone();
    other.opening.as_mut().unwrap().waiver = "w-0000".to_owned();
    assert_eq!(place(&other), "id");
    let mut without = evidence.clone();
    without.knew.waivers.clear();
    assert_eq!(place(&without), "looks[0].plan");
    let mut said = evidence.clone();
    said.outcome = ActOutcome::AlreadyGone;
    assert_eq!(place(&said), "outcome");
    let mut more = evidence;
    more.rules.push(Taken { rule: more.looks[0].rules[1].clone(), action: Action::Revoked });
    assert_eq!(place(&more), "rules[1]");
}

/// A waiver came between two looks, and the VPC was not known at the last one. Each look is judged by what was known at it.
#[test]
fn each_look_is_judged_again_with_the_waivers_and_the_vpc_that_were_known_at_it() {
    let (mut evidence, policy) = usual();
    let at = evidence.looks[0].judged_at;
    let waiver = Waiver {
        kind: WaiverKind::Open,
        by: "arn:aws:iam::111122223333:role/oncall".to_owned(),
        reason: "INC-123".to_owned(),
        from: at - jiff::SignedDuration::from_secs(1),
        until: at + jiff::SignedDuration::from_mins(10),
        guards: vec!["ssh".to_owned()],
        sources: vec!["0.0.0.0/0".parse().unwrap()],
        rules: vec![evidence.looks[0].rules[0].id.clone()],
    };
    let waived = Look {
        plan: Plan { steps: vec![], ..evidence.looks[0].plan.clone() },
        call: None,
        waivers: Some([("w-1234".to_owned(), waiver.clone())].into()),
        ..evidence.looks[0].clone()
    };
    evidence.looks.push(waived);
    assert!(evidence.replay(&policy).is_ok(), "{:?}", evidence.replay(&policy));
    let mut all_along = evidence.clone();
    all_along.knew.waivers.insert("w-1234".to_owned(), waiver);
    assert_eq!(all_along.replay(&policy).unwrap_err().place, "looks[0].plan");
    let mut never = evidence.clone();
    never.looks[1].waivers = None;
    assert_eq!(never.replay(&policy).unwrap_err().place, "looks[1].plan");
    evidence.looks[0].plan.location.vpc = Some("vpc-1".parse().unwrap());
    assert!(evidence.replay(&policy).is_ok(), "{:?}", evidence.replay(&policy));
    evidence.looks[0].plan.location.group = "sg-2".parse().unwrap();
    assert_eq!(evidence.replay(&policy).unwrap_err().place, "looks[0].plan.location");
}
