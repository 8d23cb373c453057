//! EC2's answers as the function reads them, and the ways in which a call goes wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use ec2_model::{Call, FaultKind, Reply, Response};

use crate::simulation::judge::{Rule, Shape};

/// Longer than the SDK waits for an answer.
const TOO_SLOW: Duration = Duration::from_secs(5);

pub(super) fn any_fault(rng: &mut fastrand::Rng) -> (&'static str, FaultKind) {
    let (status, code, message) = (500, "InternalError".to_owned(), "injected".to_owned());
    match rng.usize(..11) {
        0 => ("an error before the effect", FaultKind::ErrorBefore { status, code, message }),
        1 => ("an error after the effect", FaultKind::ErrorAfter { status, code, message }),
        2 => ("throttled", FaultKind::Throttle),
        3 => ("connection lost before the effect", FaultKind::LostBefore),
        4 => ("connection lost after the effect", FaultKind::LostAfter),
        5 => ("answer cut", FaultKind::Cut),
        6 => ("answer malformed", FaultKind::MalformedXml),
        7 => ("denied", FaultKind::Denied),
        8 => ("credentials expired", FaultKind::ExpiredCredentials),
        9 => ("slow past the time-out", FaultKind::Slow(Duration::from_millis(rng.u64(5_100..30_000)))),
        _ => ("slow", FaultKind::Slow(Duration::from_millis(rng.u64(200..4_900)))),
    }
}

/// The body of an answer that the function can read.
pub(super) fn readable(reply: &Reply) -> Option<&[u8]> {
    let whole = |response: &Response| response.status == 200 && response.body.trim_ascii_end().ends_with(b"Response>");
    match reply {
        Reply::Answer(response) if whole(response) => Some(&response.body),
        Reply::Slow(pause, response) if whole(response) && *pause < TOO_SLOW => Some(&response.body),
        Reply::Answer(_) | Reply::Slow(..) | Reply::Cut(_) | Reply::Lost => None,
    }
}

/// Whether EC2 refused the call for want of a token.
pub(super) fn is_throttled(reply: &Reply) -> bool {
    matches!(reply, Reply::Answer(response) if response.status == 503 && response.body.windows(20).any(|text| text == b"RequestLimitExceeded"))
}

/// The text of the first element with this name.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text)
}

/// The ingress rules of an answer to DescribeSecurityGroupRules, by group.
pub(super) fn escaped(xml: &str) -> BTreeMap<String, Vec<Rule>> {
    let mut groups: BTreeMap<String, Vec<Rule>> = BTreeMap::new();
    for item in xml.split("<securityGroupRuleId>").skip(1) {
        let text = |name| element(item, name).unwrap_or_default();
        if text("isEgress") == "true" {
            continue;
        }
        let id = item.split_once('<').unwrap().0.to_owned();
        // The group's id comes before the rule's id. The rule's ARN does not name the group.
        let source = ["cidrIpv4", "cidrIpv6", "prefixListId", "groupId"].into_iter().find_map(|name| {
            // Text after the rule's end belongs to the next rule.
            element(item.split("</item>").next().unwrap(), name)
        });
        let port = |name| text(name).parse().unwrap();
        let shape = Shape {
            protocol: text("ipProtocol").to_owned(),
            ports: (port("fromPort"), port("toPort")),
            source: source.unwrap().to_owned(),
        };
        let before = &xml[..xml.find(&format!("<securityGroupRuleId>{id}<")).unwrap()];
        let group = before.rsplit_once("<groupId>").unwrap().1.split_once('<').unwrap().0;
        groups.entry(group.to_owned()).or_default().push(Rule { id, shape });
    }
    groups
}

pub(super) fn values<'a>(call: &'a Call, prefix: &'a str) -> impl Iterator<Item = String> + 'a {
    call.params.iter().filter(move |(name, _)| name.starts_with(prefix)).map(|(_, value)| value.clone())
}
