//! Seeded worlds: groups, rules, interfaces and connections whose truth is known. Each writes its CloudTrail records and its
//! flow logs; the hunts must tell the truth, or say that they cannot.

mod naive;
mod world;

use std::collections::BTreeMap;

use portcullis_hunt::flows::Answer;

use crate::made::{Logs, Version};
use world::{Made, make};

/// How many worlds: PORTCULLIS_HUNT_WORLDS, or a few.
fn worlds() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a test's own setting")]
    let wanted = std::env::var("PORTCULLIS_HUNT_WORLDS");
    wanted.ok().and_then(|wanted| wanted.parse().ok()).unwrap_or(60)
}

fn written(made: &Made) -> Logs {
    let mut logs = Logs::new();
    let half = made.records.len() / 2;
    logs.trail(&made.records[half..]).trail(&made.records[..half]);
    let third = made.lines.len() / 3;
    logs.flows(made.version, &made.lines[third..]).flows(made.version, &made.lines[..third]);
    logs
}

/// Each answer against the truth. Returns how often each answer was given.
fn check(seed: u64, made: &Made) -> BTreeMap<&'static str, u64> {
    let logs = written(made);
    let world = logs.world(2);
    let knowledge = world.knowledge();
    let mut given = BTreeMap::new();
    for usage in world.usage() {
        let life = &knowledge.rules[usage.life];
        let truth = made.truth.get(&life.id).unwrap_or_else(|| panic!("seed {seed}: {life:?}"));
        *given.entry(usage.answer.as_str()).or_default() += 1;
        let told = format!("seed {seed} {:?}: {life:?}\n{usage:?}\n{truth:?}", made.version);
        match usage.answer {
            Answer::Used => assert!(truth.alone > 0, "it is not used alone: {told}"),
            Answer::Unused => assert_eq!(truth.admitted, 0, "it is used: {told}"),
            Answer::Perhaps | Answer::CannotTell => {}
        }
        // Where everything is known, the format alone limits the answer.
        if made.is_complete {
            let flags = made.version != Version::Two;
            let expected = match (truth.alone, truth.admitted, truth.like) {
                (1.., _, _) if flags => Answer::Used,
                (_, 0, 0) => Answer::Unused,
                _ => Answer::Perhaps,
            };
            assert_eq!(usage.answer, expected, "{told}");
        }
    }
    given
}

#[test]
fn the_answers_are_true_or_cannot_tell() {
    let mut given: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in 0..worlds() {
        for (answer, count) in check(seed, &make(seed)) {
            *given.entry(answer).or_default() += count;
        }
    }
    println!("{} worlds: {given:?}", worlds());
    assert_eq!(given.len(), 4, "each answer is met: {given:?}");
}

#[test]
fn the_number_of_threads_and_the_order_of_the_files_change_no_answer() {
    for seed in 0..worlds().min(20) {
        let mut made = make(seed);
        let logs = written(&made);
        let answers = logs.world(1).usage();
        assert_eq!(logs.world(5).usage(), answers, "seed {seed}");
        made.records.reverse();
        made.lines.reverse();
        let other = written(&made);
        assert_eq!(other.world(2).usage(), answers, "seed {seed}");
    }
}

#[test]
fn every_record_has_the_candidates_that_a_naive_attribution_finds() {
    for seed in 0..worlds() {
        let made = make(seed);
        let logs = written(&made);
        let world = logs.world(2);
        let (attributor, knowledge) = (world.attributor(), world.knowledge());
        let header = crate::made::header(made.version);
        let format = portcullis_delivery::flowlog::Format::parse(&header).unwrap();
        for line in &made.lines {
            let flow = portcullis_delivery::flowlog::Flow::parse(line, &format).unwrap();
            let Some(due) = attributor.attribute(&flow) else { continue };
            let mut ours: Vec<&str> = due.candidates.iter().map(|life| knowledge.rules[*life].id.as_str()).collect();
            ours.sort_unstable();
            assert_eq!(ours, naive::candidates(&made, line), "seed {seed}\n{line}");
        }
    }
}
