//! How calls, time and memory of the sweep grow with the number of groups. The numbers are printed (`--nocapture`), and
//! docs/SCALE.md is made of them. Only numbers that do not depend on the machine are asserted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ec2_model::{DEFAULT_REGIONS, Permission, Request, Vpc, World};
use portcullis::aws::FunctionIdentity;
use portcullis::config::{Accounts, MemberRole};
use portcullis::domain::finding::{Outcome, SweepFinding};
use portcullis::pipeline::{self, Invocation};
use serde_json::{Value, json};

use crate::harness::{ACCOUNT, REGION, Setup, Watch};

const ROLE: &str = "PortcullisMember";

/// Rules that a caller adds to each group in one call; EC2 adds one for egress.
const RULES: usize = 20;

/// Every hundredth group lets the internet in.
const ONE_OPEN_IN: usize = 100;

type Calls = BTreeMap<String, usize>;

/// Makes the groups of an account's Region, each with `rules` rules of ingress.
fn fill(world: &World, account: &str, region: &str, groups: usize, rules: usize) {
    for n in 0..groups {
        let group = world.create_group(account, region, &format!("g{n}"), Vpc::Other);
        let source = |k: usize| {
            if k == 0 && n % ONE_OPEN_IN == 0 { "0.0.0.0/0".to_owned() } else { format!("10.0.{k}.0/24") }
        };
        let permissions: Vec<_> = (0..rules).map(|k| Permission::tcp(22, &source(k))).collect();
        if !permissions.is_empty() {
            world.authorize(account, region, &group, &permissions).unwrap();
        }
    }
}

/// The calls since `before`.
fn since(world: &World, before: &Calls) -> Calls {
    let new = |(action, count): (String, usize)| {
        let new = count - before.get(&action).copied().unwrap_or_default();
        (new > 0).then_some((action, new))
    };
    world.call_counts().into_iter().filter_map(new).collect()
}

/// A field of /proc/self/status in KiB; 0 where there is none.
fn memory(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// Resets VmHWM, so that it becomes the peak from here on (proc(5), /proc/pid/clear_refs).
fn forget_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// Enough time even for an unoptimised build on a busy machine.
fn patient() -> Invocation {
    Invocation {
        identity: FunctionIdentity::of_arn("arn:aws:lambda:eu-west-1:111122223333:function:portcullis"),
        deadline: tokio::time::Instant::now() + Duration::from_secs(3600),
    }
}

fn order(account: &str, region: &str) -> Value {
    json!({"sweep": {"accounts": [account], "regions": [region]}})
}

async fn sweep(watch: &Watch, account: &str, region: &str) -> SweepFinding {
    let mut answer = pipeline::handle(&watch.context, &order(account, region), &patient()).await;
    assert!(answer.failed.is_empty(), "{:#?}", answer.findings.last());
    let open = answer.findings.iter().filter(|finding| finding.outcome == Outcome::WouldRevert);
    let open = open.filter(|finding| finding.group.is_some()).count();
    let summary = answer.findings.pop().unwrap().sweep.unwrap();
    assert_eq!((summary.exposed, summary.unreachable.len()), (open, 0));
    summary
}

/// A function that may act in every account, with a world that keeps no records of calls.
async fn watch() -> Watch {
    let role = MemberRole { name: ROLE.into(), external_id: None };
    let watch =
        Setup { accounts: Accounts::Any, member_role: Some(role), evidence: false, ..Setup::default() }.start().await;
    // The SDK compares the credentials' expiry with the machine's clock.
    watch.world.set_now(portcullis::now().as_millisecond());
    watch.world.set_records(false);
    watch
}

/// The number of pages of a thousand rules: the groups' rules and one egress rule of each group. The default groups'
/// rules, two in each VPC, must not start another page.
fn pages(groups: usize, rules: usize) -> usize {
    (groups * (rules + 1) + 4).div_ceil(1000).max(1)
}

#[tokio::test]
async fn a_sweep_of_ten_thousand_rules_is_one_call_for_each_thousand() {
    const GROUPS: usize = 500;
    let watch = watch().await;
    let made = Instant::now();
    fill(&watch.world, ACCOUNT, REGION, GROUPS, RULES);
    let made = made.elapsed();
    // The first sweep sets up what stays.
    sweep(&watch, ACCOUNT, "us-east-1").await;
    let before = watch.world.call_counts();
    watch.lines.lock().unwrap().clear();
    forget_peak();
    let (resident, start) = (memory("VmRSS"), Instant::now());
    let summary = sweep(&watch, ACCOUNT, REGION).await;
    let took = start.elapsed();
    let (peak, after) = (memory("VmHWM"), memory("VmRSS"));
    let calls = since(&watch.world, &before);
    let log: Vec<usize> = watch.lines.lock().unwrap().iter().map(String::len).collect();
    println!(
        "{GROUPS} groups of {RULES} rules in and one out, made in {made:?}: swept in {took:?}, calls {calls:?}, \
         {} groups seen, {} open; resident before {resident} KiB, at most {peak}, after {after}: \
         {} KiB for the sweep; log: {} lines, {} bytes",
        summary.groups,
        summary.exposed,
        peak.saturating_sub(resident),
        log.len(),
        log.iter().sum::<usize>(),
    );
    assert_eq!(calls, Calls::from([("DescribeSecurityGroupRules".to_owned(), pages(GROUPS, RULES))]));
    assert!(summary.groups >= GROUPS, "{summary:?}");
    assert_eq!(summary.exposed, GROUPS / ONE_OPEN_IN);
}

/// The numbers in `PORTCULLIS_SCALE`, and these where it has none.
pub(crate) fn size<const N: usize>(mut size: [usize; N]) -> [usize; N] {
    let text = std::env::var("PORTCULLIS_SCALE").unwrap_or_default();
    let numbers = text.split(',').filter(|number| !number.is_empty());
    for (field, number) in size.iter_mut().zip(numbers) {
        *field = number.trim().parse().unwrap();
    }
    size
}

/// The `n`th account of an organisation, of which the first is the function's own.
pub(crate) fn account(n: usize) -> String {
    if n == 0 { ACCOUNT.to_owned() } else { format!("{:012}", 200_000_000_000 + n) }
}

#[tokio::test]
async fn every_place_costs_the_same_calls_and_each_account_one_session() {
    // Accounts, Regions, groups and rules of each group.
    let [accounts, regions, groups, rules] = size([3, 2, 5, RULES]);
    let watch = watch().await;
    let start = Instant::now();
    let (mut sweeping, mut total, mut each) = (Duration::ZERO, Calls::new(), BTreeMap::<Calls, usize>::new());
    let (mut first, mut last) = (0, 0);
    for n in 0..accounts {
        let account = account(n);
        watch.world.allow_role(&account, ROLE, None);
        for (m, region) in DEFAULT_REGIONS.iter().take(regions).enumerate() {
            fill(&watch.world, &account, region, groups, rules);
            let before = watch.world.call_counts();
            forget_peak();
            let began = Instant::now();
            let summary = sweep(&watch, &account, region).await;
            sweeping += began.elapsed();
            let mut calls = since(&watch.world, &before);
            for (action, count) in &calls {
                *total.entry(action.clone()).or_default() += count;
            }
            // A session belongs to the account, not to one of its Regions.
            let sessions = calls.remove("AssumeRole").unwrap_or_default();
            assert!(sessions <= 1 && (n == 0 || m > 0 || sessions == 1), "{account} {region}: {sessions}");
            *each.entry(calls).or_default() += 1;
            assert!(summary.groups >= groups, "{summary:?}");
            last = memory("VmHWM");
            if first == 0 {
                first = last;
            }
            watch.world.forget(&account, region);
            watch.lines.lock().unwrap().clear();
        }
    }
    let places = accounts * regions.min(DEFAULT_REGIONS.len());
    println!(
        "{accounts} accounts, {places} places of {groups} groups of {rules} rules in {:?}, of which sweeping {sweeping:?} \
         ({:?} a place); calls {total:?}; in each place {each:?}; peak of the first sweep {first} KiB, of the last {last}",
        start.elapsed(),
        sweeping / u32::try_from(places.max(1)).unwrap(),
    );
    let page_calls = Calls::from([("DescribeSecurityGroupRules".to_owned(), pages(groups, rules))]);
    assert_eq!(each, BTreeMap::from([(page_calls, places)]));
    // When 256 clients are kept, all are dropped, and the sessions with them. Then an account may need a second
    // session.
    let sessions = total.get("AssumeRole").copied().unwrap_or_default();
    assert!((accounts - 1..accounts + places / 256).contains(&sessions), "{sessions}");
}

/// How long the calls of the fan-out take. The times are assumed, see docs/SCALE.md.
fn under_way(request: &Request) -> Duration {
    let target = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-amz-target"));
    let target = target.map_or("", |(_, value)| value.as_str());
    Duration::from_millis(if target.ends_with("SendMessageBatch") { 20 } else { 100 })
}

/// tokio's time moves only while a call is under way, so the result is the same on every machine.
#[tokio::test(start_paused = true)]
async fn orders_are_handed_out_several_batches_at_a_time() {
    let [accounts] = size([0]);
    let accounts = accounts.max(50);
    let role = MemberRole { name: ROLE.into(), external_id: None };
    let world = World::new(7);
    world.set_now(portcullis::now().as_millisecond());
    world.set_records(false);
    let ids: Vec<String> = (0..accounts).map(account).collect();
    ids.iter().for_each(|id| world.allow_role(id, ROLE, None));
    let listed: Vec<(&str, &str)> = ids.iter().map(|id| (id.as_str(), "ACTIVE")).collect();
    world.set_organization(ACCOUNT, &listed);
    let queue = world.create_queue(ACCOUNT, REGION, "sweep");
    let model = world.clone();
    let between = Arc::new(move |request: &Request| (under_way(request), model.handle(request)));
    let setup = Setup { accounts: Accounts::Any, member_role: Some(role), ..Setup::default() };
    let mut context = setup.context(REGION, between, Box::new(portcullis::now), Box::new(|_: &str| ())).await;
    context.settings.queue = Some(queue.clone());
    let start = tokio::time::Instant::now();
    let answer = pipeline::handle(&context, &json!({"sweep": {}}), &patient()).await;
    let took = start.elapsed();
    let calls = world.call_counts();
    let messages = world.take_messages(&queue).len();
    println!("{accounts} accounts, {messages} messages handed out in {took:?} of calls under way: {calls:?}");
    assert!(answer.failed.is_empty(), "{:#?}", answer.findings);
    assert_eq!(messages, accounts * DEFAULT_REGIONS.len());
    let batches = messages.div_ceil(10);
    assert_eq!(calls["SendMessageBatch"], batches);
    assert_eq!((calls["AssumeRole"], calls["DescribeRegions"]), (accounts - 1, accounts));
    // The accounts come in pages of 20. Sessions and Regions are requested for 16 accounts at a time, and 8 batches are
    // sent at a time.
    let pages = u32::try_from(accounts.div_ceil(20)).unwrap();
    let rounds = u32::try_from(accounts.div_ceil(16)).unwrap();
    let sends = u32::try_from(batches.div_ceil(8)).unwrap();
    let most = Duration::from_millis(100) * (pages + 2 * rounds + 2) + Duration::from_millis(20) * (sends + 1);
    assert!(took <= most, "{took:?} > {most:?}");
}

#[tokio::test(start_paused = true)]
async fn refused_messages_come_back_in_their_order_whichever_answer_comes_first() {
    let world = World::new(7);
    world.set_now(portcullis::now().as_millisecond());
    let model = world.clone();
    let between = Arc::new(move |request: &Request| {
        let first = String::from_utf8_lossy(&request.body).contains("m00");
        (Duration::from_millis(if first { 900 } else { 10 }), model.handle(request))
    });
    let context = Setup::default().context(REGION, between, Box::new(portcullis::now), Box::new(|_: &str| ())).await;
    let messages: Vec<String> = (0..95).map(|n| format!("m{n:02}")).collect();
    let refused = context.aws.enqueue("https://sqs.eu-west-1.amazonaws.com/111122223333/none", &messages).await;
    assert!(refused.iter().all(|(_, error)| error.call == "SendMessageBatch"), "{refused:?}");
    assert_eq!(refused.into_iter().map(|(message, _)| message).collect::<Vec<_>>(), messages);
    assert_eq!(world.call_counts()["SendMessageBatch"], 10);
}
