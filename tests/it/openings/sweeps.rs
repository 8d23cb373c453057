//! The sweep ends what its schedule did not: in alert mode too, whatever became of the rules' descriptions, of the list of
//! openings, and of the memory.

use super::*;

/// What is lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Lost {
    ScheduleAlone,
    Description,
    List,
    Memory,
}

#[tokio::test(start_paused = true)]
async fn a_sweep_ends_what_its_schedule_did_not_in_every_mode_whatever_else_is_lost() {
    for lost in [Lost::ScheduleAlone, Lost::Description, Lost::List, Lost::Memory] {
        for mode in [Mode::Enforce, Mode::Alert] {
            for source in [OFFICE, WIDE] {
                let setup = || Setup { mode, ..told() };
                let mut watch = setup().start().await;
                let made = opened(&watch, source).await;
                match lost {
                    Lost::ScheduleAlone => {}
                    Lost::Description => reworded(&watch, &made.rules[0], source, "for ever"),
                    Lost::List => write(&watch, &list(), Entries::from([(ID.to_owned(), json!("?"))])).await,
                    Lost::Memory => watch.world.delete_table(ACCOUNT, REGION, TABLE),
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
                if lost == Lost::Memory {
                    assert_eq!(ended[0].outcome, Outcome::Failed, "whether that is all cannot be told");
                    continue;
                }
                assert_eq!(judged(ended[0]), (Verdict::Exempt, Outcome::Reverted), "{lost:?} {mode:?} {source}");
                assert_eq!(watch.world.published().len(), before + 1);
                assert!(ended[0].reason.contains("by a sweep"), "{}", ended[0].reason);
                assert_eq!(ends(&watch)[0].opening.as_ref().unwrap().ended_by, Some(EndedBy::Sweep));
                assert!(memory(&watch).waivers.is_empty());
                assert!(entries(&watch, &list()).is_empty(), "{lost:?}");
                // And the schedule, where it comes after all, finds nothing to do.
                let late = watch.finding(&end(&watch, ID)).await;
                assert_eq!(judged(&late), (Verdict::Irrelevant, Outcome::None));
                let quiet = watch.deliver(&sweep()).await;
                assert!(!quiet.findings.iter().any(Finding::is_of_end), "{:#?}", quiet.findings);
            }
        }
    }
}

/// An operator's command that was stopped for hours opens what was to have ended.
#[tokio::test(start_paused = true)]
async fn what_is_opened_after_its_own_end_is_ended_by_the_next_sweep() {
    let mut watch = told().start().await;
    let made = opened_up_to(&watch, OFFICE, Step::Waived).await;
    later(&watch, HOUR * 2);
    assert_eq!(judged(&watch.finding(&end(&watch, ID)).await), (Verdict::Exempt, Outcome::AlreadyGone));
    let description = Some(opening::description(ID, made.until, "INC-123"));
    watch.open(&[Permission { description, ..Permission::tcp(22, OFFICE) }]);
    watch.start_anew(told()).await;
    let answer = watch.deliver(&sweep()).await;
    assert!(watch.ingress().is_empty(), "{:#?}", answer.findings);
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
