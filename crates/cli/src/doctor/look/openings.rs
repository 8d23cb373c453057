//! Openings that end by themselves: their schedules, what the memory lists, what the function wrote of their ends, and what
//! is left of those whose time is over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use jiff::SignedDuration;
use portcullis::aws::{AccountRegion, Aws, AwsError, FunctionIdentity, KnownLists, ListAge, Wanted};
use portcullis::domain::change::Resource;
use portcullis::domain::memory::{Entries, Listed, Memory, item_of, openings_of};
use portcullis::domain::opening::ending;
use portcullis::store::StoreError;
use portcullis_domain::finding::{Finding, Outcome};
use portcullis_domain::ids::{AccountId, Region};
use portcullis_domain::policy::Mode;
use tokio::time::Instant;

use super::super::api::{DESCRIBE_RULES, FILTER_LOG_EVENTS, GET_ITEM, GET_SCHEDULE_GROUP, LIST_SCHEDULES};
use super::super::inventory::{CallError, Inventory, Left, Opening, Openings, Seen, Store};
use super::super::judge::sweep_limit;
use super::ask::of_aws;
use super::{Scene, optional};

/// This many items of the memory are read at a time.
const MOST_AT_ONCE: usize = 16;

/// All of it may take so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A schedule is exact to a minute, and a failed end is tried again. So long after its time an opening is past its end.
const LATE: SignedDuration = SignedDuration::from_mins(15);

/// What is known of openings; nothing where the stack makes none.
pub(super) async fn openings(scene: &Scene<'_>, inventory: &Inventory) -> Option<Openings> {
    let group = Some(scene.output("ScheduleGroupName")).filter(|name| !name.is_empty())?;
    let memory = inventory.hub.as_ref().and_then(|hub| match &hub.memory {
        Some((name, Store::There)) => Some(name.as_str()),
        _ => None,
    });
    let listed = async {
        match memory {
            Some(table) => Some(listed(scene, table, places(scene, inventory)).await),
            // That is told of already.
            None => None,
        }
    };
    let (schedules, listed, failed) = tokio::join!(schedules(scene, group), listed, failed(scene));
    Some(Openings { group: group.to_owned(), schedules, listed, failed })
}

/// The names of the schedules; nothing within where there is no such group.
async fn schedules(scene: &Scene<'_>, group: &str) -> Seen<Option<BTreeSet<String>>> {
    let (client, mut found, mut next) = (scene.clients.scheduler(), BTreeSet::new(), None);
    let asked = client.get_schedule_group().name(group).send();
    if optional(scene.ask.call(GET_SCHEDULE_GROUP, asked).await, &["ResourceNotFoundException"])?.is_none() {
        return Ok(None);
    }
    loop {
        let asked = client.list_schedules().group_name(group).set_next_token(next).send();
        let page = scene.ask.call(LIST_SCHEDULES, asked).await?;
        found.extend(page.schedules().iter().filter_map(|it| it.name()).map(str::to_owned));
        next = page.next_token().map(str::to_owned);
        if next.is_none() {
            return Ok(Some(found));
        }
    }
}

/// The accounts and Regions in which openings may be: those that are guarded.
fn places(scene: &Scene<'_>, inventory: &Inventory) -> Vec<AccountRegion> {
    let own: BTreeSet<Region> = inventory.regions.keys().cloned().chain([scene.who.region.clone()]).collect();
    let mut places: BTreeSet<(AccountId, Region)> =
        own.iter().map(|region| (scene.who.account.clone(), region.clone())).collect();
    let members = inventory.members.iter();
    for account in members.clone().flat_map(|members| &members.guarded) {
        // Where nobody could look, the member has at most the Regions of the stack's own account.
        let seen = members.clone().find_map(|members| members.seen.get(account));
        let seen = seen.map(|member| member.regions.keys().cloned().collect::<BTreeSet<_>>());
        let regions = seen.filter(|regions| !regions.is_empty()).unwrap_or_else(|| own.clone());
        places.extend(regions.into_iter().map(|region| (account.clone(), region)));
    }
    places.into_iter().map(|(account, region)| AccountRegion { account, region }).collect()
}

/// What is read with.
struct Reader<'a> {
    scene: &'a Scene<'a>,
    aws: Aws,
    store: portcullis::store::Store,
    identity: FunctionIdentity,
    until: Instant,
}

/// The openings that the memory lists, with what is left of those that are over.
async fn listed(scene: &Scene<'_>, table: &str, places: Vec<AccountRegion>) -> Seen<Vec<Opening>> {
    let who = scene.who;
    let (account, partition, region) = (who.account.clone(), who.partition.clone(), who.region.clone());
    let aws = scene.wanted.operator.clients(scene.wanted.role.clone(), Mode::Alert).await;
    let aws = aws.map_err(|why| CallError { api: GET_ITEM, code: "Profile".to_owned(), message: why })?;
    let store = portcullis::store::Store::Table(table.to_owned());
    let until = Instant::now() + PATIENCE;
    let reader = Reader { scene, aws, store, identity: FunctionIdentity { account, partition, region }, until };
    let read = places.into_iter().map(|place| {
        let reader = &reader;
        async move {
            let entries = reader.read(&openings_of(&place.account, &place.region)).await?;
            let openings = entries.into_iter().filter_map(|(id, it)| Some((id, serde_json::from_value(it).ok()?)));
            let mut found = Vec::new();
            for (waiver, listed) in openings.collect::<Vec<(String, Listed)>>() {
                found.push(reader.opening(&place, waiver, listed).await);
            }
            Ok::<_, CallError>(found)
        }
    });
    let read: Vec<Seen<Vec<Opening>>> = stream::iter(read.collect::<Vec<_>>()).buffered(MOST_AT_ONCE).collect().await;
    read.into_iter().collect::<Seen<Vec<_>>>().map(|all| all.into_iter().flatten().collect())
}

impl Reader<'_> {
    async fn read(&self, key: &str) -> Seen<Entries> {
        self.scene.ask.count(1);
        let read = self.store.read(&self.aws, key, self.until).await;
        read.map_err(|error| match error {
            StoreError::Table(error) => of_aws(GET_ITEM, error),
            other @ (StoreError::NotMet(_) | StoreError::None | StoreError::Folder { .. } | StoreError::Timeout) => {
                CallError { api: GET_ITEM, code: other.code().to_owned(), message: other.to_string() }
            }
        })
    }

    async fn opening(&self, place: &AccountRegion, waiver: String, listed: Listed) -> Opening {
        let AccountRegion { account, region } = place.clone();
        let is_over = self.scene.wanted.now.duration_since(listed.until) > LATE;
        let left = match (is_over, account == self.scene.who.account || self.scene.wanted.role.is_some()) {
            (false, _) => Left::NotDue,
            (true, false) => Left::NotLookedAt,
            (true, true) => Left::Rules(self.rules(place, &waiver, &listed).await),
        };
        Opening { account, region, waiver, group: listed.group, until: listed.until, left }
    }

    /// How many rules of an opening are there.
    async fn rules(&self, place: &AccountRegion, waiver: &str, listed: &Listed) -> Seen<usize> {
        let memory = Memory::read(&self.read(&item_of(&place.account, &place.region, &listed.group)).await?);
        let (lists, nothing) = (KnownLists::default(), |_: &_| false);
        let (lists, now) = ((&lists, ListAge::Known), self.scene.wanted.now);
        let wanted = Wanted { vpc: false, prefix_list_of: &nothing, lists, now };
        let session = self.aws.session(&self.identity, self.until);
        self.scene.ask.count(1);
        let looked = session.describe(place, &Resource::Group(listed.group.clone()), wanted).await;
        let looked = looked.map_err(|error: AwsError| of_aws(DESCRIBE_RULES, error))?;
        let facts = looked.groups.iter().find(|facts| facts.location.group == listed.group);
        Ok(facts.map_or(0, |facts| ending(waiver, memory.waivers.get(waiver), facts).len()))
    }
}

/// No more pages of the log than these are read.
const MOST_PAGES: usize = 50;

/// The ends that did not succeed in the last hours, by the function's own words: why, by the waiver. The roles that it assumes
/// for ends trust the function alone, so nobody else can try them.
async fn failed(scene: &Scene<'_>) -> Seen<BTreeMap<String, (AccountId, Region, String)>> {
    let schedule = scene.stack.parameter("SweepSchedule").unwrap_or_default();
    let limit = sweep_limit(schedule, scene.stack.parameter("HeartbeatHours"));
    let since = scene.wanted.now.checked_sub(limit).unwrap_or(scene.wanted.now);
    let (client, mut next, mut failed) = (scene.clients.logs(), None, BTreeMap::new());
    for _ in 0..MOST_PAGES {
        let asked = client.filter_log_events().log_group_name(scene.output("LogGroupName"));
        let asked = asked.filter_pattern("{ $.call = \"End\" }").start_time(since.as_millisecond());
        let page = scene.ask.call(FILTER_LOG_EVENTS, asked.set_next_token(next).send()).await?;
        let lines = page.events().iter().filter_map(|event| event.message());
        for finding in lines.filter_map(|line| serde_json::from_str::<Finding>(line).ok()) {
            let Some((waiver, end)) = end(&finding) else { continue };
            // The last word counts.
            match finding.outcome == Outcome::Failed {
                true => _ = failed.insert(waiver, end),
                false => _ = failed.remove(&waiver),
            }
        }
        next = page.next_token().map(str::to_owned);
        if next.is_none() {
            break;
        }
    }
    Ok(failed)
}

fn end(finding: &Finding) -> Option<(String, (AccountId, Region, String))> {
    let account = AccountId::parse(finding.account.as_deref()?).ok()?;
    let region = Region::parse(finding.region.as_deref()?).ok()?;
    Some((finding.waiver.clone()?, (account, region, finding.reason.clone())))
}
