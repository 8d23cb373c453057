//! One run: people's calls, the events of these calls, and the deliveries of these events, each to an instance of its
//! own. Messages for later looks go to any of those that are idle.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ec2_model::{Actor, ApiError, Permission, RuleChange, Source, World};
use portcullis::store::Store;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use super::arena::Arena;
use super::instance::Instance;
use super::watch::{Made, Watch};
use crate::harness::{ACCOUNT, Between, TABLE, queue_url};

/// Who makes a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Attacker,
    Developer,
    /// Somebody whom the policy exempts, if it exempts anyone.
    Exempt,
}

/// Which parts CloudTrail omits from a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    Nothing,
    /// The answer, and with it the rules' ids.
    Answer,
    /// The parameters as well: over 100 KB.
    Everything,
}

/// How events travel.
#[derive(Debug, Clone)]
pub(super) struct Travel {
    /// From the call to the instance, in milliseconds.
    pub(super) late: u64,
    /// How much the delay differs from event to event. Above 1, events arrive out of order.
    pub(super) spread: f64,
    /// The share of events that come twice.
    pub(super) doubled: f64,
    /// The batch size of the queue. 0: asynchronous invocation, one event at a time.
    pub(super) batch: usize,
    /// This many instances run at a time.
    pub(super) concurrency: usize,
    /// The function's timeout.
    pub(super) timeout: Duration,
    /// Instead of instances, a watchman revokes. He knows who made each rule and looks as often as EC2 allows. No
    /// guardrail can close what he leaves open.
    pub(super) ideal: bool,
    /// Whether the instances have a memory, and keep evidence.
    pub(super) memory: bool,
    /// The share of calls to the memory that fail.
    pub(super) memory_faults: f64,
    /// Whether the instances have a queue for later looks.
    pub(super) queue: bool,
}

impl Travel {
    /// Every event goes to an instance of its own as soon as it is made. There is no memory.
    pub(super) const fn alone(late: u64, timeout: Duration) -> Self {
        Self {
            late,
            spread: 0.0,
            doubled: 0.0,
            batch: 0,
            concurrency: 1_000,
            timeout,
            ideal: false,
            memory: false,
            memory_faults: 0.0,
            queue: true,
        }
    }
}

/// Lambda repeats a failed asynchronous invocation after one minute, and again after two more (Lambda Developer Guide,
/// "How Lambda handles errors and retries with asynchronous invocation").
const RETRIES: [u64; 2] = [60_000, 120_000];

/// A queue delivers a failed message again after this time, and gives up after this many deliveries.
const VISIBILITY: Duration = Duration::from_secs(60);
const MOST_RECEIVED: u32 = 5;
const POLLERS: usize = 2;

/// A message: its id, its event, and how often it was received.
type Message = (String, Value, u32);

pub(super) struct Run {
    pub(super) watch: Arc<Mutex<Watch>>,
    pub(super) travel: Travel,
    pub(super) region: String,
    pub(super) rng: RefCell<fastrand::Rng>,
    /// The next event is delayed by this many milliseconds, like a message that is redriven from the dead-letter queue.
    pub(super) held_back: Cell<u64>,
    /// When the fight ends, as soon as that is known.
    pub(super) until: Cell<u64>,
    on_watch: Cell<bool>,
    policy: &'static str,
    started: Instant,
    queue: RefCell<VecDeque<Message>>,
    polling: Cell<usize>,
    sent: Cell<u64>,
    /// The instances that are idle, with their numbers.
    idle: RefCell<Vec<(usize, Instance)>>,
    /// The template's queue is read by two instances at a time (`QueueConcurrency`).
    readers: Semaphore,
}

impl Run {
    pub(super) fn new(seed: u64, region: String, policy: &'static str, travel: Travel, verbose: bool) -> Rc<Self> {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut watch = Watch::new(Arena::new(seed, region.clone()), rng.fork(), verbose);
        watch.memory_faults = travel.memory_faults;
        let (queue, polling, sent, held_back, idle) = Default::default();
        let (watch, rng) = (Arc::new(Mutex::new(watch)), RefCell::new(rng.fork()));
        let (until, on_watch, started) = (Cell::new(u64::MAX), Cell::new(false), Instant::now());
        Rc::new(Self {
            watch,
            travel,
            region,
            rng,
            held_back,
            until,
            on_watch,
            policy,
            started,
            queue,
            polling,
            sent,
            idle,
            readers: Semaphore::new(2),
        })
    }

    pub(super) fn watch(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds since the run began.
    pub(super) fn now(&self) -> u64 {
        self.watch().arena.tick()
    }

    pub(super) fn chance(&self, of: f64) -> bool {
        self.rng.borrow_mut().f64() < of
    }

    /// Makes a call as soon as the account's bucket has a token for it. Returns its result and its event.
    async fn call<T>(
        &self,
        who: Who,
        action: &str,
        call: impl FnOnce(&World, &str) -> Result<T, ApiError>,
    ) -> Option<(T, Value)> {
        self.token(action).await;
        let watch = self.watch();
        watch.arena.tick();
        let world = &watch.arena.world;
        world.set_actor(match who {
            Who::Attacker => Actor::User("mallory".into()),
            Who::Developer => Actor::default(),
            Who::Exempt => Actor::Role { role: "BreakGlass".into(), session: "jo".into() },
        });
        world.take_records();
        let gave = call(world, &self.region).ok()?;
        let event = ec2_model::eventbridge(world.take_records().last()?);
        watch.say(|| format!("{who:?} {action}"));
        Some((gave, event))
    }

    /// Waits for a token of the account's bucket, which the function also uses.
    pub(super) async fn token(&self, action: &str) {
        loop {
            let drawn = {
                let watch = self.watch();
                watch.arena.tick();
                watch.arena.world.draw(ACCOUNT, &self.region, action)
            };
            if drawn {
                return;
            }
            // A fixed pause could stay in step with another caller and never get a token.
            let pause = self.rng.borrow_mut().u64(10..60);
            sleep(Duration::from_millis(pause)).await;
        }
    }

    /// CreateSecurityGroup, which EventBridge does not deliver.
    pub(super) async fn create_group(&self, name: &str, vpc: ec2_model::Vpc) -> String {
        let made = self.call(Who::Developer, "CreateSecurityGroup", |w, r| w.try_create_group(ACCOUNT, r, name, vpc));
        let (group, _) = made.await.unwrap();
        self.watch().arena.groups.entry(group.clone()).or_default();
        group
    }

    pub(super) async fn delete_group(&self, group: &str) {
        self.call(Who::Attacker, "DeleteSecurityGroup", |w, r| w.delete_group(ACCOUNT, r, group)).await;
        self.watch().arena.note(group);
    }

    /// AuthorizeSecurityGroupIngress by id. Returns the new rules' ids.
    pub(super) async fn authorize(self: &Rc<Self>, who: Who, group: &str, permissions: &[Permission]) -> Vec<String> {
        self.authorize_as(who, (group, group), permissions, Left::Nothing).await
    }

    /// The same for a group by id or by name, with a record that omits something.
    pub(super) async fn authorize_as(
        self: &Rc<Self>,
        who: Who,
        (group, name): (&str, &str),
        permissions: &[Permission],
        left_out: Left,
    ) -> Vec<String> {
        let action = "AuthorizeSecurityGroupIngress";
        let made = self.call(who, action, |w, r| w.authorize(ACCOUNT, r, name, permissions)).await;
        let Some((rules, mut event)) = made else { return Vec::new() };
        let omitted = json!({"reason": "too large", "omitted": true, "originalSize": 131_072});
        match left_out {
            Left::Nothing => {}
            Left::Answer => event["detail"]["responseElements"] = json!({"_return": true}),
            Left::Everything => {
                event["detail"]["requestParameters"] = omitted.clone();
                event["detail"]["responseElements"] = omitted;
            }
        }
        {
            let mut watch = self.watch();
            match who {
                Who::Attacker => watch.arena.note(group),
                Who::Developer | Who::Exempt => watch.arena.lawful(group, &rules, who == Who::Exempt),
            }
        }
        let harmless = !permissions.iter().any(reaches_a_guarded_port);
        let made = Made {
            groups: [group.to_owned()].into(),
            rules: rules.iter().cloned().collect(),
            by_attacker: who == Who::Attacker,
            harmless,
            slight: permissions.iter().all(is_slight),
        };
        self.send(event, made);
        rules
    }

    /// ModifySecurityGroupRules of one rule.
    pub(super) async fn modify(self: &Rc<Self>, group: &str, rule: &str, permission: Permission) -> bool {
        let harmless = !reaches_a_guarded_port(&permission);
        let changes = [RuleChange { rule: rule.to_owned(), permission }];
        let action = "ModifySecurityGroupRules";
        let made = self.call(Who::Attacker, action, |w, r| w.modify_rules(ACCOUNT, r, group, &changes)).await;
        let Some(((), event)) = made else { return false };
        self.watch().arena.note(group);
        let (groups, rules) = ([group.to_owned()].into(), [rule.to_owned()].into());
        let slight = is_slight(&changes[0].permission);
        self.send(event, Made { groups, rules, by_attacker: true, harmless, slight });
        true
    }

    /// RevokeSecurityGroupIngress, which EventBridge does not deliver.
    pub(super) async fn revoke(&self, group: &str, rules: &[String]) -> bool {
        let ids: Vec<&str> = rules.iter().map(String::as_str).collect();
        let action = "RevokeSecurityGroupIngress";
        let made = self.call(Who::Attacker, action, |w, r| w.revoke(ACCOUNT, r, group, &ids)).await;
        self.watch().arena.note(group);
        made.is_some()
    }

    /// CreateManagedPrefixList, which EventBridge does not deliver.
    pub(super) async fn create_list(&self, entries: &[&str]) -> String {
        let action = "CreateManagedPrefixList";
        let made = self.call(Who::Developer, action, |w, r| w.create_prefix_list(ACCOUNT, r, "central", 20, entries));
        let (list, _) = made.await.unwrap();
        self.watch().arena.list_holds(&list, entries.iter().map(|&entry| entry.to_owned()).collect());
        list
    }

    /// ModifyManagedPrefixList. Waits until the change is complete.
    pub(super) async fn change_list(self: &Rc<Self>, list: &str, add: &[&str], remove: &[&str], lag: u64) -> bool {
        self.watch().arena.world.set_prefix_list_lag(i64::try_from(lag).unwrap());
        let action = "ModifyManagedPrefixList";
        let made = self.call(Who::Attacker, action, |w, r| w.modify_prefix_list(ACCOUNT, r, list, add, remove)).await;
        let Some(((), event)) = made else { return false };
        let (groups, rules) = {
            let watch = self.watch();
            let of = |group: &String| {
                let rules = watch.arena.rules(group).into_iter().filter(|rule| rule.shape.source == list);
                (group.clone(), rules.map(|rule| rule.id).collect::<Vec<_>>())
            };
            let all: Vec<(String, Vec<String>)> = watch.arena.groups.keys().map(of).collect();
            let groups: BTreeSet<String> =
                all.iter().filter(|(_, rules)| !rules.is_empty()).map(|(group, _)| group.clone()).collect();
            (groups, all.into_iter().flat_map(|(_, rules)| rules).collect())
        };
        self.send(event, Made { groups, rules, by_attacker: true, harmless: add.is_empty(), slight: false });
        sleep(Duration::from_millis(lag)).await;
        let mut watch = self.watch();
        let mut holds = watch.arena.lists.get(list).cloned().unwrap_or_default();
        holds.retain(|entry| !remove.contains(&entry.as_str()));
        holds.extend(add.iter().map(|&entry| entry.to_owned()));
        watch.arena.list_holds(list, holds);
        true
    }

    /// Sends an event.
    fn send(self: &Rc<Self>, event: Value, made: Made) {
        self.watch().made.insert(id_of(&event), made);
        let held_back = Duration::from_millis(self.held_back.take());
        let copies = if self.chance(self.travel.doubled) { 2 } else { 1 };
        for _ in 0..copies {
            let spread = 1.0 + self.travel.spread * (self.rng.borrow_mut().f64() - 0.5);
            let late = Duration::from_millis(self.travel.late).mul_f64(spread.max(0.1));
            let delay = held_back + Duration::from_millis(u64::try_from(late.as_millis()).unwrap());
            let (run, event) = (Rc::clone(self), event.clone());
            if self.travel.batch == 0 {
                tokio::task::spawn_local(run.invoke(event, delay));
            } else {
                self.sent.set(self.sent.get() + 1);
                tokio::task::spawn_local(run.queued((format!("m{}", self.sent.get()), event, 0), delay));
            }
        }
    }

    /// Asynchronous invocation: one event, three attempts.
    async fn invoke(self: Rc<Self>, event: Value, delay: Duration) {
        sleep(delay).await;
        let items = [(String::new(), id_of(&event))];
        for pause in RETRIES.into_iter().map(Some).chain([None]) {
            // Lambda keeps the events that it may not run yet, and tries again after longer and longer pauses.
            let mut wait = Duration::from_secs(1);
            while self.watch().counts.at_once >= self.travel.concurrency {
                sleep(wait).await;
                wait = (wait * 2).min(Duration::from_secs(300));
            }
            if self.deliver(&event, &items).await.is_empty() {
                return;
            }
            let Some(pause) = pause else { return };
            sleep(Duration::from_millis(pause)).await;
        }
    }

    /// A message enters the queue. The next poller receives it, together with other messages in the queue.
    async fn queued(self: Rc<Self>, message: Message, delay: Duration) {
        sleep(delay).await;
        self.queue.borrow_mut().push_back(message);
        if self.polling.get() >= POLLERS {
            return;
        }
        self.polling.set(self.polling.get() + 1);
        loop {
            let messages: Vec<Message> = {
                let mut queue = self.queue.borrow_mut();
                let most = queue.len().min(self.travel.batch);
                queue.drain(..most).collect()
            };
            if messages.is_empty() {
                break;
            }
            let record = |(id, event, _): &Message| json!({"messageId": id, "body": event.to_string(), "eventSource": "aws:sqs"});
            let payload = json!({"Records": messages.iter().map(record).collect::<Vec<_>>()});
            let items: Vec<(String, String)> =
                messages.iter().map(|(id, event, _)| (id.clone(), id_of(event))).collect();
            let failed = self.deliver(&payload, &items).await;
            for (id, event, received) in messages {
                if failed.contains(&id) && received + 1 < MOST_RECEIVED {
                    let again: std::pin::Pin<Box<dyn Future<Output = ()>>> =
                        Box::pin(Rc::clone(&self).queued((id, event, received + 1), VISIBILITY));
                    tokio::task::spawn_local(again);
                }
            }
        }
        self.polling.set(self.polling.get() - 1);
    }

    /// A message for a later look comes to any instance that is idle: Lambda says of none which it takes.
    async fn later_look(self: Rc<Self>, event: String, after: Duration) {
        sleep(after).await;
        let body: Value = serde_json::from_str(&event).unwrap();
        let (id, message) = (id_of(&body), "later".to_owned());
        let payload = json!({"Records": [{"messageId": message, "body": event, "eventSource": "aws:sqs"}]});
        let items = [(message, id.clone())];
        for received in 0..MOST_RECEIVED {
            if received > 0 {
                sleep(VISIBILITY).await;
            }
            let _reader = self.readers.acquire().await.unwrap();
            if received == 0 {
                self.watch().forget_message(&id);
            }
            let warm = {
                let mut idle = self.idle.borrow_mut();
                let count = idle.len();
                (count > 0).then(|| idle.swap_remove(self.rng.borrow_mut().usize(..count)))
            };
            if self.deliver_to(warm, &payload, &items).await.is_empty() {
                return;
            }
        }
    }

    /// Delivers to a fresh instance. Returns the items that failed.
    async fn deliver(self: &Rc<Self>, payload: &Value, items: &[(String, String)]) -> BTreeSet<String> {
        if self.travel.ideal {
            self.watch_for(items);
            return BTreeSet::new();
        }
        self.deliver_to(None, payload, items).await
    }

    /// Delivers to an instance, to a fresh one where there is none.
    async fn deliver_to(
        self: &Rc<Self>,
        warm: Option<(usize, Instance)>,
        payload: &Value,
        items: &[(String, String)],
    ) -> BTreeSet<String> {
        let (instance, began) = {
            let mut watch = self.watch();
            let groups: BTreeSet<String> =
                items.iter().filter_map(|(_, id)| watch.made.get(id)).flat_map(|made| made.groups.clone()).collect();
            watch.arena.arrived(&groups);
            let rules: BTreeSet<String> =
                items.iter().filter_map(|(_, id)| watch.made.get(id)).flat_map(|made| made.rules.clone()).collect();
            let instance = watch.begin(warm.as_ref().map(|(number, _)| *number));
            watch.arena.heard_of(instance, rules);
            watch.counts.at_once += 1;
            watch.counts.most_at_once = watch.counts.most_at_once.max(watch.counts.at_once);
            watch.say(|| format!("#{instance} begins: {} records", items.len()));
            (instance, watch.arena.tick())
        };
        let function = match warm {
            Some((_, function)) => function,
            None => self.start(instance).await,
        };
        let delivered = function.deliver(payload, self.travel.timeout).await;
        if self.travel.queue {
            self.idle.borrow_mut().push((instance, function));
        }
        let mut watch = self.watch();
        for (event, after) in watch.arena.world.take_delayed_messages(&queue_url(&self.region)) {
            let id = id_of(&serde_json::from_str(&event).unwrap());
            watch.say(|| format!("{id} comes again in {after} s"));
            watch.still_to_come.push(id);
            let come = Rc::clone(self).later_look(event, Duration::from_secs(after));
            let again: std::pin::Pin<Box<dyn Future<Output = ()>>> = Box::pin(come);
            tokio::task::spawn_local(again);
        }
        watch.counts.at_once -= 1;
        watch.counts.busy += watch.arena.tick() - began;
        watch.settled(instance, items, &delivered);
        watch.say(|| format!("#{instance} ends, failed: {:?}", delivered.failed));
        delivered.failed
    }

    /// Starts an instance, whose calls and log lines the watch sees.
    async fn start(&self, instance: usize) -> Instance {
        let (passing, saying) = (Arc::clone(&self.watch), Arc::clone(&self.watch));
        let between: Between =
            Arc::new(move |request| passing.lock().unwrap_or_else(PoisonError::into_inner).pass(instance, request));
        let memory = if self.travel.memory { Store::Table(TABLE.to_owned()) } else { Store::None };
        let out =
            Box::new(move |line: &str| saying.lock().unwrap_or_else(PoisonError::into_inner).log_line(instance, line));
        let setup = (self.policy, memory, self.travel.queue);
        Instance::start(&self.region, setup, self.started, between, out).await
    }
}

impl Run {
    /// The watchman learns of groups, and starts with the first.
    fn watch_for(self: &Rc<Self>, items: &[(String, String)]) {
        let mut watch = self.watch();
        let groups: BTreeSet<String> =
            items.iter().filter_map(|(_, id)| watch.made.get(id)).flat_map(|made| made.groups.clone()).collect();
        watch.arena.arrived(&groups);
        watch.counts.deliveries += 1;
        if !self.on_watch.replace(true) {
            tokio::task::spawn_local(Rc::clone(self).stand_watch());
        }
    }

    /// Twenty looks a second, and a revoke at once. EC2 refills that many tokens, and two calls take the function that
    /// long.
    async fn stand_watch(self: Rc<Self>) {
        while self.now() < self.until.get() {
            self.token("DescribeSecurityGroupRules").await;
            let open = self.watch().arena.attacked();
            sleep(Duration::from_millis(37)).await;
            for (group, rules) in open {
                // One id that is gone makes a call for several ids fail.
                if !self.revoke(&group, &rules).await {
                    for rule in rules {
                        self.revoke(&group, &[rule]).await;
                    }
                }
            }
            sleep(Duration::from_millis(13)).await;
        }
    }
}

fn id_of(event: &Value) -> String {
    event["detail"]["eventID"].as_str().unwrap_or_default().to_owned()
}

fn reaches_a_guarded_port(permission: &Permission) -> bool {
    let (from, to) = (permission.from_port.unwrap_or(0), permission.to_port.unwrap_or(65_535));
    [22, 1433, 3306, 3389].into_iter().any(|port| (from..=to).contains(&port))
}

/// Whether all sources are IPv4 blocks that together are at most a /24.
fn is_slight(permission: &Permission) -> bool {
    let addresses = |source: &Source| match source {
        Source::Ipv4(block) => block.rsplit_once('/').and_then(|(_, length)| length.parse().ok()),
        Source::Ipv6(_) | Source::PrefixList(_) | Source::Group { .. } => None,
    };
    let all: Option<Vec<u32>> = permission.sources.iter().map(addresses).collect();
    all.is_some_and(|lengths| lengths.iter().map(|length| 1_u64 << (32 - length)).sum::<u64>() <= 256)
}
