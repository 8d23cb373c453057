//! What is behind a group, for the operator's command line: DescribeNetworkInterfaces. The function never calls it, and its
//! role may not.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::NetworkInterface;
use portcullis_domain::ids::GroupId;

use super::{LimitedClient, MOST_VALUES, filter, texts};
use crate::aws::rate_limit::Api;
use crate::aws::{AccountRegion, AwsError, Session, within};

const DESCRIBE_INTERFACES: &str = "DescribeNetworkInterfaces";

/// A page has at most this many (EC2 API Reference, DescribeNetworkInterfaces, `MaxResults`).
const PAGE: i32 = 1000;

/// The network interfaces that a group is on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Interfaces {
    /// All of them.
    pub count: u64,
    /// Those with a public address.
    pub public: u64,
}

impl Session<'_> {
    /// The network interfaces of each of these groups; a group that is on none has 0.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn interfaces(
        &self,
        target: &AccountRegion,
        groups: &[GroupId],
    ) -> Result<BTreeMap<GroupId, Interfaces>, AwsError> {
        let read = async {
            let client = LimitedClient::of(self, target).await?;
            let mut found: BTreeMap<GroupId, Interfaces> =
                groups.iter().map(|group| (group.clone(), Interfaces::default())).collect();
            for portion in groups.chunks(MOST_VALUES) {
                for interface in interfaces(&client, portion).await? {
                    let is_public = is_public(&interface);
                    let ids = interface.groups().iter().filter_map(|group| group.group_id()?.parse::<GroupId>().ok());
                    for id in ids {
                        if let Some(of) = found.get_mut(&id) {
                            of.count += 1;
                            of.public += u64::from(is_public);
                        }
                    }
                }
            }
            Ok(found)
        };
        within(self.until, DESCRIBE_INTERFACES, read).await
    }
}

/// Every page.
async fn interfaces(client: &LimitedClient<'_>, groups: &[GroupId]) -> Result<Vec<NetworkInterface>, AwsError> {
    let (mut found, mut token) = (Vec::new(), None);
    loop {
        client.wait(Api::Interfaces).await;
        let call = client.ec2.describe_network_interfaces().set_filters(filter("group-id", Some(texts(groups))));
        let call = call.max_results(PAGE).set_next_token(token);
        let page = call.send().await.map_err(|error| AwsError::from_sdk(DESCRIBE_INTERFACES, &error))?;
        found.extend(page.network_interfaces.unwrap_or_default());
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(found);
        }
    }
}

/// Whether it has a public address: one of IPv4 that is associated with it, or any of IPv6.
fn is_public(interface: &NetworkInterface) -> bool {
    let is_associated = interface.association().is_some_and(|it| it.public_ip().is_some());
    let private = interface.private_ip_addresses().iter();
    is_associated
        || private.filter_map(|address| address.association()).any(|it| it.public_ip().is_some())
        || !interface.ipv6_addresses().is_empty()
}
