//! What helps the reader: a link to the group, the commands that close it and show what is behind it, and the exemption to
//! paste.

use std::collections::BTreeSet;

use jiff::ToSpan;
use portcullis_domain::finding::{Action, Finding, Outcome, Verdict};
use portcullis_domain::ids::{AccountId, GroupId, Region};
use portcullis_domain::text::for_people;

use super::text::group_id;
use super::title::is_open;

/// The group in the console of its partition.
pub(super) fn link(finding: &Finding) -> Option<String> {
    let (group, region) = (group_id(finding.group.as_ref())?, region(finding)?);
    let name = region.as_str();
    let domain = match name {
        _ if name.starts_with("cn-") => "amazonaws.cn",
        _ if name.starts_with("us-gov-") => "amazonaws-us-gov.com",
        _ if name.starts_with("eusc-") => "amazonaws-eusc.eu",
        // The consoles of the other partitions are in no public network.
        _ if name.starts_with("us-iso") || name.starts_with("eu-iso") => return None,
        _ => "aws.amazon.com",
    };
    Some(format!("https://{region}.console.{domain}/ec2/home?region={region}#SecurityGroup:groupId={group}"))
}

/// The command that closes what is open.
pub(super) fn command(finding: &Finding) -> Option<String> {
    if !is_open(finding) {
        return None;
    }
    let (group, region) = (group_id(finding.group.as_ref())?, region(finding)?);
    let is_left =
        |action: &Action| matches!(action, Action::WouldRevoke | Action::WouldRestore | Action::Failed { .. });
    let left = finding.rules.iter().filter(|rule| is_left(&rule.action));
    let standing = finding.exposures.iter().filter(|exposure| exposure.standing);
    let ids = left.map(|rule| rule.id.as_str()).chain(standing.flat_map(|e| e.rules.iter().map(|id| id.as_str())));
    let ids: BTreeSet<&str> = ids.filter(|id| id.starts_with("sgr-")).collect();
    if ids.is_empty() {
        return None;
    }
    let ids: Vec<&str> = ids.into_iter().collect();
    Some(format!(
        "aws ec2 revoke-security-group-ingress --region {region} --group-id {group} --security-group-rule-ids {}",
        ids.join(" ")
    ))
}

/// The command that shows what is behind an open port. The function itself may not ask.
pub(super) fn behind(finding: &Finding) -> Option<String> {
    if !is_open(finding) {
        return None;
    }
    let (group, region) = (group_id(finding.group.as_ref())?, region(finding)?);
    Some(format!(
        "aws ec2 describe-network-interfaces --region {region} --filters Name=group-id,Values={group} --output table \
         --query 'NetworkInterfaces[].[NetworkInterfaceId,Association.PublicIp,Description]'"
    ))
}

/// The exemption that would have let it pass, for thirty days.
pub(super) fn exemption(finding: &Finding) -> Option<String> {
    let is_own = matches!(finding.outcome, Outcome::Reverted | Outcome::WouldRevert | Outcome::Failed);
    if finding.verdict != Verdict::Exposed || !is_own {
        return None;
    }
    let group: GroupId = group_id(finding.group.as_ref())?;
    let own = || finding.exposures.iter().filter(|exposure| !exposure.standing);
    let guards: BTreeSet<&str> = own().map(|exposure| exposure.guard.as_str()).collect();
    let sources: BTreeSet<&str> = own().flat_map(|exposure| exposure.sources.iter().map(String::as_str)).collect();
    let until = finding.time?.to_zoned(jiff::tz::TimeZone::UTC).checked_add(30.days()).ok()?.date();
    let account = AccountId::parse(finding.account.as_ref()?).ok()?;
    let mut lines = vec![
        "  - reason: why this is lawful, and who says so".to_owned(),
        format!("    until: {until}T23:59:59Z"),
        format!("    accounts: [\"{account}\"]"),
        format!("    groups: [{group}]"),
        format!("    guard: [{}]", yaml(&guards)),
    ];
    // A prefix list is no block, and an exemption without sources covers any.
    if sources.iter().all(|source| source.contains('/')) {
        lines.push(format!("    sources: [{}]", yaml(&sources)));
    }
    Some(format!("exempt:\n{}", lines.join("\n")))
}

/// The words of a list. A block of IPv6 has colons, which mean something to YAML.
fn yaml(words: &BTreeSet<&str>) -> String {
    let is_plain = |word: &str| word.chars().all(|c| c.is_ascii_alphanumeric() || "./-_".contains(c));
    let word = |word: &&str| if is_plain(word) { (*word).to_owned() } else { format!("{:?}", for_people(word)) };
    words.iter().map(word).collect::<Vec<_>>().join(", ")
}

fn region(finding: &Finding) -> Option<Region> {
    Region::parse(finding.region.as_ref()?).ok()
}
