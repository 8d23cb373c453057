//! Which openings are closed: by the list of openings, and where that is lost, by the schedule, by what rules say of
//! themselves, or by the group's own memory. The memory of the group decides in each case what is closed.

use std::collections::BTreeSet;
use std::io;

use portcullis::aws::{AccountRegion, KnownLists, ListAge, Wanted};
use portcullis::domain::change::Resource;
use portcullis::domain::facts::Facts;
use portcullis::domain::ids::GroupId;
use portcullis::domain::opening::marker_of;
use portcullis_cli::operator::explained;
use tokio::time::Instant;

use super::What;
use crate::open::place::{PATIENCE, Place};

/// What was found.
pub(super) enum Found {
    /// These openings, each with its group.
    Openings(Vec<(String, GroupId)>),
    /// There is nothing to close, and why.
    Nothing(String),
    /// Nobody knows, and what to do.
    CannotTell(String),
}

/// Looks for what is to be closed.
pub(super) async fn openings(what: &What, place: &Place, target: &AccountRegion) -> io::Result<Found> {
    let AccountRegion { account, region } = target;
    let list = place.openings().list(account, region).await?;
    let listed = list.openings.into_iter().map(|(id, it)| (id, it.group));
    match what {
        What::Group(group) => {
            let mut ids: BTreeSet<String> = listed.filter(|(_, of)| of == group).map(|(id, _)| id).collect();
            ids.extend(place.openings().of_group(account, region, group).await?);
            let facts = look(Resource::Group(group.clone()), place, target).await?;
            let rules = facts.iter().filter(|facts| facts.location.group == *group).flat_map(|facts| &facts.rules);
            ids.extend(rules.filter_map(marker_of).map(|marker| marker.waiver.to_owned()));
            if ids.is_empty() {
                return Ok(Found::Nothing(format!("No opening of {group} in {account} {region}: nothing to do.")));
            }
            Ok(Found::Openings(ids.into_iter().map(|id| (id, group.clone())).collect()))
        }
        What::Waiver(id) => {
            let named: Vec<(String, GroupId)> = listed.filter(|(it, _)| it == id).collect();
            if !named.is_empty() {
                return Ok(Found::Openings(named));
            }
            if let Some(at) = list.ended.get(id) {
                return Ok(Found::Nothing(format!("{id} was ended at {at}: nothing to do.")));
            }
            unlisted(id, place, target).await
        }
    }
}

/// Looks for a waiver that the list does not name.
async fn unlisted(id: &str, place: &Place, target: &AccountRegion) -> io::Result<Found> {
    let AccountRegion { account, region } = target;
    if let Some(schedule) = &place.schedule {
        let of = schedule.group_of(id).await.map_err(io::Error::other)?;
        match of {
            Some(at) if at.account == *account && at.region == *region => {
                eprintln!("portcullis: {id} is not in the list of openings; its schedule names {}", at.group);
                return Ok(Found::Openings(vec![(id.to_owned(), at.group)]));
            }
            Some(at) => {
                let why = format!("{id} is an opening of {} in {} {}", at.group, at.account, at.region);
                return Err(io::Error::other(format!(
                    "{why}, and not in {account} {region}: close it there, with --region and the credentials of that account"
                )));
            }
            None => {}
        }
    }
    let groups = groups_that_name(id, place, target).await?;
    if !groups.is_empty() {
        eprintln!("portcullis: {id} is not in the list of openings; a rule's description names it");
        return Ok(Found::Openings(groups.into_iter().map(|group| (id.to_owned(), group)).collect()));
    }
    Ok(Found::CannotTell(format!(
        "{id} is not in the list of openings of {account} {region}, no schedule and no rule there names it. It was ended more \
         than a day ago or in another Region, or what was known of it is lost: that cannot be told. If a port may be open \
         still, close it by its group, whose own memory may know it: portcullis close sg-… And portcullis sweep shows what is \
         open"
    )))
}

/// The groups with a rule that says that it is part of the opening.
async fn groups_that_name(id: &str, place: &Place, target: &AccountRegion) -> io::Result<BTreeSet<GroupId>> {
    let groups = look(Resource::Region, place, target).await?.into_iter();
    let names = groups.filter(|facts| facts.rules.iter().filter_map(marker_of).any(|marker| marker.waiver == id));
    Ok(names.map(|facts| facts.location.group).collect())
}

/// Groups as EC2 shows them now.
async fn look(resource: Resource, place: &Place, target: &AccountRegion) -> io::Result<Vec<Facts>> {
    let session = place.aws.session(&place.identity, Instant::now() + PATIENCE);
    let (lists, nothing) = (KnownLists::default(), |_: &_| false);
    let wanted = Wanted { vpc: false, prefix_list_of: &nothing, lists: (&lists, ListAge::Known), now: place.now() };
    let looked = session.describe(target, &resource, wanted).await;
    Ok(looked.map_err(|error| io::Error::other(explained(&error.to_string())))?.groups)
}
