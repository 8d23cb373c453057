//! The sweep ends what its schedule did not: in alert mode too, whatever became of the rules' descriptions and of the list
//! of openings. What only a description says is told, and not touched.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ec2_model::{Fault, FaultKind};

use super::*;
use crate::harness::Between;

/// What is lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Lost {
    ScheduleAlone,
    Description,
    List,
}

#[tokio::test(start_paused = true)]
async fn a_sweep_ends_what_its_schedule_did_not_in_every_mode_whatever_else_is_lost() {
    for lost in [Lost::ScheduleAlone, Lost::Description, Lost::List] {
        for mode in [Mode::Enforce, Mode::Alert] {
            for source in [OFFICE, WIDE] {
                let setup = || Setup { mode, ..told() };
                let mut watch = setup().start().await;
                let made = opened(&watch, source).await;
                match lost {
                    Lost::ScheduleAlone => {}
                    Lost::Description => reworded(&watch, &made.rules[0], source, "for ever"),
                    Lost::List => write(&watch, &list(), Entries::from([(ID.to_owned(), json!("?"))])).await,
                }
                watch.deliver(&sweep()).await;
                assert_eq!(watch.ingress().len(), 1, "{lost:?} {mode:?} {source}: not before its end");
                later(&watch, HOUR * 2);
                watch.start_anew(setup()).await;
                let before = watch.world.published().len();
                let answer = watch.deliver(&sweep()).await;
                assert!(watch.ingress().is_empty(), "{lost:?} {mode:?} {source}: {:#?}", answer.findings);
                let ended: Vec<&Finding> = answer.findings.iter().filter(|finding| finding.is_of_end()).collect();
                assert_eq!(ended.len(), 1, "{lost:?} {mode:?} {source}: {:#?}", answer.findings);
                let summary = answer.findings.last().unwrap().sweep.as_ref().unwrap();
                assert_eq!(
                    summary.exposed, 0,
                    "{lost:?} {mode:?} {source}: it was closed before the groups were judged"
                );
                assert_eq!(judged(ended[0]), (Verdict::Exempt, Outcome::Reverted), "{lost:?} {mode:?} {source}");
                assert_eq!(watch.world.published().len(), before + 1);
                assert!(ended[0].reason.contains("by a sweep"), "{}", ended[0].reason);
                assert_eq!(ends(&watch)[0].opening.as_ref().unwrap().ended_by, Some(EndedBy::Sweep));
                assert!(memory(&watch).waivers.is_empty());
                assert!(listed(&watch).is_empty(), "{lost:?}");
                // And the schedule, where it comes after all, finds nothing to do.
                let late = watch.finding(&end(&watch, ID)).await;
                assert_eq!(judged(&late), (Verdict::Irrelevant, Outcome::None));
                let quiet = watch.deliver(&sweep()).await;
                assert!(!quiet.findings.iter().any(Finding::is_of_end), "{:#?}", quiet.findings);
            }
        }
    }
}

/// Whoever may write descriptions could otherwise have any lawful rule revoked, in alert mode too.
#[tokio::test(start_paused = true)]
async fn a_description_alone_has_no_rule_revoked_and_is_told_once_a_day() {
    for mode in [Mode::Enforce, Mode::Alert] {
        let watch = Setup { mode, ..told() }.start().await;
        let marked = opening::description(ID, watch.context.now() - HOUR, "INC-123");
        let permission = Permission { description: Some(marked), ..Permission::tcp(443, OFFICE) };
        let rule = watch.world.authorize(ACCOUNT, REGION, &watch.group, &[permission]).unwrap().remove(0);
        for (round, (verdict, messages)) in [(Verdict::Undecided, 1), (Verdict::Irrelevant, 1)].into_iter().enumerate()
        {
            let answer = watch.deliver(&sweep()).await;
            let said = answer.findings.iter().find(|finding| finding.is_of_end()).unwrap();
            assert_eq!(judged(said), (verdict, Outcome::None), "{mode:?} {round}: {said:#?}");
            assert!(said.reason.contains(&rule), "{}", said.reason);
            let of_end = |message: &&ec2_model::Published| message.message.contains(ID);
            assert_eq!(watch.world.published().iter().filter(of_end).count(), messages, "{mode:?} {round}");
            later(&watch, HOUR);
        }
        later(&watch, HOUR * 24);
        let again = watch.deliver(&sweep()).await;
        let said = again.findings.iter().find(|finding| finding.is_of_end()).unwrap();
        assert_eq!(judged(said), (Verdict::Undecided, Outcome::None), "{mode:?}");
        // Nor has the event of a schedule that anybody may have made.
        let end = watch.finding(&end(&watch, ID)).await;
        assert_eq!(end.outcome, Outcome::None, "{end:#?}");
        assert_eq!(watch.ingress().len(), 1, "{mode:?}");
        assert!(ends(&watch).is_empty());
    }
}

/// Each would cost calls and a message, and keep the sweep from what is open.
#[tokio::test(start_paused = true)]
async fn a_flood_of_descriptions_costs_a_sweep_no_more_than_sixteen() {
    let watch = Setup { policy: "version: 1\nsweep: {mode: enforce}", ..told() }.start().await;
    let over = watch.context.now() - HOUR;
    let marked = |n: usize| Permission {
        description: Some(opening::description(&format!("w-{n:04}"), over, "x")),
        ..Permission::tcp(443, &format!("203.0.113.{n}/32"))
    };
    watch.open(&(0..40).map(marked).collect::<Vec<_>>());
    watch.open(&[Permission::tcp(22, WIDE)]);
    let before = watch.world.call_counts().get("DescribeSecurityGroupRules").copied().unwrap_or_default();
    let answer = watch.deliver(&sweep()).await;
    assert_eq!(answer.findings.iter().filter(|finding| finding.is_of_end()).count(), 16);
    let looks = watch.world.call_counts()["DescribeSecurityGroupRules"] - before;
    assert!(looks <= 16 + 2, "{looks} looks");
    assert_eq!(watch.ingress().len(), 40, "what is open is closed all the same, and nothing else is");
}

/// Without the memory nobody can tell a rule of an opening from one that only says so.
#[tokio::test(start_paused = true)]
async fn without_the_memory_an_end_fails_and_touches_nothing() {
    let mut watch = Setup { mode: Mode::Alert, ..told() }.start().await;
    opened(&watch, OFFICE).await;
    watch.world.delete_table(ACCOUNT, REGION, TABLE);
    later(&watch, HOUR * 2);
    watch.start_anew(told()).await;
    let answer = watch.deliver(&sweep()).await;
    let said = answer.findings.iter().find(|finding| finding.is_of_end()).unwrap();
    assert_eq!(said.outcome, Outcome::Failed, "{said:#?}");
    assert!(!answer.failed.is_empty(), "somebody has to look");
    assert_eq!(watch.ingress().len(), 1);
}

/// An operator's command that was stopped for hours opens what was to have ended.
#[tokio::test(start_paused = true)]
async fn what_is_opened_after_its_own_end_is_told_and_closed_where_it_exposes() {
    let mut watch = told().start().await;
    let made = opened_up_to(&watch, WIDE, Step::Waived).await;
    later(&watch, HOUR * 2);
    assert_eq!(judged(&watch.finding(&end(&watch, ID)).await), (Verdict::Exempt, Outcome::AlreadyGone));
    let description = Some(opening::description(ID, made.until, "INC-123"));
    let event = watch.open(&[Permission { description, ..Permission::tcp(22, WIDE) }]);
    watch.start_anew(told()).await;
    assert_eq!(judged(&watch.finding(&event).await), (Verdict::Exposed, Outcome::Reverted));
    assert!(watch.ingress().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_end_that_a_sweep_cannot_carry_out_fails_and_is_tried_again() {
    let watch = told().start().await;
    opened(&watch, WIDE).await;
    later(&watch, HOUR * 2);
    watch.world.deny(ACCOUNT, "RevokeSecurityGroupIngress");
    let answer = watch.deliver(&sweep()).await;
    assert!(!answer.failed.is_empty());
    assert_eq!(answer.findings.last().unwrap().outcome, Outcome::Failed);
    watch.world.permit(ACCOUNT, "RevokeSecurityGroupIngress");
    watch.deliver(&sweep()).await;
    assert!(watch.ingress().is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_only_looks_ends_nothing_and_is_told_what_is_overdue() {
    let mut watch = told().start().await;
    opened(&watch, WIDE).await;
    later(&watch, HOUR * 2);
    watch.context.ends_openings = false;
    let answer = watch.deliver(&sweep()).await;
    let overdue = answer.findings.iter().find(|finding| finding.is_of_end()).unwrap();
    assert_eq!(judged(overdue), (Verdict::Exempt, Outcome::WouldRevert), "{overdue:#?}");
    assert_eq!((watch.ingress().len(), memory(&watch).waivers.len()), (1, 1));
}

/// The first reads of the list of openings meet a fault.
fn faults_of_the_list(watch: &Watch, count: usize, kind: FaultKind) -> Between {
    let (world, left) = (watch.world.clone(), AtomicUsize::new(count));
    Arc::new(move |request| {
        let is_read = request.headers.iter().any(|(_, value)| value.ends_with(".GetItem"));
        let is_of_list = is_read && String::from_utf8_lossy(&request.body).contains(&list());
        if is_of_list && left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok() {
            world.inject(Fault::next("GetItem", kind.clone()));
        }
        (Duration::ZERO, world.handle(request))
    })
}

/// Without the list nobody can tell which openings are over: that is no reason to be silent.
#[tokio::test(start_paused = true)]
async fn a_list_that_cannot_be_read_fails_the_sweep_where_somebody_hears_and_one_error_does_not() {
    for (errors, is_known) in [(1, true), (2, true), (3, false)] {
        for mode in [Mode::Enforce, Mode::Alert] {
            let mut watch = Setup { mode, ..told() }.start().await;
            let made = opened(&watch, OFFICE).await;
            reworded(&watch, &made.rules[0], OFFICE, "for ever");
            watch.open(&[Permission::tcp(22, WIDE)]);
            later(&watch, HOUR * 2);
            let (status, code, message) = (500, "InternalServerError".to_owned(), "injected".to_owned());
            let kind = FaultKind::ErrorBefore { status, code, message };
            let between = faults_of_the_list(&watch, errors, kind);
            watch.start_behind(Setup { mode, ..told() }, between).await;
            let answer = watch.deliver(&sweep()).await;
            let what = format!("{errors} {mode:?}: {:#?}", answer.findings);
            assert_eq!(answer.failed.is_empty(), is_known, "{what}");
            let of_end = answer.findings.iter().find(|finding| finding.is_of_end()).unwrap();
            if is_known {
                assert_eq!(judged(of_end), (Verdict::Exempt, Outcome::Reverted), "{what}");
                continue;
            }
            assert_eq!(judged(of_end), (Verdict::Undecided, Outcome::Failed), "{what}");
            assert!(of_end.reason.contains("cannot be told: what was to end may be open still"), "{what}");
            assert!(metric(&watch, "Undecided") > 0, "an alarm hears it: {what}");
            let is_of_list = |message: &ec2_model::Published| message.message.contains("cannot be told");
            assert!(!watch.world.published().iter().any(is_of_list), "a message for each Region would be too many");
            let summary = answer.findings.iter().find_map(|finding| finding.sweep.as_ref());
            assert_eq!(summary.map(|sweep| sweep.exposed), Some(1), "the rest was looked at: {what}");
            // AWS delivers it again.
            watch.deliver(&sweep()).await;
            assert!(!watch.ingress().iter().any(|rule| rule.contains(OFFICE)), "{mode:?}: {:?}", watch.ingress());
        }
    }
}

/// There may be thousands of places, and each is tried three times.
#[tokio::test(start_paused = true)]
async fn a_list_that_cannot_be_read_fails_the_sweep_and_sends_no_message() {
    for mode in [Mode::Enforce, Mode::Alert] {
        let watch = Setup { mode, ..told() }.start().await;
        watch.open(&[Permission::tcp(443, "0.0.0.0/0")]);
        watch.world.delete_table(ACCOUNT, REGION, TABLE);
        for attempt in 1..=3 {
            let answer = watch.deliver(&sweep()).await;
            let what = format!("{mode:?} {attempt}: {:#?}", answer.findings);
            assert!(!answer.failed.is_empty(), "{what}");
            let of_end = answer.findings.iter().find(|finding| finding.is_of_end()).unwrap();
            assert_eq!(judged(of_end), (Verdict::Undecided, Outcome::Failed), "{what}");
            let summary = answer.findings.iter().find(|finding| finding.sweep.is_some()).unwrap();
            assert_eq!(judged(summary), (Verdict::Safe, Outcome::None), "{what}");
            assert_eq!(watch.world.published().len(), 0, "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_open_does_not_wait_for_a_slow_list_and_what_is_over_is_ended_after_it() {
    let setup = || Setup { policy: "version: 1\nsweep: {mode: enforce}", ..told() };
    for slow in 1..=2 {
        let mut watch = setup().start().await;
        let made = opened(&watch, OFFICE).await;
        // Only the list tells of it.
        reworded(&watch, &made.rules[0], OFFICE, "for ever");
        watch.open(&[Permission::tcp(22, WIDE)]);
        later(&watch, HOUR * 2);
        let between = faults_of_the_list(&watch, slow, FaultKind::Slow(Duration::from_secs(20)));
        watch.start_behind(setup(), between).await;
        let before = watch.world.calls().len();
        let answer = watch.deliver(&sweep()).await;
        assert!(answer.failed.is_empty(), "{slow}: {:#?}", answer.findings);
        assert!(watch.ingress().is_empty(), "{slow}: {:?}", watch.ingress());
        let calls: Vec<ec2_model::Call> = watch.world.calls().into_iter().skip(before).collect();
        let is_read =
            |call: &ec2_model::Call| call.action == "GetItem" && call.params.iter().any(|(_, value)| *value == list());
        let reads: Vec<usize> = (0..calls.len()).filter(|n| is_read(&calls[*n])).collect();
        let revoke = calls.iter().position(|call| call.action == "RevokeSecurityGroupIngress").unwrap();
        assert_eq!(reads.len(), slow + 1, "{slow}");
        assert!(reads[0] < revoke && revoke < reads[1], "{slow}: {revoke} {reads:?}");
    }
}
