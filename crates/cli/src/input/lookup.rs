//! CloudTrail's event history: what LookupEvents tells of the past days, Region by Region.

use std::time::Duration;

use aws_sdk_cloudtrail::primitives::DateTime;
use aws_sdk_cloudtrail::types::{LookupAttribute, LookupAttributeKey};
use futures_util::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use portcullis::aws::AwsError;
use portcullis_delivery::documents;
use portcullis_delivery::envelope;
use portcullis_domain::change::Call;
use portcullis_domain::ids::Region;

use super::InputError;
use super::objects::Add;
use crate::aws::Clients;
use crate::operator;

/// CloudTrail keeps the event history for this long (CloudTrail User Guide, "Working with CloudTrail event history").
pub const KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);

/// What the event history leaves out, for people.
pub const LEFT_OUT: &str = "CloudTrail's event history has this account's management events of the last 90 days, the last \
                            minutes often not yet; check the trail's log files for other accounts and for all there is";

/// LookupEvents takes two calls a second in an account and Region (CloudTrail API Reference, LookupEvents).
const PAUSE: Duration = Duration::from_millis(550);

/// This many Regions are asked at a time. Each has a limit of its own.
const MOST_AT_ONCE: usize = 8;

/// The Regions that are enabled in the operator's account.
///
/// # Errors
/// Why they are not known.
pub async fn regions(clients: &Clients) -> Result<Vec<Region>, String> {
    let answer = clients.ec2().describe_regions().send().await;
    let answer =
        answer.map_err(|error| operator::explained(&AwsError::from_sdk("DescribeRegions", &error).to_string()))?;
    let names = answer.regions().iter().filter_map(|region| region.region_name());
    names.map(|name| Region::parse(name).map_err(|error| error.to_string())).collect()
}

/// Reads the events of the calls that can open a group, from `since` on. `done` gets what each Region came to, in order.
///
/// # Errors
/// Those of `done`.
pub async fn read<T: Default + Send + 'static, E>(
    clients: &Clients,
    regions: &[Region],
    since: Timestamp,
    add: &Add<T>,
    mut done: impl FnMut(T) -> Result<(), E>,
) -> Result<(), E> {
    let asked = regions.iter().map(|region| in_region(clients.in_region(region), region, since, add));
    let mut read = stream::iter(asked).buffered(MOST_AT_ONCE);
    while let Some(read) = read.next().await {
        done(read)?;
    }
    Ok(())
}

async fn in_region<T: Default>(clients: Clients, region: &Region, since: Timestamp, add: &Add<T>) -> T {
    let (name, mut read) = (format!("CloudTrail {region}"), T::default());
    for call in Call::NAMES {
        if let Err(error) = of_call(&clients, call, since, (&name, add, &mut read)).await {
            let why = operator::explained(&error.to_string());
            add(&name, &mut read, Err(InputError { place: name.clone(), why }));
            // The other calls would be refused as well.
            break;
        }
    }
    read
}

async fn of_call<T>(
    clients: &Clients,
    call: &str,
    since: Timestamp,
    (name, add, read): (&str, &Add<T>, &mut T),
) -> Result<(), AwsError> {
    let wrong = |error: aws_sdk_cloudtrail::error::BuildError| AwsError::not_sent("LookupEvents", error.to_string());
    let attribute = LookupAttribute::builder().attribute_key(LookupAttributeKey::EventName).attribute_value(call);
    let attribute = attribute.build().map_err(wrong)?;
    let (client, mut next) = (clients.cloudtrail(), None);
    loop {
        let ask = client.lookup_events().lookup_attributes(attribute.clone());
        let ask = ask.start_time(DateTime::from_secs(since.as_second())).set_next_token(next);
        let page = ask.send().await.map_err(|error| AwsError::from_sdk("LookupEvents", &error))?;
        for event in page.events() {
            match event.cloud_trail_event() {
                Some(record) => documents::each(record.as_bytes(), |document| match document.value {
                    Ok(record) => {
                        let items = envelope::open(&record).items;
                        items.into_iter().flat_map(|item| item.payloads).for_each(|it| add(name, read, Ok(it)));
                    }
                    Err(error) => {
                        let why = format!("an event is no JSON: {error}");
                        add(name, read, Err(InputError { place: name.to_owned(), why }));
                    }
                }),
                None => {
                    let why = "an event has no CloudTrailEvent".to_owned();
                    add(name, read, Err(InputError { place: name.to_owned(), why }));
                }
            }
        }
        next = page.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
        tokio::time::sleep(PAUSE).await;
        if next.is_none() {
            return Ok(());
        }
    }
}
