//! Whatever fails on the way: nothing is open that does not end by itself, and nothing is left behind that could be taken
//! back.

use ec2_model::{Fault, FaultKind};

use super::*;

const ASKED: [&str; 8] = ["--port", "ssh", "--from", OFFICE, "--for", "2h", "--reason", "x"];

fn error(status: u16, code: &str, message: &str) -> FaultKind {
    FaultKind::ErrorBefore { status, code: code.to_owned(), message: message.to_owned() }
}

/// Nothing is open, and nothing is left.
fn is_clean(stack: &Stack, group: &str, what: &str) {
    assert!(stack.rules(group).is_empty(), "{what}");
    assert!(stack.schedules().is_empty(), "{what}");
    assert!(stack.memory(group).waivers.is_empty() && stack.listed().is_empty(), "{what}");
}

#[test]
fn a_schedule_that_cannot_be_made_says_why_and_what_to_do() {
    for (kind, part) in [
        (error(409, "ConflictException", "exists"), "run it again, and it gets another"),
        (
            error(404, "ResourceNotFoundException", "Schedule group portcullis does not exist."),
            "deploy the stack again with Openings=yes",
        ),
        (
            error(
                400,
                "ValidationException",
                "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.",
            ),
            "may not assume the schedules' role",
        ),
        (
            error(403, "AccessDeniedException", "User is not authorized to perform: scheduler:CreateSchedule"),
            "attach the stack's OperatorPolicy to your own role",
        ),
        (
            error(403, "InvalidSignatureException", "Signature expired: 20261126T000000Z is now earlier"),
            "is this machine's clock right?",
        ),
        (error(402, "ServiceQuotaExceededException", "too many"), "has too many schedules in this Region"),
    ] {
        let stack = Stack::new();
        let web = stack.group("web");
        stack.world.inject(Fault::next("CreateSchedule", kind));
        let ran = stack.open(&web, &ASKED);
        assert!(ran.code == 2 && ran.stderr.contains(part), "{part}: {}", ran.stderr);
        assert!(ran.stderr.contains("nothing was opened"), "{}", ran.stderr);
        is_clean(&stack, &web, part);
        assert!(!stack.called("UpdateItem"), "{part}");
    }
    let stack = Stack::new();
    let web = stack.group("web");
    stack.world.deny(ACCOUNT, "PassRole");
    let ran = stack.open(&web, &ASKED);
    assert!(ran.code == 2 && ran.stderr.contains("you may not pass the schedules' role"), "{}", ran.stderr);
    stack.world.permit(ACCOUNT, "PassRole");
    stack.world.delete_schedule_group(ACCOUNT, REGION, "portcullis");
    let ran = stack.open(&web, &ASKED);
    assert!(ran.code == 2 && ran.stderr.contains("the stack's group of schedules is gone"), "{}", ran.stderr);
    is_clean(&stack, &web, "no group");
}

#[test]
fn a_memory_or_evidence_that_cannot_be_written_opens_nothing_and_takes_back_what_was_made() {
    // The list, then the waiver; the evidence of what is about to be done.
    for (action, nth) in [("UpdateItem", 0), ("UpdateItem", 1), ("PutObject", 0)] {
        let stack = Stack::new();
        let web = stack.group("web");
        stack.world.inject(Fault { action: Some(action.into()), nth, kind: FaultKind::Denied });
        let ran = stack.open(&web, &ASKED);
        assert!(ran.code == 2 && ran.stderr.contains("nothing was opened"), "{action} {nth}: {}", ran.stderr);
        assert!(!stack.called("AuthorizeSecurityGroupIngress"), "{action} {nth}");
        is_clean(&stack, &web, action);
    }
}

#[test]
fn a_call_that_fails_leaves_nothing_and_one_whose_answer_is_lost_is_found() {
    let stack = Stack::new();
    let web = stack.group("web");
    stack.world.deny(ACCOUNT, "AuthorizeSecurityGroupIngress");
    let ran = stack.open(&web, &ASKED);
    assert!(ran.code == 2 && ran.stderr.contains("UnauthorizedOperation"), "{}", ran.stderr);
    assert!(ran.stderr.contains("nothing was opened"), "{}", ran.stderr);
    is_clean(&stack, &web, "denied");
    let outcomes: Vec<ActOutcome> = stack.evidence().iter().map(|act| act.outcome).collect();
    assert_eq!(outcomes, [ActOutcome::Intended, ActOutcome::Failed]);

    let stack = Stack::new();
    let web = stack.group("web");
    stack.world.inject(Fault::next("AuthorizeSecurityGroupIngress", FaultKind::LostAfter));
    let ran = stack.open(&web, &ASKED);
    is(&ran, 0);
    let id = stack.waiver(&ran);
    assert_eq!((stack.rules(&web).len(), stack.memory(&web).opened[&id].len()), (1, 1));
}

#[test]
fn what_fails_after_the_rule_is_there_is_told_and_the_opening_ends_all_the_same() {
    let stack = Stack::new();
    let web = stack.group("web");
    stack.world.inject(Fault { action: Some("UpdateItem".into()), nth: 2, kind: FaultKind::Denied });
    let ran = stack.open(&web, &ASKED);
    assert!(is(&ran, 0).stderr.contains("it ends by the rule's description"), "{}", ran.stderr);
    let closed = stack.run(&["close", &stack.waiver(&ran)]);
    assert!(is(&closed, 0).stdout.contains("1 rule revoked"), "{}", closed.stdout);

    let stack = Stack::new();
    let web = stack.group("web");
    // The intent, the policy, and then the evidence of what was opened.
    stack.world.inject(Fault { action: Some("PutObject".into()), nth: 2, kind: FaultKind::Denied });
    let ran = stack.open(&web, &ASKED);
    assert!(ran.code == 2 && ran.stderr.contains("the evidence was not written"), "{}{}", ran.stdout, ran.stderr);
    assert!(
        ran.stdout.contains("\"outcome\":\"opened\"") && ran.stdout.contains("portcullis close w-"),
        "{}",
        ran.stdout
    );
    assert_eq!((stack.rules(&web).len(), stack.schedules().len()), (1, 1), "it is open, and ends");
}

#[test]
fn a_close_that_fails_says_that_it_may_be_open_and_works_when_it_is_done_again() {
    let stack = Stack::new();
    let web = stack.group("web");
    let id = stack.waiver(&stack.open(&web, &ASKED));
    stack.world.deny(ACCOUNT, "RevokeSecurityGroupIngress");
    let ran = stack.run(&["close", &id]);
    assert!(
        ran.code == 2 && ran.stderr.contains("its end did not succeed; not revoked: UnauthorizedOperation"),
        "{}",
        ran.stderr
    );
    assert_eq!((stack.rules(&web).len(), stack.schedules().len(), stack.memory(&web).waivers.len()), (1, 1, 1));
    stack.world.permit(ACCOUNT, "RevokeSecurityGroupIngress");
    stack.world.deny(ACCOUNT, "DeleteSchedule");
    let ran = stack.run(&["close", &id]);
    assert!(is(&ran, 0).stderr.contains("is there still, and will find nothing to end"), "{}", ran.stderr);
    assert!(stack.rules(&web).is_empty());
}
