//! Openings, waivers and former values in worlds where everything happens at once. Operators come as far as they come,
//! schedules and lists are lost, rules are widened and reworded, calls fail, and EC2 shows changes late. In each of these
//! worlds must hold:
//! - what is lawful by an opening is not touched before its end, and nothing lawful ever is;
//! - no opening outlives its end by more than a sweep that succeeded;
//! - no lawful value is overwritten by an exposing one: what is given back exposes nothing;
//! - what is said to be revoked, restored or ended is.

mod people;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use portcullis::aws::FunctionIdentity;
use portcullis::config::{Accounts, MemberRole};
use portcullis::domain::policy::Mode;
use portcullis::envelope::EndRequest;
use portcullis::pipeline::{self, Context, Invocation};
use portcullis::store::Store;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::scene::{HOME, MEMBER, Place, START};
use super::{first_seed, number, scene};
use crate::adversary::figures::in_parallel;
use crate::harness::{Between, Setup, TABLE, replayed};
use people::{People, Step};
use watch::{Rates, Watch, lock};

/// How long people go on, and what comes after that, in milliseconds.
const PLAY: u64 = 1_500_000;

/// A sweep comes this often.
const SWEEP: u64 = 600_000;

/// What is delivered.
#[derive(Debug, Clone)]
enum Post {
    Event { payload: Value, attempt: u32 },
    Sweep { place: usize },
    Close { id: String },
}

struct Run {
    watch: Arc<Mutex<Watch>>,
    functions: [Context; 2],
    identity: FunctionIdentity,
    started: Instant,
    posts: BTreeMap<(u64, u64), Post>,
    sent: u64,
}

static RUNS: AtomicU64 = AtomicU64::new(0);

impl Run {
    async fn start(seed: u64, verbose: bool) -> Self {
        fastrand::seed(seed);
        let mut rng = fastrand::Rng::with_seed(seed ^ 0x0be2);
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let regions = [format!("eu-open{run:010}-1"), format!("us-open{run:010}-1")];
        let mut often = |choices: [f64; 4]| choices[rng.usize(..4)];
        let (faults, between) = (often([0.0, 0.0, 0.05, 0.2]), often([0.0, 0.05, 0.1, 0.3]));
        let (lost, schedules_lost) = (often([0.0, 0.0, 0.3, 1.0]), often([0.0, 0.3, 0.3, 1.0]));
        let lag = [0, 0, 2_000, 17_000][rng.usize(..4)];
        let mode = if seed % 3 == 2 { Mode::Alert } else { Mode::Enforce };
        let (restores, policy) = (seed % 3 == 1, ["version: 1", "version: 1\nsweep: {mode: enforce}"][rng.usize(..2)]);
        let people = People::new(seed, &regions, lag);
        let deeds_left = rng.usize(8..24);
        let rates = Rates { faults, between, lost, schedules_lost, verbose };
        let watch = Watch {
            people,
            rates,
            mode,
            deeds_left,
            is_forgetful: [false; 2],
            is_sweep: [false; 2],
            revoked: BTreeSet::new(),
            given: BTreeSet::new(),
            wrong: Vec::new(),
        };
        let watch = Arc::new(Mutex::new(watch));
        let started = Instant::now();
        let how = (mode, policy, restores);
        let functions =
            [context(&watch, 0, how, &regions[0], started).await, context(&watch, 1, how, &regions[0], started).await];
        let arn = format!("arn:aws:lambda:{}:{HOME}:function:portcullis", regions[0]);
        let identity = FunctionIdentity::of_arn(&arn).unwrap();
        Self { watch, functions, identity, started, posts: BTreeMap::new(), sent: 0 }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap()
    }

    fn post(&mut self, at: u64, post: Post) {
        self.sent += 1;
        self.posts.insert((at, self.sent), post);
    }

    /// Sends what people have done, as reliably as this world allows.
    fn send(&mut self) {
        let (outbox, now) = (std::mem::take(&mut lock(&self.watch).people.outbox), self.now());
        for (payload, at) in outbox {
            let mut watch = lock(&self.watch);
            let lost = if at.is_some() { watch.rates.schedules_lost } else { watch.rates.lost };
            if watch.people.chance(lost) {
                watch.people.count(if at.is_some() { "schedules lost" } else { "events lost" });
                continue;
            }
            let copies = if watch.people.chance(0.1) { 2 } else { 1 };
            let late = if watch.people.chance(0.1) { 300_000 } else { 2_000 };
            let due = (0..copies).map(|_| match at {
                Some(at) => u64::try_from(at - START).unwrap().max(now),
                None => now + watch.people.rng.u64(300..late),
            });
            let due: Vec<u64> = due.collect();
            drop(watch);
            due.into_iter().for_each(|at| self.post(at, Post::Event { payload: payload.clone(), attempt: 0 }));
        }
    }

    async fn deliver(&mut self, function: usize, post: Post) {
        let place = |n: usize| lock(&self.watch).people.places[n].clone();
        let payload = match &post {
            Post::Event { payload, .. } => payload.clone(),
            Post::Sweep { place: n } => {
                let Place { account, region } = place(*n);
                json!({"sweep": {"accounts": [account], "regions": [region]}})
            }
            Post::Close { id } => return self.close(function, id).await,
        };
        let began = {
            let mut watch = lock(&self.watch);
            watch.is_forgetful[function] = false;
            watch.is_sweep[function] = matches!(post, Post::Sweep { .. });
            watch.say(|| format!("function {function} gets {payload}"));
            watch.people.tick()
        };
        let invocation = self.invocation();
        let answer = pipeline::handle(&self.functions[function], &payload, &invocation).await;
        let is_done = answer.failed.is_empty();
        match post {
            Post::Sweep { place } if is_done => lock(&self.watch).after_sweep(place, began),
            Post::Sweep { .. } => lock(&self.watch).people.count("sweeps that failed"),
            Post::Event { payload, attempt } if !is_done && attempt < 2 => {
                let at = self.now() + 60_000 * u64::from(attempt + 1);
                self.post(at, Post::Event { payload, attempt: attempt + 1 });
            }
            Post::Event { .. } if !is_done => lock(&self.watch).people.count("dead letters"),
            Post::Event { .. } | Post::Close { .. } => {}
        }
    }

    fn invocation(&self) -> Invocation {
        let deadline = Instant::now() + Duration::from_secs(110);
        Invocation { identity: Some(self.identity.clone()), deadline }
    }

    /// An operator closes, by the function's own code.
    async fn close(&self, function: usize, id: &str) {
        let request = {
            let mut watch = lock(&self.watch);
            let Some(it) = watch.people.openings.get_mut(id) else { return };
            it.is_closed = true;
            let (place, group) = (it.place, it.group.parse().unwrap());
            let Place { account, region } = watch.people.places[place].clone();
            watch.people.count("operators who close");
            EndRequest {
                account: account.parse().unwrap(),
                region: region.parse().unwrap(),
                group,
                waiver: id.to_owned(),
            }
        };
        pipeline::close(&self.functions[function], request, people::ONCALL, &self.invocation()).await;
    }

    async fn play(&mut self) {
        let deeds: Vec<u64> = {
            let mut watch = lock(&self.watch);
            let count = watch.deeds_left;
            (0..count).map(|_| watch.people.rng.u64(..PLAY)).collect()
        };
        let mut deeds: BTreeSet<u64> = deeds.into_iter().collect();
        for round in 0..=PLAY / SWEEP {
            (0..2).for_each(|place| self.post(round * SWEEP + 7 * place as u64, Post::Sweep { place }));
        }
        loop {
            let (deed, post) = (deeds.first().copied(), self.posts.keys().next().map(|(at, _)| *at));
            let Some(next) = deed.into_iter().chain(post).min() else { break };
            tokio::time::sleep_until(self.started + Duration::from_millis(next)).await;
            if deed == Some(next) {
                deeds.pop_first();
                lock(&self.watch).deed();
                self.send();
                let id = {
                    let mut watch = lock(&self.watch);
                    let ids: Vec<String> = watch.people.openings.keys().cloned().collect();
                    let closes = !ids.is_empty() && watch.people.chance(0.1);
                    closes.then(|| ids[watch.people.rng.usize(..ids.len())].clone())
                };
                if let Some(id) = id {
                    let now = self.now();
                    self.post(now, Post::Close { id });
                }
                continue;
            }
            let Some((_, post)) = self.posts.pop_first() else { break };
            let function = usize::from(lock(&self.watch).people.chance(0.5));
            self.deliver(function, post).await;
            self.send();
        }
        self.last_sweeps().await;
    }

    /// When everything is over, nothing of an opening is left: neither rules, nor waivers, nor a place in a list.
    async fn last_sweeps(&mut self) {
        {
            let mut watch = lock(&self.watch);
            (watch.rates.faults, watch.rates.between, watch.deeds_left) = (0.0, 0.0, 0);
        }
        // Every opening is over by then. The sessions of the member's role last for an hour of this world's time, which the
        // SDK does not know.
        let over = self.started + Duration::from_millis(PLAY + 1_000_000);
        tokio::time::sleep_until(over.max(Instant::now() + Duration::from_secs(60))).await;
        // A fault may still be on its way. AWS tries a sweep that failed again.
        for place in [0, 1] {
            self.deliver(0, Post::Sweep { place }).await;
        }
        let failed = |watch: &Watch| watch.people.tally.get("sweeps that failed").copied();
        let before = failed(&lock(&self.watch));
        // The other function may hold evidence that it could not write. Its next delivery writes it.
        for (function, place) in [(1, 0), (0, 0), (0, 1)] {
            self.deliver(function, Post::Sweep { place }).await;
        }
        let mut watch = lock(&self.watch);
        if failed(&watch) != before {
            watch.wrong("a last sweep failed".to_owned());
        }
        let untraceable = watch.people.openings.values().filter(|it| it.is_untraceable()).count();
        if untraceable > 0 {
            *watch.people.tally.entry("openings that only their schedule can end".to_owned()).or_default() +=
                untraceable;
        }
        let made = watch.people.openings.values().filter(|it| it.step >= Some(Step::Opened)).count();
        *watch.people.tally.entry("openings made".to_owned()).or_default() += made;
        for evidence in replayed(&watch.people.world) {
            watch.people.count(format!("evidence: {} {}", evidence.kind.as_str(), evidence.outcome.as_str()));
        }
    }
}

async fn context(
    watch: &Arc<Mutex<Watch>>,
    function: usize,
    (mode, policy, restores): (Mode, &'static str, bool),
    region: &str,
    started: Instant,
) -> Context {
    let role = |name: &str| Some(MemberRole { name: name.to_owned(), external_id: None });
    let accounts = Accounts::Listed([HOME, MEMBER].map(|id| id.parse().unwrap()).into());
    let memory = Store::Table(TABLE.to_owned());
    let (member_role, member_end_role) = (role("PortcullisMember"), role("PortcullisMember-end"));
    let setup = Setup { mode, policy, accounts, member_role, member_end_role, memory, restores, ..Setup::default() };
    let (passing, saying) = (Arc::clone(watch), Arc::clone(watch));
    let between: Between = Arc::new(move |request| lock(&passing).pass(function, request));
    let clock = Box::new(move || Timestamp::from_millisecond(scene::START).unwrap() + started.elapsed());
    setup.context(region, between, clock, Box::new(move |line| lock(&saying).said(line))).await
}

/// What went wrong in a world, and how often what happened.
fn run(seed: u64, verbose: bool) -> (Vec<String>, BTreeMap<String, usize>) {
    let watched = Mutex::new(None);
    let done = catch_unwind(AssertUnwindSafe(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut run = Run::start(seed, verbose).await;
            *watched.lock().unwrap() = Some(Arc::clone(&run.watch));
            run.play().await;
        });
    }));
    let watched = watched.into_inner().unwrap();
    let of = |watch: &Arc<Mutex<Watch>>| {
        let watch = lock(watch);
        (watch.wrong.clone(), watch.people.tally.clone())
    };
    let (mut wrong, tally) = watched.as_ref().map(of).unwrap_or_default();
    if done.is_err() {
        wrong.push("panicked".to_owned());
    }
    (wrong, tally)
}

/// `PORTCULLIS_SEED` runs one seed and prints everything; `PORTCULLIS_OPENINGS` is the number of seeds, from
/// `PORTCULLIS_FIRST_SEED` on.
#[test]
fn in_worlds_with_openings_waivers_and_former_values_nothing_outlives_its_end_and_no_lie_is_told() {
    if let Some(seed) = number("PORTCULLIS_SEED") {
        let (wrong, _) = run(seed, true);
        assert!(wrong.is_empty(), "{wrong:#?}");
        return;
    }
    let seeds = number("PORTCULLIS_OPENINGS").unwrap_or(90);
    let first = first_seed();
    let started = std::time::Instant::now();
    let worlds = in_parallel(usize::try_from(seeds).unwrap(), |n| run(first + n as u64, false));
    let (mut tally, mut bad) = (BTreeMap::<String, usize>::new(), Vec::new());
    for (seed, (wrong, happened)) in (first..).zip(worlds) {
        happened.into_iter().for_each(|(what, count)| *tally.entry(what).or_default() += count);
        if let Some(what) = wrong.first() {
            println!("seed {seed}: {what}\n  again: PORTCULLIS_SEED={seed} cargo test … simulation::openings");
            bad.push(seed);
        }
    }
    tally.iter().for_each(|(what, count)| println!("{count:>8} {what}"));
    println!("{seeds} worlds from {first} on in {:.1?}", started.elapsed());
    assert!(bad.is_empty(), "{} of {seeds} worlds went wrong: {:?}", bad.len(), bad);
    if seeds >= 90 {
        let happened =
            ["schedules lost", "events lost", "rules of openings revoked", "rules given back", "dead letters"];
        let said =
            ["end: exempt reverted", "end: exempt already_gone", "finding: exposed reverted", "operators who close"];
        for what in happened.iter().chain(&said).chain(people::HAPPENS) {
            assert!(tally.contains_key(*what), "never: {what}");
        }
    }
}
