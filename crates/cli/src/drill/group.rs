//! The drill's group: made, opened, looked at, deleted. And what earlier drills left.

use std::time::Duration;

use aws_sdk_ec2::types::{Filter, IpPermission, IpRange, ResourceType, SecurityGroup, Tag, TagSpecification};
use jiff::Timestamp;
use portcullis::aws::AwsError;

use super::{BY, Failure, Kind, Place, TAG, UNTIL};

/// The port that is opened.
const SSH: i32 = 22;

/// Makes a group with a drill's tags. Its id.
///
/// The call may have made the group although its answer was lost, and then a second attempt says that there is one.
pub(super) async fn create(place: &Place, name: &str, until: Timestamp) -> Result<String, AwsError> {
    let call = "CreateSecurityGroup";
    let until = Timestamp::from_second(until.as_second()).unwrap_or(until).to_string();
    let tags = [TAG, (BY, &tag_value(&place.by)), (UNTIL, &until)];
    let tags = tags.map(|(key, value)| Tag::builder().key(key).value(value).build());
    let tags = TagSpecification::builder().resource_type(ResourceType::SecurityGroup).set_tags(Some(tags.into()));
    let create = place.ec2.create_security_group().group_name(name).set_vpc_id(place.vpc.clone());
    let create = create.description("A drill of Portcullis. Nobody uses this group. It may be deleted.");
    match create.tag_specifications(tags.build()).send().await {
        Ok(answer) => match answer.group_id() {
            Some(group) => Ok(group.to_owned()),
            None => Err(AwsError::bad_answer(call, &"it names no group")),
        },
        Err(error) => match named(place, name).await {
            Ok(Some(group)) => Ok(group),
            _ => Err(AwsError::from_sdk(call, &error)),
        },
    }
}

/// The drill's group of this name, if it is there.
async fn named(place: &Place, name: &str) -> Result<Option<String>, AwsError> {
    let found = tagged(place, Some(name)).await?;
    Ok(found.first().and_then(|group| group.group_id()).map(str::to_owned))
}

/// Adds the rule. Its id.
pub(super) async fn open(place: &Place, group: &str, kind: Kind) -> Result<String, AwsError> {
    let call = "AuthorizeSecurityGroupIngress";
    let range = IpRange::builder().cidr_ip(kind.source()).description("A drill of Portcullis").build();
    let ssh = IpPermission::builder().ip_protocol("tcp").from_port(SSH).to_port(SSH).ip_ranges(range).build();
    let answer = place.ec2.authorize_security_group_ingress().group_id(group).ip_permissions(ssh).send().await;
    let answer = answer.map_err(|error| AwsError::from_sdk(call, &error))?;
    let rule = answer.security_group_rules().first().and_then(|rule| rule.security_group_rule_id());
    rule.map(str::to_owned).ok_or_else(|| AwsError::bad_answer(call, &"it lists no rule"))
}

/// Whether EC2 shows the rule.
pub(super) async fn shows(place: &Place, group: &str, rule: &str) -> Result<bool, AwsError> {
    let of_group = Filter::builder().name("group-id").values(group).build();
    let answer = place.ec2.describe_security_group_rules().filters(of_group).send().await;
    let answer = answer.map_err(|error| AwsError::from_sdk("DescribeSecurityGroupRules", &error))?;
    Ok(answer.security_group_rules().iter().any(|each| each.security_group_rule_id() == Some(rule)))
}

/// So often it is tried to delete a group, a second apart: what was just made may not show everywhere yet.
const ATTEMPTS: u32 = 5;

/// Deletes a group. One that is gone already is deleted.
///
/// # Errors
/// [`Failure::NotDeleted`], with the command that does it.
pub async fn delete(place: &Place, group: &str) -> Result<(), Failure> {
    let mut attempt = 1;
    loop {
        let Err(error) = place.ec2.delete_security_group().group_id(group).send().await else { return Ok(()) };
        let why = AwsError::from_sdk("DeleteSecurityGroup", &error);
        match why.code.as_str() {
            "InvalidGroup.NotFound" => return Ok(()),
            "UnauthorizedOperation" => attempt = ATTEMPTS,
            _ => {}
        }
        if attempt >= ATTEMPTS {
            let (group, region) = (group.to_owned(), place.region.to_string());
            return Err(Failure::NotDeleted { group, region, why });
        }
        attempt += 1;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// A group that an earlier drill left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// Its id.
    pub group: String,
    /// Whether it may be deleted. Else a drill of somebody else may still be going on.
    pub is_over: bool,
    /// Who made it, and until when at most.
    pub of: String,
}

/// The groups with a drill's tag.
///
/// # Errors
/// [`AwsError`].
pub async fn leftovers(place: &Place, now: Timestamp) -> Result<Vec<Leftover>, AwsError> {
    let groups = tagged(place, None).await?;
    Ok(groups.iter().filter_map(|group| leftover(group, &tag_value(&place.by), now)).collect())
}

fn leftover(group: &SecurityGroup, by: &str, now: Timestamp) -> Option<Leftover> {
    let tag = |key: &str| group.tags().iter().find(|tag| tag.key() == Some(key)).and_then(|tag| tag.value());
    let until = tag(UNTIL).and_then(|until| until.parse::<Timestamp>().ok());
    // Who marks a group as a drill's and does not say until when has no claim to it.
    let is_over = tag(BY) == Some(by) || until.is_none_or(|until| until < now);
    let until = until.map_or_else(|| "an unknown time".to_owned(), |until| until.to_string());
    let of = format!("{}, until {until}", tag(BY).unwrap_or("somebody"));
    Some(Leftover { group: group.group_id()?.to_owned(), is_over, of })
}

async fn tagged(place: &Place, name: Option<&str>) -> Result<Vec<SecurityGroup>, AwsError> {
    let filter = |name: &str, value: &str| Filter::builder().name(name).values(value).build();
    let filters =
        [filter(&format!("tag:{}", TAG.0), TAG.1)].into_iter().chain(name.map(|name| filter("group-name", name)));
    let pages = place.ec2.describe_security_groups().set_filters(Some(filters.collect()));
    let mut pages = pages.into_paginator().send();
    let mut groups = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| AwsError::from_sdk("DescribeSecurityGroups", &error))?;
        groups.extend(page.security_groups().iter().cloned());
    }
    Ok(groups)
}

/// A text as the value of a tag (EC2 User Guide, "Tag restrictions": letters, digits, spaces and + - = . _ : / @).
fn tag_value(text: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || " +-=._:/@".contains(c);
    text.chars().map(|c| if fits(c) { c } else { '_' }).take(256).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_of_somebody_elses_drill_is_left_alone_until_its_time_is_over() {
        let now: Timestamp = "2026-11-26T10:00:00Z".parse().unwrap();
        let group = |tags: &[(&str, &str)]| {
            let tags = tags.iter().map(|(key, value)| Tag::builder().key(*key).value(*value).build());
            SecurityGroup::builder().group_id("sg-1").set_tags(Some(tags.collect())).build()
        };
        for (tags, is_over) in [
            (vec![(BY, "me"), (UNTIL, "2026-11-26T10:05:00Z")], true),
            (vec![(BY, "you"), (UNTIL, "2026-11-26T10:05:00Z")], false),
            (vec![(BY, "you"), (UNTIL, "2026-11-26T09:55:00Z")], true),
            (vec![(BY, "you"), (UNTIL, "soon")], true),
            (vec![], true),
        ] {
            assert_eq!(leftover(&group(&tags), "me", now).unwrap().is_over, is_over, "{tags:?}");
        }
    }

    #[test]
    fn an_arn_fits_into_a_tag() {
        let arn = "arn:aws:sts::111122223333:assumed-role/Admin/alice@example.com";
        assert_eq!(tag_value(arn), arn);
        assert_eq!(tag_value("a,b*c"), "a_b_c");
    }
}
