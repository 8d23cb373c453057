//! CloudTrail: the trails that a Region shows.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, stream};
use portcullis_domain::ids::Region;

use super::super::api::{DESCRIBE_TRAILS, GET_EVENT_SELECTORS, GET_TRAIL_STATUS};
use super::super::inventory::{Seen, Trail, Trails};
use super::Scene;
use super::ask::Ask;
use crate::aws::Clients;
use crate::trail::WriteEvents;

/// This many Regions are asked at a time.
const MOST_AT_ONCE: usize = 8;

/// The trails of the stack's own account, in each guarded Region.
pub(super) async fn regions(scene: &Scene<'_>, enabled: &Seen<BTreeSet<Region>>) -> BTreeMap<Region, Trails> {
    let guarded = match enabled {
        Ok(enabled) => scene.guarded(enabled),
        Err(error) => return BTreeMap::from([(scene.who.region.clone(), Err(error.clone()))]),
    };
    let asked = guarded.into_iter().map(|region| async move {
        let trails = of(scene.ask, &scene.clients.in_region(&region)).await;
        (region, trails)
    });
    stream::iter(asked).buffer_unordered(MOST_AT_ONCE).collect().await
}

/// Trails of all Regions and of the organisation are shown in every Region that they log in. The status is asked for in
/// this Region: a trail may be stopped in one of them.
pub(super) async fn of(ask: &Ask, clients: &Clients) -> Trails {
    let cloudtrail = clients.cloudtrail();
    let listed = ask.call(DESCRIBE_TRAILS, cloudtrail.describe_trails().send()).await?;
    let mut trails = Vec::new();
    for trail in listed.trail_list() {
        let arn = trail.trail_arn().unwrap_or_default().to_owned();
        let status = ask.call(GET_TRAIL_STATUS, cloudtrail.get_trail_status().name(&arn).send()).await;
        let selectors = ask.call(GET_EVENT_SELECTORS, cloudtrail.get_event_selectors().trail_name(&arn).send()).await;
        let error = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        let found = Trail {
            home: trail.home_region().unwrap_or_default().to_owned(),
            organization: trail.is_organization_trail().unwrap_or_default(),
            status: status.map(|it| (it.is_logging().unwrap_or_default(), error(it.latest_delivery_error()))),
            writes: selectors
                .map(|answer| WriteEvents::of(answer.event_selectors(), answer.advanced_event_selectors())),
            arn,
        };
        let serves = found.serves();
        trails.push(found);
        // One that serves is enough.
        if serves {
            break;
        }
    }
    Ok(trails)
}
