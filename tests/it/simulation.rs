//! A simulation in which everything happens at once. People open, change and close groups while the function works;
//! deliveries get lost, doubled, late and out of order; calls fail in every way; EC2 shows changes late. Each run is
//! generated from one seed and is repeatable. docs/SEMANTICS.md must hold at every call and in every message
//! (`watcher`). After a run, one sweep leaves nothing open.

pub(crate) mod judge;
mod openings;
mod scene;
mod watcher;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ec2_model::Lag;
use jiff::Timestamp;
use portcullis::aws::FunctionIdentity;
use portcullis::config::{Accounts, MemberRole};
use portcullis::domain::ids::AccountId;
use portcullis::pipeline::{self, Answer, Context, Invocation};
use portcullis::store::Store;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::{Between, Setup, TABLE, replayed};
use scene::{DEEDS, MEMBER, START, Scene, id_of};
use watcher::Watcher;

/// How often things happen in a run, chosen from its seed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rates {
    faults: f64,
    /// The probability that someone acts before or after a call of the function.
    between: f64,
    lost: f64,
    twice: f64,
    late: f64,
    /// How long EC2 does not show a change, in milliseconds.
    lag: i64,
    /// Whether the policy puts the member account in alert mode.
    member_alert: bool,
    verbose: bool,
}

impl Rates {
    fn draw(rng: &mut fastrand::Rng) -> Self {
        let mut often = |choices: [f64; 4]| choices[rng.usize(..4)];
        let (faults, between) = (often([0.0, 0.05, 0.2, 0.5]), often([0.0, 0.1, 0.2, 0.4]));
        let [lost, twice, late] = losses(rng);
        let lag = [0, 0, 2_000, 17_000][rng.usize(..4)];
        Self { faults, between, lost, twice, late, lag, member_alert: rng.u8(..4) == 0, verbose: false }
    }
}

/// How often events are lost, doubled and late in a world.
pub(crate) fn losses(rng: &mut fastrand::Rng) -> [f64; 3] {
    [[0.0, 0.0, 0.3, 1.0], [0.0, 0.1, 0.5, 1.0], [0.0, 0.1, 0.5, 1.0]].map(|choices| choices[rng.usize(..4)])
}

const POLICIES: [&str; 4] = [
    "version: 1\nsweep: {mode: enforce, max_revocations: 1000}",
    "version: 1\nsweep: {mode: enforce, max_revocations: 1000}\nexempt:\n- {reason: SEC-1, until: never, principals: ['arn:aws:iam::*:role/BreakGlass']}",
    "version: 1\nsweep: {mode: enforce, max_revocations: 1000}\nexempt:\n- {reason: lab, until: never, vpcs: [vpc-0]}",
    "version: 1\nsweep: {mode: enforce, max_revocations: 1000}\nscopes: [{mode: alert, accounts: ['444455556666']}]",
];

/// A delivery under way.
#[derive(Debug, Clone, PartialEq)]
enum Post {
    /// EventBridge invokes the function with one event, and twice again if that fails.
    Bus { event: Value, attempt: u32 },
    /// A queue delivers messages, each up to `maxReceiveCount` times.
    Queue { messages: Vec<(String, Value, u32)> },
}

/// `maxReceiveCount` of the queue.
const MOST_RECEIVED: u32 = 4;

struct Run {
    watcher: Arc<Mutex<Watcher>>,
    functions: [Context; 2],
    identity: FunctionIdentity,
    started: Instant,
    /// The deliveries under way, by the time of arrival.
    posts: BTreeMap<(u64, u64), Post>,
    sent: u64,
}

/// The result of a run.
struct Outcome {
    trace: u64,
    wrong: Vec<String>,
    tally: BTreeMap<String, usize>,
}

/// The SDK counts its retries for each Region of the whole process, so each run has a Region name of its own.
static RUNS: AtomicU64 = AtomicU64::new(0);

impl Run {
    async fn start(seed: u64, verbose: bool) -> Self {
        fastrand::seed(seed);
        let mut rng = fastrand::Rng::with_seed(seed ^ 0x5eed);
        let number = RUNS.fetch_add(1, Ordering::Relaxed);
        let regions = [format!("eu-run{number:010}-1"), format!("us-run{number:010}-1")];
        let policy = rng.usize(..POLICIES.len());
        let mut rates = Rates { verbose, ..Rates::draw(&mut rng) };
        rates.member_alert = policy == 3;
        let mut scene = Scene::new(seed, regions.clone(), policy == 1);
        if rates.lag > 0 {
            scene.world.set_visibility_lag(Lag::Millis(rates.lag), Lag::Millis(rates.lag));
        }
        scene.world.set_throttling(rng.bool());
        let deeds = rng.usize(6..14);
        if verbose {
            println!("{rates:?}, {}, {deeds} deeds", POLICIES[policy]);
        }
        // Half of the worlds have a memory.
        let memory = if seed % 2 == 1 { Store::Table(TABLE.to_owned()) } else { Store::None };
        scene.world.create_table(scene::HOME, &regions[0], TABLE);
        // And half of those give modified rules back.
        let how = How { policy: POLICIES[policy], memory, restores: seed % 4 == 3 };
        scene.moves = how.restores;
        let watcher = Arc::new(Mutex::new(Watcher::new(scene, rates, deeds)));
        let started = Instant::now();
        let functions = [
            context(&watcher, 0, how.clone(), &regions[0], started).await,
            context(&watcher, 1, how, &regions[0], started).await,
        ];
        let identity =
            FunctionIdentity::of_arn(&format!("arn:aws:lambda:{}:{}:function:portcullis", regions[0], scene::HOME))
                .unwrap();
        Self { watcher, functions, identity, started, posts: BTreeMap::new(), sent: 0 }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap()
    }

    fn post(&mut self, after: u64, post: Post) {
        self.sent += 1;
        self.posts.insert((self.now() + after, self.sent), post);
    }

    /// Sends the events in the outbox, as reliably as this run allows.
    fn send(&mut self) {
        let mut watcher = lock(&self.watcher);
        let events = std::mem::take(&mut watcher.scene.outbox);
        let rates = watcher.rates.clone();
        let mut sent: Vec<(u64, Value, bool)> = Vec::new();
        for event in events {
            if watcher.scene.chance(rates.lost) {
                watcher.scene.count("events lost");
                continue;
            }
            let copies = if watcher.scene.chance(rates.twice) { 2 } else { 1 };
            if copies == 2 {
                watcher.scene.count("events doubled");
            }
            for _ in 0..copies {
                let late = watcher.scene.chance(rates.late);
                if late {
                    watcher.scene.count("events delayed");
                }
                let delay =
                    if late { watcher.scene.rng.u64(5_000..300_000) } else { watcher.scene.rng.u64(300..2_000) };
                sent.push((delay, event.clone(), watcher.scene.rng.bool()));
            }
        }
        drop(watcher);
        for (delay, event, queued) in sent {
            if !queued {
                self.post(delay, Post::Bus { event, attempt: 0 });
                continue;
            }
            self.sent += 1;
            let message = (format!("m{}", self.sent), event, 0);
            let due = self.now() + delay;
            // A poller takes every message that has arrived.
            let batch = self.posts.iter_mut().find_map(|((at, _), post)| match post {
                Post::Queue { messages } if due <= *at && *at < due + 20_000 && messages.len() < 10 => Some(messages),
                Post::Queue { .. } | Post::Bus { .. } => None,
            });
            match batch {
                Some(messages) => messages.push(message),
                None => _ = self.posts.insert((due, self.sent), Post::Queue { messages: vec![message] }),
            }
        }
    }

    async fn handle(&self, function: usize, post: &Post) -> Answer {
        let (payload, items) = match post {
            Post::Bus { event, .. } => (event.clone(), vec![(String::new(), id_of(event))]),
            Post::Queue { messages } => {
                let message = |(id, event, _): &(String, Value, u32)| json!({"messageId": id, "body": event.to_string(), "eventSource": "aws:sqs"});
                let records: Vec<Value> = messages.iter().map(message).collect();
                (
                    json!({"Records": records}),
                    messages.iter().map(|(id, event, _)| (id.clone(), id_of(event))).collect(),
                )
            }
        };
        let ids: Vec<String> = items.iter().map(|(_, id)| id.clone()).collect();
        {
            let mut watcher = lock(&self.watcher);
            for _ in &ids {
                watcher.scene.count("records delivered");
            }
            watcher.begin(function, &ids);
        }
        let deadline = Instant::now() + Duration::from_secs(30);
        let invocation = Invocation { identity: Some(self.identity.clone()), deadline };
        let answer = pipeline::handle(&self.functions[function], &payload, &invocation).await;
        let mut watcher = lock(&self.watcher);
        if Instant::now() > deadline {
            watcher.wrong.push("later than the deadline".to_owned());
        }
        watcher.settled(function, &items, &answer);
        answer
    }

    /// Delivers again what failed, as AWS does.
    fn again(&mut self, post: Post, answer: &Answer) {
        match post {
            Post::Bus { event, attempt } if !answer.failed.is_empty() => match attempt {
                0 | 1 => self.post(60_000 * u64::from(attempt + 1), Post::Bus { event, attempt: attempt + 1 }),
                _ => lock(&self.watcher).scene.count("dead letters"),
            },
            Post::Bus { .. } => {}
            Post::Queue { messages } => {
                let failed = messages.into_iter().filter(|(id, ..)| answer.failed.contains(id));
                let (left, dead): (Vec<_>, Vec<_>) =
                    failed.map(|(id, event, received)| (id, event, received + 1)).partition(|m| m.2 < MOST_RECEIVED);
                for _ in dead {
                    lock(&self.watcher).scene.count("dead letters");
                }
                if !left.is_empty() {
                    self.post(30_000, Post::Queue { messages: left });
                }
            }
        }
    }

    fn sweep(&self, place: usize) -> Post {
        let mut watcher = lock(&self.watcher);
        watcher.scene.count("sweeps");
        Post::Bus { event: watcher.scene.sweep(place), attempt: 0 }
    }

    async fn play(&mut self) {
        let (mut deeds, places) = {
            let mut watcher = lock(&self.watcher);
            let count = watcher.deeds_left;
            let mut times: Vec<u64> = (0..count).map(|_| watcher.scene.rng.u64(..120_000)).collect();
            times.sort_unstable();
            (times.into_iter().peekable(), watcher.scene.places.len())
        };
        if lock(&self.watcher).scene.chance(0.3) {
            let place = lock(&self.watcher).scene.rng.usize(..places);
            let at = lock(&self.watcher).scene.rng.u64(..200_000);
            let sweep = self.sweep(place);
            self.post(at, sweep);
        }
        loop {
            let due = self.posts.keys().next().map(|(at, _)| *at);
            let next = match (deeds.peek().copied(), due) {
                (Some(deed), due) if due.is_none_or(|due| deed <= due) => {
                    deeds.next();
                    tokio::time::sleep_until(self.started + Duration::from_millis(deed)).await;
                    lock(&self.watcher).deed();
                    self.send();
                    continue;
                }
                (_, Some(due)) => due,
                (_, None) => break,
            };
            tokio::time::sleep_until(self.started + Duration::from_millis(next)).await;
            let Some((_, first)) = self.posts.pop_first() else { break };
            // A delivery that arrives within two seconds runs at the same time, in another instance of the function.
            let second = match self.posts.first_entry() {
                Some(entry) if entry.key().0 < next + 2_000 => Some(entry.remove()),
                _ => None,
            };
            match second {
                None => {
                    let answer = self.handle(0, &first).await;
                    self.again(first, &answer);
                }
                Some(second) => {
                    lock(&self.watcher).scene.count("functions at the same time");
                    let (one, other) = tokio::join!(self.handle(0, &first), self.handle(1, &second));
                    self.again(first, &one);
                    self.again(second, &other);
                }
            }
            self.send();
        }
        self.last_sweep(places).await;
    }

    /// Every act must be judged again as it was.
    fn replay(&self) {
        let mut watcher = lock(&self.watcher);
        for evidence in replayed(&watcher.scene.world) {
            watcher.scene.count(format!("evidence: {} {}", evidence.kind.as_str(), evidence.outcome.as_str()));
        }
    }

    /// After people and faults have stopped, one sweep leaves nothing open.
    async fn last_sweep(&self, places: usize) {
        {
            let mut watcher = lock(&self.watcher);
            (watcher.rates.faults, watcher.rates.between, watcher.deeds_left) = (0.0, 0.0, 0);
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        for place in 0..places {
            let answer = self.handle(0, &self.sweep(place)).await;
            if !answer.failed.is_empty() {
                lock(&self.watcher).wrong.push(format!("the last sweep failed: {:#?}", answer.findings));
            }
        }
        let mut watcher = lock(&self.watcher);
        let open = watcher.exposed();
        if !open.is_empty() {
            watcher.wrong.push(format!("open after the last sweep: {open:?}"));
        }
    }
}

fn lock(watcher: &Mutex<Watcher>) -> std::sync::MutexGuard<'_, Watcher> {
    watcher.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How the functions of a run are set up.
#[derive(Clone)]
struct How {
    policy: &'static str,
    memory: Store,
    restores: bool,
}

async fn context(
    watcher: &Arc<Mutex<Watcher>>,
    function: usize,
    How { policy, memory, restores }: How,
    region: &str,
    started: Instant,
) -> Context {
    let role = MemberRole { name: "PortcullisMember".into(), external_id: None };
    let accounts = Accounts::Listed([scene::HOME, MEMBER].map(|id| AccountId::parse(id).unwrap()).into());
    let setup = Setup { policy, accounts, member_role: Some(role), memory, restores, ..Setup::default() };
    let (passing, saying) = (Arc::clone(watcher), Arc::clone(watcher));
    let between: Between = Arc::new(move |request| lock(&passing).pass(function, request));
    let clock = Box::new(move || Timestamp::from_millisecond(START).unwrap() + started.elapsed());
    setup.context(region, between, clock, Box::new(move |line| lock(&saying).log_line(line))).await
}

fn run(seed: u64, verbose: bool) -> Outcome {
    let watched = Mutex::new(None);
    let done = catch_unwind(AssertUnwindSafe(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut run = Run::start(seed, verbose).await;
            *watched.lock().unwrap() = Some(Arc::clone(&run.watcher));
            run.play().await;
            run.replay();
        });
    }));
    let watched = watched.into_inner().unwrap();
    let watcher = watched.as_ref().map(|watcher| lock(watcher));
    let (trace, mut wrong, tally) =
        watcher.map_or_else(Default::default, |w| (w.hash(), w.wrong.clone(), w.scene.tally.clone()));
    if done.is_err() {
        wrong.push("panicked".to_owned());
    }
    Outcome { trace, wrong, tally }
}

/// The command that repeats one seed and prints everything that happens.
const AGAIN: &str =
    "cargo test --workspace --features ec2-model/serve --locked --test it simulation::whatever -- --nocapture";

/// A number in the environment.
pub(crate) fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|value| value.parse().expect(variable))
}

/// The first of many seeds: a long proof can be run in parts.
pub(crate) fn first_seed() -> u64 {
    number("PORTCULLIS_FIRST_SEED").unwrap_or_default()
}

/// `PORTCULLIS_SEED` runs one seed and prints everything; `PORTCULLIS_SEEDS` is the number of seeds, from
/// `PORTCULLIS_FIRST_SEED` on.
#[test]
fn whatever_happens_nothing_lawful_is_touched_no_lie_is_told_and_nothing_is_lost() {
    if let Some(seed) = number("PORTCULLIS_SEED") {
        let Outcome { trace, wrong, .. } = run(seed, true);
        println!("trace {trace:016x}");
        assert!(wrong.is_empty(), "{wrong:#?}");
        return;
    }
    let seeds = number("PORTCULLIS_SEEDS").unwrap_or(180);
    let first = first_seed();
    let started = std::time::Instant::now();
    let next = AtomicU64::new(first);
    let (tally, wrong) = (Mutex::new(BTreeMap::<String, usize>::new()), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds {
                        break;
                    }
                    let outcome = run(seed, false);
                    for (what, count) in outcome.tally {
                        *tally.lock().unwrap().entry(what).or_default() += count;
                    }
                    if let Some(first) = outcome.wrong.first() {
                        println!("seed {seed}: {first}");
                        println!("  again: PORTCULLIS_SEED={seed} {AGAIN}");
                        wrong.lock().unwrap().insert(seed, outcome.wrong);
                    }
                }
            });
        }
    });
    let (tally, wrong) = (tally.into_inner().unwrap(), wrong.into_inner().unwrap());
    for (what, count) in &tally {
        println!("{count:>8} {what}");
    }
    println!("{seeds} seeds from {first} on in {:.1?}", started.elapsed());
    assert!(wrong.is_empty(), "{} of {seeds} seeds went wrong: {:?}", wrong.len(), wrong.keys());
    if seeds >= 100 {
        let faults = tally.keys().filter(|what| what.starts_with("fault: ")).count();
        assert_eq!(faults, 11, "every kind of fault happens");
        let happened = ["events lost", "events doubled", "events delayed", "rules revoked", "dead letters", "sweeps"];
        let found =
            ["finding: exposed reverted", "finding: safe none", "finding: exempt none", "finding: exposed failed"];
        let former = ["rules given back", "former: known", "former: unknown"];
        for what in former {
            assert!(tally.contains_key(what), "never: {what}");
        }
        let memory = ["calls of the memory", "finding without memory", "functions at the same time"];
        for what in DEEDS.into_iter().chain(happened).chain(found).chain(memory) {
            assert!(tally.contains_key(what), "never: {what}");
        }
    }
}

#[test]
fn a_seed_goes_the_same_way_each_time() {
    let traces = |seeds: std::ops::Range<u64>| seeds.map(|seed| run(seed, false).trace).collect::<Vec<_>>();
    let first = traces(0..8);
    assert_eq!(first, traces(0..8));
    assert!(first.windows(2).all(|pair| pair[0] != pair[1]));
}
