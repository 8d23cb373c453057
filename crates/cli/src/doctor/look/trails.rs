//! CloudTrail: the trails that a Region shows.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudtrail::operation::get_event_selectors::GetEventSelectorsOutput;
use aws_sdk_cloudtrail::types::ReadWriteType;
use futures_util::{StreamExt, stream};
use portcullis_domain::ids::Region;

use super::super::api::{DESCRIBE_TRAILS, GET_EVENT_SELECTORS, GET_TRAIL_STATUS};
use super::super::inventory::{Seen, Trail, Trails};
use super::Scene;
use super::ask::Ask;
use crate::aws::Clients;

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
            writes: selectors.map(|selectors| writes(&selectors)),
            arn,
        };
        let serves = matches!((&found.status, &found.writes), (Ok((true, None)), Ok(true)));
        trails.push(found);
        // One that serves is enough.
        if serves {
            break;
        }
    }
    Ok(trails)
}

/// Whether EC2's management write events pass the selectors (CloudTrail API Reference, EventSelector and
/// AdvancedFieldSelector). Of advanced selectors one alone has to let an event through, and each of its fields.
pub(super) fn writes(selectors: &GetEventSelectorsOutput) -> bool {
    let basic = selectors.event_selectors().iter().any(|selector| {
        let reads = matches!(selector.read_write_type(), Some(ReadWriteType::ReadOnly));
        let ec2 = selector.exclude_management_event_sources().iter().any(|source| source == "ec2.amazonaws.com");
        selector.include_management_events().unwrap_or(true) && !reads && !ec2
    });
    let advanced = selectors.advanced_event_selectors().iter().any(|selector| {
        let management = |field: &aws_sdk_cloudtrail::types::AdvancedFieldSelector| {
            field.field() == "eventCategory" && field.equals().iter().any(|value| value == "Management")
        };
        selector.field_selectors().iter().any(management)
            && selector.field_selectors().iter().all(|field| match field.field() {
                "eventCategory" => management(field),
                "readOnly" => passes(field, "false"),
                "eventSource" => passes(field, "ec2.amazonaws.com"),
                "eventName" => ["AuthorizeSecurityGroupIngress", "ModifySecurityGroupRules", "ModifyManagedPrefixList"]
                    .iter()
                    .all(|name| passes(field, name)),
                // Such as a principal's ARN: what it leaves out the guard never sees.
                _ => false,
            })
    });
    basic || advanced
}

fn passes(field: &aws_sdk_cloudtrail::types::AdvancedFieldSelector, value: &str) -> bool {
    let any = |values: &[String], of: fn(&str, &str) -> bool| values.iter().any(|text| of(value, text));
    let positive = [field.equals(), field.starts_with(), field.ends_with()];
    let is = positive.iter().all(|values| values.is_empty())
        || any(field.equals(), |value, text| value == text)
        || any(field.starts_with(), |value, text| value.starts_with(text))
        || any(field.ends_with(), |value, text| value.ends_with(text));
    let is_not = any(field.not_equals(), |value, text| value == text)
        || any(field.not_starts_with(), |value, text| value.starts_with(text))
        || any(field.not_ends_with(), |value, text| value.ends_with(text));
    is && !is_not
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudtrail::types::{AdvancedEventSelector, AdvancedFieldSelector, EventSelector};

    use super::*;

    fn field(name: &str, equals: &[&str], not: &[&str]) -> AdvancedFieldSelector {
        let texts = |texts: &[&str]| (!texts.is_empty()).then(|| texts.iter().map(|text| (*text).to_owned()).collect());
        let field = AdvancedFieldSelector::builder().field(name).set_equals(texts(equals));
        field.set_not_equals(texts(not)).build().unwrap()
    }

    fn advanced(fields: &[AdvancedFieldSelector]) -> bool {
        let selector = AdvancedEventSelector::builder().set_field_selectors(Some(fields.to_vec())).build().unwrap();
        writes(&GetEventSelectorsOutput::builder().advanced_event_selectors(selector).build())
    }

    #[test]
    fn selectors_let_ec2s_write_events_through_or_not() {
        let basic =
            |selector: EventSelector| writes(&GetEventSelectorsOutput::builder().event_selectors(selector).build());
        let of = EventSelector::builder;
        assert!(basic(of().read_write_type(ReadWriteType::All).build()));
        assert!(basic(of().read_write_type(ReadWriteType::WriteOnly).include_management_events(true).build()));
        assert!(basic(of().exclude_management_event_sources("kms.amazonaws.com").build()));
        assert!(!basic(of().read_write_type(ReadWriteType::ReadOnly).build()));
        assert!(!basic(of().include_management_events(false).build()));
        assert!(!basic(of().exclude_management_event_sources("ec2.amazonaws.com").build()));
        let management = || field("eventCategory", &["Management"], &[]);
        assert!(advanced(&[management()]));
        assert!(advanced(&[management(), field("readOnly", &["false"], &[])]));
        assert!(advanced(&[management(), field("eventSource", &[], &["kms.amazonaws.com"])]));
        assert!(!advanced(&[management(), field("readOnly", &["true"], &[])]));
        assert!(!advanced(&[management(), field("eventSource", &[], &["ec2.amazonaws.com"])]));
        assert!(!advanced(&[management(), field("eventName", &["RunInstances"], &[])]));
        assert!(!advanced(&[management(), field("userIdentity.arn", &[], &["arn:aws:iam::1:role/x"])]));
        assert!(!advanced(&[field("eventCategory", &["Data"], &[])]));
        assert!(!writes(&GetEventSelectorsOutput::builder().build()), "no selector lets nothing through");
    }
}
