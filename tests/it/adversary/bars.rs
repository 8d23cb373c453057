//! The limits that must hold whatever the attacker does, and two attacks of their own.

use std::sync::OnceLock;
use std::time::Duration;

use super::Fight;
use super::attacks::{ATTACKS, Attack, Pace};
use super::figures::{Outcome, assert_fought, in_parallel, table};
use super::run::{Travel, Who};
use crate::sample::is_whole;
use crate::simulation::{first_seed, number};

/// The command that repeats one seed and prints everything that happens.
const AGAIN: &str =
    "cargo test --workspace --features ec2-model/serve --locked --test it adversary::bars::the -- --nocapture";

/// All fights of `PORTCULLIS_SEEDS`, from `PORTCULLIS_FIRST_SEED` on, run once for all tests. Without it each attack is
/// fought six times with a memory and six times without.
fn all() -> &'static [Outcome] {
    static FOUGHT: OnceLock<Vec<Outcome>> = OnceLock::new();
    FOUGHT.get_or_init(|| {
        let (seeds, began) = (number("PORTCULLIS_SEEDS").unwrap_or(228), std::time::Instant::now());
        let count = usize::try_from(seeds).unwrap();
        let first = first_seed();
        let outcomes = in_parallel(count, |n| Fight::draw(first + n as u64).fight(first + n as u64, false));
        for memory in [false, true] {
            let of: Vec<Outcome> = outcomes.iter().filter(|outcome| outcome.memory == memory).cloned().collect();
            println!("{} a memory\n{}", if memory { "With" } else { "Without" }, table(&of));
        }
        println!("{seeds} seeds from {first} on in {:.1?}", began.elapsed());
        outcomes
    })
}

fn worst(what: &str, of: impl Fn(&Outcome) -> Option<String>) {
    let wrong: Vec<(&Outcome, String)> = all().iter().filter_map(|o| Some((o, of(o)?))).collect();
    for (outcome, first) in wrong.iter().take(10) {
        println!(
            "{what}: seed {} ({:?}): {first}\n  again: PORTCULLIS_SEED={} {AGAIN}",
            outcome.seed, outcome.attack, outcome.seed
        );
    }
    assert!(wrong.is_empty(), "{what} in {} of {} seeds", wrong.len(), all().len());
}

/// `PORTCULLIS_SEED` runs one fight and prints everything; `PORTCULLIS_SEEDS` is the number of fights, from
/// `PORTCULLIS_FIRST_SEED` on.
#[test]
fn the_adversary_fights_every_way_it_knows() {
    if let Some(seed) = number("PORTCULLIS_SEED") {
        let mut fight = Fight::draw(seed);
        fight.travel.ideal = std::env::var_os("PORTCULLIS_IDEAL").is_some();
        println!("{fight:?}");
        println!("{:#?}", fight.fight(seed, true));
        return;
    }
    assert_fought(all());
}

/// What EC2's buckets leave open for any guardrail: the least that an attack gains. Prefix lists are left out, because
/// the watchman revokes nobody's lawful rule.
#[test]
#[ignore = "a measure, which depends on the model alone: run it by name"]
fn what_a_watchman_leaves_open_who_looks_as_often_as_ec2_allows() {
    let count = usize::try_from(number("PORTCULLIS_SEEDS").unwrap_or(228)).unwrap();
    let ideal = |n: usize| {
        let mut fight = Fight::draw(n as u64);
        fight.travel.ideal = true;
        fight.fight(n as u64, false)
    };
    let outcomes = in_parallel(count, ideal);
    println!("{}", table(&outcomes));
    let mut fights = minutes();
    fights.iter_mut().for_each(|fight| fight.travel.ideal = true);
    for (fight, outcome) in fights.iter().zip(in_parallel(fights.len(), |n| fights[n].fight(7, false))) {
        let (kind, share) = (format!("{:?}", fight.attack).to_lowercase(), outcome.share.unwrap_or_default());
        println!(
            "{kind:<8} every {:>4} ms, {:>4} ms late: {:.0} %",
            fight.pace.every,
            fight.travel.late,
            share * 100.0
        );
    }
    assert_fought(&outcomes);
}

#[test]
fn a_fight_goes_the_same_way_each_time() {
    let traces =
        || (0..ATTACKS.len() as u64).map(|seed| Fight::draw(seed).fight(seed, false).trace()).collect::<Vec<_>>();
    let first = traces();
    assert_eq!(first, traces());
    assert!(first.windows(2).all(|pair| pair[0] != pair[1]));
}

#[test]
fn no_lawful_rule_is_lost_in_a_fight() {
    worst("a lawful rule lost", |outcome| outcome.lost.first().cloned());
}

#[test]
fn no_word_is_said_against_what_was_seen() {
    worst("a false word", |outcome| outcome.false_words.first().cloned());
}

#[test]
#[ignore = "not met: a delivery answers for its own rules, and is acknowledged while other calls keep the port open"]
fn a_delivery_that_leaves_a_port_open_fails() {
    worst("open and not failed", |outcome| outcome.acknowledged.first().cloned());
}

#[test]
#[ignore = "not met yet: what opens and closes between two looks is not seen"]
fn what_was_open_is_told_as_exposed() {
    worst("unseen", |outcome| (outcome.unseen > 0).then(|| format!("{} groups", outcome.unseen)));
}

#[test]
#[ignore = "not met yet: each delivery of a list's change has the cap for itself"]
fn a_list_takes_no_more_than_the_cap_with_it() {
    worst("rules lost to a list", |outcome| (outcome.cut > 25).then(|| format!("{} rules", outcome.cut)));
}

/// One rule for a minute. Every event goes to an instance of its own as soon as it is made.
fn minute(attack: Attack, every: u64, late: u64) -> Fight {
    let pace = Pace { every, moves: 60_000 / every, variant: 0 };
    let travel = Travel::alone(late, Duration::from_secs(120));
    Fight { attack, pace, travel, policy: 0 }
}

const PACES: [u64; 5] = [250, 500, 750, 1_500, 3_000];
const LATE: [u64; 3] = [500, 1_500, 5_000];

/// Both kinds at every pace. With `PORTCULLIS_PROOF_WHOLE` each has every delay of events, else one of them, and rules are
/// replaced by marked ones as well.
fn minutes() -> Vec<Fight> {
    let kinds = [Attack::Flip, Attack::Replace, Attack::Marked];
    let pairs =
        kinds.into_iter().take(if is_whole() { 3 } else { 2 }).flat_map(|kind| PACES.map(|every| (kind, every)));
    let delays = |n: usize| if is_whole() { LATE.to_vec() } else { vec![LATE[n % LATE.len()]] };
    let with_delays = |(n, (kind, every))| delays(n).into_iter().map(move |late| minute(kind, every, late));
    pairs.enumerate().flat_map(with_delays).collect()
}

/// The instances' pauses differ from minute to minute. With `PORTCULLIS_PROOF_WHOLE` the median of nine minutes counts, and
/// of twenty-five where rules change four times a second: there it is near to the bar, and differs by eight points.
fn seeds(fight: &Fight) -> std::ops::Range<u64> {
    match (is_whole(), fight.pace.every) {
        (false, _) => 7..8,
        (true, ..500) => 7..32,
        (true, 500..) => 7..16,
    }
}

/// The outcomes of each fight, one for each seed, the one that was open for the least time first.
fn fought(fights: &[Fight]) -> Vec<Vec<Outcome>> {
    let minutes: Vec<(usize, u64)> =
        fights.iter().enumerate().flat_map(|(n, fight)| seeds(fight).map(move |seed| (n, seed))).collect();
    let outcomes = in_parallel(minutes.len(), |n| fights[minutes[n].0].fight(minutes[n].1, false));
    let mut each = vec![Vec::new(); fights.len()];
    minutes.iter().zip(outcomes).for_each(|((n, _), outcome)| each[*n].push(outcome));
    each.iter_mut().for_each(|outcomes| outcomes.sort_by(|one, other| share(one).total_cmp(&share(other))));
    each
}

/// The share of time that a port was open.
fn share(outcome: &Outcome) -> f64 {
    outcome.share.expect("a minute is longer than its events are late")
}

#[test]
#[ignore = "not met without a memory: an instance that closes what its event names leaves, and knows of no fight"]
fn a_rule_that_changes_faster_than_events_come_is_closed_without_a_memory() {
    assert_eq!(missed(false), 0);
}

/// `PORTCULLIS_MINUTE=replace,250,500` runs one of them and prints everything: replace, flip or marked, the pace and the
/// delay of events in milliseconds. `PORTCULLIS_SEED` is its seed. With `PORTCULLIS_IDEAL` a watchman fights it.
#[test]
fn a_rule_that_changes_faster_than_events_come_is_closed() {
    if let Ok(words) = std::env::var("PORTCULLIS_MINUTE") {
        let [kind, every, late] = words.split(',').collect::<Vec<_>>()[..] else { panic!("PORTCULLIS_MINUTE={words}") };
        let kind = match kind {
            "flip" => Attack::Flip,
            "replace" => Attack::Replace,
            "marked" => Attack::Marked,
            other => panic!("PORTCULLIS_MINUTE={words}: `{other}` is none of flip, replace and marked"),
        };
        let mut fight = minute(kind, every.parse().unwrap(), late.parse().unwrap());
        fight.travel.memory = true;
        fight.travel.ideal = std::env::var_os("PORTCULLIS_IDEAL").is_some();
        println!("{:#?}", fight.fight(number("PORTCULLIS_SEED").unwrap_or(7), true));
        return;
    }
    assert_eq!(missed(true), 0);
}

/// How many fights of a minute miss the bar.
fn missed(memory: bool) -> usize {
    let mut fights = minutes();
    fights.iter_mut().for_each(|fight| fight.travel.memory = memory);
    // What EC2's buckets leave open to anyone is no fault. Whoever replaces rules uses up the tokens for revokes himself.
    let mut ideal = fights.clone();
    ideal.iter_mut().for_each(|fight| fight.travel.ideal = true);
    let (mut missed, mut unmet) = (0, 0);
    for ((fight, outcomes), ideal) in fights.iter().zip(&fought(&fights)).zip(&fought(&ideal)) {
        let (median, worst) = (&outcomes[outcomes.len() / 2], &outcomes[outcomes.len() - 1]);
        let least = share(&ideal[ideal.len() / 2]);
        let most = if fight.pace.every >= 750 { 0.2_f64 } else { 0.5 };
        let acknowledged: Vec<&String> = outcomes.iter().flat_map(|outcome| &outcome.acknowledged).collect();
        let unseen: usize = outcomes.iter().map(|outcome| outcome.unseen).sum();
        let is_told = acknowledged.is_empty() && unseen == 0;
        let met = share(median) <= most && is_told;
        // Where the attacker's own revokes use up EC2's tokens, nobody closes much more than the watchman.
        let fair = most.max(least + 0.1);
        let is_fair = share(median) <= fair && share(worst) <= fair + 0.1 && is_told;
        unmet += usize::from(!met);
        missed += usize::from(!is_fair);
        assert!(acknowledged.is_empty() || !memory, "{fight:?}: {acknowledged:#?}");
        let counts = &median.counts;
        println!(
            "{:<8} every {:>4} ms, events {:>4} ms late: open {:>2.0} % ({:.0} to {:.0}; bar {:>2.0} %, a watchman {:>2.0} %), left it open and did not fail: {}, unreported: {}; of the median: {} deliveries, {} at once, busy {} s, {} looks, {} revokes, {} of the memory, {} refused, {} failed, {} mails{}",
            format!("{:?}", fight.attack).to_lowercase(),
            fight.pace.every,
            fight.travel.late,
            share(median) * 100.0,
            share(&outcomes[0]) * 100.0,
            share(worst) * 100.0,
            most * 100.0,
            least * 100.0,
            acknowledged.len(),
            unseen,
            counts.deliveries,
            counts.most_at_once,
            counts.busy / 1_000,
            counts.looks,
            counts.revokes,
            counts.memory,
            counts.throttled,
            counts.failed,
            counts.messages,
            if met { "" } else { "  NOT MET" },
        );
    }
    println!(
        "{unmet} of {} fights miss the bar, {missed} of them by more than ten points over the watchman's",
        fights.len()
    );
    missed
}

/// Two calls of thirty blocks of /9, while so many other instances are idle.
fn hidden_behind_each_other(seed: u64, late: u64, memory: bool, others: u64) -> Outcome {
    let mut fight = minute(Attack::Split, 250, late);
    fight.pace = Pace { every: 250, moves: 1, variant: 0 };
    fight.travel.memory = memory;
    fight.fight_by(seed, false, async |run| {
        let elsewhere = run.create_group("elsewhere", ec2_model::Vpc::Other).await;
        for n in 0..others {
            let lawful = ec2_model::Permission::tcp(443, &format!("9.9.9.{n}/32"));
            run.authorize(Who::Developer, &elsewhere, &[lawful]).await;
        }
        tokio::time::sleep(Duration::from_secs(30)).await;
        fight.attack.fight(run, fight.pace).await
    })
}

/// Without a memory only an instance that has seen both calls closes them. How many see them depends on how many there are.
/// `PORTCULLIS_SEEDS` is the number of times for each.
#[test]
fn two_calls_that_hide_behind_each_other_are_closed_without_a_memory_as_soon_as_one_instance_has_seen_both() {
    let times = number("PORTCULLIS_SEEDS").unwrap_or(6);
    for others in [0, 10, 100] {
        let count = usize::try_from(times).unwrap();
        let outcomes = in_parallel(count, |n| hidden_behind_each_other(n as u64, LATE[n % LATE.len()], false, others));
        let closed = outcomes.iter().filter(|outcome| !outcome.left_open).count();
        let in_time = outcomes.iter().filter(|outcome| outcome.share.is_some_and(|share| share < 1.0)).count();
        println!(
            "{others:>3} other idle instances: of {count} times {in_time} closed within a minute, {closed} at last"
        );
        let told = |outcome: &Outcome| outcome.reported && outcome.unseen == 0;
        assert!(outcomes.iter().all(told), "{outcomes:#?}");
        // With many others it is likely, and no more.
        let (least_in_time, least) = match others {
            0 => (count * 9 / 10, count),
            10 => (count / 2, count * 9 / 10),
            _ => (count / 6, count / 2),
        };
        assert!(in_time >= least_in_time && closed >= least, "{others}: {in_time} and {closed} of {count}");
    }
}

/// More calls hide better: an instance closes only what it has seen nearly all of. It is told each time all the same.
#[test]
#[ignore = "a measure of what is not closed without a memory: run it by name"]
fn many_calls_that_hide_behind_each_other_without_a_memory() {
    let count = usize::try_from(number("PORTCULLIS_SEEDS").unwrap_or(20)).unwrap();
    for calls in [2_u64, 3, 4, 6, 10, 20] {
        let outcomes = in_parallel(count, |n| {
            minute(Attack::Split, 250, 500).fight_by(n as u64, false, async |run| {
                let group = run.create_group("web", ec2_model::Vpc::Other).await;
                for call in 0..calls {
                    let blocks = [0, 1].map(|half| format!("{}.{}.0.0/9", 11 + call, 128 * half));
                    let permissions = blocks.map(|block| ec2_model::Permission::tcp(22, &block));
                    run.authorize(Who::Attacker, &group, &permissions).await;
                }
                run.now() + 60_000
            })
        });
        let closed = outcomes.iter().filter(|outcome| !outcome.left_open).count();
        let in_time = outcomes.iter().filter(|outcome| outcome.share.is_some_and(|share| share < 1.0)).count();
        println!("{calls:>2} calls: of {count} times {in_time} closed within a minute, {closed} at last");
        assert!(outcomes.iter().all(|outcome| outcome.reported && outcome.unseen == 0), "{outcomes:#?}");
    }
}

#[test]
fn two_calls_that_hide_behind_each_other_are_closed_within_a_minute() {
    for late in LATE {
        let outcome = hidden_behind_each_other(7, late, true, 0);
        let share = outcome.share.unwrap_or(1.0);
        println!(
            "split, events {late} ms late: open {:.0} % of the minute, left open: {}",
            share * 100.0,
            outcome.left_open
        );
        assert!(share < 1.0 && !outcome.left_open, "{outcome:#?}");
        assert!(outcome.acknowledged.is_empty() && outcome.unseen == 0, "{outcome:#?}");
    }
}
