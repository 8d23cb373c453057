//! A sweep that is handed out over the queue is told in a few messages, however many places it has; and nothing that a place
//! found is lost, whatever becomes of messages, of the memory and of the topic.

mod figures;
mod lost;

use std::collections::BTreeSet;

use ec2_model::DEFAULT_REGIONS;
use serde_json::json;

use super::*;
use crate::harness::{Between, sqs};
use crate::sample::is_whole;

const PLACES: usize = 8;

/// The message of a sweep that tells what waits.
const TELL: &str = "tell";

/// An account with a group in each of some Regions, and a function that hands sweeps out.
struct Org {
    watch: Watch,
    queue: String,
    setup: fn() -> Setup,
    /// How many Regions are swept.
    places: usize,
}

fn told() -> Setup {
    Setup { topic: true, ..remembering() }
}

impl Org {
    async fn start(setup: fn() -> Setup) -> Self {
        Self::of(PLACES, setup).await
    }

    async fn of(places: usize, setup: fn() -> Setup) -> Self {
        let watch = setup().start().await;
        let queue = watch.world.create_queue(ACCOUNT, REGION, "sweep");
        Self { watch, queue, setup, places }
    }

    /// The Regions that are swept.
    fn regions(&self) -> &'static [&'static str] {
        &DEFAULT_REGIONS[..self.places]
    }

    /// Opens a group in the `n`th Region.
    fn open(&self, n: usize) -> String {
        let (world, region) = (&self.watch.world, self.regions()[n]);
        let group = world.create_group(ACCOUNT, region, &format!("g{n}"), Vpc::Other);
        world.authorize(ACCOUNT, region, &group, &[Permission::tcp(22, EVERYONE)]).unwrap();
        group
    }

    /// Delivers to an instance of its own. Whether it must be delivered again.
    async fn deliver(&mut self, payload: &Value) -> bool {
        self.watch.start_anew((self.setup)()).await;
        self.watch.context.settings.queue = Some(self.queue.clone());
        !self.watch.deliver(payload).await.failed.is_empty()
    }

    /// The same through a layer before the model.
    async fn deliver_behind(&mut self, payload: &Value, between: Between) {
        self.watch.start_behind((self.setup)(), between).await;
        self.watch.context.settings.queue = Some(self.queue.clone());
        self.watch.deliver(payload).await;
    }

    fn request(&self) -> Value {
        json!({"sweep": {"accounts": [ACCOUNT], "regions": self.regions()}})
    }

    /// Hands a sweep out. Its messages: those of the places, and the last one.
    async fn hand_out(&mut self) -> (Vec<String>, Vec<String>) {
        assert!(!self.deliver(&self.request()).await);
        let messages = self.watch.world.take_messages(&self.queue);
        messages.into_iter().partition(|message| order(message).as_deref() != Some(TELL))
    }

    async fn take(&mut self, messages: &[String]) {
        for message in messages {
            let failed = self.deliver(&sqs(std::slice::from_ref(message))).await;
            assert!(!failed, "{message}");
        }
    }

    /// A whole sweep, and the last message after it.
    async fn sweep(&mut self) -> Vec<String> {
        let before = self.watch.world.published().len();
        let (places, last) = self.hand_out().await;
        self.take(&places).await;
        later(&self.watch, Duration::from_secs(300));
        self.take(&last).await;
        self.mails(before)
    }

    /// An hour after the beginning of a sweep.
    fn hour(&self) {
        later(&self.watch, Duration::from_secs(3300));
    }

    /// The mails since.
    fn mails(&self, before: usize) -> Vec<String> {
        let text = |message: ec2_model::Published| {
            let texts: Value = serde_json::from_str(&message.message).unwrap();
            texts["email"].as_str().unwrap().to_owned()
        };
        self.watch.world.published().split_off(before).into_iter().map(text).collect()
    }

    fn count(&self) -> usize {
        self.watch.world.published().len()
    }

    /// The parts that wait.
    fn waiting(&self) -> usize {
        let items = self.watch.world.items(ACCOUNT, REGION, TABLE);
        items.get("digest").map_or(0, |item| item.keys().filter(|name| name.starts_with("part#")).count())
    }
}

/// What a message has to do with the digest.
fn order(message: &str) -> Option<String> {
    let message: Value = serde_json::from_str(message).unwrap();
    message["sweep"]["digest"].as_str().map(str::to_owned)
}

/// Which of the groups the mails name, each as often as it is named.
fn named(mails: &[String], groups: &[String]) -> Vec<usize> {
    groups.iter().map(|group| mails.iter().filter(|mail| mail.contains(group.as_str())).count()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_first_sweep_tells_at_once_of_the_first_place_and_together_of_the_others() {
    let mut org = Org::start(told).await;
    let groups: Vec<String> = (0..6).map(|n| org.open(n)).collect();
    let mails = org.sweep().await;
    assert_eq!((mails.len(), named(&mails, &groups)), (2, vec![1; 6]), "{mails:#?}");
    assert!(mails[0].starts_with("Portcullis digest: 1 OPEN\n"), "{}", mails[0]);
    assert!(mails[1].starts_with("Portcullis digest: 5 OPEN\n"), "{}", mails[1]);
    assert!(mails[1].contains("digest of 5 Regions of 1 account: "), "{}", mails[1]);
    assert_eq!(org.waiting(), 0);
    org.hour();
    assert_eq!(org.sweep().await, Vec::<String>::new());
}

/// `make test` takes two days and some hours of the week.
#[tokio::test(start_paused = true)]
async fn a_week_of_hourly_sweeps_tells_what_stands_once_a_day_in_one_message() {
    let hours = if is_whole() { 7 * 24 } else { 50 };
    let mut org = Org::start(told).await;
    let groups: Vec<String> = (0..PLACES).map(|n| org.open(n)).collect();
    let mut told_at = Vec::new();
    for hour in 0..hours {
        let mails = org.sweep().await;
        if !mails.is_empty() {
            told_at.push((hour, mails.len()));
            assert_eq!(named(&mails, &groups), vec![1; PLACES], "hour {hour}");
        }
        org.hour();
    }
    let expected: Vec<(usize, usize)> =
        (0..hours).step_by(24).map(|hour| (hour, if hour == 0 { 2 } else { 1 })).collect();
    assert_eq!(told_at, expected);
}

#[tokio::test(start_paused = true)]
async fn what_is_new_is_told_at_once_and_the_daily_message_keeps_its_hour() {
    let mut org = Org::start(told).await;
    let old = [org.open(0), org.open(1)];
    let mut told_at = Vec::new();
    let mut new = String::new();
    for hour in 0..30 {
        if hour == 5 {
            new = org.open(2);
        }
        let before = org.count();
        let (places, last) = org.hand_out().await;
        assert_eq!(order(&places[0]).as_deref() == Some("news"), hour % 24 != 0, "{hour}");
        org.take(&places).await;
        let at_once = org.mails(before);
        if hour == 5 {
            assert_eq!(named(&at_once, &[old[0].clone(), new.clone()]), [0, 1], "{at_once:#?}");
            assert!(at_once[0].contains(", new"), "{at_once:#?}");
        }
        later(&org.watch, Duration::from_secs(300));
        org.take(&last).await;
        told_at.extend((before..org.count()).map(|_| hour));
        org.hour();
    }
    assert_eq!(told_at, [0, 0, 5, 24]);
    let daily = org.mails(3);
    assert_eq!(named(&daily, &[old[0].clone(), old[1].clone(), new]), [1, 1, 1]);
}

/// A flood over a long sweep: a message every five minutes, and each place in one of them.
#[tokio::test(start_paused = true)]
async fn places_with_news_over_a_long_sweep_are_brought_together_every_five_minutes() {
    let mut org = Org::start(told).await;
    let groups: Vec<String> = (0..PLACES).map(|n| org.open(n)).collect();
    let (places, last) = org.hand_out().await;
    let mut messages = Vec::new();
    for place in &places {
        org.take(std::slice::from_ref(place)).await;
        messages.push(org.count());
        later(&org.watch, Duration::from_secs(120));
    }
    org.take(&last).await;
    assert_eq!(messages, [1, 1, 1, 2, 2, 2, 3, 3]);
    let mails = org.mails(0);
    assert_eq!((mails.len(), named(&mails, &groups)), (4, vec![1; PLACES]));
}

/// What a sweep that enforces has closed is told at once, group by group, and does not wait.
#[tokio::test(start_paused = true)]
async fn what_a_sweep_closed_is_told_at_once() {
    let enforcing = || Setup { policy: "version: 1\nsweep: {mode: enforce, max_revocations: 25}", ..told() };
    let mut org = Org::start(enforcing).await;
    let groups: Vec<String> = (0..4).map(|n| org.open(n)).collect();
    let (places, last) = org.hand_out().await;
    org.take(&places).await;
    let mails = org.mails(0);
    let closed: Vec<String> = mails.into_iter().filter(|mail| mail.starts_with("Portcullis CLOSED: ssh in ")).collect();
    assert_eq!(named(&closed, &groups), [1; 4]);
    org.take(&last).await;
    assert_eq!(org.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_place_that_could_not_be_looked_at_tells_it_itself_and_at_once() {
    let mut org = Org::start(told).await;
    let other = org.open(1);
    let (places, last) = org.hand_out().await;
    let between: Between = {
        let world = org.watch.world.clone();
        std::sync::Arc::new(move |request| {
            if request.body.starts_with(b"Action=DescribeSecurityGroupRules") {
                return (Duration::ZERO, ec2_model::Reply::Lost);
            }
            (Duration::ZERO, world.handle(request))
        })
    };
    org.deliver_behind(&sqs(&places[..1]), between).await;
    assert!(org.mails(0).iter().any(|mail| mail.starts_with("Portcullis sweep: 1 not looked at\n")));
    let before = org.count();
    org.take(&places[1..]).await;
    assert_eq!(named(&org.mails(before), &[other]), [1], "nobody waits for it");
    org.take(&last).await;
}

#[tokio::test(start_paused = true)]
async fn without_a_memory_each_place_tells_for_itself() {
    let mut org = Org::start(|| Setup { topic: true, ..Setup::default() }).await;
    let groups: Vec<String> = (0..4).map(|n| org.open(n)).collect();
    for n in 1..=2 {
        let (places, last) = org.hand_out().await;
        assert_eq!((places.iter().filter_map(|message| order(message)).count(), last.len()), (0, 0));
        org.take(&places).await;
        let mails = org.mails(0);
        assert_eq!((mails.len(), named(&mails, &groups)), (4 * n, vec![n; 4]));
    }
}

/// The machine's word for what came of it goes with the digest too.
#[tokio::test(start_paused = true)]
async fn the_digest_is_a_finding_like_any_other_summary() {
    let mut org = Org::start(told).await;
    (0..3).for_each(|n| _ = org.open(n));
    org.sweep().await;
    let lines = org.watch.lines.lock().unwrap();
    let digests: Vec<Finding> = lines
        .iter()
        .filter_map(|line| serde_json::from_str::<Finding>(line).ok())
        .filter(|finding| finding.sweep.as_ref().is_some_and(|sweep| sweep.digest.is_some()))
        .collect();
    assert_eq!(digests.len(), 2);
    assert_eq!(judged(&digests[1]), (Verdict::Exposed, Outcome::WouldRevert));
    assert_eq!(digests[1].sweep.as_ref().map(|sweep| (sweep.places, sweep.exposed)), Some((2, 2)));
    let attributes: BTreeSet<Option<String>> = org
        .watch
        .world
        .published()
        .iter()
        .map(|message| message.attributes.iter().find(|(name, _)| name == "outcome").map(|(_, value)| value.clone()))
        .collect();
    assert_eq!(attributes, BTreeSet::from([Some("would_revert".to_owned())]));
}

/// A place is named with a few lines only. Whoever has opened many groups before hides no further one behind them.
#[tokio::test(start_paused = true)]
async fn a_new_open_group_is_named_before_many_that_stood_open() {
    let mut org = Org::start(told).await;
    let (world, region) = (org.watch.world.clone(), org.regions()[0]);
    let decoy = |n: usize| {
        let group = world.create_group(ACCOUNT, region, &format!("decoy{n:02}"), Vpc::Other);
        world.authorize(ACCOUNT, region, &group, &[Permission::tcp(22, EVERYONE)]).unwrap();
    };
    (0..60).for_each(decoy);
    let first = org.sweep().await.concat();
    assert!(first.contains("decoy00") && !first.contains("decoy40"), "{first}");
    org.hour();
    let late = world.create_group(ACCOUNT, region, "zz-late", Vpc::Other);
    world.authorize(ACCOUNT, region, &late, &[Permission::tcp(22, EVERYONE)]).unwrap();
    let mails = org.sweep().await;
    assert_eq!(mails.len(), 1, "{mails:#?}");
    assert!(mails[0].contains(&late), "{mails:#?}");
}
