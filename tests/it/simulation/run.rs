//! One world, from its first deed to its last sweep.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ec2_model::Lag;
use jiff::Timestamp;
use portcullis::aws::FunctionIdentity;
use portcullis::config::{Accounts, MemberRole};
use portcullis::domain::ids::AccountId;
use portcullis::envelope::Kind;
use portcullis::pipeline::{self, Answer, Context, Invocation};
use portcullis::store::Store;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::crash::Crashes;
use super::posts::Post;
use super::rates::Rates;
use super::scene::{self, MEMBER, START, Scene, id_of};
use super::watcher::Watcher;
use crate::harness::{Between, Setup, TABLE, replayed};

const POLICIES: [&str; 4] = [
    "version: 1\nsweep: {mode: enforce, max_revocations: 1000}",
    "version: 1\nsweep: {mode: enforce, max_revocations: 1000}\nexempt:\n- {reason: SEC-1, until: never, principals: ['arn:aws:iam::*:role/BreakGlass']}",
    "version: 1\nsweep: {mode: enforce, max_revocations: 1000}\nexempt:\n- {reason: lab, until: never, vpcs: [vpc-0]}",
    "version: 1\nsweep: {mode: enforce, max_revocations: 1000}\nscopes: [{mode: alert, accounts: ['444455556666']}]",
];

pub(super) struct Run {
    pub(super) watcher: Arc<Mutex<Watcher>>,
    functions: [Context; 2],
    how: How,
    faults: f64,
    region: String,
    identity: FunctionIdentity,
    started: Instant,
    /// The deliveries under way, by the time of arrival.
    pub(super) posts: BTreeMap<(u64, u64), Post>,
    pub(super) sent: u64,
}

/// The result of a run.
pub(super) struct Outcome {
    pub(super) trace: u64,
    pub(super) wrong: Vec<String>,
    pub(super) tally: BTreeMap<String, usize>,
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
        // In half of the worlds with a memory instances stop.
        let crashes = Crashes::new(seed, seed % 2 == 1 && seed / 4 % 2 == 1);
        let watcher = Arc::new(Mutex::new(Watcher::new(scene, rates, deeds, crashes)));
        let started = Instant::now();
        let functions = [
            context(&watcher, 0, how.clone(), &regions[0], started).await,
            context(&watcher, 1, how.clone(), &regions[0], started).await,
        ];
        let (region, faults) = (regions[0].clone(), lock(&watcher).rates.faults);
        let identity =
            FunctionIdentity::of_arn(&format!("arn:aws:lambda:{}:{}:function:portcullis", regions[0], scene::HOME))
                .unwrap();
        Self { watcher, functions, how, faults, region, identity, started, posts: BTreeMap::new(), sent: 0 }
    }

    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap()
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
        let stops = {
            let mut watcher = lock(&self.watcher);
            for _ in &ids {
                watcher.scene.count("records delivered");
            }
            watcher.begin(function, &ids);
            watcher.crashes.begin(function)
        };
        let deadline = Instant::now() + Duration::from_secs(30);
        let invocation = Invocation { identity: Some(self.identity.clone()), deadline };
        let stopped = async {
            match stops {
                Some(stopped) => stopped.notified().await,
                None => std::future::pending().await,
            }
        };
        // Boxed, for a world is played on a thread with a small stack.
        let work = Box::pin(pipeline::handle(&self.functions[function], &payload, &invocation));
        let answer = tokio::select! {
            biased;
            () = stopped => {
                lock(&self.watcher).stopped(function);
                let failed = items.into_iter().map(|(item, _)| item).collect();
                return Answer { kind: Kind::Whole, findings: Vec::new(), failed };
            }
            answer = work => answer,
        };
        let mut watcher = lock(&self.watcher);
        if Instant::now() > deadline {
            watcher.wrong.push("later than the deadline".to_owned());
        }
        watcher.settled(function, &items, &answer);
        answer
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
            self.replace_the_dead().await;
            self.send();
        }
        self.last_sweep(places).await;
    }

    /// An instance that has stopped is replaced by one that knows nothing.
    async fn replace_the_dead(&mut self) {
        let dead = lock(&self.watcher).crashes.take_dead();
        for n in dead {
            self.functions[n] = context(&self.watcher, n, self.how.clone(), &self.region, self.started).await;
        }
    }

    /// Every act must be judged again as it was.
    fn replay(&self) {
        let mut watcher = lock(&self.watcher);
        let acts = replayed(&watcher.scene.world);
        for evidence in &acts {
            watcher.scene.count(format!("evidence: {} {}", evidence.kind.as_str(), evidence.outcome.as_str()));
        }
        // Where every record is delivered until it is done, and the memory answers, every act has its evidence.
        let is_told = !watcher.scene.tally.contains_key("dead letters") && watcher.rates.lost == 0.0;
        if !is_told || self.faults > 0.0 || self.how.memory == Store::None {
            return;
        }
        let kept: BTreeSet<&str> = acts.iter().flat_map(|act| &act.rules).map(|taken| taken.rule.id.as_str()).collect();
        let without: Vec<String> =
            watcher.crashes.taken.iter().filter(|id| !kept.contains(id.as_str())).cloned().collect();
        watcher.scene.count("worlds in which every act must have evidence");
        for id in without {
            watcher.wrong.push(format!("in no evidence: {id}"));
        }
    }

    /// After people and faults have stopped, one sweep leaves nothing open.
    async fn last_sweep(&self, places: usize) {
        {
            let mut watcher = lock(&self.watcher);
            (watcher.rates.faults, watcher.rates.between, watcher.deeds_left) = (0.0, 0.0, 0);
            watcher.crashes.end();
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        // The other function may hold evidence that it could not write. Its next delivery writes it.
        for (function, place) in (0..places).map(|place| (0, place)).chain([(1, 0)]) {
            let answer = self.handle(function, &self.sweep(place)).await;
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

pub(super) fn lock(watcher: &Mutex<Watcher>) -> std::sync::MutexGuard<'_, Watcher> {
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

pub(super) fn run(seed: u64, verbose: bool) -> Outcome {
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
