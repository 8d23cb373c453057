//! Which change made a rule.

use super::*;

#[test]
fn what_somebody_exempt_may_have_made_is_not_that_of_a_record_that_lists_no_rules() {
    let policy = "exempt: [{reason: x, until: never, guard: [ssh], principals: ['arn:aws:iam::*:role/BreakGlass']}]";
    let lines = ["old tcp 22 0.0.0.0/0", "old tcp 3389 0.0.0.0/0"];
    let made = |by: &str, call: Call| {
        let mut any = Change { call, ..change(ChangedRules::Any) };
        any.event.actor = Some(by.to_owned());
        Case { changes: vec![any], ..Case::under(policy, &lines) }
    };
    let by_anyone = made("arn:aws:iam::111122223333:role/dev", Call::Authorize);
    assert_eq!(by_anyone.planned(), [lines[1]]);
    assert!(by_anyone.judge().exposures.iter().any(|exposure| exposure.standing), "it is told all the same");
    assert_eq!(by_anyone.judge().attributions[0].rules, [1].into());
    // Whoever is exempt may have made both, and the one on 22 lawfully. A sweep asks for no maker.
    assert_eq!(made("arn:aws:iam::111122223333:role/BreakGlass", Call::Authorize).planned(), [lines[1]]);
    assert_eq!(made("arn:aws:iam::111122223333:role/dev", Call::Sweep).planned(), lines);
    // Of two such records each has what its own caller may have made.
    let mut both = made("arn:aws:iam::111122223333:role/BreakGlass", Call::Authorize);
    both.changes.extend(by_anyone.changes);
    let own: Vec<_> = both.judge().attributions.into_iter().map(|own| own.rules).collect();
    assert_eq!(own, [[0, 1].into(), [1].into()]);
}

#[test]
fn a_change_claims_rules_by_id_by_permission_or_all_of_them() {
    let lines = ["old tcp 22 0.0.0.0/0", "old tcp 22 10.0.0.0/8", "old tcp 22 sg-1"];
    let id = |text: &str| RuleId::parse(text).unwrap();
    for (changed_rules, rules, missing) in [
        (ChangedRules::Any, vec![0, 1, 2], vec![]),
        (ChangedRules::Rules(vec![id("sgr-3"), id("sgr-9")]), vec![2], vec![Some(id("sgr-9"))]),
        (
            ChangedRules::Permissions(vec![permission("6 22 1.2.3.4/0"), permission("udp 22 0.0.0.0/0")]),
            vec![0],
            vec![None],
        ),
        (ChangedRules::Permissions(vec![permission("tcp 22 sg-1")]), vec![2], vec![]),
    ] {
        let case =
            Case { changes: vec![change(ChangedRules::Rules(vec![])), change(changed_rules)], ..Case::of(&lines) };
        let judgement = case.judge();
        assert_eq!(judgement.attributions[0], Attribution::default());
        assert_eq!(
            judgement.attributions[1],
            Attribution { rules: rules.iter().copied().collect(), missing, replaced: Vec::new() }
        );
        let attributed: Vec<usize> = (0..3).filter(|n| judgement.is_attributed(*n)).collect();
        assert_eq!(attributed, rules);
    }
    assert!(!Case::of(&lines).judge().is_attributed(3));
}

#[test]
fn without_changes_everything_stands() {
    let case = Case { changes: vec![], ..Case::of(&["old tcp 22 0.0.0.0/0"]) };
    assert_eq!(case.exposed(), [format!("ssh tcp 22 IPv4: {ALL_V4} by 1 standing")]);
    assert_eq!(case.judge().attributions, []);
}
