//! The summary of a sweep.

use super::*;

#[test]
fn a_sweeps_summary_counts_what_it_is_told_and_is_never_safe_of_what_was_not_seen() {
    let plain = |verdict, outcome, group: Option<&str>| {
        let event = EventMetadata { account: Some("1".into()), region: Some("r".into()), ..EventMetadata::default() };
        let plain = Finding::plain(&event, verdict, outcome, Mode::Enforce, "why".to_owned());
        Finding { group: group.map(str::to_owned), ..plain }
    };
    let sum = |findings: &[Finding]| {
        let mut summary = SweepFinding { accounts: 1, places: 2, groups: 9, ..SweepFinding::default() };
        findings.iter().for_each(|finding| summary.note(finding));
        let finding = Finding::swept(crate::judge::tests::NOW.parse().unwrap(), summary.clone(), Mode::Enforce);
        (summary, finding)
    };
    use {Outcome as O, Verdict as V};
    let reverted = plain(V::Exposed, O::Reverted, Some("sg-1"));
    let open = plain(V::Exposed, O::WouldRevert, Some("sg-2"));
    let failed = plain(V::Exposed, O::Failed, Some("sg-3"));
    let undecided = plain(V::Undecided, O::None, Some("sg-4"));
    let unseen = plain(V::Undecided, O::Failed, None);
    let safe = plain(V::Safe, O::None, Some("sg-5"));
    let (summary, finding) = sum(&[
        reverted.clone(),
        reverted.clone(),
        open.clone(),
        failed.clone(),
        undecided.clone(),
        unseen.clone(),
        safe.clone(),
    ]);
    assert_eq!((summary.exposed, summary.reverted, summary.failed, summary.undecided), (4, 2, 1, 1));
    assert_eq!(summary.open, ["1 r sg-2", "1 r sg-3"]);
    assert_eq!(summary.undecided_groups, ["1 r sg-4: why"]);
    assert_eq!(summary.unreachable, ["1 r: why"]);
    assert_eq!(finding.time, Some(crate::judge::tests::NOW.parse().unwrap()));
    assert_eq!((finding.call.as_deref(), finding.sweep.as_ref()), (Some("Sweep"), Some(&summary)));
    assert_eq!((finding.verdict, finding.outcome, finding.doubtful), (V::Exposed, O::Failed, true));
    assert_eq!(
        finding.reason,
        "sweep of 2 Regions of 1 account: 9 groups looked at, 4 exposed, 2 reverted, 1 failed, 1 undecided; open: 1 r sg-2, 1 r sg-3; cannot be decided: 1 r sg-4: why; not looked at: 1 r: why"
    );
    let gone = plain(V::Exposed, O::AlreadyGone, Some("sg-6"));
    let standing = ExposureFinding {
        guard: "ssh".to_owned(),
        protocol: "tcp".to_owned(),
        port: 22,
        to_port: None,
        rules: vec![],
        sources: vec![],
        public_addresses: "1".to_owned(),
        standing: true,
    };
    let still_open = Finding { exposures: vec![standing], ..reverted.clone() };
    assert_eq!([&gone, &still_open, &open, &safe].map(Finding::is_open), [false, true, true, false]);
    assert_eq!(sum(&[gone.clone(), still_open]).0.open, ["1 r sg-1: tcp 22 (ssh)"], "others keep it open");
    for (findings, verdict, outcome, doubtful) in [
        (vec![gone], V::Exposed, O::AlreadyGone, false),
        (vec![], V::Safe, O::None, false),
        (vec![safe], V::Safe, O::None, false),
        (vec![open.clone()], V::Exposed, O::WouldRevert, false),
        (vec![open, reverted.clone()], V::Exposed, O::Reverted, false),
        (vec![reverted, failed], V::Exposed, O::Failed, false),
        (vec![undecided], V::Undecided, O::None, false),
        (vec![unseen], V::Undecided, O::Failed, true),
    ] {
        let (_, finding) = sum(&findings);
        assert_eq!((finding.verdict, finding.outcome, finding.doubtful), (verdict, outcome, doubtful), "{findings:#?}");
        assert_eq!(finding.needs_retry(), outcome == O::Failed);
        assert_eq!(finding.is_news(), verdict != V::Safe);
    }
}

#[test]
fn a_sweeps_summary_names_the_first_fifty_open_groups_and_counts_them_all() {
    let open = |n: usize| Finding {
        group: Some(format!("sg-{n}")),
        ..Finding::plain(&EventMetadata::default(), Verdict::Exposed, Outcome::WouldRevert, Mode::Alert, String::new())
    };
    let mut summary = SweepFinding::default();
    (1..=51).for_each(|n| summary.note(&open(n)));
    assert_eq!((summary.exposed, summary.open.len(), summary.open.last().unwrap().as_str()), (51, 50, "sg-50"));
}

#[test]
fn a_group_that_a_sweep_cannot_decide_is_not_tried_again_and_is_told() {
    let found = |call: &str, group: Option<&str>, outcome| {
        let event = EventMetadata { call: Some(call.to_owned()), ..EventMetadata::default() };
        let plain = Finding::plain(&event, Verdict::Undecided, outcome, Mode::Enforce, String::new());
        Finding { group: group.map(str::to_owned), ..plain }
    };
    for (call, group, outcome, needs_retry) in [
        ("Sweep", Some("sg-1"), Outcome::None, false),
        ("Sweep", Some("sg-1"), Outcome::Failed, true),
        ("Sweep", None, Outcome::None, true),
        ("AuthorizeSecurityGroupIngress", Some("sg-1"), Outcome::None, true),
    ] {
        let found = found(call, group, outcome);
        assert_eq!((found.needs_retry(), found.is_news()), (needs_retry, true), "{call} {group:?} {outcome:?}");
    }
}

#[test]
fn a_sweeps_summary_names_what_is_nearly_open_and_why_a_group_is_undecided_at_most_fifty_each() {
    let case = Case::of(&["a tcp 22 8.0.0.0/9"]);
    let mut found = finding(&case, 0, "", Mode::Alert);
    (found.account, found.region) = (Some("1".to_owned()), Some("r".to_owned()));
    let nearly: Vec<String> = found.nearly_open().collect();
    assert_eq!(nearly, ["1 r sg-0123456789abcdef0: tcp 22 (ssh) at 50 % of the limit"]);
    (found.doubtful, found.reason) = (true, "x".repeat(1000));
    let mut summary = SweepFinding::default();
    (0..60).for_each(|_| {
        summary.note(&found);
        summary.note_nearly_open(&nearly);
    });
    assert_eq!((summary.nearly_open.len(), summary.undecided_groups.len(), summary.undecided), (50, 50, 60));
    assert!(summary.undecided_groups[0].len() < 250);
    let told = Finding::swept(crate::judge::tests::NOW.parse().unwrap(), summary, Mode::Alert).reason;
    assert!(told.contains("; nearly open: 1 r sg-0123456789abcdef0: tcp 22 (ssh) at 50 % of the limit, "), "{told}");
}
