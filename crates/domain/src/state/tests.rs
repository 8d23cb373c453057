mod restored;

use super::*;
use crate::facts::GroupLocation;
use crate::judge::judge;
use crate::judge::tests::permission;
use crate::plan::Step;
use crate::policy::Policy;

pub(super) fn id(n: usize) -> RuleId {
    RuleId::parse(&format!("sgr-{n}")).unwrap()
}

fn ids(numbers: &[usize]) -> BTreeSet<RuleId> {
    numbers.iter().map(|n| id(*n)).collect()
}

fn location() -> GroupLocation {
    GroupLocation {
        account: "111122223333".parse().unwrap(),
        region: "eu-west-1".parse().unwrap(),
        group: "sg-1".parse().unwrap(),
        vpc: None,
    }
}

/// A look that shows these rules, each open to everyone.
pub(super) fn look(numbers: &[usize]) -> Facts {
    let rule = |n: &usize| Rule::new(id(*n), permission("tcp 22 0.0.0.0/0"));
    Facts::of_rules(location(), numbers.iter().map(rule).collect(), Timestamp::UNIX_EPOCH)
}

pub(super) fn plan(numbers: &[usize]) -> Plan {
    let steps = numbers.iter().map(|n| Step::Revoke(id(*n))).collect();
    Plan { location: location(), mode: Mode::Enforce, cap: usize::MAX, steps }
}

/// What a look that shows these rules is judged to be.
pub(super) fn judged(numbers: &[usize]) -> Judgement {
    judge(&[], &look(numbers), &Policy::built_in(), Timestamp::UNIX_EPOCH)
}

/// A remediation that has seen these rules and plans to revoke all of them.
pub(super) fn planned(numbers: &[usize]) -> RemediationState {
    let mut state = RemediationState::new();
    state.observe(&look(numbers));
    state.adopt(&plan(numbers), &judged(numbers));
    state
}

fn lost() -> Answer {
    Answer::Failed { code: "Timeout".to_owned(), effect: Effect::Unknown }
}

fn words(done: Done) -> Vec<String> {
    let word = |action: &Action| action.error().map_or_else(|| action.as_str().to_owned(), |e| format!("failed:{e}"));
    done.iter().map(|(id, action)| format!("{id} {}", word(action))).collect()
}

#[test]
fn only_what_ec2_lists_is_revoked_and_the_rest_stays_pending() {
    let mut state = planned(&[1, 2]);
    assert!(state.answer(Answer::Revoked(ids(&[1]))));
    assert_eq!(state.pending(), &ids(&[2]));
    assert_eq!(words(state.finish()), ["sgr-1 revoked", "sgr-2 failed:NotListed"]);
}

#[test]
fn a_rule_that_vanished_before_any_call_of_ours_is_already_gone() {
    let mut state = planned(&[1, 2]);
    state.observe(&look(&[2]));
    assert_eq!(words(state.finish()), ["sgr-1 already_gone", "sgr-2 failed:"]);
}

#[test]
fn a_rule_that_vanished_after_a_lost_answer_was_revoked() {
    let mut state = planned(&[1]);
    assert!(state.answer(lost()), "another turn may help");
    state.observe(&look(&[]));
    assert_eq!(words(state.finish()), ["sgr-1 revoked"]);
}

#[test]
fn a_rule_that_no_unanswered_call_named_was_taken_back_by_somebody_else() {
    // A new rule is pending after a revoke that succeeded, and its own revoke came too late.
    let mut state = planned(&[1]);
    state.answer(Answer::Revoked(ids(&[1])));
    state.observe(&look(&[2]));
    state.adopt(&plan(&[2]), &judged(&[2]));
    state.answer(Answer::Failed { code: "NotFound".to_owned(), effect: Effect::NotFound });
    state.observe(&look(&[]));
    assert_eq!(words(state.finish()), ["sgr-1 revoked", "sgr-2 already_gone"]);
    // A rule that was left out of a call, because others come and go.
    let mut state = planned(&[1]);
    state.answer(Answer::Failed { code: "NotFound".to_owned(), effect: Effect::NotFound });
    state.observe(&look(&[1, 2]));
    state.adopt(&plan(&[1, 2]), &judged(&[1, 2]));
    assert_eq!(state.to_revoke(), ids(&[1]));
    state.answer(Answer::Revoked(ids(&[1])));
    state.observe(&look(&[]));
    assert_eq!(words(state.finish()), ["sgr-1 revoked", "sgr-2 already_gone"]);
}

#[test]
fn a_rule_that_is_not_planned_any_more_and_still_exposes_a_port_is_kept() {
    let mut state = planned(&[1]);
    state.observe(&look(&[1, 2]));
    state.adopt(&plan(&[]), &judged(&[1, 2]));
    assert!(state.finish().is_empty(), "it is there, and nothing was done about it");
}

#[test]
fn a_refused_call_ends_the_turns_and_its_code_is_kept() {
    let mut state = planned(&[1]);
    let refused = Answer::Failed { code: "UnauthorizedOperation".to_owned(), effect: Effect::Refused };
    assert!(!state.answer(refused));
    assert_eq!(words(state.finish()), ["sgr-1 failed:UnauthorizedOperation"]);
}

#[test]
fn a_rule_that_is_not_planned_any_more_was_closed_by_someone_unless_something_is_undecided() {
    for (is_decided, word) in [(true, "sgr-1 already_gone"), (false, "sgr-1 failed:Timeout")] {
        let mut state = planned(&[1]);
        state.answer(lost());
        state.observe(&look(&[1]));
        let mut judgement = judged(&[]);
        judgement.undecided.extend((!is_decided).then(|| "a list cannot be read".to_owned()));
        state.adopt(&plan(&[]), &judgement);
        assert_eq!(words(state.finish()), [word]);
    }
}

#[test]
fn a_plan_in_alert_mode_leaves_the_remediation_in_alert_mode() {
    let mut state = planned(&[1]);
    state.adopt(&Plan { mode: Mode::Alert, ..plan(&[1]) }, &judged(&[1]));
    state.adopt(&plan(&[1]), &judged(&[1]));
    assert_eq!(state.mode(), Mode::Alert);
    assert_eq!(words(state.finish()), ["sgr-1 would_revoke"]);
}

#[test]
fn what_was_revoked_does_not_count_although_ec2_still_shows_it() {
    let mut state = planned(&[1, 2]);
    state.answer(Answer::Revoked(ids(&[1])));
    let shown = |facts: Facts| facts.rules.into_iter().map(|rule| rule.id).collect::<BTreeSet<_>>();
    assert_eq!(shown(state.left(&look(&[1, 2, 3]))), ids(&[2, 3]));
    assert_eq!(shown(state.whole(&look(&[2]))), ids(&[1, 2]));
}

#[test]
fn what_others_made_and_took_back_meanwhile_is_not_reported() {
    let mut state = planned(&[1]);
    state.answer(Answer::Revoked(ids(&[1])));
    state.observe(&look(&[7, 8]));
    state.observe(&look(&[8]));
    let reported = state.reported(&look(&[8]), &ids(&[2]));
    assert_eq!(reported.rules.iter().map(|rule| rule.id.clone()).collect::<BTreeSet<_>>(), ids(&[1, 8]));
}

/// The waiver came after the look that planned to revoke the rule. Nobody closed it, and it is there.
#[test]
fn a_pending_rule_that_a_waiver_covers_by_now_is_not_said_to_be_gone() {
    let waived = Policy::parse("version: 1\nexempt: [{reason: x, until: never, sources: [0.0.0.0/0]}]").unwrap();
    let mut state = planned(&[1]);
    state.answer(lost());
    state.adopt(&plan(&[]), &judge(&[], &look(&[1]), &waived, Timestamp::UNIX_EPOCH));
    assert_eq!(words(state.finish()), Vec::<String>::new());
}
