//! Tests every AWS call of every remediation with everything that can go wrong in it. A run without faults finds the
//! calls of a scenario. Then each call meets each kind of fault. In the simplest scenarios each pair of calls meets
//! each pair of kinds.

mod run;
mod scenarios;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ec2_model::{Fault, FaultKind};

use crate::simulation;
use run::Run;
use scenarios::{SCENARIOS, Scenario};

fn kinds() -> Vec<(&'static str, FaultKind)> {
    let error = |status, code: &str| (status, code.to_owned(), "injected".to_owned());
    let before = |(status, code, message)| FaultKind::ErrorBefore { status, code, message };
    let after = |(status, code, message)| FaultKind::ErrorAfter { status, code, message };
    vec![
        ("internal error before", before(error(500, "InternalError"))),
        ("internal error after", after(error(500, "InternalError"))),
        ("unavailable before", before(error(503, "Unavailable"))),
        ("unavailable after", after(error(503, "Unavailable"))),
        ("an error nobody knows", before(error(400, "SomethingNew"))),
        ("throttled", FaultKind::Throttle),
        ("connection lost before", FaultKind::LostBefore),
        ("connection lost after", FaultKind::LostAfter),
        ("answer cut", FaultKind::Cut),
        ("answer malformed", FaultKind::MalformedXml),
        ("slow past the time-out", FaultKind::Slow(Duration::from_secs(20))),
        ("denied", FaultKind::Denied),
        ("credentials expired", FaultKind::ExpiredCredentials),
    ]
}

/// How many cases of a mode were done at the first delivery, and how many at the second.
#[derive(Default)]
struct Count {
    at_once: usize,
    again: usize,
}

/// The same for each scenario and kind of fault.
type Modes = BTreeMap<(&'static str, &'static str), Count>;

/// The calls of a delivery without faults: the action, and its number among the calls of that action.
async fn calls(scenario: &Scenario, has_memory: bool) -> Vec<(String, usize)> {
    let run = Run::start(scenario, "no fault".to_owned(), has_memory).await;
    assert!(run.deliver().await || run.case.alert, "{}: not done without a fault", scenario.name);
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let calls = run.watch.world.calls().into_iter().map(|call| {
        let count = counts.entry(call.action.clone()).or_default();
        *count += 1;
        (call.action, *count - 1)
    });
    calls.collect()
}

/// Every call that is `hit` in every scenario with every kind of fault: how that went, and the actions.
async fn every_fault(has_memory: bool, is_hit: fn(&str) -> bool) -> (Modes, BTreeSet<String>) {
    let (mut modes, mut actions) = (Modes::new(), BTreeSet::new());
    for scenario in &SCENARIOS {
        for (action, nth) in calls(scenario, has_memory).await.into_iter().filter(|(action, _)| is_hit(action)) {
            actions.insert(action.clone());
            for (name, kind) in kinds() {
                let run = Run::start(scenario, format!("{name} at {action} {nth}"), has_memory).await;
                run.watch.world.inject(Fault { action: Some(action.clone()), nth, kind });
                let deliveries = run.to_the_end(1).await;
                let count = modes.entry((scenario.name, name)).or_default();
                match deliveries {
                    Some(1) => count.at_once += 1,
                    Some(_) => count.again += 1,
                    None => panic!("{}, {}: the fault was not met", scenario.name, run.what),
                }
            }
        }
    }
    (modes, actions)
}

#[tokio::test(start_paused = true)]
async fn every_fault_of_every_call_leaves_no_lie_and_no_gap() {
    let (modes, actions) = every_fault(false, |_| true).await;
    for ((scenario, kind), Count { at_once, again }) in &modes {
        let cases = at_once + again;
        println!(
            "{:<48} {cases:>3} cases: {at_once:>3} done at once, {again:>3} with one more delivery",
            format!("{scenario}: {kind}")
        );
    }
    println!("{} failure modes, {} cases", modes.len(), modes.values().map(|c| c.at_once + c.again).sum::<usize>());
    assert_eq!(modes.len(), SCENARIOS.len() * kinds().len());
    let met = ["AssumeRole", "DescribeSecurityGroupRules", "DescribeSecurityGroups", "GetManagedPrefixListEntries"];
    let of_former = ["ModifySecurityGroupRules", "GetObject", "GetItem", "UpdateItem", "PutObject"];
    for action in met.into_iter().chain(of_former).chain(["Publish", "RevokeSecurityGroupIngress"]) {
        assert!(actions.contains(action), "no scenario calls {action}");
    }
}

/// A fault of the memory is no reason for another delivery: the close is as it is without a memory.
#[tokio::test(start_paused = true)]
async fn every_fault_of_every_call_to_the_memory_leaves_no_lie_and_no_gap() {
    let (modes, actions) = every_fault(true, |action| matches!(action, "UpdateItem" | "GetItem")).await;
    assert!(actions.contains("UpdateItem"), "{actions:?}");
    let scenarios: BTreeSet<&str> = modes.keys().map(|(scenario, _)| *scenario).collect();
    assert_eq!(modes.len(), scenarios.len() * kinds().len());
    let cases = modes.values().map(|count| count.at_once + count.again).sum::<usize>();
    println!("{} scenarios, {cases} cases, calls {actions:?}", scenarios.len());
    // Nothing is ever done in alert mode.
    for ((scenario, kind), count) in modes.into_iter().filter(|((scenario, _), _)| !scenario.starts_with("alert")) {
        assert_eq!(count.again, 0, "{scenario}: {kind}: {} done at once", count.at_once);
    }
    assert!(scenarios.len() >= 15, "{scenarios:?}");
}

#[tokio::test(start_paused = true)]
async fn every_pair_of_faults_leaves_no_lie_and_no_gap() {
    // All kinds if many seeds are run, otherwise one of each sort: done without an answer, not done, unreadable,
    // refused.
    let few = ["internal error after", "connection lost before", "answer malformed", "denied"];
    let many = simulation::number("PORTCULLIS_SEEDS").is_some_and(|seeds| seeds >= 1000);
    let kinds: Vec<_> = kinds().into_iter().filter(|(name, _)| many || few.contains(name)).collect();
    let (mut met, mut deliveries_needed) = (0, BTreeMap::<usize, usize>::new());
    for scenario in SCENARIOS
        .iter()
        .filter(|scenario| scenario.name == "group by id" || (many && scenario.name == "prefix list as source"))
    {
        let calls = calls(scenario, false).await;
        // The call after an action's last call is a retry.
        let actions: BTreeSet<&String> = calls.iter().map(|(action, _)| action).collect();
        let retries =
            actions.into_iter().map(|action| (action.clone(), calls.iter().filter(|(a, _)| a == action).count()));
        let points: Vec<(String, usize)> = calls.iter().cloned().chain(retries).collect();
        for (n, first) in points.iter().enumerate() {
            for second in points.iter().skip(n + 1) {
                for (one, first_kind) in kinds.clone() {
                    for (other, second_kind) in kinds.clone() {
                        let what = format!("{one} at {first:?}, then {other} at {second:?}");
                        let run = Run::start(scenario, what, false).await;
                        run.a_minute_later();
                        for ((action, nth), kind) in [(first, first_kind.clone()), (second, second_kind)] {
                            run.watch.world.inject(Fault { action: Some(action.clone()), nth: *nth, kind });
                        }
                        if let Some(deliveries) = run.to_the_end(2).await {
                            met += usize::from(run.hits() == 2);
                            *deliveries_needed.entry(deliveries).or_default() += 1;
                        }
                    }
                }
            }
        }
    }
    println!("{met} pairs of faults met; deliveries needed: {deliveries_needed:?}");
    assert!(met > 50, "{met}");
}
