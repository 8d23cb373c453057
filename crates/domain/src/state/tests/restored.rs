use super::*;

const WAS: &str = "tcp 443 0.0.0.0/0";

/// A look that shows the rule as this.
fn shows(value: &str) -> Facts {
    Facts::of_rules(location(), vec![Rule::new(id(1), permission(value))], Timestamp::UNIX_EPOCH)
}

fn restores() -> Plan {
    let step = Step::Restore { rule: id(1), former: permission(WAS), description: Some("web".to_owned()) };
    Plan { steps: vec![step], ..plan(&[]) }
}

/// A remediation that has seen the rule open and plans to give it back what it was.
fn open() -> RemediationState {
    let mut state = RemediationState::new();
    state.observe(&look(&[1]));
    state.adopt(&restores(), &judged(&[1]));
    state
}

/// What one more look shows leads to the same plan as long as the rule is open.
fn look_again(state: &mut RemediationState, value: &str) {
    state.observe(&shows(value));
    let is_open = value != WAS;
    state.adopt(&if is_open { restores() } else { plan(&[]) }, &judged(if is_open { &[1] } else { &[] }));
}

#[test]
fn a_rule_is_restored_when_a_look_shows_it_and_not_when_ec2_took_the_call() {
    let mut state = open();
    assert!(state.to_revoke().is_empty());
    let sent = state.to_restore();
    assert_eq!(sent[&id(1)], Given { permission: permission(WAS), description: Some("web".to_owned()) });
    state.accepted(sent);
    assert!(state.to_restore().is_empty(), "a look comes first");
    assert_eq!(words(state.clone().finish()), ["sgr-1 failed:NotShown"]);
    look_again(&mut state, WAS);
    assert!(state.pending().is_empty() && state.count_taken() == 1);
    // It is told as it was when it had to go, and no later look drops it: its id is not gone.
    assert_eq!(state.observed()[&id(1)].permission, permission("tcp 22 0.0.0.0/0"));
    assert_eq!(state.left(&shows(WAS)).rules.len(), 1);
    assert!(state.gone(&shows(WAS)).is_empty());
    assert_eq!(words(state.finish()), ["sgr-1 restored"]);
}

#[test]
fn a_restored_rule_is_nothing_new_and_one_that_is_opened_again_is() {
    let mut state = open();
    state.accepted(state.to_restore());
    assert!(!state.observe(&shows(WAS)), "we made it so");
    state.adopt(&plan(&[]), &judged(&[]));
    assert!(state.observe(&look(&[1])), "as it was before, and somebody made it so since");
    assert!(state.left(&look(&[1])).appeared.contains(&id(1)));
    // What appeared between two looks is revoked by the plan.
    state.adopt(&plan(&[1]), &judged(&[1]));
    assert_eq!(state.to_revoke(), ids(&[1]));
    state.answer(Answer::Revoked(ids(&[1])));
    assert_eq!(words(state.finish()), ["sgr-1 revoked"]);
}

#[test]
fn looks_that_are_older_than_the_call_are_waited_for_and_not_for_ever() {
    let mut state = open();
    state.accepted(state.to_restore());
    for _ in 1..super::super::restored::MOST_STALE_LOOKS {
        look_again(&mut state, "tcp 22 0.0.0.0/0");
        assert!(state.to_restore().is_empty() && state.to_revoke().is_empty() && state.given_up().is_empty());
        assert_eq!(state.pending(), &ids(&[1]));
    }
    look_again(&mut state, "tcp 22 0.0.0.0/0");
    assert_eq!(state.given_up(), &ids(&[1]), "revoked by the next plan");
}

#[test]
fn a_call_that_is_refused_or_fails_again_leads_to_a_revoke() {
    let failed = |effects: &[Effect]| {
        let mut state = open();
        for effect in effects {
            assert!(state.not_accepted(state.to_restore(), "Code", *effect));
            look_again(&mut state, "tcp 22 0.0.0.0/0");
        }
        state.given_up().len()
    };
    assert_eq!(failed(&[Effect::Refused]), 1);
    assert_eq!(failed(&[Effect::NotYet]), 0, "once more");
    assert_eq!(failed(&[Effect::NotYet, Effect::NotYet]), 1);
    assert_eq!(failed(&[Effect::NotFound]), 0, "another rule of the call is gone");
}

#[test]
fn a_lost_answer_is_told_by_the_next_look() {
    let mut state = open();
    state.not_accepted(state.to_restore(), "Timeout", Effect::Unknown);
    look_again(&mut state, WAS);
    assert_eq!(words(state.finish()), ["sgr-1 restored"]);
}

#[test]
fn a_rule_that_went_before_it_could_be_given_back_is_already_gone() {
    let mut state = open();
    state.not_accepted(state.to_restore(), "InvalidSecurityGroupRuleId.NotFound", Effect::NotFound);
    state.observe(&look(&[]));
    state.adopt(&plan(&[]), &judged(&[]));
    assert_eq!(words(state.finish()), ["sgr-1 already_gone"]);
}

#[test]
fn in_alert_mode_it_would_be_restored() {
    let mut state = RemediationState::new();
    state.observe(&look(&[1]));
    state.adopt(&Plan { mode: Mode::Alert, ..restores() }, &judged(&[1]));
    assert_eq!(words(state.finish()), ["sgr-1 would_restore"]);
}
