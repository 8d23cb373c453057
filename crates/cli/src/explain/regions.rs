//! Regions that are probably misspelt.

use portcullis_domain::ids::Region;
use portcullis_domain::policy::{Policy, Selector};

use super::Warning;
use crate::policy_errors::nearest;

/// The Regions of today. A policy may name another: Regions are added, and a warning is all that follows.
const KNOWN: [&str; 45] = [
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-isoe-west-1",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eusc-de-east-1",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-iso-east-1",
    "us-iso-west-1",
    "us-isob-east-1",
    "us-isof-east-1",
    "us-isof-south-1",
    "us-west-1",
    "us-west-2",
];

/// A warning for each Region of an exemption or a scope that is not known.
pub(super) fn unknown(policy: &Policy) -> Vec<Warning> {
    let exemptions = policy.exemptions().iter().map(|exemption| (exemption.line, &exemption.place));
    let scopes = policy.scopes().iter().map(|scope| (scope.line, &scope.place));
    let of = |(line, place): (u64, &Selector)| {
        let regions = place.regions.iter().flatten().filter(|region| !KNOWN.contains(&region.as_str()));
        regions.map(|region| Warning { line: Some(line), text: words(region) }).collect::<Vec<_>>()
    };
    exemptions.chain(scopes).flat_map(of).collect()
}

fn words(region: &Region) -> String {
    let meant = nearest(region.as_str(), KNOWN.into_iter()).map(|it| format!(": did you mean {it}?"));
    let meant = meant.unwrap_or_else(|| ", and matches nothing where there is none of that name".to_owned());
    format!("{region} is no Region that this version knows{meant}")
}
