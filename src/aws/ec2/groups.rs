//! Groups by name, by prefix list and with their VPCs: DescribeSecurityGroups.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{Filter, SecurityGroup};
use portcullis_domain::ids::{GroupId, PrefixListId, VpcId};

use super::{LimitedClient, MOST_VALUES, filter, texts};
use crate::aws::rate_limit::Api;
use crate::aws::{AccountRegion, AwsError, Effect, Session, within};

const DESCRIBE_GROUPS: &str = "DescribeSecurityGroups";

/// Groups of the default VPC: only there can a call name a group without its id, and only those does `GroupName` find
/// (EC2 API Reference, DescribeSecurityGroups).
pub(super) async fn groups_named(client: &LimitedClient<'_>, name: &str) -> Result<Vec<GroupId>, AwsError> {
    match groups(client, Some(name), None).await {
        Ok(groups) => groups.iter().map(group_id).collect(),
        Err(error) if error.effect == Effect::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Groups with an ingress rule whose source is the list.
pub(super) async fn groups_that_refer_to(
    client: &LimitedClient<'_>,
    list: &PrefixListId,
) -> Result<Vec<GroupId>, AwsError> {
    let filters = filter("ip-permission.prefix-list-id", Some(vec![list.to_string()]));
    groups(client, None, filters).await?.iter().map(group_id).collect()
}

/// The VPCs of these groups, or of all groups of the Region.
pub(super) async fn vpcs(
    client: &LimitedClient<'_>,
    wanted: Option<&[GroupId]>,
) -> Result<Vec<(GroupId, VpcId)>, AwsError> {
    let mut found = Vec::new();
    for group in groups(client, None, filter("group-id", wanted.map(texts))).await? {
        if let Some(vpc) = group.vpc_id() {
            let vpc = vpc.parse().map_err(|error| AwsError::bad_answer(DESCRIBE_GROUPS, &error))?;
            found.push((group_id(&group)?, vpc));
        }
    }
    Ok(found)
}

impl Session<'_> {
    /// The names of groups, for people: of the first 200.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn group_names(
        &self,
        target: &AccountRegion,
        wanted: &[GroupId],
    ) -> Result<BTreeMap<GroupId, String>, AwsError> {
        let wanted = wanted.get(..MOST_VALUES.min(wanted.len())).unwrap_or_default();
        let read = async {
            let client = LimitedClient::of(self, target).await?;
            let found = groups(&client, None, filter("group-id", Some(texts(wanted)))).await?;
            let named = |group: &SecurityGroup| Some((group_id(group).ok()?, group.group_name()?.to_owned()));
            Ok(found.iter().filter_map(named).collect())
        };
        within(self.until, DESCRIBE_GROUPS, read).await
    }
}

/// Every page of a DescribeSecurityGroups. A request for one name has one page.
async fn groups(
    client: &LimitedClient<'_>,
    name: Option<&str>,
    filters: Option<Vec<Filter>>,
) -> Result<Vec<SecurityGroup>, AwsError> {
    let (mut groups, mut token) = (Vec::new(), None);
    loop {
        client.wait(Api::Groups).await;
        let call = client.ec2.describe_security_groups().set_filters(filters.clone());
        let call = call.set_group_names(name.map(|name| vec![name.to_owned()])).set_next_token(token);
        let page = call.send().await.map_err(|error| AwsError::from_sdk(DESCRIBE_GROUPS, &error))?;
        groups.extend(page.security_groups.unwrap_or_default());
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(groups);
        }
    }
}

fn group_id(group: &SecurityGroup) -> Result<GroupId, AwsError> {
    let id = group.group_id().unwrap_or_default().parse();
    id.map_err(|error| AwsError::bad_answer(DESCRIBE_GROUPS, &error))
}
