//! `portcullis close` where the list of openings does not name what it is to close.

use super::stage::TABLE;
use super::*;

const ASKED: [&str; 8] = ["--port", "ssh", "--from", OFFICE, "--for", "2h", "--reason", "x"];

fn opened(stack: &Stack) -> (String, String) {
    let web = stack.group("web");
    let ran = stack.open(&web, &ASKED);
    let id = stack.waiver(is(&ran, 0));
    stack.world.lose_item(ACCOUNT, REGION, TABLE, &format!("openings#{ACCOUNT}/{REGION}"));
    (web, id)
}

fn lose_schedule(stack: &Stack) {
    stack.world.delete_schedule_group(ACCOUNT, REGION, "portcullis");
    stack.world.create_schedule_group(ACCOUNT, REGION, "portcullis");
}

/// Takes away what the rule says of itself.
fn reword(stack: &Stack, group: &str) {
    let rule = stack.rules(group).remove(0).id;
    let permission = ec2_model::Permission::tcp(22, OFFICE).described("for ever");
    stack.world.modify_rules(ACCOUNT, REGION, group, &[ec2_model::RuleChange { rule, permission }]).unwrap();
}

#[test]
fn an_opening_that_the_list_has_lost_is_found_by_its_schedule_or_by_its_rules_and_closed() {
    for (by_schedule, part) in [(true, "its schedule names"), (false, "a rule's description names it")] {
        let stack = Stack::new();
        let (web, id) = opened(&stack);
        if by_schedule {
            reword(&stack, &web)
        } else {
            lose_schedule(&stack)
        }
        let closed = stack.run(&["close", &id]);
        assert!(is(&closed, 0).stdout.contains("1 rule revoked"), "{}{}", closed.stdout, closed.stderr);
        assert!(closed.stderr.contains(part), "{}", closed.stderr);
        assert!(stack.rules(&web).is_empty() && stack.memory(&web).waivers.is_empty());
        let again = stack.run(&["close", &id]);
        assert!(is(&again, 0).stdout.contains(&format!("{id} was ended at 2")), "{}", again.stdout);
    }
}

#[test]
fn what_nothing_names_cannot_be_told_and_is_closed_by_its_group_whose_memory_knows_it() {
    let stack = Stack::new();
    let (web, id) = opened(&stack);
    reword(&stack, &web);
    lose_schedule(&stack);
    let ran = stack.run(&["close", &id]);
    for part in ["that cannot be told", "portcullis close sg-", "portcullis sweep shows what is open"] {
        assert!(ran.code == 3 && ran.stderr.contains(part), "{part}: {} {}{}", ran.code, ran.stdout, ran.stderr);
    }
    assert_eq!(stack.rules(&web).len(), 1);
    let closed = stack.run(&["close", &web]);
    assert!(is(&closed, 0).stdout.contains("1 rule revoked"), "{}", closed.stdout);
    assert!(stack.rules(&web).is_empty());
}

/// A description alone has nothing revoked: it is told, and somebody has to look.
#[test]
fn a_rule_that_only_says_that_it_is_of_an_opening_is_told_and_left_alone() {
    let stack = Stack::new();
    let web = stack.group("web");
    let says = ec2_model::Permission::tcp(22, OFFICE).described("portcullis w-0000 until 2026-01-01T00:00:00Z x");
    stack.world.authorize(ACCOUNT, REGION, &web, &[says]).unwrap();
    let ran = stack.run(&["close", "w-0000"]);
    assert!(
        ran.code == 3 && ran.stdout.contains("anybody who may write a description"),
        "{}{}",
        ran.stdout,
        ran.stderr
    );
    assert_eq!(stack.rules(&web).len(), 1);
}

/// By its group it is told as well: there is something to do.
#[test]
fn a_group_whose_rule_only_says_that_it_is_of_an_opening_is_told_and_left_alone() {
    let stack = Stack::new();
    let (web, id) = opened(&stack);
    lose_schedule(&stack);
    stack.world.lose_item(ACCOUNT, REGION, TABLE, &format!("{ACCOUNT}/{REGION}/{web}"));
    // Whichever way, and each time.
    for what in [&web, &id, &web] {
        let ran = stack.run(&["close", what]);
        let is_told = ran.stdout.contains(&id) && ran.stdout.contains("anybody who may write a description");
        assert!(ran.code == 3 && is_told, "{what}: {} {}{}", ran.code, ran.stdout, ran.stderr);
    }
    assert_eq!(stack.rules(&web).len(), 1);
}
