use super::tests::{id, judged, look, plan, planned};
use super::*;

/// The reason of what a look that decided nothing leaves of `sgr-1`.
fn left(mut state: RemediationState) -> Action {
    state.observe(&look(&[1]));
    let undecided = Judgement { undecided: vec!["a prefix list cannot be read".to_owned()], ..judged(&[]) };
    state.adopt(&plan(&[]), &undecided);
    state.finish().remove(&id(1)).unwrap()
}

#[test]
fn what_a_look_left_undecided_has_failed_with_a_reason() {
    assert_eq!(left(planned(&[1])), Action::Failed { error: "Undecided".to_owned() });
    let mut refused = planned(&[1]);
    refused.answer(Answer::Failed { code: "RequestLimitExceeded".to_owned(), effect: Effect::NotYet });
    assert_eq!(left(refused), Action::Failed { error: "RequestLimitExceeded".to_owned() });
}
