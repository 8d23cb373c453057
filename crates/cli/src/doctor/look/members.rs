//! The members: their Regions and rules, many accounts at a time.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_organizations::types::AccountState;
use futures_util::{StreamExt, stream};
use portcullis::aws::is_usable;
use portcullis_domain::ids::{AccountId, Region};

use super::super::api::LIST_ACCOUNTS;
use super::super::inventory::{Member, MemberRegion, Members, Rule, Seen, Trails};
use super::{Scene, ask, events, hub, trails};
use crate::aws::Clients;

/// This many accounts are looked at at a time,
const MOST_ACCOUNTS: usize = 16;
/// and this many Regions of each.
const MOST_REGIONS: usize = 4;

pub(super) async fn members(
    scene: &Scene<'_>,
    enabled: &Seen<BTreeSet<Region>>,
    own_trails: &BTreeMap<Region, Trails>,
) -> Option<Members> {
    let organization = scene.stack.parameter("OrganizationId").is_some();
    let accounts = scene.stack.parameter("Accounts");
    if accounts.is_none() && !organization {
        return None;
    }
    let listed = if organization || accounts == Some("*") { Some(listed(scene).await) } else { None };
    let mut guarded: BTreeSet<AccountId> = match accounts {
        None => BTreeSet::new(),
        Some("*") => listed.as_ref().and_then(|listed| listed.as_ref().ok()).cloned().unwrap_or_default(),
        Some(list) => list.split(',').filter_map(|id| AccountId::parse(id).ok()).collect(),
    };
    guarded.remove(&scene.who.account);
    let role = scene.wanted.role.as_ref();
    let covered = covered(own_trails);
    let asked = guarded.iter().filter(|_| role.is_some()).map(|account| {
        let covered = &covered;
        async move { (account.clone(), member(scene, account, covered).await) }
    });
    let mut seen: BTreeMap<_, _> =
        stream::iter(asked.collect::<Vec<_>>()).buffer_unordered(MOST_ACCOUNTS).collect().await;
    // The other Regions of the stack's own account forward as the members' do. Their trails are told of already.
    if !scene.output("BusArn").is_empty() {
        let all = own_trails.keys().cloned().collect();
        let own = in_regions(scene, scene.clients, enabled.clone(), &all).await;
        if !own.regions.is_empty() {
            seen.insert(scene.who.account.clone(), own);
        }
    }
    Some(Members { listed, guarded, role: role.map(|role| role.name.clone()), seen })
}

/// The organisation's accounts that can be used.
async fn listed(scene: &Scene<'_>) -> Seen<BTreeSet<AccountId>> {
    let (client, mut found, mut next) = (scene.clients.organizations(), BTreeSet::new(), None);
    loop {
        let page = scene.ask.call(LIST_ACCOUNTS, client.list_accounts().set_next_token(next).send()).await?;
        let usable = page.accounts().iter().filter(|account| is_usable(account.state().map(AccountState::as_str)));
        found.extend(usable.filter_map(|account| AccountId::parse(account.id()?).ok()));
        next = page.next_token().map(str::to_owned);
        if next.is_none() {
            return Ok(found);
        }
    }
}

/// The Regions in which the organisation's own trail logs what is needed. It logs there in every member.
fn covered(trails: &BTreeMap<Region, Trails>) -> BTreeSet<Region> {
    let serves = |trails: &Trails| trails.iter().flatten().any(|trail| trail.organization && trail.serves());
    trails.iter().filter(|(_, trails)| serves(trails)).map(|(region, _)| region.clone()).collect()
}

async fn member(scene: &Scene<'_>, account: &AccountId, covered: &BTreeSet<Region>) -> Member {
    let Some(role) = &scene.wanted.role else {
        return Member { enabled: Ok(BTreeSet::new()), regions: BTreeMap::new() };
    };
    let clients = scene.clients.assuming(&scene.who.partition, account, role).await;
    // The first call assumes the role.
    scene.ask.count(1);
    let enabled = ask::regions(scene.ask, &clients).await;
    in_regions(scene, &clients, enabled, covered).await
}

async fn in_regions(
    scene: &Scene<'_>,
    clients: &Clients,
    enabled: Seen<BTreeSet<Region>>,
    covered: &BTreeSet<Region>,
) -> Member {
    let own = std::ptr::eq(clients, scene.clients);
    let mut guarded = enabled.as_ref().map(|enabled| scene.guarded(enabled)).unwrap_or_default();
    if own {
        guarded.remove(&scene.who.region);
    }
    let asked = guarded.into_iter().map(|region| async move {
        let seen = one(scene, &clients.in_region(&region), covered.contains(&region)).await;
        (region, seen)
    });
    let regions = stream::iter(asked.collect::<Vec<_>>()).buffer_unordered(MOST_REGIONS).collect().await;
    Member { enabled, regions }
}

async fn one(scene: &Scene<'_>, clients: &Clients, has_trail: bool) -> MemberRegion {
    let forwards = !scene.output("BusArn").is_empty();
    let role = scene.stack.parameter("MemberRole").unwrap_or("portcullis");
    let rules = match forwards {
        true => events::rules(scene.ask, clients, None, &format!("{role}-")).await,
        false => Ok(BTreeMap::new()),
    };
    let trails = if has_trail { None } else { Some(trails::of(scene.ask, clients).await) };
    let dead_letters = match rules.as_ref().ok().and_then(|rules| dead_letters(rules, &format!("{role}-forward"))) {
        Some((account, name)) => Some(hub::queue(scene.ask, clients, &clients.queue_url(&account, &name)).await),
        None => None,
    };
    MemberRegion { rules, dead_letters, trails }
}

/// Account and name of the queue that keeps what a rule could not forward.
fn dead_letters(rules: &BTreeMap<String, Rule>, name: &str) -> Option<(String, String)> {
    let targets = rules.get(name)?.targets.as_ref().ok()?;
    let arn = targets.iter().find_map(|(_, queue)| queue.as_deref())?;
    let mut parts = arn.rsplit(':');
    let (name, account) = (parts.next()?, parts.next()?);
    Some((account.to_owned(), name.to_owned()))
}
