//! DescribeRegions, and which Regions an account has.

use super::{Answer, Context, filter::Filter};
use crate::{ApiError, params::Params, state::Core, tree::Tree};

/// AWS Account Management Reference Guide, "Enable or disable AWS Regions": the Regions that are enabled by default.
pub const DEFAULT_REGIONS: [&str; 17] = [
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

/// The Regions that are disabled until an account opts in.
const OPT_IN: [&str; 17] = [
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-south-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-west-1",
    "eu-central-2",
    "eu-south-1",
    "eu-south-2",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
];

/// The account's own choice, or else whether the Region is enabled by default. Regions of other partitions count as
/// enabled.
pub(crate) fn is_enabled(core: &Core, account: &str, region: &str) -> bool {
    let choice = core.region_choices.get(&(account.to_owned(), region.to_owned()));
    choice.copied().unwrap_or_else(|| !OPT_IN.contains(&region))
}

/// In a Region that is not enabled, EC2 does not know the account's credentials. EC2 API Reference, error codes,
/// AuthFailure: "The provided credentials could not be validated. … Ensure that … your account has opted in to the
/// Region."
pub(crate) fn refusal(core: &Core, account: &str, region: &str) -> Option<ApiError> {
    (!is_enabled(core, account, region)).then(|| crate::caller::unknown_credentials("ec2"))
}

/// "Describes the Regions that are enabled for your account, or all Regions." `RegionName`: "You can specify any Regions,
/// whether they are enabled and disabled for your account."
pub(super) fn describe(ctx: &mut Context<'_>, params: &Params) -> Answer {
    let all = DEFAULT_REGIONS.iter().chain(&OPT_IN).copied();
    let names = params.list("RegionName");
    if let Some(unknown) = names.iter().find(|name| !all.clone().any(|region| region == **name)) {
        return Err(ApiError::invalid_value(format!("Invalid region '{unknown}' specified.")));
    }
    let filters = Filter::all(params, |name| matches!(name, "region-name" | "endpoint" | "opt-in-status"))?;
    let everything = params.is_true("AllRegions");
    let region = |name: &str| {
        let enabled = is_enabled(ctx.core, &ctx.place.account, name);
        let status = match (enabled, OPT_IN.contains(&name)) {
            (false, _) => "not-opted-in",
            (true, true) => "opted-in",
            (true, false) => "opt-in-not-required",
        };
        let endpoint = format!("ec2.{name}.amazonaws.com");
        let asked = if names.is_empty() { enabled || everything } else { names.iter().any(|n| n == name) };
        let fits = filters.iter().all(|filter| match filter.name.as_str() {
            "region-name" => filter.fits([name]),
            "endpoint" => filter.fits([endpoint.as_str()]),
            _ => filter.fits([status]),
        });
        (asked && fits).then(|| {
            Tree::Map(vec![
                ("regionName", name.into()),
                ("regionEndpoint", endpoint.as_str().into()),
                ("optInStatus", status.into()),
            ])
        })
    };
    Ok(Tree::Map(vec![("regionInfo", Tree::List(all.clone().filter_map(region).collect()))]))
}
