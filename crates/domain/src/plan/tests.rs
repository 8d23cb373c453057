mod former;
mod naive;

use crate::change::ChangedRules;
use crate::ids::PrefixListId;
use crate::judge::tests::{Case, change, permission};

/// Checks a plan. Each line is a rule; ` *` at its end means that the rule goes.
#[track_caller]
fn check(policy: &str, marked: &[&str]) {
    let lines: Vec<&str> = marked.iter().map(|line| line.trim_end_matches(" *")).collect();
    let goes = marked.iter().filter_map(|line| line.strip_suffix(" *"));
    assert_eq!(Case::under(policy, &lines).planned(), goes.collect::<Vec<_>>(), "{marked:?}");
}

// One rule that reaches the limit by itself.

#[test]
fn a_rule_that_exposes_by_itself_goes_and_nothing_beside_it() {
    check(
        "",
        &[
            "a tcp 22 0.0.0.0/0 *",
            "a tcp 22 198.51.100.0/24",
            "a tcp 22 10.0.0.0/8",
            "a tcp 22 sg-1",
            "a tcp 443 0.0.0.0/0",
            "a icmp 3-22 0.0.0.0/0",
            "a 47 - 0.0.0.0/0",
            "old tcp 443 0.0.0.0/0",
        ],
    );
}

#[test]
fn every_form_of_open_to_all_goes() {
    for line in [
        "a tcp 22 1.2.3.4/0 *",
        "a tcp 22 ::/0 *",
        "a tcp 22 2000::/3 *",
        "a tcp 20-25 0.0.0.0/0 *",
        "a tcp 0-65535 0.0.0.0/0 *",
        "a tcp - 0.0.0.0/0 *",
        "a -1 - 0.0.0.0/0 *",
        "a 6 22 0.0.0.0/0 *",
        "a udp 3389 0.0.0.0/0 *",
        "a tcp 22 8.0.0.0/8 *",
    ] {
        check("", &[line]);
    }
    for harmless in ["a icmp 3-22 0.0.0.0/0", "a 47 22 0.0.0.0/0", "a tcp 23 0.0.0.0/0", "a tcp 22 8.0.0.0/9"] {
        check("", &[harmless]);
    }
}

#[test]
fn only_the_open_source_of_a_permission_goes() {
    check("", &["a tcp 22 0.0.0.0/0 *", "a tcp 22 8.8.8.8/32", "a tcp 22 2600::1/128", "a tcp 22 ::/0 *"]);
}

#[test]
fn an_open_rule_goes_even_while_the_exposure_stands_without_it() {
    check("", &["old tcp 22 0.0.0.0/0", "a tcp 0-65535 0.0.0.0/0 *", "a tcp 22 8.0.0.0/9"]);
}

#[test]
fn nothing_that_no_change_made_ever_goes() {
    check("", &["old tcp 22 0.0.0.0/0", "old -1 - ::/0", "a tcp 22 8.8.8.8/32", "a tcp 22 2600::1/128"]);
}

// Rules that reach the limit together.

#[test]
fn halves_in_one_change_go_both() {
    check("", &["a tcp 22 0.0.0.0/1 *", "a tcp 22 128.0.0.0/1 *"]);
    check("internet: {ipv4: /0}", &["a tcp 22 0.0.0.0/1 *", "a tcp 22 128.0.0.0/1"]);
}

#[test]
fn halves_over_two_changes_in_one_batch_go_as_those_of_one() {
    check("", &["a tcp 22 8.0.0.0/9 *", "b tcp 22 8.128.0.0/9"]);
    check("internet: {ipv4: /0}", &["a tcp 22 128.0.0.0/1", "b tcp 22 0.0.0.0/1 *"]);
}

#[test]
fn the_half_that_comes_later_goes_and_the_standing_half_stays() {
    check("", &["old tcp 22 8.0.0.0/9", "a tcp 22 8.128.0.0/9 *"]);
    check("", &["old tcp 0-65535 8.0.0.0/9", "a tcp 20-25 8.128.0.0/9 *", "a tcp 22 8.8.8.8/32"]);
}

#[test]
fn the_widest_go_first_and_no_more_than_needed() {
    check("", &["a tcp 22 8.0.0.0/10", "a tcp 22 9.0.0.0/9 *", "a tcp 22 8.64.0.0/10", "a tcp 22 11.0.0.0/10"]);
    check("", &["a tcp 22 9.0.0.0/10", "a tcp 22 9.64.0.0/10", "a tcp 22 9.128.0.0/9 *"]);
    let alike = ["a tcp 22 8.64.0.0/10 *", "a tcp 22 8.0.0.0/10", "a tcp 22 8.128.0.0/10", "a tcp 22 8.192.0.0/10"];
    check("", &alike);
}

#[test]
fn many_small_blocks_that_add_up_go_until_the_rest_is_under() {
    let blocks = |from: u32, to: u32| (from..to).map(|n| format!("a tcp 22 {}.{}.0.0/16", 8 + n / 256, n % 256));
    let case = |lines: Vec<String>| {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        Case::of(&lines).planned().len()
    };
    assert_eq!(case(blocks(0, 255).collect()), 0);
    assert_eq!(case(blocks(0, 256).collect()), 1);
    assert_eq!(case(blocks(0, 300).collect()), 45);
    assert_eq!(case(blocks(0, 255).chain(["a tcp 22 9.0.0.0/10".to_owned()]).collect()), 1);
}

#[test]
fn a_rule_whose_addresses_the_rest_of_the_group_admits_anyway_stays() {
    check("", &["old tcp 22 8.0.0.0/9", "a tcp 22 8.0.0.0/10", "a tcp 22 8.128.0.0/11", "a tcp 22 8.160.0.0/11"]);
    check("", &["old tcp 22 8.0.0.0/9", "a tcp 22 8.0.0.0/9", "a tcp 22 8.128.0.0/9 *"]);
}

#[test]
fn small_rules_stay_while_the_exposure_stands_without_them() {
    check("", &["old tcp 22 8.0.0.0/8", "a tcp 22 9.0.0.0/9", "a tcp 22 9.128.0.0/9"]);
}

#[test]
fn each_family_is_rolled_back_by_itself() {
    check("", &["old tcp 22 ::/0", "a tcp 22 2600::/33", "a tcp 22 8.0.0.0/9 *", "a tcp 22 8.128.0.0/9"]);
    check("", &["a tcp 22 2600::/33 *", "a tcp 22 2600:0:8000::/33", "a tcp 22 8.0.0.0/9"]);
}

#[test]
fn a_rule_that_went_for_one_port_counts_for_no_other() {
    check(
        "guard: [ssh, mysql]",
        &["a tcp 0-65535 8.0.0.0/9 *", "a tcp 22 8.128.0.0/10", "a tcp 22 8.192.0.0/10", "a tcp 3306 8.128.0.0/9"],
    );
}

#[test]
fn each_run_of_a_guarded_range_is_brought_under() {
    let guard = "guard: [{name: app, protocol: tcp, ports: [20-29]}]";
    check(guard, &["a tcp 20-24 8.0.0.0/9 *", "a tcp 24-29 8.128.0.0/9"]);
    check(guard, &["old tcp 20 0.0.0.0/0", "a tcp 20-22 8.0.0.0/9 *", "a tcp 20-22 8.128.0.0/9", "a tcp 29 8.0.0.0/9"]);
}

// Trusted, exempt, prefix lists.

#[test]
fn what_is_trusted_makes_a_rule_no_wider() {
    check("trusted: [8.0.0.0/9]", &["a tcp 22 8.0.0.0/8", "a tcp 22 9.0.0.0/8 *"]);
    check("trusted: [8.0.0.0/9]", &["a tcp 22 8.0.0.0/8 *", "a tcp 22 9.0.0.0/9"]);
}

#[test]
fn an_exempt_rule_neither_goes_nor_counts() {
    let policy = "exempt: [{reason: x, until: never, sources: [8.0.0.0/8]}]";
    check(policy, &["a tcp 22 8.0.0.0/8", "a tcp 22 8.0.0.0/9", "a tcp 22 9.0.0.0/9", "a tcp 22 0.0.0.0/0 *"]);
    let elapsed = "exempt: [{reason: x, until: 2026-11-21T10:00:00Z, sources: [8.0.0.0/8]}]";
    check(elapsed, &["a tcp 22 8.0.0.0/8 *"]);
}

#[test]
fn a_prefix_list_goes_as_the_one_rule_it_is() {
    let case = Case::of(&["a tcp 22 pl-1", "a tcp 22 9.0.0.0/9"]);
    assert_eq!(case.planned(), [""; 0], "what cannot be read is a doubt, not an exposure");
    let case = case.list("pl-1", Ok(&["8.0.0.0/9", "8.128.0.0/9"]));
    assert_eq!(case.planned(), ["a tcp 22 pl-1"]);
    let case = case.list("pl-1", Ok(&["9.0.0.0/9", "9.128.0.0/10"]));
    assert_eq!(case.planned(), [""; 0]);
}

#[test]
fn a_list_that_was_exempt_until_it_was_added_to_does_not_stand_by_what_it_held() {
    let policy = |guard: &str| format!("exempt: [{{reason: x, until: never, sources: [8.0.0.0/8], guard: [{guard}]}}]");
    let opened = |policy: &str, entries: &[&str]| {
        let mut case = Case::under(policy, &["old tcp 22 pl-1"]).list("pl-1", Ok(entries));
        let added = Some(vec![entries[1].parse().unwrap()]);
        case.changes = vec![change(ChangedRules::PrefixList {
            list: PrefixListId::parse("pl-1").unwrap(),
            added,
            restored: None,
            version: None,
        })];
        case
    };
    let case = opened(&policy("ssh"), &["8.0.0.0/8", "16.0.0.0/4"]);
    assert_eq!(case.exposed(), ["ssh tcp 22 IPv4: 285212672 by 1"]);
    assert_eq!(case.planned(), ["old tcp 22 pl-1"]);
    // Addresses that were not exempt before the change make a standing exposure. So does a list that gained no public
    // address.
    for (guard, entries) in [
        ("rdp", ["8.0.0.0/8", "16.0.0.0/4"]),
        ("ssh", ["8.0.0.0/7", "16.0.0.0/4"]),
        ("ssh", ["8.0.0.0/8", "10.0.0.0/8"]),
    ] {
        let case = opened(&policy(guard), &entries);
        assert!(case.exposed()[0].ends_with(" standing") && case.planned().is_empty(), "{guard} {entries:?}");
    }
}

#[test]
fn a_port_that_stood_by_what_a_list_held_is_brought_under_when_its_rule_goes() {
    let lines = ["old tcp 22 8.0.0.0/8", "a tcp 22 9.0.0.0/8", "old tcp 22 pl-1"];
    let entries = ["8.0.0.0/8", "9.0.0.0/8"];
    let mut case = Case::under("internet: {ipv4: /7}", &lines).list("pl-1", Ok(&entries));
    let added = Some(vec![entries[0].parse().unwrap()]);
    case.changes[1] = change(ChangedRules::PrefixList {
        list: PrefixListId::parse("pl-1").unwrap(),
        added,
        restored: None,
        version: None,
    });
    // The change to the list reaches the limit. Without it, the other change lets the first two rules reach it.
    assert_eq!(case.exposed(), ["ssh tcp 22 IPv4: 33554432 by 1 2 3 standing"]);
    assert_eq!(case.planned(), &lines[1..]);
}

// A rule that is altered now, and a rule that is new between two looks.

/// The case, with a record of the first change that says that its first rule was `said`.
fn recorded_otherwise(lines: &[&str], said: &str) -> Case {
    let mut case = Case::of(lines);
    let id = case.facts.rules[0].id.clone();
    case.changes[0].recorded_rules = Some(vec![(Some(id), permission(said))]);
    case
}

#[test]
fn a_rule_that_is_something_else_now_goes_where_it_exposes_a_port_by_itself() {
    for now in ["a tcp 20-1002 0.0.0.0/0", "a tcp 22 8.0.0.0/7", "a -1 - ::/0"] {
        assert_eq!(recorded_otherwise(&[now], "tcp 21-1001 0.0.0.0/0").planned(), [now]);
    }
}

#[test]
fn a_rule_that_is_something_else_now_stays_where_it_exposes_nothing_by_itself() {
    let lines = ["a tcp 22 8.0.0.0/9", "old tcp 22 8.128.0.0/9"];
    let case = recorded_otherwise(&lines, "tcp 22 0.0.0.0/0");
    assert_eq!(case.planned(), [""; 0], "what another made of it may be lawful");
    assert_eq!(case.judge().attributions[0].replaced.len(), 1);
}

#[test]
fn a_rule_that_is_something_else_now_stays_where_a_lawful_caller_may_have_made_it() {
    for exemption in ["principals: ['arn:aws:iam::111122223333:role/BreakGlass']", "sources: [0.0.0.0/0]"] {
        let policy = format!("exempt: [{{reason: SEC-1, until: never, {exemption}}}]");
        let mut case = recorded_otherwise(&["a tcp 22 0.0.0.0/0"], "tcp 21-1001 0.0.0.0/0");
        case.policy = Case::under(&policy, &[]).policy;
        assert_eq!(case.planned(), [""; 0], "{exemption}");
    }
}

fn appeared(policy: &str, lines: &[&str], new: &[usize]) -> Case {
    let mut case = Case::under(policy, lines);
    case.facts.appeared = new.iter().map(|n| case.facts.rules[*n].id.clone()).collect();
    case
}

#[test]
fn what_appeared_between_two_looks_goes_whoever_made_it() {
    let lines = ["old tcp 22 0.0.0.0/0", "old tcp 3306 0.0.0.0/0"];
    assert_eq!(appeared("", &lines, &[0]).planned(), ["old tcp 22 0.0.0.0/0"]);
    // Two halves: the first is old and stays, the second is new.
    let halves = ["old tcp 22 8.0.0.0/9", "old tcp 22 8.128.0.0/9", "old tcp 22 10.0.0.0/8"];
    assert_eq!(appeared("", &halves, &[1, 2]).planned(), ["old tcp 22 8.128.0.0/9"]);
}

#[test]
fn what_appeared_between_two_looks_stays_where_a_lawful_caller_may_have_made_it() {
    let by_principal = "exempt: [{reason: SEC-1, until: never, principals: ['arn:aws:iam::*:role/BreakGlass']}]";
    assert_eq!(appeared(by_principal, &["old tcp 22 0.0.0.0/0"], &[0]).planned(), [""; 0]);
    let of_another_port =
        "exempt: [{reason: SEC-1, until: never, guard: [rdp], principals: ['arn:aws:iam::*:role/BreakGlass']}]";
    let lines = ["old tcp 22 0.0.0.0/0"];
    assert_eq!(appeared(of_another_port, &lines, &[0]).planned(), lines);
}

// A group that is filled up to the limit.

/// Blocks that together admit a /24 less than a /8: a /9, a /10 and so on to a /24.
fn filled() -> Vec<String> {
    let block = |bits: u32| {
        let address = (8u32 << 24) + (u32::MAX << (33 - bits) & 0x00ff_ffff);
        format!("old tcp 22 {}/{bits}", std::net::Ipv4Addr::from(address))
    };
    (9..=24).map(block).collect()
}

#[test]
fn the_last_comers_narrow_rule_is_not_taken_for_a_group_that_others_filled() {
    let filled = filled();
    let mut lines: Vec<&str> = filled.iter().map(String::as_str).collect();
    assert_eq!(Case::of(&lines).exposed(), [""; 0]);
    assert_eq!(Case::of(&lines).judge().nearly.len(), 1, "it is nearly open");
    lines.push("a tcp 22 9.9.9.0/24");
    assert_eq!(Case::of(&lines).planned(), [""; 0], "a /24 is next to nothing");
    assert!(Case::of(&lines).judge().exposures[0].standing, "reported, and left to the sweep");
    *lines.last_mut().unwrap() = "a tcp 22 9.9.8.0/23";
    assert_eq!(Case::of(&lines).planned(), ["a tcp 22 9.9.8.0/23"], "a /23 is more");
}

#[test]
fn a_narrow_rule_over_the_limit_makes_nothing_free_that_comes_after() {
    let filled = filled();
    let mut lines: Vec<&str> = filled.iter().map(String::as_str).collect();
    lines.extend(["old tcp 22 9.9.9.0/24", "a tcp 22 11.0.0.0/9", "a tcp 22 12.0.0.0/24"]);
    assert_eq!(Case::of(&lines).planned(), ["a tcp 22 11.0.0.0/9"]);
}

#[test]
fn where_the_limit_is_small_no_rule_is_next_to_nothing() {
    let policy = "internet: {ipv4: /31}";
    let lines = ["old tcp 22 9.9.9.9/32", "a tcp 22 9.9.9.10/32"];
    assert_eq!(Case::under(policy, &lines).planned(), ["a tcp 22 9.9.9.10/32"]);
}

#[test]
fn a_rule_that_need_not_go_is_put_back() {
    // The /9 of 180.0.0.0 holds the /10 of 180.64.0.0: with the former gone, the latter may stay.
    check(
        "",
        &[
            "a tcp 3306 114.0.0.0/9 *",
            "a tcp 3306 197.128.0.0/9 *",
            "a tcp 3306 180.0.0.0/9 *",
            "a tcp 3306 180.64.0.0/10",
            "a tcp 3306 191.192.0.0/10",
            "old tcp 3306 23.0.0.0/10",
        ],
    );
}
