//! What is probably a mistake in an exemption by principal.

use portcullis_domain::ids::Region;
use portcullis_domain::policy::{Exemption, Selector};
use portcullis_domain::text::escaped_up_to;

/// What is odd about an exemption's principals, each as the end of a sentence about the exemption.
pub(super) fn mistakes(exemption: &Exemption) -> Vec<String> {
    let Some(patterns) = &exemption.principals else { return Vec::new() };
    let mut mistakes: Vec<String> =
        patterns.iter().flat_map(|pattern| of_pattern(pattern, exemption.place.regions.as_deref())).collect();
    if exemption.place == Selector::default() && exemption.guards.is_none() && exemption.sources().is_none() {
        mistakes.push(
            "names nobody but principals: while it holds, rules that appear between two looks, or are changed faster than \
             events come, are reported and not revoked; give it accounts, groups, guard or sources"
                .to_owned(),
        );
    }
    mistakes
}

fn of_pattern(pattern: &str, regions: Option<&[Region]>) -> Vec<String> {
    let mut parts = pattern.splitn(6, ':').skip(1);
    let (Some(partition), Some(_), Some(_), Some(account), Some(resource)) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Vec::new();
    };
    let named = escaped_up_to(pattern, 200);
    let mut mistakes = Vec::new();
    if is_wild(account) {
        mistakes.push(format!(
            "holds for `{named}` of more than one account: whoever can make such a principal in any of them is exempt; \
             give the account"
        ));
    }
    if ends_in_a_session_name(resource) {
        mistakes.push(format!(
            "names a session, `{named}`: whoever assumes the role chooses that name; exempt the role, or end with `/*`"
        ));
    }
    if resource.starts_with("role/AWSReservedSSO_") {
        mistakes.push(format!(
            "never matches `{named}`: the roles of IAM Identity Center have a path; write \
             role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_…"
        ));
    }
    let meets = |region: &Region| is_wild(partition) || partition == partition_of(region);
    if regions.is_some_and(|regions| !regions.iter().any(meets)) {
        mistakes.push(format!("never matches `{named}`: none of its Regions is in the partition {partition}"));
    }
    mistakes
}

fn is_wild(part: &str) -> bool {
    part.contains(['*', '?'])
}

/// `assumed-role/ROLE/NAME`. IAM Identity Center chooses the names of its own sessions.
fn ends_in_a_session_name(resource: &str) -> bool {
    let Some((role, session)) = resource.strip_prefix("assumed-role/").and_then(|rest| rest.split_once('/')) else {
        return false;
    };
    session != "*" && !role.starts_with("AWSReservedSSO_")
}

/// The partition of a Region (AWS General Reference, "Amazon Resource Names"); of Regions that are not public, what
/// stands before their name.
fn partition_of(region: &Region) -> &'static str {
    let name = region.as_str();
    [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("us-isob-", "aws-iso-b"),
        ("us-iso-", "aws-iso"),
        ("eusc-", "aws-eusc"),
    ]
    .into_iter()
    .find_map(|(prefix, partition)| name.starts_with(prefix).then_some(partition))
    .unwrap_or("aws")
}
